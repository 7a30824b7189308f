"""A scene as SVG text: one self-contained element, for a file, a page or a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Literal

from chainrule.insight.drawing.palette import DARK, LIGHT, Palette
from chainrule.insight.drawing.shapes import Box, Curve, Point, Scene, Shape, Words

Theme = Literal["auto", "light", "dark"]
Extra = Callable[[Shape], tuple[str, str]]

FONTS = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
# What XML 1.0 has no place for, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def svg(scene: Scene, theme: Theme = "auto", extra: Extra | None = None) -> str:
    """The scene as an ``<svg>`` element.

    Colours stand in the elements themselves, for readers that know no style sheets. With "auto"
    a style sheet changes them on a dark page; its names begin with ``crd``, so that several
    drawings on one page leave each other and the page alone.

    Args:
        scene: the drawing.
        theme: "light", "dark", or "auto" for the reader's own.
        extra: for a shape, attributes of its element, and what stands inside of it: its animation.
    """
    palette = DARK if theme == "dark" else LIGHT
    writer = _Writer(palette, theme == "auto", extra or (lambda shape: ("", "")))
    width, height = _n(scene.width), _n(scene.height)
    style = f"\n<style>{_dark_style(scene.shapes)}</style>" if theme == "auto" else ""
    drawn = "\n".join(map(writer.shape, _of(scene.shapes, Box, Curve)))
    words = "\n".join(map(writer.shape, _of(scene.shapes, Words)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="crd" role="img" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'style="max-width:100%;height:auto" aria-label="{_text(scene.title)}">{style}\n'
        f"<g>\n{drawn}\n</g>\n"
        f'<g font-family="{FONTS}" pointer-events="none">\n{words}\n</g>\n</svg>\n'
    )


def _of(shapes: Iterable[Shape], *kinds: type) -> list[Shape]:
    return [shape for shape in shapes if isinstance(shape, kinds)]


class _Writer:
    """Shapes as elements, in the colours of one palette."""

    def __init__(self, palette: Palette, classes: bool, extra: Extra) -> None:
        self.palette = palette
        self.classes = classes
        self.extra = extra

    def shape(self, shape: Shape) -> str:
        more, inside = self.extra(shape)
        if isinstance(shape, Words):
            anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
            bold = ' font-weight="bold"' if shape.bold else ""
            return (
                f'<text x="{_n(shape.x)}" y="{_n(shape.y)}" font-size="{_n(shape.size)}"'
                f"{anchor}{bold}{self.colours(shape.fill)}{more}>{_text(shape.text)}{inside}</text>"
            )
        look = self.colours(shape.fill or "none", shape.stroke, shape.line, shape.dashed) + more
        if isinstance(shape, Curve):
            element, look = "path", f'd="{_path(shape)}"{look}'
        else:
            element = "rect"
            look = (
                f'x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.width)}" '
                f'height="{_n(shape.height)}" rx="{_n(shape.radius)}"{look}'
            )
            if shape.hint:
                inside = f"<title>{_text(shape.hint)}</title>{inside}"
        return f"<{element} {look}>{inside}</{element}>" if inside else f"<{element} {look}/>"

    def colours(self, fill: str, stroke: str = "", line: float = 1.0, dashed: bool = False) -> str:
        names = []
        found = f' fill="{self.palette.get(fill, fill)}"'
        if fill != "none":
            names.append(f"crd-{fill}")
        if stroke:
            found += f' stroke="{self.palette[stroke]}" stroke-width="{_n(line)}"'
            found += ' stroke-dasharray="4 3"' if dashed else ""
            names.append(f"crd-s-{stroke}")
        return f' class="{" ".join(names)}"{found}' if self.classes and names else found


def _dark_style(shapes: Iterable[Shape]) -> str:
    """The rules that put in the dark colours of the roles that are used."""
    fills, strokes = set(), set()
    for shape in shapes:
        fills.add(shape.fill)
        if not isinstance(shape, Words):
            strokes.add(shape.stroke)
    rules = [f".crd .crd-{role}{{fill:{DARK[role]}}}" for role in sorted(fills - {""})]
    rules += [f".crd .crd-s-{role}{{stroke:{DARK[role]}}}" for role in sorted(strokes - {""})]
    return f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}"


def _path(curve: Curve) -> str:
    def points(piece: tuple[Point, ...]) -> str:
        return " ".join(f"{_n(p.x)} {_n(p.y)}" for p in piece)

    first, *others = curve.pieces
    parts = [f"M{points(first)}"]
    parts += [f"{'L' if len(piece) == 1 else 'C'}{points(piece)}" for piece in others]
    return "".join(parts) + ("Z" if curve.fill else "")


def _text(text: str) -> str:
    """A text, escaped; what XML cannot hold is shown by its number."""
    return escape(_FORBIDDEN.sub(lambda match: f"\\x{ord(match[0]):02x}", text))


def _n(x: float) -> str:
    """A number with as few digits as a screen needs."""
    return f"{x:.2f}".rstrip("0").rstrip(".")
