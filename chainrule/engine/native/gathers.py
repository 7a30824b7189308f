"""Rows of an array, taken at positions, and added up there."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.engine.native import ir
from chainrule.engine.native.environment import Environment
from chainrule.engine.native.ir import I64, index
from chainrule.engine.native.layouts import Layout
from chainrule.engine.native.operations import number
from chainrule.engine.native.target import TYPES
from chainrule.engine.native.threads import share
from chainrule.engine.native.vectors import copy_bytes, in_vectors, ranged, read, wide
from chainrule.engine.program import Op


def move(b: ir.Builder, op: Op, env: Environment) -> None:
    """Rows at positions, or their adjoint."""
    {"take": take_rows, "index_put": put_elements, "scatter": scatter_rows}[op.name](b, op, env)


def take_rows(b: ir.Builder, op: Op, env: Environment) -> None:
    """Copy the rows of an array at positions; one that is out of range is brought to the end."""
    (source, positions), out, lanes = env.given(op), env.pointer(op), env.lanes(op)
    a, rows = op.args[0], op.args[1].size
    kind, width, n = TYPES[op.kind], op.size // rows, a.shape[0]

    def row(i: ir.Value) -> None:
        start = b.mul(_position(b, positions, i, n), index(width))
        to = b.mul(i, index(width))

        def copy(j: ir.Value, count: int | None) -> None:
            x = b.load(b.gep(source, b.add(start, j), kind), wide(kind, count))
            b.store(x, b.gep(out, b.add(to, j), kind))

        if width < lanes:
            ranged(b, 0, width, 1, lambda j: copy(j, None))
            return
        ranged(b, 0, width // lanes * lanes, lanes, lambda j: copy(j, lanes))
        if width % lanes:  # the last vector may overlap the one before
            copy(index(width - lanes), lanes)

    ranged(b, *share(b, rows, env.part), 1, row)


def scatter_rows(b: ir.Builder, op: Op, env: Environment) -> None:
    """Zeros, and each row of an array added at its position: the adjoint of :func:`take_rows`."""
    (source, positions), out, lanes = env.given(op), env.pointer(op), env.lanes(op)
    rows, n = op.args[1].size, op.shape[0]
    kind, width = TYPES[op.kind], op.size // n

    def clear(j: ir.Value, count: int | None) -> None:
        b.store(number(0, op.kind, count), b.gep(out, j, kind))

    def row(i: ir.Value) -> None:
        to = b.mul(_position(b, positions, i, n), index(width))
        start = b.mul(i, index(width))

        def add(j: ir.Value, count: int | None) -> None:
            place = b.gep(out, b.add(to, j), kind)
            x = b.load(b.gep(source, b.add(start, j), kind), wide(kind, count))
            b.store(b.fadd(b.load(place, wide(kind, count)), x), place)

        in_vectors(b, width, lanes, add)

    in_vectors(b, op.size, lanes, clear)
    ranged(b, 0, rows, 1, row)


def put_elements(b: ir.Builder, op: Op, env: Environment) -> None:
    """Write elements at positions of a vector, one after the other: the last one stays."""
    (before, source, positions), out, kind = env.given(op), env.pointer(op), TYPES[op.kind]
    copy_bytes(b, before, out, op.size * op.dtype.itemsize)

    def put(i: ir.Value) -> None:
        x = b.load(b.gep(source, i, kind), kind)
        at = _position(b, positions, i, op.size)
        b.store(x, b.gep(out, at, kind))

    ranged(b, 0, op.args[1].size, 1, put)


def taken(
    b: ir.Builder, layout: Layout, start: ir.Value, at: ir.Value, lanes: int | None
) -> ir.Value:
    """The elements of a flat array at the positions in a register, which has so many lanes.

    Args:
        b: where to write it.
        layout: of the array.
        start: the address of the first element of its memory.
        at: the positions.
        lanes: None for a single number.
    """
    dtype = layout.root.kind

    def whole(x: int) -> ir.Value:
        return ir.Constant(wide(I64, lanes), x)

    k = _inside(b, at, layout.shape[0], whole)
    if layout.strides[0] != 1:
        k = b.mul(k, whole(layout.strides[0]))
    if layout.offset:
        k = b.add(k, whole(layout.offset))
    return read(b, b.gep(start, k, TYPES[dtype]), dtype, lanes)


def _position(b: ir.Builder, positions: ir.Value, i: ir.Value, n: int) -> ir.Value:
    """The i-th position: from the end where it is negative, and never out of range."""
    k = b.load(b.gep(positions, i, I64), I64)
    return _inside(b, k, n, index)


def _inside(b: ir.Builder, k: ir.Value, n: int, whole: Callable[[int], ir.Value]) -> ir.Value:
    """Positions from the end as such from the start, and none out of range."""
    zero, last = whole(0), whole(n - 1)
    k = b.select(b.icmp_signed("<", k, zero), b.add(k, whole(n)), k)
    k = b.select(b.icmp_signed("<", k, zero), zero, k)
    return b.select(b.icmp_signed(">", k, last), last, k)


__all__ = ["move", "taken"]
