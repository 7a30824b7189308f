"""Branches and loops as kernels of the program around them.

The code of a body is imported by name. The table of addresses that it is called with, the arena
that the table ends with, and results that nobody reads lie in the arena of the program around it;
the arrays that it reads as constants are constants of that program. The carry of a loop lies where
the loop's results are wanted, and is changed there.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.engine.native import ir
from chainrule.engine.native.frames import Frame, Given
from chainrule.engine.native.ir import I8, I64, POINTER, VOID, index
from chainrule.engine.native.machine import Code
from chainrule.engine.native.memory import rounded
from chainrule.engine.native.repeats import call_repeat
from chainrule.engine.native.vectors import copy_bytes
from chainrule.engine.program import Op, Program
from chainrule.records import dataclass

if TYPE_CHECKING:
    from chainrule.engine.native.compiler import Compiled
    from chainrule.engine.native.environment import Environment
    from chainrule.engine.native.groups import Group
    from chainrule.engine.native.layouts import Layout
    from chainrule.engine.native.storage import Storage

Form = tuple[np.dtype[Any], tuple[int, ...]]
LONGEST = 0.05  # seconds of branches and loops without a look for Ctrl-C
_STEP = ir.FunctionType(VOID, [POINTER, I64, I64, POINTER])
_ALONE = index(0), index(1)  # the first thread of one


@dataclass(frozen=True)
class Body:
    """A program that another one calls.

    Attributes:
        program: it.
        symbol: the function of its code that is called.
    """

    program: Compiled
    symbol: str

    @property
    def frame(self) -> Frame:
        return self.program.frame

    @property
    def failures(self) -> list[tuple[Op, ...]]:
        """The steps that may fail, each behind what it is in."""
        return self.program.storage.failures

    @property
    def table(self) -> int:
        """Where the table stands, behind the arena."""
        return rounded(self.frame.arena_size)

    @property
    def size(self) -> int:
        """Bytes of the arena and the table."""
        return self.table + rounded(8 * (self.frame.arena_slot + 2))


@dataclass(frozen=True)
class Nested:
    """A branch or loop as a kernel.

    Attributes:
        bodies: a step of a loop; or what a branch does where its first argument holds, and where
            it does not.
        kept: which arguments of the operation are read.
        made: which results of it the outputs of a body are.
        carries, consts: how many of the arguments a loop carries along, and reads in every step.
        steps: of a loop; None for a branch.
        backward: the loop goes from the last x to the first.
        seconds: about how long it takes in one thread.
        is_shared: do threads share each step?
    """

    bodies: tuple[Body, ...]
    kept: tuple[int, ...]
    made: tuple[int, ...]
    carries: int
    consts: int
    steps: int | None
    backward: bool
    seconds: float
    is_shared: bool

    def __repr__(self) -> str:
        """All that the code around it depends on."""
        codes = [(body.symbol, body.program.code.name) for body in self.bodies]
        return f"<{codes} {self.kept} {self.made} {self.steps} {self.backward}>"

    @property
    def constants(self) -> list[np.ndarray]:
        """Arrays that the bodies read."""
        return [x for body in self.bodies for x in body.frame.constants]

    @property
    def failures(self) -> list[tuple[Op, ...]]:
        """The steps that may fail."""
        return [path for body in self.bodies for path in body.failures]

    @property
    def threads(self) -> int:
        """At most so many threads may share it."""
        return min(body.frame.threads for body in self.bodies) if self.is_shared else 1

    def imports(self, group: Group) -> dict[str, tuple[Code, str]]:
        """The functions that the code around it calls, by its names for them."""
        return {
            _name(group, k): (body.program.code, body.symbol) for k, body in enumerate(self.bodies)
        }

    def memory(self, results: Iterable[Op]) -> tuple[dict[int, int], int]:
        """(where in its memory the results lie that are not among these, bytes of it in all)."""
        read = {op.params["k"] for op in results}
        found, size = {}, max(body.size for body in self.bodies)
        for k, (dtype, shape) in self.gives().items():
            if k not in read:
                found[k] = size
                size += rounded(math.prod(shape) * dtype.itemsize)
        return found, size

    def takes(self) -> list[Form]:
        """The arguments that are read."""
        first = self.carries + self.consts
        inputs = enumerate(self.bodies[0].frame.inputs)
        truth = [(np.dtype(bool), ())] if self.steps is None else []
        return [*truth, *(self._form(x, k >= first) for k, x in inputs)]

    def gives(self) -> dict[int, Form]:
        """The results that are made, by their numbers."""
        rows = enumerate(zip(self.made, self.bodies[0].frame.outputs, strict=True))
        return {k: self._form(y, j >= self.carries) for j, (k, y) in rows}

    def _form(self, x: Given, moves: bool) -> Form:
        steps = () if self.steps is None or not moves else (self.steps,)
        return x.dtype, (*steps, *x.shape)


def nested(program: Program, kernels: Mapping[Op, Nested]) -> Program:
    """A program with branches and loops as kernels, where they are suited and short.

    Args:
        program: its operations are changed.
        kernels: what its branches and loops can be.
    """
    results: dict[Op, list[Op]] = {op: [] for op in kernels}
    for op in program.ops:
        if op.name == "pick" and op.args[0] in results:
            results[op.args[0]].append(op)
    fitting = {op: kernel for op, kernel in kernels.items() if _fits(kernel, op, results[op])}
    if not fitting or sum(kernel.seconds for kernel in fitting.values()) > LONGEST:
        return program
    for op, kernel in fitting.items():
        op.args = tuple(
            op.args[k] if isinstance(op.args[k], Op) else constant(np.asarray(op.args[k], dtype))
            for k, (dtype, _) in zip(kernel.kept, kernel.takes(), strict=True)
        )
        op.params = {"nested": kernel}
    return Program(program.inputs, program.outputs)


def _fits(kernel: Nested, op: Op, results: Iterable[Op]) -> bool:
    """Are its arguments and results of the forms that the bodies' code is made for?"""
    given = [op.args[k] for k in kernel.kept]
    made = kernel.gives()
    return all(
        a.shape == shape and a.dtype == dtype if isinstance(a, Op) else np.shape(a) == shape
        for a, (dtype, shape) in zip(given, kernel.takes(), strict=True)
    ) and all(made[y.params["k"]] == (y.dtype, y.shape) for y in results)


