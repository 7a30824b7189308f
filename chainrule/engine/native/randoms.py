"""Random numbers in registers: Philox4x32-10, and what is made of its words.

Each record is one small function of the module, called for a vector of numbers with the place of
the first. Where these come from neighbouring counters, as they nearly always do, all words of a
counter are used; otherwise each lane has a counter of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

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
from chainrule.engine.native.functions import (
    Builder,
    Value,
    const,
    element,
    intrinsic,
    less,
    like,
    log,
    polynomial,
)
from chainrule.engine.native.target import I32, I64, TYPES
from chainrule.engine.native.vectors import constant_lanes, splat
from chainrule.engine.program import Op, contiguous

Words = tuple[Value, Value]  # the four words of each lane's counter, two in a number of 64 bits


def strides_of(op: Op) -> tuple[int, ...]:
    """The steps along the axes longer than 1 from the place of one number to that of the next.

    The places of a row begin with a multiple of the numbers of a counter.
    """
    many, row = per_block(op.dtype), row_of(op.shape)
    shape = [n for n in op.shape if n != 1]
    return contiguous((*shape[:-1], -(-row // many) * many)) if shape else ()


def emit(
    b: Builder, op: Op, key: Value, place: Value, strides: Sequence[int], lanes: int | None
) -> Value:
    """A vector of the numbers of an operation.

    Args:
        b: where to write it.
        op: "random_uniform" or "random_normal".
        key: its key.
        place: of the number of the first lane.
        strides: the steps that may have led there; with the last from one lane to the next.
        lanes: how many, None for a single number.
    """
    many = per_block(op.dtype)
    wide = lanes or 1
    beside = bool(strides) and strides[-1] == 1 and wide % many == 0
    beside = beside and all(s % many == 0 for s in strides[:-1])
    step = 0 if beside else strides[-1] if strides else 1
    function = _numbers(b.module, op.name, str(op.dtype), wide, step)
    found = b.call(function, [key, ir.Constant(I64, op.params["stream"]), place])
    return b.extract_element(found, ir.Constant(I32, 0)) if lanes is None else found


def key(b: Builder, key: Value, number: Value) -> Value:
    """The key of a part of what a key is for; see :func:`philox.derived`."""
    function = _philox(b.module, 1)
    vector = ir.VectorType(I64, 1)
    given = [b.bitcast(number, vector), key, ir.Constant(I64, 0), ir.Constant(I64, KEYS)]
    return b.bitcast(b.extract_value(b.call(function, given), 0), I64)


def _numbers(module: ir.Module, name: str, dtype: str, lanes: int, step: int) -> ir.Function:
    """``numbers(key, stream, place)``: those at place, place + step, …; of all words if step is 0."""
    own = f"{name}_{dtype}_{lanes}_{step}"
    if own in module.globals:
        return module.globals[own]
    kind = ir.VectorType(TYPES[dtype], lanes)
    function = ir.Function(module, ir.FunctionType(kind, [I64] * 3), own)
    function.linkage = "internal"
    function.attributes.add("noinline")
    b = ir.IRBuilder(function.append_basic_block())
    whole = ir.IntType(32 if dtype == "float32" else 64)
    bits = (_neighbours if step == 0 else _apart)(b, lanes, step, whole, function.args)
    b.ret({"random_uniform": _uniform, "random_normal": _normal}[name](b, bits, kind))
    return function


def _neighbours(b: Builder, lanes: int, _: int, whole: Any, given: Sequence[Value]) -> Value:
    """The bits of numbers that lie side by side from the first word of a counter on."""
    key, stream, place = given
    many = 4 if whole == I32 else 2
    count = lanes // many
    block = b.lshr(place, ir.Constant(I64, many // 2))
    blocks = b.add(splat(b, block, count), constant_lanes(I64, tuple(range(count))))
    halves = _words(b, blocks, key, stream)
    order = tuple(k for pair in zip(range(count), range(count, 2 * count), strict=True) for k in pair)
    mixed = b.shuffle_vector(*halves, constant_lanes(I32, order))
    return b.bitcast(mixed, ir.VectorType(whole, lanes))


def _apart(b: Builder, lanes: int, step: int, whole: Any, given: Sequence[Value]) -> Value:
    """The bits of numbers anywhere, each from a counter of its own."""
    key, stream, place = given
    many = 4 if whole == I32 else 2
    steps = constant_lanes(I64, tuple(step * k for k in range(lanes)))
    places = b.add(splat(b, place, lanes), steps)
    first, second = _words(b, b.lshr(places, const(places, many // 2)), key, stream)
    half = b.and_(b.lshr(places, const(places, many // 4)), const(places, 1))
    found = b.select(b.icmp_unsigned("!=", half, const(places, 0)), second, first)
    if whole == I64:
        return found
    odd = b.shl(b.and_(places, const(places, 1)), const(places, 5))
    return b.trunc(b.lshr(found, odd), ir.VectorType(I32, lanes))


def _words(b: Builder, blocks: Value, key: Value, stream: Value) -> Words:
    found = b.call(
        _philox(b.module, blocks.type.count), [blocks, key, stream, ir.Constant(I64, NUMBERS)]
    )
    return b.extract_value(found, 0), b.extract_value(found, 1)


def _philox(module: ir.Module, lanes: int) -> ir.Function:
    """``{c0 | c1 << 32, c2 | c3 << 32} philox(block, key, stream, purpose)``.

    Lanes have 64 bits, so that a product is one instruction and its halves need no unpacking;
    what stands above 32 bits on the way is never read.
    """
    own = f"philox_{lanes}"
    if own in module.globals:
        return module.globals[own]
    vector = ir.VectorType(I64, lanes)
    both = ir.LiteralStructType([vector, vector])
    function = ir.Function(module, ir.FunctionType(both, [vector, I64, I64, I64]), own)
    function.linkage = "internal"
    function.attributes.add("noinline")
    b = ir.IRBuilder(function.append_basic_block())
    block, key, stream, purpose = function.args
    high = ir.Constant(I64, 32)
    c = [block, b.lshr(block, const(block, 32)), splat(b, stream, lanes), splat(b, purpose, lanes)]
    k0, k1 = splat(b, key, lanes), splat(b, b.lshr(key, high), lanes)
    low = const(block, LOW)
    for r in range(ROUNDS):
        p, q = (
            b.mul(b.and_(c[k], low), const(block, m)) for k, m in zip((0, 2), MULTIPLIERS, strict=True)
        )
        keys = (b.add(k, const(block, r * w)) for k, w in zip((k0, k1), WEYL, strict=True))
        up = (b.lshr(x, const(block, 32)) for x in (q, p))
        first, second = (
            b.xor(b.xor(x, y), k) for x, y, k in zip(up, (c[1], c[3]), keys, strict=True)
        )
        c = [first, q, second, p]
    pairs = [
        b.or_(b.and_(x, low), b.shl(y, const(block, 32))) for x, y in (c[:2], c[2:])
    ]
    b.ret(b.insert_value(b.insert_value(ir.Constant(both, ir.Undefined), pairs[0], 0), pairs[1], 1))
    return function


def _uniform(b: Builder, bits: Value, kind: Any) -> Value:
    dropped, scale = (8, 2.0**-24) if element(bits) == I32 else (11, 2.0**-53)
    whole = b.lshr(bits, const(bits, dropped))
    x = b.sitofp(whole, kind) if element(bits) == I32 else b.uitofp(whole, kind)
    return b.fmul(x, const(x, scale))


def _normal(b: Builder, bits: Value, kind: Any) -> Value:
    single = element(bits) == I32
    top = const(bits, 2**31 if single else 2**63)
    if single:
        x = b.sitofp(b.and_(bits, const(bits, 2**31 - 1)), kind)
    else:
        x = b.uitofp(b.and_(b.lshr(bits, const(bits, 11)), const(bits, 2**52 - 1)), kind)
    p = b.fmul(b.fadd(x, const(x, 0.5)), const(x, 2.0**-32 if single else 2.0**-53))
    size = b.bitcast(_quantile(b, p, SINGLE if single else DOUBLE), bits.type)
    return b.bitcast(b.xor(size, b.and_(bits, top)), kind)


def _quantile(b: Builder, p: Value, table: Sequence[Rational]) -> Value:
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
