"""Every pointwise function and its partial derivatives in mpmath, the truth for the accuracy tests.

Each entry is (function, partial derivatives …) by the name of the record. Where the exact result
crosses zero because its terms cancel, ``TERMS`` gives the largest term: there the error of the
result is measured in units of that term, because no float64 formula can do better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp

Truth = tuple[Callable[..., Any], ...]

ONE, ZERO, HALF = mp.mpf(1), mp.mpf(0), mp.mpf("0.5")
PI = lambda: +mp.pi  # noqa: E731  # at the precision in force


def sigma(a: Any) -> Any:
    return 1 / (1 + mp.exp(-a)) if a >= 0 else mp.exp(a) / (1 + mp.exp(a))


def sigma2(a: Any) -> Any:
    return sigma(a * mp.log(2))


def softplus(a: Any) -> Any:
    return max(a, ZERO) + mp.log1p(mp.exp(-abs(a)))


def pdf(a: Any) -> Any:
    return mp.exp(-a * a / 2) / mp.sqrt(2 * PI())


def cdf(a: Any) -> Any:
    return mp.erfc(-a / mp.sqrt(2)) / 2


def sinc_slope(a: Any) -> Any:
    if a == 0:
        return ZERO
    with mp.workdps(mp.mp.dps + 60):  # near 0 the two terms agree in many digits
        return (mp.cospi(a) - mp.sincpi(a)) / a


def sign(a: Any) -> Any:
    return mp.sign(a)


LAMBDA = mp.mpf("1.0507009873554804934193349852946")
ALPHA = mp.mpf("1.6732632423543772848170429916717")

TRUTH: dict[str, Truth] = {
    "add": (lambda a, b: a + b, lambda a, b: ONE, lambda a, b: ONE),
    "subtract": (lambda a, b: a - b, lambda a, b: ONE, lambda a, b: -ONE),
    "multiply": (lambda a, b: a * b, lambda a, b: b, lambda a, b: a),
    "divide": (lambda a, b: a / b, lambda a, b: 1 / b, lambda a, b: -a / b**2),
    "negative": (lambda a: -a, lambda a: -ONE),
    "positive": (lambda a: a, lambda a: ONE),
    "power": (
        lambda a, b: a**b, lambda a, b: b * a ** (b - 1), lambda a, b: a**b * mp.log(a),
    ),
    "square": (lambda a: a * a, lambda a: 2 * a),
    "sqrt": (mp.sqrt, lambda a: 1 / (2 * mp.sqrt(a))),
    "cbrt": (mp.cbrt, lambda a: 1 / (3 * mp.cbrt(a) ** 2)),
    "reciprocal": (lambda a: 1 / a, lambda a: -1 / a**2),
    "abs": (abs, sign),
    "copysign": (
        lambda a, b: abs(a) * (1 if b >= 0 else -1),
        lambda a, b: sign(a) * (1 if b >= 0 else -1),
        lambda a, b: ZERO,
    ),
    "mod": (lambda a, b: a - b * mp.floor(a / b), lambda a, b: ONE, lambda a, b: -mp.floor(a / b)),
    "fmod": (
        lambda a, b: sign(a) * (abs(a) - b * mp.floor(abs(a) / b)),
        lambda a, b: ONE,
        lambda a, b: -sign(a) * mp.floor(abs(a) / b),
    ),
    "hypot": (
        mp.hypot, lambda a, b: a / mp.hypot(a, b), lambda a, b: b / mp.hypot(a, b),
    ),
    "heaviside": (
        lambda a, b: ZERO if a < 0 else ONE if a > 0 else b,
        lambda a, b: ZERO,
        lambda a, b: ONE if a == 0 else ZERO,
    ),
    **dict.fromkeys(
        ("maximum", "lower_bound", "fmax", "fmax_constant"),
        (max, lambda a, b: ONE if a > b else ZERO, lambda a, b: ONE if b > a else ZERO),
    ),
    **dict.fromkeys(
        ("minimum", "upper_bound", "fmin", "fmin_constant"),
        (min, lambda a, b: ONE if a < b else ZERO, lambda a, b: ONE if b < a else ZERO),
    ),
    "exp": (mp.exp, mp.exp),
    "exp2": (lambda a: mp.mpf(2) ** a, lambda a: mp.mpf(2) ** a * mp.log(2)),
    "expm1": (mp.expm1, mp.exp),
    "log": (mp.log, lambda a: 1 / a),
    "log2": (lambda a: mp.log(a, 2), lambda a: 1 / (a * mp.log(2))),
    "log10": (mp.log10, lambda a: 1 / (a * mp.log(10))),
    "log1p": (mp.log1p, lambda a: 1 / (1 + a)),
    "logaddexp": (
        lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))),
        lambda a, b: sigma(a - b),
        lambda a, b: sigma(b - a),
    ),
    "logaddexp2": (
        lambda a, b: max(a, b) + mp.log1p(mp.mpf(2) ** -abs(a - b)) / mp.log(2),
        lambda a, b: sigma2(a - b),
        lambda a, b: sigma2(b - a),
    ),
    "xlogy": (lambda a, b: a * mp.log(b), lambda a, b: mp.log(b), lambda a, b: a / b),
    "sin": (mp.sin, mp.cos),
    "cos": (mp.cos, lambda a: -mp.sin(a)),
    "tan": (mp.tan, lambda a: mp.sec(a) ** 2),
    "arcsin": (mp.asin, lambda a: 1 / mp.sqrt((1 - a) * (1 + a))),
    "arccos": (mp.acos, lambda a: -1 / mp.sqrt((1 - a) * (1 + a))),
    "arctan": (mp.atan, lambda a: 1 / (1 + a * a)),
    "arctan2": (
        mp.atan2, lambda a, b: b / (a * a + b * b), lambda a, b: -a / (a * a + b * b),
    ),
    "sinh": (mp.sinh, mp.cosh),
    "cosh": (mp.cosh, mp.sinh),
    "tanh": (mp.tanh, lambda a: mp.sech(a) ** 2),
    "sech2": (lambda a: mp.sech(a) ** 2, lambda a: -2 * mp.tanh(a) * mp.sech(a) ** 2),
    "arcsinh": (mp.asinh, lambda a: 1 / mp.sqrt(1 + a * a)),
    "arccosh": (mp.acosh, lambda a: 1 / mp.sqrt((a - 1) * (a + 1))),
    "arctanh": (mp.atanh, lambda a: 1 / ((1 - a) * (1 + a))),
    "deg2rad": (lambda a: a * PI() / 180, lambda a: PI() / 180),
    "rad2deg": (lambda a: a * 180 / PI(), lambda a: 180 / PI()),
    "sinpi": (mp.sinpi, lambda a: PI() * mp.cospi(a)),
    "cospi": (mp.cospi, lambda a: -PI() * mp.sinpi(a)),
    "sinc": (mp.sincpi, sinc_slope),
    "gaussian": (lambda a: mp.exp(-a * a), lambda a: -2 * a * mp.exp(-a * a)),
    "erf": (mp.erf, lambda a: 2 / mp.sqrt(PI()) * mp.exp(-a * a)),
    "erfc": (mp.erfc, lambda a: -2 / mp.sqrt(PI()) * mp.exp(-a * a)),
    "norm_pdf": (pdf, lambda a: -a * pdf(a)),
    "norm_cdf": (cdf, pdf),
    "gammaln": (mp.loggamma, mp.digamma),
    "digamma": (mp.digamma, lambda a: mp.polygamma(1, a)),
    "polygamma": (
        lambda n, a: mp.polygamma(int(n), a),
        lambda n, a: ZERO,
        lambda n, a: mp.polygamma(int(n) + 1, a),
    ),
    "sigmoid": (sigma, lambda a: sigma(a) * sigma(-a)),
    "sigmoid2": (sigma2, lambda a: mp.log(2) * sigma2(a) * sigma2(-a)),
    "log_sigmoid": (lambda a: -softplus(-a), lambda a: sigma(-a)),
    "softplus": (softplus, sigma),
    "relu": (lambda a: max(a, ZERO), lambda a: ONE if a > 0 else ZERO),
    "leaky_relu": (
        lambda a, b: a if a > 0 else b * a,
        lambda a, b: ONE if a > 0 else b,
        lambda a, b: ZERO if a > 0 else a,
    ),
    "elu": (
        lambda a, b: a if a > 0 else b * mp.expm1(a),
        lambda a, b: ONE if a > 0 else b * mp.exp(a),
        lambda a, b: ZERO if a > 0 else mp.expm1(a),
    ),
    "selu": (
        lambda a: LAMBDA * (a if a > 0 else ALPHA * mp.expm1(a)),
        lambda a: LAMBDA * (ONE if a > 0 else ALPHA * mp.exp(a)),
    ),
    "gelu": (lambda a: a * cdf(a), lambda a: cdf(a) + a * pdf(a)),
    "silu": (lambda a: a * sigma(a), lambda a: sigma(a) * (1 + a * sigma(-a))),
    "sigmoid_cross_entropy": (
        lambda a, b: abs(a) * (1 - b if a > 0 else b) + mp.log1p(mp.exp(-abs(a))),
        lambda a, b: (1 - b) * sigma(a) - b * sigma(-a),
        lambda a, b: -a,
    ),
}  # fmt: skip

# (name, output): the largest term. Output 0 is the value, 1 and 2 are the partial derivatives.
TERMS: dict[tuple[str, int], Callable[..., Any]] = {
    ("gelu", 1): lambda a: max(cdf(a), abs(a) * pdf(a)),
    ("silu", 1): lambda a: sigma(a) * max(ONE, abs(a) * sigma(-a)),
    ("sinc", 1): lambda a: (
        abs(sinc_slope(a)) if abs(a) < HALF else max(abs(mp.cospi(a)), abs(mp.sincpi(a))) / abs(a)
    ),
    ("logaddexp", 0): lambda a, b: max(abs(max(a, b)), mp.log1p(mp.exp(-abs(a - b)))),
    ("logaddexp2", 0): lambda a, b: max(abs(max(a, b)), mp.mpf(2) ** -abs(a - b)),
    ("sigmoid_cross_entropy", 1): lambda a, b: max((1 - b) * sigma(a), b * sigma(-a)),
}
