"""The error function and the normal distribution, sine and cosine, and what is made of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from chainrule.engine.native import ir
from chainrule.engine.native.functions import (
    Value,
    absolute,
    const,
    element,
    exp,
    expm1,
    fma,
    in_double,
    intrinsic,
    is_double,
    less,
    log,
    log1p,
    minimum,
    polynomial,
    sigmoid,
)
from chainrule.engine.native.ir import DOUBLE, FLOAT, I64
from chainrule.engine.native.library import by_library
from chainrule.engine.native.vectors import like

# erf x = x P(x²) for |x| ≤ 1
ERF_FLOAT = (  # error 1.2e-09
    1.1283791658475242, -0.3761262665983077, 0.11283594623850285, -0.026854207648140106,
    0.005189078110013981, -0.0008016773499810029, 7.875545765351228e-05,
)  # fmt: skip
ERF_DOUBLE = (  # error 1.3e-19
    1.1283791670955126, -0.3761263890318375, 0.11283791670954878, -0.02686617064507674,
    0.0052239776248174784, -0.0008548326980801447, 0.00012055331110409494,
    -1.4925595235970651e-05, 1.6460999970345427e-06, -1.6350307065234626e-07,
    1.4659736155673959e-08, -1.1372693191126323e-09, 5.956905633653031e-11,
)  # fmt: skip
# erfc x = exp(−x²) Q(t) / (1 + 2 x), t = (x − 3)/(x + 3), for 1 ≤ x ≤ 27
ERFC_FLOAT = (  # error 2.9e-09
    1.253008057298675, -0.13562109268285272, -0.04756214789224956, 0.12964470276051246,
    -0.11927698042370256, 0.0683131229970353, -0.023744320822121683, 0.002499939796630303,
    0.0018021173715804433, -0.0006872417328126962,
)  # fmt: skip
ERFC_DOUBLE = (  # error 2.6e-18
    1.2530080582697296, -0.13562110612458117, -0.047562294353452536, 0.12964515870275975,
    -0.11927366341514999, 0.06830802734400437, -0.02377051492410589, 0.002529391817520652,
    0.0018886904537668019, -0.0007798323394954342, -0.00010516071793227137,
    0.00012510042618938468, 4.954575307657761e-06, -2.0109175299646435e-05,
    -7.462262545474289e-07, 3.5096414008049423e-06, 3.6905050808291847e-07,
    -6.987472900954952e-07, -1.0466047291833145e-07, 1.7001148090125427e-07,
    -3.2507258342925084e-08,
)  # fmt: skip
# sin r = r + r³ S(r²) and cos r = 1 − r²/2 + r⁴ C(r²) for |r| ≤ π/4
SIN_DOUBLE = (  # error 1.2e-20
    -0.16666666666666666, 0.008333333333333331, -0.0001984126984126504, 2.755731921932058e-06,
    -2.50521062259944e-08, 1.6058530596645953e-10, -7.586636882825159e-13,
)  # fmt: skip
COS_DOUBLE = (  # error 6.5e-22
    0.041666666666666664, -0.0013888888888888887, 2.4801587301584632e-05, -2.755731922139249e-07,
    2.0876755787492604e-09, -1.1470460319209511e-11, 4.745838412531023e-14,
)  # fmt: skip
HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591815e-33)
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def exp_of_minus_square(b: ir.Builder, x: Value, factor: float = 1.0) -> Value:
    """exp(−c x²), with the rounding error of the square put back."""
    y = b.fmul(x, x)
    lost = fma(b, x, x, b.fneg(y))
    finite = b.fcmp_ordered("<", y, const(x, math.inf))
    lost = b.select(finite, lost, const(x, 0.0))
    e = exp(b, b.fmul(y, const(x, -factor)))
    return fma(b, e, b.fmul(lost, const(x, -factor)), e)


def _tail(b: ir.Builder, a: Value) -> Value:
    """erfc a for a ≥ 1; 0 from 27 on, where it is below the smallest number."""
    a = b.select(less(b, const(a, 28.0), a), const(a, 28.0), a)
    t = b.fdiv(b.fsub(a, const(a, 3.0)), b.fadd(a, const(a, 3.0)))
    q = polynomial(b, t, ERFC_DOUBLE if is_double(a) else ERFC_FLOAT)
    y = b.fdiv(q, fma(b, a, const(a, 2.0), const(a, 1.0)))
    return b.fmul(exp_of_minus_square(b, a), y)


def _in_two(number: float) -> tuple[float, float]:
    """A number as a float32 and what is left of it."""
    high = float(np.float32(number))
    return high, number - high


def erf(b: ir.Builder, x: Value) -> Value:
    a = absolute(b, x)
    z = b.fmul(x, x)
    first, *rest = ERF_DOUBLE if is_double(x) else ERF_FLOAT
    high, low = (first, 1.533545961316588e-17) if is_double(x) else _in_two(first)
    tail = fma(b, z, polynomial(b, z, rest), const(x, low))
    near = fma(b, x, const(x, high), b.fmul(x, tail))  # the first coefficient has more digits
    far = intrinsic(b, "copysign", b.fsub(const(x, 1.0), _tail(b, a)), x)
    return b.select(b.fcmp_ordered(">", a, const(x, 1.0)), far, near)


def erfc(b: ir.Builder, x: Value) -> Value:
    a = absolute(b, x)
    near = b.fsub(const(x, 1.0), erf(b, x))
    tail = _tail(b, a)
    far = b.select(less(b, x, const(x, 0.0)), b.fsub(const(x, 2.0), tail), tail)
    return b.select(b.fcmp_ordered(">", a, const(x, 1.0)), far, near)


def norm_pdf(b: ir.Builder, x: Value) -> Value:
    return b.fmul(exp_of_minus_square(b, x, 0.5), const(x, 1.0 / math.sqrt(2.0 * math.pi)))


@in_double
def norm_cdf(b: ir.Builder, x: Value) -> Value:
    """½ erfc(−x/√2), in double precision: the tail loses what its argument has lost."""
    z = b.fmul(x, const(x, -math.sqrt(0.5)))
    # erfc(z + d) = erfc z − 2/√π exp(−z²) d, with the error d of the product and of √½
    d = fma(b, x, const(x, -math.sqrt(0.5)), b.fneg(z))
    d = fma(b, x, const(x, 4.833646656726457e-17), d)
    d = b.select(b.fcmp_ordered("<", absolute(b, x), const(x, 1e4)), d, const(x, 0.0))
    slope = b.fmul(exp_of_minus_square(b, z), const(x, -1.1283791670955126))
    return b.fmul(const(x, 0.5), fma(b, slope, d, erfc(b, z)))


def gelu(b: ir.Builder, x: Value) -> Value:
    return b.fmul(x, norm_cdf(b, x))


def silu(b: ir.Builder, x: Value) -> Value:
    return b.fmul(x, sigmoid(b, x))


def selu(b: ir.Builder, x: Value) -> Value:
    below = b.fmul(const(x, SELU_ALPHA), expm1(b, minimum(b, x, const(x, 0.0))))
    y = b.select(b.fcmp_ordered(">", x, const(x, 0.0)), x, below)
    return b.fmul(const(x, SELU_SCALE), y)


def _quarter(b: ir.Builder, x: Value) -> tuple[Value, Value, Value]:
    """(k, sin r, cos r) with x = k π/2 + r, exact up to |x| of about 10⁹."""
    infinite = b.fcmp_ordered("==", absolute(b, x), const(x, math.inf))
    y = b.select(infinite, const(x, math.nan), x)
    n = intrinsic(b, "rint", b.fmul(y, const(x, 2.0 / math.pi)))
    r = y
    for part in HALF_PI:
        r = fma(b, n, const(x, -part), r)
    safe = b.select(b.fcmp_ordered("<", absolute(b, n), const(x, 2.0**62)), n, const(x, 0.0))
    k = b.fptosi(safe, like(x, I64))
    z = b.fmul(r, r)
    sine = fma(b, b.fmul(r, z), polynomial(b, z, SIN_DOUBLE), r)
    cosine = fma(b, b.fmul(z, z), polynomial(b, z, COS_DOUBLE),
                 fma(b, z, const(x, -0.5), const(x, 1.0)))  # fmt: skip
    return k, sine, cosine


def _odd(b: ir.Builder, x: Value, k: Value) -> Value:
    return b.icmp_signed("!=", b.and_(k, const(x, 1, I64)), const(x, 0, I64))


def circular_pair(b: ir.Builder, x: Value) -> tuple[Value, Value, Value]:
    """(sin r, cos r, is k odd?) with x = k π/2 + r."""
    k, sine, cosine = _quarter(b, x)
    return sine, cosine, _odd(b, x, k)


def _circular(name: str, turn: int) -> Callable[..., Value]:
    """sin(x + turn π/2)."""

    @in_double
    def emit(b: ir.Builder, x: Value) -> Value:
        k, sine, cosine = _quarter(b, x)
        k = b.add(k, const(x, turn, I64))
        value = b.select(_odd(b, x, k), cosine, sine)
        below = b.icmp_signed("!=", b.and_(k, const(x, 2, I64)), const(x, 0, I64))
        return unless_far(b, x, b.select(below, b.fneg(value), value), name)

    return emit


def unless_far(b: ir.Builder, x: Value, y: Value, name: str) -> Value:
    """y, or what the C library's function gives where |x| is too large for the reduction."""
    size = absolute(b, x)
    far = b.and_(
        b.fcmp_ordered(">=", size, const(x, 1e9)), b.fcmp_ordered("<", size, const(x, math.inf))
    )
    return by_library(b, name, [x], y, far)


