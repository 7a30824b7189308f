"""Formulas: what they mean, what they refuse, and that the records' printed partials are true."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.elementary import TABLE
from chainrule.elementary.base import Pointwise
from chainrule.errors import FormulaError
from chainrule.formula import parse
from chainrule.formula.parser import MAX_DEPTH, MAX_LENGTH

# Meaning --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("-x^2", {"x": 3.0}, -9.0),
        ("2^-x", {"x": 1.0}, 0.5),
        ("x^2^3", {"x": 2.0}, 256.0),
        ("x**2**3", {"x": 2.0}, 256.0),
        ("x - y - z", {"x": 1.0, "y": 2.0, "z": 3.0}, -4.0),
        ("x/y/z", {"x": 12.0, "y": 2.0, "z": 3.0}, 2.0),
        ("x - (y - z)", {"x": 1.0, "y": 2.0, "z": 3.0}, 2.0),
        ("-x*y", {"x": 2.0, "y": 3.0}, -6.0),
        ("+x - -x", {"x": 2.0}, 4.0),
        ("3·x²", {"x": 2.0}, 12.0),
        ("−x × y ÷ 2", {"x": 2.0, "y": 3.0}, -3.0),
        ("x⁻¹ + x³ + x¹²", {"x": 2.0}, 0.5 + 8.0 + 4096.0),
        ("2*π*r", {"r": 1.0}, 2 * math.pi),
        ("e^x - exp(x)", {"x": 1.5}, 0.0),
        ("ln(x) + log(x)", {"x": 5.0}, 2 * math.log(5.0)),
        ("σ(x) - sigmoid(x)", {"x": 0.3}, 0.0),
        ("max(x, y) - min(x, y)", {"x": 2.0, "y": 5.0}, 3.0),
        ("where(x > y, x, -y)", {"x": 2.0, "y": 5.0}, -5.0),
        ("where(x ≤ y, x, -y)", {"x": 2.0, "y": 5.0}, 2.0),
        ("(x > 1)*x + (x != 1)", {"x": 3.0}, 4.0),
        ("atan2(x, y)", {"x": 1.0, "y": -1.0}, 0.75 * math.pi),
        (".5*x + 1e-3 + 2.", {"x": 1.0}, 2.501),
        ("x_1 + x1 + β + lambda", {"x_1": 1.0, "x1": 2.0, "β": 3.0, "lambda": 4.0}, 10.0),
        ("\n x +\n\ty ", {"x": 1.0, "y": 2.0}, 3.0),
    ],
)
def test_the_value_of_a_formula(text: str, values: dict[str, float], expected: float) -> None:
    assert parse(text)(**values) == pytest.approx(expected, rel=1e-15, abs=1e-15)


def test_a_number_that_is_not_real_is_nan_as_in_an_array() -> None:
    with np.errstate(invalid="ignore", divide="ignore"):
        assert np.isnan(parse("x^0.5")(-8.0))
        assert parse("1/x")(0) == np.inf


def test_statements_may_stand_in_any_order() -> None:
    f = parse("L = -log(p); p = 1/(1 + q); q = e^(-W*x)")
    assert f.variables == ("W", "x")
    assert f.result == "L"
    assert sorted(f.definitions) == ["L", "p", "q"]
    assert f(0.0, 7.0) == pytest.approx(math.log(2.0), rel=1e-15)
    assert f(x=7.0, W=0.0) == f(0.0, 7.0)


@pytest.mark.parametrize(
    ("text", "result"),
    [("a = x; b = 2*a", "b"), ("b = 2*a; a = x", "b"), ("a = x; b = x", "b"), ("a = x; 2*a;", "")],
)
def test_the_result_is_the_statement_that_no_other_uses(text: str, result: str) -> None:
    assert parse(text).result == result


def test_a_formula_is_differentiated_like_any_function() -> None:
    f = parse("a*x^2 + sin(x)")
    assert cr.grad(f, "x")(3.0, 2.0) == pytest.approx(12 + math.cos(2.0), rel=1e-15)
    assert cr.grad(f, "a")(3.0, 2.0) == 4.0


def test_e_to_a_power_is_the_exponential() -> None:
    """As a power of 2.718… its derivative would carry a rounded log e."""
    names = [node.name for node in cr.trace(parse("e^(2*x)"))(1.0).nodes]
    assert names == ["x", "multiply", "exp"]


_PYTHON = st.recursive(
    st.sampled_from(["x", "y", "2", "0.5"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(inner, st.sampled_from([" + ", "-", "*", "/ "]), inner).map("".join),
        inner.map(lambda s: f"-{s}"),
        inner.map(lambda s: f"({s})**2"),
        inner.map(lambda s: f"abs({s})"),
    ),
    max_leaves=12,
)


@settings(deadline=None, derandomize=True)
@given(_PYTHON)
def test_precedence_is_that_of_python(text: str) -> None:
    """The one place where Python may evaluate a formula: text made of a fixed grammar."""
    values = {"x": 1.25, "y": -0.75}
    try:
        expected = eval(text, {"abs": abs}, values)
    except (ZeroDivisionError, OverflowError):
        return
    formula = parse(text)
    with np.errstate(all="ignore"):
        found = formula(**{name: values[name] for name in formula.variables})
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-300)


# Refusals -------------------------------------------------------------------------------------

_BAD = [
    ("", "the formula is empty", 0, "write one"),
    ("x +", "the formula ends too early", 3, "write a number or a name"),
    ("2x", "'x' is not expected here", 1, "write * for a product: 2*x"),
    ("x ) y", "')' is not expected here", 2, "open the parenthesis"),
    ("2*sin(x", "a parenthesis is not closed", 5, "write ) where it ends"),
    ("x ^^ 2", "'^' is not expected here", 3, "a number, a name or ("),
    ("x = = 2", "'=' is not expected here", 4, "compare with =="),
    ("where(x = 1, 2, 3)", "'=' is not expected here", 8, "compare with =="),
    ("2 = x", "only a name can be defined", 0, "name = formula"),
    ("x.real", "'.' has no meaning", 1, "no attributes"),
    ("x[0]", "'[' has no meaning", 1, "round parentheses"),
    ("lambda x", "'x' is not expected here", 7, "write *"),
    ("lambda x: x", "':' has no meaning", 8, "separate statements with ;"),
    ("f: x", "':' has no meaning", 1, "separate statements with ;"),
    ("'abc'", '"\'" has no meaning', 0, "without quotes"),
    ("__class__", "'_' has no meaning", 0, "begin names with a letter"),
    ("x % 2", "'%' has no meaning", 2, "mod(a, b)"),
    ("lgo(x)", "lgo is not a function", 0, "did you mean log?"),
    ("1 + sigmod(x)", "sigmod is not a function", 4, "sigmoid"),
    ("x(1 - p)", "x is not a function", 0, "write x*(…)"),
    ("sin x", "sin is a function", 0, "write sin(…)"),
    ("exp(x, y)", "exp takes 1 argument, not 2", 0, "write exp(a)"),
    ("where(x, y)", "where takes 3 arguments, not 2", 0, "write where(a, b, c)"),
    ("max(x)", "max takes 2 arguments, not 1", 0, "write max(a, b)"),
    ("x < y < z", "two comparisons in a row", 6, "where(a < b"),
    ("e = 2", "e is a constant already", 0, "another name"),
    ("exp = 2", "exp is a function already", 0, "another name"),
    ("a = 1; a = x", "a is defined twice", 7, "a name of its own"),
    ("x; y", "two statements have no name", 3, "a name of its own"),
    ("a = b; b = a", "a is defined by itself", 0, "other names only"),
    ("L = x; a = a + 1", "a is defined by itself", 7, "other names only"),
    ("x₁ + 1", "x₁ cannot be a name", 0, "x1 or x_1"),
    ("1/0", "not a finite real number", 1, "1.8e308"),
    ("log(0)*x", "not a finite real number", 0, "logarithms where they exist"),
    ("(-8)^0.5", "not a finite real number", 4, "roots"),
    ("1e999", "not a finite real number", 0, "1.8e308"),
]


@pytest.mark.parametrize(("text", "cause", "at", "remedy"), _BAD, ids=[b[0] for b in _BAD])
def test_a_refusal_says_cause_place_and_remedy(text: str, cause: str, at: int, remedy: str) -> None:
    with pytest.raises(FormulaError) as refused:
        parse(text)
    message = str(refused.value)
    first, received, caret, last = message.split("\n")
    assert cause in first
    assert received == f"  received: {text}"
    assert caret.index("^") - len("  received: ") == at
    assert last.startswith("  remedy:   ")
    assert remedy in last


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9",
        "9^9^9^9*x",
        "(" * 100_000,
        "(" * 900 + "x" + ")" * 900,
        "-" * 1900 + "x",
        "x^" * 900 + "x",
        "sin(" * 400 + "x" + ")" * 400,
        "x." + "__class__." * 50,
        "__import__('os').system('true')",
        "x" * (MAX_LENGTH + 1),
        "1" * 400,
    ],
    ids=lambda text: text[:12],
)
def test_hostile_input_is_refused(text: str) -> None:
    """Refused, and not computed: 9**9**9**9 as an integer would never end."""
    with pytest.raises(FormulaError):
        parse(text)


def test_what_is_within_the_limits_is_read() -> None:
    depth = MAX_DEPTH - 1
    assert parse("(" * depth + "x" + ")" * depth)(2.0) == 2.0
    assert parse("+".join(["x"] * (MAX_LENGTH // 2)))(1.0) == MAX_LENGTH // 2


def test_the_place_is_shown_in_a_long_formula() -> None:
    with pytest.raises(FormulaError) as refused:
        parse("+".join(["alpha"] * 100) + " $ " + "+".join(["beta"] * 100))
    _, received, caret, _ = str(refused.value).split("\n")
    assert received[caret.index("^")] == "$"
    assert len(received) < 100


@pytest.mark.parametrize(
    ("args", "values", "cause"),
    [
        ((1.0,), {}, "the formula has no value for x"),
        ((), {}, "the formula has no value for W, x"),
        ((1.0, 2.0), {"z": 1.0}, "the formula has no variable z"),
        ((1.0, 2.0, 3.0), {}, "too many values"),
    ],
)
def test_missing_and_extra_values_are_named(args: Any, values: Any, cause: str) -> None:
    with pytest.raises(FormulaError, match=cause) as refused:
        parse("W*x")(*args, **values)
    assert "W, x" in str(refused.value).split("remedy")[1]


# The records' printed formulas -------------------------------------------------------------------

_MP = mpmath.mp


class _HighPrecision(dict[str, Any]):
    """mpmath's functions; any other record is what its printed formula says."""

    def __missing__(self, name: str) -> Any:
        formula = parse(TABLE[name].formula)
        assert f"{name}(" not in TABLE[name].formula, f"mpmath has no {name}: add it here"

        def function(*args: Any) -> Any:
            values = dict(zip("abcd", args, strict=False))
            return formula.evaluate(values, self, _MP.mpf)[""]

        return function


