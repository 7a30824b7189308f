"""The error function and the normal distribution, accurate in the tails.

Values come from SciPy (imported when first needed, since that costs a quarter of a second) where
it keeps its digits. Its tails of erfc are wrong by up to 9 ulp; in float64 they are replaced by
exp(−x²) times the scaled function erfcx of Cody, "Rational Chebyshev approximations for the error
function", Math. Comp. 23 (1969), evaluated with compensated arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.elementary.base import Pointwise
from chainrule.elementary.shaping import where
from chainrule.ghosts import elementwise

_SPLITTER = 134217729.0  # 2²⁷ + 1


def _product_error(a: Any, b: Any) -> Any:
    """a·b − fl(a·b) in float64, by the splitting of Dekker (1971)."""
    c, d = _SPLITTER * a, _SPLITTER * b
    a_high, b_high = c - (c - a), d - (d - b)
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high - a * b) + a_high * b_low + a_low * b_high) + a_low * b_low


def _polynomial(coefficients: Sequence[float], x: Any) -> tuple[Any, Any]:
    """Horner's rule, the highest power first, and what its roundings have lost (Graillat 2005)."""
    total, lost = np.full_like(x, coefficients[0]), np.zeros_like(x)
    for c in coefficients[1:]:
        product = total * x
        error = _product_error(total, x)
        total = product + c
        t = total - product
        lost = lost * x + (error + ((product - (total - t)) + (c - t)))
    return total, lost


def exp_of_minus_square(a: Any, scale: float = 1.0) -> Any:
    """exp(−scale·a²) for scale 1 or ½, with the rounding error of the square put back.

    At a = 20 the square's half ulp would cost 256 ulp of the exponential. Beyond |a| = 10⁴ the
    value is 0 anyway.
    """
    kept = np.result_type(a, np.float32)
    a = np.clip(np.asarray(a, np.float64), -1e4, 1e4)
    e = np.exp(-scale * (a * a))
    return (e - e * (scale * _product_error(a, a))).astype(kept, copy=False)[()]


# Cody's coefficients, the highest power first: erfcx(x) = N(x)/D(x) for x up to 4, and
# (1/√π − q R(q)/S(q))/x with q = 1/x² above.
_N = (
    2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
    2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
    1.23033935479799725e3,
)  # fmt: skip
_D = (
    1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
    1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
    1.23033935480374942e3,
)  # fmt: skip
_R = (
    1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
    1.60837851487422766e-2, 6.58749161529837803e-4,
)  # fmt: skip
_S = (
    1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2,
    2.33520497626869185e-3,
)  # fmt: skip
_SLOPE = 2.0 / math.sqrt(math.pi)


def _erfcx(x: Any) -> Any:
    """exp(x²) erfc x for 0.47 ≤ x < 50, a vector of float64."""
    near = np.minimum(x, 4.0)
    n, n_lost = _polynomial(_N, near)
    d, d_lost = _polynomial(_D, near)
    ratio = n / d
    ratio = ratio + ((n - ratio * d) - _product_error(ratio, d) + n_lost - ratio * d_lost) / d
    q = 1.0 / np.square(np.maximum(x, 4.0))
    far = (0.5 * _SLOPE - q * (np.polyval(_R, q) / np.polyval(_S, q))) / np.maximum(x, 4.0)
    return np.where(x <= 4.0, ratio, far)


@elementwise
def _erf(a: Any) -> Any:
    from scipy import special

    return special.erf(a)


@elementwise
def _erfc(a: Any) -> Any:
    """Above 0.47 exp(−a²) erfcx(a); in float32 SciPy's float64 has digits to spare."""
    from scipy import special

    value = np.asarray(special.erfc(np.asarray(a, np.float64)))
    if np.result_type(a, np.float32) == np.float32:
        return value.astype(np.float32)[()]
    a = np.asarray(a, np.float64)
    tail = (a > 0.47) & (a < 30.0)
    x = a[tail]
    p = _erfcx(x) * np.exp(-(x * x))
    value[tail] = p - p * _product_error(x, x)
    return value[()]


def _falling(y: Any, a: Any) -> Any:
    """a·y of a density y at a, and 0 where it is 0, at ±∞ too."""
    return where(y == 0, 0.0, a) * y


gaussian = Pointwise(
    "gaussian", exp_of_minus_square, lambda y, a: -2.0 * _falling(y, a),
    formula="exp(-a**2)", symbols=("-2*a*exp(-a**2)",), domain=((-25.0, 25.0),),
)  # fmt: skip
erf = Pointwise(
    "erf", _erf, lambda y, a: _SLOPE * gaussian(a), symbols=("2/sqrt(pi)*exp(-a**2)",),
    domain=((-25.0, 25.0),),
)  # fmt: skip
erfc = Pointwise(
    "erfc", _erfc, lambda y, a: -_SLOPE * gaussian(a), symbols=("-2/sqrt(pi)*exp(-a**2)",),
    domain=((-25.0, 25.0),),
)  # fmt: skip


_ROOT_HALF, _ROOT_HALF_REST = math.sqrt(0.5), -4.833646656726457e-17  # √½ in two parts


@elementwise
def _norm_cdf(a: Any) -> Any:
    """½ erfc(−a/√2), with the rounding error of −a/√2 put back in the tail."""
    from scipy import special

    value = np.asarray(special.ndtr(np.asarray(a, np.float64)))
    if np.result_type(a, np.float32) == np.float32:
        return value.astype(np.float32)[()]
    a = np.asarray(a, np.float64)
    tail = (a < -0.665) & (a > -40.0)
    x = a[tail]
    z = x * -_ROOT_HALF
    rest = -_product_error(x, np.float64(_ROOT_HALF)) - x * _ROOT_HALF_REST
    scaled = _erfcx(z)
    p = 0.5 * scaled * np.exp(-0.5 * (x * x))
    slope = 2.0 * z - _SLOPE / scaled  # erfcx'/erfcx
    value[tail] = p + p * (rest * slope - 0.5 * _product_error(x, x))
    return value[()]


norm_pdf = Pointwise(
    "norm_pdf", lambda a: exp_of_minus_square(a, 0.5) * (1.0 / math.sqrt(2.0 * math.pi)),
    lambda y, a: -_falling(y, a), formula="exp(-a**2/2)/sqrt(2*pi)",
    symbols=("-a*exp(-a**2/2)/sqrt(2*pi)",), domain=((-35.0, 35.0),),
)  # fmt: skip
norm_cdf = Pointwise(
    "norm_cdf", _norm_cdf, lambda y, a: norm_pdf(a), symbols=("exp(-a**2/2)/sqrt(2*pi)",),
    domain=((-35.0, 35.0),),
)  # fmt: skip

FUNCTIONS = (gaussian, erf, erfc, norm_pdf, norm_cdf)
