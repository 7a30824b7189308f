"""Error functions, the normal distribution, and the logarithm of the gamma function.

Values come from SciPy (imported when first needed, since that costs a quarter of a second),
repaired where it loses digits: the tail of erfc, and gammaln near its zeros 1 and 2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.elementary.base import Pointwise


def exp_of_minus_square(a: Any, scale: float = 1.0) -> Any:
    """exp(−scale·a²) for scale 1 or ½, with the rounding error of the square put back.

    Dekker's split: at a = 20 the square's half ulp would cost 256 ulp of the exponential. Beyond
    |a| = 10⁴ the value is 0 anyway.
    """
    a = np.clip(np.asarray(a, dtype=np.result_type(a, np.float32)), -1e4, 1e4)
    factor = 134217729.0 if a.dtype == np.float64 else 4097.0  # 2^27 + 1, 2^12 + 1
    c = a.dtype.type(factor) * a
    high = c - (c - a)
    low = a - high
    square = a * a
    error = ((high * high - square) + 2 * high * low) + low * low
    return (np.exp(-scale * square) * (1 - scale * error))[()]


def _erf(a: Any) -> Any:
    from scipy import special

    return special.erf(a)


def _erfc(a: Any) -> Any:
    from scipy import special

    tail = np.clip(a, 1.0, 30.0)
    value = np.where(a > 1, special.erfcx(tail) * exp_of_minus_square(tail), special.erfc(a))
    return np.where(np.greater(a, 30.0), 0.0, value)[()]


gaussian = Pointwise(
    "gaussian", exp_of_minus_square, lambda y, a: -2.0 * a * y,
    formula="exp(-a**2)", symbols=("-2*a*exp(-a**2)",), domain=((-25.0, 25.0),),
)  # fmt: skip
_SLOPE = 2.0 / math.sqrt(math.pi)
erf = Pointwise(
    "erf", _erf, lambda y, a: _SLOPE * gaussian(a), symbols=("2/sqrt(pi)*exp(-a**2)",),
    domain=((-25.0, 25.0),),
)  # fmt: skip
erfc = Pointwise(
    "erfc", _erfc, lambda y, a: -_SLOPE * gaussian(a), symbols=("-2/sqrt(pi)*exp(-a**2)",),
    domain=((-25.0, 25.0),),
)  # fmt: skip


def _norm_cdf(a: Any) -> Any:
    from scipy import special

    tail = np.clip(a, -40.0, -1.0)
    low = 0.5 * special.erfcx(tail * -math.sqrt(0.5)) * exp_of_minus_square(tail, 0.5)
    value = np.where(np.less(a, -1), low, special.ndtr(np.maximum(a, -1.0)))
    return np.where(np.less(a, -40.0), 0.0, value)[()]


norm_pdf = Pointwise(
    "norm_pdf", lambda a: exp_of_minus_square(a, 0.5) * (1.0 / math.sqrt(2.0 * math.pi)),
    lambda y, a: -a * y, formula="exp(-a**2/2)/sqrt(2*pi)",
    symbols=("-a*exp(-a**2/2)/sqrt(2*pi)",), domain=((-35.0, 35.0),),
)  # fmt: skip
norm_cdf = Pointwise(
    "norm_cdf", _norm_cdf, lambda y, a: norm_pdf(a), symbols=("exp(-a**2/2)/sqrt(2*pi)",),
    domain=((-35.0, 35.0),),
)  # fmt: skip

# ζ(k) − 1 for k = 2, 3, …: log Γ(2 + z) = (1 − γ) z + Σ (−1)^k (ζ(k) − 1) z^k / k (DLMF 5.7.3).
_EULER = 0.57721566490153286061
_ZETA_TERMS = 60


def _gammaln_near(z: Any) -> Any:
    """log Γ(2 + z) for |z| ≤ ½, with its relative precision kept at the zero."""
    from scipy import special

    k = np.arange(2, _ZETA_TERMS)
    coefficients = (-1.0) ** k * special.zetac(k) / k
    return z * np.polynomial.polynomial.polyval(z, np.concatenate([[1 - _EULER], coefficients]))


def _gammaln(a: Any) -> Any:
    from scipy import special

    a = np.asarray(a)
    a = a.astype(np.result_type(a.dtype, np.float32), copy=False)
    value = special.gammaln(a)
    near_two, near_one = np.abs(a - 2.0) <= 0.5, np.abs(a - 1.0) < 0.5
    if np.any(near_two | near_one):
        z = np.where(near_two, a - 2.0, np.where(near_one, a - 1.0, 0.0))
        near = _gammaln_near(z) - np.where(near_one, np.log1p(np.where(near_one, z, 0.0)), 0.0)
        value = np.where(near_two | near_one, near, value).astype(a.dtype)
    return value[()]


def _digamma(a: Any) -> Any:
    from scipy import special

    return special.digamma(a)


def _polygamma(n: Any, a: Any) -> Any:
    """ψ⁽ⁿ⁾(a) = (−1)ⁿ⁺¹ n! ζ(n + 1, a) for n ≥ 1."""
    from scipy import special

    sign = np.where(np.mod(n, 2) == 1, 1.0, -1.0)
    factor = sign * special.gamma(np.add(n, 1.0))
    value = np.where(np.equal(n, 0), special.digamma(a), factor * special.zeta(np.add(n, 1.0), a))
    return value.astype(np.result_type(a, np.float32))[()]


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

FUNCTIONS = (gaussian, erf, erfc, norm_pdf, norm_cdf, gammaln, digamma, polygamma)