_MP_FUNCTIONS = _HighPrecision({
    **{
        name: getattr(_MP, name)
        for name in (
            "exp", "log", "sqrt", "cbrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sign",
            "floor", "erf", "erfc",
        )
    },
    "arcsin": _MP.asin, "arccos": _MP.acos, "arctan": _MP.atan, "arctan2": _MP.atan2,
    "arcsinh": _MP.asinh, "arccosh": _MP.acosh, "arctanh": _MP.atanh,
    "ceil": _MP.ceil, "rint": _MP.nint, "abs": abs, "log10": _MP.log10,
    "log2": lambda a: _MP.log(a, 2),
    "trunc": lambda a: _MP.sign(a) * _MP.floor(abs(a)),
    "mod": lambda a, b: a - b * _MP.floor(a / b),
    "fmod": lambda a, b: a - b * (_MP.sign(a / b) * _MP.floor(abs(a / b))),
    "copysign": lambda a, b: abs(a) * (1 if b >= 0 else -1),
    "maximum": max, "minimum": min, "fmax": max, "fmin": min,
    "heaviside": lambda a, b: b if a == 0 else a > 0,
    "where": lambda c, a, b: a if c else b,
    "sigmoid": lambda a: 1 / (1 + _MP.exp(-a)),
    "norm_cdf": _MP.ncdf, "norm_pdf": _MP.npdf,
    "gammaln": _MP.loggamma, "digamma": _MP.digamma,
    "polygamma": lambda n, a: _MP.psi(int(n), a),
})  # fmt: skip
_LOGIC = {
    "logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or",
    "bitwise_xor", "invert", "isnan", "isinf", "isfinite", "signbit", "selu",
}  # fmt: skip
_POINTWISE = [record for record in TABLE.values() if isinstance(record, Pointwise)]


