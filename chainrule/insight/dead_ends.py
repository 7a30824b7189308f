"""Dead ends: inputs that an output does not depend on, and derivatives that become 0 on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.elementary.base import General, Linear, Pointwise, is_step
from chainrule.elementary.linalg import pick
from chainrule.graph import Graph, Node, predecessors
from chainrule.insight.edges import handed_back


class DeadEnd(NamedTuple):
    """An input whose derivative is 0.

    Attributes:
        input: the node of the input.
        output: which of the outputs, or None for all of them.
        node: the step where the way ends, if there is one.
        words: why.
    """

    input: Node
    output: int | None
    node: Node | None
    words: str


def dead_ends_of(graph: Graph, cotangents: Sequence[Any]) -> list[DeadEnd]:
    """The inputs on which an output does not depend, or whose derivative is 0 throughout.

    Args:
        graph: of the function.
        cotangents: of each node, from the sum of all outputs.
    """
    reach = _reach(graph)
    found: list[DeadEnd] = []
    for k, node in enumerate(graph.inputs):
        without = [
            i
            for i, y in enumerate(graph.outputs)
            if not (isinstance(y, Node) and reach[y.index] >> k & 1)
        ]
        if without:
            stop = _where_it_stops(graph, node)
            every = len(without) == len(graph.outputs)
            reason = _reason(stop, every)
            found += [DeadEnd(node, i, stop, reason) for i in ([None] if every else without)]
        elif not np.any(cotangents[node.index]):
            stop = _where_it_vanishes(graph, node, cotangents)
            found.append(DeadEnd(node, None, stop, "its derivative is exactly 0 at this point"))
    return found


def passes(node: Node, position: int) -> bool:
    """Does a derivative pass from a step to that argument?"""
    fn = node.fn
    if fn is pick or isinstance(fn, General):
        return True
    if is_step(fn):
        return False
    if isinstance(fn, Pointwise):
        return fn.partials[position] is not None
    return not isinstance(fn, Linear) or fn.differentiable(position)


def _reach(graph: Graph) -> list[int]:
    """For each node the inputs that it depends on through derivatives, as bits."""
    found = [1 << k for k in range(len(graph.inputs))]
    for node in graph.nodes[len(graph.inputs) :]:
        bits = 0
        for k, a in predecessors(node):
            if found[a.index] and passes(node, k):
                bits |= found[a.index]
        found.append(bits)
    return found


def _descendants(graph: Graph, source: Node) -> set[Node]:
    behind = {source}
    for node in graph.nodes:
        if any(a in behind for _, a in predecessors(node)):
            behind.add(node)
    return behind


def _where_it_stops(graph: Graph, source: Node) -> Node | None:
    """The first step on the way from an input that has no derivative with respect to it."""
    behind = {source}
    for node in graph.nodes:
        for k, a in predecessors(node):
            if a in behind:
                if not passes(node, k):
                    return node
                behind.add(node)
    return None


def _reason(stop: Node | None, every: bool) -> str:
    if stop is None and not every:
        return "no step leads from it to there"
    if stop is None:
        return "it is not used (.value, float() and global arrays cut the graph)"
    if stop.name == "stop_gradient":
        return "stop_gradient ends the way"
    return f"it is used through {stop.name} alone, which is constant between its jumps"


def _where_it_vanishes(graph: Graph, source: Node, cotangents: Sequence[Any]) -> Node | None:
    """The last step that has a derivative other than 0 and hands back none."""
    behind = _descendants(graph, source)
    for node in graph.nodes:  # the one nearest to the input comes first
        g = cotangents[node.index]
        if node not in behind or node is source or g is None or not _any(g):
            continue
        if is_step(node.fn):
            continue
        given = handed_back(node, g)
        if all(not _any(given.get(k, 0.0)) for k, a in predecessors(node) if a in behind):
            return node
    return None


def _any(x: Any) -> bool:
    parts = x if isinstance(x, (list, tuple)) else [x]
    return any(p is not None and bool(np.any(p)) for p in parts)
