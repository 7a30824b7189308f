"""Universal functions in all of their forms: call, out, where, reduce, accumulate, outer, at."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule.numpy_api import specials, ufuncs
from tests.differences import check
from tests.numpy_api.cases import MASK, M, R, S, T, V, W, case, check_case, marked, same_value

# Arguments inside the domain of each function, away from kinks.
UNIT = np.array([-0.7, -0.2, 0.3, 0.8])
POSITIVE = np.array([0.4, 1.3, 2.2, 3.7])
COLUMN = np.array([[0.7], [1.6]])

DOMAIN = {
    **dict.fromkeys((np.sqrt, np.log, np.log2, np.log10, np.log1p, np.cbrt), POSITIVE),
    **dict.fromkeys((np.arcsin, np.arccos, np.arctanh), UNIT),
    np.arccosh: POSITIVE + 1,
}
PAIRS = {
    np.power: (POSITIVE, COLUMN),
    np.float_power: (POSITIVE, COLUMN),
    np.heaviside: (V, COLUMN),
}
SMOOTH = [u for u in ufuncs.TABLE if not getattr(ufuncs.TABLE[u], "is_step", False)]
STEPS = [u for u in ufuncs.TABLE if u not in SMOOTH]
COMPOSED = list(ufuncs.COMPOSED)


@pytest.mark.parametrize("u", [u for u in SMOOTH if u.nin == 1], ids=lambda u: u.__name__)
def test_unary(u: Any) -> None:
    x = DOMAIN.get(u, V)
    check_case(lambda a: u(a), (x,))
    check_case(lambda a: u(a), (np.float64(x[-1]),))
    check_case(lambda a: u(a), (x[:0],))


@pytest.mark.parametrize(
    "u", [u for u in SMOOTH if u.nin == 2 and u is not np.matmul], ids=lambda u: u.__name__
)
def test_binary(u: Any) -> None:
    x, y = PAIRS.get(u, (V, COLUMN))
    if u is np.copysign:  # a step in its second argument
        check_case(lambda a: u(a, y), (x,))
        return
    if u is not np.heaviside:  # a step in its first argument
        check_case(lambda a, b: u(a, b), (x, y))
        check_case(lambda a: u(a, 0.7), (x,))
        check_case(lambda a: u(a, [0.7, 0.8, 0.9, 1.1]), (x,))
    check_case(lambda b: u(x, b), (y,))
    check_case(lambda b: u(0.0 if u is np.heaviside else 1.25, b), (np.float64(0.7),))


@pytest.mark.parametrize("u", STEPS, ids=lambda u: u.__name__)
def test_steps(u: Any) -> None:
    if u.__name__.startswith("bitwise") or u is np.invert:
        same_value(lambda a: u(*((a > 0), (a < 1))[: u.nin]), V)
    elif u.nin == 1:
        same_value(lambda a: u(a), V)
    else:
        same_value(lambda a: u(a, COLUMN), V)
        same_value(lambda a: u(COLUMN, a), V)


@pytest.mark.parametrize("u", COMPOSED, ids=lambda u: u.__name__)
def test_composed(u: Any) -> None:
    forms: dict[Any, Any] = {
        np.maximum: (lambda a, b: u(a, b), (V, COLUMN)),
        np.minimum: (lambda a, b: u(a, b), (V, COLUMN)),
        np.fmax: (lambda a, b: u(a, b), (V, COLUMN)),
        np.fmin: (lambda a, b: u(a, b), (V, COLUMN)),
        np.divmod: (lambda a: u(a, 0.7)[1], (V,)),
        np.modf: (lambda a: u(a)[0], (V,)),
        np.vecdot: (lambda a, b: u(a, b), (M, V)),
        np.matvec: (lambda a, b: u(a, b), (T, V)),
        np.vecmat: (lambda a, b: u(a, b), (W, T)),
        np.conjugate: (lambda a: u(a), (V,)),
    }
    form, args = forms[u]
    check_case(form, args)
    if u in (np.divmod, np.modf):
        more = (0.7,) if u is np.divmod else ()
        same_value(lambda a: u(a, *more), V)
    if u in (np.maximum, np.minimum, np.fmax, np.fmin):
        check_case(lambda a: u(a, 0.1), (V,))
        check_case(lambda a: u([0.1, 0.2, 0.3, 0.4], a), (V,))


@pytest.mark.parametrize("name", specials.NAMES)
def test_scipy_special(name: str) -> None:
    u = getattr(scipy.special, name)
    x = (V if name.startswith("xlog") else POSITIVE[::-1], POSITIVE) if u.nin == 2 else (POSITIVE,)
    x = (POSITIVE / 4.0,) if name == "logit" else x
    plain = [u(*x)]
    traced = cr.vjp(lambda *a: u(*a), *x)[0]
    np.testing.assert_allclose(traced, plain[0], rtol=1e-13)
    check(lambda *a: u(*a), *x)


def test_the_logarithm_of_the_normal_distribution_function_in_the_tails() -> None:
    x = np.array([-1e10, -200.0, -37.5, -36.5, -1.0, 0.0, 1.0, 9.0, 40.0])
    value, slope = cr.jvp(scipy.special.log_ndtr, (x,), (np.ones(9),))
    with mpmath.workdps(60):
        true = [mpmath.log(mpmath.erfc(-mpmath.mpf(a) / mpmath.sqrt(2)) / 2) for a in x]
        by_x = [mpmath.npdf(a) / mpmath.exp(y) for a, y in zip(x, true, strict=True)]
    np.testing.assert_allclose(value, np.array(true, float), rtol=1e-14)
    np.testing.assert_allclose(slope, np.array(by_x, float), rtol=1e-13)


class Metres:
    """A quantity that does NumPy's work itself, as those of libraries of units do."""

    def __init__(self, number: Any) -> None:
        self.number = number

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        given = [x.number if isinstance(x, Metres) else x for x in inputs]
        return Metres(getattr(ufunc, method)(*given, **kw))

    def __rmul__(self, other: Any) -> Any:
        return Metres(self.number * other)


