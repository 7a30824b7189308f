"""Networks from many starts, and how many critical points are minima in many dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.data import make_circles
from chainrule.diagnose.critical import critical_point
from chainrule.nn import Dense, Sequential
from chainrule.nn.initializers import RandomNormal
from chainrule.optim import Adam, minimize
from chainrule.plot import style
from chainrule.plot.landscapes import Landscape
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Ends:
    """Where trainings of one network end that start with other random weights.

    Attributes:
        units: in the hidden layer.
        losses: the mean squared error of each, shape (starts,).
        network: the network.
        params: its parameters at the end, one tree for each start.
    """

    units: int
    losses: Array
    network: Sequential
    params: list[Any]

    def output(self, start: int, x: Array) -> Array:
        """What the network of one start says about points x of shape (rows, 2)."""
        said, _ = self.network(self.params[start], {}, x, training=False)
        return np.asarray(said[:, 0], np.float64)


def circles_data() -> tuple[Array, Array]:
    """Two circles of 60 points, with ±1 as the target; shapes (60, 2) and (60,)."""
    x, y = make_circles(60, seed=0)
    return x, 2.0 * y.astype(np.float64) - 1.0


def ends_of(units: int, starts: int = 12, steps: int = 300) -> Ends:
    """Fit the circles with Adam, each time from other random weights.

    >>> ends_of(2, starts=3, steps=5).losses.shape
    (3,)
    """
    x, y = circles_data()
    random = RandomNormal(stddev=1.0)
    hidden = Dense(units, "tanh", kernel_initializer=random, bias_initializer=random)
    network = Sequential([hidden, Dense(1)])

    def loss(params: Any) -> Any:
        return np.mean((network(params, {}, x, training=True)[0][:, 0] - y) ** 2)

    runs = [
        minimize(loss, network.build(seed, (2,))[0], optimizer=Adam(0.05), steps=steps, tolerance=0)
        for seed in range(starts)
    ]
    losses = np.array([run.fun for run in runs])
    return Ends(units, losses, network, [run.x for run in runs])


def network_minima_runs(widths: Sequence[int] = (2, 3, 4, 8, 32), starts: int = 12) -> list[Ends]:
    """Networks of several widths, each from the same number of starts."""
    return [ends_of(units, starts) for units in widths]


def network_minima(ax: Any = None, runs: Sequence[Ends] | None = None) -> Panels:
    """Networks from many random starts: each ends somewhere else, but wide ones end alike.

    Look at the spread of the points above each width: with three units some starts end at a loss
    ten times that of the others. The more units, the less it matters where one starts: the
    networks end in other places, which are about equally low. Beside it, the best and the
    worst end of three units: the line is where the network changes its mind.

    >>> network_minima(runs=network_minima_runs(widths=(2, 3), starts=2))[0].get_title()
    'Losses of 2 starts'

    Source: Choromanska et al., "The loss surfaces of multilayer networks", AISTATS 2015.
    """
    axes = style.panels(ax, 1, 3)
    runs = network_minima_runs() if runs is None else runs
    left = axes[0]
    for k, run in enumerate(runs):
        aside = np.linspace(-0.25, 0.25, len(run.losses))
        left.semilogy(k + aside, np.sort(run.losses), "o", color=style.BLUE, alpha=0.7,
                      markersize=7)  # fmt: skip
        left.plot([k - 0.3, k + 0.3], [np.median(run.losses)] * 2, color=style.VERMILION,
                  linewidth=2.5, label="median" if k == 0 else None)  # fmt: skip
    left.set_xticks(range(len(runs)), [str(run.units) for run in runs])
    style.dress(left, title=f"Losses of {len(runs[0].losses)} starts", x="hidden units",
                y="loss at the end", legend="upper right")  # fmt: skip
    left.set_ylim(0.008, 3.0)
    narrow = runs[min(1, len(runs) - 1)]
    order = np.argsort(narrow.losses)
    for panel, start, word in ((axes[1], order[0], "best"), (axes[2], order[-1], "worst")):
        _decision(panel, narrow, int(start))
        title = f"{word} of {narrow.units} units: {narrow.losses[start]:.2g}"
        style.dress(panel, title=title, grid=False)
    return axes


def _decision(ax: Axes, run: Ends, start: int) -> None:
    """The network's output over the plane, and the data."""
    from matplotlib.colors import LinearSegmentedColormap

    columns, rows = np.meshgrid(np.linspace(-1.35, 1.35, 100), np.linspace(-2.3, 2.3, 170))
    said = run.output(start, np.column_stack([columns.ravel(), rows.ravel()]))
    tints = LinearSegmentedColormap.from_list("sides", ["#F6D3BE", "#FFFFFF", "#BFD8EC"])
    height = np.clip(said, -1.2, 1.2).reshape(columns.shape)
    ax.contourf(columns, rows, height, levels=np.linspace(-1.2, 1.2, 13), cmap=tints)
    ax.contour(columns, rows, height, levels=[0.0], colors=style.INK, linewidths=1.5)
    x, y = circles_data()
    ax.plot(*x[y < 0].T, "o", color=style.VERMILION, markersize=4)
    ax.plot(*x[y > 0].T, "s", color=style.BLUE, markersize=4)
    ax.set_aspect("equal")


