"""Calls of the bodies of branches and loops, in the code around them.

A history, one value for each step of a loop of any length, is a record in the arena: the address of
memory of the C library's, and the number of steps. The loop that makes it doubles the memory as it
needs more; the last one that reads it gives it back.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chainrule.engine.native import ir
from chainrule.engine.native.environment import Environment
from chainrule.engine.native.frames import Given
from chainrule.engine.native.groups import Group
from chainrule.engine.native.ir import I8, I64, POINTER, VOID, index
from chainrule.engine.native.looking import LOOK
from chainrule.engine.native.nesting import CELL, HISTORY, name_of, of
from chainrule.engine.native.repeats import call_repeat
from chainrule.engine.native.storage import Storage
from chainrule.engine.native.vectors import copy_bytes

FIRST = 32  # steps that a history has room for at first
_STEP = ir.FunctionType(VOID, [POINTER, I64, I64, POINTER])
_REALLOC = ir.FunctionType(POINTER, [POINTER, I64])
_FREE = ir.FunctionType(VOID, [POINTER])
_NONE, _NULL = index(0), ir.Constant(POINTER, None)
_ALONE = _NONE, index(1), _NULL  # the first thread of one
_ALWAYS = index(2**62)  # more steps than a loop can do


class Writer:
    """Writes a branch or loop into the program around it.

    Args:
        b: where to write it.
        group: the group.
        env: where it finds what it needs.
        storage: where the values of the program around it lie.
    """

    def __init__(self, b: ir.Builder, group: Group, env: Environment, storage: Storage) -> None:
        self.b, self.group, self.env, self.storage = b, group, env, storage
        self.layout, self.memory = storage.grouping.layout, storage.registers[group]
        self.kernel, self.args = of(group), group.ops[0].args
        self.loop: Any = self.kernel.loop
        self.results = {op.params["k"]: op for op in group.ops[1:]}
        self.starts, self.unread, self.size = self.kernel.memory(group.ops[1:])

    def emit(self) -> None:
        if self.loop is None:
            self._branches()
        else:
            self._loop()
            self._give_back()

    # Branches --------------------------------------------------------------------------------

    def _branches(self) -> None:
        b = self.b
        holds = self._truth(self._given(0))
        true, false, after = (b.append_basic_block(name) for name in ("true", "false", "after"))
        b.cbranch(holds, true, false)
        for k, block in enumerate((true, false)):
            b.position_at_end(block)
            frame = self.kernel.bodies[k].frame
            found = {x.slot: self._given(j) for j, x in enumerate(frame.inputs, 1)}
            made = zip(self.kernel.made, frame.outputs, strict=True)
            self._call(k, found | {y.slot: self._result(j) for j, y in made})
            b.branch(after)
        b.position_at_end(after)

    # Loops -----------------------------------------------------------------------------------

    def _loop(self) -> None:
        kernel, b, loop = self.kernel, self.b, self.loop
        frame = kernel.bodies[0].frame
        carry = [self._result(k) for k in kernel.made[: loop.carries]]
        histories = [self._result(k) for k, form in kernel.gives().items() if form == HISTORY]
        with self._first():
            for k, to in enumerate(carry):
                start = self._given(k)
                if to is not start:
                    copy_bytes(b, start, to, _bytes(frame.inputs[k]))
            for record in histories:
                b.store(_NULL, record)
                b.store(_NONE, self._steps_of(record))
        given = [*carry, *(self._given(k) for k in range(loop.carries, loop.carries + loop.consts))]
        if loop.condition is None:
            self._repeat(given, None)
            return
        (last,) = kernel.bodies[1].frame.outputs
        truth = self.env.arena(self.memory + self.size - CELL)
        self._call(1, {**dict(enumerate(given)), last.slot: truth})
        self._wait()
        with b.if_then(self._truth(truth)):
            self._repeat(given, truth)

    def _repeat(self, given: Sequence[ir.Value], truth: ir.Value | None) -> None:
        """Do the steps; the first one is done in any case where a truth value lets it go on."""
        kernel, b, frame = self.kernel, self.b, self.kernel.bodies[0].frame
        inputs, outputs = frame.inputs, frame.outputs
        first, steps = len(given), self._length(truth is not None)
        addresses = dict(enumerate(given))
        for k, x in enumerate(inputs[first:], first):
            start = self._given(k)
            start = b.load(start, POINTER) if kernel.takes()[k] == HISTORY else start
            addresses[x.slot] = self._begin(start, x, steps)
        grown, forms = [], kernel.gives()
        for k, y in [*zip(kernel.made, outputs, strict=False)][self.loop.carries :]:
            if forms[k] == HISTORY:
                grown.append((y, self._result(k)))
            else:
                addresses[y.slot] = self._begin(self._result(k), y, steps)
        if truth is not None:
            addresses[outputs[-1].slot] = truth
        table = self._table(0)
        with self._first():
            self._fill(0, addresses)
        if grown:
            self._grow(table, grown, steps, truth)
        else:
            self._steps(table, steps)
        self._hand_on(0)

    def _length(self, is_open: bool) -> ir.Value:
        """The number of steps, or more than there will be."""
        if is_open:
            return _ALWAYS
        if self.loop.length is not None:
            return index(self.loop.length)
        first = self.kernel.takes().index(HISTORY)
        return self.b.load(self._steps_of(self._given(first)), I64)

    def _begin(self, start: ir.Value, x: Given, steps: ir.Value) -> ir.Value:
        """Where the first step finds its part of an array."""
        if not self.loop.backward:
            return start
        return self._behind(start, self.b.sub(steps, index(1)), x)

    def _behind(self, start: ir.Value, steps: ir.Value, x: Given) -> ir.Value:
        size = self.b.mul(steps, index(_bytes(x)))
        return self.b.gep(start, size, I8)

    def _steps(self, table: ir.Value, count: ir.Value) -> ir.Value:
        self._wait()
        return call_repeat(self.b, name_of(self.group, 0), table, count, self._threads())

    def _grow(
        self,
        table: ir.Value,
        grown: Sequence[tuple[Given, ir.Value]],
        steps: ir.Value,
        truth: ir.Value | None,
    ) -> None:
        """Do steps that leave histories, as long as a truth value lets them go on.

        Args:
            table: of the body.
            grown: what the steps leave, and the records of it.
            steps: how many there are, if there is no truth value.
            truth: where it is.
        """
        b = self.b
        before, again, after = b.block, *map(b.append_basic_block, ("again", "after"))
        b.branch(again)
        b.position_at_end(again)
        room, done = b.phi(I64), b.phi(I64)
        room.add_incoming(steps if truth is None else index(FIRST), before)
        done.add_incoming(_NONE, before)
        word = self._word(table, 0)
        with self._first():
            for y, record in grown:
                self._make_room(y, record, room, word)
                start = self._behind(b.load(record, POINTER), done, y)
                start = start if truth is not None else self._begin(start, y, steps)
                b.store(start, self._entry(table, y.slot))
        self._wait()
        fails = b.icmp_signed(">", b.load(word, I64), _NONE)
        count = b.select(fails, _NONE, b.sub(room, done))
        made = b.add(done, self._steps(table, count))
        self._wait()
        if truth is None:
            b.branch(after)
        else:
            fine = b.icmp_signed("<=", b.load(word, I64), _NONE)
            goes_on = b.and_(fine, self._truth(truth))
            self._wait()
            room.add_incoming(b.add(room, room), b.block)
            done.add_incoming(made, b.block)
            b.cbranch(goes_on, again, after)
        b.position_at_end(after)
        with self._first():
            for _, record in grown:
                b.store(made, self._steps_of(record))

    def _make_room(self, y: Given, record: ir.Value, room: ir.Value, word: ir.Value) -> None:
        b = self.b
        old = b.load(record, POINTER)
        size = b.add(b.mul(room, index(_bytes(y))), index(1))  # more than none
        new = b.call(b.module.declared("realloc", _REALLOC), [old, size])
        b.store(new, record)
        with b.if_then(b.icmp_unsigned("==", new, _NULL), likely=False):
            b.store(old, record)
            b.store(b.call(b.module.declared("no_memory", LOOK), []), word)

    def _give_back(self) -> None:
        """The memory of histories that nobody reads any more."""
        read = [a for a in dict.fromkeys(self.args) if (a.dtype, a.shape) == HISTORY]
        given = [self.env.pointer(a) for a in read if self.storage.last[a] == self.group.index]
        forms = self.kernel.gives()
        given += [self._result(k) for k in self.unread if forms[k] == HISTORY]
        if given:
            self._wait()
            with self._first():
                for record in given:
                    start = self.b.load(record, POINTER)
                    self.b.call(self.b.module.declared("free", _FREE), [start])

    # Bodies ----------------------------------------------------------------------------------

    def _call(self, k: int, addresses: Mapping[int, ir.Value]) -> None:
        """Call a body once."""
        with self._first():
            self._fill(k, addresses)
        self._wait()
        name = name_of(self.group, k)
        self.b.call(self.b.module.declared(name, _STEP), [self._table(k), *self._threads()])
        self._hand_on(k)

    def _table(self, k: int) -> ir.Value:
        return self.env.arena(self.memory + self.starts[k] + self.kernel.bodies[k].table)

    def _fill(self, k: int, addresses: Mapping[int, ir.Value]) -> None:
        """Write the table of a body."""
        b, body, table = self.b, self.kernel.bodies[k], self._table(k)
        for slot, address in addresses.items():
            b.store(address, self._entry(table, slot))
        slots = body.frame.constant_slots
        if slots:  # they stand in a row in both tables
            slot = self.storage.nested_slots[self.group]
            slot += sum(len(other.frame.constants) for other in self.kernel.bodies[:k])
            source = self._entry(self.env.table, slot)
            copy_bytes(b, source, self._entry(table, slots[0]), 8 * len(slots))
        arena = self.env.arena(self.memory + self.starts[k])
        b.store(arena, self._entry(table, body.frame.arena_slot))
        if self.kernel.reports:
            b.store(b.load(self._own_word(), I64), self._word(table, k))

    def _hand_on(self, k: int) -> None:
        """Leave the word of a body, in which steps have other numbers, where the code has its."""
        kernel, b = self.kernel, self.b
        if not kernel.reports:
            return
        with self._first():
            own = self._own_word()
            found, before = b.load(self._word(self._table(k), k), I64), b.load(own, I64)
            first = self.storage.numbers[self.group] - 1
            first += sum(len(other.failures) for other in kernel.bodies[:k])
            count = index(len(kernel.bodies[k].failures))
            new = b.and_(b.icmp_signed(">", found, _NONE), b.icmp_signed("<=", found, count))
            new = b.and_(new, b.icmp_signed("<=", before, _NONE))
            b.store(b.select(new, b.add(found, index(first)), found), own)

    def _own_word(self) -> ir.Value:
        return self._entry(self.env.table, self.storage.arena_slot + 1)

    def _word(self, table: ir.Value, k: int) -> ir.Value:
        return self._entry(table, self.kernel.bodies[k].frame.arena_slot + 1)

    # Small words -----------------------------------------------------------------------------

    def _given(self, k: int) -> ir.Value:
        return self.env.pointer(self.layout(self.args[k]).root)

    def _result(self, k: int) -> ir.Value:
        if k in self.results:
            return self.env.pointer(self.results[k])
        return self.env.arena(self.memory + self.unread[k])

    def _steps_of(self, record: ir.Value) -> ir.Value:
        return self._entry(record, 1)

    def _truth(self, place: ir.Value) -> ir.Value:
        return self.b.icmp_unsigned("!=", self.b.load(place, I8), ir.Constant(I8, 0))

    def _threads(self) -> tuple[ir.Value, ...]:
        part = self.env.part
        return _ALONE if part is None else (*part, self.env.sync)

    def _wait(self) -> None:
        if self.env.part is not None:
            self.env.wait()

    @contextlib.contextmanager
    def _first(self) -> Iterator[None]:
        """What only the first thread does."""
        part = self.env.part
        if part is None:
            yield
            return
        with self.b.if_then(self.b.icmp_signed("==", part[0], _NONE)):
            yield

    def _entry(self, table: ir.Value, slot: int) -> ir.Value:
        return self.b.gep(table, index(slot), POINTER)


def _bytes(x: Given) -> int:
    return math.prod(x.shape) * x.dtype.itemsize


__all__ = ["Writer"]
