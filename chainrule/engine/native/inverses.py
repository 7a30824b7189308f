"""Inverse circular and hyperbolic functions, the tangent, the cube root, and remainders.

The arguments are brought to where a polynomial is short: by tan(π/4 + t) for the arctangent, by
half angles for the arcsine. A remainder is exact: one fused product where the quotient is a whole
number that fits, the C library's function elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from chainrule.engine.native import ir
from chainrule.engine.native.functions import (
    SPLIT,
    Value,
    absolute,
    const,
    element,
    exp,
    fma,
    in_double,
    intrinsic,
    is_double,
    is_nan,
    less,
    log,
    log1p,
    polynomial,
)
from chainrule.engine.native.library import by_library
from chainrule.engine.native.special import circular_pair, unless_far
from chainrule.engine.native.vectors import like

# atan x = x + x z P(z), z = x², for |x| ≤ tan(π/8)
ATAN_DOUBLE = (  # error 1.2e-18
    -0.3333333333333333, 0.19999999999999804, -0.14285714285659828, 0.11111111105155447,
    -0.09090908753500877, 0.07692296375032143, -0.06666424885738255, 0.05878928997834775,
    -0.05230454270650244, 0.04551593220626549, -0.034570561981427744, 0.016285756855221028,
)  # fmt: skip
ATAN_FLOAT = (  # error 1.6e-08
    -0.3333333176116852, 0.19999540483648964, -0.1426395559798464, 0.10743731490791084,
    -0.06451928208121749,
)  # fmt: skip
# asin x = x + x z P(z), z = x², for |x| ≤ ½
ASIN_DOUBLE = (  # error 9.8e-19
    0.16666666666666666, 0.07500000000000118, 0.044642857142551895, 0.03038194447553234,
    0.02237215744350722, 0.017352816540325496, 0.01396378001220357, 0.011566459612121669,
    0.009621842970100282, 0.009319560794767446, 0.0030448799094556773, 0.019554513336123378,
    -0.01924167174674304, 0.02961201126495512,
)  # fmt: skip
ASIN_FLOAT = (  # error 4.2e-09
    0.16666666337430908, 0.07500094543497424, 0.04459940152851218, 0.03110066273549457,
    0.017149238357677253, 0.03369084720283012,
)  # fmt: skip
EIGHTH = (math.sqrt(2.0) - 1.0, math.sqrt(2.0) + 1.0)  # tan(π/8), tan(3π/8)


def _turn(x: Value, times: float) -> tuple[Value, Value]:
    """times · π/2 as a number of the type of x, and what is left of it."""
    high, low = math.pi / 2 * times, 6.123233995736766e-17 * times
    if is_double(x):
        return const(x, high), const(x, low)
    near = float(np.float32(high))
    return const(x, near), const(x, high - near + low)


def arctan(b: ir.Builder, x: Value) -> Value:
    a, one = absolute(b, x), const(x, 1.0)
    far, middle = less(b, const(x, EIGHTH[1]), a), less(b, const(x, EIGHTH[0]), a)
    t = b.select(middle, b.fdiv(b.fsub(a, one), b.fadd(a, one)), a)
    t = b.select(far, b.fdiv(const(x, -1.0), a), t)
    (half, half_rest), (quarter, quarter_rest) = _turn(x, 1.0), _turn(x, 0.5)
    zero = const(x, 0.0)
    base = b.select(far, half, b.select(middle, quarter, zero))
    rest = b.select(far, half_rest, b.select(middle, quarter_rest, zero))
    z = b.fmul(t, t)
    p = polynomial(b, z, ATAN_DOUBLE if is_double(x) else ATAN_FLOAT)
    y = b.fadd(base, b.fadd(t, fma(b, b.fmul(t, z), p, rest)))
    return intrinsic(b, "copysign", y, x)


def arctan2(b: ir.Builder, y: Value, x: Value) -> Value:
    p, q, zero = absolute(b, y), absolute(b, x), const(x, 0.0)
    ratio = b.fdiv(p, q)
    infinity = const(x, math.inf)
    both = b.and_(b.fcmp_ordered("==", p, infinity), b.fcmp_ordered("==", q, infinity))
    none = b.and_(b.fcmp_ordered("==", p, zero), b.fcmp_ordered("==", q, zero))
    ratio = b.select(both, const(x, 1.0), b.select(none, zero, ratio))
    angle = arctan(b, ratio)
    whole, rest = _turn(x, 2.0)
    left = b.fadd(whole, b.fsub(rest, angle))
    return intrinsic(b, "copysign", b.select(signbit(b, x), left, angle), y)


def _half(b: ir.Builder, x: Value) -> tuple[Value, Value]:
    """(|x| > ½, asin |x| there below ½ and asin √((1 − |x|)/2) above)."""
    a = absolute(b, x)
    far = less(b, const(x, 0.5), a)
    half = b.fmul(b.fsub(const(x, 1.0), a), const(x, 0.5))
    z = b.select(far, half, b.fmul(a, a))
    s = b.select(far, intrinsic(b, "sqrt", half), a)
    p = polynomial(b, z, ASIN_DOUBLE if is_double(x) else ASIN_FLOAT)
    return far, fma(b, b.fmul(s, z), p, s)


def arcsin(b: ir.Builder, x: Value) -> Value:
    far, p = _half(b, x)
    half, rest = _turn(x, 1.0)
    beyond = b.fsub(half, b.fsub(b.fadd(p, p), rest))
    return intrinsic(b, "copysign", b.select(far, beyond, p), x)


def arccos(b: ir.Builder, x: Value) -> Value:
    far, p = _half(b, x)
    (half, rest), (whole, whole_rest) = _turn(x, 1.0), _turn(x, 2.0)
    twice, below = b.fadd(p, p), less(b, x, const(x, 0.0))
    beyond = b.select(below, b.fsub(whole, b.fsub(twice, whole_rest)), twice)
    signed = intrinsic(b, "copysign", p, x)
    return b.select(far, beyond, b.fsub(half, b.fsub(signed, rest)))


def _large(b: ir.Builder, a: Value) -> tuple[Value, Value]:
    """(is 1 nothing beside a²?, log 2a)."""
    large = less(b, const(a, 1e9 if is_double(a) else 1e5), a)
    return large, b.fadd(log(b, a), const(a, math.log(2.0)))


def arcsinh(b: ir.Builder, x: Value) -> Value:
    a = absolute(b, x)
    large, far = _large(b, a)
    square = b.fmul(a, a)
    root = intrinsic(b, "sqrt", b.fadd(square, const(x, 1.0)))
    near = log1p(b, b.fadd(a, b.fdiv(square, b.fadd(root, const(x, 1.0)))))
    return intrinsic(b, "copysign", b.select(large, far, near), x)


def arccosh(b: ir.Builder, x: Value) -> Value:
    large, far = _large(b, x)
    t = b.fsub(x, const(x, 1.0))
    near = log1p(b, b.fadd(t, intrinsic(b, "sqrt", fma(b, t, t, b.fadd(t, t)))))
    y = b.select(large, far, near)
    return b.select(less(b, x, const(x, 1.0)), const(x, math.nan), y)


def arctanh(b: ir.Builder, x: Value) -> Value:
    a = absolute(b, x)
    ratio = b.fdiv(b.fadd(a, a), b.fsub(const(x, 1.0), a))
    return intrinsic(b, "copysign", b.fmul(const(x, 0.5), log1p(b, ratio)), x)


def tan(b: ir.Builder, x: Value) -> Value:
    sine, cosine, odd = circular_pair(b, x)
    y = b.select(odd, b.fneg(b.fdiv(cosine, sine)), b.fdiv(sine, cosine))
    y = b.select(b.fcmp_ordered("==", x, const(x, 0.0)), x, y)
    return unless_far(b, x, y, "tan")


def cbrt(b: ir.Builder, x: Value) -> Value:
    """By the logarithm, and a step of Newton's method that makes it exact."""
    tiny, up = (1e-290, 54) if is_double(x) else (1e-30, 24)
    a = absolute(b, x)
    small = less(b, a, const(x, tiny))
    a = b.select(small, b.fmul(a, const(x, 2.0**up)), a)
    y = exp(b, b.fmul(log(b, a), const(x, 1.0 / 3.0)))
    square = b.fmul(y, y)
    error = b.fdiv(fma(b, square, y, b.fneg(a)), b.fmul(const(x, 3.0), square))
    y = b.fsub(y, error)
    y = b.select(small, b.fmul(y, const(x, 2.0 ** (-up // 3))), y)
    same = b.or_(
        b.fcmp_ordered("==", x, const(x, 0.0)),
        b.fcmp_unordered("==", absolute(b, x), const(x, math.inf)),
    )
    return b.select(same, x, intrinsic(b, "copysign", y, x))


# Remainders ---------------------------------------------------------------------------------------


def signbit(b: ir.Builder, x: Value) -> Value:
    integer = SPLIT[str(element(x))][4]
    return b.icmp_signed("<", b.bitcast(x, like(x, integer)), const(x, 0, integer))


def fmod(b: ir.Builder, x: Value, y: Value) -> Value:
    """x − y trunc(x/y), exactly."""
    p, q, infinity = absolute(b, x), absolute(b, y), const(x, math.inf)
    ratio = b.fdiv(p, q)
    r = fma(b, b.fneg(intrinsic(b, "trunc", ratio)), q, p)
    # The quotient may have been rounded up to a whole number.
    r = b.select(less(b, r, const(x, 0.0)), b.fadd(r, q), r)
    r = b.select(b.and_(b.fcmp_ordered("==", q, infinity), less(b, p, infinity)), p, r)
    r = intrinsic(b, "copysign", r, x)
    r = b.select(b.fcmp_ordered("==", p, infinity), const(x, math.nan), r)
    limit = const(x, 2.0 ** (52 if is_double(x) else 23))
    far = b.and_(b.fcmp_ordered(">=", ratio, limit), less(b, p, infinity))
    far = b.and_(far, b.fcmp_ordered(">", q, const(x, 0.0)))
    return by_library(b, "fmod" if is_double(x) else "fmodf", [x, y], r, far)


def _shifted(b: ir.Builder, r: Value, y: Value) -> Value:
    """Is a remainder to be moved to the side of the divisor?"""
    zero = const(r, 0.0)
    unlike = b.xor(less(b, r, zero), less(b, y, zero))
    return b.and_(unlike, b.fcmp_unordered("!=", r, zero))


def mod(b: ir.Builder, x: Value, y: Value) -> Value:
    """The remainder with the sign of the divisor."""
    r = fmod(b, x, y)
    r = b.select(_shifted(b, r, y), b.fadd(r, y), r)
    none = b.fcmp_ordered("==", r, const(x, 0.0))
    return b.select(none, intrinsic(b, "copysign", const(x, 0.0), y), r)


def floor_divide(b: ir.Builder, x: Value, y: Value) -> Value:
    """The quotient rounded down, as NumPy makes it from the remainder."""
    r, zero, one = fmod(b, x, y), const(x, 0.0), const(x, 1.0)
    quotient = b.fdiv(b.fsub(x, r), y)
    quotient = b.select(_shifted(b, r, y), b.fsub(quotient, one), quotient)
    whole = intrinsic(b, "floor", quotient)
    more = less(b, const(x, 0.5), b.fsub(quotient, whole))
    whole = b.select(more, b.fadd(whole, one), whole)
    ratio = b.fdiv(x, y)
    none = b.fcmp_ordered("==", quotient, zero)
    found = b.select(none, intrinsic(b, "copysign", zero, ratio), whole)
    return b.select(b.fcmp_ordered("==", y, zero), ratio, found)


# Choices between two numbers --------------------------------------------------------------------


def _but_nan(sign: str) -> Callable[..., Value]:
    """The larger or smaller of two numbers, where one is NaN the other."""

    def emit(b: ir.Builder, x: Value, y: Value) -> Value:
        return b.select(b.or_(b.fcmp_ordered(sign, x, y), is_nan(b, y)), x, y)

    return emit


def heaviside(b: ir.Builder, x: Value, at_zero: Value) -> Value:
    zero = const(x, 0.0)
    y = b.select(less(b, x, zero), zero, b.select(less(b, zero, x), const(x, 1.0), at_zero))
    return b.select(is_nan(b, x), x, y)


EMIT: dict[str, Callable[..., Value]] = {
        "arctan": arctan, "arctan2": arctan2, "arcsin": in_double(arcsin), "arccos": arccos,
        "arcsinh": arcsinh, "arccosh": in_double(arccosh), "arctanh": in_double(arctanh),
        "tan": in_double(tan), "cbrt": cbrt,
        "fmod": fmod, "mod": mod, "floor_divide": floor_divide, "signbit": signbit,
        "fmax": _but_nan(">="), "fmax_constant": _but_nan(">="),
        "fmin": _but_nan("<="), "fmin_constant": _but_nan("<="), "heaviside": heaviside,
}  # fmt: skip

__all__ = ["EMIT"]
