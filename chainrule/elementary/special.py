"""The logarithm of the gamma function and its derivatives.

Values come from SciPy (imported when first needed, since that costs a quarter of a second),
repaired where it loses digits: gammaln near 0 and its zeros 1 and 2, and the polygamma functions.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from chainrule.elementary.base import Pointwise
from chainrule.ghosts import elementwise


def _in_double(value: Any) -> Any:
    """A function computed in float64 and rounded to the precision of its last argument."""

    def call(*args: Any) -> Any:
        kept = np.result_type(args[-1], np.float32)
        result = value(*args[:-1], np.asarray(args[-1], np.float64))
        return np.asarray(result).astype(kept, copy=False)[()]

    return call


_EULER = 0.57721566490153286061
_ZETA_TERMS, _HORNER = 60, 6
_TINY = 1e-300  # up to where log Γ(a) = −log |a|


@functools.cache
def _zeta_series(root: int) -> np.ndarray:
    """The coefficients of z⁰, z¹, … in log Γ(root + z)/z, for root 1 or 2 (DLMF 5.7.3).

    log Γ(1 + z) = −γ z + Σ ζ(k) (−z)ᵏ/k, and around 2 the same with 1 − γ and ζ(k) − 1.
    """
    from scipy import special

    k = np.arange(2, _ZETA_TERMS)
    zeta = special.zetac(k) + (1.0 if root == 1 else 0.0)
    first = -_EULER if root == 1 else 1.0 - _EULER
    return np.concatenate([[first], (-1.0) ** k * zeta / k])


def _gammaln_near(z: np.ndarray, root: int) -> np.ndarray:
    """log Γ(root + z) of a vector, with its relative precision kept at the zero."""
    series = _zeta_series(root)
    head, tail = series[:_HORNER], series[_HORNER:]
    powers = np.multiply.accumulate(np.repeat(z[:, None], len(tail) - 1, axis=1), axis=1)
    total = tail[0] + powers @ tail[1:]
    for c in head[::-1]:  # large terms by Horner's rule, whose roundings are the fewest
        total = c + z * total
    return z * total + 0.0  # no −0 at the zero


@elementwise
@_in_double
def _gammaln(a: Any) -> Any:
    from scipy import special

    value = np.asarray(special.gammaln(a))
    for root, low, high in ((1, 0.5, 1.3), (2, 1.3, 2.5)):
        near = (a >= low) & (a < high)
        if np.any(near):
            value[near] = _gammaln_near(a[near] - root, root)
    tiny = (np.abs(a) < _TINY) & (a != 0)
    if np.any(tiny):
        value[tiny] = -np.log(np.abs(a[tiny]))
    return value


@elementwise
def _digamma(a: Any) -> Any:
    from scipy import special

    return special.digamma(a)


# B₂ⱼ/(2j)! for j = 1 … 10, the coefficients of the Euler–Maclaurin formula.
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000,
    1 / 74724249600, -3617 / 10670622842880000, 43867 / 5109094217170944000,
    -174611 / 802857662698291200000,
)  # fmt: skip
_SHIFT, _HUGE = 12, 1e300


def _power_of_sum(a: Any, k: Any, s: Any) -> Any:
    """(a + k)⁻ˢ, with the rounding error of a + k put back."""
    x = a + k
    t = x - a
    error = (a - (x - t)) + (k - t)
    p = x**-s
    return p - np.where(np.isinf(p), 0.0, p * (s * error / x))


def _hurwitz(s: Any, a: Any) -> Any:
    """ζ(s, a) = Σ (a + k)⁻ˢ for a > 0, by Euler–Maclaurin from a + k ≥ 12 on (DLMF 25.11.28)."""
    shift = np.maximum(np.ceil(_SHIFT - a), 0.0)
    x = a + shift
    rising, terms = s, [x / (s - 1.0), 0.5]
    for j, c in enumerate(_BERNOULLI):
        terms.append(c * rising / x ** (2 * j + 1))
        rising = rising * (s + (2 * j + 1)) * (s + (2 * j + 2))
    total = sum(reversed(terms)) * _power_of_sum(a, shift, s)
    k = np.arange(_SHIFT - 1.0, -1.0, -1.0)  # the smallest first
    a, s, shift = (np.asarray(x)[..., None] for x in (a, s, shift))
    return total + np.where(k < shift, _power_of_sum(a, k, s), 0.0).sum(axis=-1)


@elementwise
@_in_double
def _polygamma(n: Any, a: Any) -> Any:
    """ψ⁽ⁿ⁾(a) = (−1)ⁿ⁺¹ n! ζ(n + 1, a) for n ≥ 1."""
    from scipy import special

    s = np.add(n, 1.0)
    factor = np.where(np.mod(n, 2) == 1, 1.0, -1.0) * special.gamma(s)
    positive = a > 0
    zeta = np.where(
        positive,
        _hurwitz(np.where(s > 1, s, 2.0), np.where(positive, np.minimum(a, _HUGE), 1.0)),
        special.zeta(s, np.where(positive, 1.0, a)),
    )
    return np.where(np.equal(n, 0), special.digamma(a), factor * zeta)


gammaln = Pointwise(
    "gammaln", _gammaln, lambda y, a: digamma(a), symbols=("digamma(a)",), domain=((1e-3, 1e3),)
)
digamma = Pointwise(
    "digamma", _digamma, lambda y, a: polygamma(1, a), symbols=("polygamma(1, a)",),
    domain=((1e-3, 1e3),),
)  # fmt: skip
# The order n is an integer: no derivative.
polygamma = Pointwise(
    "polygamma", _polygamma, None, lambda y, n, a: polygamma(n + 1, a),
    symbols=("0", "polygamma(a + 1, b)"), domain=((1.0, 1.0), (0.1, 50.0)),
)  # fmt: skip

FUNCTIONS = (gammaln, digamma, polygamma)