_sine, cos = _circular("sin", 0), _circular("cos", 1)


def sin(b: ir.Builder, x: Value) -> Value:
    y = _sine(b, x)
    return b.select(b.fcmp_ordered("==", x, const(x, 0.0)), x, y)


def _scaled_log(factor: float) -> Callable[..., Value]:
    return in_double(lambda b, x: b.fmul(log(b, x), const(x, factor)))


def sinh(b: ir.Builder, x: Value) -> Value:
    """(e + e/(e + 1))/2 with e = exp |x| − 1, halved before it can overflow."""
    a = absolute(b, x)
    e = expm1(b, a)
    small = b.fmul(const(x, 0.5), b.fadd(e, b.fdiv(e, b.fadd(e, const(x, 1.0)))))
    h = exp(b, b.fmul(a, const(x, 0.5)))
    y = b.select(less(b, const(x, 30.0), a), b.fmul(b.fmul(const(x, 0.5), h), h), small)
    return intrinsic(b, "copysign", y, x)


def cosh(b: ir.Builder, x: Value) -> Value:
    a = absolute(b, x)
    h = exp(b, b.fmul(a, const(x, 0.5)))
    far = b.fmul(b.fmul(const(x, 0.5), h), h)
    e = exp(b, a)
    near = fma(b, e, const(x, 0.5), b.fdiv(const(x, 0.5), e))
    return b.select(less(b, const(x, 30.0), a), far, near)


