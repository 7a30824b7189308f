"""What is minimised and what is meant: the loss of batches, of the rows, and of the population."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.nn import Dense
from chainrule.nn.initializers import RandomNormal
from chainrule.optim import Adam
from chainrule.plot import style
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass
from chainrule.train import Callback, History, Model

if TYPE_CHECKING:
    pass

NOISE = 0.35


def truth(x: Array) -> Array:
    """What the rows are drawn around: sin 2πx."""
    return np.sin(2 * np.pi * x)


def draw_rows(rows: int, seed: int) -> tuple[Array, Array]:
    """x from U(0, 1) and y = sin 2πx + N(0, 0.35²), each of shape (rows, 1)."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.0, 1.0, (rows, 1))
    return x, truth(x) + NOISE * rng.standard_normal((rows, 1))


class _Curves(Callback):
    """Notes what the network says on a grid after each epoch."""

    def __init__(self, grid: Array) -> None:
        self.grid = grid
        self.curves: list[Array] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        model = self.model
        said, _ = model.layer(model.params, model.state, self.grid, training=False)
        self.curves.append(said[:, 0])


@dataclass(frozen=True)
class Learning:
    """A network fitted to few rows.

    Attributes:
        x, y: the rows, shape (rows, 1).
        batches: the loss of each step's batch, before the step, shape (epochs · steps,).
        steps: in an epoch.
        training: the mean of these losses over each epoch, shape (epochs,).
        population: the loss on many rows that were never trained on, after each epoch, (epochs,).
        grid, curves: points of shape (n, 1), and what the network says there after each epoch,
            shape (epochs, n).
    """

    x: Array
    y: Array
    batches: Array
    steps: int
    training: Array
    population: Array
    grid: Array
    curves: Array

    @property
    def best(self) -> int:
        """The epoch, counted from 0, after which the loss of the population is least."""
        return int(np.argmin(self.population))


def generalization_run(rows: int = 16, epochs: int = 400, fresh: int = 500) -> Learning:
    """Fit 64 steep hidden units to a few rows, and measure the network on many fresh ones."""
    x, y = draw_rows(rows, seed=1)
    steep, spread = RandomNormal(stddev=15.0), RandomNormal(stddev=7.5)
    hidden = Dense(64, "tanh", kernel_initializer=steep, bias_initializer=spread)
    model = Model([hidden, Dense(1)])
    model.compile(Adam(0.01), "mse")
    history, curves = History(per_step=True), _Curves(np.linspace(0.0, 1.0, 120)[:, None])
    model.fit(
        x, y, 8, epochs, verbose=0, validation_data=draw_rows(fresh, seed=2),
        callbacks=[history, curves],
    )  # fmt: skip
    batches = np.array(history.steps["loss"])
    return Learning(
        x, y, batches, len(batches) // epochs, np.array(history.history["loss"]),
        np.array(history.history["val_loss"]), curves.grid, np.array(curves.curves),
    )  # fmt: skip


def generalization(ax: Any = None, run: Learning | None = None) -> Panels:
    """Learning and optimisation: what is minimised is not what is meant.

    Look at where the curves part. Each step lowers the loss of a batch, which stands for that of
    the rows, which stands for that of all the rows there could be. The last is what is meant, and
    it turns upwards while the others still fall: from there on the network learns the noise of its
    rows, as the right panel shows.

    >>> axes = generalization(run=generalization_run(epochs=5))
    >>> axes[0].get_ylabel()
    'mean squared error'

    Source: Goodfellow et al., *Deep Learning*, section 8.1.
    """
    axes = style.panels(ax, 1, 2)
    run = generalization_run() if run is None else run
    left, right = axes
    epochs = np.arange(1, len(run.training) + 1)
    left.loglog(np.arange(1, len(run.batches) + 1) / run.steps, run.batches, color=style.ORANGE,
                linewidth=0.8, alpha=0.6, label="a batch")  # fmt: skip
    left.loglog(epochs, run.training, color=style.BLUE, linewidth=2.5,
                label=f"the {len(run.x)} rows")  # fmt: skip
    left.loglog(epochs, run.population, color=style.VERMILION, linewidth=2.5, label="fresh rows")
    left.axhline(NOISE**2, color=style.GREY, linestyle="--", label="the noise alone")
    left.plot(run.best + 1, run.population[run.best], "o", color=style.VERMILION, markersize=10,
              markeredgecolor="white", zorder=5)  # fmt: skip
    left.set_ylim(0.01, 4.0)
    left.xaxis.set_major_formatter("{x:g}")
    style.dress(left, title="Losses", x="epoch", y="mean squared error", legend="lower left")
    grid = run.grid[:, 0]
    right.plot(grid, truth(grid), "--", color=style.GREY, label="what the rows lie around")
    right.plot(grid, run.curves[run.best], color=style.GREEN, linewidth=2.5,
               label=f"after {run.best + 1} epochs, the best")  # fmt: skip
    right.plot(grid, run.curves[-1], color=style.PURPLE, linewidth=2.5,
               label=f"after {len(run.curves)}")  # fmt: skip
    right.plot(run.x[:, 0], run.y[:, 0], "o", color=style.BLACK, markersize=6)
    right.set_ylim(-2.0, 3.2)
    style.dress(right, title="What the network says", x="x", y="y", legend="upper right")
    return axes
