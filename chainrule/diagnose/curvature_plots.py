"""Curvature drawn: slices of the loss with paths, and the eigenvalues of the Hessian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.diagnose.plotting import GRADIENT, SIGNAL, figure

if TYPE_CHECKING:
    from chainrule.diagnose.slices import LossSlice

LEVELS = 16  # of a slice over a plane
INK, FAINT = "#222222", "#8C8C8C"


def plot_slice(seen: LossSlice, ax: Any = None) -> Any:
    """A slice of the loss: a curve, or contours with the path.

    Look at how far the loss stays low around the middle (the ring), whether the path (the dots,
    beginning at the square) runs along a valley, and in the title, how much of the path the plane
    explains. The levels hold equally many points each, so that both the valley and the walls show.

    Args:
        seen: from `loss_slice`.
        ax: matplotlib axes; new ones by default.

    Returns:
        The axes.
    """
    ax = figure(size=(6.5, 5.2)) if ax is None else ax
    if len(seen.axes) == 1:
        _line(seen, ax)
    else:
        _plane(seen, ax)
    words = f"loss of {seen.title}"
    if seen.explained is not None:
        words += f": {seen.explained:.1%} of the path's variance lies in it"
    ax.set_title(words)
    return ax


def _line(seen: LossSlice, ax: Any) -> None:
    losses = np.where(np.isfinite(seen.losses), seen.losses, np.nan)
    ax.plot(seen.axes[0], losses, color=SIGNAL, linewidth=2)
    ax.plot(0.0, seen.centre, "o", color=GRADIENT, markersize=8, label="the parameters")
    ax.set_xlabel(seen.labels[0])
    ax.set_ylabel("loss")
    ax.grid(alpha=0.3)
    ax.legend()


def _plane(seen: LossSlice, ax: Any) -> None:
    losses = np.where(np.isfinite(seen.losses), seen.losses, np.nan)
    levels = np.unique(np.nanquantile(losses, np.linspace(0.0, 1.0, LEVELS + 1)))
    if len(levels) > 1:
        from matplotlib.colors import BoundaryNorm

        norm = BoundaryNorm(levels, 256)
        filled = ax.contourf(*seen.axes, losses, levels=levels, cmap="Blues", norm=norm)
        ax.contour(*seen.axes, losses, levels=levels, colors=FAINT, linewidths=0.5)
        bar = ax.figure.colorbar(filled, ax=ax, ticks=levels[:: max(1, len(levels) // 6)])
        bar.ax.set_yticklabels([f"{level:.3g}" for level in bar.get_ticks()])
        bar.set_label("loss")
    if seen.path is not None:
        ax.plot(*seen.path.T, ".-", color=GRADIENT, linewidth=1.5, markersize=5, label="path")
        ax.plot(*seen.path[0], "s", color=GRADIENT, markersize=7, label="its start")
    ax.plot(0.0, 0.0, "o", color=INK, markersize=9, fillstyle="none", markeredgewidth=2,
            label="the parameters")  # fmt: skip
    ax.set_xlim(seen.axes[0][0], seen.axes[0][-1])
    ax.set_ylim(seen.axes[1][0], seen.axes[1][-1])
    ax.set_xlabel(seen.labels[0])
    ax.set_ylabel(seen.labels[1])
    ax.legend(loc="best", framealpha=0.9)


def plot_spectrum(
    eigenvalues: NDArray[np.float64], ax: Any = None, *, count: int | None = None,
    rest: float | None = None,
) -> Any:  # fmt: skip
    """Eigenvalues of a Hessian in ascending order.

    Look at the signs (below the line the loss bends downwards), at how far the largest stands off
    from the others, and at the gap where those lie that were not computed; the dashed line is their
    mean, from the trace.

    Args:
        eigenvalues: ascending, shape (m,).
        ax: matplotlib axes; new ones by default.
        count: how many there are in all; m by default.
        rest: the mean of those that are not shown.

    Returns:
        The axes.
    """
    ax = figure(size=(6.5, 4.2)) if ax is None else ax
    shown = len(eigenvalues)
    hidden = (count or shown) - shown
    places = np.arange(1, shown + 1, dtype=float)
    low = shown // 2
    if hidden:
        places[low:] += 2.0  # a gap where the others are
    colours = [SIGNAL if value >= 0.0 else GRADIENT for value in eigenvalues]
    ax.vlines(places, 0.0, eigenvalues, colors=colours, linewidth=2)
    ax.scatter(places, eigenvalues, c=colours, s=36, zorder=3)
    ax.axhline(0.0, color=INK, linewidth=0.8)
    names = list(range(1, shown + 1))
    if hidden:
        names = [*range(1, low + 1), *range(low + 1 + hidden, shown + hidden + 1)]
        middle = low + 1.5
        if rest is not None:
            ax.plot([middle - 1.2, middle + 1.2], [rest, rest], "--", color=FAINT, linewidth=2,
                    label=f"{hidden:,} others, mean {rest:.2g}")  # fmt: skip
            ax.legend()
    step = max(1, shown // 12)
    ax.set_xticks(places[::step], [f"{n:,}" for n in names[::step]])
    ax.set_xlabel("eigenvalue, from the smallest")
    ax.set_ylabel("curvature λ")
    ax.grid(axis="y", alpha=0.3)
    return ax
