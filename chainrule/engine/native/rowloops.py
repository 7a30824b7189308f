"""The code of a kernel that goes through rows: one loop over rows, in it loops over their elements.

Of long rows the elements are done in vectors, one row after the other. Of short rows as many are
done at once as a vector has lanes, a row in each lane: then no lane is idle, and nothing has to be
added up across lanes. What steps make of a row is in registers; what they make of its elements,
for a later loop to read, is in a buffer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from chainrule.engine.native import ir, rows
from chainrule.engine.native.accesses import Access, reads_of
from chainrule.engine.native.environment import Environment
from chainrule.engine.native.gathers import taken
from chainrule.engine.native.groups import Group
from chainrule.engine.native.ir import index
from chainrule.engine.native.operations import combined, compute, identity
from chainrule.engine.native.reaching import Reach
from chainrule.engine.native.repertoire import REDUCTIONS, is_gather
from chainrule.engine.native.target import TYPES
from chainrule.engine.native.threads import share
from chainrule.engine.native.totals import folded, in_blocks
from chainrule.engine.native.vectors import (
    counted,
    ranged,
    read,
    splat,
    write,
)
from chainrule.engine.program import Op

WORK = 10  # steps of a loop, up to which it is written out several times


class RowLoops(Reach):
    """The code of a group of the kind "rows".

    Args:
        b: where to write it.
        group: the group.
        env: what it needs; where it has a part, that is one of the rows.
    """

    def __init__(self, b: ir.Builder, group: Group, env: Environment) -> None:
        self.group, self.layout, self.part = group, env.layout, env.part
        self.longest = max(g.space[-1] for g in group.parts if g.space != group.space)
        narrow = {op.dtype.itemsize for op in group.ops if op.dtype.kind == "f"}
        width = env.target.lanes("float32" if 4 in narrow or not narrow else "float64")
        self.across = self.longest <= rows.SHORT
        super().__init__(b, list(group.space), width, env.pointer)
        self.width = width
        self.part_of = {op: p for p in group.parts for op in p.ops}
        # Strides along the axes of the rows, and at the end along the elements.
        self.reads = reads_of(group, env.layout, self._padded)
        self.writes = {op: Access(op, 0, self._padded(env.layout(op).steps)) for op in group.stored}
        self._join_axes()
        self.kept = self._kept()

    # What is read and written ---------------------------------------------------------------------

    def _padded(self, steps: list[int]) -> list[int]:
        return steps + [0] * (len(self.group.space) + 1 - len(steps))

    def accesses(self) -> list[Access]:
        """All ways in which memory is reached."""
        return list(dict.fromkeys([*self.reads.values(), *self.writes.values()]))

    def _join_axes(self) -> None:
        """Go through neighbouring axes as one where everything lies so."""
        for k in reversed(range(len(self.dims) - 1)):
            n = self.dims[k + 1]
            if all(a.strides[k] == a.strides[k + 1] * n for a in self.accesses()):
                self.dims = [*self.dims[:k], self.dims[k] * n, *self.dims[k + 2 :]]
                for a in self.accesses():
                    del a.strides[k]

    def _kept(self) -> list[Op | Access]:
        """Elements that a later loop reads once more: a buffer has them."""
        found: dict[Op | Access, None] = {}
        readers: dict[Access, set[Group]] = {}
        for op in self.group.ops:
            part = self.part_of[op]
            for k, a in enumerate(op.args):
                access = self.reads.get((op, k))
                if access is not None:
                    readers.setdefault(access, set()).add(part)
                elif isinstance(a, Op) and self._is_away(self.layout(a).root, part):
                    found[self.layout(a).root] = None
        apart = (a for a, parts in readers.items() if len(parts) > 1)
        return [*found, *(a for a in apart if self.across and a.strides[-1] and a.strides[-2])]

    def _is_away(self, root: Op, part: Group) -> bool:
        """Has another loop made these elements, and are they nowhere else in order?"""
        if self.part_of.get(root, part) is part or self._is_of_row(root):
            return False
        return self.across or root not in self.writes

    def _is_of_row(self, op: Op) -> bool:
        """Is a step's value one for the whole row?"""
        return op.name in REDUCTIONS or self.part_of[op].space == self.group.space

    # Rows -----------------------------------------------------------------------------------------

    def emit(self) -> None:
        self.buffers: dict[Op | Access, ir.Value] = {}
        count = self.longest if self.across else -(-self.longest // self.width)
        for x in self.kept:
            self.buffers[x] = self.b.alloca(ir.VectorType(TYPES[_kind(x)], self.width), count)
        self._axis(0, {a: index(a.offset) for a in self.accesses()})

    def _axis(self, k: int, offsets: dict[Access, ir.Value]) -> None:
        """The loop over axis k of the rows and all inside of it."""
        b, n = self.b, self.dims[k]
        is_last = k == len(self.dims) - 1
        step = self.width if self.across and is_last else 1

        def body(i: ir.Value) -> None:
            moved = {
                a: b.add(o, b.mul(i, index(a.strides[k]))) if a.strides[k] else o
                for a, o in offsets.items()
            }
            if is_last:
                self._row(moved, self.below(i, n) if self.across else None)
            else:
                self._axis(k + 1, moved)

        if k == 0 and self.part:
            first, last = share(b, -(-n // step), self.part)
            ranged(b, first, last, 1, lambda t: body(b.mul(t, index(step))))
        else:
            ranged(b, 0, n, step, body)

    def _row(self, offsets: dict[Access, ir.Value], mask: ir.Value | None) -> None:
        """A row, or as many as there are lanes; the mask says which of them there are."""
        self.offsets, self.there = offsets, mask
        self.of_row: dict[Op | Access, ir.Value] = {}
        self.filled: set[Op | Access] = set()
        for part in self.group.parts:
            for a in self._reads_of(part):
                if not a.strides[-1] and a not in self.of_row:
                    self.of_row[a] = self._load_row(a)
            if part.space == self.group.space:
                self._once(part)
            else:
                self._elements(part)

    def _reads_of(self, part: Group) -> list[Access]:
        found = (
            self.reads[op, k]
            for op in part.ops for k in range(len(op.args)) if (op, k) in self.reads
        )  # fmt: skip
        return list(dict.fromkeys(found))

    def _load_row(self, a: Access) -> ir.Value:
        """What is the same for all elements of a row."""
        if self.across:
            return self.vector(a, self.offsets[a], self.there, a.strides[-2])
        return self.one(a, self.offsets[a])

    def _once(self, part: Group) -> None:
        """Steps on single numbers of a row."""
        lanes = self.width if self.across else None
        for op in part.ops:
            argument = functools.partial(self._argument, op, self.of_row)
            self.of_row[op] = self._computed(op, argument, lanes)
            if op in self.writes:
                self._store_row(op)

    def _store_row(self, op: Op) -> None:
        a = self.writes[op]
        step = a.strides[-2] if self.across else 1
        self.put(a, self.offsets[a], self.of_row[op], self.there, step)

    # Elements -------------------------------------------------------------------------------------

    def _elements(self, part: Group) -> None:
        """The loop over the elements of a row."""
        b, n = self.b, part.space[-1]
        still = self._still(part)
        ops = [op for op in part.ops if op.name in REDUCTIONS]
        lanes, times = (1, 1) if self.across else (self.width, self._times(part, ops))

        def turn(
            i: ir.Value, carried: Sequence[ir.Value], times: int, masked: bool
        ) -> list[ir.Value]:
            found = list(carried)
            for u in range(times):
                at = b.add(i, index(u * lanes)) if u else i
                mask = self.there if self.across else self.below(at, n) if masked else None
                own = dict(zip(ops, found[u::times], strict=True))
                found[u::times] = self._vector(part, at, mask, still, own).values()
            return found

        start = [identity(op, self.width) for op in ops for _ in range(times)]
        last = n // (lanes * times) * lanes * times
        each = [op for op in ops for _ in range(times)]
        found = in_blocks(
            b, each, self.width, (0, last, lanes * times), start,
            lambda i, c: turn(i, c, times, masked=False),
        )  # fmt: skip
        found[::times] = counted(
            b, last, n, lanes, found[::times], lambda i, c: turn(i, c, 1, masked=True)
        )
        for k, op in enumerate(ops):
            own = found[k * times : (k + 1) * times]
            self.of_row[op] = own[0] if self.across else folded(b, op, own)
            if op in self.writes:
                self._store_row(op)

    def _times(self, part: Group, ops: list[Op]) -> int:
        """How many vectors a turn does: several where a sum would wait for itself."""
        n = part.space[-1]
        if not ops or len(part.ops) > WORK or n < 8 * self.width:
            return 1
        return 4

    def _still(self, part: Group) -> dict[Op | Access, ir.Value]:
        """What the row has one number of, in every lane."""
        found: dict[Op | Access, ir.Value] = {}
        for op in part.ops:
            for k, a in enumerate(op.args):
                if isinstance(a, Op):
                    x = self.reads.get((op, k), self.layout(a).root)
                    if x in self.of_row and x not in found:
                        one = self.of_row[x]
                        found[x] = one if self.across else splat(self.b, one, self.width)
        return found

    def _vector(
        self,
        part: Group,
        i: ir.Value,
        mask: ir.Value | None,
        still: dict[Op | Access, ir.Value],
        sums: dict[Op, ir.Value],
    ) -> dict[Op, ir.Value]:
        """The elements from i on, or element i of each lane's row; what the sums are then."""
        b = self.b
        values = dict(still)
        for access in self._reads_of(part):
            if access not in values:
                values[access] = self._element(access, i, mask)
        found = dict(sums)
        for op in part.ops:
            argument = functools.partial(self._argument, op, values)
            for a in op.sources():
                root = self.layout(a).root
                if root in self.part_of and root not in values:
                    values[root] = self._again(root, i, mask)
            if op.name in REDUCTIONS:
                x, _ = argument(0)
                if mask is not None and not self.across:
                    x = b.select(mask, x, identity(op, self.width))
                found[op] = combined(b, op, sums[op], x)
                continue
            values[op] = self._computed(op, argument, self.width)
            if op in self.buffers:
                self._keep(op, i, values[op])
            if op in self.writes:
                w = self.writes[op]
                step = w.strides[-2] if self.across else w.strides[-1]
                self.put(w, self._at(w, i), values[op], mask, step)
        return found

    def _argument(
        self, op: Op, values: dict[Op | Access, ir.Value], k: int
    ) -> tuple[ir.Value, str]:
        access = self.reads.get((op, k))
        if access is not None:
            return values[access], access.dtype
        root = self.layout(op.args[k]).root
        return values[root], root.kind

    def _computed(
        self, op: Op, argument: Callable[[int], tuple[ir.Value, str]], lanes: int | None
    ) -> ir.Value:
        if is_gather(op):
            layout = self.layout(op.args[0])
            return taken(self.b, layout, self.pointer(layout.root), argument(1)[0], lanes)
        return compute(self.b, op, argument, lanes)

    # Memory ---------------------------------------------------------------------------------------

    def _at(self, a: Access, i: ir.Value) -> ir.Value:
        """The place of element i."""
        step = a.strides[-1]
        return self.b.add(self.offsets[a], self.b.mul(i, index(step))) if step else self.offsets[a]

    def _element(self, a: Access, i: ir.Value, mask: ir.Value | None) -> ir.Value:
        """Elements from memory, or from the buffer if an earlier loop has read them."""
        if a in self.filled:
            return self._again(a, i, mask)
        step = a.strides[-2] if self.across else a.strides[-1]
        x = self.vector(a, self._at(a, i), mask, step)
        if a in self.buffers:
            self._keep(a, i, x)
        return x

    def _place(self, x: Op | Access, i: ir.Value) -> ir.Value:
        """Where the buffer has element i."""
        kind = TYPES[_kind(x)]
        at = self.b.mul(i, index(self.width)) if self.across else i
        return self.b.gep(self.buffers[x], at, kind)

    def _keep(self, x: Op | Access, i: ir.Value, value: ir.Value) -> None:
        self.filled.add(x)
        write(self.b, value, self._place(x, i), _kind(x))

    def _again(self, x: Op | Access, i: ir.Value, mask: ir.Value | None) -> ir.Value:
        """Elements that an earlier loop has made or read."""
        if x not in self.buffers:
            assert isinstance(x, Op)
            w = self.writes[x]
            return self.vector(w, self._at(w, i), mask, w.strides[-1])
        return read(self.b, self._place(x, i), _kind(x), self.width)


def _kind(x: Op | Access) -> str:
    return x.dtype if isinstance(x, Access) else x.kind


__all__ = ["RowLoops"]
