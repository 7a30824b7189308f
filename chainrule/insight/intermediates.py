"""Values, tangents and adjoints of everything that has a name in a function, from one call."""

from __future__ import annotations

import ast
import difflib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from chainrule import modes
from chainrule.elementary.base import value_of
from chainrule.errors import ArgumentError, code_line
from chainrule.graph import Node, predecessors, user_code
from chainrule.insight.shown import Shown
from chainrule.insight.traced import TracedGraph
from chainrule.insight.tracing import entered
from chainrule.insight.variables import Watch, unique_names
from chainrule.insight.words import digest, name_word, width
from chainrule.records import dataclass
from chainrule.running import Quiet
from chainrule.tracing import Trace, flatten, name_of, paths_of, same_structure

TITLES = ("name", "step", "value", "tangent", "adjoint")


@dataclass(frozen=True)
class Intermediate(Shown):
    """One named value of a function.

    Attributes:
        name: of the variable, the argument or the layer.
        step: how it was made, in terms of the others; "" for an input.
        value: ξ.
        tangent: ξ̇, the derivative of it in the direction in which the inputs move.
        adjoint: ξ̄, the derivative of the result by it; zeros where it does not depend on it.
        line: the user's line that made it; "" for an input.
    """

    name: str
    step: str
    value: Any
    tangent: Any
    adjoint: Any
    line: str = ""

    def __str__(self) -> str:
        lines = [f"{self.name} = {self.step}" if self.step else self.name]
        for title, x in (("value", self.value), ("tangent", self.tangent),
                         ("adjoint", self.adjoint)):  # fmt: skip
            lines.append(f"  {title + ':':9}{'–' if x is None else digest(x)}")
        return "\n".join(lines + ([f"  at:      {self.line}"] if self.line else []))


class UnknownNameError(ArgumentError, KeyError):
    """There is no value of that name."""

    __str__ = Exception.__str__


