"""Trigonometric and hyperbolic functions and their inverses.

The derivatives are written so that they keep their digits where the textbook form cancels:
1/√((1−a)(1+a)) instead of 1/√(1−a²), (1/cosh a)² instead of 1 − tanh² a.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.elementary.arithmetic import hypot, sqrt
from chainrule.elementary.base import Pointwise
from chainrule.elementary.shaping import where

_WIDE = ((-1e3, 1e3),)
_UNIT = ((-0.9999, 0.9999),)

sin = Pointwise("sin", np.sin, lambda y, a: cos(a), symbols=("cos(a)",), domain=_WIDE)
cos = Pointwise("cos", np.cos, lambda y, a: -sin(a), symbols=("-sin(a)",), domain=_WIDE)
tan = Pointwise("tan", np.tan, lambda y, a: 1.0 + y * y, symbols=("1 + tan(a)**2",), domain=_WIDE)
arcsin = Pointwise(
    "arcsin", np.arcsin, lambda y, a: 1.0 / sqrt((1.0 - a) * (1.0 + a)),
    symbols=("1/sqrt(1 - a**2)",), domain=_UNIT,
)  # fmt: skip
arccos = Pointwise(
    "arccos", np.arccos, lambda y, a: -1.0 / sqrt((1.0 - a) * (1.0 + a)),
    symbols=("-1/sqrt(1 - a**2)",), domain=_UNIT,
)  # fmt: skip
arctan = Pointwise(
    "arctan", np.arctan, lambda y, a: 1.0 / (1.0 + a * a), symbols=("1/(1 + a**2)",),
    domain=((-1e100, 1e100),),
)  # fmt: skip
# Dividing twice by the length keeps a² + b² from overflowing.
arctan2 = Pointwise(
    "arctan2", np.arctan2,
    lambda y, a, b: b / hypot(a, b) / hypot(a, b), lambda y, a, b: -a / hypot(a, b) / hypot(a, b),
    symbols=("b/(a**2 + b**2)", "-a/(a**2 + b**2)"),
)  # fmt: skip
sinh = Pointwise("sinh", np.sinh, lambda y, a: cosh(a), symbols=("cosh(a)",), domain=((-700, 700),))
cosh = Pointwise("cosh", np.cosh, lambda y, a: sinh(a), symbols=("sinh(a)",), domain=((-700, 700),))


def _sech2(a: Any) -> Any:
    t = np.exp(-2.0 * np.abs(a))
    return 4.0 * t / (1.0 + t * (2.0 + t))


# (1/cosh a)², the derivative of tanh: 1 − tanh² a would lose its digits, and cosh a overflows.
sech2 = Pointwise(
    "sech2", _sech2, lambda y, a: -2.0 * (tanh(a) * y),
    formula="1/cosh(a)**2", symbols=("-2*tanh(a)/cosh(a)**2",), domain=((-300, 300),),
)  # fmt: skip
tanh: Pointwise = Pointwise(
    "tanh", np.tanh, lambda y, a: sech2(a), symbols=("1 - tanh(a)**2",), domain=((-300, 300),)
)
arcsinh = Pointwise(
    "arcsinh", np.arcsinh, lambda y, a: 1.0 / hypot(a, 1.0), symbols=("1/sqrt(1 + a**2)",),
    domain=((-1e100, 1e100),),
)  # fmt: skip
arccosh = Pointwise(
    "arccosh", np.arccosh, lambda y, a: 1.0 / (sqrt(a - 1.0) * sqrt(a + 1.0)),
    symbols=("1/sqrt(a**2 - 1)",), domain=((1.0001, 1e100),),
)  # fmt: skip
arctanh = Pointwise(
    "arctanh", np.arctanh, lambda y, a: 1.0 / ((1.0 - a) * (1.0 + a)), symbols=("1/(1 - a**2)",),
    domain=_UNIT,
)  # fmt: skip
deg2rad = Pointwise("deg2rad", np.deg2rad, math.pi / 180.0, formula="a*pi/180", symbols=("pi/180",))
rad2deg = Pointwise("rad2deg", np.rad2deg, 180.0 / math.pi, formula="a*180/pi", symbols=("180/pi",))


def _sinpi(a: Any) -> Any:
    """sin(πa), exact to rounding for every a: only the distance to the nearest integer counts."""
    n = np.rint(a)
    return (1 - 2 * np.remainder(n, 2)) * np.sin(np.pi * (a - n))


def _cospi(a: Any) -> Any:
    n = np.rint(a)
    return (1 - 2 * np.remainder(n, 2)) * np.sin(np.pi * (0.5 - np.abs(a - n)))


sinpi = Pointwise(
    "sinpi", _sinpi, lambda y, a: math.pi * cospi(a), formula="sin(pi*a)", symbols=("pi*cos(pi*a)",)
)
cospi = Pointwise(
    "cospi", _cospi, lambda y, a: -math.pi * sinpi(a), formula="cos(pi*a)",
    symbols=("-pi*sin(pi*a)",),
)  # fmt: skip

_SINC_SLOPE = [
    (-1) ** k * 2 * k * math.pi ** (2 * k) / math.factorial(2 * k + 1) for k in range(1, 14)
]


def _sinc(a: Any) -> Any:
    safe = np.where(a == 0, 1.0, a)
    return np.where(a == 0, 1.0, _sinpi(safe) / (np.pi * safe))[()]


def _sinc_partial(y: Any, a: Any) -> Any:
    """(cos πa − sinc a)/a; below ½ its Taylor series, because the difference cancels there."""
    small = (a < 0.5) & (a > -0.5)
    near, far = where(small, a, 0.0), where(small, 1.0, a)
    series: Any = 0.0
    for coefficient in reversed(_SINC_SLOPE):
        series = series * (near * near) + coefficient
    return where(small, series * near, (cospi(far) - sinc(far)) / far)


sinc = Pointwise(
    "sinc", _sinc, _sinc_partial, formula="sin(pi*a)/(pi*a)",
    symbols=("(cos(pi*a) - sin(pi*a)/(pi*a))/a",), domain=((-10.0, 10.0),),
)  # fmt: skip

FUNCTIONS = (
    sin, cos, tan, arcsin, arccos, arctan, arctan2, sinh, cosh, sech2, tanh, arcsinh,
    arccosh, arctanh, deg2rad, rad2deg, sinpi, cospi, sinc,
)  # fmt: skip