def constant(x: Any) -> Op:
    """An array as an operation."""
    array = np.array(x, order="C")
    return Op("constant", (), {"value": array, "kept": array}, array.shape, array.dtype, None)


def of(group: Group) -> Nested:
    """The branch or loop that a group is."""
    kernel: Nested = group.ops[0].params["nested"]
    return kernel


def follows(group: Group, layout: Callable[[Op], Layout], x: Op, y: Op) -> bool:
    """May a result take the memory of an argument? It may, where it is what x is carried to."""
    kernel, op = of(group), group.ops[0]
    read = [k for k, a in enumerate(op.args) if layout(a).root is x]
    carried = read and read == [kernel.made.index(y.params["k"])] and read[0] < kernel.carries
    return not read or bool(carried)


def words(groups: Iterable[Group]) -> list[str]:
    """How many loops and branches are kernels."""
    names = [group.ops[0].name for group in groups]
    found = []
    for name, one, several in (("loop", "loop", "loops"), ("cond", "branch", "branches")):
        count = names.count(name)
        if count:
            found.append(f"{count} {several if count > 1 else one} within the code")
    return found


def sources(groups: Iterable[Group]) -> Iterator[str]:
    """The code of the bodies of branches and loops, and what the code around them calls them."""
    for group in groups:
        for k, body in enumerate(of(group).bodies):
            yield f"; {_name(group, k)} is {body.symbol} of\n{body.program.source()}"


# In the code ------------------------------------------------------------------------------------


