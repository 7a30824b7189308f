"""A picture with what it shows above it and its numbers beneath."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from chainrule.report.markup import Html, join, table, tag
from chainrule.report.words import digits

MOST_ROWS = 120  # of a table beneath a picture


def figure(
    title: str,
    svg: Html,
    head: Sequence[str],
    rows: Iterable[Sequence[Any]],
    note: str = "",
    *,
    words: Sequence[int] = (0,),
    rest: str = "",
) -> Html:
    """A picture, its title, what to look at, and its numbers as a table.

    Args:
        title: what is drawn.
        svg: the drawing.
        head, rows, words: of the table; numbers are written with four digits.
        note: what to look at.
        rest: where the numbers are that the table leaves out.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    kept = thinned(cells, MOST_ROWS)
    more = None
    if len(kept) < len(cells):
        more = tag("p", f"{len(kept)} of {len(cells)} lines. {rest}".strip(), class_="soft")
    caption = tag("figcaption", tag("b", title), tag("p", note) if note else None)
    numbers = tag("details", tag("summary", "Numbers"), table(head, kept, words=words), more)
    return tag("figure", caption, svg, numbers)


def figures(*parts: Html | None) -> Html:
    """Pictures beside each other where there is room."""
    return tag("div", join(parts, "\n"), class_="figures")


def thinned(values: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the values, evenly spaced, with the first and the last.

    >>> thinned(range(10), 4)
    [0, 3, 6, 9]
    """
    if len(values) <= most:
        return list(values)
    return [values[round(k * (len(values) - 1) / (most - 1))] for k in range(most)]


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return digits(value) if math.isfinite(value) else "–"
    return f"{value:,}" if isinstance(value, int) else value


def remark_list(remarks: Iterable[Any]) -> Html:
    """Remarks or verdicts, each with its remedy; those with one are marked."""
    lines = []
    for remark in remarks:
        remedy = None
        if remark.remedy:
            remedy = tag("span", tag("b", "What helps: "), remark.remedy, class_="remedy")
        lines.append(
            tag(
                "li",
                remark.words[:1].upper() + remark.words[1:],
                remedy,
                class_="warn" if remark.remedy else "fine",
            )
        )
    return tag("ul", *lines, class_="remarks")
