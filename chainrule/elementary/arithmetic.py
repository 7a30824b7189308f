"""Arithmetic, powers and roots, and the extreme of two values."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from chainrule.elementary.base import Pointwise, is_traced, value_of
from chainrule.elementary.exponential import log
from chainrule.elementary.logic import (
    floor,
    floor_divide,
    isnan,
    logical_and,
    logical_not,
    logical_or,
    sign,
    signbit,
)
from chainrule.elementary.shaping import where

add = Pointwise("add", operator.add, 1.0, 1.0, formula="a + b")
subtract = Pointwise("subtract", operator.sub, 1.0, -1.0, formula="a - b")
multiply = Pointwise(
    "multiply", operator.mul, lambda y, a, b: b, lambda y, a, b: a,
    formula="a*b", symbols=("b", "a"),
)  # fmt: skip


def _reciprocal(b: Any) -> Any:
    """1/b, also of Python's zero, which no number can be divided by."""
    zero = type(b) in (int, float) and not b
    return math.copysign(math.inf, b) if zero else 1.0 / b


divide = Pointwise(
    "divide", operator.truediv, lambda y, a, b: _reciprocal(b), lambda y, a, b: -y / b,
    formula="a/b", symbols=("1/b", "-a/b**2"), domain=((-3.0, 3.0), (0.3, 3.0)),
)  # fmt: skip
negative = Pointwise("negative", operator.neg, -1.0, formula="-a")
positive = Pointwise("positive", operator.pos, 1.0, formula="a")


def _power_base(y: Any, a: Any, b: Any) -> Any:
    """∂(a**b)/∂a = b·a**(b−1), and 0 for b = 0, at a = 0 too.

    b − 1 may round, which a large log a would magnify: then b·y/a, away from 0.
    """
    if type(b) is int or type(b) is float or (not is_traced(b) and np.ndim(b) == 0):
        if b == 2:
            return 2.0 * a
        if b in (0, 1):
            return float(b)
        if (b - 1) + 1 == b:
            return b * a ** (b - 1)
    zero, none = a == 0, b == 0
    at_zero = b * power(where(zero, a, 1.0), where(none, 1.0, b - 1.0))
    return where(zero, where(none, 0.0, at_zero), b * y / where(zero, 1.0, a))


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


def _cube_root(a: Any) -> Any:
    """np.cbrt, which on some machines is off by several ulps, after one step of Newton's method."""
    y = np.cbrt(a)
    with np.errstate(all="ignore"):
        better = y - (y * y * y - a) / (3 * y * y)
    # Of the smallest and largest numbers y³ is not exact enough.
    limits = np.finfo(y.dtype)
    inside = (np.abs(a) > limits.tiny / limits.eps**2) & (np.abs(a) < limits.max / 4)
    return np.where(inside, better, y).astype(y.dtype)[()]


cbrt = Pointwise(
    "cbrt", _cube_root, lambda y, a: 1.0 / (3.0 * y * y), symbols=("1/(3*cbrt(a)**2)",),
    domain=((1e-150, 1e150),),
)  # fmt: skip
reciprocal = Pointwise(
    "reciprocal", np.reciprocal, lambda y, a: -y * y,
    formula="1/a", symbols=("-1/a**2",), domain=((0.1, 1e100),),
)  # fmt: skip
absolute = Pointwise("abs", abs, lambda y, a: sign(a), symbols=("sign(a)",))
copysign = Pointwise(
    "copysign", np.copysign, lambda y, a, b: where(signbit(b), -sign(a), sign(a)), None,
    symbols=("sign(a)*sign(b)", "0"),
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
    formula="sqrt(a**2 + b**2)", symbols=("a/sqrt(a**2 + b**2)", "b/sqrt(a**2 + b**2)"),
)  # fmt: skip
heaviside = Pointwise(
    "heaviside", np.heaviside, None, lambda y, a, b: a == 0, symbols=("0", "a == 0")
)


def _share(y: Any, wins: Any, tie: Any) -> Any:
    """1 where it wins, ½ at a tie, 0 elsewhere, in the precision of y."""
    number = value_of(y).dtype.type
    return where(wins, number(1.0), where(tie, number(0.5), number(0.0)))


# Ties. With both arguments traced each gets ½; with a constant on one side the subgradient of
# least norm is 0. ``maximum`` in the NumPy table picks the record.
maximum = Pointwise(
    "maximum", np.maximum,
    lambda y, a, b: _share(y, a > b, a == b), lambda y, a, b: _share(y, b > a, a == b),
    symbols=("(a > b) + (a == b)/2", "(b > a) + (a == b)/2"),
)  # fmt: skip
minimum = Pointwise(
    "minimum", np.minimum,
    lambda y, a, b: _share(y, a < b, a == b), lambda y, a, b: _share(y, b < a, a == b),
    symbols=("(a < b) + (a == b)/2", "(b < a) + (a == b)/2"),
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
    return logical_and(isnan(b), logical_not(isnan(a)))


fmax = Pointwise(
    "fmax", np.fmax,
    lambda y, a, b: _share(y, logical_or(a > b, _of_the_other(a, b)), a == b),
    lambda y, a, b: _share(y, logical_or(b > a, _of_the_other(b, a)), a == b),
    symbols=("(a > b) + (a == b)/2", "(b > a) + (a == b)/2"),
)  # fmt: skip
fmin = Pointwise(
    "fmin", np.fmin,
    lambda y, a, b: _share(y, logical_or(a < b, _of_the_other(a, b)), a == b),
    lambda y, a, b: _share(y, logical_or(b < a, _of_the_other(b, a)), a == b),
    symbols=("(a < b) + (a == b)/2", "(b < a) + (a == b)/2"),
)  # fmt: skip

# One argument constant: at the tie the subgradient of least norm, 0.
fmax_constant = Pointwise(
    "fmax_constant", np.fmax, lambda y, a, b: logical_or(a > b, _of_the_other(a, b)), None,
    formula="fmax(a, b)", symbols=("a > b", "0"),
)  # fmt: skip
fmin_constant = Pointwise(
    "fmin_constant", np.fmin, lambda y, a, b: logical_or(a < b, _of_the_other(a, b)), None,
    formula="fmin(a, b)", symbols=("a < b", "0"),
)  # fmt: skip

FUNCTIONS = (
    add, subtract, multiply, divide, negative, positive, power, square, sqrt, cbrt, reciprocal,
    absolute, copysign, remainder, fmod, hypot, heaviside, maximum, minimum, lower_bound,
    upper_bound, fmax, fmin, fmax_constant, fmin_constant,
)  # fmt: skip
