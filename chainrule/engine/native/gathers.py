"""Rows of an array, taken at positions."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from chainrule.engine.native.target import I64, TYPES
from chainrule.engine.native.threads import share
from chainrule.engine.native.vectors import counted, ranged
from chainrule.engine.program import Op


def take_rows(
    b: ir.IRBuilder,
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

    def number_of(i: ir.Value) -> ir.Value:
        k = b.load(b.gep(index, [i], source_etype=I64), typ=I64, align=8)
        zero, last = ir.Constant(I64, 0), ir.Constant(I64, n - 1)
        k = b.select(b.icmp_signed("<", k, zero), b.add(k, ir.Constant(I64, n)), k)
        k = b.select(b.icmp_signed("<", k, zero), zero, k)
        return b.select(b.icmp_signed(">", k, last), last, k)

    def row(i: ir.Value, _: Any) -> list[ir.Value]:
        start = b.mul(number_of(i), ir.Constant(I64, width))
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


__all__ = ["take_rows"]