def xlogy(b: ir.Builder, x: Value, y: Value) -> Value:
    zero = b.fcmp_ordered("==", x, const(x, 0.0))
    none = b.fcmp_unordered("uno", y, y)
    return b.select(zero, b.select(none, y, const(x, 0.0)), b.fmul(x, log(b, y)))


def logaddexp(b: ir.Builder, x: Value, y: Value) -> Value:
    """max + log1p(exp(−|x − y|))."""
    d = b.fsub(x, y)
    larger = b.select(b.fcmp_ordered(">", d, const(x, 0.0)), x, y)
    z = b.fadd(larger, log1p(b, exp(b, b.fneg(absolute(b, d)))))
    same = b.fcmp_ordered("==", x, y)  # equal infinities too
    return b.select(same, b.fadd(x, const(x, math.log(2.0))), z)


def hypot(b: ir.Builder, x: Value, y: Value) -> Value:
    """√(x² + y²) in twice the precision, or scaled by the larger."""
    if element(x) == FLOAT:
        u, v = (b.fpext(a, like(x, DOUBLE)) for a in (x, y))
        total = intrinsic(b, "sqrt", fma(b, u, u, b.fmul(v, v)))
        y_ = b.fptrunc(total, x.type)
    else:
        p, q = absolute(b, x), absolute(b, y)
        swap = less(b, p, q)
        p, q = b.select(swap, q, p), b.select(swap, p, q)
        ratio = b.fdiv(q, p)
        both = b.fcmp_ordered("==", b.fadd(p, q), const(x, 0.0))
        ratio = b.select(both, const(x, 0.0), ratio)
        y_ = b.fmul(p, intrinsic(b, "sqrt", fma(b, ratio, ratio, const(x, 1.0))))
    infinite = b.or_(
        b.fcmp_ordered("==", absolute(b, x), const(x, math.inf)),
        b.fcmp_ordered("==", absolute(b, y), const(x, math.inf)),
    )
    return b.select(infinite, const(x, math.inf), y_)


EMIT: dict[str, Callable[..., Value]] = {
    "erf": erf,
    "erfc": erfc,
    "gaussian": exp_of_minus_square,
    "norm_pdf": norm_pdf,
    "norm_cdf": norm_cdf,
    "gelu": gelu,
    "silu": silu,
    "selu": selu,
    "sin": sin,
    "cos": cos,
    "log2": _scaled_log(1.0 / math.log(2.0)),
    "log10": _scaled_log(1.0 / math.log(10.0)),
    "sinh": sinh,
    "cosh": cosh,
    "xlogy": xlogy,
    "logaddexp": logaddexp,
    "hypot": hypot,
    "deg2rad": lambda b, x: b.fmul(x, const(x, math.pi / 180.0)),
    "rad2deg": lambda b, x: b.fmul(x, const(x, 180.0 / math.pi)),
}

__all__ = ["EMIT"]
