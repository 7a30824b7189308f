"""What all figures share: colours, sizes that a slide shows, panels, and the shape of a surface.

Nothing here touches matplotlib's settings or pyplot: every size is given where it is used.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ArgumentError, MissingExtraError
from chainrule.optim.checks import users_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

# Okabe & Ito, "Color universal design" (2008): told apart with every kind of colour vision.
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE, BLACK = "#0072B2", "#D55E00", "#CC79A7", "#000000"
CYCLE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
INK, GREY, FAINT = "#222222", "#6E6E6E", "#D5D5D5"

SIZE = (10.0, 5.6)  # inches: a slide of 16:9
TITLE, LABEL, TEXT = 14.0, 13.0, 12.0  # points


class Panels(list["Axes"]):
    """The axes that a figure was drawn on, in reading order. In a notebook it shows itself."""

    @property
    def figure(self) -> Any:
        """The matplotlib figure that they belong to; ``figure.savefig(path)`` writes it."""
        return self[0].figure.figure  # of a subfigure, the whole

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.figure.savefig(picture, format="png", dpi=80)
        return picture.getvalue()


def panels(given: Any, rows: int, columns: int, *, surfaces: int = 0) -> Panels:
    """The axes to draw on: those given, or those of a new figure of a slide's size.

    Args:
        given: None, one Axes, or an array or sequence of rows · columns of them.
        rows, columns: the grid of a new figure.
        surfaces: how many of the first axes are in three dimensions.

    Raises:
        ArgumentError: another number of axes, or not "3d" where that is needed.
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.axes import Axes
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise MissingExtraError("figures are drawn by matplotlib", "plot") from None
    count = rows * columns
    kinds = ["3d"] * surfaces + ["rectilinear"] * (count - surfaces)
    if given is None:
        figure = Figure(figsize=SIZE, layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.12))
        return Panels(
            figure.add_subplot(rows, columns, k, projection=kind)
            for k, kind in enumerate(kinds, start=1)
        )
    axes = Panels(np.ravel(np.asarray(given, dtype=object)))
    if len(axes) != count or not all(isinstance(ax, Axes) for ax in axes):
        raise ArgumentError(
            f"this figure is drawn on {count} matplotlib axes",
            got=f"{len(axes)}: {', '.join(type(ax).__name__ for ax in axes)}",
            line=users_line(),
            remedy=f"give ax=figure.subplots({rows}, {columns}), or leave it out",
        )
    if [ax.name for ax in axes] != kinds:
        three = "surfaces and needs axes in three dimensions"
        raise ArgumentError(
            f"this figure shows {three}" if surfaces else "this figure needs axes in the plane",
            got=", ".join(ax.name for ax in axes),
            line=users_line(),
            remedy=f"make number k, from 1, by figure.add_subplot({rows}, {columns}, k, "
            f"projection='3d') up to k = {surfaces}"
            if surfaces
            else f"give figure.subplots({rows}, {columns})",
        )
    return axes


def dress(
    ax: Axes, *, title: str = "", x: str = "", y: str = "", grid: bool = True,
    legend: Any = "", columns: int = 1,
) -> None:  # fmt: skip
    """Title, labels, sizes, a faint grid, and a legend at the place that is given."""
    ax.set_title(title, fontsize=TITLE, color=INK)
    ax.set_xlabel(x, fontsize=LABEL, color=INK)
    ax.set_ylabel(y, fontsize=LABEL, color=INK)
    ax.tick_params(labelsize=TEXT, colors=INK)
    for side in ("top", "right"):
        if side in ax.spines:
            ax.spines[side].set_visible(False)
    if grid:
        ax.grid(color=FAINT, linewidth=0.6)
        ax.set_axisbelow(True)
    if legend:
        ax.legend(loc=legend, ncols=columns, fontsize=TEXT, framealpha=0.9, edgecolor="none")


def note(ax: Axes, text: str, at: tuple[float, float], color: str = INK, **options: Any) -> None:
    """A few words on a white ground, at a place in the data's coordinates."""
    ground: Any = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
    looks: Any = {"color": color, "fontsize": TEXT, "bbox": ground}
    ax.text(*at, text, **(looks | options))


def arrow(
    ax: Axes, start: Sequence[float] | Array, step: Sequence[float] | Array, color: str,
    label: str | None = None, width: float = 2.5,
) -> None:  # fmt: skip
    """An arrow from a point along a step, in the data's coordinates."""
    looks: Any = {"arrowstyle": "-|>", "color": color, "shrinkA": 0.0, "shrinkB": 0.0,
                  "linewidth": width, "mutation_scale": 7 * width}  # fmt: skip
    tail = (float(start[0]), float(start[1]))
    head = (tail[0] + float(step[0]), tail[1] + float(step[1]))
    ax.annotate("", xy=head, xytext=tail, arrowprops=looks, zorder=4)
    if label:
        ax.plot([], [], color=color, linewidth=width, label=label)


def surface(
    f: Callable[[Any], Any], x: tuple[float, float], y: tuple[float, float], points: int = 90
) -> tuple[Array, Array, Array]:
    """f on a grid of the plane: (x, y, f(x, y)), each of shape (points, points)."""
    columns, rows = np.meshgrid(np.linspace(*x, points), np.linspace(*y, points))
    with np.errstate(all="ignore"):
        heights = [f(np.array(at)) for at in zip(columns.ravel(), rows.ravel(), strict=True)]
    return columns, rows, np.array(heights).reshape(columns.shape)


def contours(
    ax: Axes, grid: tuple[Array, Array, Array], levels: Sequence[float] | Array,
    color: str = "", filled: bool = True, **options: Any,
) -> None:  # fmt: skip
    """Lines of equal height; the deeper, the darker the ground."""
    from matplotlib.colors import LinearSegmentedColormap

    if filled:
        shades = LinearSegmentedColormap.from_list("depth", ["#B9CFE4", "#FFFFFF"])
        ax.contourf(*grid, levels=levels, cmap=shades, extend="both")
    lines: Any = {"colors": color or "#9AA7B5", "linewidths": 0.8, "linestyles": "solid"}
    ax.contour(*grid, levels=levels, **(lines | options))


def trail(ax: Axes, path: Array, color: str, label: str | None = None, **options: Any) -> None:
    """A path through the plane, shape (steps + 1, 2): dots joined by a line, its start a ring."""
    looks: Any = {"color": color, "linewidth": 1.8, "marker": "o", "markersize": 4, "zorder": 3}
    ax.plot(path[:, 0], path[:, 1], label=label, **(looks | options))
    ax.plot(*path[0], "o", color=color, markersize=9, fillstyle="none", markeredgewidth=2, zorder=3)
