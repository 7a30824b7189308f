"""Small batches leave local minima that the full loss holds on to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.data import batches
from chainrule.derivatives import grad
from chainrule.optim import SGD, BatchGrowth
from chainrule.plot import style
from chainrule.plot.landscapes import waves
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass

if TYPE_CHECKING:
    pass

ROWS = 64


def row_shifts(seed: int = 0) -> Array:
    """What each row shifts its own loss by: N(0, 0.7²), with the mean 0; shape (64,)."""
    shifts = 0.7 * np.random.default_rng(seed).standard_normal(ROWS)
    return shifts - shifts.mean()


def mean_loss(shifts: Array) -> Callable[[Any], Any]:
    """The mean over rows of `waves`, each shifted: w ↦ mean waves(w − a)."""
    return lambda w: np.mean(waves(w - shifts))


@dataclass(frozen=True)
class Bouncing:
    """Descent on batches of rows from the valley around −6.

    Attributes:
        batch_size: rows in a step, or the function of the epoch that gives them.
        path: w before each step and after the last, shape (steps + 1,).
        epochs: passes over the rows done at each point, shape (steps + 1,).
    """

    batch_size: int | BatchGrowth
    path: Array
    epochs: Array

    @property
    def end(self) -> float:
        """The loss of all rows, averaged over the last epoch."""
        loss = mean_loss(row_shifts())
        return float(np.mean([loss(w) for w in self.path[self.epochs > self.epochs[-1] - 1]]))


def bouncing_run(
    batch_size: int | BatchGrowth, seed: int = 0, *, rate: float = 0.3, epochs: int = 20
) -> Bouncing:
    """w ← w − α ∂/∂w of the loss of the step's rows, drawn anew in each epoch.

    >>> bouncing_run(64, epochs=2).path.round(3)
    array([-6.   , -5.966, -5.946])
    """
    shifts, rule = row_shifts(), SGD(rate)
    slope = grad(lambda w, rows: np.mean(waves(w - rows)))
    w, state = -6.0, rule.init(-6.0)
    path, used = [w], [0.0]
    for epoch in range(epochs):
        size = batch_size(epoch) if callable(batch_size) else batch_size
        for rows in batches(ROWS, size, seed * 1000 + epoch):
            w, state = rule.update(slope(w, shifts[rows]), state, w)
            path.append(w)
            used.append(used[-1] + len(rows) / ROWS)
    return Bouncing(batch_size, np.array(path), np.array(used))


def minibatch_escape_runs(repeats: int = 12, epochs: int = 20) -> list[list[Bouncing]]:
    """Runs with all rows, 16, 4 and 1 in a step, and with 1 that becomes 4, 16 and 64."""
    growth = BatchGrowth(1, factor=4, every=max(epochs // 4, 1), largest=ROWS)
    return [
        [bouncing_run(size, seed, epochs=epochs) for seed in range(repeats)]
        for size in (ROWS, 16, 4, 1, growth)
    ]


def minibatch_escape(ax: Any = None, runs: Sequence[Sequence[Bouncing]] | None = None) -> Panels:
    """Batches that get out of a local minimum, where the full loss is stuck.

    Look at the thin curves: each batch has its own loss, with hills and valleys elsewhere, so what
    is a valley for all rows is a slope for some. Large batches bounce too little and stay where
    they are; single rows leave both local minima and then bounce around the lowest. Those that
    grow do both: they leave while small, and come to rest when large.

    >>> minibatch_escape(runs=minibatch_escape_runs(repeats=1, epochs=4))[2].get_title()
    'Where 1 runs end'

    Source: Kleinberg, Li & Yuan, "An alternative view: when does SGD escape local minima?", ICML
    2018.
    """
    axes = style.panels(ax, 1, 3)
    runs = minibatch_escape_runs() if runs is None else runs
    left, middle, right = axes
    shifts, w = row_shifts(), np.linspace(-8.0, 4.0, 250)
    for k, rows in enumerate(list(batches(ROWS, 4, 0))[:5]):
        height = [mean_loss(shifts[rows])(at) for at in w]
        left.plot(w, height, color=style.ORANGE, linewidth=1.2,
                  label="batches of 4" if k == 0 else None)  # fmt: skip
    left.plot(w, [mean_loss(shifts)(at) for at in w], color=style.BLACK, linewidth=2.5,
              label="all rows")  # fmt: skip
    left.plot(-6.0, mean_loss(shifts)(-6.0), "o", color=style.BLUE, markersize=10, label="start")
    left.set_ylim(-1.2, 5.6)
    style.dress(left, title="The loss", x="w", y="loss", legend="upper right")

    colors = (style.BLUE, style.PURPLE, style.VERMILION, style.ORANGE, style.GREEN)
    names = ("all", "16", "4", "1", "grows")
    for k in (3, 0, 2, 4):
        one = runs[k][0]
        middle.plot(one.epochs, one.path, color=colors[k], linewidth=1.0 if k == 3 else 2.0,
                    label=names[k], zorder=2 if k == 3 else 3)  # fmt: skip
    middle.set_ylim(-7.0, 9.5)
    style.dress(middle, title="A run of each", x="epoch", y="w", legend="upper center", columns=2)
    for k, (some, color) in enumerate(zip(runs, colors, strict=True)):
        ends = [run.end for run in some]
        aside = np.linspace(-0.25, 0.25, len(ends))
        right.plot(k + aside, ends, "o", color=color, markersize=7, alpha=0.7)
    right.set_xticks(range(len(runs)), names)
    style.dress(right, title=f"Where {len(runs[0])} runs end", x="rows in a step",
                y="loss of all rows")  # fmt: skip
    return axes
