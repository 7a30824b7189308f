"""What is to be drawn, before it has a place: boxes with lines of text, and arrows with labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from chainrule.insight.drawing.palette import Scale

Direction = Literal["auto", "right", "down"]
Kind = Literal["input", "step", "group", "layer"]


class Line(NamedTuple):
    """A line of text in a box; a long one is broken, never cut."""

    text: str
    size: float = 12.0
    bold: bool = False
    muted: bool = False


@dataclass(frozen=True)
class Item:
    """A box.

    Attributes:
        lines: its text.
        kind: decides its form: inputs have round ends, groups look like a pile.
        level: the role of its colour: a step of the scale of sizes, or "" for none.
        output: it is a result, and has a double border.
        hint: what a pointer that rests on it is told.
        marked: it is at work in a step of an animation.
    """

    lines: tuple[Line, ...]
    kind: Kind = "step"
    level: str = ""
    output: bool = False
    hint: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Arrow:
    """An edge between two items, by their numbers.

    Attributes:
        tail, head: from the argument to what is computed from it.
        lines: its label.
        back: a derivative runs through it from head to tail.
        marked: it is at work in a step of an animation.
    """

    tail: int
    head: int
    lines: tuple[str, ...] = ()
    back: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Sketch:
    """A whole drawing without places.

    Attributes:
        title: the heading.
        items, arrows: boxes and edges.
        caption: lines below the heading.
        notes: lines at the end.
        scale: what the colours mean; None without colours.
        measure: what the colours are the size of: "|dL/dξ|".
        keys: forms that need a word: (form, what it means).
    """

    title: str
    items: tuple[Item, ...]
    arrows: tuple[Arrow, ...]
    caption: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    scale: Scale | None = None
    measure: str = ""
    keys: tuple[tuple[str, str], ...] = field(default=())
