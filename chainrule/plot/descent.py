"""Gradient descent on a curve: tangents and steps, what the rate does, restarts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.derivatives import grad, hessian
from chainrule.optim import SGD, Cosine, minimize
from chainrule.plot import style
from chainrule.plot.landscapes import Landscape, parabola, waves
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Descent:
    """A run of gradient descent on a curve f.

    Attributes:
        f: the curve.
        rate: α.
        product: α·f″ at the end of the run for a parabola the same everywhere.
        points, values, slopes: w, f(w) and f′(w) after 0, 1, … steps, shape (steps + 1,).
    """

    f: Landscape
    rate: float
    product: float
    points: Array
    values: Array
    slopes: Array


def descend(f: Landscape, start: float, rate: float, steps: int) -> Descent:
    """w ← w − α f′(w), step by step.

    >>> descend(parabola, 1.0, rate=0.5, steps=2).points
    array([1.  , 0.5 , 0.25])
    """
    result = minimize(f, start, optimizer=SGD(rate), steps=steps, tolerance=0.0, record=True)
    assert result.values is not None
    slopes = np.array([grad(f)(float(w)) for w in result.path])
    product = rate * float(hessian(f)(float(start)))
    return Descent(f, rate, product, result.path, result.values, slopes)


def learning_rate_runs(rates: Sequence[float] = (0.1, 0.6, 2.1)) -> list[Descent]:
    """Descents of ½w² from w = −1.8: with a rate too small, a good one, and one too large."""
    return [descend(parabola, -1.8, rate, steps=4) for rate in rates]


def learning_rates(ax: Any = None, runs: Sequence[Descent] | None = None) -> Panels:
    """A learning rate too small, good, and too large: tangents and steps on a curve.

    Look at the tangents: each step is the rate times their slope, so the steps shrink by
    themselves towards the minimum. Too small, and they creep. Too large, and each step lands
    higher on the other side, where the tangent is steeper still.

    >>> [ax.get_title() for ax in learning_rates()][2]
    'too large: α·f″ = 2.1'

    Source: Goodfellow et al., *Deep Learning*, section 4.3.
    """
    axes = style.panels(ax, 1, 3)
    runs = learning_rate_runs() if runs is None else runs
    words = ("too small", "good", "too large")
    for ax, run, word in zip(axes, runs, words, strict=True):
        _tangents_and_steps(ax, run)
        style.dress(ax, title=f"{word}: α·f″ = {run.product:g}", x="w",
                    y="f(w)" if ax is axes[0] else "")  # fmt: skip
        ax.set(xlim=(-3, 3), ylim=(-0.8, 4.9))
    axes[0].legend(loc="upper center", fontsize=style.TEXT, edgecolor="none")
    return axes


def _tangents_and_steps(ax: Axes, run: Descent) -> None:
    w = np.linspace(-3, 3, 200)
    ax.plot(w, run.f(w), color=style.GREY, linewidth=1.5)
    for point, value, slope in zip(run.points[:3], run.values, run.slopes, strict=False):
        half = 1.2 / np.hypot(1.0, slope)  # tangents of one length, whatever their slope
        span = np.array([-half, half])
        ax.plot(point + span, value + slope * span, color=style.ORANGE, linewidth=2)
    ax.plot(run.points, run.values, color=style.BLUE, linewidth=1.5, linestyle="--", label="step")
    ax.plot([], [], color=style.ORANGE, linewidth=2.5, label="tangent")
    ax.plot(run.points, run.values, "o", color=style.BLUE, markersize=6)
    ax.plot(run.points[0], run.values[0], "o", color=style.BLUE, markersize=12, fillstyle="none")


@dataclass(frozen=True)
class Regimes:
    """What α·f″ does to the distance from the minimum of a parabola.

    Attributes:
        runs: descents, one for each regime.
        products: α·f″, shape (n,).
        factors: |w₁₀ / w₀|^(1/10) in a run of each, by how much a step changes the distance.
    """

    runs: list[Descent]
    products: Array
    factors: Array


def regime_runs(
    shown: Sequence[float] = (0.3, 1.0, 1.7, 2.05), products: Array | None = None, steps: int = 10
) -> Regimes:
    """Descents of ½w² for many α·f″: theory says that each step multiplies w by 1 − α·f″.

    >>> regime_runs(shown=(), products=np.array([0.5, 2.5])).factors
    array([0.5, 1.5])
    """
    products = np.linspace(0.05, 2.6, 52) if products is None else products
    ends = [descend(parabola, 1.0, float(a), steps).points for a in products]
    factors = np.array([abs(end[-1] / end[0]) ** (1 / steps) for end in ends])
    return Regimes([descend(parabola, 1.0, a, steps) for a in shown], products, factors)


def rate_regimes(ax: Any = None, runs: Regimes | None = None) -> Panels:
    """The regimes of descent by α·f″: creeping, one step, to and fro, divergence.

    Look at the edges: at α·f″ = 1 a parabola is solved in one step, above 1 the point jumps from
    side to side, and above 2 each jump is longer than the one before. The measured factors lie on
    |1 − α·f″|.

    >>> [line.get_label() for line in rate_regimes()[1].lines]
    ['theory: |1 − α·f″|', 'runs']

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp" (1998), section 5.
    """
    axes = style.panels(ax, 1, 2)
    runs = regime_runs() if runs is None else runs
    left, right = axes
    for run, color in zip(runs.runs, style.CYCLE, strict=False):
        steps = np.arange(len(run.points))
        left.plot(steps, run.points, "o-", color=color, linewidth=2,
                  label=f"α·f″ = {run.product:g}")  # fmt: skip
    left.set_ylim(-2.2, 3.3)
    style.dress(
        left, title="Where the steps lead", x="step", y="w", legend="upper center", columns=2
    )

    h = np.linspace(0.0, 2.63, 200)
    right.plot(h, np.abs(1 - h), color=style.GREY, label="theory: |1 − α·f″|")
    right.plot(runs.products, runs.factors, "o", color=style.BLUE, markersize=4, label="runs")
    spans = ((0, 1, style.GREEN, "creeps"), (1, 2, style.SKY, "to and fro"),
             (2, 2.63, style.VERMILION, "diverges"))  # fmt: skip
    for start, end, color, word in spans:
        right.axvspan(start, end, color=color, alpha=0.13, linewidth=0)
        right.text((start + end) / 2, 0.06, word, fontsize=style.LABEL, ha="center")
    right.set(xlim=(0, 2.63), ylim=(0, 1.7))
    style.dress(right, title="Change of the distance by a step", x="α·f″", y="factor",
                legend="upper left")  # fmt: skip
    return axes


@dataclass(frozen=True)
class Restarts:
    """Descents of one curve from random starts, and from one start with larger rates.

    Attributes:
        f: the curve.
        paths: w along each run, shape (runs, steps + 1).
        ends: f where each run ends, shape (runs,).
        jumps: w from −8 with a small rate, and with two large ones that fall, by their names,
            shape (steps + 1,).
    """

    f: Landscape
    paths: list[Array]
    ends: Array
    jumps: dict[str, Array]

    @property
    def best_so_far(self) -> Array:
        """The lowest end of the first 1, 2, … runs."""
        return np.minimum.accumulate(self.ends)


def restart_runs(restarts: int = 11, seed: int = 3) -> Restarts:
    """Descents of `waves` from −8 and from random starts between −9 and 9.

    The large rates fall to 0.05 along half a cosine.
    """
    found = minimize(
        waves, -8.0, optimizer=SGD(0.05), steps=100, tolerance=1e-8, restarts=restarts,
        sample=lambda rng: float(rng.uniform(-9.0, 9.0)), seed=seed, record=True,
    )  # fmt: skip
    paths = [run.path for run in found.runs]
    rates = {
        "α = 0.05": 0.05,
        "1, falling": Cosine(1.0, steps=60, final=0.05),
        "1.05, falling": Cosine(1.05, steps=60, final=0.05),
    }
    jumps = {
        name: minimize(waves, -8.0, optimizer=SGD(rate), steps=70, tolerance=0.0, record=True).path
        for name, rate in rates.items()
    }
    return Restarts(waves, paths, np.array([run.fun for run in found.runs]), jumps)


def local_minima(ax: Any = None, runs: Restarts | None = None) -> Panels:
    """Local minima: descent stops in the nearest; random restarts find better ones.

    Look at where each path ends: at the bottom of the valley that it started in. More starts make
    the best end lower or leave it, and nothing tells that the lowest of all was found. On the
    right is the other way out, a rate so large that no valley holds the run, until it has fallen;
    whether it then rests in the lowest is luck.

    >>> [ax.get_title() for ax in local_minima()][1:]
    ['More starts', 'Larger rates']

    Source: Goodfellow et al., *Deep Learning*, section 8.2.2.
    """
    axes = style.panels(ax, 1, 3)
    runs = restart_runs() if runs is None else runs
    left, middle, right = axes
    w = np.linspace(-9.5, 9.5, 400)
    left.plot(w, runs.f(w), color=style.GREY, linewidth=1.5)
    best = int(np.argmin(runs.ends))
    for i, path in enumerate(runs.paths):
        color = style.GREEN if runs.ends[i] <= runs.ends[best] + 1e-6 else style.VERMILION
        left.plot(path, runs.f(path), color=color, linewidth=3, alpha=0.8)
        left.plot(path[0], runs.f(path[0]), "o", color=color, markersize=9, fillstyle="none")
        left.plot(path[-1], runs.f(path[-1]), "o", color=color, markersize=8)
    left.plot([], [], "o", color=style.GREY, markersize=9, fillstyle="none", label="start")
    left.plot([], [], "o", color=style.VERMILION, markersize=8, label="a local minimum")
    left.plot([], [], "o", color=style.GREEN, markersize=8, label="the best end")
    left.set_ylim(-1.4, 7.4)
    style.dress(left, title="Random starts", x="w", y="f(w)", legend="upper center")

    count = np.arange(1, len(runs.ends) + 1)
    middle.plot(count, runs.ends, "o", color=style.VERMILION, label="end of the run")
    middle.step(count, runs.best_so_far, where="post", color=style.GREEN, linewidth=2.5,
                label="best so far")  # fmt: skip
    middle.set_yticks((-1.0, -0.5, 0.0, 0.5, 1.0))
    style.dress(middle, title="More starts", x="runs", y="f at the end", legend="center right")

    colors = (style.VERMILION, style.ORANGE, style.GREEN)
    for (name, path), color in zip(runs.jumps.items(), colors, strict=True):
        right.plot(path, "o-", color=color, markersize=3, linewidth=1.2, label=name)
    right.set_ylim(-9.0, 7.5)
    style.dress(right, title="Larger rates", x="step", y="w", legend="upper right")
    return axes
