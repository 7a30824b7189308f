"""Long traces of single numbers, which become rows of whole numbers instead of operations."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine import flattening
from chainrule.engine.native import groups
from chainrule.errors import BranchError
from chainrule.tracing import flatten
from tests.engine.test_tape import chain, scalars


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short a function is, its steps on single numbers are rows."""
    monkeypatch.setattr(groups, "UNROLLED", -1.0)
    monkeypatch.setattr(flattening, "LONG", 0)


def stretches(compiled: Any) -> list[Any]:
    program = next(reversed(compiled.versions.values())).program
    return [op for op in program.ops if op.name == "stretch"]


def agree(f: Any, *args: Any, rtol: float = 1e-13, parts: int = 1) -> Any:
    """Compile f; its results are those of NumPy, from so many stretches of steps."""
    compiled = cr.compile(f)
    with np.errstate(all="ignore"):
        new, old = flatten(compiled(*args))[0], flatten(f(*args))[0]
    for a, b in zip(new, old, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-300)
    assert len(stretches(compiled)) == parts
    return compiled


def operations(compiled: Any) -> int:
    return len(next(reversed(compiled.versions.values())).program.ops)


# How much it takes --------------------------------------------------------------------------------


def test_a_chain_is_one_operation() -> None:
    compiled = cr.compile(cr.value_and_grad(chain(10_000)))
    compiled(0.7)
    assert operations(compiled) == 4  # the number that is given, a stretch, two results


def test_short_functions_stay_operations() -> None:
    compiled = cr.compile(cr.value_and_grad(chain(100)))
    compiled(0.7)
    assert not stretches(compiled)


def test_memory_that_a_step_takes() -> None:
    n = 5_000
    cr.compile(cr.value_and_grad(chain(n)))(0.7)  # the loop that runs the tape is compiled
    compiled = cr.compile(cr.value_and_grad(chain(n + 1)))
    tracemalloc.start()
    try:
        compiled(0.7)
        most, kept = tracemalloc.get_traced_memory()[1], tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    steps = 3 * n  # of the function alone
    assert most < 1500 * steps
    assert kept < 200 * steps


# The same numbers ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("seed", range(40))
def test_random_programs(seed: int) -> None:
    given = [np.float64(0.3), np.float32(-0.7), 1.25]
    f = scalars(seed)
    compiled = cr.compile(f)
    new, old = compiled(*given), cr.compile(f, engine="numpy")(*given)
    assert stretches(compiled)
    for a, b in zip(new, old, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=2e-6)


