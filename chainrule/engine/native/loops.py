"""Loops over vectors: the code of a group of pointwise operations and reductions.

The innermost axis is done in vectors, with a mask for what is left at its end. A reduction is done
in registers over the innermost axis, over short axes (each vector goes through all their elements),
and where all of its result fits; else in memory, row by row.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence

from chainrule.engine.native import ir, randoms
from chainrule.engine.native.accesses import Access, Reduction
from chainrule.engine.native.environment import Environment
from chainrule.engine.native.gathers import taken
from chainrule.engine.native.groups import Group
from chainrule.engine.native.ir import I32, index
from chainrule.engine.native.nests import Nest
from chainrule.engine.native.operations import combined, compute, identity, number
from chainrule.engine.native.reaching import Reach
from chainrule.engine.native.repertoire import REDUCTIONS, is_gather
from chainrule.engine.native.threads import share
from chainrule.engine.native.totals import folded, in_blocks
from chainrule.engine.native.vectors import (
    counted,
    ranged,
    splat,
)
from chainrule.engine.program import Op

# (place, what is carried) → what is carried on
Turn = Callable[[ir.Value, Sequence[ir.Value]], list[ir.Value]]
BRIEF = 2**13  # elements, below which a loop is over too soon to be unrolled
PARTED = 64  # operations in all parts of the innermost axis where not all padded arrays are there
WORK = 10  # operations in a loop's body, below which it is unrolled


class Loops(Reach):
    """The code of one loop group.

    Args:
        b: where to write it.
        group: the group.
        env: what it needs; where it has a part, that is one of the first axis, or the only one.
    """

    def __init__(self, b: ir.Builder, group: Group, env: Environment) -> None:
        nest = Nest(group, env.layout, env.target, env.part is not None)
        super().__init__(b, nest.dims, nest.lanes, env.pointer)
        self.group, self.layout, self.part, self.wait = group, env.layout, env.part, env.wait
        self.nest = nest
        self.taps, self.masks, self.draws = nest.taps, nest.masks, nest.draws
        self.reads, self.writes, self.reductions = nest.reads, nest.writes, nest.reductions

    # The loops -------------------------------------------------------------------------------

    def emit(self) -> None:
        offsets: dict[Access, ir.Value] = {a: index(a.offset) for a in self.nest.accesses()}
        if not self.dims:
            self._body(offsets, index(0), None, {}, {})
            return
        filled = [r for r in self.reductions.values() if r.in_memory]
        if filled and self.part is not None:
            first = self.b.icmp_signed("==", self.part[0], index(0))
            with self.b.if_then(first):
                for r in filled:
                    self._fill(r)
            self.wait()
        else:
            for r in filled:
                self._fill(r)
        self._level(0, offsets, {})

    def _fill(self, r: Reduction) -> None:
        """Set the result to what the reduction starts with."""
        b, lanes, n = self.b, self.lanes, r.op.size
        assert lanes is not None
        value = identity(r.op, lanes)

        ranged(b, 0, n, lanes, lambda i: self.put(r.out, i, value, self.below(i, n)))

    def _level(
        self, k: int, offsets: dict[Access, ir.Value], sums: dict[Op, list[ir.Value]]
    ) -> dict[Op, list[ir.Value]]:
        """The loop over axis k and all inside of it."""
        mine = [r for r in self.reductions.values() if r.inner and r.suffix == k]
        for r in mine:
            start = identity(r.op, self.lanes)
            sums = {**sums, r.op: [start] * self._unroll()}
        held = [r for r in self.reductions.values() if r.held and k == 0]
        for r in held:
            start = identity(r.op, self.lanes)
            sums = {**sums, r.op: [start] * -(-self.dims[-1] // (self.lanes or 1))}
        if k == len(self.dims) - 1:
            sums = self._innermost(offsets, sums)
        else:
            sums = self._outer(k, offsets, sums)
        for r in mine:
            self._finish(r, offsets, sums.pop(r.op))
        for r in held:
            for v, x in enumerate(sums.pop(r.op)):
                self._store_result(r, offsets, index(v * (self.lanes or 1)), x)
        return sums

    def _store_result(
        self, r: Reduction, offsets: dict[Access, ir.Value], i: ir.Value, x: ir.Value
    ) -> None:
        """A vector of a result, from position i of the innermost axis on."""
        self.put(r.out, self.b.add(offsets[r.out], i), x, self.below(i, self.dims[-1]))

    def _outer(
        self, k: int, offsets: dict[Access, ir.Value], sums: dict[Op, list[ir.Value]]
    ) -> dict[Op, list[ir.Value]]:
        b = self.b

        def body(i: ir.Value, carried: Sequence[ir.Value]) -> list[ir.Value]:
            moved = {
                a: b.add(o, b.mul(i, index(a.strides[k]))) if a.strides[k] else o
                for a, o in offsets.items()
            }
            before = dict(self.inside)
            for a in moved:
                if a.bounds and a.bounds[k] != (0, self.dims[k]):
                    inside = self._between(i, *a.bounds[k])
                    old = before.get(a)
                    self.inside[a] = b.and_(old, inside) if old else inside
            found = _listed(self._level(k + 1, moved, _grouped(sums, carried)))
            self.inside = before
            return found

        return _grouped(sums, self._along(k, _listed(sums), body))

    def _along(self, k: int, carried: list[ir.Value], body: Turn) -> list[ir.Value]:
        """The turns of the loop over axis k."""
        b = self.b
        if k == 0 and self.part is not None:  # nothing is carried along an axis that is split
            first, last = share(b, self.dims[0], self.part)
            ranged(b, first, last, 1, lambda i: body(i, []))
            return carried
        return counted(b, 0, self.dims[k], 1, carried, body)

    def _between(self, i: ir.Value, low: int, high: int) -> ir.Value:
        """low ≤ i < high for an axis that is not the innermost."""
        b = self.b
        return b.icmp_unsigned("<", b.sub(i, index(low)), index(high - low))

    def _unroll(self) -> int:
        """How many vectors a turn of the innermost loop does."""
        n, lanes = self.dims[-1], self.lanes or 1
        brief = math.prod(self.dims) < BRIEF
        if brief or len(self.group.ops) > WORK or n < 4 * lanes or self.taps or self._holds():
            return 1
        return 4 if any(r.inner for r in self.reductions.values()) else 2

    def _holds(self) -> bool:
        return any(r.held for r in self.reductions.values())

    def _innermost(
        self, offsets: dict[Access, ir.Value], sums: dict[Op, list[ir.Value]]
    ) -> dict[Op, list[ir.Value]]:
        b, lanes, n, times = self.b, self.lanes, self.dims[-1], self._unroll()
        assert lanes is not None
        still = {
            a: splat(b, self.one(a, o), lanes)
            for a, o in offsets.items()
            if a.strides[-1] == 0
            and a.bounds is None
            and not any(a.taps)
            and a in self.reads.values()
        }
        if self._holds():
            return self._positions(offsets, sums, still)

        def turn(i: ir.Value, carried: Sequence[ir.Value]) -> list[ir.Value]:
            found = _grouped(sums, carried)
            for u in range(times):
                part = {op: v[u : u + 1] for op, v in found.items()}
                at = b.add(i, index(u * lanes)) if u else i
                part = self._vector(offsets, at, None, still, part)
                for op in found:
                    found[op][u] = part[op][0]
            return _listed(found)

        def rest(i: ir.Value, carried: Sequence[ir.Value]) -> list[ir.Value]:
            found = _grouped(sums, carried)
            mask = self.below(i, n)
            part = self._vector(offsets, i, mask, still, {op: v[:1] for op, v in found.items()})
            for op in found:
                found[op][0] = part[op][0]
            return _listed(found)

        return _grouped(sums, self._line(lanes * times, sums, turn, rest))

    def _line(
        self, step: int, sums: dict[Op, list[ir.Value]], turn: Turn, rest: Turn
    ) -> list[ir.Value]:
        """The turns of the innermost loop; the rest is what needs masks."""
        carried = _listed(sums)
        for first, last, whole in self._stretches(step):
            self.stretch = first, last
            if len(self.dims) == 1 and self.part is not None:
                self._shared(first, last, step if whole else 0, turn, rest)
            elif whole:
                ops = [op for op, parts in sums.items() for _ in parts]
                stretch = first, last, step
                carried = in_blocks(self.b, ops, self.lanes or 1, stretch, carried, turn)
            else:
                carried = counted(self.b, first, last, self.lanes or 1, carried, rest)
        self.stretch = 0, self.dims[-1]
        return carried

    def _shared(self, first: int, last: int, step: int, turn: Turn, rest: Turn) -> None:
        """A stretch of a single axis among threads: the first one does what needs masks."""
        b, part = self.b, self.part
        assert part is not None
        if not step:
            with b.if_then(b.icmp_signed("==", part[0], index(0))):
                counted(b, first, last, self.lanes or 1, [], rest)
            return
        low, high = (
            b.add(index(first), b.mul(x, index(step)))
            for x in share(b, (last - first) // step, part)
        )
        ranged(b, low, high, step, lambda i: turn(i, []))

    def _positions(
        self,
        offsets: dict[Access, ir.Value],
        sums: dict[Op, list[ir.Value]],
        still: dict[Access, ir.Value],
    ) -> dict[Op, list[ir.Value]]:
        """A short innermost axis, each vector of it with a place of its own in the sums."""
        n, lanes = self.dims[-1], self.lanes
        assert lanes is not None
        held = {op for op, r in self.reductions.items() if r.held}
        found = {op: list(v) for op, v in sums.items()}
        for v in range(-(-n // lanes)):
            i = index(v * lanes)
            mask = self.below(i, n)
            given = {op: [x[v if op in held else 0]] for op, x in found.items()}
            for op, x in self._vector(offsets, i, mask, still, given).items():
                found[op][v if op in held else 0] = x[0]
        return found

    def _vector(
        self,
        offsets: dict[Access, ir.Value],
        i: ir.Value,
        mask: ir.Value | None,
        still: dict[Access, ir.Value],
        sums: dict[Op, list[ir.Value]],
    ) -> dict[Op, list[ir.Value]]:
        """The elements from position i of the innermost axis on, at all taps."""
        if not self.taps:
            return self._body(offsets, i, mask, still, sums)
        b, tapped = self.b, [r for r in self.reductions.values() if r.tapped]
        for r in tapped:
            start = identity(r.op, self.lanes)
            sums = {**sums, r.op: [start]}
        for tap in self.taps:
            moved = {}
            for a, o in offsets.items():
                step = sum(t * s for t, s in zip(tap, a.taps, strict=True))
                moved[a] = b.add(o, index(step)) if step else o
            sums = self._body(moved, i, mask, still, sums)
        for r in tapped:
            self.put(r.out, b.add(offsets[r.out], i), sums.pop(r.op)[0], mask)
        return sums

    def _stretches(self, step: int) -> list[tuple[int, int, bool]]:
        """The innermost axis in parts: (first, last, are these whole turns without masks?).

        Each padded array is wholly there or wholly absent in such a part, if the code for several
        of them is not too much.
        """
        n, lanes = self.dims[-1], self.lanes or 1
        bounds = [a.bounds[-1] for a in self.nest.accesses() if a.bounds]
        cuts = sorted({0, n}.union(*bounds))
        much = (len(cuts) - 1) * len(self.group.ops) > PARTED
        if bounds and much:  # only that in which all are there
            cuts = sorted({0, max(low for low, _ in bounds), min(high for _, high in bounds), n})
        found, done = [], 0
        for low, high in itertools.pairwise(cuts):
            first = -(-low // lanes) * lanes
            last = first + max(high - first, 0) // step * step
            mixed = any(a < high and low < b and not a <= low < high <= b for a, b in bounds)
            if mixed or last <= first:
                continue
            found += [(done, first, False)] if done < first else []
            found.append((first, last, True))
            done = last
        return [*found, (done, n, False)] if done < n else found

    def _without_bounds(self, step: int) -> tuple[int, int]:
        """From where to where most whole turns of the innermost loop need no masks."""
        whole = [(first, last) for first, last, whole in self._stretches(step) if whole]
        return max(whole, key=lambda part: part[1] - part[0], default=(0, 0))

    def _finish(self, r: Reduction, offsets: dict[Access, ir.Value], parts: list[ir.Value]) -> None:
        """Combine the registers of a reduction into one number and store it."""
        b, total = self.b, folded(self.b, r.op, parts)
        if r.in_memory:
            total = combined(b, r.op, self.one(r.out, offsets[r.out]), total)
        address = self.address(r.out, offsets[r.out])
        b.store(total, address)

    # One vector of every operation --------------------------------------------------------------

    def _body(
        self,
        offsets: dict[Access, ir.Value],
        i: ir.Value,
        mask: ir.Value | None,
        still: dict[Access, ir.Value],
        sums: dict[Op, list[ir.Value]],
    ) -> dict[Op, list[ir.Value]]:
        """Load, compute and store the elements from position i of the innermost axis on."""
        b = self.b
        loaded: dict[Access, ir.Value] = dict(still)
        for a in dict.fromkeys(self.reads.values()):
            if a not in loaded:
                loaded[a] = self._load(a, offsets[a], i, mask)
        values: dict[Op, ir.Value] = {}

        def argument(op: Op, k: int) -> tuple[ir.Value, str]:
            x = op.args[k]
            access = self.reads.get((op, k))
            if access is not None:
                return loaded[access], access.dtype
            root = self.layout(x).root
            return values[root], root.kind

        sums = dict(sums)
        for op in self.group.ops:
            if op.name in REDUCTIONS:
                x, _ = argument(op, 0)
                self._accumulate(self.reductions[op], offsets, i, mask, x, sums)
                continue
            if is_gather(op):
                values[op] = self._taken(op, argument(op, 1)[0])
            elif op in self.masks:
                values[op] = self._masked(op, argument(op, 0)[0], i)
            elif op in self.draws:
                values[op] = self._drawn(op, argument(op, 0)[0], offsets, i)
            else:
                values[op] = compute(b, op, functools.partial(argument, op), self.lanes)
            if op in self.writes:
                w = self.writes[op]
                self.put(w, b.add(offsets[w], i) if self.dims else offsets[w], values[op], mask)
        return sums

    def _drawn(
        self, op: Op, key: ir.Value, offsets: dict[Access, ir.Value], i: ir.Value
    ) -> ir.Value:
        """The random numbers from position i of the innermost axis on."""
        b, places = self.b, self.draws[op]
        if not self.dims:
            return randoms.emit(b, op, key, offsets[places], 0, None)
        step = places.strides[-1]
        at = b.add(offsets[places], b.mul(i, index(step)))
        key = b.extract_element(key, ir.Constant(I32, 0))
        return randoms.emit(b, op, key, at, step, self.lanes)

    def _taken(self, op: Op, at: ir.Value) -> ir.Value:
        """Elements of a flat array at the positions in a register."""
        layout, lanes = self.layout(op.args[0]), self.lanes
        return taken(self.b, layout, self.pointer(layout.root), at, lanes)

    def _masked(self, op: Op, x: ir.Value, i: ir.Value) -> ir.Value:
        """What is within the bounds, and a number elsewhere."""
        outside = number(op.params["outside"], op.kind, self.lanes)
        if self._is_inside(self.masks[op]) is False:
            return outside
        inside = self._within(self.masks[op], i, None)
        return x if inside is None else self.b.select(inside, x, outside)

    def _accumulate(
        self,
        r: Reduction,
        offsets: dict[Access, ir.Value],
        i: ir.Value,
        mask: ir.Value | None,
        x: ir.Value,
        sums: dict[Op, list[ir.Value]],
    ) -> None:
        b, combine = self.b, functools.partial(combined, self.b, r.op)
        if r.tapped or r.held:
            sums[r.op] = [combine(sums[r.op][0], x)]
        elif not any(r.reduced):  # over axes of length one
            self.put(r.out, b.add(offsets[r.out], i), x, mask)
        elif r.inner:
            if mask is not None:
                x = b.select(mask, x, identity(r.op, self.lanes))
            sums[r.op] = [combine(sums[r.op][0], x)]
        else:
            at = b.add(offsets[r.out], i)
            old = self._load(r.out, offsets[r.out], i, mask)
            self.put(r.out, at, combine(old, x), mask)


def _listed(sums: dict[Op, list[ir.Value]]) -> list[ir.Value]:
    return [v for parts in sums.values() for v in parts]


def _grouped(
    like: dict[Op, list[ir.Value]], values: Sequence[ir.Value]
) -> dict[Op, list[ir.Value]]:
    rest = iter(values)
    return {op: [next(rest) for _ in parts] for op, parts in like.items()}


__all__ = ["Loops", "Turn"]
