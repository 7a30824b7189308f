"""Random numbers in registers: Philox4x32-10, and what is made of its words.

Each record is one small function of the module, called for a vector of numbers with the place of
the first. Where these come from neighbouring counters, as they nearly always do, all words of a
counter are used; otherwise each lane has a counter of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.elementary.philox import KEYS, LOW, MULTIPLIERS, NUMBERS, ROUNDS, WEYL
from chainrule.elementary.random import (
    CENTRE,
    DOUBLE,
    FAR,
    NEAR,
    SINGLE,
    SQUARE,
    Rational,
    per_block,
    row_of,
)
from chainrule.engine.native import ir
from chainrule.engine.native.functions import (
    Value,
    const,
    element,
    intrinsic,
    less,
    log,
    polynomial,
)
from chainrule.engine.native.ir import I32, I64, index
from chainrule.engine.native.target import TYPES
from chainrule.engine.native.vectors import constant_lanes, splat
from chainrule.engine.program import Op, contiguous


def strides_of(op: Op) -> tuple[int, ...]:
    """The steps along the axes longer than 1 from the place of one number to that of the next.

    The places of a row begin with a multiple of the numbers of a counter.
    """
    many, row = per_block(op.dtype), row_of(op.shape)
    shape = [n for n in op.shape if n != 1]
    return contiguous((*shape[:-1], -(-row // many) * many)) if shape else ()


def emit(b: ir.Builder, op: Op, key: Value, place: Value, step: int, lanes: int | None) -> Value:
    """A vector of the numbers of an operation.

    Args:
        b: where to write it.
        op: "random_uniform" or "random_normal".
        key: its key.
        place: of the number of the first lane.
        step: from the place of one lane to that of the next; with 1 the first lane's number is
            the first of a counter, since vectors begin at multiples of their lanes.
        lanes: how many, None for a single number.
    """
    wide = lanes or 1
    beside = step == 1 and wide % per_block(op.dtype) == 0
    function = _numbers(b.module, op, wide, None if beside else step)
    found = b.call(function, [key, index(op.params["stream"]), place])
    return b.extract_element(found, ir.Constant(I32, 0)) if lanes is None else found


def key(b: ir.Builder, key: Value, number: Value) -> Value:
    """The key of a part of what a key is for; see :func:`philox.derived`."""
    function, is_new = b.module.shared("random_key", ir.FunctionType(I64, [I64] * 2))
    if is_new:
        inner = ir.Builder(function.append_basic_block())
        given, part = function.args
        words = _words(inner, splat(inner, part, 1), given, index(0), KEYS)
        inner.ret(inner.extract_element(words, ir.Constant(I32, 0)))
    return b.call(function, [key, number])


def _numbers(module: ir.Module, op: Op, lanes: int, step: int | None) -> ir.Function:
    """``numbers(key, stream, place)``: at place, place + step, …; None: those of whole counters."""
    kind = ir.VectorType(TYPES[op.kind], lanes)
    name = f"{op.name}_{op.dtype}_{lanes}_{step}"
    function, is_new = module.shared(name, ir.FunctionType(kind, [I64] * 3))
    if is_new:
        b = ir.Builder(function.append_basic_block())
        if step is None:
            bits = _neighbours(b, lanes, per_block(op.dtype), function.args)
        else:
            bits = _apart(b, lanes, per_block(op.dtype), step, function.args)
        b.ret({"random_uniform": _uniform, "random_normal": _normal}[op.name](b, bits, kind))
    return function


def _neighbours(b: ir.Builder, lanes: int, many: int, given: Sequence[Value]) -> Value:
    """The bits of all numbers of some counters, one after the other."""
    key, stream, place = given
    count = lanes // many
    block = splat(b, b.lshr(place, index(many // 2)), count)
    blocks = b.add(block, constant_lanes(I64, tuple(range(count))))
    words = _words(b, blocks, key, stream, NUMBERS)
    return b.bitcast(words, ir.VectorType(I32 if many == 4 else I64, lanes))


def _apart(b: ir.Builder, lanes: int, many: int, step: int, given: Sequence[Value]) -> Value:
    """The bits of numbers anywhere, each from a counter of its own."""
    key, stream, place = given
    steps = constant_lanes(I64, tuple(step * k for k in range(lanes)))
    places = b.add(splat(b, place, lanes), steps)
    words = _words(b, b.lshr(places, const(places, many // 2)), key, stream, NUMBERS)
    first, second = (
        b.shuffle_vector(words, words, constant_lanes(I32, tuple(range(k, 2 * lanes, 2))))
        for k in (0, 1)
    )
    half = b.and_(b.lshr(places, const(places, many // 4)), const(places, 1))
    found = b.select(b.icmp_unsigned("!=", half, const(places, 0)), second, first)
    if many == 2:
        return found
    odd = b.shl(b.and_(places, const(places, 1)), const(places, 5))
    return b.trunc(b.lshr(found, odd), ir.VectorType(I32, lanes))


def _words(b: ir.Builder, blocks: Value, key: Value, stream: Value, purpose: int) -> Value:
    """The four words of each counter, two in a number of 64 bits, counter after counter.

    Lanes have 64 bits, so that a product is one instruction and its halves need no unpacking;
    what stands above 32 bits on the way is never read.
    """
    lanes = blocks.type.count
    half, low = const(blocks, 32), const(blocks, LOW)
    c = [blocks, b.lshr(blocks, half), splat(b, stream, lanes), const(blocks, purpose)]
    keys = splat(b, key, lanes), splat(b, b.lshr(key, index(32)), lanes)
    for r in range(ROUNDS):
        p, q = (
            b.mul(b.and_(c[k], low), const(blocks, m))
            for k, m in zip((0, 2), MULTIPLIERS, strict=True)
        )
        k0, k1 = (b.add(k, const(blocks, r * w)) for k, w in zip(keys, WEYL, strict=True))
        first = b.xor(b.xor(b.lshr(q, half), c[1]), k0)
        second = b.xor(b.xor(b.lshr(p, half), c[3]), k1)
        c = [first, q, second, p]
    one, other = (b.or_(b.and_(x, low), b.shl(y, half)) for x, y in (c[:2], c[2:]))
    order = (k for pair in zip(range(lanes), range(lanes, 2 * lanes), strict=True) for k in pair)
    return b.shuffle_vector(one, other, constant_lanes(I32, tuple(order)))


def _uniform(b: ir.Builder, bits: Value, kind: Any) -> Value:
    dropped, scale = (8, 2.0**-24) if element(bits) == I32 else (11, 2.0**-53)
    whole = b.lshr(bits, const(bits, dropped))
    x = b.sitofp(whole, kind) if element(bits) == I32 else b.uitofp(whole, kind)
    return b.fmul(x, const(x, scale))


def _normal(b: ir.Builder, bits: Value, kind: Any) -> Value:
    single = element(bits) == I32
    top = const(bits, 2**31 if single else 2**63)
    if single:
        x = b.sitofp(b.and_(bits, const(bits, 2**31 - 1)), kind)
    else:
        x = b.uitofp(b.and_(b.lshr(bits, const(bits, 11)), const(bits, 2**52 - 1)), kind)
    p = b.fmul(b.fadd(x, const(x, 0.5)), const(x, 2.0**-32 if single else 2.0**-53))
    size = b.bitcast(_quantile(b, p, SINGLE if single else DOUBLE), bits.type)
    return b.bitcast(b.xor(size, b.and_(bits, top)), kind)


def _quantile(b: ir.Builder, p: Value, table: Sequence[Rational]) -> Value:
    """−Φ⁻¹(p) for 0 < p ≤ ½, all cases at once; see :func:`random._quantile`."""
    q = b.fsub(const(p, 0.5), p)
    r = intrinsic(b, "sqrt", b.fneg(log(b, p)))
    square = b.fsub(const(p, SQUARE), b.fmul(q, q))
    top, bottom = (polynomial(b, b.fsub(r, const(p, NEAR)), c) for c in table[1])
    for rational in table[2:]:
        far = less(b, const(p, FAR), r)
        parts = (polynomial(b, b.fsub(r, const(p, FAR)), c) for c in rational)
        top, bottom = (b.select(far, x, y) for x, y in zip(parts, (top, bottom), strict=True))
    tail = less(b, const(p, CENTRE), q)
    centre = [polynomial(b, square, c) for c in table[0]]
    top = b.select(tail, top, b.fmul(q, centre[0]))
    return b.fdiv(top, b.select(tail, bottom, centre[1]))


__all__ = ["emit", "key", "strides_of"]
