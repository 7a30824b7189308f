"""What a drawing is made of: boxes, curves and words, in px, with roles in place of colours."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

from chainrule.records import dataclass

Anchor = Literal["start", "middle", "end"]


class Point(NamedTuple):
    x: float
    y: float


@dataclass(frozen=True)
class Box:
    """A rectangle with rounded corners; ``hint`` shows where a pointer rests on it."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str = ""
    line: float = 1.0
    radius: float = 6.0
    dashed: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Curve:
    """A line of straight pieces and cubic Bézier curves, open or (with ``fill``) closed.

    ``pieces`` begins with one point; each further piece has one point for a straight line or three
    for a curve.
    """

    pieces: tuple[tuple[Point, ...], ...]
    stroke: str = ""
    line: float = 1.2
    fill: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Words:
    """A line of text; ``y`` is its baseline, ``width`` what was measured for it."""

    x: float
    y: float
    text: str
    size: float
    fill: str
    width: float
    anchor: Anchor = "middle"
    bold: bool = False


Shape = Box | Curve | Words


@dataclass(frozen=True)
class Scene:
    """A finished drawing, without colours.

    Attributes:
        shapes: later ones lie above earlier ones, and words above all others.
        width, height: of the paper.
        title: what it shows, for who cannot see it.
    """

    shapes: tuple[Shape, ...]
    width: float
    height: float
    title: str


def moved(shape: Shape, x: float, y: float) -> Shape:
    """The shape at another place."""
    if isinstance(shape, Curve):
        pieces = tuple(tuple(Point(p.x + x, p.y + y) for p in piece) for piece in shape.pieces)
        return replace(shape, pieces=pieces)
    return replace(shape, x=shape.x + x, y=shape.y + y)


def corners(shape: Shape) -> tuple[float, float, float, float]:
    """The rectangle around a shape: (left, top, right, bottom)."""
    if isinstance(shape, Box):
        half = shape.line / 2 if shape.stroke else 0.0
        return (
            shape.x - half, shape.y - half,
            shape.x + shape.width + half, shape.y + shape.height + half,
        )  # fmt: skip
    if isinstance(shape, Words):
        left = shape.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[shape.anchor] * shape.width
        return left, shape.y - 0.8 * shape.size, left + shape.width, shape.y + 0.25 * shape.size
    points = [p for piece in shape.pieces for p in piece]
    half = shape.line / 2 if shape.stroke else 0.0
    return (
        min(p.x for p in points) - half, min(p.y for p in points) - half,
        max(p.x for p in points) + half, max(p.y for p in points) + half,
    )  # fmt: skip
