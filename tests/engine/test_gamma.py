"""The gamma function's logarithm and its derivatives in native code, against mpmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import chainrule as cr

RNG = np.random.default_rng(3)
POSITIVE = np.concatenate([
    10.0 ** RNG.uniform(-30, 0, 30), RNG.uniform(0, 3, 60), RNG.uniform(3, 20, 40),
    10.0 ** RNG.uniform(1, 9, 20), np.arange(1.0, 15.0), 1.4616321449683622 + np.arange(4) * 1e-9,
    1 + 1e-6 * RNG.standard_normal(10), 2 + 1e-6 * RNG.standard_normal(10),
])  # fmt: skip
NEGATIVE = np.concatenate([-RNG.uniform(0, 9, 40), -(10.0 ** RNG.uniform(-9, 0, 10))])


def order(n: int) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    return lambda x: cr.polygamma(n, x), lambda a: mp.psi(n, a)


# For each function: itself, the truth, and its error in units of the last place, at most.
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], float]] = {
    "gammaln": (cr.gammaln, lambda a: mp.re(mp.loggamma(a)), 4.0),
    "digamma": (cr.digamma, mp.digamma, 4.0),
    **{f"polygamma {n}": (*order(n), 4.0 + n) for n in (1, 2, 3, 4)},
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_against_high_precision(name: str) -> None:
    f, exact, limit = FUNCTIONS[name]
    compiled = cr.compile(f)
    with mp.workdps(40):
        for a, y in zip(POSITIVE, compiled(POSITIVE), strict=True):
            truth = exact(mp.mpf(float(a)))
            if truth == 0:
                assert y == 0
            elif np.isfinite(float(truth)):
                error = abs(mp.mpf(float(y)) - truth) / mp.mpf(float(np.spacing(abs(float(truth)))))
                assert error <= limit, f"{float(error):.2f} ulp at {a!r}"
        # Below 0 there are zeros, where the error is to be small beside what was taken apart.
        turned = compiled(1 - NEGATIVE)
        for a, y, other in zip(NEGATIVE, compiled(NEGATIVE), turned, strict=True):
            truth = float(exact(mp.mpf(float(a))))
            assert abs(y - truth) <= 1e-13 * (1 + abs(truth) + abs(other)), a
    version = next(iter(compiled.versions.values()))
    assert "NumPy" not in version.run.summary()
    single = POSITIVE[POSITIVE > 1e-6].astype(np.float32)
    rounded = compiled(single.astype(float)).astype(np.float32)
    np.testing.assert_array_equal(compiled(single), rounded, strict=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_are_numpys(name: str) -> None:
    f, *_ = FUNCTIONS[name]
    x = np.array([0.0, -0.0, -1.0, -2.0, np.inf, -np.inf, np.nan, -1e20, 1e-200, -1.7e308, 5e-324])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(cr.compile(f)(x), f(x), rtol=1e-14)


def test_derivatives_are_native() -> None:
    """The curvature of a likelihood of counts needs trigamma."""
    counts = np.array([0.0, 3.0, 1.0, 7.0])

    def loss(p: Any) -> Any:
        r = np.exp(p)
        return -np.sum(cr.gammaln(counts + r) - cr.gammaln(r) + r * np.log(0.5))

    compiled = cr.compile(cr.hessian(loss))
    np.testing.assert_allclose(compiled(0.3), cr.hessian(loss)(0.3), rtol=1e-11)
    (version,) = compiled.versions.values()
    assert "NumPy" not in version.run.summary()
    order = cr.compile(lambda x: cr.polygamma(9, x))  # of an order without code
    np.testing.assert_array_equal(order(2.5), cr.polygamma(9, 2.5))
