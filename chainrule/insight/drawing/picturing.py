"""A graph and its derivatives become a sketch: a box for a node or group, an arrow for a use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.graph import Node, predecessors
from chainrule.insight.building import QUIET, added, by_predecessor, sum_of
from chainrule.insight.drawing.names import assigned_names
from chainrule.insight.drawing.palette import scale
from chainrule.insight.drawing.sketch import Arrow, Item, Kind, Line, Sketch
from chainrule.insight.drawing.sweeps import Sweeps, norm
from chainrule.insight.edges import partial_value
from chainrule.insight.words import Word, digest, number

if TYPE_CHECKING:
    from chainrule.insight.traced import TracedGraph

DIGITS = 6
NAME, TEXT = 13.0, 12.0


@dataclass(frozen=True)
class Group:
    """Nodes that are drawn as one box.

    Attributes:
        lines: its name, and what else it says.
        members: positions of nodes; no way may lead out of the group and back into it.
        kind: "group" or "layer".
        hint: for a pointer that rests on it.
    """

    lines: tuple[Line, ...]
    members: Sequence[int]
    kind: Kind = "group"
    hint: str = ""


def picture(
    graph: TracedGraph, sweeps: Sweeps, groups: Sequence[Group] = (), *, values: bool = True
) -> Sketch:
    """The sketch of a graph.

    Args:
        graph, sweeps: with its values, and its derivatives.
        groups: what is drawn as one box; all other nodes have their own.
        values: whether the values mean anything, and are shown.
    """
    return _Picture(graph, sweeps, groups, values).sketch()


class _Picture:
    def __init__(
        self, graph: TracedGraph, sweeps: Sweeps, groups: Sequence[Group], values: bool
    ) -> None:
        self.graph, self.sweeps, self.groups, self.values = graph, sweeps, groups, values
        self.home: dict[int, Group] = {k: g for g in groups for k in g.members}
        self.labels = assigned_names(graph.nodes)
        self.labels |= {node.index: name for name, node in graph.names.items()}
        self.results = {y.index for y in graph.outputs if isinstance(y, Node)}

    def sketch(self) -> Sketch:
        single = [n for n in self.graph.nodes if n.index not in self.home]
        ends = {id(g): self.ends(g) for g in self.groups}
        sizes = [self.sweeps.size(n.index) for n in single]
        sizes += [self.size_at(ends[id(g)]) for g in self.groups]
        colours = scale(sizes) if self.sweeps.differentiated else None
        items: list[Item] = []
        number_of: dict[Any, int] = {}
        # In the order of the graph, so that the layout begins with it.
        for node in self.graph.nodes:
            group = self.home.get(node.index)
            key = node.index if group is None else id(group)
            if key in number_of:
                continue
            number_of[key] = len(items)
            size = self.sweeps.size(node.index) if group is None else self.size_at(ends[key])
            level = colours.level(size) if colours else ""
            items.append(
                self.node_item(node, level) if group is None
                else self.group_item(group, ends[key], level)
            )  # fmt: skip
        return Sketch(
            self.graph.title,
            tuple(items),
            tuple(self.arrows(number_of)),
            self.caption(),
            tuple(self.sweeps.notes),
            colours,
            self.measure(),
        )

    # Items -----------------------------------------------------------------------------------

    def node_item(self, node: Node, level: str) -> Item:
        word = self.graph.words[node.index]
        if node.fn is None:
            lines = [Line(word.text, NAME, bold=True)]
        else:
            names = [self.labels[node.index]] if node.index in self.labels else []
            text = " = ".join([*names, word.text, self.graph.formula(node).text])
            lines = [Line(text, NAME)]
        if self.values:
            lines.append(Line(brief(node.value), TEXT))
        lines += self.derivatives(node, word)
        return Item(
            tuple(lines),
            "input" if node.fn is None else "step",
            level,
            node.index in self.results,
            self.hint(node),
        )

    def group_item(self, group: Group, ends: Sequence[Node], level: str) -> Item:
        lines = list(group.lines)
        if self.values and len(ends) == 1:
            lines.append(Line(brief(ends[0].value), TEXT))
        if self.sweeps.backward:
            size = self.size_at(ends)
            what = "output" if group.kind == "layer" else self.names_of(ends)
            lines.append(self.sized(derivative(self.sweeps.output.text, what), size))
            weights = [
                self.sweeps.adjoints[k] for k in group.members if self.graph.nodes[k].fn is None
            ]
            if weights:
                name = derivative(self.sweeps.output.text, "weights")
                lines.append(self.sized(name, norm(weights)))
        output = any(k in self.results for k in group.members)
        return Item(tuple(lines), group.kind, level, output, group.hint)

    def sized(self, name: str, size: float | None) -> Line:
        if size is None:
            return Line(f"{name}: none arrives", TEXT)
        return Line(f"‖{name}‖ = {number(size, DIGITS - 2)}", TEXT)

    def names_of(self, ends: Sequence[Node]) -> str:
        words = [self.graph.words[n.index].text for n in ends]
        return words[0] if len(words) == 1 else "(" + ", ".join(words) + ")"

    def derivatives(self, node: Node, word: Word) -> list[Line]:
        """The running derivatives, or that none arrives."""
        s = self.sweeps
        lines = []
        for name, column in s.tangents.items():
            lines.append(self.derivative(derivative(word.text, name), column[node.index]))
        if s.backward:
            name = derivative(s.output.text, word.text)
            lines.append(self.derivative(name, s.adjoints[node.index]))
        return lines

    def derivative(self, name: str, value: Any) -> Line:
        if value is None:
            return Line(f"{name}: none arrives", TEXT)
        if isinstance(value, (list, tuple)) or np.ndim(value):
            return Line(f"‖{name}‖ = {number(norm(value), DIGITS)}", TEXT)
        return Line(f"{name} = {brief(value)}", TEXT)

    def hint(self, node: Node) -> str:
        """All digits, and the user's line."""
        lines = [f"{self.graph.words[node.index].text} = {digest(node.value)}"] * self.values
        where, _, source = node.line.partition(": ")
        if where and os.path.exists(where.rpartition(":")[0]):
            lines.append(f"{os.path.basename(where)}: {source}")
        return "\n".join(lines)

    # Groups ----------------------------------------------------------------------------------

    def ends(self, group: Group) -> list[Node]:
        """The members whose values are used outside, or are results."""
        members = set(group.members)
        read = {
            a.index
            for node in self.graph.nodes
            if node.index not in members
            for _, a in predecessors(node)
            if a.index in members
        }
        return [self.graph.nodes[k] for k in sorted(read | (members & self.results))]

    def size_at(self, ends: Sequence[Node]) -> float | None:
        sizes = [self.sweeps.size(n.index) for n in ends]
        known = [s for s in sizes if s is not None]
        return max(known) if known else None

    # Arrows ----------------------------------------------------------------------------------

    def arrows(self, number_of: dict[Any, int]) -> list[Arrow]:
        found: dict[tuple[int, int], Arrow] = {}
        for node in self.graph.nodes:
            for a, positions in by_predecessor(node).items():
                ends = [self.home.get(k.index) for k in (a, node)]
                if ends[0] is not None and ends[0] is ends[1]:
                    continue
                tail, head = (
                    number_of[k.index if g is None else id(g)]
                    for k, g in zip((a, node), ends, strict=True)
                )
                single = ends == [None, None]
                back = self.runs_back(a, node)
                old = found.get((tail, head))
                found[tail, head] = Arrow(
                    tail,
                    head,
                    self.partial(node, positions) if single else (),
                    back or (old is not None and old.back),
                )
        return list(found.values())

    def runs_back(self, a: Node, node: Node) -> bool:
        adjoints = self.sweeps.adjoints
        return bool(adjoints) and adjoints[a.index] is not None and adjoints[node.index] is not None

    def partial(self, node: Node, positions: Sequence[int]) -> tuple[str, ...]:
        """The rule of a partial derivative, and its value unless that says the same."""
        rules = sum_of([self.graph.rule(node, k) for k in positions]).text
        if not self.values:
            return (rules,)
        with np.errstate(**QUIET):  # type: ignore[arg-type]
            values = [partial_value(node, k) for k in positions]
        if any(isinstance(v, str) for v in values) or ("↦" in rules and np.ndim(values[0])):
            return (rules,)
        shown = brief(added(values))
        return (rules,) if rules == shown else (rules, f"= {shown}")

    # Around it -------------------------------------------------------------------------------

    def caption(self) -> tuple[str, ...]:
        s = self.sweeps
        lines = []
        if s.backward:
            lines.append(
                f"backward: d{s.output.text}/dξ from the result back; each edge multiplies by its "
                "partial derivative, what meets adds up"
            )
        if s.tangents:
            names = ", ".join(s.tangents)
            lines.append(f"forward: dξ/d{names} from the inputs on, along the same edges")
        used = {id(a) for n in self.graph.nodes if n.index not in self.home for a in n.args} & set(
            self.graph.constants
        )
        lines += [
            f"{w.text} = {digest(v)}" for k, (w, v) in self.graph.constants.items() if k in used
        ]
        return tuple(lines)

    def measure(self) -> str:
        s = self.sweeps
        if s.backward:
            return f"size of d{s.output.text}/dξ"
        return "size of dξ/d" + ", ".join(s.tangents)


