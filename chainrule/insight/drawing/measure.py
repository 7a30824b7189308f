"""How wide a text is, without a renderer, and where to break it."""

from __future__ import annotations

import re
import unicodedata

# Widths of DejaVu Sans in thousandths of its size, for the signs from space to ~. It is the widest
# of the common sans-serif fonts, so what fits here fits in the others too.
_ASCII = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
)  # fmt: skip
_NARROW = dict.fromkeys("₀₁₂₃₄₅₆₇₈₉⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ", 401) | {"·": 318, "∂": 517, "‖": 500, "ξ": 558}
_OTHER, _WIDE = 840, 1000
_BOLD = 1.15  # the bold face against the regular one


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a text at a font size, both in px; never less than in a common font.

    >>> text_width("ξ₁ = 2", 10.0)
    30.69
    """
    units = sum(map(_units, text))
    return round(units * size / 1000 * (_BOLD if bold else 1.0), 2)


def _units(c: str) -> int:
    if " " <= c <= "~":
        return _ASCII[ord(c) - 32]
    if unicodedata.combining(c):
        return 0
    if c in _NARROW:
        return _NARROW[c]
    return _WIDE if unicodedata.east_asian_width(c) in "WF" or ord(c) > 0xFFFF else _OTHER


def wrapped(text: str, size: float, room: float, *, bold: bool = False) -> list[str]:
    """The text in lines no wider than ``room`` px; nothing is left out.

    Lines end after a space or a sign of punctuation where there is one, else in a word.

    >>> wrapped("params['encoder']['kernel']", 10.0, 100.0)
    ["params['encoder']", "['kernel']"]
    """
    lines: list[str] = []
    line = ""
    for piece in _pieces(" ".join(text.split())):
        if line and text_width((line + piece).rstrip(), size, bold=bold) > room:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
        while text_width(line.rstrip(), size, bold=bold) > room and len(line) > 1:
            fits = 1
            while text_width(line[: fits + 1], size, bold=bold) <= room:
                fits += 1
            lines.append(line[:fits])
            line = line[fits:]
    return [*lines, line.rstrip()] if line.rstrip() or not lines else lines


def _pieces(text: str) -> list[str]:
    """Where a line may end: after a space, a comma or an underscore, before a bracket or a name."""
    return re.split(r"(?<=[\s,_])(?=[^\s,_])|(?=[\[(])|(?=\.[^\W\d])", text)
