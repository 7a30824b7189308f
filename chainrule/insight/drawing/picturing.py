"""A graph and its derivatives become a sketch: a box for a node or group, an arrow for a use."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.elementary.base import Pointwise
from chainrule.graph import Node, predecessors
from chainrule.insight.building import (
    CONDITION,
    NOT_ELEMENTWISE,
    QUIET,
    added,
    by_predecessor,
    sum_of,
)
from chainrule.insight.drawing.names import assigned_names
from chainrule.insight.drawing.palette import scale
from chainrule.insight.drawing.sketch import Arrow, Item, Kind, Line, Sketch, Stage, derivative
from chainrule.insight.drawing.sweeps import Sweeps, largest, norm
from chainrule.insight.edges import partial_value
from chainrule.insight.words import digest, number
from chainrule.records import dataclass

if TYPE_CHECKING:
    from chainrule.insight.traced import TracedGraph

DIGITS = 6
NAME, TEXT = 13.0, 12.0
MOST_READERS = 3  # groups that an input has arrows to; more of them name it instead


@dataclass(frozen=True)
class Group:
    """Nodes that are drawn as one box.

    Attributes:
        lines: its name, and what else it says.
        members: positions of nodes; no way may lead out of the group and back into it.
        kind: "group" or "layer".
        hint: for a pointer that rests on it.
        word: what it is called in formulas; by default the names of what it hands on.
    """

    lines: tuple[Line, ...]
    members: Sequence[int]
    kind: Kind = "group"
    hint: str = ""
    word: str = ""


def picture(
    graph: TracedGraph, sweeps: Sweeps, groups: Sequence[Group] = (), *, values: bool = True,
    remarks: Mapping[int, str] = MappingProxyType({}),
) -> Sketch:  # fmt: skip
    """The sketch of a graph.

    Args:
        graph, sweeps: with its values, and its derivatives.
        groups: what is drawn as one box; all other nodes have their own.
        values: whether the values mean anything, and are shown.
        remarks: a line more for some nodes, by their positions.
    """
    return _Picture(graph, sweeps, groups, values, remarks).sketch()


class _Picture:
    def __init__(
        self, graph: TracedGraph, sweeps: Sweeps, groups: Sequence[Group], values: bool,
        remarks: Mapping[int, str],
    ) -> None:  # fmt: skip
        self.graph, self.sweeps, self.values, self.remarks = graph, sweeps, values, remarks
        self.home: dict[int, Group] = {k: g for g in groups for k in g.members}
        self.labels = assigned_names(graph.nodes) | graph.variables
        self.labels |= {node.index: name for name, node in graph.names.items()}
        self.results = {y.index for y in graph.outputs if isinstance(y, Node)}
        self.ends = self._ends(groups)
        self.named = self._read_by_name()
        single = [n for n in graph.nodes if n.index not in self.home]
        sizes = [sweeps.size(n.index) for n in single]
        sizes += [self.size_at(ends) for ends in self.ends.values()]
        self.colours = scale(sizes) if sweeps.differentiated else None

    def _ends(self, groups: Sequence[Group]) -> dict[int, list[Node]]:
        """For each group the members whose values are used outside, or are results."""
        found: dict[int, set[int]] = {id(g): self.results.intersection(g.members) for g in groups}
        for node in self.graph.nodes:
            home = self.home.get(node.index)
            for _, a in predecessors(node):
                there = self.home.get(a.index)
                if there is not None and there is not home:
                    found[id(there)].add(a.index)
        return {key: [self.graph.nodes[k] for k in sorted(ends)] for key, ends in found.items()}

    def sketch(self) -> Sketch:
        items: list[Item] = []
        number_of: dict[int, int] = {}  # the node, or the id of its group -> the item
        # In the order of the graph, so that the layout begins with it.
        for node in self.graph.nodes:
            group = self.home.get(node.index)
            if self.key(node) not in number_of:
                number_of[self.key(node)] = len(items)
                items.append(self.node_item(node) if group is None else self.group_item(group))
        items, arrows = _without_stars(items, self.arrows(number_of))
        return Sketch(
            self.graph.title,
            tuple(items),
            tuple(arrows),
            self.caption(),
            (*self.sweeps.notes, *_explained(arrows)),
            self.colours,
            self.measure(),
            "adjoint" if self.sweeps.backward else "tangent",
            self.sweeps.output.text,
            tuple(self.sweeps.tangents),
        )

    def key(self, node: Node) -> int:
        group = self.home.get(node.index)
        return node.index if group is None else id(group)

    def level(self, size: float | None) -> str:
        return self.colours.level(size) if self.colours else ""

    # Items -----------------------------------------------------------------------------------

    def node_item(self, node: Node) -> Item:
        word = self.graph.words[node.index].text
        if node.fn is None:
            lines = [Line(word, NAME, bold=True)]
        elif self.between_layers(node):  # what it reads has no name to be seen
            lines = [Line(node.name, NAME)]
        else:
            names = [self.labels[node.index]] if node.index in self.labels else []
            lines = [Line(" = ".join([*names, word, self.graph.formula(node).text]), NAME)]
        if node.index in self.remarks:
            lines.append(Line(self.remarks[node.index], TEXT))
        name = "output" if self.between_layers(node) else word
        return Item(
            word,
            (*lines, *self.numbers([node], name)),
            "input" if node.fn is None else "step",
            self.level(self.sweeps.size(node.index)),
            node.index in self.results,
            self.hint(node),
        )

    def group_item(self, group: Group) -> Item:
        ends = self.ends[id(group)]
        words = [self.graph.words[n.index].text for n in ends]
        few = words if len(words) <= 3 else [words[0], "…", words[-1]]
        word = group.word or (words[0] if len(words) == 1 else f"({', '.join(few)})")
        lines = list(group.lines)
        if self.named.intersection(n.index for n in ends):
            lines.append(Line(f"gives {word}", TEXT))
        lines += self.numbers(ends, "output" if group.kind == "layer" else word)
        inputs = [k for k in group.members if self.graph.nodes[k].fn is None]
        if inputs and self.sweeps.backward and group.kind == "layer":
            size = norm([self.sweeps.adjoints[k] for k in inputs])
            lines.append(_sized(derivative(self.sweeps.output.text, "weights"), size, "adjoint"))
        return Item(
            word,
            tuple(lines),
            group.kind,
            self.level(self.size_at(ends)),
            any(n.index in self.results for n in ends),
            group.hint,
        )

    def between_layers(self, node: Node) -> bool:
        """Does a step read the outputs of layers alone, which have no names to be seen?"""
        homes = [self.home.get(a.index) for _, a in predecessors(node)]
        return bool(homes) and all(home is not None and home.kind == "layer" for home in homes)

    def _read_by_name(self) -> set[int]:
        """The outputs of layers that stand in the formula of a step."""
        return {
            a.index
            for node in self.graph.nodes
            if node.index not in self.home and not self.between_layers(node)
            for _, a in predecessors(node)
            if a.index in self.home and self.home[a.index].kind == "layer"
        }

    def numbers(self, ends: Sequence[Node], word: str) -> list[Line]:
        """The value and the running derivatives of a node, or of what a group hands on."""
        s = self.sweeps
        lines = []
        if self.values and len(ends) == 1:
            lines.append(Line(brief(ends[0].value), TEXT, stage="value"))
        for name, column in s.tangents.items():
            values = [column[n.index] for n in ends]
            lines.append(_derivative(derivative(word, name), values, "tangent"))
        if s.backward:
            values = [s.adjoints[n.index] for n in ends]
            lines.append(_derivative(derivative(s.output.text, word), values, "adjoint"))
        return lines

    def size_at(self, ends: Sequence[Node]) -> float | None:
        return largest([self.sweeps.size(n.index) for n in ends])

    def hint(self, node: Node) -> str:
        """All digits, and the user's line."""
        lines = [f"{self.graph.words[node.index].text} = {digest(node.value)}"] * self.values
        where = user_line(node)
        return "\n".join([*lines, where] if where else lines)

    # Arrows ----------------------------------------------------------------------------------

    def arrows(self, number_of: dict[int, int]) -> list[Arrow]:
        found: dict[tuple[int, int], Arrow] = {}
        for node in self.graph.nodes:
            for a, positions in by_predecessor(node).items():
                tail, head = number_of[self.key(a)], number_of[self.key(node)]
                if tail == head:
                    continue
                single = a.index not in self.home and node.index not in self.home
                old = found.get((tail, head))
                found[tail, head] = Arrow(
                    tail,
                    head,
                    self.partial(node, positions) if single else (),
                    self.runs_back(a, node) or (old is not None and old.back),
                    single and _spread(a, node),
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
            lines.append(f"backward mode: {self.measure()} from the result back to the inputs")
        if s.tangents:
            names = ", ".join(derivative("ξ", name) for name in s.tangents)
            lines.append(f"forward mode: {names} from the inputs on to the result")
        used = {id(a) for n in self.graph.nodes if n.index not in self.home for a in n.args}
        lines += [
            f"{word.text} = {digest(value)}"
            for key, (word, value) in self.graph.constants.items()
            if key in used
        ]
        return tuple(lines)

    def measure(self) -> str:
        s = self.sweeps
        if s.backward:
            return derivative(s.output.text, "ξ")
        return ", ".join(derivative("ξ", name) for name in s.tangents)


def _without_stars(
    items: Sequence[Item], arrows: Sequence[Arrow]
) -> tuple[list[Item], list[Arrow]]:
    """Groups name the inputs that many of them read, instead of an arrow from there to each."""
    inputs = {k for k, item in enumerate(items) if item.kind == "input"}
    inputs |= {k for k, _ in enumerate(items)} - {a.head for a in arrows} - inputs
    into_groups = [a for a in arrows if a.tail in inputs and items[a.head].kind == "group"]
    read_by = Counter(a.tail for a in into_groups)
    gone = {(a.tail, a.head) for a in into_groups if read_by[a.tail] > MOST_READERS}
    found = list(items)
    for head in {head for _, head in gone}:
        words = [items[tail].word for tail, end in sorted(gone) if end == head]
        few = words if len(words) <= 3 else [*words[:2], "…", words[-1]]
        line = Line(f"reads {', '.join(few)}", TEXT)
        own = items[head].lines
        place = next((k for k, x in enumerate(own) if x.stage != "name"), len(own))
        found[head] = replace(items[head], lines=(*own[:place], line, *own[place:]))
    return found, [a for a in arrows if (a.tail, a.head) not in gone]


def _explained(arrows: Sequence[Arrow]) -> list[str]:
    """What is said about labels that are no plain formulas."""
    labels = "\n".join(line for arrow in arrows for line in arrow.lines)
    found = [NOT_ELEMENTWISE] if "↦" in labels else []
    return [*found, CONDITION] if re.search(r"\[.* [<>≤≥=≠] .*\]", labels) else found


def _spread(a: Node, node: Node) -> bool:
    """Does an elementwise step spread an argument over axes that it has not, or has once?"""
    return isinstance(node.fn, Pointwise) and np.shape(a.value) != np.shape(node.value)


def user_line(node: Node) -> str:
    """The user's line that made a node, without the folders of its file; "" where there is none."""
    where, _, source = node.line.partition(": ")
    if not os.path.exists(where.rpartition(":")[0]):
        return ""
    return f"{os.path.basename(where)}: {source}"


def _derivative(name: str, values: Sequence[Any], stage: Stage) -> Line:
    """A derivative, or its size where it is not one number; or that none arrives."""
    single = len(values) == 1 and not isinstance(values[0], (list, tuple, type(None)))
    if single and not np.ndim(values[0]):
        return Line(f"{name} = {brief(values[0])}", TEXT, stage=stage)
    return _sized(name, norm(list(values)), stage)


def _sized(name: str, size: float | None, stage: Stage) -> Line:
    text = f"{name}: none arrives" if size is None else f"‖{name}‖ = {brief(size)}"
    return Line(text, TEXT, stage=stage)


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
