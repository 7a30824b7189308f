"""What is to be drawn, before it has a place: boxes with lines of text, and arrows with labels."""

from __future__ import annotations

from typing import Literal, NamedTuple

from chainrule.insight.drawing.palette import Scale
from chainrule.records import dataclass

Direction = Literal["auto", "right", "down"]
Kind = Literal["input", "step", "group", "layer"]
Stage = Literal["name", "value", "tangent", "adjoint"]


class Line(NamedTuple):
    """A line of text in a box; a long one is broken, never cut.

    ``stage`` is what has to be known before the line can be written: an animation goes by it.
    """

    text: str
    size: float = 12.0
    bold: bool = False
    muted: bool = False
    stage: Stage = "name"


@dataclass(frozen=True)
class Item:
    """A box.

    Attributes:
        word: what it is called in formulas.
        lines: its text.
        kind: decides its form: inputs have round ends, groups look like a pile.
        level: the role of its colour: a step of the scale of sizes, or "" for none.
        output: it is a result, and has a double border.
        hint: what a pointer that rests on it is told.
    """

    word: str
    lines: tuple[Line, ...]
    kind: Kind = "step"
    level: str = ""
    output: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Arrow:
    """An edge between two items, by their numbers.

    Attributes:
        tail, head: from the argument to what is computed from it.
        lines: its label.
        back: a derivative runs through it from head to tail.
        spread: the tail's value is spread over axes of the head's, so that adjoints are summed.
    """

    tail: int
    head: int
    lines: tuple[str, ...] = ()
    back: bool = False
    spread: bool = False


@dataclass(frozen=True)
class Sketch:
    """A whole drawing without places.

    Attributes:
        title: the heading.
        items, arrows: boxes and edges.
        caption: lines below the heading.
        notes: lines at the end.
        scale: what the colours mean; None without colours.
        measure: what the colours are the size of.
        coloured: the stage that gives a box its colour.
        output, inputs: the names of what is differentiated, and by what in forward mode.
    """

    title: str
    items: tuple[Item, ...]
    arrows: tuple[Arrow, ...]
    caption: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    scale: Scale | None = None
    measure: str = ""
    coloured: Stage = "adjoint"
    output: str = ""
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moment:
    """How far a run has come, in one step of an animation.

    Attributes:
        caption: what is done in this step.
        known: for each item, the stages that it has reached.
        marked: the items and arrows at work, by their numbers.
    """

    caption: str
    known: tuple[frozenset[Stage], ...]
    marked_items: frozenset[int]
    marked_arrows: frozenset[int]


def derivative(of: str, by: str) -> str:
    """dL/dW; with a space where a long name would swallow the d.

    >>> derivative("L", "W"), derivative("L", "dense.kernel")
    ('dL/dW', 'dL/d dense.kernel')
    """
    return f"{_differential(of)}/{_differential(by)}"


def _differential(name: str) -> str:
    return f"d {name}" if len(name) > 3 and name[0].isascii() and name[0].isalpha() else f"d{name}"
