"""Where the values of a program lie: what is given behind a table, the rest in one arena."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.engine.native import nesting, sweeps, ufuncs
from chainrule.engine.native.assembling import Tape
from chainrule.engine.native.frames import Frame, Given
from chainrule.engine.native.groups import Group, Grouping, beside, space_of
from chainrule.engine.native.layouts import Layout, squeezed
from chainrule.engine.native.memory import Span, place, rounded
from chainrule.engine.native.repertoire import REDUCTIONS
from chainrule.engine.native.threads import most
from chainrule.engine.native.work import Work
from chainrule.engine.program import Op, contiguous


class Storage:
    """The table of addresses that the code is given, and the places in the arena.

    The table has the inputs, the outputs, the constants, and at the end the arena.

    Args:
        grouping: the groups.
        work: what they have to do.
        tapes: the instructions of those that are tapes.
        donated: so many of the first inputs give their memory to the outputs of the same number.

    Attributes:
        slots: where in the table the address of an operation stands.
        output_slots: of each output, or −1 where it is a constant number.
        copies: (output, input) where the output is to be copied to the input at the end.
        constants, constant_slots: arrays that the code reads, and their slots.
        tape_slots: of the instructions of a tape; its constants come next.
        loop_slots: of the loops of NumPy's functions.
        failures: the steps that may fail, each behind the loops and branches that it is in. The
            word behind the arena's is the number of the first that has failed, from 1 on; see
            :mod:`chainrule.engine.native.looking`.
        numbers: of the first of them in a group.
        nested_slots: of the first of the constants of a branch or loop.
        arena_slot, arena_size: of the arena, which is the last in the table; its bytes.
        offsets, registers, sums: places in the arena: of operations, of the registers of tapes and
            the memory of branches and loops, of the sums of sweeps.
        last: the number of the last group that reads a value.
        heirs: of a value in the arena whose memory it was first: a value that is made element by
            element from one that nobody reads any more takes its memory.
        sweeps: pairs of products that go through a matrix together.
        threads: so many threads at most may run the code, as many as there are to be had.
        scratch: of each group that needs it the place of the threads' own memory, and the bytes of
            one thread.
    """

    def __init__(
        self, grouping: Grouping, work: Work, tapes: Mapping[Group, Tape], donated: int
    ) -> None:
        self.grouping = grouping
        self.slots: dict[Op, int] = {}
        self.output_slots: list[int] = []
        self.copies: list[tuple[Op, Op]] = []
        self.constants: list[np.ndarray] = []
        self.constant_slots: list[int] = []
        self.tape_slots: dict[Group, int] = {}
        self.loop_slots: dict[str, int] = {}
        self.nested_slots: dict[Group, int] = {}
        self.heirs: dict[Op, Op] = {}
        self.last: dict[Op, int] = {}
        self.nested = {g: nesting.of(g) for g in grouping.groups if g.kind == "control"}
        self.failures: list[tuple[Op, ...]] = []
        self.numbers: dict[Group, int] = {}
        for group in grouping.groups:
            self.numbers[group] = len(self.failures) + 1
            if group in self.nested:
                self.failures += [(group.ops[0], *path) for path in self.nested[group].failures]
            elif group.kind == "ufunc" and ufuncs.may_fail(group.ops[0]):
                self.failures.append((group.ops[0],))
        count = self._give_slots(donated)
        count = self._give_constants(tapes, count)
        self.arena_slot = count
        self.sweeps = sweeps.found(grouping)
        self.threads = most() if work.shared() > work.alone() else 1
        shared = [kernel.threads for kernel in self.nested.values() if kernel.is_shared]
        self.threads = min([self.threads, *shared])
        self._give_places(tapes, work)
        for group, made in tapes.items():
            at = self.constant_slots.index(self.tape_slots[group])
            self.constants[at] = made.placed(self.where)

    def _give_slots(self, donated: int) -> int:
        """Slots for inputs and outputs; how many there are."""
        program = self.grouping.program
        self.slots.update({op: k for k, op in enumerate(program.inputs)})
        count = len(self.slots)
        for k, y in enumerate(self.grouping.outputs):
            if not isinstance(y, Op):
                self.output_slots.append(-1)
                continue
            if k < donated:
                x = program.inputs[k]
                self.output_slots.append(self.slots[x])
                if y is x:
                    continue
                if self._in_place(x, y):
                    self.slots[y] = self.slots[x]
                else:
                    self.copies.append((y, x))
                continue
            self.slots[y] = count
            self.output_slots.append(count)
            count += 1
        return count

    def _give_constants(self, tapes: Mapping[Group, Tape], count: int) -> int:
        """Slots for constants from a number on, those of tapes too; the number after them."""
        for op in self.grouping.program.ops:
            if op.name == "constant":
                self.slots[op] = count
                self.constant_slots.append(count)
                self.constants.append(op.params["value"])
                count += 1
        for group, made in tapes.items():
            self.tape_slots[group] = count
            self.constant_slots += [count, count + 1]
            self.constants += [made.words, made.pool]
            count += 2
        names = [g.ops[0].params["ufunc"] for g in self.grouping.groups if g.kind == "ufunc"]
        for name in dict.fromkeys(names):
            self.loop_slots[name] = count
            self.constant_slots.append(count)
            self.constants.append(ufuncs.loop(name))
            count += 1
        for group, kernel in self.nested.items():
            self.nested_slots[group] = count
            self.constant_slots += range(count, count + len(kernel.constants))
            self.constants += kernel.constants
            count += len(kernel.constants)
        return count

    def _give_places(self, tapes: Mapping[Group, Tape], work: Work) -> None:
        """Places in the arena, which are used again when nobody reads any more what is there."""
        spans: dict[Any, Span] = {**self._values()}
        for group, made in tapes.items():
            spans[group] = Span(8 * max(made.registers, 1), group.index, group.index)
        for group, kernel in self.nested.items():
            spans[group] = Span(kernel.memory(group.ops[1:])[-1], group.index, group.index)
        for sweep in self.sweeps:
            spans[sweep] = Span(sweep.size, sweep.first.index, sweep.second.index)
        sizes = {
            group: rounded(size) for group in self.grouping.groups if (size := work.scratch(group))
        }
        for group, size in sizes.items():
            times = work.copies(group, self.threads)
            spans[group] = Span(size * times, group.index, group.index)
        offsets, self.arena_size = place(list(spans.values()))
        places = dict(zip(spans, offsets, strict=True))
        self.registers = {group: places[group] for group in (*tapes, *self.nested)}
        self.sums = {sweep: places[sweep] for sweep in self.sweeps}
        self.offsets = {op: places[first] for op, first in self.heirs.items()}
        self.scratch = {group: (places[group], size) for group, size in sizes.items()}

    def _values(self) -> dict[Op, Span]:
        """From when to when the values that are stored on the way are needed."""
        groups, layout = self.grouping.groups, self.grouping.layout
        last = self.last
        for group in groups:
            for op in group.ops:
                for a in op.sources():
                    last[layout(a).root] = group.index
        copied = {y for y, _ in self.copies}
        spans: dict[Op, Span] = {}
        for group in groups:
            for op in group.stored:
                if op not in self.slots and (op.dtype != object or group in self.nested):
                    size = max(op.size, 1) * op.dtype.itemsize
                    end = len(groups) if op in copied else last.get(op, group.index)
                    first = self._predecessor(group, op, spans)
                    self.heirs[op] = first or op
                    if first is None:
                        spans[op] = Span(size, group.index, end)
                    else:
                        spans[first] = replace(spans[first], last=end)
        return spans

    def _predecessor(self, group: Group, y: Op, spans: Mapping[Op, Span]) -> Op | None:
        """The first owner of memory that is free for y where it is written element by element."""
        part = _part(group, y)
        if part.kind not in ("loop", "product") or squeezed(y.shape) != part.space:
            return None
        for op in group.ops:
            for a in op.sources():
                x = self.grouping.layout(a).root
                first = self.heirs.get(x)
                if first is None or spans[first].last != group.index or x.dtype != y.dtype:
                    continue
                if x.size == y.size and y.name not in REDUCTIONS and self._follows(x, y):
                    return first
        return None

    def _in_place(self, x: Op, y: Op) -> bool:
        """May the output y take the memory of the input x, since x is not read after it?"""
        groups, layout = self.grouping.groups, self.grouping.layout
        later = groups[self.grouping.place[y] + 1 :]
        read = (layout(a).root for group in later for op in group.ops for a in op.sources())
        return self._follows(x, y) and x not in read

    def _follows(self, x: Op, y: Op) -> bool:
        """Does the kernel of y read x only where it writes y, and before that?

        Loops read all that they need of some elements first, a product as its steps need it.
        """
        group = self.grouping.groups[self.grouping.place[y]]
        if group in self.nested:
            return nesting.follows(group, self.grouping.layout, x, y)
        own = _part(group, y)
        later = group.parts[group.parts.index(own) + 1 :] if group.parts else ()
        written = False
        for op in group.ops:
            for k, a in enumerate(op.args):
                if isinstance(a, Op) and self.grouping.layout(a).root is x:
                    late = written and group.kind == "product"
                    late = late or any(op in part.members for part in later)
                    if late or not self._same_place(own, op, k, y):
                        return False
            written = written or op is y
        return True

    def _same_place(self, group: Group, op: Op, k: int, y: Op) -> bool:
        """Does a step read, as argument k, the element that has the place of y's in memory?"""
        if op is group.head:  # a product reads many
            return False
        space = space_of(op)
        layout, own = self.grouping.layout(op.args[k]).broadcast(space), self.grouping.layout(y)
        if layout.offset or own.offset or squeezed(space) != squeezed(y.shape):
            return False
        whole = Layout(y, 0, space, contiguous(space))
        return layout.steps == own.steps and beside(group, whole, op, k)

    def frame(self) -> Frame:
        """What a caller of the code has to know."""
        inputs = self.grouping.program.inputs
        outputs = zip(self.grouping.outputs, self.output_slots, strict=True)
        return Frame(
            tuple(Given(k, x.shape, x.dtype) for k, x in enumerate(inputs)),
            tuple(Given(k, y.shape, y.dtype) if k >= 0 else y for y, k in outputs),
            tuple(self.constants), tuple(self.constant_slots),
            self.arena_slot, self.arena_size, self.threads,
            tuple(str(ufuncs.error_of(path)) for path in self.failures),
        )  # fmt: skip

    def where(self, op: Op) -> tuple[int, int]:
        """(slot of the table, bytes from there) of a stored operation."""
        slot = self.slots.get(op)
        return (slot, 0) if slot is not None else (self.arena_slot, self.offsets[op])


def _part(group: Group, op: Op) -> Group:
    """The loop that makes an operation: the group, or one of those that go through its rows."""
    return next((part for part in group.parts if op in part.members), group)


__all__ = ["Storage"]
