"""Reductions that threads share: the first axis is cut into pieces, each with results of its own.

The number of pieces depends on the loops alone, and what they leave is put together in their order,
so that the bits do not depend on who does what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chainrule.engine.native import ir
from chainrule.engine.native.accesses import Access
from chainrule.engine.native.environment import Environment
from chainrule.engine.native.groups import Group
from chainrule.engine.native.ir import I8, index
from chainrule.engine.native.loops import Loops, Turn
from chainrule.engine.native.operations import combined, identity
from chainrule.engine.native.repertoire import REDUCTIONS
from chainrule.engine.native.threads import alone, share
from chainrule.engine.native.totals import BLOCK
from chainrule.engine.native.vectors import counted, ranged
from chainrule.engine.program import Op

PIECES = 16
MOST = 2**18  # bytes of results on the way
LINE = 64  # bytes of a cache line, which two threads do not write to


def bytes_of(group: Group) -> int:
    """The memory for what the pieces leave."""
    return PIECES * sum(map(_room, _reductions(group)))


def pays(group: Group) -> bool:
    """Can a loop group be done in pieces?"""
    return bool(group.space and _reductions(group)) and bytes_of(group) <= MOST


def _reductions(group: Group) -> list[Op]:
    return [op for op in group.ops if op.name in REDUCTIONS]


def _room(op: Op) -> int:
    return -(-op.size * op.dtype.itemsize // LINE) * LINE


class Pieces(Loops):
    """The code of one loop group, in pieces.

    Args: as of :class:`Loops`. The threads have in common the memory for what the pieces leave.
    """

    def __init__(self, b: ir.Builder, group: Group, env: Environment) -> None:
        super().__init__(b, group, replace(env, pointer=self._place, part=None))
        self.env, self.scratch = env, env.scratch(group)
        self.parted = [r for r in self.reductions.values() if r.reduced[0]]
        self.places: dict[Op, ir.Value] = {}  # of what a piece leaves
        self.piece: ir.Value = index(0)
        self.is_line = len(self.dims) == 1
        self.blocks, self.count, self.ends = 0, min(PIECES, self.dims[0]), False

    def _place(self, op: Op) -> ir.Value:
        """The address of a stored operation, or of what the piece leaves of it."""
        return self.places.get(op) or self.env.pointer(op)

    def emit(self) -> None:
        b = self.b
        if self.is_line:
            self._emit_line()
        else:
            ranged(b, *share(b, self.count, self.env.part), 1, self._emit_piece)
        with alone(b, self.env.part, self.env.wait):
            for k, r in enumerate(self.parted):
                self._put_together(k, r.op)

    def _emit_line(self) -> None:
        """A single axis: pieces of whole blocks, and a last one for what is left at both ends."""
        b = self.b
        step = self._unroll() * (self.lanes or 1)
        first, last = self._without_bounds(step)
        self.blocks = (last - first) // (BLOCK * step)
        self.count = min(PIECES - 1, self.blocks) + 1
        begin, end = share(b, self.count, self.env.part)
        ends = index(self.count - 1)
        within = b.icmp_signed("<", end, ends)
        ranged(b, begin, b.select(within, end, ends), 1, self._emit_piece)
        mine = b.and_(b.icmp_signed("<=", begin, ends), b.icmp_signed(">", end, ends))
        with b.if_then(mine):
            self.ends = True
            self._emit_piece(ends)

    def _emit_piece(self, p: ir.Value) -> None:
        self.piece = p
        self.places = {r.op: self._room(k, p) for k, r in enumerate(self.parted)}
        for r in self.parted:
            if r.in_memory:
                self._fill(r)
        self._level(0, {a: index(a.offset) for a in self.nest.accesses()}, {})
        self.places = {}

    def _room(self, k: int, p: ir.Value) -> ir.Value:
        """Where piece p leaves the result of a reduction."""
        sizes = [_room(r.op) for r in self.parted]
        at = self.b.add(self.b.mul(p, index(sum(sizes))), index(sum(sizes[:k])))
        return self.b.gep(self.scratch, at, I8)

    def _share(self, whole: int, pieces: int) -> tuple[ir.Value, ir.Value]:
        """From where to where along something the piece goes."""
        b, following = self.b, self.b.add(self.piece, index(1))
        first, last = (b.mul(x, index(whole)) for x in (self.piece, following))
        return b.udiv(first, index(pieces)), b.udiv(last, index(pieces))

    def _along(self, k: int, carried: list[ir.Value], body: Turn) -> list[ir.Value]:
        if k:
            return super()._along(k, carried, body)
        return counted(self.b, *self._share(self.dims[0], self.count), 1, carried, body)

    def _line(
        self, step: int, sums: dict[Op, list[ir.Value]], turn: Turn, rest: Turn
    ) -> list[ir.Value]:
        if not self.is_line:
            return super()._line(step, sums, turn, rest)
        b, lanes, carried = self.b, self.lanes or 1, [x for parts in sums.values() for x in parts]
        first, last = self._without_bounds(step)
        size = BLOCK * step
        ops = [op for op, parts in sums.items() for _ in parts]

        def block(j: ir.Value, before: Sequence[ir.Value]) -> list[ir.Value]:
            base = b.add(index(first), b.mul(j, index(size)))
            zero = [identity(op, self.lanes) for op in ops]
            found = counted(b, 0, size, step, zero, lambda i, own: turn(b.add(base, i), own))
            return [combined(b, op, x, y) for op, x, y in zip(ops, before, found, strict=True)]

        if not self.ends:
            self.stretch = first, last
            carried = counted(b, *self._share(self.blocks, self.count - 1), 1, carried, block)
            self.stretch = 0, self.dims[0]
            return carried
        carried = counted(b, 0, first, lanes, carried, rest)
        self.stretch = first, last
        carried = counted(b, first + self.blocks * size, last, step, carried, turn)
        self.stretch = 0, self.dims[0]
        return counted(b, last, self.dims[0], lanes, carried, rest)

    def _put_together(self, k: int, op: Op) -> None:
        """The result of a reduction from those of the pieces."""
        b, lanes, n, whole = self.b, self.lanes, op.size, Access(op, 0, [1])
        assert lanes is not None

        def vector(i: ir.Value) -> None:
            mask = self.below(i, n)

            def left(p: ir.Value) -> ir.Value:
                self.places = {op: self._room(k, p)}
                return self._load(whole, index(0), i, mask)

            def add(p: ir.Value, before: Sequence[ir.Value]) -> list[ir.Value]:
                return [combined(b, op, before[0], left(p))]

            [total] = counted(b, 1, self.count, 1, [left(index(0))], add)
            self.places = {}
            self.put(whole, i, total, mask)

        ranged(b, 0, n, lanes, vector)


__all__ = ["Pieces", "bytes_of", "pays"]
