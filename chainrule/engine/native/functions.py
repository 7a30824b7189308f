"""Elementary functions on registers, single numbers or vectors, without branches.

Each takes a builder and registers of one type, and follows NumPy at NaN, infinities and signed
zeros. The polynomials interpolate at Chebyshev nodes; behind each stand its interval and its
largest error.

Source: Muller, *Elementary Functions* (3rd ed., Birkhäuser 2016); the forms for the logarithm are
those of Tang, "Table-driven implementation of the logarithm function", ACM TOMS 16 (1990).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from chainrule.engine.native import ir, vectors
from chainrule.engine.native.ir import DOUBLE, I1, I32, I64
from chainrule.engine.native.vectors import like

Value: TypeAlias = ir.Value

# exp r = 1 + r + r² q(r) for |r| ≤ ½ log 2
EXP_FLOAT = (  # error 1.4e-9
    0.50000000134981778643, 0.16666666681659179129, 0.041666464602026541557,
    0.0083333108895820771937, 0.0013933685862617173589, 0.00019891030654370327738,
)  # fmt: skip
EXP_DOUBLE = (  # error 1.4e-18
    0.5, 0.16666666666666671008, 0.041666666666666669767, 0.0083333333333261120526,
    0.0013888888888883731828, 0.00019841269874901259234, 0.000024801587325605322782,
    2.7557255297969644392e-6, 2.7557273570102139673e-7, 2.5105259538448493419e-8,
    2.0914717341716375952e-9,
)  # fmt: skip
# log((1 + s)/(1 − s)) = 2 s + s z R(z), z = s² ≤ 0.0295
LOG_FLOAT = (  # error 1.2e-9
    0.6666666655404201243, 0.40000122211810649396, 0.28550778633191965434, 0.23331614471843499235,
)  # fmt: skip
LOG_DOUBLE = (  # error 2.1e-18
    0.66666666666666666463, 0.40000000000000883236, 0.28571428570799785031,
    0.22222222392581045097, 0.18181795547521136235, 0.15386244737621666606,
    0.13268638369266823879, 0.1308803485092755383,
)  # fmt: skip
# tanh x = x + x z P(z), z = x² ≤ 0.36
TANH_FLOAT = (  # error 1.0e-09
    -0.33333333230410395, 0.1333331273558212, -0.053961518049195197, 0.02178802419672202,
    -0.008409012995260534, 0.0023694655327582024,
)  # fmt: skip
TANH_DOUBLE = (  # error 1.9e-21
    -0.3333333333333333, 0.13333333333333333, -0.0539682539682536, 0.021869488536128984,
    -0.008863235528925624, 0.00359212801474099, -0.0014558340700871048, 0.0005900243069766705,
    -0.0002391074183101917, 9.680882096491409e-05, -3.890684937462168e-05, 1.5011451434958242e-05,
    -4.942832862418665e-06, 9.903688258115803e-07,
)  # fmt: skip
LN2 = {"float": (0.693359375, -2.12194440e-4),
       "double": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}  # fmt: skip
SPLIT = {"float": (32, 23, 0x3F3504F3, 0x7FFFFF, I32),
         "double": (64, 52, 0x3FE6A09E667F3BCD, 0xFFFFFFFFFFFFF, I64)}  # fmt: skip


# Building blocks ---------------------------------------------------------------------------------


def element(x: Value) -> Any:
    return x.type.element if isinstance(x.type, ir.VectorType) else x.type


def const(x: Value, number: float, kind: Any = None) -> Value:
    """A number in every lane of the type of x."""
    return ir.Constant(like(x, kind or element(x)), number)


def intrinsic(b: ir.Builder, name: str, *args: Value) -> Value:
    """Call an LLVM intrinsic that is named after the type of its arguments, and its result."""
    kind = args[0].type
    return vectors.intrinsic(b, name, kind, args, [kind])


def fma(b: ir.Builder, x: Value, y: Value, z: Value) -> Value:
    """x y + z, rounded once."""
    return intrinsic(b, "fma", x, y, z)


def polynomial(b: ir.Builder, x: Value, coefficients: Sequence[float]) -> Value:
    """Horner's scheme, the constant term first."""
    total = const(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = fma(b, total, x, const(x, c))
    return total


def is_double(x: Value) -> bool:
    return element(x) == DOUBLE


def in_double(function: Callable[..., Value]) -> Callable[..., Value]:
    """Single precision by way of double precision, where a formula loses some digits."""

    @functools.wraps(function)
    def emit(b: ir.Builder, *args: Value) -> Value:
        if is_double(args[0]):
            return function(b, *args)
        wide = [b.fpext(x, like(x, DOUBLE)) for x in args]
        return b.fptrunc(function(b, *wide), args[0].type)

    return emit


def absolute(b: ir.Builder, x: Value) -> Value:
    """|x|, which is |−x|: a function of both makes only once what it needs of it."""
    return intrinsic(b, "fabs", b.block.negated.get(x.text, x))


def less(b: ir.Builder, x: Value, y: Value) -> Value:
    return b.fcmp_ordered("<", x, y)


def is_nan(b: ir.Builder, x: Value) -> Value:
    return b.fcmp_unordered("uno", x, x)


def power_of_two(b: ir.Builder, n: Value, x: Value) -> Value:
    """2ⁿ for whole numbers n within the range of normal exponents, in the type of x."""
    _, shift, _, _, integer = SPLIT[str(element(x))]
    bias = 1023 if is_double(x) else 127
    bits = b.shl(b.add(n, const(x, bias, integer)), const(x, shift, integer))
    return b.bitcast(bits, x.type)


# Exponentials ------------------------------------------------------------------------------------


def reduced(b: ir.Builder, x: Value) -> tuple[Value, Value]:
    """(n, r) with x = n log 2 + r and |r| ≤ ½ log 2; n is a whole number as a float."""
    high, low = LN2[str(element(x))]
    n = intrinsic(b, "rint", b.fmul(x, const(x, 1.4426950408889634074)))
    r = fma(b, n, const(x, -high), x)
    return n, fma(b, n, const(x, -low), r)


def whole(b: ir.Builder, n: Value) -> Value:
    """A float without fraction as an integer of its width; NaN is 0."""
    n = b.select(is_nan(b, n), const(n, 0.0), n)
    return b.fptosi(n, like(n, SPLIT[str(element(n))][4]))


def minus_one(b: ir.Builder, r: Value) -> Value:
    """exp r − 1 for |r| ≤ ½ log 2."""
    q = polynomial(b, r, EXP_DOUBLE if is_double(r) else EXP_FLOAT)
    return fma(b, b.fmul(r, r), q, r)


def clamp(b: ir.Builder, x: Value, low: float, high: float) -> Value:
    """x within bounds; NaN stays."""
    x = b.select(less(b, x, const(x, low)), const(x, low), x)
    return b.select(less(b, const(x, high), x), const(x, high), x)


def exp(b: ir.Builder, x: Value) -> Value:
    x = clamp(b, x, *((-746.0, 710.0) if is_double(x) else (-104.0, 89.0)))
    n, r = reduced(b, x)
    return raised(b, r, n)


def raised(b: ir.Builder, r: Value, n: Value) -> Value:
    """exp r · 2ⁿ for |r| ≤ ½ log 2, in two steps: 2ⁿ itself may be out of range."""
    y = b.fadd(minus_one(b, r), const(r, 1.0))
    k = whole(b, n)
    half = b.ashr(k, const(r, 1, element(k)))
    y = b.fmul(y, power_of_two(b, half, r))
    return b.fmul(y, power_of_two(b, b.sub(k, half), r))


def expm1(b: ir.Builder, x: Value) -> Value:
    high = 700.0 if is_double(x) else 80.0
    small = clamp(b, x, *((-40.0, high) if is_double(x) else (-20.0, high)))
    n, r = reduced(b, small)
    scale = power_of_two(b, whole(b, n), x)
    y = fma(b, minus_one(b, r), scale, b.fsub(scale, const(x, 1.0)))
    y = b.select(b.fcmp_ordered("==", n, const(x, 0.0)), minus_one(b, r), y)
    y = b.select(less(b, const(x, high), x), exp(b, x), y)
    return b.select(b.fcmp_ordered("==", x, const(x, 0.0)), x, y)


def exp2(b: ir.Builder, x: Value) -> Value:
    x = clamp(b, x, *((-1080.0, 1025.0) if is_double(x) else (-152.0, 129.0)))
    n = intrinsic(b, "rint", x)
    f = b.fsub(x, n)
    return raised(b, b.fmul(f, const(x, 0.693147180559945309417)), n)


# Logarithms --------------------------------------------------------------------------------------


def log(b: ir.Builder, x: Value) -> Value:
    high, low = LN2[str(element(x))]
    k, f = _parts(b, x)
    s = b.fdiv(f, b.fadd(f, const(x, 2.0)))
    z = b.fmul(s, s)
    tail = b.fmul(z, polynomial(b, z, LOG_DOUBLE if is_double(x) else LOG_FLOAT))
    square = b.fmul(const(x, 0.5), b.fmul(f, f))
    inner = fma(b, s, b.fadd(square, tail), b.fmul(k, const(x, low)))
    y = fma(b, k, const(x, high), b.fsub(f, b.fsub(square, inner)))
    infinity = const(x, float("inf"))
    y = b.select(b.fcmp_ordered("==", x, infinity), x, y)
    y = b.select(b.fcmp_ordered("==", x, const(x, 0.0)), const(x, float("-inf")), y)
    return b.select(b.fcmp_unordered("<", x, const(x, 0.0)), const(x, float("nan")), y)


def log1p(b: ir.Builder, x: Value) -> Value:
    u = b.fadd(x, const(x, 1.0))
    lost = b.fsub(x, b.fsub(u, const(x, 1.0)))
    y = b.fadd(log(b, u), b.fdiv(lost, u))
    same = b.or_(
        b.fcmp_ordered("==", u, const(x, 1.0)), b.fcmp_ordered("==", x, const(x, float("inf")))
    )
    y = b.select(same, x, y)
    return b.select(b.fcmp_ordered("==", x, const(x, -1.0)), const(x, float("-inf")), y)


def _parts(b: ir.Builder, x: Value) -> tuple[Value, Value]:
    """(k, f) with x = 2ᵏ (1 + f) and √½ ≤ 1 + f < √2, for a positive x."""
    _, shift, root, fraction, integer = SPLIT[str(element(x))]
    tiny, scale = (2.2250738585072014e-308, 54) if is_double(x) else (1.1754943508222875e-38, 25)
    small = less(b, x, const(x, tiny))
    scaled = b.select(small, b.fmul(x, const(x, float(2**scale))), x)
    bits = b.sub(b.bitcast(scaled, like(x, integer)), const(x, root, integer))
    exponent = b.sitofp(b.ashr(bits, const(x, shift, integer)), x.type)
    k = b.fsub(exponent, b.select(small, const(x, float(scale)), const(x, 0.0)))
    m = b.add(b.and_(bits, const(x, fraction, integer)), const(x, root, integer))
    return k, b.fsub(b.bitcast(m, x.type), const(x, 1.0))


def _positive_power(b: ir.Builder, x: Value, y: Value) -> Value:
    """xʸ for finite x > 0: exp(y log x) with the logarithm in two doubles."""
    k, f = _parts(b, x)
    high, low = LN2["double"]
    d = b.fadd(f, const(x, 2.0))
    lost = b.fsub(f, b.fsub(d, const(x, 2.0)))
    s = b.fdiv(f, d)
    rest = b.fsub(fma(b, b.fneg(s), d, f), b.fmul(s, lost))
    s_low = b.fdiv(rest, d)
    z = b.fmul(s, s)
    tail = b.fmul(b.fmul(s, z), polynomial(b, z, LOG_DOUBLE))
    t = b.fmul(k, const(x, high))
    double = b.fadd(s, s)
    upper = b.fadd(t, double)
    lower = b.fadd(b.fsub(t, upper), double)
    lower = b.fadd(lower, b.fadd(tail, fma(b, k, const(x, low), b.fadd(s_low, s_low))))
    total = b.fadd(upper, lower)
    left = b.fsub(lower, b.fsub(total, upper))
    p = clamp(b, b.fmul(y, total), -800.0, 800.0)
    error = fma(b, y, left, fma(b, y, total, b.fneg(p)))
    error = b.select(less(b, absolute(b, p), const(x, 799.0)), error, const(x, 0.0))
    n, r = reduced(b, p)
    return raised(b, b.fadd(r, error), n)


@in_double
def power(b: ir.Builder, x: Value, y: Value) -> Value:
    if isinstance(x.type, ir.VectorType):
        return _power(b, x, y)
    # Of single numbers, as in the step sizes of Adam, the code stands once.
    function, is_new = b.module.shared("power", ir.FunctionType(x.type, [x.type] * 2))
    if is_new:
        inner = ir.Builder(function.append_basic_block())
        inner.ret(_power(inner, *function.args))
    return b.call(function, [x, y])


def _power(b: ir.Builder, x: Value, y: Value) -> Value:
    zero, one, infinity = const(x, 0.0), const(x, 1.0), const(x, float("inf"))
    a = absolute(b, x)
    size = absolute(b, y)
    result = _positive_power(b, a, y)
    grows = b.fcmp_ordered(">", y, zero)
    # 0 and infinity as bases, infinite exponents
    result = b.select(b.fcmp_ordered("==", a, zero), b.select(grows, zero, infinity), result)
    result = b.select(b.fcmp_ordered("==", a, infinity), b.select(grows, infinity, zero), result)
    outward = b.xor(b.fcmp_ordered(">", a, one), b.fcmp_ordered("<", y, zero))
    endless = b.select(outward, infinity, zero)
    endless = b.select(b.fcmp_ordered("==", a, one), one, endless)
    result = b.select(b.fcmp_ordered("==", size, infinity), endless, result)
    # negative bases: whole exponents only, odd ones keep the sign
    floor = intrinsic(b, "floor", y)
    is_whole = b.fcmp_ordered("==", floor, y)
    half = b.fmul(y, const(x, 0.5))
    odd = b.and_(is_whole, b.fcmp_ordered("!=", intrinsic(b, "floor", half), half))
    finite = b.fcmp_ordered("<", size, infinity)
    odd = b.and_(odd, finite)
    signed = intrinsic(b, "copysign", result, x)
    result = b.select(odd, signed, result)
    bad = b.and_(less(b, x, zero), b.and_(b.xor(is_whole, const(x, 1, I1)), finite))
    bad = b.and_(bad, b.fcmp_ordered("<", a, infinity))
    result = b.select(bad, const(x, float("nan")), result)
    result = b.select(b.or_(is_nan(b, x), is_nan(b, y)), b.fadd(x, y), result)
    always = b.or_(b.fcmp_ordered("==", y, zero), b.fcmp_ordered("==", x, one))
    return b.select(always, one, result)


# Others ------------------------------------------------------------------------------------------


def maximum(b: ir.Builder, x: Value, y: Value) -> Value:
    larger = b.select(b.fcmp_unordered(">=", x, y), x, y)  # NaN in x, or in y: see below
    return b.select(is_nan(b, y), y, larger)


def minimum(b: ir.Builder, x: Value, y: Value) -> Value:
    smaller = b.select(b.fcmp_unordered("<=", x, y), x, y)
    return b.select(is_nan(b, y), y, smaller)


def tanh(b: ir.Builder, x: Value) -> Value:
    """1 − 2 e / (1 + e) with e = exp(−2 |x|), which :func:`sech2` has too; near 0 its series."""
    a = absolute(b, x)
    e = exp(b, b.fmul(const(x, -2.0), a))
    one = const(x, 1.0)
    far = b.fsub(one, b.fdiv(b.fadd(e, e), b.fadd(e, one)))
    z = b.fmul(a, a)
    near = fma(b, b.fmul(a, z), polynomial(b, z, TANH_DOUBLE if is_double(x) else TANH_FLOAT), a)
    y = b.select(less(b, a, const(x, 0.6)), near, far)
    return intrinsic(b, "copysign", y, x)


def sigmoid(b: ir.Builder, x: Value) -> Value:
    """e / (1 + e), with the rounding errors of sum and quotient put back."""
    e = exp(b, b.fneg(absolute(b, x)))
    one = const(x, 1.0)
    top = b.select(less(b, x, const(x, 0.0)), e, one)
    d = b.fadd(e, one)
    lost = b.fsub(e, b.fsub(d, one))
    inverse = b.fdiv(one, d)
    q = b.fmul(top, inverse)
    minus = b.fneg(q)
    error = fma(b, minus, lost, fma(b, minus, d, top))
    return fma(b, error, inverse, q)


def soft(b: ir.Builder, x: Value) -> Value:
    """log(1 + exp(−|x|))."""
    return log1p(b, exp(b, b.fneg(absolute(b, x))))


def softplus(b: ir.Builder, x: Value) -> Value:
    return b.fadd(maximum(b, x, const(x, 0.0)), soft(b, x))


def log_sigmoid(b: ir.Builder, x: Value) -> Value:
    return b.fsub(minimum(b, x, const(x, 0.0)), soft(b, x))


def sigmoid_cross_entropy(b: ir.Builder, z: Value, t: Value) -> Value:
    positive = b.fcmp_ordered(">", z, const(z, 0.0))
    share = b.select(positive, b.fsub(const(z, 1.0), t), t)
    return b.fadd(b.fmul(absolute(b, z), share), soft(b, z))


def relu(b: ir.Builder, x: Value) -> Value:
    zero = const(x, 0.0)
    return b.select(b.fcmp_unordered(">=", x, zero), x, zero)


def leaky_relu(b: ir.Builder, x: Value, slope: Value) -> Value:
    return b.select(b.fcmp_ordered(">", x, const(x, 0.0)), x, b.fmul(slope, x))


def elu(b: ir.Builder, x: Value, scale: Value) -> Value:
    below = b.fmul(scale, expm1(b, minimum(b, x, const(x, 0.0))))
    return b.select(b.fcmp_ordered(">", x, const(x, 0.0)), x, below)


def sech2(b: ir.Builder, x: Value) -> Value:
    """1 / cosh² x = 4 e / (1 + e)² with e = exp(−2 |x|)."""
    e = exp(b, b.fmul(const(x, -2.0), absolute(b, x)))
    d = b.fadd(e, const(x, 1.0))
    return b.fdiv(b.fmul(const(x, 4.0), e), b.fmul(d, d))


def sign(b: ir.Builder, x: Value) -> Value:
    zero = const(x, 0.0)
    y = b.select(b.fcmp_ordered(">", x, zero), const(x, 1.0), b.fmul(x, zero))
    y = b.select(less(b, x, zero), const(x, -1.0), y)
    return b.select(b.fcmp_ordered("==", x, zero), zero, b.select(is_nan(b, x), x, y))


def _unary(name: str) -> Callable[..., Value]:
    return lambda b, x: intrinsic(b, name, x)


def _compare(sign: str) -> Callable[..., Value]:
    if sign == "!=":
        return lambda b, x, y: b.fcmp_unordered(sign, x, y)
    return lambda b, x, y: b.fcmp_ordered(sign, x, y)


EMIT: dict[str, Callable[..., Value]] = {
    "add": ir.Builder.fadd,
    "subtract": ir.Builder.fsub,
    "multiply": ir.Builder.fmul,
    "divide": ir.Builder.fdiv,
    "negative": ir.Builder.fneg,
    "positive": lambda b, x: x,
    "reciprocal": lambda b, x: b.fdiv(const(x, 1.0), x),
    "square": lambda b, x: b.fmul(x, x),
    "sqrt": _unary("sqrt"),
    "abs": absolute,
    "copysign": lambda b, x, y: intrinsic(b, "copysign", x, y),
    "floor": _unary("floor"),
    "ceil": _unary("ceil"),
    "trunc": _unary("trunc"),
    "rint": _unary("rint"),
    "sign": sign,
    "maximum": maximum,
    "minimum": minimum,
    "lower_bound": maximum,
    "upper_bound": minimum,
    "exp": exp,
    "exp2": exp2,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "power": power,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "log_sigmoid": log_sigmoid,
    "sigmoid_cross_entropy": sigmoid_cross_entropy,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "sech2": sech2,
    "greater": _compare(">"),
    "greater_equal": _compare(">="),
    "less": _compare("<"),
    "less_equal": _compare("<="),
    "equal": _compare("=="),
    "not_equal": _compare("!="),
    "isnan": is_nan,
    "isinf": lambda b, x: b.fcmp_ordered("==", absolute(b, x), const(x, float("inf"))),
    "isfinite": lambda b, x: b.fcmp_ordered("<", absolute(b, x), const(x, float("inf"))),
    "logical_and": ir.Builder.and_,
    "logical_or": ir.Builder.or_,
    "logical_xor": ir.Builder.xor,
    "logical_not": lambda b, x: b.xor(x, const(x, 1, I1)),
}

__all__ = ["EMIT"]
