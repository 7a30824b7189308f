"""Descent on all rows and on a few at a time: losses, paths, contours, and growing batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.nn import Dense
from chainrule.optim import SGD, BatchGrowth
from chainrule.plot import style
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass
from chainrule.train import Callback, Model

if TYPE_CHECKING:
    pass

ROWS = 64


def line_data(rows: int = ROWS, seed: int = 0) -> tuple[Array, Array]:
    """Points around the line y = 1 + 2x, with x and the noise from N(0, 1); each (rows, 1)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 1))
    return x, 1.0 + 2.0 * x + rng.normal(size=(rows, 1))


def mean_squared(x: Array, y: Array) -> Callable[[Any], Any]:
    """The mean of (w₀ x + w₁ − y)² over some rows, a function of (slope, intercept)."""
    return lambda w: np.mean((w[0] * x + w[1] - y) ** 2)


class _Trail(Callback):
    """Notes slope and intercept before each step, and the loss of the step's batch."""

    def __init__(self) -> None:
        self.path: list[Array] = []
        self.batch_losses: list[float] = []

    def _note(self) -> None:
        dense = self.model.params["dense"]
        self.path.append(np.array([dense["kernel"][0, 0], dense["bias"][0]]))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._note()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batch_losses.append(logs["batch_loss"])

    def on_train_end(self, logs: Any = None) -> None:
        self._note()


@dataclass(frozen=True)
class LineFit:
    """A line fitted to points by gradient descent, on a batch of the rows at each step.

    Attributes:
        x, y: the points, shape (rows, 1).
        batch_size: rows in a step, or the function of the epoch that gave them.
        path: (slope, intercept) before each step and after the last, shape (steps + 1, 2).
        batch_losses: the loss of each step's batch before the step, shape (steps,).
        losses: the loss of all rows along the path, shape (steps + 1,).
        rows_seen: how many rows had been used at each point of the path, shape (steps + 1,).
    """

    x: Array
    y: Array
    batch_size: int | BatchGrowth
    path: Array
    batch_losses: Array
    losses: Array
    rows_seen: Array

    @property
    def epochs(self) -> Array:
        """The passes over the data done at each point of the path."""
        return self.rows_seen / len(self.x)

    @property
    def least(self) -> float:
        """The smallest loss that any line has, from the normal equations."""
        design = np.hstack([self.x, np.ones_like(self.x)])
        best = np.linalg.lstsq(design, self.y)[0]
        return float(mean_squared(self.x, self.y)(best[:, 0]))


def fit_line(
    batch_size: int | BatchGrowth, *, rate: float = 0.05, epochs: int = 10, rows: int = ROWS,
    start: tuple[float, float] = (-1.0, -1.5), shuffle: bool = True,
) -> LineFit:  # fmt: skip
    """Fit a line by `Model.fit`, from a start (slope, intercept), and note each step."""
    x, y = line_data(rows)
    model = Model([Dense(1)])
    model.compile(SGD(rate), "mse", jit_compile=False)
    model.build((1,))
    model.set_weights([np.array([[start[0]]]), np.array([start[1]])])
    trail = _Trail()
    model.fit(x, y, batch_size, epochs, verbose=0, callbacks=trail, shuffle=shuffle)
    path = np.array(trail.path)
    sizes = [batch_size(e) if callable(batch_size) else batch_size for e in range(epochs)]
    used = [min(size, rows - i) for size in sizes for i in range(0, rows, size)]
    loss = mean_squared(x, y)
    return LineFit(
        x, y, batch_size, path, np.array(trail.batch_losses),
        np.array([loss(w) for w in path]), np.cumsum([0, *used]),
    )  # fmt: skip


def loss_curve_runs() -> tuple[LineFit, LineFit]:
    """The same line fitted with batches of 8 rows and with all 64 at once, at one rate."""
    return fit_line(8), fit_line(ROWS)


