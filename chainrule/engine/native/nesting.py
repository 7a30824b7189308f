"""Branches and loops as kernels of the program around them.

The code of a body is imported by name. The table of addresses that it is called with, the arena
that the table ends with, and results that nobody reads lie in the arena of the program around it;
the arrays that it reads as constants are constants of that program. The carry of a loop lies where
the loop's results are wanted, and is changed there. :mod:`chainrule.engine.native.nested_calls`
writes the calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.control.loops import Loop
from chainrule.engine.native.frames import Frame, Given
from chainrule.engine.native.machine import Code
from chainrule.engine.native.memory import rounded
from chainrule.engine.program import Op, Program
from chainrule.records import dataclass

if TYPE_CHECKING:
    from chainrule.engine.native.compiler import Compiled
    from chainrule.engine.native.groups import Group
    from chainrule.engine.native.layouts import Layout

Form = tuple[np.dtype[Any], tuple[int, ...]]
HISTORY: Form = (np.dtype(object), ())  # one value for each step of a loop of any length
CELL = 64  # bytes of a number that the code keeps beside its arenas


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
        bodies: a step of a loop, and its condition if it has one; or what a branch does where its
            first argument holds, and where it does not.
        kept: which arguments of the operation are read.
        made: which results of it the outputs of a body are.
        loop: what is repeated; None for a branch.
        seconds: about how long it takes in one thread.
        is_shared: do threads share each step?
    """

    bodies: tuple[Body, ...]
    kept: tuple[int, ...]
    made: tuple[int, ...]
    loop: Loop | None
    seconds: float
    is_shared: bool

    def __repr__(self) -> str:
        """All that the code around it depends on."""
        codes = [(body.symbol, body.program.code.name) for body in self.bodies]
        loop = self.loop
        how = loop and (loop.carries, loop.consts, loop.length, loop.backward)
        return f"<{codes} {self.kept} {self.made} {how}>"

    @property
    def constants(self) -> list[np.ndarray]:
        """Arrays that the bodies read."""
        return [x for body in self.bodies for x in body.frame.constants]

    @property
    def failures(self) -> list[tuple[Op, ...]]:
        """The steps that may fail."""
        return [path for body in self.bodies for path in body.failures]

    @property
    def looks(self) -> bool:
        """Does it look for Ctrl-C?"""
        return any(body.program.looks for body in self.bodies)

    @property
    def reports(self) -> bool:
        """Does it use the word that says whether a step has failed?"""
        return any(body.program.reports for body in self.bodies)

    @property
    def carries(self) -> int:
        """How many of the arguments a loop carries along."""
        return self.loop.carries if self.loop else 0

    @property
    def threads(self) -> int:
        """At most so many threads may share it."""
        return min(body.frame.threads for body in self.bodies) if self.is_shared else 1

    def imports(self, group: Group) -> dict[str, tuple[Code, str]]:
        """The functions that the code around it calls, by its names for them."""
        return {
            name_of(group, k): (body.program.code, body.symbol)
            for k, body in enumerate(self.bodies)
        }

    def memory(self, results: Iterable[Op]) -> tuple[list[int], dict[int, int], int]:
        """Where in its memory the bodies have theirs, where the results lie that are not among
        these, and how many bytes it is.

        The condition of a loop has its own beside that of a step; only one branch is taken.
        """
        sizes = [body.size for body in self.bodies]
        starts = [0, sizes[0] if self.loop else 0][: len(sizes)]
        size = max(start + one for start, one in zip(starts, sizes, strict=True))
        read = {op.params["k"] for op in results}
        found = {}
        for k, (dtype, shape) in self.gives().items():
            if k not in read:
                found[k] = size
                size += rounded(max(math.prod(shape), 1) * dtype.itemsize)
        return starts, found, size + CELL

    def takes(self) -> list[Form]:
        """The arguments that are read."""
        first = self.carries + (self.loop.consts if self.loop else 0)
        inputs = enumerate(self.bodies[0].frame.inputs)
        truth = [(np.dtype(bool), ())] if self.loop is None else []
        return [*truth, *(self._form(x, k >= first) for k, x in inputs)]

    def gives(self) -> dict[int, Form]:
        """The results that are made, by their numbers."""
        rows = enumerate(zip(self.made, self.bodies[0].frame.outputs, strict=False))
        return {k: self._form(y, j >= self.carries) for j, (k, y) in rows}

    def _form(self, x: Given, moves: bool) -> Form:
        if self.loop is None or not moves:
            return x.dtype, x.shape
        return HISTORY if self.loop.length is None else (x.dtype, (self.loop.length, *x.shape))


def nested(program: Program, kernels: Mapping[Op, Nested]) -> Program:
    """A program with branches and loops as kernels, where they are suited.

    Args:
        program: its operations are changed.
        kernels: what its branches and loops can be.
    """
    results: dict[Op, list[Op]] = {op: [] for op in kernels}
    for op in program.ops:
        if op.name == "pick" and op.args[0] in results:
            results[op.args[0]].append(op)
    fitting = {op: kernel for op, kernel in kernels.items() if _fits(kernel, op, results[op])}
    while apart := _apart(program, fitting):
        for op in apart:
            del fitting[op]
    for op, kernel in fitting.items():
        op.args = tuple(
            op.args[k] if isinstance(op.args[k], Op) else constant(np.asarray(op.args[k], dtype))
            for k, (dtype, _) in zip(kernel.kept, kernel.takes(), strict=True)
        )
        op.params = {"nested": kernel}
    return Program(program.inputs, program.outputs) if fitting else program


def _fits(kernel: Nested, op: Op, results: Iterable[Op]) -> bool:
    """Are its arguments and results of the forms that the bodies' code is made for?"""
    given = [op.args[k] for k in kernel.kept]
    made = kernel.gives()
    return all(
        a.shape == shape and a.dtype == dtype if isinstance(a, Op) else np.shape(a) == shape
        for a, (dtype, shape) in zip(given, kernel.takes(), strict=True)
    ) and all(made[y.params["k"]] == (y.dtype, y.shape) for y in results)


def _apart(program: Program, kernels: Mapping[Op, Nested]) -> set[Op]:
    """Those that share a history with what is no kernel."""
    found = {y.args[0] for y in program.outputs if isinstance(y, Op) and _is_history(y)}
    for op in program.ops:
        for a in filter(_is_history, op.sources()):
            if op not in kernels or a.args[0] not in kernels:
                found |= {op, a.args[0]}
    return found & kernels.keys()


def _is_history(op: Op) -> bool:
    return op.name == "pick" and op.dtype == object


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
            yield f"; {name_of(group, k)} is {body.symbol} of\n{body.program.source()}"


def name_of(group: Group, k: int) -> str:
    return f"body_{group.index}_{k}"


__all__ = [
    "CELL", "HISTORY", "Body", "Nested", "constant", "follows", "name_of", "nested", "of",
    "sources", "words",
]  # fmt: skip
