"""Critical points: what the Hessian says of them, and who leaves a saddle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.derivatives import grad
from chainrule.diagnose.critical import CriticalPoint, critical_point
from chainrule.optim import SGD, minimize
from chainrule.plot import style
from chainrule.plot.landscapes import Landscape, quadratic, saddle
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TURN = np.pi / 6  # of the axes of the quadratics, so that the eigenvectors are not x and y


@dataclass(frozen=True)
class Place:
    """A function of two numbers with a critical point at the origin.

    Attributes:
        f: the function.
        point: what `chainrule.critical_point` says of the origin.
    """

    f: Landscape
    point: CriticalPoint


def critical_point_runs() -> list[Place]:
    """The quadratics with curvatures (1, 2), (−2, −1) and (−2, 1) along turned axes.

    >>> [place.point.kind for place in critical_point_runs()]
    ['minimum', 'maximum', 'saddle']
    """
    turn = np.array([[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]])
    curvatures = ((2.0, 1.0), (-1.0, -2.0), (1.0, -2.0))
    found = [quadratic(turn @ np.diag(c) @ turn.T) for c in curvatures]
    return [Place(f, critical_point(f, np.zeros(2))) for f in found]


def critical_surfaces(ax: Any = None, runs: Sequence[Place] | None = None) -> Panels:
    """Minimum, maximum and saddle, with the eigenvectors of their Hessians.

    Look at the two curves on each surface, and at the arrows in the map below it: they run along
    the eigenvectors. The curves bend with the eigenvalues, up where λ > 0 and down where λ < 0,
    the more the larger |λ|. The gradient is zero at all three points; only the signs of λ tell
    them apart.

    >>> [ax.get_title() for ax in critical_surfaces()][:3]
    ['minimum', 'maximum', 'saddle']

    Source: Goodfellow et al., *Deep Learning*, section 4.3.1.
    """
    axes = style.panels(ax, 2, 3, surfaces=3)
    runs = critical_point_runs() if runs is None else runs
    for above, below, place in zip(axes[:3], axes[3:], runs, strict=True):
        _surface(above, place)
        _map(below, place)
        above.set_title(place.point.kind, fontsize=style.TITLE, color=style.INK, y=1.03)
    return axes


def _directions(point: CriticalPoint) -> Iterator[tuple[float, Array, str]]:
    """Eigenvalue, eigenvector, and the colour of upwards or downwards."""
    for value, vector in zip(point.eigenvalues, point.eigenvectors.T, strict=True):
        yield float(value), vector, style.VERMILION if value > 0 else style.BLUE


def _surface(ax: Any, place: Place) -> None:
    """The surface over a disc, and on it a curve along each eigenvector."""
    radius, angle = np.meshgrid(np.linspace(0, 1, 20), np.linspace(0, 2 * np.pi, 49))
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    ax.computed_zorder = False
    ax.plot_surface(
        x, y, place.f([x, y]), color="#DCE6F0", edgecolor="#B3C1D1", linewidth=0.4, alpha=0.6,
        rstride=3, cstride=2, shade=False, zorder=1,
    )  # fmt: skip
    span = np.linspace(-1, 1, 60)
    for _, vector, color in _directions(place.point):
        path = span * vector[:, None]
        ax.plot(*path, place.f(path), color=color, linewidth=3, zorder=3)
    ax.plot([0], [0], [0], "o", color=style.BLACK, markersize=6, zorder=4)
    ax.view_init(elev=28, azim=-48)
    ax.set(zlim=(-1, 1), xticks=(-1, 0, 1), yticks=(-1, 0, 1), zticks=(-1, 0, 1))
    ax.tick_params(labelbottom=False, labelleft=False, labelsize=style.TEXT)
    ax.set_box_aspect((1, 1, 0.8), zoom=1.35)


def _map(ax: Axes, place: Place) -> None:
    """Lines of equal height, and an arrow along each eigenvector with its eigenvalue."""
    heights = style.surface(place.f, (-1.9, 1.9), (-1.3, 1.3))
    style.contours(ax, heights, np.linspace(-2.0, 2.0, 17))
    for value, vector, color in _directions(place.point):
        # Upwards on the map, so that the words beside the arrow stay clear of the others.
        step = 0.8 * vector * (1 if vector[1] > 0 else -1)
        style.arrow(ax, (0.0, 0.0), step, color, width=3)
        words = f"λ = {value:+.3g}".replace("-", "−")
        style.note(ax, words, (step[0] * 1.1, step[1] * 1.1), color, va="center",
                   ha="left" if step[0] > 0 else "right")  # fmt: skip
    ax.plot(0, 0, "o", color=style.BLACK, markersize=6, zorder=5)
    ax.set_aspect("equal")
    ax.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    style.dress(ax, grid=False)


@dataclass(frozen=True)
class Escape:
    """Three methods near the saddle of `saddle`, whose minima lie at (0, ±1).

    Attributes:
        newton: its path from (0.6, 0.3), shape (steps + 1, 2).
        exact: gradient descent from (1.2, 0), on the ridge, shape (steps + 1, 2).
        noisy: the same with noise in the gradient, shape (steps + 1, 2).
    """

    newton: Array
    exact: Array
    noisy: Array

    @property
    def paths(self) -> dict[str, Array]:
        """All three by name."""
        return {"Newton": self.newton, "descent": self.exact, "descent with noise": self.noisy}


def saddle_escape_runs(noise: float = 0.05, steps: int = 80, seed: int = 1) -> Escape:
    """Newton's method, descent, and descent with noise N(0, σ²) added to each gradient.

    So does a gradient from a batch differ from the full one, where σ² shrinks with its rows.
    """
    newton = minimize(saddle, np.array([0.6, 0.3]), optimizer="newton", steps=20, record=True)
    start, rule = np.array([1.2, 0.0]), SGD(0.2)
    exact = minimize(saddle, start, optimizer=rule, steps=steps, tolerance=0.0, record=True)
    rng = np.random.default_rng(seed)
    slope = grad(saddle)
    x, state = start, rule.init(start)
    noisy = [x]
    for _ in range(steps):
        x, state = rule.update(slope(x) + noise * rng.standard_normal(2), state, x)
        noisy.append(x)
    return Escape(newton.path, exact.path, np.array(noisy))


def saddle_escape(ax: Any = None, run: Escape | None = None) -> Panels:
    """Gradient descent with noise escapes a saddle; Newton's method stops at it.

    Look at the paths: on the ridge the exact gradient has no part that leads off it, so descent
    ends at the saddle. A little noise is enough to leave, and then the slope does the rest: the
    gradient gets small near the saddle, and grows again. Newton's method goes to the nearest point
    of zero gradient, whatever that is.

    >>> [line.get_label() for line in saddle_escape()[1].lines][:2]
    ['Newton', 'descent']

    Source: Goodfellow et al., *Deep Learning*, section 8.2.3.
    """
    axes = style.panels(ax, 1, 3)
    run = saddle_escape_runs() if run is None else run
    left, middle, right = axes
    grid = style.surface(saddle, (-0.55, 1.4), (-1.4, 1.4))
    style.contours(left, grid, np.linspace(-0.24, 1.0, 14))
    left.plot([0, 0], [-1, 1], "*", color=style.BLACK, markersize=13, zorder=4)
    left.plot(0, 0, "X", color=style.BLACK, markersize=11, zorder=5)
    style.note(left, "saddle", (-0.04, -0.1), ha="right", va="top")
    style.note(left, "minimum", (0.14, 1.0), va="center")
    style.note(left, "minimum", (0.14, -1.0), va="center")
    colors = (style.VERMILION, style.ORANGE, style.BLUE)
    for (label, path), color in zip(run.paths.items(), colors, strict=True):
        style.trail(left, path, color, label)
        heights = saddle(path.T)
        if len(heights) < len(run.exact):  # Newton has arrived: it stays
            heights = np.append(heights, np.full(len(run.exact) - len(heights), heights[-1]))
        middle.plot(heights, color=color, linewidth=2.5, label=label)
        norms = np.array([np.linalg.norm(grad(saddle)(at)) for at in path])
        right.semilogy(np.maximum(norms, 1e-16), color=color, linewidth=2.5)
    middle.axhline(-0.25, color=style.GREY, linestyle="--", linewidth=1)
    style.note(middle, "the minima", (80, -0.235), color=style.GREY, ha="right", va="bottom")
    middle.set_ylim(-0.3, 1.05)
    right.set_ylim(1e-10, 3.0)
    left.set_xticks((-0.5, 0.0, 0.5, 1.0))
    style.dress(left, title="Paths", x="x", y="y", grid=False)
    style.dress(middle, title="Height", x="step", y="f", legend="upper right")
    style.dress(right, title="Gradient", x="step", y="its norm")
    return axes
