"""Running sums and products, and linear recurrences, along an axis.

The steps along the axis follow one another, as NumPy's do. What lies beside each other behind the
axis is done in vectors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule.engine.native import ir
from chainrule.engine.native.environment import Environment
from chainrule.engine.native.ir import index
from chainrule.engine.native.operations import number, step
from chainrule.engine.native.target import TYPES
from chainrule.engine.native.threads import share
from chainrule.engine.native.vectors import counted, in_vectors, ranged, wide
from chainrule.engine.program import Op

STEPS = {"cumsum": "add", "cumprod": "multiply"}
STARTS = {"cumsum": -0.0, "cumprod": 1.0, "recurrence": 0.0}


def shared_rows(op: Op) -> int:
    """How many rows of a running operation do not depend on each other, before the axis."""
    if op.name not in STARTS:
        return 1
    return math.prod(op.shape[: op.params.get("axis", 0) % len(op.shape)])


def run(b: ir.Builder, op: Op, env: Environment) -> None:
    """Write the code; the axes before are shared among threads."""
    given, out, lanes = env.given(op), env.pointer(op), env.lanes(op)
    axis = op.params.get("axis", 0) % len(op.shape)
    outer, n = shared_rows(op), op.shape[axis]
    inner = math.prod(op.shape[axis + 1 :])
    kind = TYPES[op.kind]

    def column(start: ir.Value, count: int | None) -> None:
        """All steps for so many numbers from a position on."""

        def one(at: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
            place = b.add(start, at)
            xs = [b.load(b.gep(a, place, kind), wide(kind, count)) for a in given]
            if op.name == "recurrence":
                y = b.fadd(b.fmul(xs[0], sums[0]), xs[1])
            else:
                y = step(b, STEPS[op.name], op.kind, sums[0], xs[0])
            b.store(y, b.gep(out, place, kind))
            return [y]

        counted(b, 0, n * inner, inner, [number(STARTS[op.name], op.kind, count)], one)

    def row(o: ir.Value) -> None:
        base = b.mul(o, index(n * inner))
        in_vectors(b, inner, lanes, lambda i, count: column(b.add(base, i), count))

    ranged(b, *share(b, outer, env.part), 1, row)


__all__ = ["run"]
