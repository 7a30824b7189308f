"""The derivative at kinks: the subgradient of least norm, however the function is spelled."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.numpy_api.cases import check_case

Z = np.zeros(3)

# (function of an array, the point, its gradient)
GRADIENTS: dict[str, tuple[Any, Any, Any]] = {
    "abs": (lambda x: np.abs(x).sum(), Z, Z),
    "builtin abs": (lambda x: abs(x).sum(), Z, Z),
    "fabs": (lambda x: np.fabs(x).sum(), Z, Z),
    "abs of negative zero": (lambda x: np.abs(x).sum(), -Z, Z),
    "relu by maximum": (lambda x: np.maximum(x, 0).sum(), Z, Z),
    "relu by maximum, other way": (lambda x: np.maximum(0.0, x).sum(), Z, Z),
    "relu by where": (lambda x: np.where(x > 0, x, 0).sum(), Z, Z),
    "relu by product": (lambda x: (x * (x > 0)).sum(), Z, Z),
    "relu by clip": (lambda x: np.clip(x, 0, None).sum(), Z, Z),
    "relu by fmax": (lambda x: np.fmax(x, 0).sum(), Z, Z),
    "relu by fmin": (lambda x: -np.fmin(-x, 0.0).sum(), Z, Z),
    "minimum with a constant": (lambda x: np.minimum(x, 2.0).sum(), Z + 2, Z),
    "maximum of two": (lambda x: np.maximum(x[0], x[1]), np.ones(2), [0.5, 0.5]),
    "minimum of two": (lambda x: np.minimum(x[0], x[1]), np.ones(2), [0.5, 0.5]),
    "fmax of two": (lambda x: np.fmax(x[0], x[1]), np.ones(2), [0.5, 0.5]),
    "fmin of two": (lambda x: np.fmin(x[0], x[1]), np.ones(2), [0.5, 0.5]),
    "max of equals": (lambda x: np.max(x), np.ones(4), np.full(4, 0.25)),
    "max of some equals": (lambda x: x.max(), np.array([1.0, 2.0, 2.0]), [0, 0.5, 0.5]),
    "min of equals": (lambda x: np.min(x), np.ones(2), [0.5, 0.5]),
    "maximum.reduce": (lambda x: np.maximum.reduce(x), np.ones(4), np.full(4, 0.25)),
    "max over an axis": (lambda x: x.max(axis=1).sum(), np.ones((2, 2)), np.full((2, 2), 0.5)),
    "ptp of equals": (lambda x: np.ptp(x), np.ones(4), np.zeros(4)),
    "norm": (lambda x: np.linalg.norm(x), Z, Z),
    "norm over an axis": (lambda x: np.linalg.norm(x, axis=0).sum(), np.zeros((3, 2)), 0.0),
    "norm 1": (lambda x: np.linalg.norm(x, 1), Z, Z),
    "norm 3": (lambda x: np.linalg.norm(x, 3), Z, Z),
    "norm inf": (lambda x: np.linalg.norm(x, np.inf), Z, Z),
    "norm 3 with a zero": (
        lambda x: np.linalg.norm(x, 3), np.array([0.0, 2.0]), [0.0, 1.0],
    ),
    "norm 1.5 with a zero": (
        lambda x: np.linalg.norm(x, 1.5), np.array([0.0, 2.0]), [0.0, 1.0],
    ),
    "frobenius": (lambda x: np.linalg.norm(x, "fro"), np.zeros((2, 2)), np.zeros((2, 2))),
    "std of constants": (lambda x: np.std(x), np.ones(3), Z),
    "std of constants, ddof": (lambda x: np.std(x, ddof=1), np.full(3, 0.1), Z),
    "std by axis": (lambda x: x.std(axis=0).sum(), np.ones((3, 2)), np.zeros((3, 2))),
    "hypot": (lambda x: np.hypot(x[0], x[1]), np.zeros(2), [0, 0]),
    "hypot with a constant": (lambda x: np.hypot(x, 0.0).sum(), Z, Z),
    "clip at the lower bound": (lambda x: np.clip(x, 0, 1).sum(), Z, Z),
    "clip at the upper bound": (lambda x: np.clip(x, -1, 0).sum(), Z, Z),
    "clip inside": (lambda x: np.clip(x, -1, 1).sum(), Z, Z + 1),
    "sort of equals": (lambda x: (np.sort(x) * [1.0, 2.0]).sum(), np.ones(2), [1.0, 2.0]),
    "median of equals": (lambda x: np.median(x), np.ones(2), [0.5, 0.5]),
    "copysign": (lambda x: np.copysign(x, -1.0).sum(), Z, Z),
    "sqrt of a square": (lambda x: np.abs(x * x).sum(), Z, Z),
    "sinc": (lambda x: np.sinc(x).sum(), Z, Z),
    "xlogy at 0, 0": (lambda x: (x * 1.0).sum() + 0.0 * x[0], Z, Z + 1),
}  # fmt: skip


@pytest.mark.parametrize(("f", "x", "slope"), GRADIENTS.values(), ids=GRADIENTS)
def test_gradient_at_a_kink(f: Any, x: Any, slope: Any) -> None:
    value, gradient = cr.value_and_grad(f)(x)
    assert value == pytest.approx(f(x))
    np.testing.assert_allclose(gradient, np.broadcast_to(slope, x.shape), rtol=1e-14, atol=1e-16)
    forward = cr.jacobian(f, mode="forward")(x)
    np.testing.assert_allclose(forward, gradient, rtol=1e-14, atol=1e-16)


POWERS: list[tuple[float, Any, float, float]] = [
    # (a, b, ∂/∂a, ∂/∂b) of a**b
    (0.0, 0, 0.0, 0.0),
    (0.0, 0.0, 0.0, 0.0),
    (0.0, 1, 1.0, 0.0),
    (0.0, 1.0, 1.0, 0.0),
    (0.0, 2, 0.0, 0.0),
    (0.0, 2.0, 0.0, 0.0),
    (0.0, 3.5, 0.0, 0.0),
    (0.0, 0.5, np.inf, 0.0),
    (3.0, 0, 0.0, np.log(3.0)),
    (-3.0, 2, -6.0, np.nan),
    (-3.0, 3.0, 27.0, np.nan),
    (-2.0, -1, -0.25, np.nan),
    (-2.0, -2.0, 0.25, np.nan),
    (-2.0, 0, 0.0, np.nan),
    (2.0, 0.5, 0.5 / np.sqrt(2.0), np.sqrt(2.0) * np.log(2.0)),
    (2.0, 0.1, 0.1 * 2.0**-0.9, 2.0**0.1 * np.log(2.0)),
    (1.0, 1e300, 1e300, 0.0),
]


@pytest.mark.parametrize(("a", "b", "by_base", "by_exponent"), POWERS)
def test_powers(a: float, b: Any, by_base: float, by_exponent: float) -> None:
    spellings = [
        lambda a: a**b,
        lambda a: np.power(a, b),
        lambda a: np.float_power(a, b),
        lambda a: ((a * np.ones(2)) ** b).mean(),
        lambda a: ((a * np.ones(1)) ** np.array([b]))[0],
    ]
    for f in spellings:
        assert cr.grad(f)(a) == pytest.approx(by_base, rel=1e-15)
        assert cr.jvp(f, (a,), (1.0,))[1] == pytest.approx(by_base, rel=1e-15)
    with np.errstate(invalid="ignore"):
        both = cr.grad(lambda a, b: a**b, argnums=(0, 1))(a, float(b))
        array = cr.vjp(lambda a, b: a**b, np.full(2, a), np.full(2, float(b)))[1](np.ones(2))
    np.testing.assert_allclose(both, [by_base, by_exponent], rtol=1e-15)
    np.testing.assert_allclose(array, [[by_base] * 2, [by_exponent] * 2], rtol=1e-15)


def test_higher_derivatives_of_powers_at_zero() -> None:
    f = lambda x: x**3  # noqa: E731
    assert cr.grad(cr.grad(f))(0.0) == 0.0
    assert cr.grad(cr.grad(cr.grad(f)))(0.0) == 6.0
    assert cr.grad(cr.grad(cr.grad(cr.grad(f))))(0.0) == 0.0
    g = lambda x: (x ** np.array([2.0, 3.0]))[0]  # noqa: E731
    assert cr.grad(cr.grad(g))(0.0) == 2.0
    assert cr.grad(cr.grad(cr.grad(g)))(0.0) == 0.0


def test_powers_with_integer_arrays() -> None:
    check_case(lambda a: a ** np.arange(4), (np.array([1.5, -2.0, 0.7, -0.3]),))
    check_case(lambda a: a ** np.array([0, 1, 2, 3], np.uint8), (np.array([1.5, -2.0, 0.7, -1.0]),))
    check_case(lambda b: np.array([1, 2, 3]) ** b, (np.array([0.5, 2.0, -1.0]),))
    np.testing.assert_array_equal(cr.grad(lambda a: (a ** np.arange(3)).sum())(Z), [0.0, 1.0, 0.0])


def test_piecewise_linear_functions_have_a_zero_hessian() -> None:
    """A second derivative that vanishes because the slope is a step is a true zero, no error."""
    for f in (
        lambda x: np.abs(x).sum(),
        lambda x: np.maximum(x, 0).sum(),
        lambda x: x.max(),
        lambda x: np.clip(x, -1, 1).sum(),
    ):
        np.testing.assert_array_equal(cr.hessian(f)(np.array([1.0, -2.0])), np.zeros((2, 2)))


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0])
PROPAGATING = {
    "exp": np.exp, "tanh": np.tanh, "sqrt": np.sqrt, "log": np.log, "log1p": np.log1p,
    "expm1": np.expm1, "arctan": np.arctan, "abs": np.abs, "square": np.square,
    "reciprocal": np.reciprocal, "cbrt": np.cbrt, "sin": np.sin,
    "max": np.max, "min": np.min, "sum": np.sum, "mean": np.mean, "std": np.std,
    "prod": np.prod, "cumprod": np.cumprod, "sort": np.sort, "median": np.median,
    "norm": np.linalg.norm, "maximum": lambda x: np.maximum(x, 0.0),
    "minimum": lambda x: np.minimum(0.0, x), "fmax": lambda x: np.fmax(x, 0.0),
    "fmin": lambda x: np.fmin(x, 0.0), "clip": lambda x: np.clip(x, -1.0, 1.0),
    "logaddexp": lambda x: np.logaddexp(x, 1.0), "hypot": lambda x: np.hypot(x, 1.0),
    "power": lambda x: x**3, "root": lambda x: x**0.5, "arctan2": lambda x: np.arctan2(x, x),
    "logaddexp.reduce": lambda x: np.logaddexp.reduce(x[1:]),
    "nanmax": np.nanmax, "nansum": np.nansum, "cummax": np.maximum.accumulate,
    "mod": lambda x: np.mod(x, 2.0), "matmul": lambda x: x @ x,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("f", PROPAGATING.values(), ids=PROPAGATING)
def test_nan_and_infinity_propagate_as_in_numpy(f: Any) -> None:
    value, pullback = cr.vjp(f, SPECIAL)
    np.testing.assert_array_equal(value, f(SPECIAL))
    assert np.shape(pullback(np.ones_like(value))[0]) == SPECIAL.shape


def test_derivatives_at_infinity() -> None:
    """Where the function flattens out its slope is 0 at infinity, and a NaN gives NaN."""
    for f, x, slope in (
        (np.tanh, np.inf, 0.0),
        (np.tanh, -np.inf, 0.0),
        (np.arctan, np.inf, 0.0),
        (np.exp, -np.inf, 0.0),
        (lambda x: np.logaddexp(x, 0.0), np.inf, 1.0),
        (lambda x: np.logaddexp(x, 0.0), -np.inf, 0.0),
        (lambda x: np.maximum(x, 0.0), np.inf, 1.0),
        (np.sqrt, 0.0, np.inf),
        (np.log, 0.0, np.inf),
    ):
        with np.errstate(divide="ignore"):
            assert cr.grad(f)(x) == slope
    for f in (np.tanh, np.exp, np.sin, np.abs, np.square, lambda x: x**2.5):
        assert np.isnan(cr.grad(f)(np.nan))


def test_warnings_are_numpys_and_only_from_the_function_itself() -> None:
    """log 0 warns once, as in NumPy; the derivative sweeps add none."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        cr.grad(lambda x: np.log(x).sum())(np.zeros(2))
    assert [str(w.message) for w in seen] == ["divide by zero encountered in log"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cr.grad(lambda x: np.sqrt(x).sum())(np.zeros(2))
        cr.hessian(lambda x: (x**1.5).sum())(np.zeros(2))
