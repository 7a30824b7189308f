"""A scene painted with matplotlib: PNG for a slide, PDF for a paper, a frame of an animation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.errors import MissingExtraError
from chainrule.insight.drawing.palette import Palette
from chainrule.insight.drawing.shapes import Curve, Scene, Shape, Words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PX = 1 / 96  # of an inch, as CSS has it
POINT = 0.75  # px in points, by the same rule


def painted(scene: Scene, palette: Palette) -> Figure:
    """The scene as a matplotlib figure of its own size.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("PNG, PDF and GIF are painted by matplotlib", "plot") from None
    figure = Figure(figsize=(scene.width * PX, scene.height * PX))
    figure.patch.set_facecolor(palette["paper"])
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0.0, scene.width)
    axes.set_ylim(scene.height, 0.0)
    for order, shape in enumerate(scene.shapes):
        # Words lie above everything, as in SVG.
        level = 1.0 + order * 1e-6 + isinstance(shape, Words)
        axes.add_artist(_artist(shape, palette, level))
    return figure


def _artist(shape: Shape, palette: Palette, order: float) -> Any:
    from matplotlib.patches import FancyBboxPatch, PathPatch
    from matplotlib.text import Text

    if isinstance(shape, Words):
        return Text(
            shape.x, shape.y, shape.text.replace("$", r"\$"), color=palette[shape.fill],
            fontsize=shape.size * POINT, fontfamily="DejaVu Sans",
            fontweight="bold" if shape.bold else "normal",
            ha={"start": "left", "middle": "center", "end": "right"}[shape.anchor],
            va="baseline", zorder=order,
        )  # fmt: skip
    look: dict[str, Any] = {
        "facecolor": palette[shape.fill] if shape.fill else "none",
        "edgecolor": palette[shape.stroke] if shape.stroke else "none",
        "linewidth": shape.line * POINT if shape.stroke else 0.0,
        "linestyle": (0, (4, 3)) if shape.dashed else "solid",
        "zorder": order,
    }
    if isinstance(shape, Curve):
        return PathPatch(_path(shape), capstyle="butt", joinstyle="miter", **look)
    radius = min(shape.radius, shape.width / 2, shape.height / 2)
    style = f"round,pad=0,rounding_size={radius}"
    return FancyBboxPatch((shape.x, shape.y), shape.width, shape.height, style, **look)


def _path(curve: Curve) -> Any:
    from matplotlib.path import Path

    points, codes = [], []
    for k, piece in enumerate(curve.pieces):
        points += [(p.x, p.y) for p in piece]
        code = Path.MOVETO if k == 0 else Path.LINETO if len(piece) == 1 else Path.CURVE4
        codes += [code] * len(piece)
    if curve.fill:
        points.append(points[0])
        codes.append(Path.CLOSEPOLY)
    return Path(points, codes)
