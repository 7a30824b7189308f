"""Bars, histograms, and tables of shades."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil

from chainrule.report.charts.frame import (
    HEIGHT,
    LINE,
    WIDTH,
    Key,
    colour,
    cut,
    framed,
    legend,
    picture,
    room,
)
from chainrule.report.charts.scales import Scale, linear
from chainrule.report.markup import Html, join, tag

Series = tuple[str, Sequence[float]]  # its name, and a value for each bar
_THICK, _MOST_LABEL = 22.0, 150.0
SHORT = 32.0  # a name, such as a number, that is not slanted
DARK = 0.65  # a shade on which light letters are read more easily than dark ones


def bars(
    title: str,
    names: Sequence[str],
    series: Sequence[Series],
    label: str,
    form: Callable[[float], str] = "{:g}".format,
) -> Html:
    """A horizontal bar for each name, stacked from the series, with the sum at its end.

    Args:
        title: for readers who cannot see the picture.
        names: of the bars, from the top.
        series: stacked from the left.
        label: what a bar's length is, with the unit.
        form: how a value is written.
    """
    sums = [sum(values) for values in zip(*(v for _, v in series), strict=True)]
    scale = linear(sums, zero=True, form=form, most=5)
    left = min(max(map(room, names), default=0.0), _MOST_LABEL) + 12
    right = WIDTH - max(room(form(s)) for s in sums) - 10
    keys = [Key(name, k, "box") for k, (name, _) in enumerate(series)] if len(series) > 1 else []
    shown, high = legend(keys, left, 0.0, WIDTH - 8)
    top = high + 6
    bottom = top + _THICK * len(names)
    parts = [shown]

    def at(value: float) -> float:
        return left + scale(value) * (right - left)

    for tick, text in zip(scale.ticks, scale.labels, strict=True):
        parts.append(tag("path", d=f"M{at(tick):.1f} {top:.1f}V{bottom:.1f}", class_="grid"))
        parts.append(tag("text", text, x=at(tick), y=bottom + LINE, class_="mid"))
    for i, name in enumerate(names):
        y, done = top + _THICK * i, 0.0
        parts.append(tag("text", cut(name, _MOST_LABEL), x=left - 7, y=y + 15, class_="end"))
        for k, (of, values) in enumerate(series):
            about = f"{name}, {of}: {form(values[i])}" if of else f"{name}: {form(values[i])}"
            parts.append(
                tag(
                    "rect", tag("title", about), x=at(done), y=y + 3,
                    width=max(at(done + values[i]) - at(done), 0.0), height=_THICK - 6,
                    class_=f"area {colour(k)}",
                )
            )  # fmt: skip
            done += values[i]
        parts.append(tag("text", form(sums[i]), x=at(done) + 5, y=y + 15))
    middle = (left + right) / 2
    parts.append(tag("text", label, x=middle, y=bottom + 2 * LINE, class_="mid label"))
    return picture(title, bottom + 2 * LINE + 6, join(parts))


def histogram(
    title: str, edges: Sequence[float], series: Sequence[Series], x_label: str, y_label: str
) -> Html:
    """Counts between edges as standing bars, stacked from the series."""
    sums = [sum(values) for values in zip(*(v for _, v in series), strict=True)]
    inner = linear(edges, bounds=(edges[0], edges[-1]))
    y = linear(sums, zero=True, most=5)
    keys = [Key(name, k, "box") for k, (name, _) in enumerate(series)] if len(series) > 1 else []
    frame, axes = framed(inner, y, x_label, y_label, keys)
    parts = [axes]
    for i, (low, high) in enumerate(pairwise(edges)):
        done = 0.0
        for k, (name, values) in enumerate(series):
            x0, y0 = frame.at(low, done)
            x1, y1 = frame.at(high, done + values[i])
            about = f"{low:.4g} to {high:.4g}{f', {name}' if name else ''}: {values[i]:g}"
            parts.append(
                tag(
                    "rect", tag("title", about), x=x0 + 0.5, y=y1, width=max(x1 - x0 - 1, 0.5),
                    height=max(y0 - y1, 0.0), class_=f"area {colour(k)}",
                )
            )  # fmt: skip
            done += values[i]
    return picture(title, HEIGHT, *parts)


def heat(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    shades: Sequence[Sequence[float]],
    texts: Sequence[Sequence[str]],
    row_label: str,
    column_label: str,
) -> Html:
    """A table of shades, from 0 (none) to 1 (full), with a text in each cell that has room for it.

    Args:
        title: for readers who cannot see the picture.
        rows, columns: their names, from the top and from the left.
        shades: of each cell, in rows.
        texts: in each cell.
        row_label, column_label: what the names are.
    """
    left = min(max(map(room, rows)), 110.0) + 12
    wide = min((WIDTH - left - 8) / len(columns), 120.0)
    longest = max(map(room, columns))
    slanted = longest > max(wide - 4, SHORT)
    if slanted:  # the last name leans beyond its column
        wide = min((WIDTH - left - min(longest, 90.0) * 0.7) / len(columns), wide)
    every = ceil((LINE if slanted else longest + 6) / wide)  # names that have room beside others
    high = min(max(wide * 0.6, 15.0), 62.0)
    top = LINE + (min(longest, 90.0) * 0.72 + 14 if slanted else LINE) + 2
    parts = [tag("text", row_label, x=2.0, y=top - 6, class_="label")]
    middle = left + wide * len(columns) / 2
    parts.append(tag("text", column_label, x=middle, y=LINE - 4, class_="mid label"))
    for j, name in list(enumerate(columns))[::every]:
        x = left + wide * (j + 0.5)
        if slanted:
            turn = f"translate({x:.1f} {top - 5:.1f}) rotate(-46)"
            parts.append(tag("text", cut(name, 90.0), transform=turn))
        else:
            parts.append(tag("text", name, x=x, y=top - 6, class_="mid"))
    fits = max(room(t) for line in texts for t in line) < wide - 2
    for i, name in enumerate(rows):
        y = top + high * i
        parts.append(tag("text", cut(name, 110.0), x=left - 7, y=y + high / 2 + 4, class_="end"))
        for j, shade in enumerate(shades[i]):
            about = tag("title", f"{name}, {columns[j]}: {texts[i][j]}")
            x = left + wide * j
            parts.append(
                tag(
                    "rect", about, x=x + 0.5, y=y + 0.5, width=wide - 1, height=high - 1,
                    class_="heat", fill_opacity=f"{0.04 + 0.96 * shade:.3f}",
                )
            )  # fmt: skip
            if fits:
                strong = " on" if shade > DARK else ""
                at = y + high / 2 + 4
                parts.append(tag("text", texts[i][j], x=x + wide / 2, y=at, class_=f"mid{strong}"))
    return picture(title, top + high * len(rows) + 6, *parts)


__all__ = ["Scale", "bars", "heat", "histogram"]
