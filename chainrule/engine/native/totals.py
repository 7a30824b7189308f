"""Reductions in registers: long ones by blocks, and the lanes of a vector at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainrule.engine.native import ir
from chainrule.engine.native.ir import I32, index
from chainrule.engine.native.operations import combined, identity
from chainrule.engine.native.vectors import constant_lanes, counted
from chainrule.engine.program import Op

BLOCK = 64  # turns of a loop whose sums are added up by themselves


def in_blocks(
    b: ir.Builder,
    ops: Sequence[Op],
    lanes: int | None,
    turns: tuple[int, int, int],
    carried: Sequence[ir.Value],
    turn: Callable[[ir.Value, Sequence[ir.Value]], list[ir.Value]],
) -> list[ir.Value]:
    """The turns of a loop. Of many numbers blocks are summed first, and then the blocks' sums:
    the rounding errors of a single long sum would grow with its length.

    Args:
        b: where to write it.
        ops: the reduction that each of the carried registers belongs to.
        lanes: of these registers.
        turns: the first turn, the end, and the step from one to the next.
        carried: the registers before the first turn.
        turn: writes one turn.

    Source: Higham, *Accuracy and Stability of Numerical Algorithms* (2nd ed., SIAM 2002), 4.2.
    """
    first, last, step = turns

    def run(base: ir.Value, length: int, start: Sequence[ir.Value]) -> list[ir.Value]:
        size = BLOCK * step
        if not ops or length <= 2 * size:
            return counted(b, 0, length, step, start, lambda j, own: turn(b.add(base, j), own))
        while size * BLOCK < length:
            size *= BLOCK

        def one(j: ir.Value, before: Sequence[ir.Value]) -> list[ir.Value]:
            zero = [identity(op, lanes) for op in ops]
            rows = zip(ops, before, run(b.add(base, j), size, zero), strict=True)
            return [combined(b, op, x, y) for op, x, y in rows]

        whole = length // size * size
        found = counted(b, 0, whole, size, start, one)
        return run(b.add(base, index(whole)), length - whole, found)

    return run(index(first), last - first, carried)


def folded(b: ir.Builder, op: Op, parts: Sequence[ir.Value]) -> ir.Value:
    """The registers of a reduction, as many as a power of two, and their lanes as one number."""
    parts = list(parts)
    while len(parts) > 1:
        parts = [combined(b, op, x, y) for x, y in zip(parts[::2], parts[1::2], strict=True)]
    total = parts[0]
    while isinstance(total.type, ir.VectorType) and total.type.count > 1:
        half = total.type.count // 2
        halves = [
            b.shuffle_vector(total, total, constant_lanes(I32, tuple(range(k, k + half))))
            for k in (0, half)
        ]
        total = combined(b, op, *halves)
    if isinstance(total.type, ir.VectorType):
        total = b.extract_element(total, ir.Constant(I32, 0))
    return total


__all__ = ["BLOCK", "folded", "in_blocks"]
