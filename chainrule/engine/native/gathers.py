"""Rows of an array, taken at positions, and added up there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.engine.native import ir
from chainrule.engine.native.target import I64, TYPES
from chainrule.engine.native.threads import share
from chainrule.engine.native.vectors import counted, ranged
from chainrule.engine.program import Op


def take_rows(
    b: ir.Builder,
    op: Op,
    source: ir.Value,
    index: ir.Value,
    out: ir.Value,
    lanes: int,
    part: tuple[ir.Value, ir.Value] | None = None,
) -> None:
    """Copy the rows of an array at positions; one that is out of range is brought to the end."""
    a, rows = op.args[0], op.args[1].size
    kind, size = TYPES[str(op.dtype)], op.dtype.itemsize
    width, n = op.size // rows, a.shape[0]
    wide = ir.VectorType(kind, lanes)

    def row(i: ir.Value, _: Any) -> list[ir.Value]:
        start = b.mul(_position(b, index, i, n), ir.Constant(I64, width))
        to = b.mul(i, ir.Constant(I64, width))

        def move(step: ir.Type, j: ir.Value) -> None:
            x = b.load(b.gep(source, [b.add(start, j)], source_etype=kind), typ=step, align=size)
            b.store(x, b.gep(out, [b.add(to, j)], source_etype=kind), align=size)

        def vectors(j: ir.Value, _: Any) -> list[ir.Value]:
            move(wide, j)
            return []

        def single(j: ir.Value, _: Any) -> list[ir.Value]:
            move(kind, j)
            return []

        whole = width // lanes * lanes
        counted(b, 0, whole, lanes, [], vectors)
        if width >= lanes:  # the last vector may overlap the one before
            if whole < width:
                move(wide, ir.Constant(I64, width - lanes))
        else:
            counted(b, 0, width, 1, [], single)
        return []

    if part is None:
        counted(b, 0, rows, 1, [], row)
    else:
        start, stop = share(b, rows, *part)
        ranged(b, start, stop, 1, lambda i: row(i, None))


def scatter_rows(
    b: ir.Builder, op: Op, source: ir.Value, index: ir.Value, out: ir.Value, lanes: int
) -> None:
    """Zeros, and each row of an array added at its position: the adjoint of :func:`take_rows`."""
    rows, n = op.args[1].size, op.shape[0]
    kind, size = TYPES[str(op.dtype)], op.dtype.itemsize
    width = op.size // n

    def through(count: int, body: Callable[[ir.Type, ir.Value], None]) -> None:
        whole = count // lanes * lanes
        for step, start, stop in ((lanes, 0, whole), (1, whole, count)):
            wide = kind if step == 1 else ir.VectorType(kind, lanes)

            def turn(j: ir.Value, _: Any, wide: ir.Type = wide) -> list[ir.Value]:
                body(wide, j)
                return []

            counted(b, start, stop, step, [], turn)

    def clear(wide: ir.Type, j: ir.Value) -> None:
        zero = ir.Constant(wide, 0.0 if wide is kind else None)
        b.store(zero, b.gep(out, [j], source_etype=kind), align=size)

    def row(i: ir.Value, _: Any) -> list[ir.Value]:
        to = b.mul(_position(b, index, i, n), ir.Constant(I64, width))
        start = b.mul(i, ir.Constant(I64, width))

        def add(wide: ir.Type, j: ir.Value) -> None:
            place = b.gep(out, [b.add(to, j)], source_etype=kind)
            x = b.load(b.gep(source, [b.add(start, j)], source_etype=kind), typ=wide, align=size)
            b.store(b.fadd(b.load(place, typ=wide, align=size), x), place, align=size)

        through(width, add)
        return []

    through(op.size, clear)
    counted(b, 0, rows, 1, [], row)


def _position(b: ir.Builder, index: ir.Value, i: ir.Value, n: int) -> ir.Value:
    """The i-th position: from the end where it is negative, and never out of range."""
    k = b.load(b.gep(index, [i], source_etype=I64), typ=I64, align=8)
    zero, last = ir.Constant(I64, 0), ir.Constant(I64, n - 1)
    k = b.select(b.icmp_signed("<", k, zero), b.add(k, ir.Constant(I64, n)), k)
    k = b.select(b.icmp_signed("<", k, zero), zero, k)
    return b.select(b.icmp_signed(">", k, last), last, k)


__all__ = ["scatter_rows", "take_rows"]