class Writer:
    """Writes a branch or loop into the program around it.

    Args:
        b: where to write it.
        group: the group.
        place: where it finds what it needs.
        storage: where the values of the program around it lie.
    """

    def __init__(self, b: ir.Builder, group: Group, place: Environment, storage: Storage) -> None:
        self.b, self.group, self.place, self.storage = b, group, place, storage
        self.layout, self.memory = storage.grouping.layout, storage.registers[group]
        self.kernel, self.args = of(group), group.ops[0].args
        self.results = {op.params["k"]: op for op in group.ops[1:]}
        self.unread, _ = self.kernel.memory(group.ops[1:])

    def emit(self) -> None:
        if self.kernel.steps is not None:
            self._call(0, self._loop(), self.kernel.steps)
            return
        b = self.b
        holds = b.icmp_unsigned("!=", b.load(self._given(0), I8), ir.Constant(I8, 0))
        true, false, after = (b.append_basic_block(name) for name in ("true", "false", "after"))
        b.cbranch(holds, true, false)
        for k, block in enumerate((true, false)):
            b.position_at_end(block)
            self._call(k, self._branch(k))
            b.branch(after)
        b.position_at_end(after)

    def _branch(self, k: int) -> dict[int, ir.Value]:
        """The addresses in the table of a branch."""
        frame = self.kernel.bodies[k].frame
        found = {x.slot: self._given(j) for j, x in enumerate(frame.inputs, 1)}
        made = zip(self.kernel.made, frame.outputs, strict=True)
        return found | {y.slot: self._result(j) for j, y in made}

    def _loop(self) -> dict[int, Any]:
        """The addresses in the table of a loop; a pair where it is to be copied to the second."""
        kernel, (body,) = self.kernel, self.kernel.bodies
        moving = kernel.carries + kernel.consts
        found: dict[int, Any] = {}
        for k, x in enumerate(body.frame.inputs):
            found[x.slot] = self._given(k)
            if k >= moving:
                found[x.slot] = self._begin(found[x.slot], x)
            elif k < kernel.carries:
                to = self._result(kernel.made[k])
                if to is not found[x.slot]:
                    found[x.slot] = found[x.slot], to
        rows = zip(kernel.made, body.frame.outputs, strict=True)
        for j, y in [*rows][kernel.carries :]:
            found[y.slot] = self._begin(self._result(j), y)
        return found

    def _given(self, k: int) -> ir.Value:
        return self.place.pointer(self.layout(self.args[k]).root)

    def _result(self, k: int) -> ir.Value:
        if k in self.results:
            return self.place.pointer(self.results[k])
        return self.place.arena(self.memory + self.unread[k])

    def _begin(self, start: ir.Value, x: Given) -> ir.Value:
        """Where the first step finds its part of an array."""
        steps = (self.kernel.steps or 1) - 1
        return self._behind(start, steps * _bytes(x) if self.kernel.backward else 0)

    def _behind(self, start: ir.Value, size: int) -> ir.Value:
        return self.b.gep(start, index(size), I8)

    def _call(self, k: int, addresses: Mapping[int, Any], steps: int | None = None) -> None:
        """Write the table of a body, and the call."""
        b, body, part = self.b, self.kernel.bodies[k], self.place.part
        arena = self.place.arena(self.memory)
        table = self.place.arena(self.memory + body.table)
        with self._first():
            for slot, address in addresses.items():
                if isinstance(address, tuple):
                    start, address = address
                    copy_bytes(b, start, address, _bytes(body.frame.inputs[slot]))
                b.store(address, self._entry(table, slot))
            slots = body.frame.constant_slots
            if slots:  # they stand in a row in both tables
                slot = self.storage.nested_slots[self.group]
                slot += sum(len(other.frame.constants) for other in self.kernel.bodies[:k])
                source = self._entry(self.place.table, slot)
                copy_bytes(b, source, self._entry(table, slots[0]), 8 * len(slots))
            b.store(arena, self._entry(table, body.frame.arena_slot))
            if body.failures:
                b.store(index(0), self._entry(table, body.frame.arena_slot + 1))
        threads: tuple[ir.Value, ...] = (*_ALONE, ir.Constant(POINTER, None))
        if part is not None:
            self.place.wait()
            threads = (*part, self.place.sync)
        name = _name(self.group, k)
        if steps is None:
            b.call(b.module.declared(name, _STEP), [table, *threads])
        else:
            call_repeat(b, name, table, steps, threads)
        if body.failures:
            with self._first():
                self._hand_on(k, self._entry(table, body.frame.arena_slot + 1))

    def _hand_on(self, k: int, place: ir.Value) -> None:
        """Leave the number of the step that has failed where the code around it has its own."""
        b, storage = self.b, self.storage
        to = self._entry(self.place.table, storage.arena_slot + 1)
        number, before = b.load(place, I64), b.load(to, I64)
        first = storage.numbers[self.group] - 1
        first += sum(len(other.failures) for other in self.kernel.bodies[:k])
        none = index(0)
        failed = b.icmp_signed("!=", number, none)
        is_first = b.and_(failed, b.icmp_signed("==", before, none))
        b.store(b.select(is_first, b.add(number, index(first)), before), to)

    @contextlib.contextmanager
    def _first(self) -> Iterator[None]:
        """What only the first thread does."""
        part = self.place.part
        if part is None:
            yield
            return
        with self.b.if_then(self.b.icmp_signed("==", part[0], index(0))):
            yield

    def _entry(self, table: ir.Value, slot: int) -> ir.Value:
        return self.b.gep(table, index(slot), POINTER)


def _name(group: Group, k: int) -> str:
    return f"body_{group.index}_{k}"


def _bytes(x: Given) -> int:
    return math.prod(x.shape) * x.dtype.itemsize


__all__ = ["Body", "Nested", "Writer", "constant", "follows", "nested", "of", "sources", "words"]
