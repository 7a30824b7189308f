"""A scene painted with matplotlib: PNG for a slide, PDF for a paper, a frame of an animation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.errors import MissingExtraError
from chainrule.insight.drawing.palette import Palette
from chainrule.insight.drawing.shapes import Curve, Scene, Shape, Words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PX = 1 / 96  # of an inch, as CSS has it
MOST_PIXELS = 65_000.0  # on a side of a picture
POINT = 0.75  # px in points, by the same rule


# Widths as measured, without rounding to pixels; letters in a PDF that can be searched and edited.
_SETTINGS: Any = {"text.hinting": "none", "pdf.fonttype": 42}


def save_painted(scene: Scene, palette: Palette, path: Path, dpi: float) -> None:
    """Write a scene as PNG or PDF, by the ending of the path."""
    figure = painted(scene, palette)
    from matplotlib import rc_context

    # Agg has no larger pictures: a drawing that is very long becomes coarser.
    dpi = min(dpi, MOST_PIXELS / (max(scene.width, scene.height) * PX))
    with rc_context(_SETTINGS):
        figure.savefig(path, dpi=dpi)


def save_animation(
    scenes: Sequence[Scene], seconds: Sequence[float], palette: Palette, path: Path, dpi: float
) -> None:
    """Write scenes of one size as an animated GIF or WebP, each for so many seconds."""
    moving = path.suffix.lower() == ".gif"
    images = [_image(scene, palette, dpi, flat=moving) for scene in scenes]
    times = [round(1000 * s) for s in seconds]
    options: dict[str, Any] = {} if moving else {"lossless": True}
    images[0].save(path, save_all=True, append_images=images[1:], duration=times, loop=0, **options)


def _image(scene: Scene, palette: Palette, dpi: float, flat: bool) -> Any:
    """A scene as a Pillow image; with a palette of its own where it is to be flat."""
    figure = painted(scene, palette)
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(min(dpi, MOST_PIXELS / (max(scene.width, scene.height) * PX)))
    with rc_context(_SETTINGS):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    return image.quantize(256, dither=Image.Dither.NONE) if flat else image


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
    from matplotlib.path import Path as Outline

    points, codes = [], []
    for k, piece in enumerate(curve.pieces):
        points += [(p.x, p.y) for p in piece]
        code = Outline.MOVETO if k == 0 else Outline.LINETO if len(piece) == 1 else Outline.CURVE4
        codes += [code] * len(piece)
    if curve.fill:
        points.append(points[0])
        codes.append(Outline.CLOSEPOLY)
    return Outline(points, codes)
