"""The record of a loop: a graph that is run again and again on what it has made.

One step takes (carry, consts, x) to (new carry, y). The derivative of a loop is a loop: forward
mode carries the tangents along, reverse mode goes through the steps backward with the cotangent of
the carry as its own carry. For that every loop also leaves behind the carry before each step; an
engine that sees that nobody reads it does not store it.

Source: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), sections 3.1 and 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

Run = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True)
class Loop:
    """What is repeated, and how often.

    Attributes:
        body: (carry, consts, x) → (new carry, y).
        condition: (carry, consts) → go on?; None where the length decides.
        carries, consts: how many values of each kind there are; the others are xs.
        length: the number of steps; None where it is known only when the loop runs.
        backward: from the last x to the first.
    """

    body: Graph
    condition: Graph | None
    carries: int
    consts: int
    length: int | None
    backward: bool

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


def repeat(
    body: Graph,
    carry: Sequence[Any],
    consts: Sequence[Any],
    xs: Sequence[Any],
    *,
    condition: Graph | None = None,
    length: int | None = None,
    backward: bool = False,
) -> tuple[list[Any], list[Any]]:
    """(last carry, ys) of a loop.

    Args:
        body, condition, length, backward: see :class:`Loop`.
        carry, consts, xs: values or nodes; xs with the steps along the first axis, or histories.
    """
    first, second = len(carry), len(carry) + len(consts)
    used = [
        k
        for k in range(first, second)
        if reads(body, k) or (condition is not None and reads(condition, k))
    ]
    moving = [k for k in range(second, second + len(xs)) if reads(body, k)]
    if not moving and length is None and condition is None:
        moving = [second]  # its length is the number of steps
    kept = [*range(first), *used, *moving]
    body = Graph(
        [body.inputs[k] for k in kept], [*body.outputs, *(body.inputs[k] for k in range(first))]
    )
    if condition is not None:
        condition = chosen(condition, [*range(first), *used], [0])
    loop = Loop(body, condition, first, len(used), length, backward)
    args = [*carry, *(consts[k - first] for k in used), *(xs[k - second] for k in moving)]
    made = results(LOOP(*args, loop=loop))
    return made[:first], made[first : len(made) - first]


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


# Derivatives -------------------------------------------------------------------------------------


def _jvp(tangents: Sequence[Any], y: Any, *args: Any, loop: Loop) -> tuple[Any, ...]:
    """Forward mode: a loop that carries the tangents beside the values."""
    n, total = len(args), len(loop.body.outputs)
    active = [t is not None for t in tangents]
    while True:  # until no other part of the carry begins to move
        graph, found = tangent_graph(loop.body, active)
        begins = [k for k in range(loop.carries) if found[k] and not active[k]]
        if not begins:
            break
        for k in begins:
            active[k] = True
    rates = {k: n + j for j, k in enumerate(k for k in range(n) if active[k])}
    parts = loop.split(range(n))
    order = [[*part, *(rates[k] for k in part if active[k])] for part in parts]
    moving = [k for k in parts[0] if active[k]]
    moved = [k for k in range(loop.carries, total) if found[k]]
    wanted_outputs = [
        *range(loop.carries),
        *(total + k for k in moving),
        *(total + k for k in moved),
    ]
    body = chosen(graph, [k for part in order for k in part], wanted_outputs)
    given = [
        *args,
        *(
            zeros(args[k]) if tangents[k] is None else fitted(tangents[k], args[k])
            for k in range(n)
            if active[k]
        ),
    ]
    carry, consts, xs = ([given[k] for k in part] for part in order)
    condition = loop.condition
    if condition is not None:
        places = [(order[0] + order[1]).index(k) for k in (*parts[0], *parts[1])]
        examples = [body.inputs[k] for k in range(len(carry) + len(consts))]
        condition = spread(condition, places, examples)
    last, ys = repeat(
        body, carry, consts, xs, condition=condition, length=loop.length, backward=loop.backward
    )
    made: list[Any] = [None] * total
    for k, t in zip((*moving, *moved), (*last[loop.carries :], *ys), strict=True):
        made[k] = t
    return tuple(made)


def _vjp(g: Sequence[Any], y: Any, *args: Any, loop: Loop) -> tuple[Any, ...]:
    """Reverse mode: from the last step to the first, at the carry that each began with.

    The cotangent of the carry is carried; those of the consts are summed up on the way.
    """
    carries = loop.carries
    values = outputs(loop.body)
    arrives = [c is not None and is_real(v) for c, v in zip(g, values, strict=True)]
    while True:  # until a cotangent arrives at no other part of the carry
        graph, found = adjoint_graph(loop.body, arrives)
        begins = [k for k in range(carries) if found[k] and not arrives[k]]
        if not begins:
            break
        for k in begins:
            arrives[k] = True
    n = len(args)
    asked = [a and b for a, b in zip(found, wanted(args), strict=True)]
    carried = [k for k in range(carries) if arrives[k]]
    summed = [k for k in range(carries, carries + loop.consts) if asked[k]]
    single = [k for k in range(carries + loop.consts, n) if asked[k]]
    rows = [k for k in range(carries, len(values)) if arrives[k]]
    back = _backward_body(loop, graph, carried, summed, single, rows)
    first = [
        zeros(v) if c is None else fitted(c, v) for c, v in ((g[k], values[k]) for k in carried)
    ]
    first += [zeros(args[k]) for k in summed]
    _, consts, xs = loop.split(args)
    before = [y[k] for k in range(len(values) - carries, len(values))]
    last, singles = repeat(
        back, first, consts, [*xs, *before, *(fitted(g[k], y[k]) for k in rows)],
        length=loop.length, backward=not loop.backward,
    )  # fmt: skip
    made: list[Any] = [None] * n
    for k, c in zip((*carried, *summed, *single), (*last, *singles), strict=True):
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
    """One step backward: (c̄, sums of k̄, consts, x, carry before, ȳ) → (c̄, sums of k̄, x̄).

    Args:
        loop, graph: the loop and the adjoint of its body.
        carried, summed, single: the arguments with a cotangent: of the carry, consts and xs.
        rows: the ys with one.
    """
    n = len(graph.inputs) - len(carried) - len(rows)
    carry, consts, xs = loop.split(graph.inputs[:n])
    seeds = graph.inputs[n:]
    with Part() as part:
        given: dict[int, Any] = {}

        def add(nodes: Sequence[Any]) -> None:
            for node in nodes:
                given[node.index] = part.input(node.value, node.name)

        add(seeds[: len(carried)])
        sums = part.inputs([graph.inputs[k] for k in summed])
        add([*consts, *xs, *carry, *seeds[len(carried) :]])
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
    formula="loop(a, …)",
)

__all__ = ["LOOP", "Loop", "repeat", "run_loop", "stacked"]
