"""A part of a computation as a graph of its own: the body of a loop, a branch, their derivatives.

While a function is compiled, a loop is one node, and what it repeats is a graph. Such a graph is
traced on the tape that is open already, so that its body may read values from around it; these
become inputs of the graph too. Then the stretch of the tape is taken off again.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np

from chainrule import modes
from chainrule.control.history import History
from chainrule.elementary.base import shape_of, value_of
from chainrule.elementary.shaping import astype, broadcast_to
from chainrule.errors import ArgumentError
from chainrule.graph import Graph, Node, Tape, predecessors
from chainrule.running import Quiet
from chainrule.tracing import Trace


class Part:
    """A stretch of the tape that becomes a graph; used as a context manager.

    Within it the tape is static: nothing may be decided by a traced value. Inputs come first.
    """

    def __enter__(self) -> Part:
        self._trace = Trace()
        self.tape = self._trace.__enter__().tape
        self.start = self._trace.start
        self._static, self.tape.static = self.tape.static, True
        self.tape.free.append(range(self.start, self.start))
        self._quiet = Quiet()
        self._quiet.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._quiet.__exit__()
        self.tape.static = self._static
        self.tape.free.pop()
        gone = Tape(Node)
        gone.closed = True
        for node in self.tape.nodes[self.start :]:
            node.tape = gone  # using it from now on is an error
        del self.tape.nodes[self.start :]
        self._trace.__exit__(kind, error, traceback)

    def input(self, value: Any, name: str = "input") -> Node:
        """One more input of the graph, with an example of its value."""
        if isinstance(value, np.ndarray):
            self.tape.hold(value)
        node = self.tape.input(value, name)
        self.tape.free[-1] = range(self.start, len(self.tape.nodes))
        return node

    def inputs(self, examples: Sequence[Any]) -> list[Node]:
        """Inputs like those of a graph, or like values."""
        return [
            self.input(x.value, x.name) if isinstance(x, Node) else self.input(x) for x in examples
        ]

    def copy(self, graph: Graph, inputs: Sequence[Any]) -> list[Any]:
        """The outputs of a graph whose steps are put on the tape once more."""
        made: list[Any] = list(inputs)
        for node in graph.nodes[len(graph.inputs) :]:
            args = tuple(made[a.index] if isinstance(a, Node) else a for a in node.args)
            if any(isinstance(a, Node) for a in args):
                made.append(
                    self.tape.append(node.fn, args, node.params, node.value, node.code, node.lasti)
                )
            else:
                made.append(node.fn(*args, **node.params))
        return [made[y.index] if isinstance(y, Node) else y for y in graph.outputs]

    def tangents(self, inputs: int, outputs: Sequence[Any], moved: Sequence[Any]) -> list[Any]:
        """The tangents of outputs from those of the first ``inputs`` inputs; None for zero."""
        rows = modes.forward(
            self.tape.nodes, self.start, inputs, len(self.tape.nodes), moved, lift=True
        )
        return [rows[y.index - self.start] if is_floating(y) else None for y in outputs]

    def cotangents(self, inputs: int, outputs: Sequence[Any], seeds: Sequence[Any]) -> list[Any]:
        """The cotangents of the first ``inputs`` inputs from those of outputs; None for zero."""
        pairs = [
            (y.index, g)
            for y, g in zip(outputs, seeds, strict=True)
            if g is not None and is_floating(y)
        ]
        return modes.reverse(self.tape.nodes, self.start, inputs, pairs, lift=True)

    def graph(self, inputs: int, outputs: Sequence[Any]) -> tuple[Graph, list[Node]]:
        """The graph of the first inputs and these outputs, and what it reads from around it.

        What it reads becomes further inputs.

        Raises:
            ArgumentError: it reads what is no array, within a pullback that was made outside.
        """
        around = self._around(outputs)
        for node in around:
            if isinstance(node.value, tuple):
                raise ArgumentError(
                    "a loop or a branch of a compiled function calls a pullback that was made "
                    f"outside of it, through '{node.name}'",
                    got=f"{len(node.value)} results of one step",
                    line=node.line,
                    remedy="call cr.vjp or cr.grad within the loop or the branch",
                )
        # Assignment may have let the object of an input stand for another node since.
        own = self.tape.nodes[self.start : self.start + inputs]
        return Graph([*own, *around], outputs), around

    def _around(self, outputs: Sequence[Any]) -> list[Node]:
        found: dict[Node, None] = {}
        seen: set[Node] = set()
        waiting = [y for y in outputs if isinstance(y, Node)]
        while waiting:
            node = waiting.pop()
            if node.index < self.start:
                found[node] = None
            elif node not in seen:
                seen.add(node)
                waiting += [a for _, a in predecessors(node)]
        return sorted(found, key=lambda node: node.index)


def is_floating(x: Any) -> bool:
    """May a derivative arrive at a node?"""
    if not isinstance(x, Node):
        return False
    return is_real(x.value)


def is_real(value: Any) -> bool:
    """Is a value made of floating-point numbers?"""
    if isinstance(value, History):
        return value.array.dtype.kind == "f"
    return np.asarray(value).dtype.kind == "f"


def fitted(x: Any, like: Any) -> Any:
    """A derivative in the shape and dtype of the value that it belongs to."""
    value = value_of(like)
    if isinstance(value, History):
        return x
    if shape_of(x) != np.shape(value):
        x = broadcast_to(x, shape=np.shape(value))
    dtype = np.asarray(value).dtype
    if not isinstance(x, Node):
        return np.asarray(x, dtype)[()]
    return x if x.value.dtype == dtype else astype(x, dtype=dtype)


def zeros(like: Any) -> Any:
    """A derivative that is zero, for a value."""
    value = np.asarray(value_of(like))
    return np.zeros(value.shape, value.dtype)[()]


def chosen(graph: Graph, inputs: Sequence[int], outputs: Sequence[int]) -> Graph:
    """The same graph with its inputs in another order, and some of its outputs."""
    return Graph([graph.inputs[k] for k in inputs], [graph.outputs[k] for k in outputs])


def spread(graph: Graph, places: Sequence[int], examples: Sequence[Any]) -> Graph:
    """The same graph with inputs like the examples; its own are those at the places."""
    with Part() as part:
        given = part.inputs(examples)
        return Graph(given, part.copy(graph, [given[k] for k in places]))


def together(
    parts: Sequence[tuple[Graph, list[Node]]], leaves: Sequence[Any]
) -> tuple[list[Any], list[Graph]]:
    """Graphs of the same leaves with what all of them read from around as further inputs.

    Returns:
        What is read, and the graphs.
    """
    around = list(dict.fromkeys(node for _, read in parts for node in read))
    place = {node: len(leaves) + k for k, node in enumerate(around)}
    examples = [value_of(a) for a in (*leaves, *around)]
    own = range(len(leaves))
    return around, [
        spread(graph, [*own, *(place[node] for node in read)], examples) for graph, read in parts
    ]


def reads(graph: Graph, k: int) -> bool:
    """Does an output of the graph depend on its k-th input?"""
    node = graph.inputs[k]
    return any(a is node for other in graph.nodes for a in other.args) or any(
        y is node for y in graph.outputs
    )


def tangent_graph(graph: Graph, active: Sequence[bool]) -> tuple[Graph, list[bool]]:
    """Forward mode: (x, ẋ of the active inputs) → (y, ẏ), and which ẏ are not zero by form."""
    with Part() as part:
        x = part.inputs(graph.inputs)
        moved = [
            part.input(node.value) if moves else None
            for node, moves in zip(graph.inputs, active, strict=True)
        ]
        y = part.copy(graph, x)
        rows = part.tangents(len(x), y, moved)
        found = [t is not None for t in rows]
        rows = [zeros(v) if t is None else fitted(t, v) for t, v in zip(rows, y, strict=True)]
        return Graph([*x, *(t for t in moved if t is not None)], [*y, *rows]), found


def adjoint_graph(
    graph: Graph, arrives: Sequence[bool], known: int = 0
) -> tuple[Graph, list[bool]]:
    """Reverse mode: (x, known y, ȳ where it arrives) → x̄, and which x̄ are not zero by form.

    Args:
        graph: from x to y.
        arrives: is there a cotangent of this y?
        known: so many of the last y are given, and not computed once more.
    """
    with Part() as part:
        x = part.inputs(graph.inputs)
        seeds = [
            part.input(value_of(y)) if there else None
            for y, there in zip(graph.outputs, arrives, strict=True)
        ]
        y = part.copy(graph, x)
        rows = part.cotangents(len(x), y, seeds)
        rows = [c if is_floating(v) else None for c, v in zip(rows, x, strict=True)]
        found = [c is not None for c in rows]
        rows = [zeros(v) if c is None else fitted(c, v) for c, v in zip(rows, x, strict=True)]
        given = y[len(y) - known :]
        return Graph([*x, *given, *(g for g in seeds if g is not None)], rows), found


__all__ = [
    "Part",
    "adjoint_graph",
    "chosen",
    "fitted",
    "is_floating",
    "is_real",
    "reads",
    "spread",
    "tangent_graph",
    "together",
    "zeros",
]
