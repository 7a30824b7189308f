"""Small pieces of code that all kernels use: constants, loops, masked memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engine.native import ir
from chainrule.engine.native.ir import DOUBLE, FLOAT, I1, I32, I64, POINTER, VOID, index
from chainrule.engine.native.target import TYPES


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


# Loops -------------------------------------------------------------------------------------------

# (i, what is carried) → what is carried on
Body = Callable[[ir.Value, Sequence[ir.Value]], Sequence[ir.Value]]


def counted(
    b: ir.Builder,
    start: int | ir.Value,
    stop: int | ir.Value,
    step: int,
    carried: Sequence[ir.Value],
    body: Body,
) -> list[ir.Value]:
    """for i in range(start, stop, step): carried = body(i, carried).

    One turn of bounds that are known is no loop; of others there is at least one turn.
    """
    if isinstance(start, int) and isinstance(stop, int):
        turns = len(range(start, stop, step))
        if turns <= 1:
            return list(body(index(start), carried)) if turns else list(carried)
    start, stop = _value(start), _value(stop)
    before, loop, after = b.block, b.append_basic_block("loop"), b.append_basic_block("after")
    b.branch(loop)
    return _turns(b, (start, stop, step), carried, body, (before, loop, after))


def ranged(
    b: ir.Builder,
    start: int | ir.Value,
    stop: int | ir.Value,
    step: int,
    body: Callable[[ir.Value], Any],
) -> None:
    """for i in range(start, stop, step): body(i)."""

    def turn(i: ir.Value, _: Any) -> Sequence[ir.Value]:
        body(i)
        return ()

    if isinstance(start, int) and isinstance(stop, int):
        counted(b, start, stop, step, (), turn)
        return
    start, stop = _value(start), _value(stop)
    before, loop, after = b.block, b.append_basic_block("range"), b.append_basic_block("after")
    b.cbranch(b.icmp_signed("<", start, stop), loop, after)
    _turns(b, (start, stop, step), (), turn, (before, loop, after))


def chosen(
    b: ir.Builder,
    condition: ir.Value,
    otherwise: Sequence[ir.Value],
    body: Callable[[], Sequence[ir.Value]],
    likely: bool | None = None,
) -> list[ir.Value]:
    """body() where a condition holds, what is given otherwise."""
    before = b.block
    with b.if_then(condition, likely):
        found, after = body(), b.block
    phis = [b.phi(x.type) for x in otherwise]
    for phi, old, new in zip(phis, otherwise, found, strict=True):
        phi.add_incoming(old, before)
        phi.add_incoming(new, after)
    return list(phis)


def in_vectors(
    b: ir.Builder, count: int, lanes: int, body: Callable[[ir.Value, int | None], Any]
) -> None:
    """body(i, lanes) for the vectors of so many numbers, body(i, None) for each that is left."""
    whole = count // lanes * lanes
    ranged(b, 0, whole, lanes, lambda i: body(i, lanes))
    ranged(b, whole, count, 1, lambda i: body(i, None))


def _turns(
    b: ir.Builder,
    bounds: tuple[ir.Value, ir.Value, int],
    carried: Sequence[ir.Value],
    body: Body,
    blocks: tuple[ir.Block, ir.Block, ir.Block],
) -> list[ir.Value]:
    """The turns of a loop between the blocks before and after it."""
    (start, stop, step), (before, loop, after) = bounds, blocks
    b.position_at_end(loop)
    i, phis = b.phi(I64), [b.phi(x.type) for x in carried]
    results = list(body(b.opaque(i), phis))
    following = b.add(i, index(step))
    for phi, old, new in zip([i, *phis], [start, *carried], [following, *results], strict=True):
        phi.add_incoming(old, before)
        phi.add_incoming(new, b.block)
    b.cbranch(b.icmp_signed("<", following, stop), loop, after)
    b.position_at_end(after)
    return results


def _value(x: int | ir.Value) -> ir.Value:
    return index(x) if isinstance(x, int) else x


# Lanes -------------------------------------------------------------------------------------------


def wide(kind: ir.Type, lanes: int | None) -> Any:
    """A type in so many lanes; None for a single number."""
    return kind if lanes is None else ir.VectorType(kind, lanes)


def like(x: ir.Value, kind: ir.Type) -> Any:
    """A type with as many lanes as x."""
    return ir.VectorType(kind, x.type.count) if isinstance(x.type, ir.VectorType) else kind


# Memory ------------------------------------------------------------------------------------------


def read(
    b: ir.Builder, place: ir.Value, dtype: str, lanes: int | None, mask: ir.Value | None = None
) -> ir.Value:
    """Numbers of a dtype as they are in registers, where a bool is a bit; see :func:`load`."""
    x = load(b, place, wide(TYPES[dtype], lanes), mask)
    return b.trunc(x, wide(I1, lanes)) if dtype == "bool" else x


def write(
    b: ir.Builder, x: ir.Value, place: ir.Value, dtype: str, mask: ir.Value | None = None
) -> None:
    """Numbers of a dtype to memory, where a bool is a byte; see :func:`store`."""
    store(b, b.zext(x, like(x, TYPES[dtype])) if dtype == "bool" else x, place, mask)


def load(b: ir.Builder, place: ir.Value, kind: Any, mask: ir.Value | None = None) -> ir.Value:
    """What lies at an address, or at each of a vector of addresses.

    Outside of a mask it is 0, and that memory is not touched.
    """
    apart = isinstance(place.type, ir.VectorType)
    if mask is None and not apart:
        return b.load(place, kind)
    name, zero = "gather" if apart else "load", ir.Constant(kind, None)
    args = [place, ir.alignment(kind), _every(kind) if mask is None else mask, zero]
    return intrinsic(b, f"masked.{name}", kind, args, [kind, place.type])


def store(b: ir.Builder, x: ir.Value, place: ir.Value, mask: ir.Value | None = None) -> None:
    """Write to an address, or to each of a vector of them; only the lanes of the mask."""
    apart = isinstance(place.type, ir.VectorType)
    if mask is None and not apart:
        b.store(x, place)
        return
    name, kind = "scatter" if apart else "store", x.type
    args = [x, place, ir.alignment(kind), _every(kind) if mask is None else mask]
    intrinsic(b, f"masked.{name}", VOID, args, [kind, place.type])


def copy_bytes(b: ir.Builder, source: ir.Value, to: ir.Value, size: int | ir.Value) -> None:
    """Copy so many bytes."""
    size = index(size) if isinstance(size, int) else size
    args = [to, source, size, ir.Constant(I1, 0)]
    intrinsic(b, "memcpy", VOID, args, [POINTER, POINTER, I64])


def intrinsic(
    b: ir.Builder, name: str, result: Any, args: Sequence[ir.Value], kinds: Sequence[Any]
) -> ir.Value:
    """Call a function that LLVM knows, which is named after some types."""
    full = ".".join(["llvm", name, *map(_short, kinds)])
    function = b.module.declared(full, ir.FunctionType(result, [a.type for a in args]))
    return b.call(function, args)


def _every(kind: ir.VectorType) -> ir.Constant:
    """A mask of all lanes."""
    return ir.Constant(ir.VectorType(I1, kind.count), 1)


def _short(kind: Any) -> str:
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{_short(kind.element)}"
    return {FLOAT: "f32", DOUBLE: "f64", POINTER: "p0"}.get(kind, kind.text)
