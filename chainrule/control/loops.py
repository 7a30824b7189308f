"""The record of a loop: a graph that is run again and again on what it has made.

One step takes (carry, consts, x) to (new carry, y). The derivative of a loop is a loop: forward
mode carries the tangents along, reverse mode goes through the steps backward with the cotangent of
the carry as its own carry. For that every loop also leaves behind the carry before each step, and
what is dear to make once more: the results of products and of linear algebra. An engine that sees
that nobody reads them does not store them.

Source: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), sections 3.1 and 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from chainrule.control.history import History
from chainrule.control.parts import (
    Part,
    adjoint_graph,
    chosen,
    fitted,
    is_real,
    reads,
    spread,
    tangent_graph,
    zeros,
)
from chainrule.control.records import Control, outputs, results, wanted
from chainrule.graph import Graph
from chainrule.records import dataclass

Run = Callable[[Sequence[Any]], Sequence[Any]]
DEAR = frozenset(
    {
        "matmul", "einsum", "conv", "conv_input", "conv_weight", "convolve", "correlate",
        "solve", "inv", "det", "cofactors", "cholesky", "pinv",
    }
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Loop:
    """What is repeated, and how often.

    Attributes:
        body: (carry, consts, x) → (new carry, y).
        condition: (carry, consts) → go on?; None where the length decides.
        carries, consts: how many values of each kind there are; the others are xs.
        dear: how many of the last outputs are results of products within the step.
        length: the number of steps; None where it is known only when the loop runs.
        backward: from the last x to the first.
        memo: what was made of this loop before: its derivatives, its code.
    """

    body: Graph
    condition: Graph | None
    carries: int
    consts: int
    dear: int
    length: int | None
    backward: bool
    memo: dict[Any, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        steps = "steps" if self.length is None else f"{self.length} step{'s' * (self.length != 1)}"
        return f"<{steps} of {self.body!r}>"

    @property
    def graphs(self) -> tuple[Graph, ...]:
        return (self.body,) if self.condition is None else (self.body, self.condition)

    def split(self, args: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """(carry, consts, xs)"""
        first, second = self.carries, self.carries + self.consts
        return list(args[:first]), list(args[first:second]), list(args[second:])

    def steps(self, xs: Sequence[Any]) -> int | None:
        """The number of steps, if it is known before the loop runs."""
        return self.length if self.length is not None else len(xs[0]) if xs else None


@dataclass(frozen=True)
class Repeat:
    """A loop as a function of values or nodes.

    Attributes:
        loop: the loop.
        kept: which of the arguments it reads.
    """

    loop: Loop
    kept: tuple[int, ...]

    def __call__(self, args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """(last carry, ys) from the first carry, consts, and xs.

        The xs have the steps along the first axis, or are histories.
        """
        made = results(LOOP(*(args[k] for k in self.kept), loop=self.loop))
        carries = self.loop.carries
        return made[:carries], made[carries : len(made) - carries - self.loop.dear]


def repeated(
    body: Graph,
    carries: int,
    consts: int,
    *,
    condition: Graph | None = None,
    length: int | None = None,
    backward: bool = False,
) -> Repeat:
    """A loop that also returns the carry before each step and the results of its products.

    It takes only what it reads.

    Args: as the attributes of :class:`Loop`.
    """
    first, second, end = carries, carries + consts, len(body.inputs)
    used = [
        k
        for k in range(first, second)
        if reads(body, k) or (condition is not None and reads(condition, k))
    ]
    moving = [k for k in range(second, end) if reads(body, k)]
    if second < end and not moving and length is None:
        moving = [second]  # its length is the number of steps
    kept = (*range(first), *used, *moving)
    before = body.inputs[:first]
    dear = [node for node in body.nodes if node.fn is not None and node.fn.name in DEAR]
    body = Graph([body.inputs[k] for k in kept], [*body.outputs, *before, *dear])
    if condition is not None:
        condition = chosen(condition, [*range(first), *used], [0])
    return Repeat(Loop(body, condition, first, len(used), len(dear), length, backward), kept)


# Running -----------------------------------------------------------------------------------------


def run_loop(
    loop: Loop, args: Sequence[Any], step: Run, test: Callable[[Sequence[Any]], Any]
) -> tuple[Any, ...]:
    """The results of a loop, one step after the other.

    Args:
        loop, args: what to run.
        step: the body as a function of values.
        test: the condition.
    """
    carry, consts, xs = loop.split(args)
    arrays = [x.array if isinstance(x, History) else x for x in xs]
    count = loop.steps(arrays)
    rows: list[Sequence[Any]] = []
    k = 0
    while k < count if count is not None else test([*carry, *consts]):
        at = count - 1 - k if loop.backward and count is not None else k
        made = step([*carry, *consts, *(x[at] for x in arrays)])
        carry = list(made[: loop.carries])
        rows.append(made[loop.carries :])
        k += 1
    if loop.backward:
        rows.reverse()
    like = outputs(loop.body)[loop.carries :]
    stacks = [stacked([row[j] for row in rows], like[j]) for j in range(len(like))]
    return (*carry, *(stacks if loop.length is not None else map(History, stacks)))


def stacked(rows: Sequence[Any], like: Any) -> np.ndarray:
    """Values of the same shape and dtype along a new first axis; there may be none."""
    one = np.asarray(like)
    if not rows:
        return np.empty((0, *one.shape), one.dtype)
    return np.stack([np.asarray(row, one.dtype) for row in rows])


def _value(*args: Any, loop: Loop) -> tuple[Any, ...]:
    def test(values: Sequence[Any]) -> Any:
        assert loop.condition is not None
        return loop.condition.run(values)[0]

    return run_loop(loop, args, loop.body.run, test)


def _example(*args: Any, loop: Loop) -> tuple[Any, ...]:
    """What one step makes, as if every step made that."""
    made = outputs(loop.body)
    rows = [np.asarray(y) for y in made[loop.carries :]]
    if loop.length is None:
        ys: list[Any] = [History(np.broadcast_to(y, (1, *y.shape))) for y in rows]
    else:
        ys = [np.broadcast_to(y, (loop.length, *y.shape)) for y in rows]
    return (*made[: loop.carries], *ys)


# Forward mode ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Forward:
    """The loop that carries the tangents along.

    Attributes:
        run: the loop.
        order: its arguments, as positions among the given arguments and then their tangents.
        active: which arguments have a tangent.
        moving, moved: the parts of the carry, and the other results, that have one.
    """

    run: Repeat
    order: tuple[int, ...]
    active: tuple[bool, ...]
    moving: tuple[int, ...]
    moved: tuple[int, ...]


def _forward(loop: Loop, given: tuple[bool, ...]) -> _Forward:
    active = list(given)
    while True:  # until no other part of the carry begins to move
        graph, found = tangent_graph(loop.body, active)
        begins = [k for k in range(loop.carries) if found[k] and not active[k]]
        if not begins:
            break
        for k in begins:
            active[k] = True
    n, total = len(active), len(loop.body.outputs)
    rates = {k: n + j for j, k in enumerate(k for k in range(n) if active[k])}
    parts = loop.split(range(n))
    order = [[*part, *(rates[k] for k in part if active[k])] for part in parts]
    flat = tuple(k for part in order for k in part)
    moving = tuple(k for k in parts[0] if active[k])
    moved = tuple(k for k in range(loop.carries, total) if found[k])
    kept = [*range(loop.carries), *(total + k for k in (*moving, *moved))]
    body = chosen(graph, flat, kept)
    carries, consts = len(order[0]), len(order[1])
    condition = loop.condition
    if condition is not None:
        places = [flat.index(k) for k in (*parts[0], *parts[1])]
        condition = spread(condition, places, body.inputs[: carries + consts])
    run = repeated(
        body, carries, consts, condition=condition, length=loop.length, backward=loop.backward
    )
    return _Forward(run, flat, tuple(active), moving, moved)


def _jvp(tangents: Sequence[Any], y: Any, *args: Any, loop: Loop) -> tuple[Any, ...]:
    """Forward mode: a loop that carries the tangents beside the values."""
    key = ("forward", tuple(t is not None for t in tangents))
    if key not in loop.memo:
        loop.memo[key] = _forward(loop, key[1])
    plan: _Forward = loop.memo[key]
    rates = [
        zeros(a) if t is None else fitted(t, a)
        for a, t, moves in zip(args, tangents, plan.active, strict=True)
        if moves
    ]
    given = [*args, *rates]
    last, ys = plan.run([given[k] for k in plan.order])
    made: list[Any] = [None] * len(loop.body.outputs)
    for k, t in zip((*plan.moving, *plan.moved), (*last[loop.carries :], *ys), strict=True):
        made[k] = t
    return tuple(made)


# Reverse mode ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Backward:
    """The loop from the last step to the first.

    Attributes:
        run: the loop.
        carried, summed, single: the arguments with a cotangent: of the carry, consts and xs.
        rows: the other results with one.
    """

    run: Repeat
    carried: tuple[int, ...]
    summed: tuple[int, ...]
    single: tuple[int, ...]
    rows: tuple[int, ...]


def _backward(loop: Loop, given: tuple[bool, ...], asked: tuple[bool, ...]) -> _Backward:
    arrives = list(given)
    while True:  # until a cotangent arrives at no other part of the carry
        graph, found = adjoint_graph(loop.body, arrives, loop.dear)
        begins = [k for k in range(loop.carries) if found[k] and not arrives[k]]
        if not begins:
            break
        for k in begins:
            arrives[k] = True
    carries, consts, xs = loop.split(range(len(asked)))
    carried = tuple(k for k in carries if arrives[k])
    summed = tuple(k for k in consts if found[k] and asked[k])
    single = tuple(k for k in xs if found[k] and asked[k])
    rows = tuple(k for k in range(loop.carries, len(arrives)) if arrives[k])
    body = _backward_body(loop, graph, carried, summed, single, rows)
    run = repeated(
        body, len(carried) + len(summed), loop.consts, length=loop.length,
        backward=not loop.backward,
    )  # fmt: skip
    return _Backward(run, carried, summed, single, rows)


def _vjp(g: Sequence[Any], y: Any, *args: Any, loop: Loop) -> tuple[Any, ...]:
    """Reverse mode: from the last step to the first, at the carry that each began with.

    The cotangent of the carry is carried; those of the consts are summed up on the way.
    """
    values = outputs(loop.body)
    arrives = tuple(c is not None and is_real(v) for c, v in zip(g, values, strict=True))
    key = ("backward", arrives, tuple(wanted(args)))
    if key not in loop.memo:
        loop.memo[key] = _backward(loop, *key[1:])
    plan: _Backward = loop.memo[key]
    ends = [(g[k], values[k]) for k in plan.carried]
    first = [zeros(v) if c is None else fitted(c, v) for c, v in ends]
    first += [zeros(args[k]) for k in plan.summed]
    _, consts, xs = loop.split(args)
    kept = [y[k] for k in range(len(values) - loop.carries - loop.dear, len(values))]
    rows = [fitted(g[k], y[k]) for k in plan.rows]
    last, singles = plan.run([*first, *consts, *xs, *kept, *rows])
    made: list[Any] = [None] * len(args)
    positions = (*plan.carried, *plan.summed, *plan.single)
    for k, c in zip(positions, (*last, *singles), strict=True):
        made[k] = c
    return tuple(made)


def _backward_body(
    loop: Loop,
    graph: Graph,
    carried: Sequence[int],
    summed: Sequence[int],
    single: Sequence[int],
    rows: Sequence[int],
) -> Graph:
    """One step backward: (c̄, sums of k̄, consts, x, carry, products, ȳ) → (c̄, sums of k̄, x̄).

    Args:
        loop, graph: the loop and the adjoint of its body.
        carried, summed, single: the arguments with a cotangent: of the carry, consts and xs.
        rows: the ys with one.
    """
    n = len(loop.body.inputs)
    carry, consts, xs = loop.split(graph.inputs[:n])
    dear, seeds = graph.inputs[n : n + loop.dear], graph.inputs[n + loop.dear :]
    with Part() as part:
        given: dict[int, Any] = {}

        def add(nodes: Sequence[Any]) -> None:
            for node in nodes:
                given[node.index] = part.input(node.value, node.name)

        add(seeds[: len(carried)])
        sums = part.inputs([graph.inputs[k] for k in summed])
        add([*consts, *xs, *carry, *dear, *seeds[len(carried) :]])
        inputs = part.tape.nodes[part.start :]
        found = part.copy(graph, [given[k] for k in range(len(graph.inputs))])
        totals = [s + found[k] for s, k in zip(sums, summed, strict=True)]
        return Graph(inputs, [*(found[k] for k in carried), *totals, *(found[k] for k in single)])


LOOP = Control(
    "loop",
    _value,
    example=_example,
    jvp=_jvp,
    vjp=_vjp,
    formula="loop(…)",
)

__all__ = ["LOOP", "Loop", "Repeat", "repeated", "run_loop", "stacked"]
