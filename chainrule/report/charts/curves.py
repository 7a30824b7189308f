"""Lines and points over two axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule.records import dataclass
from chainrule.report.charts.frame import (
    HEIGHT,
    LINE,
    Frame,
    Key,
    Swatch,
    colour,
    framed,
    picture,
    room,
)
from chainrule.report.charts.scales import Scale
from chainrule.report.markup import Html, join, tag

Numbers = Sequence[float]


@dataclass(frozen=True)
class Line:
    """Points joined by a line.

    Attributes:
        name: in the legend; "" for none.
        x, y: the points; the line is broken where one is not finite.
        colour: by number; None for grey.
        dash: draw dashes.
    """

    name: str
    x: Numbers
    y: Numbers
    colour: int | None = 0
    dash: bool = False


@dataclass(frozen=True)
class Points:
    """Points alone.

    Attributes:
        name, x, y, colour: as for `Line`.
        bars: for each point the ends of a vertical bar, such as a confidence interval.
        weights: for each point a number that its area is proportional to; none for small points.
    """

    name: str
    x: Numbers
    y: Numbers
    colour: int | None = 0
    bars: Sequence[tuple[float, float]] = ()
    weights: Numbers = ()


@dataclass(frozen=True)
class Mark:
    """A point with words beside it."""

    x: float
    y: float
    text: str
    colour: int | None = 0


def plot(
    title: str,
    series: Sequence[Line | Points],
    x: Scale,
    y: Scale,
    x_label: str,
    y_label: str,
    *,
    marks: Sequence[Mark] = (),
    square: bool = False,
) -> Html:
    """Lines and points over two axes.

    Args:
        title: for readers who cannot see the picture; say what it shows.
        series: drawn in this order.
        x, y: the scales.
        x_label, y_label: with units.
        marks: points with words.
        square: for two axes of the same kind.
    """
    keys = [Key(s.name, s.colour, _swatch(s)) for s in series if s.name]
    keys = keys if len(keys) > 1 else []
    frame, axes = framed(x, y, x_label, y_label, keys, square=square)
    height = frame.bottom + 2 * LINE + 6 if square else HEIGHT
    drawn = [_series(frame, s) for s in series]
    return picture(title, height, axes, *drawn, *(_mark(frame, m) for m in marks))


def _swatch(series: Line | Points) -> Swatch:
    if isinstance(series, Points):
        return "dot"
    return "dash" if series.dash else "line"


def _series(frame: Frame, series: Line | Points) -> Html:
    places = [frame.at(x, y) for x, y in zip(series.x, series.y, strict=True)]
    if isinstance(series, Points):
        return _points(frame, series, places)
    if len(places) == 1:
        return _points(frame, Points("", series.x, series.y, series.colour, weights=[1.0]), places)
    dash = " dash" if series.dash else ""
    path = tag("path", d=_path(places), class_=f"line{dash}")
    return tag("g", path, class_=colour(series.colour))


def _points(frame: Frame, series: Points, places: Sequence[tuple[float, float]]) -> Html:
    parts = [
        tag("path", d=f"M{at:.1f} {_clamped(frame, low)}V{_clamped(frame, high)}", class_="bar")
        for (at, _), (low, high) in zip(places, series.bars, strict=False)
    ]
    largest = max(series.weights, default=1.0)
    radii = [max(7.0 * math.sqrt(w / largest), 2.2) for w in series.weights] or [2.6] * len(places)
    parts += [
        tag("circle", cx=x, cy=y, r=r, class_="dot" if series.weights else None)
        for (x, y), r in zip(places, radii, strict=True)
        if math.isfinite(x) and math.isfinite(y)
    ]
    cloud = "" if series.weights else " cloud"
    return tag("g", join(parts), class_=f"{colour(series.colour)}{cloud}")


def _clamped(frame: Frame, y: float) -> str:
    return f"{min(max(frame.at(frame.x.low, y)[1], frame.top), frame.bottom):.1f}"


def _path(places: Sequence[tuple[float, float]]) -> str:
    parts, pen = [], "M"
    for x, y in places:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
            continue
        parts.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(parts)


def _mark(frame: Frame, mark: Mark) -> Html:
    x, y = frame.at(mark.x, mark.y)
    half = room(mark.text) / 2
    at = min(max(x, frame.left + half + 2), frame.right - half)
    above = y - 10 if y - 12 - LINE > frame.top else y + LINE + 4
    return tag(
        "g",
        tag("circle", cx=x, cy=y, r=4.2, class_="ring"),
        tag("text", mark.text, x=at, y=above, class_="mid note"),
        class_=colour(mark.colour),
    )


__all__ = ["Line", "Mark", "Points", "plot"]
