"""A large graph in few boxes: stretches of steps, named after the user's functions and lines.

A stretch of a topological order can be one box: no way leads out of it and back. What repeats is
found first, since a long graph comes from a loop: the rounds of it are shared out evenly, so that
one sees how the derivative changes from the first to the last.
"""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainrule.errors import ArgumentError, code_line
from chainrule.graph import Node, user_code
from chainrule.insight.drawing.picturing import Group
from chainrule.insight.drawing.sketch import Line

if TYPE_CHECKING:
    from chainrule.insight.traced import TracedGraph

MOST_STEPS = 120  # a graph of more is drawn in groups
BOXES = 12  # of groups, about
FEW = 4  # a stretch of so few steps is drawn step by step
LONGEST_ROUND = 600  # steps of a loop's body that are recognised
MOST_INPUTS = 24  # inputs of more are grouped by the argument they belong to

Unfold = bool | str | tuple[int, int] | Sequence[str] | None


class Stretch(NamedTuple):
    """Steps start … stop − 1 of a graph; ``rounds`` of a loop: (first, last, of how many)."""

    start: int
    stop: int
    rounds: tuple[int, int, int] | None = None


def groups_of(graph: TracedGraph, unfold: Unfold) -> list[Group]:
    """Which steps are drawn as one box.

    Args:
        graph: a traced graph.
        unfold: None to group a graph of many steps; True for none; the name of a function, or
            several, whose steps are drawn one by one; or (first, last), the numbers of the steps
            ξ that are.

    Raises:
        ArgumentError: there is no such function or step.
    """
    steps = graph.nodes[len(graph.inputs) :]
    wanted = _wanted(graph, unfold)
    stretches: list[Stretch] = []
    if unfold is not True and (wanted.any() or len(steps) > MOST_STEPS):
        places, parts = _places(steps), _apart(wanted, len(steps))
        boxes = BOXES if len(parts) == 1 else max(1, BOXES // 2 // len(parts))
        for part in parts:
            stretches += _in_boxes(places, *part, boxes)
    found = [_group(graph, s, not wanted.any()) for s in stretches]
    return found + _inputs(graph)


def _wanted(graph: TracedGraph, unfold: Unfold) -> np.ndarray:
    """Which steps are to be drawn one by one, as far as that was said."""
    steps = graph.nodes[len(graph.inputs) :]
    wanted = np.zeros(len(steps), bool)
    if unfold is None or isinstance(unfold, bool):
        return wanted
    parts: Sequence[int | str] = [unfold] if isinstance(unfold, str) else list(unfold)
    if len(parts) == 2 and all(isinstance(p, (int, np.integer)) for p in parts):
        first, last = (int(p) for p in parts)
        if not 1 <= first <= last <= len(steps):
            raise ArgumentError(
                f"the graph has the steps ξ₁ to {graph.words[-1].text}",
                got=f"unfold={unfold!r}",
                line=code_line(*user_code(2)),
                remedy="give the first and the last step to draw, such as "
                f"(1, {min(40, len(steps))})",
            )
        wanted[first - 1 : last] = True
        return wanted
    names = [_function(node) for node in steps]
    for part in parts:
        if part not in names:
            raise ArgumentError(
                f"there is no function '{part}' whose steps could be unfolded",
                got=f"unfold={unfold!r}",
                line=code_line(*user_code(2)),
                remedy=f"its steps were made in {', '.join(sorted(set(names)))}; or give the first "
                "and the last step, such as (1, 40)",
            )
        wanted |= np.array([name == part for name in names])
    return wanted


def _apart(wanted: np.ndarray, count: int) -> list[tuple[int, int]]:
    """The stretches between the steps that are drawn one by one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], wanted, [True]]).astype(int)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)] if count else []


def _function(node: Node) -> str:
    return node.code.co_name if node.code is not None else ""


def _in_boxes(places: np.ndarray, start: int, stop: int, boxes: int) -> list[Stretch]:
    """A part in stretches, about so many; short ones are left out and drawn step by step."""
    found = _shared_out(_loops(places, start, stop, boxes), boxes)
    long = [s for s in found if s.stop - s.start > FEW]
    alone = (stop - start) - sum(s.stop - s.start for s in long)
    if len(long) + alone > 3 * boxes + 2 * FEW:  # it is no row of loops
        return _shared_out([Stretch(start, stop)], boxes)
    return long


def _places(steps: Sequence[Node]) -> np.ndarray:
    """A number for the function and the instruction that made each step."""
    known: dict[object, int] = {}
    return np.array([known.setdefault((n.code, n.lasti, n.fn), len(known)) for n in steps], int)


def _loops(places: np.ndarray, start: int, stop: int, boxes: int) -> list[Stretch]:
    """The stretches of a part: loops with their rounds, and what is between them."""
    found: list[Stretch] = []
    waiting = [(start, stop)]
    while waiting:
        a, b = waiting.pop()
        short = (b - a) * boxes < stop - start or len(found) > 2 * boxes
        begin, end, period = (0, 0, 0) if short else _longest_loop(places[a:b])
        rounds = (end - begin) // period if period else 0
        if rounds < 3 or (end - begin) * 2 * boxes < stop - start:
            found.append(Stretch(a, b))
            continue
        end = begin + rounds * period
        found.append(Stretch(a + begin, a + end, (1, rounds, rounds)))
        waiting += [part for part in ((a, a + begin), (a + end, b)) if part[0] < part[1]]
    return sorted(found)


def _longest_loop(places: np.ndarray) -> tuple[int, int, int]:
    """(start, stop, period) of the longest repetition; the period is 0 where nothing repeats."""
    count = len(places)
    best = (0, 0, 0)
    for period in range(1, min(LONGEST_ROUND, count // 2) + 1):
        if best[1] - best[0] >= count - period // 2:
            break
        same = places[period:] == places[:-period]
        breaks = np.flatnonzero(~same)
        edges = np.concatenate([[-1], breaks, [len(same)]])
        lengths = np.diff(edges) - 1
        k = int(np.argmax(lengths))
        whole = int(lengths[k]) + period
        # A shorter round is the better description, unless a longer one reaches much further.
        if lengths[k] >= period and whole > 1.2 * (best[1] - best[0]):
            best = (int(edges[k]) + 1, int(edges[k]) + 1 + whole, period)
    return best


def _shared_out(stretches: Sequence[Stretch], boxes: int) -> list[Stretch]:
    """Stretches in parts, loops in whole rounds, so that all together are about so many boxes."""
    total = sum(s.stop - s.start for s in stretches)
    found = []
    for s in stretches:
        parts = max(1, round(boxes * (s.stop - s.start) / total))
        rounds = s.rounds[2] if s.rounds else s.stop - s.start
        period = (s.stop - s.start) // rounds
        edges = np.linspace(0, rounds, min(parts, rounds) + 1).round().astype(int).tolist()
        for a, b in pairwise(edges):
            which = (a + 1, b, rounds) if s.rounds else None
            found.append(Stretch(s.start + a * period, s.start + b * period, which))
    return found


def _group(graph: TracedGraph, stretch: Stretch, whole: bool) -> Group:
    """A stretch as a group: its function, its lines, its rounds, which steps.

    ``whole``: nothing is unfolded, so that the rounds are counted from the first one.
    """
    inputs = len(graph.inputs)
    nodes = graph.nodes[inputs + stretch.start : inputs + stretch.stop]
    functions = list(dict.fromkeys(_function(n) for n in nodes))
    shown = ", ".join(functions[:3]) + (", …" if len(functions) > 3 else "")
    lines = [Line(shown or "steps", 13.0, bold=True)]
    where = _lines(nodes)
    if where:
        lines.append(Line(where, muted=True))
    if stretch.rounds is not None and whole:
        first, last, of = stretch.rounds
        which = f"round {first:,}" if first == last else f"rounds {first:,}–{last:,}"
        lines.append(Line(f"{which} of {of:,}"))
    kinds = Counter(n.name for n in nodes)
    lines.append(Line(f"steps {stretch.start + 1:,}–{stretch.stop:,}"))
    most = ", ".join(f"{name} {number:,}" for name, number in kinds.most_common(6))
    hint = most + (", …" if len(kinds) > 6 else "")
    return Group(tuple(lines), [n.index for n in nodes], "group", hint)


def _lines(nodes: Sequence[Node]) -> str:
    """The user's line, or the first and the last one of a function."""
    first = nodes[0].code
    if first is None or not linecache.getlines(first.co_filename):
        return ""
    numbers = {_line(n) for n in nodes if n.code is first}
    if len(numbers) == 1:
        source = linecache.getline(first.co_filename, min(numbers)).strip()
        return f"line {min(numbers)}: {source}" if len(source) <= 60 else f"line {min(numbers)}"
    return f"lines {min(numbers)}–{max(numbers)}"


def _line(node: Node) -> int:
    assert node.code is not None
    for start, end, line in node.code.co_lines():
        if start <= node.lasti < end and line is not None:
            return line
    return node.code.co_firstlineno


def _inputs(graph: TracedGraph) -> list[Group]:
    """Many inputs, grouped by the argument whose leaves they are."""
    if len(graph.inputs) <= MOST_INPUTS:
        return []
    found = []
    for argument in graph.arguments[0]:
        members = [
            n.index
            for n in graph.inputs
            if n.name == argument.name
            or n.name.startswith((f"{argument.name}[", f"{argument.name}."))
        ]
        if len(members) > 1:
            lines = (Line(argument.name, 13.0, bold=True), Line(f"{len(members):,} inputs"))
            found.append(Group(lines, members, "group", word=argument.name))
    return found
