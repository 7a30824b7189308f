"""Branches and loops: their bodies are compiled, and are kernels where they are native.

The carry stays where it is and is changed in place; the code moves on through the arrays of the
xs and ys by itself. What nobody reads is left out of the body before it is compiled. A body that
NumPy has a part in is called step by step.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.control.branches import Choice, run_branch
from chainrule.control.history import History
from chainrule.control.loops import Loop, run_loop
from chainrule.control.parts import Part, chosen
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.nesting import Body, Nested, constant
from chainrule.engine.native.target import Target
from chainrule.engine.native.threads import PAYS_IN_STEP
from chainrule.engine.program import Op, Program
from chainrule.engine.simplifying import simplified
from chainrule.graph import Graph, Node

TYPICAL = 10  # steps of a loop of any length


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
        kept = range(len(bodies[0].frame.inputs) + 1)
        seconds = max(code.step_seconds for code in self._pair)
        is_shared = all(map(_is_shared, self._pair))
        return Nested(bodies, tuple(kept), tuple(self._kept), None, seconds, is_shared)


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
        self._loop = Loop(body, condition, len(carry), loop.consts, 0, loop.length, loop.backward)
        self._count, self._kept, self._made = len(loop.body.outputs), kept, [*carry, *rows]
        self._target, whole = target, body
        if condition is not None:
            self._test = Compiled(_program(condition), target)  # before the first step
            whole = _with_condition(self._loop, condition)
        first = len(carry) + loop.consts
        ys = range(len(carry), len(body.outputs))
        self.step = Compiled(
            _program(whole), target, donated=len(carry),
            moving=[*range(first, len(kept)), *(len(kept) + k for k in ys)],
            until=None if condition is None else len(body.outputs), backward=loop.backward,
            steps=math.inf if loop.length is None else loop.length,
        )  # fmt: skip

    def kernel(self) -> Nested | None:
        """What it is in the code of an enclosing program; None where that cannot be."""
        loop, step = self._loop, self.step
        if not step.repeats:
            return None
        bodies = [Body(step, "repeat")]
        if loop.condition is not None:
            bodies.append(Body(self._test, self._test.stretches[0].symbol))
        steps = TYPICAL if loop.length is None else loop.length
        return Nested(
            tuple(bodies), tuple(self._kept), tuple(self._made), loop, steps * step.step_seconds,
            _is_shared(step),
        )  # fmt: skip

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        """The results, one step after the other."""
        given = [args[k] for k in self._kept]
        given = [x if isinstance(x, History) else np.array(x)[()] for x in given]
        made = run_loop(self._loop, given, self._one_step, self._goes_on)
        return _placed(self._count, self._made, made)

    def _goes_on(self, values: Sequence[Any]) -> Any:
        return self._test(values)[0]

    @functools.cached_property
    def _one_step(self) -> Compiled:
        """A step that leaves what it is given as it is."""
        return Compiled(_program(self._loop.body), self._target)


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
