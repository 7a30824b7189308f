"""A learning rate for each parameter: the effective steps of AdaGrad, RMSProp and Adam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.derivatives import grad
from chainrule.optim import SGD, AdaGrad, Adam, Optimizer, RMSProp, minimize
from chainrule.plot import landscapes, style
from chainrule.plot.landscapes import Landscape
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass

if TYPE_CHECKING:
    pass

CONDITION = 30.0


@dataclass(frozen=True)
class EffectiveSteps:
    """A run of an optimizer, and the rate that it had for each parameter.

    Attributes:
        rule: the optimizer.
        path: θ after each step, shape (steps + 1, parameters).
        rates: what g, or for Adam its average m̂, was multiplied by in each step, shape (steps,
            parameters); NaN where that was 0.
    """

    rule: Optimizer
    path: Array
    rates: Array


def effective_steps_run(
    rule: Optimizer, f: Landscape, start: Array, steps: int = 60
) -> EffectiveSteps:
    """Minimise f and measure the step of each parameter, relative to its (average) gradient.

    >>> slope_of_three = lambda x: 3 * x[0]
    >>> effective_steps_run(RMSProp(0.1, rho=0.0), slope_of_three, np.zeros(1), 2).rates.round(6)
    array([[0.033333],
           [0.033333]])
    """
    run = minimize(f, start, optimizer=rule, steps=steps, tolerance=0.0, record=True)
    moved = run.path[:-1] - run.path[1:]
    pull = np.array([grad(f)(at) for at in run.path[:-1]])
    if isinstance(rule, Adam):
        pull = run.states.m[1:] / (1 - rule.rho1 ** np.arange(1, len(run.path))[:, None])
    with np.errstate(all="ignore"):
        return EffectiveSteps(rule, run.path, np.where(pull == 0.0, np.nan, moved / pull))


def effective_steps_runs(steps: int = 60) -> list[EffectiveSteps]:
    """AdaGrad, RMSProp and Adam down a ravine of condition 30 from (1, 1)."""
    f, start = landscapes.ravine(CONDITION), np.ones(2)
    rules = (AdaGrad(0.2), RMSProp(0.03), Adam(0.05))
    return [effective_steps_run(rule, f, start, steps) for rule in rules]


def effective_steps(ax: Any = None, runs: Sequence[EffectiveSteps] | None = None) -> Panels:
    """The effective step of each parameter under AdaGrad, RMSProp and Adam.

    Look at the two lines in each lower panel: the steep parameter y gets a step about κ times
    smaller than the gentle x, from the first gradient on, so that both move alike and the path
    above goes straight down instead of to and fro. AdaGrad's steps only ever shrink; RMSProp
    forgets old gradients, so its steps grow again where the slope becomes gentle; Adam's memory of
    squares is longer still, and its bias correction makes the first steps no smaller than the rest.

    >>> [ax.get_title() for ax in effective_steps()][:3]
    ['AdaGrad, ε = 0.2', 'RMSProp, ε = 0.03', 'Adam, ε = 0.05']

    Source: Goodfellow et al., *Deep Learning*, section 8.5.
    """
    axes = style.panels(ax, 2, 3)
    runs = effective_steps_runs() if runs is None else runs
    grid = style.surface(landscapes.ravine(CONDITION), (-0.35, 1.2), (-1.15, 1.25))
    start = np.ones(2)
    rate = 1.9 / CONDITION
    plain = minimize(landscapes.ravine(CONDITION), start, optimizer=SGD(rate), steps=12,
                     tolerance=0.0, record=True)  # fmt: skip
    for above, below, run in zip(axes[:3], axes[3:], runs, strict=True):
        style.contours(above, grid, CONDITION * np.geomspace(2e-3, 1.2, 9))
        above.plot(*plain.path.T, color=style.GREY, linewidth=1.2, label="descent")
        style.trail(above, run.path, style.BLUE, markersize=3)
        above.plot(0, 0, "*", color=style.BLACK, markersize=12, zorder=4)
        name = type(run.rule).__name__
        style.dress(above, title=f"{name}, ε = {run.rule.learning_rate:g}", x="x",
                    y="y" if above is axes[0] else "", grid=False)  # fmt: skip
        steps = np.arange(1, len(run.rates) + 1)
        for rates, color, label in zip(run.rates.T, (style.GREEN, style.VERMILION),
                                       ("x, gentle", f"y, {CONDITION:g} times steeper"),
                                       strict=True):  # fmt: skip
            below.semilogy(steps, rates, color=color, linewidth=2.5, label=label)
        below.axhline(run.rule.learning_rate, color=style.GREY, linestyle="--", linewidth=1.5,
                      label="ε itself")  # fmt: skip
        below.set_ylim(5e-4, 60)
        style.dress(below, x="step", y="effective step" if below is axes[3] else "")
    axes[0].legend(loc="lower left", fontsize=style.TEXT, framealpha=0.9, edgecolor="none")
    axes[3].legend(loc="upper right", fontsize=style.TEXT, framealpha=0.9, edgecolor="none")
    return axes
