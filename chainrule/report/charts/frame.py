"""What charts have in common: the space for labels, axes with ticks, a legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from chainrule.insight.words import width
from chainrule.records import dataclass
from chainrule.report.charts.scales import Scale
from chainrule.report.markup import Html, join, tag

WIDTH, HEIGHT = 460.0, 290.0
# The height of a line of text, and the width of a letter, which no font should exceed on average.
LINE, LETTER = 17.0, 7.4
SIDE = 330.0  # of a square field
COLOURS = 6
Swatch = Literal["line", "dash", "dot", "box"]


def room(text: str) -> float:
    """How wide a text is, about."""
    return LETTER * width(text)


def cut(text: str, most: float) -> str:
    """A text that is not wider than that; its end stays, which often tells it from others.

    >>> cut("a long name", 60.0), cut("class number 12", 80.0)
    ('a lo…ame', 'class …12')
    """
    if room(text) <= most:
        return text
    kept = max(int(most / LETTER) - 1, 2)
    tail = min(3, kept // 2)
    return f"{text[: kept - tail]}…{text[-tail:].strip()}"


@dataclass(frozen=True)
class Key:
    """An entry of the legend: its name, colour (by number; None for grey) and the swatch's form."""

    name: str
    colour: int | None
    form: Swatch


def colour(number: int | None) -> str:
    """The class of the style that gives a colour."""
    return "grey" if number is None else f"c{number % COLOURS}"


def legend(keys: Sequence[Key], left: float, top: float, right: float) -> tuple[Html, float]:
    """A legend in as many lines as it needs, and its height."""
    parts: list[Html] = []
    x, y = left, top
    for key in keys:
        name = cut(key.name, right - left - 26)
        wide = 26 + room(name) + 12
        if x > left and x + wide - 12 > right:
            x, y = left, y + LINE
        middle = y + LINE / 2
        if key.form == "box":
            swatch = tag("rect", x=x + 4, y=middle - 5, width=11.0, height=10.0, class_="area")
        elif key.form == "dot":
            swatch = tag("circle", cx=x + 10, cy=middle, r=4.0, class_="dot")
        else:
            dash = " dash" if key.form == "dash" else ""
            swatch = tag("path", d=f"M{x:.1f} {middle:.1f}h20", class_=f"line{dash}")
        text = tag("text", name, x=x + 26, y=middle + 4)
        parts += [tag("g", swatch, class_=colour(key.colour)), text]
        x += wide
    return join(parts), (y + LINE - top if keys else 0.0)


@dataclass(frozen=True)
class Frame:
    """The field of a chart: where it lies in the picture, and its scales."""

    left: float
    top: float
    right: float
    bottom: float
    x: Scale
    y: Scale

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A point of the data in the picture."""
        across = self.left + self.x(x) * (self.right - self.left)
        return across, self.bottom - self.y(y) * (self.bottom - self.top)


def framed(
    x: Scale,
    y: Scale,
    x_label: str,
    y_label: str,
    keys: Sequence[Key] = (),
    *,
    square: bool = False,
    height: float = HEIGHT,
) -> tuple[Frame, Html]:
    """The field of a chart, and its axes and legend.

    Args:
        x, y: the scales.
        x_label, y_label: what they show, with the unit.
        keys: the legend.
        square: the field is as high as it is wide, for two axes of the same kind.
        height: of the picture, otherwise.
    """
    left = max(30.0, max(map(room, y.labels), default=0.0) + 12)
    right = WIDTH - max(8.0, room(x.labels[-1]) / 2 if x.labels else 0.0)
    shown, high = legend(keys, left, LINE + 4, right)
    top = LINE + high + 10
    bottom = height - 2 * LINE - 6
    if square:
        side = min(right - left, SIDE)
        left += max((right - left - side) / 2 - 12.0, 0.0)
        right, bottom = left + side, top + side
    frame = Frame(left, top, right, bottom, x, y)
    edge = left - max(map(room, y.labels), default=0.0) - 7
    parts = [tag("text", y_label, x=max(edge, 2.0), y=LINE - 4, class_="label"), shown]
    for tick, text in zip(y.ticks, y.labels, strict=True):
        at = frame.at(x.low, tick)[1]
        parts.append(tag("path", d=f"M{left:.1f} {at:.1f}H{right:.1f}", class_="grid"))
        parts.append(tag("text", text, x=left - 7, y=at + 4, class_="end"))
    for tick, text in _apart(frame, x):
        at = frame.at(tick, y.low)[0]
        parts.append(tag("path", d=f"M{at:.1f} {bottom:.1f}v4", class_="axis"))
        parts.append(tag("text", text, x=at, y=bottom + LINE, class_="mid"))
    parts.append(tag("path", d=f"M{left:.1f} {bottom:.1f}H{right:.1f}", class_="axis"))
    middle = (left + right) / 2
    parts.append(tag("text", x_label, x=middle, y=bottom + 2 * LINE, class_="mid label"))
    return frame, join(parts)


def _apart(frame: Frame, x: Scale) -> list[tuple[float, str]]:
    """The ticks whose labels do not run into each other."""
    found: list[tuple[float, str]] = []
    end = -1e9
    for tick, text in zip(x.ticks, x.labels, strict=True):
        at, half = frame.at(tick, frame.y.low)[0], room(text) / 2
        if at - half >= end:
            found.append((tick, text))
            end = at + half + 6
    return found


def picture(label: str, height: float, *parts: Html) -> Html:
    """The whole drawing; a reader who cannot see it hears the label."""
    return tag(
        "svg",
        join(parts, "\n"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        role="img",
        class_="chart",
        aria_label=label,
    )


__all__ = ["LINE", "WIDTH", "Frame", "Key", "colour", "cut", "framed", "legend", "picture", "room"]
