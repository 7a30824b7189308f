"""Filling a trace table: the steps with their partials, and the derivative that runs through."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import modes
from chainrule.elementary.base import is_step
from chainrule.errors import ArgumentError, NoDependenceError, NotScalarError
from chainrule.graph import Node, predecessors
from chainrule.insight.edges import handed_back, partial_value, read_back
from chainrule.insight.expression import has_condition
from chainrule.insight.table import Partial, Row, Table
from chainrule.insight.words import Word, name_word

if TYPE_CHECKING:
    from chainrule.insight.traced import TracedGraph

MODES = ("forward", "backward", "both")
NOT_ELEMENTWISE = (
    "g ↦ …: a step that is not elementwise; it hands the derivative g of its result back to its "
    "argument this way"
)
CONDITION = "[condition] is 1 where the condition holds, and 0 elsewhere"
MOST_SWEEPS = 64  # elements of an input up to which forward mode fills its column
QUIET = {"divide": "ignore", "over": "ignore", "invalid": "ignore", "under": "ignore"}


def build(graph: TracedGraph, mode: str, wrt: str | Sequence[str] | None) -> Table:
    """The table of a traced graph; see :meth:`TracedGraph.table`."""
    if mode not in MODES:
        raise ArgumentError(
            "a trace table has the modes forward, backward and both",
            got=repr(mode),
            remedy="mode='backward' shows dL/dξₙ, mode='forward' dξₙ/dw",
        )
    chosen = chosen_inputs(graph, wrt)
    labels = {node.index: name_word(name) for name, node in graph.names.items()}
    output = output_name(graph, labels)
    last = single_output(graph)
    if last is not None:
        labels[last.index] = output
    steps = [_step(graph, node, labels) for node in graph.nodes[len(graph.inputs) :]]
    whole = mode != "forward" or last is not None
    finals = [Row(graph.words[n.index], n.value) for n in chosen if whole]
    table = Table(
        graph.title,
        mode,
        tuple(n.name for n in chosen),
        output,
        [(graph.words[n.index], n.value) for n in graph.inputs],
        list(graph.constants.values()),
        steps,
        finals,
        graph=graph,
    )
    with np.errstate(**QUIET):  # type: ignore[arg-type]
        if mode != "backward":
            _fill_forward(graph, chosen, table)
        if mode != "forward":
            _fill_backward(graph, chosen, table)
    if any("↦" in p.formula.text for row in steps for p in row.partials):
        table.notes.append(NOT_ELEMENTWISE)
    symbols = {s for node in graph.nodes for s in getattr(node.fn, "symbols", ())}
    if any(map(has_condition, symbols)):
        table.notes.append(CONDITION)
    return table


def chosen_inputs(graph: TracedGraph, wrt: str | Sequence[str] | None) -> list[Node]:
    """The inputs that are named; the name of a container stands for its leaves."""
    if wrt is None:
        return list(graph.inputs)
    found: list[Node] = []
    for name in [wrt] if isinstance(wrt, str) else wrt:
        named = [
            n for n in graph.inputs if n.name == name or n.name.startswith((f"{name}[", f"{name}."))
        ]
        if not named:
            known = [n.name for n in graph.inputs]
            near = difflib.get_close_matches(str(name), known, 1)
            raise ArgumentError(
                f"{graph.title} has no input '{name}' to differentiate with respect to",
                got=f"wrt={wrt!r}",
                remedy=(f"did you mean {near[0]!r}? " if near else "")
                + f"its inputs are {', '.join(known)}",
            )
        found += [n for n in named if n not in found]
    return found


def output_name(graph: TracedGraph, labels: dict[int, Word]) -> Word:
    y = graph.outputs[0]
    if len(graph.outputs) == 1 and isinstance(y, Node) and y.index in labels:
        return labels[y.index]
    taken = {n.name for n in graph.inputs} | set(graph.names)
    return name_word(next(name for name in ("L", "f", "out", "result_") if name not in taken))


def _step(graph: TracedGraph, node: Node, labels: dict[int, Word]) -> Row:
    row = Row(
        graph.words[node.index],
        node.value,
        graph.formula(node),
        labels.get(node.index),
        line=node.line,
    )
    with np.errstate(**QUIET):  # type: ignore[arg-type]
        for a, positions in by_predecessor(node).items():
            rules = [graph.rule(node, k) for k in positions]
            values = [partial_value(node, k) for k in positions]
            whole = all(not isinstance(v, str) for v in values)
            row.partials.append(
                Partial(
                    graph.words[a.index],
                    sum_of(rules),
                    added(values) if whole else values[-1],
                )
            )
    return row


def by_predecessor(node: Node) -> dict[Node, list[int]]:
    found: dict[Node, list[int]] = {}
    for k, a in predecessors(node):
        found.setdefault(a, []).append(k)
    return found


def sum_of(words: Sequence[Word]) -> Word:
    """Partials of an argument that stands in several places add up."""
    text, latex = words[0]
    for word in words[1:]:
        text += f" − {word.text[1:]}" if word.text.startswith("−") else f" + {word.text}"
        latex += f" - {word.latex[1:]}" if word.latex.startswith("-") else f" + {word.latex}"
    return Word(text, latex)


def added(values: Sequence[Any]) -> Any:
    total = values[0]
    for v in values[1:]:
        total = total + v
    return total


# Forward mode ----------------------------------------------------------------------------------


def _fill_forward(graph: TracedGraph, chosen: Sequence[Node], table: Table) -> None:
    """dξₙ/dw for each chosen input: one sweep for each of its elements."""
    last = single_output(graph)
    for number, w in enumerate(chosen):
        shape = np.shape(w.value)
        size = math.prod(shape)
        if size > MOST_SWEEPS:
            table.notes.append(
                f"d/d{w.name} is left out in forward mode: it takes a sweep for each of its "
                f"{size} elements, where backward mode takes one"
            )
            continue
        sweeps = []
        for seed in np.eye(size, dtype=w.value.dtype):
            tangents: list[Any] = [None] * len(graph.inputs)
            tangents[w.index] = seed.reshape(shape)[()]
            sweeps.append(modes.forward(graph.nodes, 0, len(graph.inputs), len(graph), tangents))
        for row, node in zip(table.steps, graph.nodes[len(graph.inputs) :], strict=True):
            row.forward[w.name] = columns([s[node.index] for s in sweeps], node.value, shape)
        if last is not None:
            table.finals[number].forward[w.name] = columns(
                [s[last.index] for s in sweeps], last.value, shape
            )


def columns(parts: Sequence[Any], value: Any, inner: tuple[int, ...]) -> Any:
    """The derivatives along each element of an input, as one array ξ.shape + w.shape."""
    if isinstance(value, tuple):
        return tuple(
            columns([None if p is None else p[k] for p in parts], v, inner)
            for k, v in enumerate(value)
        )
    shape = np.shape(value)
    rows = [np.broadcast_to(0.0 if p is None else p, shape) for p in parts]
    if not rows:
        return np.zeros(shape + inner)
    return np.reshape(np.stack(rows, axis=-1), shape + inner)[()]


# Backward mode ---------------------------------------------------------------------------------


def _fill_backward(graph: TracedGraph, chosen: Sequence[Node], table: Table) -> None:
    """dL/dξₙ with what every reader of ξₙ contributes, and which values the rules read."""
    last = scalar_output(graph)
    kept: list[Any] = []
    seed = np.ones((), np.asarray(last.value).dtype if _is_float(last.value) else float)[()]
    modes.reverse(graph.nodes, 0, len(graph.inputs), [(last.index, seed)], keep=kept)
    kept += [None] * (len(graph) - len(kept))
    arriving: list[list[tuple[Word, Any]]] = [[] for _ in graph.nodes]
    stored: set[Node] = set()
    varying = _varying(graph, chosen)
    for node in graph.nodes[len(graph.inputs) :]:
        g = filled(kept[node.index], node.value)
        if kept[node.index] is None or is_step(node.fn):
            continue
        given = handed_back(node, g)
        for a, positions in by_predecessor(node).items():
            parts = [given[k] for k in positions if k in given]
            if parts:
                total = parts[0] if isinstance(parts[0], list) else added(parts)
                arriving[a.index].append((graph.words[node.index], total))
        wanted = {k for k, a in predecessors(node) if varying[a.index]}
        if wanted:
            stored |= read_back(node, g, wanted)
    by_index = dict(
        zip((n.index for n in graph.nodes[len(graph.inputs) :]), table.steps, strict=True)
    )
    by_index |= dict(zip((n.index for n in chosen), table.finals, strict=True))
    for index, row in by_index.items():
        node = graph.nodes[index]
        row.backward = filled(kept[index], node.value)
        row.contributions = arriving[index]
        row.stored = node in stored
    for n in chosen:
        if kept[n.index] is None:
            table.notes.append(
                f"d{table.output.text}/d{n.name} is 0: no step with a derivative leads from "
                f"{n.name} to {table.output.text}"
            )
    table.notes.append(_storage(graph, stored))


def _storage(graph: TracedGraph, stored: set[Node]) -> str:
    if not stored:
        return "the backward pass needs no stored values"
    nodes = sorted(stored, key=lambda n: n.index)
    size = sum(sum(np.asarray(v).nbytes for v in _members(n.value)) for n in nodes)
    names = ", ".join(graph.words[n.index].text for n in nodes)
    values = "1 value" if len(nodes) == 1 else f"{len(nodes)} values"
    return f"stored for the backward pass: {names} ({values}, {size} bytes)"


def _members(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple) else (value,)


def _varying(graph: TracedGraph, chosen: Sequence[Node]) -> list[bool]:
    """Which nodes depend on a chosen input."""
    found = [False] * len(graph)
    for n in chosen:
        found[n.index] = True
    for node in graph.nodes:
        found[node.index] |= any(found[a.index] for _, a in predecessors(node))
    return found


def filled(c: Any, value: Any) -> Any:
    """A cotangent in the shape of its node; zero where nothing arrives."""
    if isinstance(value, tuple):
        parts = c if c is not None else [None] * len(value)
        return [p if p is None else filled(p, v) for p, v in zip(parts, value, strict=True)]
    return np.broadcast_to(0.0 if c is None else c, np.shape(value))[()]


def single_output(graph: TracedGraph) -> Node | None:
    y = graph.outputs[0] if len(graph.outputs) == 1 else None
    return y if isinstance(y, Node) else None


def _is_float(value: Any) -> bool:
    return not isinstance(value, tuple) and np.asarray(value).dtype.kind == "f"


def scalar_output(graph: TracedGraph) -> Node:
    if not any(isinstance(y, Node) for y in graph.outputs):
        raise NoDependenceError(
            f"the result of {graph.title} does not depend on its arguments",
            got=", ".join(repr(y) for y in graph.outputs) or "no result",
            remedy="compute the result from the arguments with NumPy operations",
        )
    y = single_output(graph)
    if y is None or np.ndim(y.value):
        raise NotScalarError(
            "a backward table starts from one number",
            got=f"an array of shape {np.shape(y.value)}"
            if y is not None
            else f"{len(graph.outputs)} results",
            line=y.line if y is not None else "",
            remedy="sum or average the result, return one number, or use mode='forward'",
        )
    return y