def random_waves(dimensions: int, waves: int = 80, seed: int = 0) -> Landscape:
    """A random smooth function: the sum of plane waves cos(ω·x + φ) with ω from N(0, 1).

    The mean of squares is 1 everywhere, whatever the number of waves.
    """
    rng = np.random.default_rng(seed)
    frequencies = rng.standard_normal((waves, dimensions))
    phases = rng.uniform(0.0, 2 * np.pi, waves)
    return lambda x: np.sqrt(2.0 / waves) * np.sum(np.cos(frequencies @ x + phases))


@dataclass(frozen=True)
class Critical:
    """Critical points of a function of n numbers, found by Newton's method.

    Attributes:
        dimensions: n.
        heights: f at each, shape (points,).
        downwards: how many eigenvalues of the Hessian are negative there, shape (points,).
    """

    dimensions: int
    heights: Array
    downwards: Array

    @property
    def minima(self) -> float:
        """The share of minima."""
        return float(np.mean(self.downwards == 0))

    @property
    def saddles(self) -> float:
        """The share of points with both kinds of eigenvalues."""
        mixed = (self.downwards > 0) & (self.downwards < self.dimensions)
        return float(np.mean(mixed))


def critical_points_of(f: Landscape, dimensions: int, starts: int = 60, seed: int = 1) -> Critical:
    """Newton's method, which goes to the nearest point without a slope, from random places.

    >>> found = critical_points_of(lambda x: np.sum(np.cos(x)), 3, starts=10)
    >>> bool(np.allclose(found.heights, 3 - 2 * (3 - found.downwards)))
    True
    """
    rng = np.random.default_rng(seed)
    heights, downwards = [], []
    for _ in range(starts):
        start = rng.uniform(-5.0, 5.0, dimensions)
        found = minimize(f, start, optimizer="newton", steps=60, tolerance=1e-9)
        if found.success:
            point = critical_point(f, found.x)
            heights.append(point.value)
            downwards.append(point.index)
    return Critical(dimensions, np.array(heights), np.array(downwards, float))


def saddles_by_dimension_runs(
    dimensions: Sequence[int] = (1, 2, 3, 4, 6, 8), starts: int = 70
) -> list[Critical]:
    """Critical points of random functions of more and more numbers."""
    return [critical_points_of(random_waves(n), n, starts) for n in dimensions]


def saddles_by_dimension(ax: Any = None, runs: Sequence[Critical] | None = None) -> Panels:
    """In many dimensions critical points are saddles, and those that are not are low.

    Look at how soon the minima become rare: at a critical point each direction may curve up or
    down, and a minimum needs all of them up, as when n coins all show heads. And look at the
    points on the right: the higher a critical point, the more directions lead down from it. So
    what holds a descent up high above the least value is a saddle, and minima lie low.

    >>> few = saddles_by_dimension_runs(dimensions=(1, 2), starts=5)
    >>> saddles_by_dimension(runs=few)[1].get_title()
    'n = 2, point by point'

    Source: Dauphin et al., "Identifying and attacking the saddle point problem in high-dimensional
    non-convex optimization", NeurIPS 2014; Bray & Dean, Physical Review Letters 98 (2007).
    """
    axes = style.panels(ax, 1, 2)
    runs = saddles_by_dimension_runs() if runs is None else runs
    left, right = axes
    n = np.array([run.dimensions for run in runs])
    saddles = np.array([run.saddles for run in runs])
    minima = np.array([run.minima for run in runs])
    left.plot(n, 100 * saddles, "o-", color=style.VERMILION, linewidth=2.5, label="saddles")
    left.plot(n, 100 * minima, "s-", color=style.BLUE, linewidth=2.5, label="minima")
    left.plot(n, 100 * (1 - saddles - minima), "^-", color=style.GREEN, label="maxima")
    left.plot(n, 100 * 0.5**n, "--", color=style.GREY, label="n coins all heads, 2⁻ⁿ")
    left.set(ylim=(-3, 109), xticks=n)
    style.dress(left, title="Critical points of random functions", x="numbers n",
                y="share, %", legend="center right")  # fmt: skip
    many = runs[-1]
    right.plot(many.heights, many.downwards, "o", color=style.PURPLE, markersize=8, alpha=0.7)
    right.set_ylim(-0.4, many.dimensions + 0.4)
    style.dress(right, title=f"n = {many.dimensions}, point by point", x="f at the critical point",
                y="directions that curve downwards")  # fmt: skip
    return axes