def test_what_does_numpys_work_itself_is_left_to_it() -> None:
    expected = cr.grad(lambda x: (x * V).sum())(V)
    for f in (lambda x: x * Metres(V), lambda x: np.multiply(x, Metres(V))):
        np.testing.assert_array_equal(cr.grad(lambda x, f=f: f(x).number.sum())(V), expected)
    assert cr.grad(lambda x: x * Fraction(1, 4))(3.0) == 0.25


def test_a_ufunc_of_the_same_name_is_not_mistaken() -> None:
    fake = np.frompyfunc(lambda x: x, 1, 1)
    with pytest.raises(cr.errors.UnsupportedFunctionError, match="no derivative record"):
        cr.grad(lambda a: fake(a).sum())(V)


FORMS = [
    case(np.add.reduce, lambda a: np.add.reduce(a), M),
    case(np.add.reduce, lambda a: np.add.reduce(a, axis=(0, 2), keepdims=True), T),
    case(np.add.reduce, lambda a: np.add.reduce(a, axis=None, where=MASK, initial=2.0), M),
    case(np.multiply.reduce, lambda a: np.multiply.reduce(a, axis=1), M),
    case(np.maximum.reduce, lambda a: np.maximum.reduce(a), M),
    case(np.minimum.reduce, lambda a: np.minimum.reduce(a, axis=-1, keepdims=True), M),
    case(np.logaddexp.reduce, lambda a: np.logaddexp.reduce(a, axis=1), M),
    case(np.add.accumulate, lambda a: np.add.accumulate(a), M),
    case(np.logaddexp.accumulate, lambda a: np.logaddexp.accumulate(a), V),
    case(np.logaddexp.accumulate, lambda a: np.logaddexp.accumulate(a, axis=1), M),
    case(np.subtract.accumulate, lambda a: np.subtract.accumulate(a), M),
    case(np.add.reduceat, lambda a: np.add.reduceat(a, [0, 2, 1, 3]), V),
    case(np.multiply.reduceat, lambda a: np.multiply.reduceat(a, [0, 2], axis=1), M),
    case(np.maximum.reduceat, lambda a: np.maximum.reduceat(a, np.array([1, 2])), M),
    case(np.multiply.accumulate, lambda a: np.multiply.accumulate(a, axis=1), M),
    case(np.maximum.accumulate, lambda a: np.maximum.accumulate(a, axis=-1), M),
    case(np.minimum.accumulate, lambda a: np.minimum.accumulate(a), V),
    case(np.add.outer, lambda a, b: np.add.outer(a, b), V, W),
    case(np.multiply.outer, lambda a, b: np.multiply.outer(a, b), M, W),
    case(np.subtract.outer, lambda a: np.subtract.outer([1.0, 2.0], a), V),
    case(np.hypot.outer, lambda a: np.hypot.outer(a, a), V),
    case(np.sin, lambda a: np.sin(a, dtype=np.float64), V),
    case(np.exp, lambda a: np.exp(a, out=np.zeros_like(a)), M),
    case(np.add, lambda a, b: np.add(a, b, out=np.empty_like(a)), M, V),
    case(np.add, lambda a: np.add(a, 1.0, out=np.ones_like(a), where=a > 0), V),
    case(np.log, lambda a: np.log(a, out=np.full_like(a, 7.0), where=a > 0.05), V),
    case(np.multiply, lambda a: np.multiply(a, a, out=a + 0.0, where=MASK), M),
    case(np.sum, lambda a: np.sum(a, axis=0, out=np.empty_like(a[0])), M),
    case(np.mean, lambda a: np.mean(a, axis=0, out=np.empty_like(a[0])), M),
    case(np.max, lambda a: np.max(a, axis=1, out=np.empty_like(a[:, 0])), M),
    case(np.cumsum, lambda a: np.cumsum(a, axis=0, out=np.empty_like(a)), M),
    case(np.clip, lambda a: np.clip(a, -0.5, 0.5, out=np.empty_like(a)), M),
    case(np.dot, lambda a, b: np.dot(a, b, out=np.empty_like(b)), np.diag(W), W),
    case(np.matmul, lambda a, b: np.matmul(a, b, out=np.empty_like(a[:, 0])), M, V),
    case(np.concatenate, lambda a: np.concatenate((a, a), out=np.empty_like(a, shape=8)), V),
]