def _points(record: Pointwise, count: int = 12) -> np.ndarray:
    """Random points of the domain, near zero as well as far out, and a tie of two arguments."""
    rng = np.random.default_rng(len(record.name))
    columns = []
    for low, high in record.domain:
        near = rng.uniform(max(low, -2.0), max(min(high, 2.0), low), count)
        far = rng.uniform(low, high, count)
        columns.append(np.clip(np.concatenate([near, far]), low, high))
    points = np.array(columns).T
    if record.name == "polygamma":
        points[:, 0] = np.round(points[:, 0])
    if record.name in ("maximum", "minimum", "fmax", "fmin"):
        points[:3, 1] = points[:3, 0]
    return points


def _in_high_precision(source: str, point: np.ndarray) -> float:
    """A record's printed text, read as mathematics. 700 digits outlast every cancellation here."""
    values = {letter: _MP.mpf(float(v)) for letter, v in zip("abcd", point, strict=False)}
    formula = parse(source)
    needed = {name: values[name] for name in formula.variables}
    return formula.evaluate(needed, _MP_FUNCTIONS, _MP.mpf)[""]


@pytest.fixture
def high_precision() -> Any:
    with _MP.workdps(700):
        yield


@pytest.mark.parametrize("record", _POINTWISE, ids=lambda record: record.name)
@pytest.mark.usefixtures("high_precision")
def test_the_printed_partial_is_the_partial(record: Pointwise) -> None:
    for point in _points(record):
        args = tuple(np.float64(v) for v in point)
        if record.name.startswith(("bitwise", "invert")):
            args = tuple(v > 0 for v in args)
        y = record.value(*args)
        for rule, source in zip(record.partials, record.symbols, strict=True):
            value = rule(y, *args) if callable(rule) else rule or 0.0
            expected = _in_high_precision(source, point)
            assert float(value) == pytest.approx(float(expected), rel=1e-6, abs=1e-300), (
                f"∂{record.name} = {source} at {point}"
            )


@pytest.mark.parametrize(
    "record", [r for r in _POINTWISE if r.name not in _LOGIC], ids=lambda record: record.name
)
@pytest.mark.usefixtures("high_precision")
def test_the_printed_formula_is_the_function(record: Pointwise) -> None:
    for point in _points(record):
        value = record.value(*(np.float64(v) for v in point))
        expected = _in_high_precision(record.formula, point)
        assert float(value) == pytest.approx(float(expected), rel=1e-6, abs=1e-300), (
            f"{record.name} = {record.formula} at {point}"
        )
