"""The logarithm of the gamma function and its derivatives.

Source: NIST Digital Library of Mathematical Functions, 5.4–5.11 and 5.15: recurrence to where a
polynomial or the asymptotic series holds, reflection for negative numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from chainrule.engine.native import ir
from chainrule.engine.native.functions import (
    Value,
    absolute,
    const,
    fma,
    in_double,
    intrinsic,
    less,
    log,
    log1p,
    polynomial,
)
from chainrule.engine.native.special import cos, sin
from chainrule.engine.program import POLYGAMMA

# log Γ(2 + z) = z P(z) for −¾ ≤ z ≤ ½
LOG_GAMMA = (  # error 6.5e-22
    0.42278433509846713, 0.3224670334241132, -0.06735230105319809, 0.020580808427784553,
    -0.0073855510286740126, 0.002890510330741115, -0.0011927539117017833, 0.0005096695247604359,
    -0.00022315475849119762, 9.945751236327069e-05, -4.492623625357371e-05, 2.050721900320206e-05,
    -9.439490800970062e-06, 4.374806993964112e-06, -2.039226942036872e-06, 9.55515389469373e-07,
    -4.4899119283221546e-07, 2.1058311943418412e-07, -1.0214473930804733e-07,
    5.1151675791343634e-08, -1.6753901651123217e-08, 7.428866465479881e-09,
    -1.6013451241294402e-08, 5.989860912943235e-10, 6.841860502585728e-09, 5.804718816447274e-09,
)  # fmt: skip
# ψ(x) = (x − r) Q(x − 3/2) for 1 ≤ x ≤ 2, with its zero r in two parts
DIGAMMA = (  # error 5.8e-19
    0.9510558760318328, -0.42362742128146047, 0.24054248424078736, -0.14840492305391761,
    0.09498872445283, -0.06192213327165706, 0.04076083394462657, -0.02697579684427536,
    0.017907248195969127, -0.011908215172584002, 0.007927024067961237, -0.00528001782089874,
    0.0035180800751066694, -0.002344650082351321, 0.0015635679757533885, -0.001042261556504223,
    0.0006899717801166841, -0.0004599625144612576, 0.0003268068044141764, -0.0002178682145501451,
    9.173383289174792e-05, -6.11554261750751e-05, 0.00012230983055406747, -8.153978973309418e-05,
)  # fmt: skip
ROOT = (1.4616321449683622, 9.549995429965697e-17)
# B₂ⱼ for j = 1 … 10
BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
    -174611 / 330,
)  # fmt: skip
LARGE, LARGER = 10.0, 13.0  # from where on the asymptotic series hold


def _turned(b: ir.Builder, x: Value) -> tuple[Value, Value, Value]:
    """(1 − x where x < 0, else x; is x < 0?; π times the distance to the next whole number)."""
    negative = less(b, x, const(x, 0.0))
    finite = b.fcmp_ordered("!=", absolute(b, x), const(x, math.inf))
    distance = b.fsub(x, intrinsic(b, "rint", x))
    angle = b.fmul(b.select(finite, distance, const(x, 0.0)), const(x, math.pi))
    return b.select(negative, b.fsub(const(x, 1.0), x), x), negative, angle


def _is_large(b: ir.Builder, x: Value) -> Value:
    return b.fcmp_ordered(">=", x, const(x, LARGE))


@in_double
def gammaln(b: ir.Builder, x: Value) -> Value:
    one = const(x, 1.0)
    y, negative, angle = _turned(b, x)
    large = _is_large(b, y)
    # Below: down to 1.5 ≤ y < 2.5 by log Γ(y) = log Γ(y − n) + log (y − 1) … (y − n); or up.
    below, product = b.select(large, const(x, 2.0), y), one
    for _ in range(8):
        above = b.fcmp_ordered(">=", below, const(x, 2.5))
        below = b.select(above, b.fsub(below, one), below)
        product = b.select(above, b.fmul(product, below), product)
    low, lowest = less(b, below, const(x, 1.25)), less(b, below, const(x, 0.25))
    z = b.fsub(below, b.select(low, b.select(lowest, const(x, 0.0), one), const(x, 2.0)))
    near = b.fmul(z, polynomial(b, z, LOG_GAMMA))
    near = b.fsub(near, b.select(low, log1p(b, b.select(low, z, one)), const(x, 0.0)))
    # One logarithm for all: of the product, of the lowest numbers, or of large ones.
    logs = log(b, b.select(large, y, b.select(lowest, below, product)))
    near = b.fadd(near, b.select(lowest, b.fneg(logs), logs))
    # Stirling: (y − ½)(log y − 1) + (log 2π − 1)/2 + Σ B₂ⱼ/(2j (2j − 1) y²ʲ⁻¹)
    t = b.fdiv(one, b.select(large, y, const(x, LARGE)))
    terms = [c / (2 * j * (2 * j - 1)) for j, c in enumerate(BERNOULLI[:8], 1)]
    rest = fma(
        b, t, polynomial(b, b.fmul(t, t), terms), const(x, 0.5 * math.log(2 * math.pi) - 0.5)
    )
    far = fma(b, b.fsub(y, const(x, 0.5)), b.fsub(logs, one), rest)
    value = b.select(large, far, near)
    # log Γ(x) = log π/|sin πx| − log Γ(1 − x)
    sine = absolute(b, sin(b, angle))
    turned = b.fsub(b.fsub(const(x, math.log(math.pi)), log(b, sine)), value)
    turned = b.select(b.fcmp_ordered("==", sine, const(x, 0.0)), const(x, math.inf), turned)
    turned = b.select(b.fcmp_ordered("==", x, const(x, -math.inf)), x, turned)
    return b.select(negative, turned, value)


@in_double
def digamma(b: ir.Builder, x: Value) -> Value:
    one = const(x, 1.0)
    y, negative, angle = _turned(b, x)
    large = _is_large(b, y)
    # Below: down to 1 ≤ y < 2, ψ(y) = ψ(y − n) + 1/(y − 1) + … = ψ(y − n) + p/q; or up by 1.
    below, p, q = b.select(large, one, y), const(x, 0.0), one
    for _ in range(9):
        above = b.fcmp_ordered(">=", below, const(x, 2.0))
        below = b.select(above, b.fsub(below, one), below)
        p = b.select(above, fma(b, p, below, q), p)
        q = b.select(above, b.fmul(q, below), q)
    low = less(b, below, one)
    p, q = b.select(low, const(x, -1.0), p), b.select(low, below, q)
    below = b.select(low, b.fadd(below, one), below)
    distance = b.fsub(b.fsub(below, const(x, ROOT[0])), const(x, ROOT[1]))
    near = b.fmul(distance, polynomial(b, b.fsub(below, const(x, 1.5)), DIGAMMA))
    near = b.fadd(near, b.fdiv(p, q))
    # log y − 1/(2y) − Σ B₂ⱼ/(2j y²ʲ)
    t = b.fdiv(one, b.select(large, y, const(x, LARGE)))
    terms = [-c / (2 * j) for j, c in enumerate(BERNOULLI[:8], 1)]
    rest = b.fmul(t, fma(b, t, polynomial(b, b.fmul(t, t), terms), const(x, -0.5)))
    value = b.select(large, b.fadd(log(b, b.select(large, y, one)), rest), near)
    # ψ(x) = ψ(1 − x) − π/tan πx, and nothing at negative whole numbers
    cotangent = b.fdiv(cos(b, angle), sin(b, angle))
    turned = b.fsub(value, b.fmul(const(x, math.pi), cotangent))
    whole = b.fcmp_ordered("==", angle, const(x, 0.0))
    turned = b.select(whole, const(x, math.nan), turned)
    return b.select(negative, turned, value)


def polygamma(n: int) -> Callable[[ir.Builder, Value], Value]:
    """ψ⁽ⁿ⁾(x) = (−1)ⁿ⁺¹ n! Σₖ (x + k)⁻ˢ with s = n + 1, by Euler and Maclaurin."""
    s = n + 1
    sign = -1.0 if n % 2 == 0 else 1.0

    @in_double
    def emit(b: ir.Builder, x: Value) -> Value:
        one = const(x, 1.0)
        y, negative, angle = _turned(b, b.fadd(x, const(x, 0.0)))  # no −0
        far, total = y, const(x, 0.0)
        parts = []
        for _ in range(int(LARGER)):
            above = less(b, far, const(x, LARGER))
            parts.append(b.select(above, b.fdiv(one, _power(b, far, s)), const(x, 0.0)))
            far = b.select(above, b.fadd(far, one), far)
        for part in reversed(parts):  # the smallest first
            total = b.fadd(total, part)
        # y⁻ˢ (y/(s − 1) + ½ + Σ B₂ⱼ/(2j)! s (s + 1) … (s + 2j − 2) y¹⁻²ʲ)
        t = b.fdiv(one, far)
        rising = [math.prod(range(s, s + 2 * j - 1)) for j in range(1, 11)]
        terms = [c * r / math.factorial(2 * j)
                 for j, (c, r) in enumerate(zip(BERNOULLI, rising, strict=True), 1)]  # fmt: skip
        tail = fma(b, t, polynomial(b, b.fmul(t, t), terms), const(x, 0.5))
        lead = b.fdiv(one, _power(b, far, n))
        rest = b.fmul(lead, fma(b, tail, t, const(x, 1.0 / n)))
        value = b.fmul(b.fadd(total, rest), const(x, sign * math.factorial(n)))
        # (−1)ⁿ ψ⁽ⁿ⁾(1 − x) − πⁿ⁺¹ p(cot πx), where p(cot) is the n-th derivative of the cotangent
        cotangent = b.fdiv(cos(b, angle), sin(b, angle))
        turned = polynomial(b, cotangent, [-(math.pi**s) * c for c in _cotangent(n)])
        turned = b.fsub(turned, value) if n % 2 else b.fadd(turned, value)
        return b.select(negative, turned, value)

    return emit


def _power(b: ir.Builder, x: Value, n: int) -> Value:
    y = x
    for _ in range(n - 1):
        y = b.fmul(y, x)
    return y


def _cotangent(n: int) -> list[int]:
    """The n-th derivative of the cotangent as a polynomial of it: p′ = −(1 + c²) dp/dc."""
    p = [0, 1]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(p)][1:]
        p = [0] * (len(slope) + 2)
        for k, c in enumerate(slope):
            p[k] -= c
            p[k + 2] -= c
    return p


EMIT: dict[str, Callable[..., Value]] = {
    "gammaln": gammaln,
    "digamma": digamma,
    **{name: polygamma(n) for n, name in POLYGAMMA.items()},
}

__all__ = ["EMIT"]