def loss_curves(ax: Any = None, runs: tuple[LineFit, LineFit] | None = None) -> Panels:
    """The loss against steps and against epochs: of each batch, and of all rows.

    Look at the batch's own loss: it jumps although the loss of all rows falls smoothly, because
    each batch asks an easier or a harder question. Against epochs, which cost the same, small
    batches are ahead: they step eight times where the full batch steps once.

    >>> loss_curves()[0].get_title()
    'Batches of 8, step by step'

    Source: Goodfellow et al., *Deep Learning*, section 8.1.3.
    """
    axes = style.panels(ax, 1, 2)
    small, full = loss_curve_runs() if runs is None else runs
    left, right = axes
    steps = np.arange(len(small.losses))
    left.plot(steps[:-1], small.batch_losses, color=style.ORANGE, label="the step's batch")
    left.plot(steps, small.losses, color=style.BLUE, linewidth=2.5, label="all rows")
    for step in np.flatnonzero(small.epochs % 1 == 0)[1:]:
        left.axvline(step, color=style.GREY, linewidth=0.8, linestyle=":")
    left.plot([], [], color=style.GREY, linestyle=":", label="an epoch's end")
    style.dress(left, title=f"Batches of {small.batch_size}, step by step", x="step", y="loss",
                legend="upper right")  # fmt: skip
    for run, color in ((small, style.BLUE), (full, style.VERMILION)):
        right.plot(run.epochs, run.losses, "o-", markersize=3, color=color,
                   label=f"batches of {run.batch_size}")  # fmt: skip
    right.axhline(full.least, color=style.GREY, linestyle="--", label="least possible")
    style.dress(right, title="The loss of all rows, by epoch", x="epoch", y="loss",
                legend="upper right")  # fmt: skip
    right.set_ylim(0.0)
    left.set_ylim(0.0)
    return axes


def path_runs() -> tuple[LineFit, ...]:
    """Fits with all rows, 8 and 1 at a time, at one rate and for the same number of epochs."""
    return tuple(fit_line(size, epochs=10) for size in (ROWS, 8, 1))


def minibatch_paths(ax: Any = None, runs: tuple[LineFit, ...] | None = None) -> Panels:
    """Full-batch, mini-batch and single-row descent over the contours of the full loss.

    Look at the angle to the contours: the full batch crosses each at a right angle; a batch of 8
    strays a little and gets farther in as many epochs; single rows bounce, and never come to rest
    while the rate stays as it is.

    >>> [ax.get_title() for ax in minibatch_paths()][1]
    '8 rows a step: 80 steps'

    Source: Bottou, Curtis & Nocedal, "Optimization methods for large-scale machine learning", SIAM
    Review 60 (2018).
    """
    axes = style.panels(ax, 1, 3)
    runs = path_runs() if runs is None else runs
    for ax, run, color in zip(axes, runs, style.CYCLE, strict=False):
        grid = style.surface(mean_squared(run.x, run.y), (-1.5, 3.3), (-3.4, 5.4), points=70)
        style.contours(ax, grid, run.least + np.geomspace(0.05, 30, 13))
        looks: Any = {"markersize": 2, "linewidth": 1.0} if len(run.path) > 300 else {}
        style.trail(ax, run.path, color, **looks)
        size = run.batch_size
        title = "all rows" if size == len(run.x) else f"{size} row{'s' if size != 1 else ''} a step"
        style.dress(ax, title=f"{title}: {len(run.path) - 1} steps", x="slope", y="intercept",
                    grid=False)  # fmt: skip
        ax.set_aspect("equal")
    return axes


def batch_contour_runs(batch_size: int = 8) -> LineFit:
    """One epoch of batches in the order of the rows, so that batch k is rows 8k to 8k + 7."""
    return fit_line(batch_size, rate=0.15, epochs=1, shuffle=False)


