"""The numbers of a drawing: the running derivative at every node, from the sweeps of ``modes``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import modes
from chainrule.errors import ArgumentError
from chainrule.graph import Node
from chainrule.insight.building import (
    MOST_SWEEPS,
    QUIET,
    chosen_inputs,
    columns,
    filled,
    output_name,
    scalar_output,
    single_output,
)
from chainrule.insight.words import Word, name_word

if TYPE_CHECKING:
    from chainrule.insight.traced import TracedGraph

MODES = ("backward", "forward", "both", "values")


@dataclass
class Sweeps:
    """What a drawing knows about the derivatives of its nodes.

    Attributes:
        mode: "backward", "forward", "both" or "values".
        output: the name of the result that is differentiated.
        adjoints: dL/dξ for each node, None where no derivative arrives; empty in forward mode.
        tangents: for each chosen input, dξ/dw for each node, None where none arrives.
        notes: what a reader should know.
    """

    mode: str
    output: Word
    adjoints: list[Any] = field(default_factory=list)
    tangents: dict[str, list[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def backward(self) -> bool:
        return bool(self.adjoints)

    @property
    def differentiated(self) -> bool:
        return bool(self.adjoints or self.tangents)

    def size(self, index: int) -> float | None:
        """How large the derivative at a node is: its Euclidean norm; None where none arrives."""
        if self.adjoints:
            return norm(self.adjoints[index])
        return largest([norm(column[index]) for column in self.tangents.values()])


def sweep(graph: TracedGraph, mode: str | None, wrt: str | Sequence[str] | None) -> Sweeps:
    """Run the sweeps of a mode.

    Args:
        graph: a traced graph.
        mode: one of MODES; None for backward where the graph returns one number, else for values.
        wrt: the inputs to differentiate with respect to in forward mode; all by default.

    Raises:
        ArgumentError: an unknown mode or input.
        NotScalarError, NoDependenceError: backward mode asked for where there is none.
    """
    labels = {node.index: name_word(name) for name, node in graph.names.items()}
    found = Sweeps(mode or "", output_name(graph, labels))
    if mode not in (None, *MODES):
        raise ArgumentError(
            f"a drawing has the modes {', '.join(MODES)}",
            got=repr(mode),
            remedy="mode='backward' shows dL/dξₙ, mode='forward' dξₙ/dw, mode='values' neither",
        )
    chosen = chosen_inputs(graph, wrt)
    with np.errstate(**QUIET):  # type: ignore[arg-type]
        if mode is None:
            found.mode = "backward" if _differentiable(graph) else "values"
            if found.mode == "values":
                found.notes.append(f"Not differentiated: {_why_not(graph)}.")
        elif mode == "values":
            found.notes.append(
                "Not differentiated: mode='backward' shows dL/dξ, mode='forward' dξ/dw."
            )
        if found.mode in ("backward", "both"):
            found.adjoints = _adjoints(graph)
        if found.mode in ("forward", "both"):
            _fill_tangents(graph, chosen, found)
    return found


def _differentiable(graph: TracedGraph) -> bool:
    y = single_output(graph)
    return y is not None and np.ndim(y.value) == 0 and not isinstance(y.value, tuple)


def _why_not(graph: TracedGraph) -> str:
    y = single_output(graph)
    if not any(isinstance(x, Node) for x in graph.outputs):
        return "the result does not depend on the arguments"
    what = (
        f"{len(graph.outputs)} results" if y is None else f"an array of shape {np.shape(y.value)}"
    )
    return f"{graph.title} returns {what}, not one number; mode='forward' shows dξ/dw"


def _adjoints(graph: TracedGraph) -> list[Any]:
    last = scalar_output(graph)
    kept: list[Any] = []
    value = np.asarray(last.value)
    seed = np.ones((), value.dtype if value.dtype.kind == "f" else float)[()]
    modes.reverse(graph.nodes, 0, len(graph.inputs), [(last.index, seed)], keep=kept)
    kept += [None] * (len(graph) - len(kept))
    return [
        None if k is None else filled(k, n.value) for k, n in zip(kept, graph.nodes, strict=True)
    ]


def _fill_tangents(graph: TracedGraph, chosen: Sequence[Node], found: Sweeps) -> None:
    for w in chosen:
        shape = np.shape(w.value)
        size = math.prod(shape)
        if size > MOST_SWEEPS:
            found.notes.append(
                f"d/d{w.name} is left out in forward mode: it takes a sweep for each of its {size} "
                "elements, where backward mode takes one"
            )
            continue
        runs = []
        for seed in np.eye(size, dtype=w.value.dtype):
            tangents: list[Any] = [None] * len(graph.inputs)
            tangents[w.index] = seed.reshape(shape)[()]
            runs.append(modes.forward(graph.nodes, 0, len(graph.inputs), len(graph), tangents))
        found.tangents[w.name] = [
            None
            if all(run[n.index] is None for run in runs)
            else columns([run[n.index] for run in runs], n.value, shape)
            for n in graph.nodes
        ]


def largest(sizes: Sequence[float | None]) -> float | None:
    """The largest size that is known; one that is no number counts as larger than all others.

    >>> largest([1.0, None, 3.0]), largest([1.0, math.nan, 3.0]), largest([None])
    (3.0, nan, None)
    """
    known = [s for s in sizes if s is not None]
    return max(known, key=lambda s: (math.isnan(s), s)) if known else None


def norm(x: Any) -> float | None:
    """The Euclidean norm of a derivative; of all parts where a step has several results.

    >>> norm(np.array([[3.0, 4.0]])), norm(-2.0), norm(None)
    (5.0, 2.0, None)
    """
    if x is None:
        return None
    if isinstance(x, (list, tuple)):
        parts = [norm(part) for part in x]
        known = [p for p in parts if p is not None]
        return math.hypot(*known) if known else None
    array = np.asarray(x, float).ravel()
    largest = float(np.max(np.abs(array), initial=0.0))
    if not 0.0 < largest < math.inf:  # zero, infinite or nan
        return largest
    return largest * float(np.sqrt(np.sum((array / largest) ** 2)))
