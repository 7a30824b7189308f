"""Loops over the same rows become one kernel that goes through the rows once.

A softmax finds the largest number of a row, then the sum of exponentials, then divides: three
loops, each of which needs of a row only what those before it made of the same row. As one kernel,
a row is read from memory once, its numbers stay in registers, and what is made of its elements on
the way is in a small buffer. That is less code and less memory; but where all of it is in the
processor's cache, loops of their own wait less for each other's sums.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from chainrule.engine.native.groups import Group, Grouping, read_by, space_of
from chainrule.engine.native.layouts import Shape, squeezed
from chainrule.engine.native.orders import number
from chainrule.engine.native.repertoire import DRAWS, REDUCTIONS, SIMPLE
from chainrule.engine.program import Op

SHORT = 16  # elements of a row, up to which each lane of a vector has a row
SHORTEST = 4  # up to which that pays even for simple steps
FEWEST = 16  # rows, as many as there are lanes at most
LONGEST = 2048  # elements of a row, of which there are buffers on the stack
LARGE = 2**20  # bytes of all rows together that the processor's cache does not hold
MOST = 120  # steps of a kernel
MANY = 1500  # groups of a program, above which looking for rows would take too long
OTHER = DRAWS | {"pad", "within", "random_key"}  # steps that need to know the place they are at


def gather_rows(grouping: Grouping) -> None:
    """Put loops together that go through the same rows, where no other kernel is in between."""
    groups = grouping.groups
    if len(groups) > MANY or all(_rows(group) is None for group in groups):
        return
    _Gathering(grouping).run()


@dataclass(eq=False)
class _Unit:
    """Groups that become one kernel.

    Attributes:
        groups: in the order in which they run.
        rows: the axes of the rows, if a reduction says which they are.
    """

    groups: list[Group]
    rows: Shape | None
    before: set[_Unit] = field(default_factory=set)


class _Gathering:
    def __init__(self, grouping: Grouping) -> None:
        self.grouping, self.layout = grouping, grouping.layout
        self.units = {g: _Unit([g], _rows(g)) for g in grouping.groups}
        for unit in self.units.values():
            unit.before.update(self._sources(unit.groups[0]))

    def run(self) -> None:
        for group in self.grouping.groups:
            if _is_even(group):
                for other in self._sources(group):
                    self._join(other, self.units[group])
        for unit in dict.fromkeys(self.units.values()):
            if len(unit.groups) > 1 and not self._pays(unit):
                self._part(unit)
        if len({*self.units.values()}) < len(self.grouping.groups):
            self._rewrite()

    def _roots(self, group: Group) -> Iterator[tuple[Op, int, Op]]:
        """(step, which argument, whose memory) of all that a group reads."""
        for op in group.ops:
            for k, a in enumerate(op.args):
                if isinstance(a, Op):
                    yield op, k, self.layout(a).root

    def _sources(self, group: Group) -> list[_Unit]:
        """What has to run before a group."""
        places = {self.grouping.place.get(root, -1) for _, _, root in self._roots(group)}
        found = [self.units[self.grouping.groups[p]] for p in sorted(places) if p >= 0]
        own = self.units[group]
        return [unit for unit in dict.fromkeys(found) if unit is not own]

    def _join(self, first: _Unit, second: _Unit) -> None:
        if first is second or not self._fit(first, second):
            return
        if self._leads(first, second) or self._leads(second, first):
            return
        groups = sorted([*first.groups, *second.groups], key=lambda group: group.index)
        joined = _Unit(groups, first.rows or second.rows)
        joined.before = (first.before | second.before) - {first, second}
        for group in groups:
            self.units[group] = joined
        for unit in {*self.units.values()}:
            if unit.before & {first, second}:
                unit.before -= {first, second}
                unit.before.add(joined)

    def _leads(self, first: _Unit, last: _Unit) -> bool:
        """Does a way lead from one unit to another through a third?"""
        seen, waiting = {last, first}, [unit for unit in last.before if unit is not first]
        while waiting:
            unit = waiting.pop()
            if first in unit.before:
                return True
            new = unit.before - seen
            seen |= new
            waiting += new
        return False

    def _fit(self, first: _Unit, second: _Unit) -> bool:
        """Do they go through the same rows, and read of each other nothing but the same row?"""
        rows = first.rows or second.rows
        groups = [*first.groups, *second.groups]
        if rows is None or (first.rows or rows) != (second.rows or rows):
            return False
        if sum(len(group.ops) for group in groups) > MOST:
            return False
        if not all(_is_even(group) and _goes_through(group, rows) for group in groups):
            return False
        made = {op for group in groups for op in group.ops}
        return all(
            self._beside(op, k, rows)
            for group in groups
            for op, k, root in self._roots(group)
            if root in made
        )

    def _beside(self, op: Op, k: int, rows: Shape) -> bool:
        """Does a step read of what the kernel makes the row, or the element, that it is at?"""
        if op.name == "take" and k == 0:
            return False
        view = read_by(op, k, self.layout(op.args[k]))
        own = self.layout(view.root)
        steps, mine = view.steps, own.steps
        if view.offset != own.offset or len(mine) < len(rows):
            return False
        whole = squeezed(own.shape) == squeezed(space_of(op)) and steps == mine
        of_row = squeezed(own.shape) == rows and steps[: len(rows)] == mine
        return whole or (of_row and not any(steps[len(rows) :]))

    def _pays(self, unit: _Unit) -> bool:
        """Is one kernel quicker than a loop after the other?"""
        assert unit.rows is not None
        ops = [op for group in unit.groups if group.space != unit.rows for op in group.ops]
        spaces = [squeezed(space_of(op)) for op in ops]
        longest, count = max(space[-1] for space in spaces), math.prod(unit.rows)
        if longest > SHORT:
            size = max(op.dtype.itemsize for op in ops if op.dtype.kind != "b")
            return count * longest * size >= LARGE
        # Elements of rows in lanes are gathered from memory and scattered to it.
        simple = all(op.name in SIMPLE | REDUCTIONS for op in ops)
        return count >= FEWEST and (
            longest <= SHORTEST or not simple or not self._moves(unit, longest * count)
        )

    def _moves(self, unit: _Unit, size: int) -> bool:
        """Does it read or write all elements in memory?"""
        made = {op for group in unit.groups for op in group.ops}
        read = any(
            root not in made and root.size >= size and op.args[k].size >= size
            for group in unit.groups for op, k, root in self._roots(group)
        )  # fmt: skip
        away = (
            root for group in self.grouping.groups if group not in unit.groups
            for _, _, root in self._roots(group)
        )  # fmt: skip
        wanted = {*away, *(y for y in self.grouping.outputs if isinstance(y, Op))}
        return read or any(op.size >= size for op in made & wanted)

    def _part(self, unit: _Unit) -> None:
        """Let the groups of a unit be kernels of their own again."""
        for group in unit.groups:
            self.units[group] = _Unit([group], None)
        for other in {*self.units.values()}:
            other.before = set()
            for group in other.groups:
                other.before |= {x for x in self._sources(group) if x is not other}

    def _rewrite(self) -> None:
        """Put the kernels in an order in which they can run, as near as can be to the old one."""
        units = list(dict.fromkeys(self.units.values()))
        after: dict[_Unit, list[_Unit]] = {unit: [] for unit in units}
        for unit in units:
            for other in unit.before:
                after[other].append(unit)
        missing = {unit: len(unit.before) for unit in units}
        ready = [(unit.groups[-1].index, unit) for unit in units if not unit.before]
        heapq.heapify(ready)
        ordered = []
        while ready:
            _, unit = heapq.heappop(ready)
            ordered.append(_kernel(unit))
            for other in after[unit]:
                missing[other] -= 1
                if not missing[other]:
                    heapq.heappush(ready, (other.groups[-1].index, other))
        self.grouping.groups = ordered
        number(self.grouping)


def _kernel(unit: _Unit) -> Group:
    if len(unit.groups) == 1:
        return unit.groups[0]
    assert unit.rows is not None
    ops = [op for group in unit.groups for op in group.ops]
    return Group("rows", unit.rows, ops, parts=unit.groups)


def _rows(group: Group) -> Shape | None:
    """The axes of a loop but the last one, if all that it reduces is this one."""
    if group.kind != "loop" or len(group.space) < 2 or not _is_even(group):
        return None
    return group.space[:-1] if any(op.name in REDUCTIONS for op in group.ops) else None


def _is_even(group: Group) -> bool:
    """Is it a loop that does the same with each row, wherever it is?"""
    return group.kind == "loop" and bool(group.space) and all(
        op.name not in OTHER and (op.name not in REDUCTIONS or _reduces_last(op))
        for op in group.ops
    )  # fmt: skip


def _reduces_last(op: Op) -> bool:
    shape = space_of(op)
    long = [axis for axis, n in enumerate(shape) if n != 1]
    return [axis for axis in long if axis in op.params["axis"]] == long[-1:]


def _goes_through(group: Group, rows: Shape) -> bool:
    """Is a loop one over these rows, or their elements?"""
    space = group.space
    reduces = any(op.name in REDUCTIONS for op in group.ops)
    if space == rows:
        return not reduces
    return space[:-1] == rows and space[-1] <= LONGEST


__all__ = ["gather_rows"]
