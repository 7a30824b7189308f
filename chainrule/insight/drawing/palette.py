"""Colours for a light and a dark page, and the scale that shows the size of a derivative.

The scale is one hue from faint to strong: a sequence by lightness is read alike with every kind of
colour vision, and on grey paper. What is not a size (zero, none, not finite) also differs in its
border.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from chainrule.records import dataclass

LEVELS = 8  # steps of the scale
ZERO, NONE, BAD = "zero", "none", "bad"  # beside the scale: exactly 0, no derivative, not finite

Palette = dict[str, str]


def _mixed(a: str, b: str, share: float) -> str:
    """The colour at a share of the way between two."""
    pairs = [(int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in pairs)


def _scale(anchors: tuple[str, ...]) -> list[str]:
    colours = []
    for k in range(LEVELS):
        place = k / (LEVELS - 1) * (len(anchors) - 1)
        i = min(int(place), len(anchors) - 2)
        colours.append(_mixed(anchors[i], anchors[i + 1], place - i))
    return colours


def luminance(colour: str) -> float:
    """Relative luminance, from 0 (black) to 1 (white), by the WCAG 2 definition."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _palette(fixed: Palette, anchors: tuple[str, ...], dark_ink: str, light_ink: str) -> Palette:
    """The fixed roles, and the scale with the ink that is read best on each of its steps."""
    found = dict(fixed)
    fills = dict(enumerate(_scale(anchors)))
    for key, fill in [*fills.items(), (BAD, fixed["level-bad"])]:
        found[f"level-{key}"] = fill
        # Equal contrast with black and with white is reached at this luminance.
        found[f"on-{key}"] = dark_ink if luminance(fill) > 0.179 else light_ink
    for key in (ZERO, NONE):
        found[f"on-{key}"] = fixed["ink"]
    return found


LIGHT = _palette(
    {
        "paper": "#ffffff", "frame": "#d8dee4", "ink": "#1f2328", "muted": "#57606a",
        "edge": "#7d8590", "box": "#f3f5f8", "border": "#8c959f", "accent": "#b3480a",
        "level-zero": "#ffffff", "level-none": "#eceef0", "level-bad": "#c2410c",
    },
    ("#e8f1fa", "#a9d0ee", "#5ea9dc", "#0b3c78"), "#111111", "#ffffff",
)  # fmt: skip
DARK = _palette(
    {
        "paper": "#0d1117", "frame": "#30363d", "ink": "#e6edf3", "muted": "#9da7b1",
        "edge": "#8b949e", "box": "#1c232c", "border": "#6e7681", "accent": "#ffa657",
        "level-zero": "#0d1117", "level-none": "#2a2f37", "level-bad": "#ff8a5c",
    },
    ("#13283d", "#1d5380", "#4794d0", "#b7ddff"), "#0b0f14", "#ffffff",
)  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """Sizes to steps of colour, by their logarithm.

    Attributes:
        least, most: the ends of the scale; both None without a size that is positive and finite.
        beside: which of ZERO, NONE and BAD are met.
    """

    least: float | None
    most: float | None
    beside: frozenset[str]

    def level(self, size: float | None) -> str:
        """The role of a size: a step of the scale, or what stands beside it."""
        if size is None:
            return NONE
        if not math.isfinite(size):
            return BAD
        if size == 0.0:
            return ZERO
        assert self.least is not None
        assert self.most is not None
        share = math.log(size / self.least) / math.log(self.most / self.least)
        return str(min(LEVELS - 1, max(0, int(share * LEVELS))))


def scale(sizes: Iterable[float | None]) -> Scale:
    """The scale that fits the sizes of a drawing.

    It spans two powers of ten at least, so that sizes which hardly differ look alike.

    >>> s = scale([1e-4, 1.0, 0.0, None])
    >>> s.level(1e-4), s.level(1.0), s.level(0.0), s.level(None)
    ('0', '7', 'zero', 'none')
    """
    sizes = list(sizes)
    beside = {NONE for s in sizes if s is None}
    beside |= {BAD for s in sizes if s is not None and not math.isfinite(s)}
    beside |= {ZERO for s in sizes if s == 0.0}
    regular = [s for s in sizes if s and math.isfinite(s)]
    if not regular:
        return Scale(None, None, frozenset(beside))
    return Scale(min(*regular, max(regular) / 100), max(regular), frozenset(beside))
