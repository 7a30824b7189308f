"""Arithmetic, powers and roots, and the extreme of two values."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from chainrule.elementary.base import Pointwise, is_traced
from chainrule.elementary.exponential import log
from chainrule.elementary.logic import floor, floor_divide, isnan, sign, signbit
from chainrule.elementary.shaping import where

add = Pointwise("add", operator.add, 1.0, 1.0, formula="a + b")
subtract = Pointwise("subtract", operator.sub, 1.0, -1.0, formula="a - b")
multiply = Pointwise(
    "multiply", operator.mul, lambda y, a, b: b, lambda y, a, b: a,
    formula="a*b", symbols=("b", "a"),
)  # fmt: skip
divide = Pointwise(
    "divide", operator.truediv, lambda y, a, b: 1.0 / b, lambda y, a, b: -y / b,
    formula="a/b", symbols=("1/b", "-a/b**2"), domain=((-3.0, 3.0), (0.3, 3.0)),
)  # fmt: skip
negative = Pointwise("negative", operator.neg, -1.0, formula="-a")
positive = Pointwise("positive", operator.pos, 1.0, formula="a")


def _power_base(y: Any, a: Any, b: Any) -> Any:
    """∂(a**b)/∂a = b·a**(b−1), written b·y/a away from 0: b − 1 may round, y/a is exact enough."""
    if not is_traced(b) and np.ndim(b) == 0 and b == round(b):
        return b * a ** (b - 1) if b != 2 else 2.0 * a
    zero = a == 0
    at_zero = where(b == 0, 0.0, b * power(where(zero, a, 0.0), where(b == 0, 1.0, b - 1.0)))
    return where(zero, at_zero, b * y / where(zero, 1.0, a))


def _power_exponent(y: Any, a: Any, b: Any) -> Any:
    """∂(a**b)/∂b = a**b·log a; at a = 0 its limit 0. A negative base gives NaN."""
    return y * log(where(a == 0, 1.0, a))


power = Pointwise(
    "power", operator.pow, _power_base, _power_exponent,
    formula="a**b", symbols=("b*a**(b - 1)", "a**b*log(a)"), domain=((0.1, 5.0), (-4.0, 4.0)),
)  # fmt: skip
square = Pointwise("square", np.square, lambda y, a: 2.0 * a, formula="a**2", symbols=("2*a",))
sqrt = Pointwise(
    "sqrt", np.sqrt, lambda y, a: 0.5 / y, symbols=("1/(2*sqrt(a))",), domain=((1e-300, 1e300),)
)
cbrt = Pointwise(
    "cbrt", np.cbrt, lambda y, a: 1.0 / (3.0 * y * y), symbols=("1/(3*cbrt(a)**2)",),
    domain=((1e-150, 1e150),),
)  # fmt: skip
reciprocal = Pointwise(
    "reciprocal", np.reciprocal, lambda y, a: -y * y,
    formula="1/a", symbols=("-1/a**2",), domain=((0.1, 1e100),),
)  # fmt: skip
absolute = Pointwise("abs", abs, lambda y, a: sign(a), symbols=("sign(a)",))
copysign = Pointwise(
    "copysign", np.copysign, lambda y, a, b: where(signbit(a) == signbit(b), 1.0, -1.0) * (a != 0),
    None, symbols=("sign(a)*sign(b)", "0"),
)  # fmt: skip
remainder = Pointwise(
    "mod", operator.mod, 1.0, lambda y, a, b: -floor_divide(a, b),
    formula="mod(a, b)", symbols=("1", "-floor(a/b)"), domain=((-9.0, 9.0), (0.7, 1.3)),
)  # fmt: skip
fmod = Pointwise(
    "fmod", np.fmod, 1.0, lambda y, a, b: -where(a / b > 0, floor(a / b), -floor(-a / b)),
    symbols=("1", "-trunc(a/b)"), domain=((-9.0, 9.0), (0.7, 1.3)),
)  # fmt: skip
hypot = Pointwise(
    "hypot", np.hypot,
    lambda y, a, b: a / where(y == 0, 1.0, y), lambda y, a, b: b / where(y == 0, 1.0, y),
    formula="sqrt(a**2 + b**2)", symbols=("a/hypot(a, b)", "b/hypot(a, b)"),
)  # fmt: skip
heaviside = Pointwise(
    "heaviside", np.heaviside, None, lambda y, a, b: (a == 0) * 1.0, symbols=("0", "a == 0")
)

# Ties. With both arguments traced each gets ½; with a constant on one side the subgradient of
# least norm is 0. ``maximum`` in the NumPy table picks the record.
maximum = Pointwise(
    "maximum", np.maximum,
    lambda y, a, b: (a > b) + 0.5 * (a == b), lambda y, a, b: (b > a) + 0.5 * (a == b),
    symbols=("a > b", "b > a"),
)  # fmt: skip
minimum = Pointwise(
    "minimum", np.minimum,
    lambda y, a, b: (a < b) + 0.5 * (a == b), lambda y, a, b: (b < a) + 0.5 * (a == b),
    symbols=("a < b", "b < a"),
)  # fmt: skip
lower_bound = Pointwise(
    "lower_bound", np.maximum, lambda y, a, b: a > b, None,
    formula="maximum(a, b)", symbols=("a > b", "0"),
)  # fmt: skip
upper_bound = Pointwise(
    "upper_bound", np.minimum, lambda y, a, b: a < b, None,
    formula="minimum(a, b)", symbols=("a < b", "0"),
)  # fmt: skip


def _of_the_other(a: Any, b: Any) -> Any:
    """Where fmax and fmin return a because b is NaN."""
    return isnan(b) & ~isnan(a) if is_traced(a) or is_traced(b) else np.isnan(b) & ~np.isnan(a)


fmax = Pointwise(
    "fmax", np.fmax,
    lambda y, a, b: (a > b) + 0.5 * (a == b) + 1.0 * _of_the_other(a, b),
    lambda y, a, b: (b > a) + 0.5 * (a == b) + 1.0 * _of_the_other(b, a),
    symbols=("a > b", "b > a"),
)  # fmt: skip
fmin = Pointwise(
    "fmin", np.fmin,
    lambda y, a, b: (a < b) + 0.5 * (a == b) + 1.0 * _of_the_other(a, b),
    lambda y, a, b: (b < a) + 0.5 * (a == b) + 1.0 * _of_the_other(b, a),
    symbols=("a < b", "b < a"),
)  # fmt: skip

FUNCTIONS = (
    add, subtract, multiply, divide, negative, positive, power, square, sqrt, cbrt, reciprocal,
    absolute, copysign, remainder, fmod, hypot, heaviside, maximum, minimum, lower_bound,
    upper_bound, fmax, fmin,
)  # fmt: skip
