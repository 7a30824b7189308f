"""Poor conditioning: ravines, and where descent, momentum and Nesterov are stable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.optim import SGD, Momentum, Nesterov, Optimizer, minimize
from chainrule.plot import landscapes, style
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class RavineRun:
    """Descent of ½(x² + κy²).

    Attributes:
        condition: κ.
        rate: α.
        path: shape (steps + 1, 2).
    """

    condition: float
    rate: float
    path: Array


@dataclass(frozen=True)
class Ravines:
    """Descents of ravines, and how many steps each condition number takes.

    Attributes:
        runs: some paths.
        conditions: κ, shape (n,).
        plain, momentum: steps until the distance is a thousandth, each at its best rate (and
            momentum) for κ, shape (n,).
    """

    runs: list[RavineRun]
    conditions: Array
    plain: Array
    momentum: Array


def best_rate(condition: float) -> float:
    """2/(λ₁ + λ₂): both directions then shrink by (κ − 1)/(κ + 1) each step.

    >>> best_rate(9.0)
    0.2

    Source: Nocedal & Wright, *Numerical Optimization* (2nd ed., 2006), section 3.3.
    """
    return 2.0 / (1.0 + condition)


def best_momentum(condition: float) -> Momentum:
    """Both directions shrink by (√κ − 1)/(√κ + 1) each step, in the long run.

    >>> rule = best_momentum(9.0)
    >>> rule.learning_rate, rule.momentum
    (0.25, 0.25)

    Source: Polyak, "Some methods of speeding up the convergence of iteration methods" (1964).
    """
    root = float(np.sqrt(condition))
    return Momentum((2 / (root + 1)) ** 2, ((root - 1) / (root + 1)) ** 2)


def ravine_path(condition: float, rule: Optimizer, steps: int) -> Array:
    """The path of an optimizer from (1, 1) down a ravine, shape (steps + 1, 2)."""
    f = landscapes.ravine(condition)
    return minimize(
        f, np.ones(2), optimizer=rule, steps=steps, tolerance=0.0, record=True
    ).path  # fmt: skip


def steps_to(path: Array, share: float = 1e-3) -> int:
    """The first step after which the distance from the origin stays below a share of the first."""
    far = np.linalg.norm(path, axis=1) > share * np.linalg.norm(path[0])
    return int(np.flatnonzero(far)[-1]) + 1


def ravine_runs(
    shown: Sequence[float] = (2.0, 30.0),
    conditions: Sequence[float] = (2, 4, 8, 16, 32, 64, 128),
) -> Ravines:
    """Descents at 95 % of the largest stable rate, 2/κ, and step counts at the best rates."""
    runs = []
    for condition in shown:
        rate = 0.95 * 2.0 / condition
        runs.append(RavineRun(condition, rate, ravine_path(condition, SGD(rate), 25)))
    plain = [steps_to(ravine_path(k, SGD(best_rate(k)), int(4 * k + 20))) for k in conditions]
    faster = [steps_to(ravine_path(k, best_momentum(k), int(12 * k**0.5 + 60))) for k in conditions]
    return Ravines(runs, np.array(conditions, float), np.array(plain), np.array(faster))


def ravine(ax: Any = None, runs: Ravines | None = None) -> Panels:
    """A ravine: descent oscillates across it and creeps along it, the more so the larger κ.

    Look at the second path: the rate that the steep walls allow is tiny for the floor. Steps to
    come a thousand times nearer grow like κ, even at the best rate; momentum's grow like √κ.

    >>> [ax.get_title() for ax in ravine()][1]
    'κ = 30, α·λ₂ = 1.9'

    Source: Nocedal & Wright, *Numerical Optimization* (2nd ed., 2006), section 3.3; Polyak (1964).
    """
    axes = style.panels(ax, 1, 3)
    runs = ravine_runs() if runs is None else runs
    for ax, run, color in zip(axes, runs.runs, style.CYCLE, strict=False):
        grid = style.surface(landscapes.ravine(run.condition), (-1.1, 1.2), (-1.3, 1.3))
        style.contours(ax, grid, run.condition * np.geomspace(2e-3, 1.2, 9))
        style.trail(ax, run.path, color)
        ax.plot(0, 0, "*", color=style.BLACK, markersize=12, zorder=4)
        style.dress(ax, title=f"κ = {run.condition:g}, α·λ₂ = {run.rate * run.condition:g}",
                    x="x  (λ₁ = 1)", y=f"y  (λ₂ = {run.condition:g})", grid=False)  # fmt: skip
    ax, k = axes[-1], runs.conditions
    ax.loglog(k, runs.plain, "o-", color=style.BLUE, label="descent")
    ax.loglog(k, runs.momentum, "o-", color=style.GREEN, label="momentum")
    share = k / k[-1]
    ax.loglog(k, runs.plain[-1] * share, "--", color=style.GREY, label="~ κ and ~ √κ")
    ax.loglog(k, runs.momentum[-1] * np.sqrt(share), "--", color=style.GREY)
    style.dress(ax, title="Steps to a thousandth", x="condition number κ", y="steps",
                legend="upper left")  # fmt: skip
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_formatter("{x:g}")
    return axes


@dataclass(frozen=True)
class Stability:
    """How a step changes a quadratic's distance, over (step × curvature, momentum).

    Attributes:
        products: α·λ, shape (n,).
        momenta: β, shape (m,).
        momentum, nesterov: the mean factor of a step, measured in runs, shape (m, n).
        run: (α·λ₁, α·λ₂, β) of the runs on a ravine that are marked.
        distances: of these runs, by method, the distance from the minimum after each step, as a
            share of the first, shape (steps + 1,).
    """

    products: Array
    momenta: Array
    momentum: Array
    nesterov: Array
    run: tuple[float, float, float]
    distances: dict[str, Array]


def edge(momenta: Any, method: str) -> Any:
    """The largest stable α·λ: 2(1 + β) for momentum, 2(1 + β)/(1 + 2β) for Nesterov's, 2 at β = 0.

    Where the roots of z² − (1 + β − h) z + β, or of z² − (1 + β)(1 − h) z + β(1 − h), leave the
    unit circle, with h = α·λ.

    >>> edge(0.5, "momentum"), edge(0.5, "nesterov"), edge(0.0, "momentum")
    (3.0, 1.5, 2.0)
    """
    outer = 2.0 * (1.0 + momenta)
    return outer if method == "momentum" else outer / (1.0 + 2.0 * momenta)


def growth(rule: Optimizer, products: Array, steps: int) -> Array:
    """The mean factor of a step on ½hw², for many h at once: a vector of independent problems.

    >>> growth(SGD(1.0), np.array([0.5, 2.5]), steps=8)
    array([0.5, 1.5])
    """
    start = np.ones_like(products)
    result = minimize(
        lambda w: 0.5 * np.sum(products * w**2), start, optimizer=rule, steps=steps,
        tolerance=0.0, record=True,
    )  # fmt: skip
    # The largest of many steps, for a single one may pass the minimum just then.
    sizes, quarter = np.abs(result.path), steps // 4
    early, late = sizes[quarter : 2 * quarter], sizes[3 * quarter : 4 * quarter]
    return (late.max(axis=0) / early.max(axis=0)) ** (1 / (2 * quarter))


def stability_runs(
    products: Array | None = None, momenta: Array | None = None, steps: int = 120
) -> Stability:
    """Runs of momentum and Nesterov on quadratics, each for many curvatures and momenta.

    The marked runs go down a ravine of condition 30, at the rate 2.7 / 30 and with β = 0.6.
    """
    products = np.linspace(0.02, 4.1, 103) if products is None else products
    momenta = np.linspace(0.0, 0.98, 50) if momenta is None else momenta
    factors = [
        np.array([growth(rule(1.0, float(b)), products, steps) for b in momenta])
        for rule in (Momentum, Nesterov)
    ]
    rate, condition, beta = 0.09, 30.0, 0.6
    rules = {
        "descent": SGD(rate),
        "momentum": Momentum(rate, beta),
        "nesterov": Nesterov(rate, beta),
    }
    paths = {name: ravine_path(condition, rule, 25) for name, rule in rules.items()}
    distances = {
        name: np.linalg.norm(path, axis=1) / np.linalg.norm(path[0]) for name, path in paths.items()
    }
    marks = (rate, rate * condition, beta)
    return Stability(products, momenta, factors[0], factors[1], marks, distances)


def stability(ax: Any = None, run: Stability | None = None) -> Panels:
    """Where descent, momentum and Nesterov converge, over step × curvature and momentum.

    Look at the dashed edge, where the measured factor of a step is 1. Descent is the line at the
    bottom, β = 0, and stable up to 2. Momentum pushes the edge outwards, to 2(1 + β), Nesterov
    pulls it in, to 2(1 + β)/(1 + 2β). The circles joined by a line are a run on a ravine of
    condition 30, one for each curvature: both must lie in the blue. They do for momentum alone,
    and the right panel shows what becomes of the three runs. Darkest is fastest.

    >>> coarse = stability_runs(np.linspace(0.1, 4.0, 9), np.linspace(0.0, 0.9, 4), steps=40)
    >>> [ax.get_title() for ax in stability(run=coarse)]
    ['Momentum', 'Nesterov', 'The marked runs']

    Source: Polyak (1964); Lessard, Recht & Packard, "Analysis and design of optimization algorithms
    via integral quadratic constraints", SIAM Journal on Optimization 26 (2016).
    """
    axes = style.panels(ax, 1, 3)
    run = stability_runs() if run is None else run
    from matplotlib.colors import LinearSegmentedColormap

    blues = LinearSegmentedColormap.from_list("factor", ["#0B3C5D", "#6FA8DC", "#F3F7FB"])
    shades = blues.with_extremes(over="#F2C9B0")
    low, high, at = run.run
    titles = {"momentum": "Momentum", "nesterov": "Nesterov"}
    for ax, (method, title) in zip(axes, titles.items(), strict=False):
        factors = run.momentum if method == "momentum" else run.nesterov
        image = ax.pcolormesh(run.products, run.momenta, factors, cmap=shades, vmin=0.0, vmax=1.0,
                              shading="nearest", rasterized=True)  # fmt: skip
        beta = np.linspace(0, 0.98, 100)
        ax.plot(edge(beta, method), beta, "--", color=style.VERMILION, linewidth=2.5)
        ax.plot([0, 2], [0, 0], color=style.GREEN, linewidth=6, clip_on=False, zorder=4,
                solid_capstyle="butt")  # fmt: skip
        marks: Any = {"markersize": 9, "linewidth": 1.5, "zorder": 5, "clip_on": False}
        ax.plot([low, high], [at, at], "o-", color=style.ORANGE, markeredgecolor="white", **marks)
        ax.plot([low, high], [0, 0], "o", color=style.GREEN, markeredgecolor="white", **marks)
        style.dress(ax, title=title, x="step × curvature, α·λ", grid=False,
                    y="momentum β" if method == "momentum" else "")  # fmt: skip
        ax.set(xlim=(0, 4.1), ylim=(0, 0.98), xticks=range(5))
    style.note(axes[0], "2(1 + β)", (2.65, 0.2), ha="left", color=style.VERMILION)
    style.note(axes[1], r"$\frac{2(1+\beta)}{1+2\beta}$", (1.85, 0.3), ha="left",
               color=style.VERMILION, fontsize=18)  # fmt: skip
    style.note(axes[1], "descent: 2", (2.25, 0.07), ha="left", color=style.GREEN)
    figure = axes[0].figure
    pad = 0.02 if figure.get_layout_engine() else 0.18  # without one nothing moves out of the way
    bar = figure.colorbar(
        image, ax=axes[:2], extend="max", pad=pad, location="bottom", aspect=40, shrink=0.9
    )
    bar.set_label("factor of a step: 1 and above diverges", fontsize=style.LABEL)
    bar.ax.tick_params(labelsize=style.TEXT)

    right = axes[2]
    colors = (style.GREEN, style.ORANGE, style.PURPLE)
    for far, color, words in zip(
        run.distances.values(), colors, ("descent, β = 0", "momentum", "Nesterov"), strict=True
    ):
        right.semilogy(far, "o-", color=color, markersize=4, label=words)
    right.set_ylim(1e-8, 1e8)
    style.dress(right, title="The marked runs", x="step", y="distance", legend="lower left")
    return axes
