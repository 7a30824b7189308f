"""The functions of native code within 2 ulp of the exact value, over all of their range.

Single precision is held against double precision by NumPy and SciPy, double precision against
mpmath. Results below the smallest normal number have fewer digits and are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp

import chainrule as cr
from chainrule.elementary import TABLE

LIMIT = 2.0
QUOTIENT = 3.0  # of two functions: tan
WIDE: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp, "log": np.log, "log1p": np.log1p, "expm1": np.expm1, "tanh": np.tanh,
    "sigmoid": sp.expit, "erf": sp.erf, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "arctan": np.arctan, "arcsin": np.arcsin, "arccos": np.arccos, "cbrt": np.cbrt,
    "arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh,
}  # fmt: skip
EXACT: dict[str, Callable[[Any], Any]] = {
    "exp": mp.exp, "log": mp.log, "log1p": mp.log1p, "expm1": mp.expm1, "tanh": mp.tanh,
    "sigmoid": lambda a: 1 / (1 + mp.exp(-a)), "erf": mp.erf, "sin": mp.sin, "cos": mp.cos,
    "tan": mp.tan, "arctan": mp.atan, "arcsin": mp.asin, "arccos": mp.acos, "arcsinh": mp.asinh,
    "arccosh": mp.acosh, "arctanh": mp.atanh, "cbrt": lambda a: mp.sign(a) * mp.cbrt(abs(a)),
}  # fmt: skip
CIRCULAR = ("sin", "cos", "tan")


def points(name: str, dtype: Any, count: int) -> np.ndarray:
    """Random bits, numbers of every size, and a dense stretch around 0 and 1."""
    rng = np.random.default_rng(7)
    bits = np.uint32 if dtype is np.float32 else np.uint64
    largest = 37 if dtype is np.float32 else 300
    x = np.concatenate([
        rng.integers(0, np.iinfo(bits).max, count, bits).view(dtype),
        (rng.choice([-1, 1], count) * 10.0 ** rng.uniform(-12, 3, count)).astype(dtype),
        (rng.choice([-1, 1], count) * 10.0 ** rng.uniform(-3, largest, count)).astype(dtype),
        rng.uniform(-3.0, 3.0, count).astype(dtype),
        (1 + rng.uniform(-1, 1, count) * 10.0 ** rng.uniform(-9, 0, count)).astype(dtype),
    ])  # fmt: skip
    x = x[np.isfinite(x)]
    if name == "log":
        return np.abs(x)
    if name == "log1p":
        x[x < -1] = -1 / x[x < -1]
    if name == "arccosh":
        x = 1 + np.abs(x)
    if name in ("arcsin", "arccos", "arctanh"):
        x[np.abs(x) > 1] = 1 / x[np.abs(x) > 1]
    return x


def computed(name: str, x: np.ndarray) -> np.ndarray:
    fn: Any = TABLE[name]
    with np.errstate(all="ignore"):
        return np.asarray(cr.compile(lambda x: fn(x))(x))


@pytest.mark.parametrize("name", WIDE)
def test_single_precision(name: str) -> None:
    x = points(name, np.float32, 100_000)
    y = computed(name, x)
    assert y.dtype == np.float32
    with np.errstate(all="ignore"):
        exact = WIDE[name](x.astype(float))
        rounded = exact.astype(np.float32)
        last = np.spacing(np.abs(rounded)).astype(float)
        errors = np.abs(y - exact) / last
    normal = np.isfinite(rounded) & (np.abs(rounded) >= np.finfo(np.float32).tiny)
    np.testing.assert_array_equal(y[~np.isfinite(rounded)], rounded[~np.isfinite(rounded)])
    worst = np.argmax(np.where(normal, errors, 0.0))
    assert errors[worst] <= LIMIT, f"{errors[worst]:.2f} ulp at {x[worst]!r}"


@pytest.mark.parametrize("name", EXACT)
def test_double_precision(name: str) -> None:
    x = points(name, np.float64, 120)
    for a, b in zip(x, computed(name, x), strict=True):
        with mp.workdps(340 if name in CIRCULAR else 40):
            exact = EXACT[name](mp.mpf(float(a)))
            rounded = np.float64(exact)
            if not np.isfinite(rounded):
                assert b == rounded
            elif abs(rounded) >= np.finfo(float).tiny:
                error = abs(mp.mpf(float(b)) - exact) / mp.mpf(float(np.spacing(abs(rounded))))
                limit = QUOTIENT if name == "tan" else LIMIT
                assert error <= limit, f"{float(error):.2f} ulp at {a!r}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_remainders_are_exact(dtype: Any) -> None:
    rng = np.random.default_rng(9)
    x = (rng.choice([-1, 1], 3000) * 10.0 ** rng.uniform(-20, 30, 3000)).astype(dtype)
    y = (rng.choice([-1, 1], 3000) * 10.0 ** rng.uniform(-20, 30, 3000)).astype(dtype)
    x[:500] = y[:500] * rng.integers(-99, 99, 500)
    y[500:600], x[600:700], y[700:800] = np.inf, -np.inf, 0.0
    y[800:1400] = x[800:1400] / rng.uniform(0.1, 100, 600).astype(dtype)
    x[1400:1500], y[1500:1600] = np.nan, np.nan
    for f in (np.fmod, np.remainder, np.floor_divide):
        with np.errstate(all="ignore"):
            expected = f(x, y)
            got = cr.compile(lambda x, y, f=f: f(x, y))(x, y)
        np.testing.assert_array_equal(got, expected)
        signed = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(got[signed]), np.signbit(expected[signed]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_angles(dtype: Any) -> None:
    rng = np.random.default_rng(10)
    y, x = (10.0 ** rng.uniform(-6, 6, (2, 400)) * rng.choice([-1, 1], (2, 400))).astype(dtype)
    z = cr.compile(np.arctan2)(y, x)
    for a, b, c in zip(y, x, z, strict=True):
        exact = mp.atan2(mp.mpf(float(a)), mp.mpf(float(b)))
        last = np.spacing(np.abs(dtype(exact)))
        assert abs(mp.mpf(float(c)) - exact) <= LIMIT * mp.mpf(float(last)), (a, b)
    ends = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan], dtype)
    y, x = (g.ravel() for g in np.meshgrid(ends, ends))
    got = cr.compile(np.arctan2)(y, x)
    np.testing.assert_allclose(got, np.arctan2(y, x), rtol=1e-6)
    signed = ~np.isnan(got)
    np.testing.assert_array_equal(np.signbit(got[signed]), np.signbit(np.arctan2(y, x)[signed]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers(dtype: Any) -> None:
    rng = np.random.default_rng(8)
    x = np.concatenate([10.0 ** rng.uniform(-30, 30, 200), 1 + rng.uniform(-1, 1, 200) * 1e-3])
    y = np.concatenate([rng.uniform(-9, 9, 200), rng.uniform(-1e5, 1e5, 200)])
    x, y = x.astype(dtype), y.astype(dtype)
    with np.errstate(all="ignore"):
        z = cr.compile(lambda x, y: x**y)(x, y)
    for a, b, c in zip(x, y, z, strict=True):
        with mp.workdps(60):
            exact = mp.mpf(float(a)) ** mp.mpf(float(b))
            with np.errstate(all="ignore"):
                rounded = dtype(exact)
            if np.finfo(dtype).tiny <= rounded < np.inf:
                error = abs(mp.mpf(float(c)) - exact) / mp.mpf(float(np.spacing(rounded)))
                assert error <= LIMIT, f"{float(error):.2f} ulp at {a!r} ** {b!r}"


@pytest.mark.parametrize("shape", [(3_000_017,), (2, 1_000_003), (1000, 1000)])
def test_long_sums_do_not_drift(shape: tuple[int, ...]) -> None:
    x = np.full(shape, 0.1, np.float32)
    exact = x.astype(np.float64).sum(-1)
    error = np.abs(cr.compile(lambda x: x.sum(-1))(x) - exact) / exact
    assert np.max(error) < 2e-6  # one after the other in 64 lanes: 3e-5
    if len(shape) == 1:
        assert abs(cr.compile(lambda x: (2 * x).mean())(x) - 0.2) < 1e-6
