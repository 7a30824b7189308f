"""Small pieces of code that all kernels use: constants, loops, masked memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engine.native import ir
from chainrule.engine.native.ir import I1, I32, I64, POINTER, VOID, index


@functools.cache
def constant_lanes(kind: Any, numbers: tuple[int, ...]) -> ir.Constant:
    """A vector of whole numbers."""
    return ir.Constant(ir.VectorType(kind, len(numbers)), [ir.Constant(kind, x) for x in numbers])


def splat(b: ir.Builder, x: ir.Value, lanes: int) -> ir.Value:
    """A number in every lane."""
    vector = ir.VectorType(x.type, lanes)
    one = b.insert_element(ir.Constant(vector, ir.Undefined), x, ir.Constant(I32, 0))
    mask = ir.Constant(ir.VectorType(I32, lanes), None)
    return b.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)


def counted(
    b: ir.Builder,
    start: int,
    stop: int,
    step: int,
    carried: Sequence[ir.Value],
    body: Callable[[ir.Value, Sequence[ir.Value]], Sequence[ir.Value]],
) -> list[ir.Value]:
    """for i in range(start, stop, step): carried = body(i, carried). One turn is no loop."""
    turns = len(range(start, stop, step))
    if turns <= 1:
        return list(body(index(start), carried)) if turns else list(carried)
    before = b.block
    loop, after = b.append_basic_block("loop"), b.append_basic_block("after")
    b.branch(loop)
    b.position_at_end(loop)
    i = b.phi(I64)
    phis = [b.phi(c.type) for c in carried]
    results = body(b.opaque(i), phis)
    following = b.add(i, index(step))
    for phi, first, last in zip(
        [i, *phis], [index(start), *carried], [following, *results], strict=True
    ):
        phi.add_incoming(first, before)
        phi.add_incoming(last, b.block)
    b.cbranch(b.icmp_signed("<", following, index(stop)), loop, after)
    b.position_at_end(after)
    return list(results)


def ranged(
    b: ir.Builder,
    start: ir.Value,
    stop: ir.Value,
    step: int,
    body: Callable[[ir.Value], Any],
) -> None:
    """for i in range(start, stop, step), with bounds that are known at run time."""
    before = b.block
    loop, after = b.append_basic_block("range"), b.append_basic_block("after")
    b.cbranch(b.icmp_signed("<", start, stop), loop, after)
    b.position_at_end(loop)
    i = b.phi(I64)
    body(b.opaque(i))
    following = b.add(i, index(step))
    i.add_incoming(start, before)
    i.add_incoming(following, b.block)
    b.cbranch(b.icmp_signed("<", following, stop), loop, after)
    b.position_at_end(after)


def carried_range(
    b: ir.Builder,
    start: ir.Value,
    stop: ir.Value,
    carried: Sequence[ir.Value],
    body: Callable[[ir.Value, Sequence[ir.Value]], Sequence[ir.Value]],
) -> list[ir.Value]:
    """for i in range(start, stop): carried = body(i, carried), at least once."""
    before, loop = b.block, b.append_basic_block("rows")
    b.branch(loop)
    b.position_at_end(loop)
    i = b.phi(I64)
    phis = [b.phi(x.type) for x in carried]
    results = body(i, phis)
    following = b.add(i, index(1))
    for phi, old, new in zip([i, *phis], [start, *carried], [following, *results], strict=True):
        phi.add_incoming(old, before)
        phi.add_incoming(new, b.block)
    after = b.append_basic_block("after")
    b.cbranch(b.icmp_signed("<", following, stop), loop, after)
    b.position_at_end(after)
    return list(results)


def masked_load(
    b: ir.Builder, address: ir.Value, kind: ir.VectorType, size: int, mask: ir.Value
) -> ir.Value:
    """The lanes of the mask from memory, 0 in the others, whose memory is not touched."""
    name = f"llvm.masked.load.v{kind.count}{_suffix(kind.element)}.p0"
    types = [POINTER, I32, ir.VectorType(I1, kind.count), kind]
    f = _declared(b.module, name, kind, types)
    return b.call(f, [address, ir.Constant(I32, size), mask, ir.Constant(kind, None)])


def masked_store(b: ir.Builder, x: ir.Value, address: ir.Value, size: int, mask: ir.Value) -> None:
    """Write the lanes of the mask."""
    kind = x.type
    name = f"llvm.masked.store.v{kind.count}{_suffix(kind.element)}.p0"
    types = [kind, POINTER, I32, ir.VectorType(I1, kind.count)]
    f = _declared(b.module, name, VOID, types)
    b.call(f, [x, address, ir.Constant(I32, size), mask])


def gathered(
    b: ir.Builder,
    addresses: ir.Value,
    kind: ir.VectorType,
    size: int,
    mask: ir.Value | None = None,
) -> ir.Value:
    """The elements at a vector of addresses, 0 outside of the mask, whose memory is not touched."""
    lanes = kind.count
    name = f"llvm.masked.gather.v{lanes}{_suffix(kind.element)}.v{lanes}p0"
    types = [ir.VectorType(POINTER, lanes), I32, ir.VectorType(I1, lanes), kind]
    f = _declared(b.module, name, kind, types)
    if mask is None:
        mask = ir.Constant(ir.VectorType(I1, lanes), 1)
    return b.call(f, [addresses, ir.Constant(I32, size), mask, ir.Constant(kind, None)])


def scattered(
    b: ir.Builder, x: ir.Value, addresses: ir.Value, size: int, mask: ir.Value | None = None
) -> None:
    """Write the lanes, or those of the mask, to a vector of addresses."""
    lanes = x.type.count
    name = f"llvm.masked.scatter.v{lanes}{_suffix(x.type.element)}.v{lanes}p0"
    types = [x.type, ir.VectorType(POINTER, lanes), I32, ir.VectorType(I1, lanes)]
    f = _declared(b.module, name, VOID, types)
    if mask is None:
        mask = ir.Constant(ir.VectorType(I1, lanes), 1)
    b.call(f, [x, addresses, ir.Constant(I32, size), mask])


def _declared(module: ir.Module, name: str, result: Any, types: Sequence[Any]) -> ir.Function:
    return module.declared(name, ir.FunctionType(result, types))


def copy_bytes(b: ir.Builder, source: ir.Value, to: ir.Value, size: int | ir.Value) -> None:
    """Copy so many bytes."""
    pointer = POINTER
    size = index(size) if isinstance(size, int) else size
    f = _declared(b.module, "llvm.memcpy.p0.p0.i64", VOID, [pointer, pointer, I64, I1])
    b.call(f, [to, source, size, ir.Constant(I1, 0)])


def _suffix(kind: Any) -> str:
    return {"float": "f32", "double": "f64"}.get(str(kind), str(kind))