def batch_contours(ax: Any = None, run: LineFit | None = None) -> Panels:
    """Each batch's own contours beside those of all rows, and the step that it asks for.

    Look at how the coloured contours, those of one batch, lie around another minimum than the
    grey ones of all rows. The step goes straight down the batch's slope, at a right angle to the
    coloured contours; that is down the full slope too, but only roughly.

    >>> len(batch_contours())
    6

    Source: Goodfellow et al., *Deep Learning*, section 8.1.3.
    """
    axes = style.panels(ax, 2, 3)
    run = batch_contour_runs() if run is None else run
    assert isinstance(run.batch_size, int)
    area = (-1.9, 4.5), (-2.0, 2.7)
    full = style.surface(mean_squared(run.x, run.y), *area, points=50)
    for k, ax in enumerate(axes):
        rows = slice(k * run.batch_size, (k + 1) * run.batch_size)
        own = style.surface(mean_squared(run.x[rows], run.y[rows]), *area, points=50)
        style.contours(ax, full, run.least + np.geomspace(0.2, 20, 8))
        levels = own[2].min() + np.geomspace(0.2, 20, 6)
        style.contours(ax, own, levels, color=style.ORANGE, filled=False, linewidths=1.3)
        ax.plot(*run.path[: k + 1].T, color=style.BLUE, linewidth=1.2)
        style.arrow(ax, run.path[k], run.path[k + 1] - run.path[k], style.BLUE)
        style.dress(ax, title=f"batch {k + 1}", x="slope" if k > 2 else "",
                    y="intercept" if k % 3 == 0 else "", grid=False)  # fmt: skip
        ax.set_aspect("equal")  # so that steps cross contours at the angle that they have
    axes[0].plot([], [], color="#9AA7B5", label="all rows")
    axes[0].plot([], [], color=style.ORANGE, label="this batch")
    axes[0].legend(loc="lower right", fontsize=style.TEXT, framealpha=0.95, edgecolor="none")
    return axes


def batch_growth_runs(epochs: int = 30) -> tuple[LineFit, LineFit, LineFit]:
    """The line fitted with 4 rows a step, with all 512, and with 4 that double every 4 epochs."""
    growth = BatchGrowth(4, factor=2, every=4, largest=512)
    small, full, growing = (
        fit_line(size, rate=0.1, epochs=epochs, rows=512) for size in (4, 512, growth)
    )
    return small, full, growing


def batch_growth(ax: Any = None, runs: tuple[LineFit, LineFit, LineFit] | None = None) -> Panels:
    """Batches that grow: quick at first like small ones, quiet at the end like large ones.

    Look at the floor: batches of 4 get near at once and then bounce at a distance that their
    noise sets. All rows at once fall steadily, but in few steps. Growing batches leave the floor
    each time they double.

    >>> batch_growth(runs=batch_growth_runs(epochs=5))[1].get_ylabel()
    'rows in a step'

    Source: Smith, Kindermans, Ying & Le, "Don't decay the learning rate, increase the batch size",
    ICLR 2018.
    """
    axes = style.panels(ax, 1, 2)
    runs = batch_growth_runs() if runs is None else runs
    left, right = axes
    labels = ("4 rows", "all 512 rows", "4 rows, doubling")
    for run, color, label in zip(
        runs, (style.ORANGE, style.BLUE, style.GREEN), labels, strict=True
    ):
        ends = np.flatnonzero(run.rows_seen % len(run.x) == 0)
        left.semilogy(run.epochs[ends], run.losses[ends] - run.least, "o-", color=color,
                      markersize=4, label=label)  # fmt: skip
        epochs = range(1, len(ends))
        sizes = [run.batch_size(e - 1) if callable(run.batch_size) else run.batch_size
                 for e in epochs]  # fmt: skip
        right.step(epochs, sizes, where="mid", color=color, linewidth=2.5)
    style.dress(left, title="Loss above the least possible", x="epoch", y="loss − least",
                legend="lower left")  # fmt: skip
    right.set_yscale("log", base=2)
    right.yaxis.set_major_formatter("{x:.0f}")
    style.dress(right, title="Batch size", x="epoch", y="rows in a step")
    return axes