@pytest.mark.parametrize(("form", "args"), marked(FORMS))
def test_forms(form: Any, args: Any) -> None:
    check_case(form, args)


def test_masked_elements_outside_the_domain_do_no_harm() -> None:
    """log of a negative number is never evaluated where the mask is False: no NaN in the slope."""
    x = np.array([2.0, -1.0, 0.0])
    slope = cr.grad(lambda a: np.log(a, out=np.zeros_like(a), where=a > 0).sum())(x)
    np.testing.assert_array_equal(slope, [0.5, 0.0, 0.0])


def test_out_is_returned_and_changed() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x)
        z = np.sin(x, out=y)
        assert z is y
        return (y * [1.0, 2.0, 3.0, 4.0]).sum()

    np.testing.assert_array_equal(cr.grad(f)(V), np.cos(V) * [1.0, 2.0, 3.0, 4.0])


def test_add_at_adds_repeated_positions() -> None:
    def f(x: Any, v: Any) -> Any:
        y = x * 1.0
        np.add.at(y, [0, 2, 0], v)
        np.subtract.at(y, 1, v[0])
        return y

    check_case(f, (V, W))


@pytest.mark.parametrize(
    "key",
    [
        ([0, 0, 1], [1, 1, 2]),
        (np.array([0, 1]), np.array([2, 2])),
        (0, 1),
        (slice(None), [0, 0]),
        (..., [1, 1]),
        np.array([[True, False, True], [False, True, False]]),
    ],
)
def test_add_at_takes_any_index(key: Any) -> None:
    """A tuple indexes the axes: rows and columns, not rows alone."""

    def f(x: Any, v: Any) -> Any:
        y = x * 1.0
        np.add.at(y, key, v)
        return y

    check_case(f, (np.arange(6.0).reshape(2, 3), 0.5))


@pytest.mark.parametrize(
    "call",
    [
        lambda x, buffer: np.sin(x, out=buffer),
        lambda x, buffer: np.add.at(buffer, [0, 1], x[:2]),
        lambda x, buffer: np.sum(x[None], axis=0, out=buffer),
        lambda x, buffer: np.copyto(buffer, x),
        lambda x, buffer: np.cumsum(x, out=buffer),
    ],
)
def test_a_plain_target_is_refused(call: Any) -> None:
    with pytest.raises(cr.errors.AssignmentError, match="its derivative would be lost") as info:
        cr.grad(lambda x: (call(x, np.zeros(4)), x.sum())[1])(V)
    assert "test_ufuncs.py" in str(info.value)
    assert "np.zeros(shape, like=x)" in str(info.value)


def test_copyto_and_fill_diagonal() -> None:
    def f(x: Any, v: Any) -> Any:
        y = np.zeros_like(x)
        np.copyto(y, x)
        np.copyto(y, v, where=MASK)
        np.fill_diagonal(y, v[0])
        return y

    check_case(f, (M, V))


@pytest.mark.parametrize("u", [np.nextafter, np.ldexp, np.spacing, np.gcd])
def test_ufuncs_without_a_record_are_refused(u: Any) -> None:
    more = (1,) if u.nin == 2 else ()
    with pytest.raises(cr.errors.UnsupportedFunctionError, match=f"numpy.{u.__name__}"):
        cr.grad(lambda a: np.sum(u(a, *more)))(V)


@pytest.mark.parametrize(
    "call",
    [
        lambda a: np.subtract.reduce(a),
        lambda a: np.subtract.reduceat(a, [0, 2]),
        lambda a: np.multiply.at(a, 0, a),
    ],
)
def test_methods_without_a_record_are_refused(call: Any) -> None:
    with pytest.raises(cr.errors.UnsupportedFunctionError, match="has no derivative record"):
        cr.grad(lambda a: np.sum(call(a)))(V)


def test_mixed_precision_follows_numpy() -> None:
    """NumPy's promotion: Python numbers keep float32, float64 arrays widen it."""
    x = V.astype(np.float32)
    for form in (
        lambda a: a * 2.0 + 1,
        lambda a: a * np.float64(2.0),
        lambda a: a + np.ones(4),
        lambda a: a / np.arange(1, 5),
        lambda a: np.maximum(a, 0.5) ** 2,
        lambda a: np.where(a > 0, a, 0.0),
        lambda a: a.mean() + a.std(),
    ):
        value, slope = cr.vjp(form, x)
        assert value.dtype == form(x).dtype
        np.testing.assert_allclose(value, form(x), rtol=1e-6)
        assert slope(np.ones_like(value))[0].dtype == np.float32


def test_broadcast_row() -> None:
    check_case(lambda a, b: a * b + b / (2 + a * a), (M, R))
    check_case(lambda a, b: (a + b) ** 2, (S, M))
