"""Optimizers racing down four landscapes, each at the rate that suits it best there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.elementary.base import value_of
from chainrule.optim import (
    SGD,
    AdaGrad,
    Adam,
    Momentum,
    NesterovReformulated,
    Optimizer,
    RMSProp,
    minimize,
)
from chainrule.plot import landscapes, style
from chainrule.plot.landscapes import Landscape
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RULES: dict[str, Optimizer | str] = {
    "SGD": SGD(),
    "Momentum": Momentum(),
    # Nesterov's in terms of the interim points: one evaluation a step, as for all the others.
    "Nesterov": NesterovReformulated(),
    "AdaGrad": AdaGrad(),
    "RMSProp": RMSProp(),
    "Adam": Adam(),
    "L-BFGS": "l-bfgs",
}
RATES = tuple(float(r) for r in 10.0 ** np.arange(-4.0, 0.6, 0.5))
COLORS = dict(zip(RULES, (*style.CYCLE, style.BLACK), strict=True))


@dataclass(frozen=True)
class Course:
    """Where a race is run.

    Attributes:
        name: of the landscape.
        f: the function.
        start: where all begin.
        least: the value of the minimum.
        area: what a map shows, ((x from, to), (y from, to)).
        goals: the minima, shape (k, 2).
        evaluations: how many each may make.
    """

    name: str
    f: Landscape
    start: Array
    least: float
    area: tuple[tuple[float, float], tuple[float, float]]
    goals: Array
    evaluations: int


COURSES = (
    Course("Ravine, κ = 30", landscapes.ravine(30.0), np.array([-1.0, 0.7]), 0.0,
           ((-1.3, 0.6), (-1.0, 1.0)), np.zeros((1, 2)), 150),
    Course("Saddle", landscapes.saddle, np.array([1.2, 1e-3]), -0.25,
           ((-0.7, 1.4), (-0.5, 1.4)), np.array([[0.0, 1.0], [0.0, -1.0]]), 120),
    Course("Rosenbrock", landscapes.rosenbrock, np.array([-1.2, 1.0]), 0.0,
           ((-1.7, 1.5), (-0.6, 1.8)), np.ones((1, 2)), 400),
    Course("Beale", landscapes.beale, np.array([1.0, 1.2]), 0.0,
           ((0.2, 3.6), (-0.9, 1.5)), np.array([[3.0, 0.5]]), 300),
)  # fmt: skip


@dataclass(frozen=True)
class Lap:
    """An optimizer on a course.

    Attributes:
        name: a key of `RULES`.
        rate: the one that was tuned; None for a method that finds its own.
        path: the points where it evaluated, in order, shape (evaluations, 2).
        gaps: f there minus the minimum, shape (evaluations,).
    """

    name: str
    rate: float | None
    path: Array
    gaps: Array

    @property
    def best(self) -> Array:
        """The lowest gap so far after 1, 2, … evaluations."""
        return np.minimum.accumulate(np.where(np.isnan(self.gaps), np.inf, self.gaps))

    def evaluations_to(self, share: float) -> float:
        """How many it took to bring the gap to this share of the first one; infinity if never."""
        there = np.flatnonzero(self.best <= share * self.gaps[0])
        return float(there[0] + 1) if len(there) else np.inf

    def settled(self, share: float) -> float:
        """The same, but for good: a single point that happens to be low doesn't count."""
        above = np.flatnonzero(~(self.gaps <= share * self.gaps[0]))
        last = above[-1] + 1 if len(above) else 0
        return float(last + 1) if last < len(self.gaps) else np.inf

    @property
    def rest(self) -> float:
        """The largest gap in the last tenth of the evaluations."""
        last = self.gaps[-max(len(self.gaps) // 10, 1) :]
        return float(np.max(np.where(np.isnan(last), np.inf, last)))


def lap(course: Course, name: str, rate: float | None = None) -> Lap:
    """Run an optimizer on a course and count each evaluation of f and its gradient.

    >>> lap(COURSES[0], "SGD", rate=0.03).gaps.size
    150
    """
    points: list[Array] = []
    values: list[float] = []

    def counted(x: Any) -> Any:
        y = course.f(x)
        points.append(np.array(value_of(x), float))
        values.append(float(value_of(y)))
        return y

    rule = RULES[name]
    if isinstance(rule, Optimizer):
        assert rate is not None
        rule = replace(rule, learning_rate=rate)
    options: Any = {"steps": course.evaluations - 1, "tolerance": 0.0}
    with np.errstate(all="ignore"):
        # A compiled function would no longer pass by here to be counted.
        minimize(counted, course.start, optimizer=rule, jit_compile=False, **options)
    gaps = np.array(values) - course.least
    return Lap(name, rate, np.array(points)[: course.evaluations], gaps[: course.evaluations])


def tuned(course: Course, name: str, rates: Sequence[float] = RATES, goal: float = 1e-6) -> Lap:
    """The lap at the best of some rates: soonest at the goal for good, or lowest in the end.

    Args:
        goal: a share of the first gap.
    """
    if isinstance(RULES[name], str):
        return lap(course, name)
    laps = [lap(course, name, rate) for rate in rates]
    return min(laps, key=lambda run: (run.settled(goal), run.rest))


@dataclass(frozen=True)
class Race:
    """All optimizers on a course."""

    course: Course
    laps: list[Lap]


def race_runs(
    courses: Sequence[Course] = COURSES, rates: Sequence[float] = RATES,
    names: Sequence[str] = tuple(RULES),
) -> list[Race]:  # fmt: skip
    """Tune and run every optimizer on every course; tuning is not counted."""
    return [Race(course, [tuned(course, name, rates) for name in names]) for course in courses]


def race(ax: Any = None, runs: Sequence[Race] | None = None) -> Panels:
    """Optimizers racing on the ravine, the saddle, Rosenbrock's valley and Beale's plain.

    Look at each column: the paths above, and below them how far from the minimum the best point so
    far is, against the evaluations of f that were really made. Each runs at its own best rate of
    ten, √10 apart. No rule with a fixed rate wins everywhere: AdaGrad is first on the ravine and at
    the saddle, whose axes are the parameters' own, and among the last in Rosenbrock's bend, where
    momentum leads. L-BFGS, which learns the curvature and looks for its step, is first or nearly so
    on all four: it is for exact gradients, as here, and not for those of a few rows at a time.

    >>> quick = race_runs(rates=(0.01,), names=("SGD", "L-BFGS"))
    >>> [ax.get_title() for ax in race(runs=quick)][:4]
    ['Ravine, κ = 30', 'Saddle', 'Rosenbrock', 'Beale']

    Source: Rosenbrock, The Computer Journal 3 (1960); Goodfellow et al., *Deep Learning*, section
    8.5.4.
    """
    axes = style.panels(ax, 2, 4)
    runs = race_runs() if runs is None else runs
    for above, below, found in zip(axes[:4], axes[4:], runs, strict=True):
        _map(above, found)
        for run in found.laps:
            count = np.arange(1, len(run.best) + 1)
            gap = np.maximum(run.best / run.gaps[0], 1e-12)
            below.semilogy(count, gap, color=COLORS[run.name], linewidth=2, label=run.name)
        below.set_ylim(1e-9, 2.0)
        style.dress(below, x="evaluations", y="gap to the minimum" if below is axes[4] else "")
        if below is not axes[4]:
            below.set_yticklabels([])
    handles, labels = axes[4].get_legend_handles_labels()
    looks: Any = {"ncols": len(handles), "fontsize": style.TEXT, "frameon": False,
                  "columnspacing": 1.2, "handlelength": 1.4}  # fmt: skip
    if ax is None:
        axes[0].figure.legend(handles, labels, loc="outside lower center", **looks)
    else:
        axes[6].legend(fontsize=style.TEXT, edgecolor="none", loc="lower right")
    return axes


def _map(ax: Axes, found: Race) -> None:
    course = found.course
    grid = style.surface(course.f, *course.area, points=50)
    low, high = course.least, grid[2].max()
    style.contours(ax, grid, low + (high - low) * np.geomspace(1e-4, 0.7, 10))
    for run in found.laps:
        ax.plot(*run.path.T, color=COLORS[run.name], linewidth=1.3, zorder=3)
    ax.plot(*course.start, "o", color=style.BLACK, markersize=7, zorder=5)
    ax.plot(*course.goals.T, "*", color=style.BLACK, markersize=12, zorder=5)
    ax.set(xlim=course.area[0], ylim=course.area[1])
    style.dress(ax, title=course.name, grid=False)
