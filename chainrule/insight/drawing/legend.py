"""The key below a drawing: what its colours and arrows mean."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from chainrule.insight.drawing.blocks import line_width, words
from chainrule.insight.drawing.palette import BAD, LEVELS, NONE, ZERO
from chainrule.insight.drawing.shapes import Box, Curve, Point, Shape
from chainrule.insight.drawing.sketch import Line, Sketch
from chainrule.insight.words import number
from chainrule.records import dataclass

SIZE, SQUARE, GAP = 11.5, 13.0, 18.0
_ARROW = 24.0  # length of an arrow in the key
_BESIDE = {ZERO: "exactly 0", NONE: "none arrives", BAD: "not finite"}


@dataclass(frozen=True)
class _Entry:
    """A picture between two texts."""

    before: str
    width: float
    picture: Callable[[float, float], list[Shape]]  # from its left end and middle
    after: str


def legend(sketch: Sketch, left: float, width: float, top: float) -> tuple[list[Shape], float]:
    """The shapes of the key, in as many rows as it needs, and where it ends."""
    entries = _entries(sketch)
    if not entries:
        return [], top
    found: list[Shape] = []
    x, middle = left, top + SQUARE / 2
    for entry in entries:
        before, after = Line(entry.before, SIZE), Line(entry.after, SIZE)
        lead = line_width(before) + 6 if entry.before else 0.0
        whole = lead + entry.width + 6 + line_width(after)
        if x > left and x + whole > left + width:
            x, middle = left, middle + SQUARE + 8
        if entry.before:
            found.append(words(before, x + lead - 6, middle, "muted", "end"))
        found += entry.picture(x + lead, middle)
        found.append(words(after, x + lead + entry.width + 6, middle, "muted"))
        x += whole + GAP
    return found, middle + SQUARE / 2 + 8


def _entries(sketch: Sketch) -> list[_Entry]:
    found = []
    if any(arrow.back for arrow in sketch.arrows):
        found.append(_Entry("", _ARROW, _arrows, f"value forward, {sketch.measure} back"))
    scale = sketch.scale
    if scale is None:
        return found
    if scale.least is not None and scale.most is not None:
        steps = list(map(str, range(LEVELS)))
        found.append(
            _Entry(
                f"size of {sketch.measure}:  {number(scale.least, 3)}",
                SQUARE * LEVELS,
                partial(_squares, steps),
                number(scale.most, 3),
            )
        )
    for kind, meaning in _BESIDE.items():
        if kind in scale.beside:
            found.append(_Entry("", SQUARE, partial(_squares, [kind]), meaning))
    return found


def _squares(kinds: list[str], x: float, middle: float) -> list[Shape]:
    top = middle - SQUARE / 2
    return [
        Box(x + k * SQUARE, top, SQUARE, SQUARE, f"level-{kind}", "border", 0.6, 0.0,
            kind in (ZERO, NONE))
        for k, kind in enumerate(kinds)
    ]  # fmt: skip


def _arrows(x: float, y: float) -> list[Shape]:
    """An edge as it is drawn: one head for the value, one for the derivative."""
    end = x + _ARROW
    return [
        Curve(((Point(x + 6, y),), (Point(end - 6, y),)), "edge"),
        Curve(
            ((Point(end, y),), (Point(end - 7, y - 3.2),), (Point(end - 7, y + 3.2),)), fill="edge"
        ),
        Curve(((Point(x, y),), (Point(x + 7, y - 3.2),), (Point(x + 7, y + 3.2),)), fill="accent"),
    ]
