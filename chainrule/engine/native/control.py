"""Branches and loops: their bodies are compiled, and a loop whose body is native is one call.

The carry stays where it is and is changed in place; the code moves on through the arrays of the
xs and ys by itself. What nobody reads is left out of the body before it is compiled. A body that
NumPy has a part in is called step by step.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.control.branches import Choice, run_branch
from chainrule.control.history import History
from chainrule.control.loops import Loop, run_loop
from chainrule.control.parts import Part, chosen
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.memory import address_of
from chainrule.engine.native.nesting import Body, Nested, constant
from chainrule.engine.native.target import Target
from chainrule.engine.native.threads import PAYS_IN_STEP, POOL, Worth
from chainrule.engine.program import Op, Program
from chainrule.engine.simplifying import simplified
from chainrule.graph import Graph, Node

PIECE = 0.02  # seconds of native code after which Python looks for a Ctrl-C
STEP = 20e-9  # seconds of each step besides its work
_REPEAT = (ctypes.c_void_p, *[ctypes.c_int64] * 2, ctypes.c_void_p, ctypes.c_int64)

Run = Callable[[Sequence[Any]], Sequence[Any]]


def runners(program: Program, target: Target) -> dict[Op, BranchCode | LoopCode]:
    """What runs the branches and loops of a program, each a function of its arguments."""
    wanted: dict[Op, set[int]] = {
        op: set() for op in program.ops if op.name in ("cond", "loop") and op.node is not None
    }
    for op in program.ops:
        if op.name == "pick" and op.args[0] in wanted:
            wanted[op.args[0]].add(op.params["k"])
    return {op: _runner(op, frozenset(ks), target) for op, ks in wanted.items()}


def _runner(op: Op, wanted: frozenset[int], target: Target) -> BranchCode | LoopCode:
    made: Choice | Loop = op.params["choice" if op.name == "cond" else "loop"]
    key = ("native", wanted, target)
    if key not in made.memo:
        if isinstance(made, Choice):
            made.memo[key] = BranchCode(made, wanted, target)
        else:
            made.memo[key] = LoopCode(made, wanted, target)
    run: BranchCode | LoopCode = made.memo[key]
    return run


def _program(graph: Graph) -> Program:
    """The program of a graph with operations for all of its outputs."""
    program = simplified(graph)
    outputs = [y if isinstance(y, Op) else constant(y) for y in program.outputs]
    return Program(program.inputs, outputs)


class BranchCode:
    """The two branches of a choice as native code.

    Args:
        choice: the choice.
        wanted: which of its results somebody reads.
        target: the processor.
    """

    def __init__(self, choice: Choice, wanted: frozenset[int], target: Target) -> None:
        self._kept, self._count = sorted(wanted), len(choice.true.outputs)
        self._pair = [
            Compiled(_program(chosen(graph, range(len(graph.inputs)), self._kept)), target)
            for graph in choice.graphs
        ]

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        return _placed(self._count, self._kept, run_branch(args, *self._pair))

    def kernel(self) -> Nested | None:
        """What it is in the code of an enclosing program; None where that cannot be."""
        if not all(code.is_native for code in self._pair):
            return None
        bodies = tuple(Body(code, code.stretches[0].symbol) for code in self._pair)
        seconds = max(code.estimate for code in self._pair) + STEP
        return Nested(
            bodies, tuple(range(len(bodies[0].frame.inputs) + 1)), tuple(self._kept), 0, 0, None,
            False, seconds, all(map(_is_shared, self._pair)),
        )  # fmt: skip


def _is_shared(code: Compiled) -> bool:
    """Do threads pay in each run of a body?"""
    return code.storage.threads > 1 and code.shared > PAYS_IN_STEP


def _placed(count: int, positions: Sequence[int], values: Iterable[Any]) -> list[Any]:
    rows: list[Any] = [None] * count
    for k, x in zip(positions, values, strict=True):
        rows[k] = x
    return rows


class LoopCode:
    """A loop as native code.

    Args:
        loop: the loop.
        wanted: which of its results somebody reads.
        target: the processor.

    Attributes:
        step: a step of it.
    """

    def __init__(self, loop: Loop, wanted: frozenset[int], target: Target) -> None:
        carry, rows = _alive(loop, wanted)
        kept = [*carry, *range(loop.carries, len(loop.body.inputs))]
        body = chosen(loop.body, kept, [*carry, *rows])
        condition = loop.condition
        if condition is not None:
            condition = chosen(condition, [*carry, *kept[len(carry) :][: loop.consts]], [0])
        self._loop = Loop(body, condition, len(carry), loop.consts, loop.length, loop.backward)
        self._count, self._kept, self._made = len(loop.body.outputs), kept, [*carry, *rows]
        whole = body
        if condition is not None:
            self._test = Compiled(_program(condition), target)
            whole = _with_condition(self._loop, condition)
        first = len(carry) + loop.consts
        ys = range(len(carry), len(body.outputs))
        self.step = step = Compiled(
            _program(whole), target, donated=len(carry),
            moving=[*range(first, len(kept)), *(len(kept) + k for k in ys)],
            until=None if condition is None else len(body.outputs), backward=loop.backward,
        )  # fmt: skip
        self._repeat = step.code.function("repeat", *_REPEAT) if step.repeats else None

    @property
    def is_native(self) -> bool:
        """Is the whole loop one call?"""
        return self._repeat is not None

    def kernel(self) -> Nested | None:
        """What it is in the code of an enclosing program; None where that cannot be.

        A loop that may never end stays with Python, which answers Ctrl-C.
        """
        loop = self._loop
        if not self.is_native or not loop.length:
            return None
        seconds = loop.length * (self.step.estimate + STEP)
        return Nested(
            (Body(self.step, "repeat"),), tuple(self._kept), tuple(self._made), loop.carries,
            loop.consts, loop.length, loop.backward, seconds, _is_shared(self.step),
        )  # fmt: skip

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        given = [args[k] for k in self._kept]
        if self._repeat is None:
            given = [x if isinstance(x, History) else np.array(x)[()] for x in given]
            made: Sequence[Any] = run_loop(self._loop, given, self._one_step, self._goes_on)
        else:
            made = self._natively(given)
        return _placed(self._count, self._made, made)

    def _one_step(self, values: Sequence[Any]) -> Sequence[Any]:
        return self.step(values)[: len(self._loop.body.outputs)]

    def _goes_on(self, values: Sequence[Any]) -> Any:
        return self._test(values)[0]

    def _natively(self, args: Sequence[Any]) -> list[Any]:
        loop, inputs = self._loop, self.step.program.inputs
        arrays = [
            np.array(x, op.dtype, order="C")
            if k < loop.carries
            else np.ascontiguousarray(x.array if isinstance(x, History) else x, op.dtype)
            for k, (x, op) in enumerate(zip(args, inputs, strict=True))
        ]
        carry, consts, xs = loop.split(arrays)
        steps = loop.steps(xs)
        if steps is not None:
            ys = self._times(arrays, steps)
        elif self._goes_on([*carry, *consts]):
            ys = self._while_true(arrays)
        else:
            ys = self._rows(0)
        ends = [x if x.ndim else x[()] for x in carry]
        return [*ends, *(ys if loop.length is not None else map(History, ys))]

    def _times(self, arrays: Sequence[np.ndarray], steps: int) -> list[np.ndarray]:
        """Do a number of steps; the ys."""
        ys = self._rows(steps)
        run = _Run(self.step, self._repeat, arrays)
        first = self._loop.carries + self._loop.consts
        moving = [*enumerate(arrays[first:], first), *zip(self._slots(), ys, strict=True)]
        for slot, x in moving:
            last = x.nbytes - x.nbytes // steps if self._loop.backward and steps else 0
            run.table[slot] = address_of(x) + last
        for piece in self._pieces():
            run(min(piece, steps))
            steps -= piece
            if steps <= 0:
                return ys
        raise AssertionError  # the pieces never end

    def _while_true(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Do steps until the condition does not hold; the ys."""
        run = _Run(self.step, self._repeat, arrays)
        more = np.ones((), np.bool_)
        run.table[self.step.storage.output_slots[-1]] = address_of(more)
        found: list[list[np.ndarray]] = []
        for piece in self._pieces():
            ys = self._rows(piece)
            starts = {slot: address_of(y) for slot, y in zip(self._slots(), ys, strict=True)}
            for slot, start in starts.items():
                run.table[slot] = start
            run(piece)
            moved = [run.table[slot] - start for slot, start in starts.items()]
            sizes = [y.nbytes // piece for y in ys]
            found.append([y[: m // n] for y, m, n in zip(ys, moved, sizes, strict=True)])
            if not more:
                break
        return [np.concatenate(column) for column in zip(*found, strict=True)]

    def _rows(self, count: int) -> list[np.ndarray]:
        """Room for the ys of so many steps."""
        ops = self.step.grouping.outputs[self._loop.carries : len(self._loop.body.outputs)]
        return [np.empty((count, *op.shape), op.dtype) for op in ops]

    def _pieces(self) -> Iterator[int]:
        """How many steps to do in one go, so that Python can answer a Ctrl-C in between."""
        count = max(1, min(16, int(PIECE / max(self.step.estimate, 1e-9))))
        while True:
            began = time.perf_counter()
            yield count
            if time.perf_counter() - began < PIECE / 8:
                count *= 4

    def _slots(self) -> list[int]:
        return self.step.storage.output_slots[self._loop.carries : len(self._loop.body.outputs)]


class _Run:
    """One run of a loop: the table of addresses that its code reads and moves on."""

    def __init__(self, step: Compiled, repeat: Any, arrays: Sequence[np.ndarray]) -> None:
        self._step, self._repeat, self._arrays = step, repeat, arrays
        self.table, self._arena = step.frame.table()
        for k, x in enumerate(arrays):
            self.table[k] = address_of(x)

    def __call__(self, count: int) -> None:
        """Do so many steps, or fewer where the condition ends them."""
        where = ctypes.addressof(self.table)
        worth = Worth.of_steps(self._step.shared, count, self._step.storage.threads)
        POOL.run(self._repeat, where, count, worth)
        self._step.frame.check(self.table)


def _alive(loop: Loop, wanted: frozenset[int]) -> tuple[list[int], list[int]]:
    """The parts of the carry, and the other results, that a wanted result depends on."""
    masks = _masks(loop.body, loop.carries)
    alive = sum(1 << k for k in wanted if k < loop.carries)
    rows = sorted(k for k in wanted if k >= loop.carries)
    for k in rows:
        alive |= masks[k]
    if loop.condition is not None:
        alive |= _masks(loop.condition, loop.carries)[0]
    before = -1
    while alive != before:
        before = alive
        for k in range(loop.carries):
            if alive >> k & 1:
                alive |= masks[k]
    return [k for k in range(loop.carries) if alive >> k & 1], rows


def _masks(graph: Graph, count: int) -> list[int]:
    """For each output the inputs among the first ``count`` that it depends on, as bits."""
    found = [1 << k if k < count else 0 for k in range(len(graph.inputs))]
    for node in graph.nodes[len(graph.inputs) :]:
        bits = 0
        for a in node.args:
            if isinstance(a, Node):
                bits |= found[a.index]
        found.append(bits)
    return [found[y.index] if isinstance(y, Node) else 0 for y in graph.outputs]


def _with_condition(loop: Loop, condition: Graph) -> Graph:
    """The body of a loop with one more output: shall it go on after this step?"""
    with Part() as part:
        inputs = part.inputs(loop.body.inputs)
        made = part.copy(loop.body, inputs)
        consts = inputs[loop.carries : loop.carries + loop.consts]
        return Graph(inputs, [*made, *part.copy(condition, [*made[: loop.carries], *consts])])


__all__ = ["LoopCode", "runners"]