@pytest.mark.parametrize("seed", range(20))
def test_gradients_have_the_bits_of_operations(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is simplified, and what is not, is the same in rows and among operations."""

    def loss(*given: Any) -> Any:
        return sum(scalars(seed)(*given)).astype(np.float64) + given[0] * given[1] * given[2]

    monkeypatch.setattr(groups, "UNROLLED", -1.0)
    given = [np.float64(0.3), np.float64(-0.7), np.float64(1.25)]
    results = []
    for long in (10**9, 0):
        monkeypatch.setattr(flattening, "LONG", long)
        compiled = cr.compile(cr.value_and_grad(loss, argnums=(0, 1, 2)))
        with np.errstate(all="ignore"):
            results.append(flatten(compiled(*given))[0])
        assert bool(stretches(compiled)) == (long == 0)
    np.testing.assert_array_equal(*results)


@pytest.mark.usefixtures("always")
def test_nan_infinity_and_signs_of_zero() -> None:
    def f(x: Any, y: Any) -> Any:
        a = x * y + x, np.maximum(x, y), np.where(x > y, x, y), x / y - x / y
        b = -x
        return *a, -b, (x * -1.0) / 2.0, x**2, x**-1, (-x) * (-y), x - (-y), -(x * 2.0), 0.0 + x

    compiled, reference = cr.compile(f), cr.compile(f, engine="numpy")
    for x in (np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0):
        for y in (np.inf, np.nan, 0.0, -0.0, -2.0):
            with np.errstate(all="ignore"):
                new, old = compiled(x, y), reference(x, y)
            np.testing.assert_array_equal(new, old)
            for a, b in zip(new[4:], old[4:], strict=True):
                assert np.isnan(a) or np.signbit(a) == np.signbit(b)
    assert stretches(compiled)


@pytest.mark.usefixtures("always")
def test_float32_stays_float32() -> None:
    def f(x: Any, a: Any) -> Any:
        for _ in range(20):
            x = np.sin(x) * a + x / 3 - 0.1
        return x

    given = np.float32(0.3), np.float32(0.7)
    compiled = agree(cr.value_and_grad(f, argnums=(0, 1)), *given, rtol=2e-5)
    value, slopes = compiled(*given)
    assert {np.asarray(y).dtype for y in (value, *slopes)} == {np.dtype(np.float32)}


@pytest.mark.usefixtures("always")
def test_whole_numbers_and_truth_values() -> None:
    def f(n: Any, x: Any) -> Any:
        even = (n % 2 == 0) & (n > 0)
        return np.where(even, n * 2 + 1, -n), even, n * x, np.logical_not(even), n**2, n // 3

    for n in (4, -3, 0):
        agree(f, n, 0.5)


# What numbers come from and go to -----------------------------------------------------------------


@pytest.mark.usefixtures("always")
def test_elements_of_arrays() -> None:
    def f(x: Any, a: Any) -> Any:
        total = 0.0
        for i in range(len(x)):
            total = total + x[i] * x[-1 - i] - a[i % 2, -1] ** 2 + x[i : i + 1].sum()
        return total + a[1][0] + x[::-1][0] + a.T[0, 1] + a[np.newaxis, 0, 0].sum()

    x, a = np.linspace(0.1, 0.9, 12), np.array([[0.3, 0.5], [0.7, 1.1]])
    agree(f, x, a, parts=2)
    agree(cr.value_and_grad(f, argnums=(0, 1)), x, a, parts=2)


@pytest.mark.usefixtures("always")
def test_gradient_by_the_elements_of_a_vector() -> None:
    from scipy.optimize import rosen, rosen_der, rosen_hess_prod

    def f(x: Any) -> Any:
        total = 0.0
        for i in range(len(x) - 1):
            total = total + 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
        return total

    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((2, 50))
    compiled = cr.compile(cr.value_and_grad(f))
    value, slope = compiled(x)
    assert value == pytest.approx(rosen(x), rel=1e-13)
    np.testing.assert_allclose(slope, rosen_der(x), rtol=1e-12, atol=1e-10)
    assert len(stretches(compiled)) == 1
    product = cr.compile(lambda x, v: cr.hvp(f, (x,), (v,)))
    np.testing.assert_allclose(product(x, v), rosen_hess_prod(x, v), rtol=1e-11, atol=1e-9)
    assert stretches(product)


@pytest.mark.usefixtures("always")
def test_arrays_of_numbers() -> None:
    def f(x: Any) -> Any:
        row = []
        for _ in range(12):
            x = np.sin(x) + 0.1
            row.append(x)
        return np.stack(row), np.stack(row[:6]).reshape(2, 3), row[4]

    agree(f, 0.3)


@pytest.mark.usefixtures("always")
def test_work_on_arrays_between_numbers() -> None:
    """A trajectory by numbers, its distance from data by arrays, and back through the numbers."""
    data = np.linspace(0.0, 1.0, 20)

    def f(p: Any, k: Any) -> Any:
        seen, q = [], 0.1
        for _ in range(20):
            p = p - 0.1 * k * np.sin(q)
            q = q + 0.1 * p
            seen.append(q)
        u = np.sum((np.stack(seen) - data) ** 2)
        for _ in range(5):
            u = np.cos(u) + p * k
        return u

    agree(f, 0.3, 1.5, parts=2)
    compiled = cr.compile(cr.value_and_grad(f, argnums=(0, 1)))
    new, old = compiled(0.3, 1.5), cr.value_and_grad(f, argnums=(0, 1))(0.3, 1.5)
    np.testing.assert_allclose(flatten(new)[0], flatten(old)[0], rtol=1e-12)
    assert len(stretches(compiled)) >= 2


@pytest.mark.usefixtures("always")
def test_outputs_that_are_given_constant_or_the_same() -> None:
    def f(x: Any, y: Any) -> Any:
        z = np.sin(x) * y
        return x, z, z, 3.0, y * 1.0, np.zeros(2), {"z": z + 0.0}

    agree(f, 0.3, 0.4)


@pytest.mark.usefixtures("always")
def test_loops_that_stay_loops_beside_numbers() -> None:
    def f(x: Any) -> Any:
        for _ in range(4):
            x = np.sin(x) + x
        y, _ = cr.scan(lambda c, _: (c * 0.5 + 1.0, None), x, length=3)
        return y * x

    agree(f, 0.3, parts=2)
    agree(cr.grad(f), 0.3, parts=2)


@pytest.mark.usefixtures("always")
def test_functions_without_native_code_are_done_by_numpy() -> None:
    def f(x: Any, a: Any) -> Any:
        for _ in range(5):
            x = np.sin(x) * 0.5
        return np.linalg.det(a) * x + x

    agree(f, 0.3, np.array([[2.0, 1.0], [0.5, 3.0]]))


# Errors and words ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("always")
def test_values_that_are_read_are_refused_with_the_line() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        for _ in range(10):
            y = y * np.cos(y)
        return y + x.value  # this line

    with pytest.raises(BranchError, match="depend on a value that was read") as raised:
        cr.compile(f)(0.3)
    assert "this line" in str(raised.value)


@pytest.mark.usefixtures("always")
def test_a_number_of_steps_that_depends_on_a_value_is_refused() -> None:
    def f(x: Any) -> Any:
        y = x
        for _ in range(int(x.value * 10)):
            y = np.sin(y) * x
        return y

    with pytest.raises(BranchError, match="depend on a value that was read"):
        cr.compile(f)(1.0)


@pytest.mark.usefixtures("always")
def test_an_array_of_no_axes_says_nothing_of_others() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x) * np.array(2.0)  # a step on numbers; the next one is none
        return np.cos(y) + (y * np.array([1.0, 2.0, 3.0])).sum()

    agree(f, 0.3, parts=2)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    "read",
    [
        lambda y, slope: slope * y.value,
        lambda y, slope: y * slope.value,
        lambda y, slope: y ** int(abs(y.value) * 20),
        lambda y, slope: np.stack([y, slope, y])[int(abs(y.value) * 20) % 3],
    ],
)
def test_values_that_are_read_beside_derivatives_are_refused(read: Any) -> None:
    """The second trace takes the derivatives that the first one has found."""

    def f(x: Any) -> Any:
        y, slope = cr.value_and_grad(lambda x: np.sin(np.sin(x) * x))(x)
        return read(y, slope), cr.grad(lambda x: x * slope + read(y, slope))(y)

    with pytest.raises(BranchError, match="depend on a value that was read") as raised:
        cr.compile(f)(0.3)
    assert "lambda y, slope" in str(raised.value)


@pytest.mark.usefixtures("always")
def test_what_is_read_for_nothing_is_allowed() -> None:
    def f(x: Any) -> Any:
        np.cos(x) * getattr(x, "value", x)
        return np.sin(np.sin(x) * x)

    agree(cr.value_and_grad(f), 0.3)


@pytest.mark.usefixtures("always")
def test_derivatives_one_after_the_other_and_in_one_another() -> None:
    """All of it is traced twice and no third time."""
    runs = []

    def f(x: Any, n: Any) -> Any:
        runs.append(x)
        for _ in range(3):  # Newton's method
            slope, curvature = cr.value_and_grad(cr.grad(lambda x: np.cosh(x) * n - np.sin(x)))(x)
            x = x - slope / curvature
        constant = cr.grad(lambda y: 3.0 * y)(x)
        return x, cr.grad(lambda y: y * y * constant + cr.grad(np.exp)(x * y))(x)

    assert len(cr.compile(f)(0.3, 2.0)) == len(runs) == 2
    agree(f, 0.3, 2.0)


@pytest.mark.usefixtures("always")
def test_a_decision_is_refused_with_the_line() -> None:
    def f(x: Any) -> Any:
        return x * 2 if np.sin(x) > 0 else x  # this line

    with pytest.raises(BranchError) as raised:
        cr.compile(f)(0.3)
    assert "this line" in str(raised.value)


def test_what_is_said_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    compiled = cr.compile(cr.value_and_grad(chain(1_500)), explain=True)
    compiled(0.7)
    said = capsys.readouterr().err
    assert "10,499 steps on single numbers on a tape of" in said
    assert "they would take LLVM about" in said
    source = compiled.source()
    assert "and " in source
    assert "x = x + 1e-4 * np.sin(x)" in source
    (kernel,) = compiled.report(0.7)
    assert kernel.kind == "tape"
    assert kernel.steps.count("sin") == 1_500
    assert "test_tape.py" in kernel.line
    assert kernel.operations == len(kernel.steps)