def derivative(of: str, by: str) -> str:
    """dL/dW; with a space where a long name would swallow the d.

    >>> derivative("L", "W"), derivative("L", "dense.kernel")
    ('dL/dW', 'dL/d dense.kernel')
    """
    return f"{_differential(of)}/{_differential(by)}"


def _differential(name: str) -> str:
    return f"d {name}" if len(name) > 3 and name[0].isascii() and name[0].isalpha() else f"d{name}"


def brief(x: Any) -> str:
    """A value in few signs: a number, a short array, or its shape and mean.

    >>> brief(-0.12345678), brief(np.array([1.0, 2.0])), brief(np.ones((2, 3)))
    ('−0.123457', '[1, 2]', '(2, 3) mean 1')
    """
    return _brief(x).replace("-", "−")


def _brief(x: Any) -> str:
    if isinstance(x, (tuple, list)):
        return "; ".join(map(_brief, x))
    array = np.asarray(x)
    if array.ndim == 0:
        return number(array, DIGITS) if array.dtype.kind in "biuf" else str(x)
    if array.size <= 3 and array.ndim == 1:
        return digest(array, shape=False)
    shape = "(" + ", ".join(map(str, array.shape)) + ")"
    if not array.size:
        return f"{shape} empty"
    if array.dtype.kind not in "biuf":
        return shape
    if array.dtype.kind == "b":
        return f"{shape} {int(array.sum())} true"
    bad = int(array.size - np.isfinite(array).sum())
    return f"{shape} {bad} not finite" if bad else f"{shape} mean {number(array.mean(), 4)}"
