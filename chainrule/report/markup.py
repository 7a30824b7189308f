"""HTML and SVG elements, in which every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


class Html(str):
    """Text that is markup already; any other text is escaped when it becomes part of an element."""

    __slots__ = ()


_EMPTY = frozenset({"br", "circle", "line", "path", "rect", "meta"})


def tag(name: str, *children: Any, **attributes: Any) -> Html:
    """An element. ``class_`` stands for class and ``stroke_width`` for stroke-width.

    Children that are None are left out, so are attributes that are None.

    >>> tag("p", "a < b ", tag("b", "c"), class_="x")
    '<p class="x">a &lt; b <b>c</b></p>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_written(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY and not children:
        return Html(f"<{name}{given}/>")
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Iterable[Any], between: str = "") -> Html:
    """Children one after the other."""
    return Html(between.join(_child(c) for c in children if c is not None))


def _child(child: Any) -> str:
    return child if isinstance(child, Html) else escape(str(child), quote=False)


def _written(value: Any) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def table(
    head: Sequence[Any], rows: Iterable[Sequence[Any]], *, words: Sequence[int] = (0,),
    class_: str | None = None,
) -> Html:  # fmt: skip
    """A table that scrolls sideways where the page is too narrow.

    Args:
        head: the headings; empty for none.
        rows: the cells.
        words: the columns that hold words, which are aligned to the left; the others hold numbers.
        class_: for the style.
    """

    def line(cells: Sequence[Any], kind: str) -> Html:
        parts = []
        for i, cell in enumerate(cells):
            first = kind == "td" and i == 0
            parts.append(
                tag(
                    "th" if first else kind,
                    cell,
                    scope="row" if first else "col" if kind == "th" else None,
                    class_=None if i in words else "n",
                )
            )
        return tag("tr", *parts)

    heading = tag("thead", line(head, "th")) if any(head) else None
    body = tag("tbody", join((line(row, "td") for row in rows), "\n"))
    # A region that scrolls must be reachable by the keyboard.
    return tag("div", tag("table", heading, body, class_=class_), class_="wide", tabindex=0)


def paragraphs(*texts: Any) -> Html:
    """Each text as a paragraph."""
    return join((tag("p", text) for text in texts), "\n")


def items(texts: Iterable[Any]) -> Html | None:
    """A list, or nothing where there is no text."""
    found = [tag("li", text) for text in texts]
    return tag("ul", *found) if found else None
