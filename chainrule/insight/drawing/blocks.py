"""Measured lines of text, and their places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chainrule.insight.drawing.measure import text_width, wrapped
from chainrule.insight.drawing.shapes import Anchor, Words
from chainrule.insight.drawing.sketch import Line

LEADING = 1.38  # height of a line against its size
_MIDDLE = 0.36  # from the middle of a line down to its baseline, against its size


class Block(NamedTuple):
    """Lines of text that stand below each other."""

    lines: list[Line]
    width: float
    height: float


def block(lines: Sequence[Line], widest: float) -> Block:
    """The lines, broken where they are wider than ``widest`` px."""
    broken = [
        line._replace(text=text)
        for line in lines
        for text in wrapped(line.text, line.size, widest, bold=line.bold)
    ]
    return Block(
        broken,
        max((line_width(line) for line in broken), default=0.0),
        sum(line.size * LEADING for line in broken),
    )


def line_width(line: Line) -> float:
    return text_width(line.text, line.size, bold=line.bold)


def words(line: Line, x: float, middle: float, fill: str, anchor: Anchor = "start") -> Words:
    """One line, with its middle at a height."""
    baseline = middle + _MIDDLE * line.size
    return Words(x, baseline, line.text, line.size, fill, line_width(line), anchor, line.bold)


def placed(
    lines: Sequence[Line], x: float, top: float, ink: str, muted: str, anchor: Anchor
) -> list[tuple[Line, Words]]:
    """Each line with its place, from ``top`` on."""
    found = []
    for line in lines:
        height = line.size * LEADING
        role = muted if line.muted else ink
        found.append((line, words(line, x, top + height / 2, role, anchor)))
        top += height
    return found