@dataclass(frozen=True)
class Intermediates(Mapping[str, Intermediate]):
    """What `intermediates` found: a mapping from names. Print it; Jupyter shows a table.

    Attributes:
        title: the call.
        found: the values by their names, in the order in which they were made.
        notes: what a reader should know: what the tangents and adjoints are of.
    """

    title: str
    found: dict[str, Intermediate] = field(repr=False)
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Intermediate:
        if name in self.found:
            return self.found[name]
        near = difflib.get_close_matches(str(name), self.found, 3, cutoff=0.4)
        raise UnknownNameError(
            f"{self.title} has no value of that name",
            got=repr(name),
            line=code_line(*user_code(2)),
            remedy=f"the names are {', '.join(near or self.found)}"
            + (", …" if near and len(near) < len(self.found) else ""),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    @property
    def primals(self) -> dict[str, Any]:
        """The values alone."""
        return {name: x.value for name, x in self.found.items()}

    @property
    def tangents(self) -> dict[str, Any]:
        """The tangents alone."""
        return {name: x.tangent for name, x in self.found.items()}

    @property
    def adjoints(self) -> dict[str, Any]:
        """The adjoints alone."""
        return {name: x.adjoint for name, x in self.found.items()}

    def _cells(self) -> list[list[str]]:
        return [
            [x.name, x.step, *("–" if v is None else digest(v) for v in (
                x.value, x.tangent, x.adjoint))]
            for x in self.found.values()
        ]  # fmt: skip

    def __str__(self) -> str:
        rows = [list(TITLES), *self._cells()]
        columns = [k for k in range(len(TITLES)) if any(r[k] not in ("", "–") for r in rows[1:])]
        widths = {k: max(width(r[k]) for r in rows) for k in columns}
        lines = [
            " " + " │ ".join(r[k] + " " * (widths[k] - width(r[k])) for k in columns)
            for r in rows
        ]  # fmt: skip
        rule = "┼".join("─" * (widths[k] + 2) for k in columns)
        shown = [self.title, "", lines[0], rule, *lines[1:], "", *self.notes]
        return "\n".join(line.rstrip() for line in shown).rstrip()

    def _repr_html_(self) -> str:
        from html import escape

        def line(cells: Sequence[str], tag: str) -> str:
            return f"<tr>{''.join(f'<{tag}>{escape(c)}</{tag}>' for c in cells)}</tr>"

        body = "\n".join(line(row, "td") for row in self._cells())
        notes = "".join(f"<p><small>{escape(n)}</small></p>" for n in self.notes)
        return (
            f"<table><caption>{escape(self.title)}</caption>\n<thead>{line(TITLES, 'th')}</thead>\n"
            f"<tbody>{body}</tbody></table>\n{notes}"
        )


def of_function(
    f: Callable[..., Any], tangents: Any = None, cotangent: Any = None, everything: bool = False
) -> Callable[..., Intermediates]:
    """The function that runs f once, forward and backward, and keeps what has a name."""

    @functools.wraps(f)
    def kept(*args: Any, **kwargs: Any) -> Intermediates:
        with Trace() as run:
            names, arguments, values, named = entered(run, f, args, kwargs)
            with Watch() as watch:
                result = f(*values, **named)
            # Only now: an argument that f assigns to stands for a later node.
            inputs = run.tape.nodes[run.start : run.start + run.inputs]
            outputs, structure = flatten(result)
            known = {id(node) for node in inputs}
            sightings = [s for s in watch.sightings.values()
                         if id(s.node) not in known and s.node.index >= run.start]  # fmt: skip
            wanted = unique_names(sightings, {n.name for n in inputs})
            shown = {id(n) for n in wanted.values()} | known
            for y, path in zip(outputs, paths_of(result, "return"), strict=True):
                if isinstance(y, Node) and id(y) not in shown:
                    wanted[path] = y
            graph = TracedGraph(
                inputs, [*outputs, *wanted.values()], structure, wanted,
                f"{name_of(f)}({', '.join(names)})", arguments, tuple(kwargs),
            )  # fmt: skip
        count = len(outputs)
        directions = _directions(graph, tangents, args, kwargs, names)
        with Quiet():
            return _collected(graph, count, directions, cotangent, result, everything)

    return kept


def _directions(
    graph: TracedGraph, tangents: Any, args: Any, kwargs: Any, names: Sequence[str]
) -> list[Any]:
    """The tangent of each input; ones if none are given."""
    if tangents is None:
        return [np.ones(np.shape(n.value), n.value.dtype)[()] for n in graph.inputs]
    given = tuple(tangents) if isinstance(tangents, (tuple, list)) else (tangents,)
    primals = (*args, *kwargs.values())
    if len(given) != len(primals):
        raise ArgumentError(
            "there is one tangent for each argument",
            got=f"{len(given)} tangents for {len(primals)} arguments",
            line=code_line(*user_code(2)),
            remedy=f"tangents=({', '.join(f'd{n}' for n in names)}), with None for an argument "
            "that stays",
        )
    found: list[Any] = []
    for x, t, argument in zip(primals, given, graph.arguments[0], strict=True):
        if t is None:
            found += [None] * sum(argument.varying)
            continue
        same_structure(x, t, "the tangent")
        moved = zip(flatten(t)[0], argument.varying, strict=True)
        found += [np.asarray(leaf, float)[()] for leaf, varies in moved if varies]
    return found


def _collected(
    graph: TracedGraph, count: int, directions: list[Any], cotangent: Any, result: Any,
    everything: bool,
) -> Intermediates:  # fmt: skip
    """Both sweeps, and the named nodes with what they found."""
    outputs = graph.outputs[:count]
    nodes = [y for y in outputs if isinstance(y, Node) and np.asarray(y.value).dtype.kind == "f"]
    if cotangent is None:
        seeds = [(y.index, np.ones(np.shape(y.value), y.value.dtype)[()]) for y in nodes]
    else:
        same_structure(result, cotangent, "the cotangent")
        seeds = [(y.index, np.asarray(c, y.value.dtype)[()])
                 for y, c in zip(outputs, flatten(cotangent)[0], strict=True)
                 if isinstance(y, Node)]  # fmt: skip
    kept: list[Any] = []
    modes.reverse(graph.nodes, 0, len(graph.inputs), seeds, keep=kept)
    kept += [None] * (len(graph) - len(kept))
    moved = modes.forward(graph.nodes, 0, len(graph.inputs), len(graph), directions)
    labels = {node.index: name for name, node in graph.names.items()}
    for index, name in labels.items():
        graph.words[index] = name_word(name)
    found = {}
    for node in graph.nodes:
        named = node.fn is None or node.index in labels
        if named or everything:
            name = graph.words[node.index].text
            found[name] = Intermediate(
                name,
                _made(graph, node, labels, everything),
                node.value,
                filled(moved[node.index], node.value),
                filled(kept[node.index], node.value),
                "" if node.fn is None else node.line,
            )
    notes = []
    unnamed = len(graph) - len(found)
    if unnamed:
        s = "s" * (unnamed != 1)
        notes.append(f"{unnamed} step{s} without a name: everything=True shows them too")
    return Intermediates(graph.title, found, tuple(notes))


def _made(graph: TracedGraph, node: Node, labels: dict[int, str], everything: bool) -> str:
    """A step as a formula of others that are shown; where one is not, as the user wrote it."""
    if node.fn is None:
        return ""
    formula = graph.formula(node).text
    hidden = [a for _, a in predecessors(node) if a.fn is not None and a.index not in labels]
    if everything or not hidden:
        return formula
    try:
        [statement] = ast.parse(node.line.rpartition(": ")[2]).body
    except (SyntaxError, ValueError):  # a part of a statement that goes over several lines
        return formula
    if isinstance(statement, (ast.Assign, ast.Return)) and statement.value is not None:
        return ast.unparse(statement.value)
    return formula


def filled(x: Any, value: Any) -> Any:
    """A derivative in the shape of what it belongs to; zeros where none arrives."""
    if isinstance(value, tuple):
        return x
    value = np.asarray(value_of(value))
    if value.dtype.kind != "f":
        return None
    found = np.zeros(value.shape, value.dtype) if x is None else np.asarray(x)
    return np.array(np.broadcast_to(found, value.shape))[()]
