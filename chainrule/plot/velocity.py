"""Momentum's arrows, and the interim point of Nesterov's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.derivatives import grad
from chainrule.optim import SGD, Momentum, Nesterov, minimize
from chainrule.plot import landscapes, style
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class MomentumRun:
    """Momentum down a ravine, and descent at the same rate.

    Attributes:
        condition: κ of ½(x² + κy²).
        rule: the optimizer, with ε and α.
        path: θ after each step, shape (steps + 1, 2).
        velocities: v after each step, shape (steps + 1, 2).
        pulls: −ε g at each point, shape (steps + 1, 2).
        plain: the path of gradient descent, shape (steps + 1, 2).
    """

    condition: float
    rule: Momentum
    path: Array
    velocities: Array
    pulls: Array
    plain: Array

    def contributions(self, step: int) -> Array:
        """What each gradient so far is worth in the velocity of a step, shape (step, 2).

        v = Σⱼ α^(age of j) · (−ε gⱼ), the oldest first.
        """
        ages = np.arange(step)[::-1]
        return self.rule.momentum ** ages[:, None] * self.pulls[:step]


def momentum_run(
    condition: float = 25.0, rate: float = 0.07, momentum: float = 0.6, steps: int = 16
) -> MomentumRun:
    """Momentum v ← αv − εg, θ ← θ + v, and plain descent, both from (−4, ½).

    >>> run = momentum_run(steps=3)
    >>> bool(np.allclose(run.contributions(3).sum(axis=0), run.velocities[3]))
    True
    """
    f, start = landscapes.ravine(condition), np.array([-4.0, 0.5])
    rule = Momentum(rate, momentum)
    options: Any = {"steps": steps, "tolerance": 0.0, "record": True}
    run = minimize(f, start, optimizer=rule, **options)
    plain = minimize(f, start, optimizer=SGD(rate), **options)
    pulls = np.array([-rate * grad(f)(at) for at in run.path])
    return MomentumRun(condition, rule, run.path, run.states.velocity, pulls, plain.path)


def momentum(ax: Any = None, run: MomentumRun | None = None) -> Panels:
    """Momentum's arrows: a step is a part of the last one and the new gradient's pull.

    Look at the triangles: αv, what is left of the last step, and −εg, the pull downhill, which
    points across the ravine and is mostly the other way each time. Below is what the last eight
    gradients are worth in one velocity: along the ravine they have one sign and add up, across it
    the signs alternate and most is cancelled.

    >>> [ax.get_title() for ax in momentum()][2:]
    ['Along the ravine: they add up', 'Across it: they cancel']

    Source: Goodfellow et al., *Deep Learning*, section 8.3.2; Polyak (1964).
    """
    axes = style.panels(ax, 2, 2)
    run = momentum_run() if run is None else run
    area = (-4.4, 0.8), (-0.95, 0.95)
    height = style.surface(landscapes.ravine(run.condition), *area)
    levels = np.geomspace(0.05, 16, 10)
    for panel, path, color in ((axes[0], run.plain, style.ORANGE), (axes[1], run.path, style.BLUE)):
        style.contours(panel, height, levels)
        panel.plot(0, 0, "*", color=style.BLACK, markersize=12, zorder=4)
        style.trail(panel, path, color, markersize=3)
    for k in (1, 2):
        left = run.path[k] + run.rule.momentum * run.velocities[k]
        style.arrow(axes[1], run.path[k], left - run.path[k], style.GREEN,
                    "αv: left of the last step" if k == 1 else None, width=2)  # fmt: skip
        style.arrow(axes[1], left, run.pulls[k], style.VERMILION,
                    "−εg: the new pull" if k == 1 else None, width=2)  # fmt: skip
    style.dress(axes[0], title="Descent", x="x", y="y", grid=False)
    style.dress(axes[1], title="Momentum, the same rate", x="x", grid=False)
    axes[1].legend(loc="upper right", fontsize=style.TEXT, framealpha=0.9, edgecolor="none")

    step = min(8, len(run.path) - 1)
    parts = run.contributions(step)
    names = ("Along the ravine: they add up", "Across it: they cancel")
    for panel, component, title in zip(axes[2:], parts.T, names, strict=True):
        at = np.arange(step)
        panel.bar(at, component, color=style.VERMILION, width=0.7)
        panel.bar(step + 0.5, component.sum(), color=style.BLUE, width=0.9)
        panel.axhline(0.0, color=style.INK, linewidth=0.8)
        panel.set_xticks([*at, step + 0.5], [*map(str, at), "v"])
        style.dress(panel, title=title, x="step of the gradient, and their sum v",
                    y="worth in v" if panel is axes[2] else "")  # fmt: skip
        most = 1.15 * max(np.abs(parts).max(), np.abs(parts.sum(axis=0)).max())
        panel.set_ylim(-most, most)
    return axes


@dataclass(frozen=True)
class Lookahead:
    """One step of momentum and one of Nesterov's from the same place with the same velocity.

    Attributes:
        condition: κ.
        alpha: the momentum.
        start, velocity: θ and v before the step, shape (2,).
        interim: θ + αv, where Nesterov's takes its gradient, shape (2,).
        momentum_pull, nesterov_pull: −ε g at θ and at the interim point, shape (2,).
        momentum_end, nesterov_end: θ after the step, shape (2,).
        momentum_heights, nesterov_heights: f along whole runs from that start at rest, shape
            (steps + 1,).
    """

    condition: float
    alpha: float
    start: Array
    velocity: Array
    interim: Array
    momentum_pull: Array
    nesterov_pull: Array
    momentum_end: Array
    nesterov_end: Array
    momentum_heights: Array
    nesterov_heights: Array


def lookahead_runs(
    condition: float = 6.0, rate: float = 0.12, alpha: float = 0.85, steps: int = 40
) -> Lookahead:
    """A step from (−1, 0.8) with the velocity (0.6, −1.9), and runs from (−1, 0.8) at rest."""
    f = landscapes.ravine(condition)
    slope = grad(f)
    start, velocity = np.array([-1.0, 0.8]), np.array([0.6, -1.9])
    plain, nesterov = Momentum(rate, alpha), Nesterov(rate, alpha)
    moving = plain.init(start)._replace(velocity=velocity)
    interim = nesterov.lookahead(start, moving)
    plain_end, _ = plain.update(slope(start), moving, start)
    nesterov_end, _ = nesterov.update(slope(interim), moving, start)
    heights = [
        minimize(f, start, optimizer=rule, steps=steps, tolerance=0.0,
                 record=True).values
        for rule in (plain, nesterov)
    ]  # fmt: skip
    assert heights[0] is not None
    assert heights[1] is not None
    return Lookahead(
        condition, alpha, start, velocity, interim, plain_end - start - alpha * velocity,
        nesterov_end - interim, plain_end, nesterov_end, heights[0], heights[1],
    )  # fmt: skip


def nesterov(ax: Any = None, run: Lookahead | None = None) -> Panels:
    """Nesterov's interim point: first go where the velocity leads, then look at the slope there.

    Look at where the red arrow comes from. Momentum takes the slope at θ, before it moves, and
    overshoots the floor of the ravine. Nesterov's takes it at the interim point θ + αv, where the
    overshooting shows already, and corrects it in the same step. So its oscillations die sooner.

    >>> [ax.get_title() for ax in nesterov()][:2]
    ['Momentum', 'Nesterov']

    Source: Sutskever, Martens, Dahl & Hinton, "On the importance of initialization and momentum in
    deep learning", ICML 2013.
    """
    axes = style.panels(ax, 1, 3)
    run = lookahead_runs() if run is None else run
    height = style.surface(landscapes.ravine(run.condition), (-1.45, 0.35), (-2.5, 1.2))
    steps: Sequence[tuple[str, Array, Array]] = (
        ("Momentum", run.momentum_pull, run.momentum_end),
        ("Nesterov", run.nesterov_pull, run.nesterov_end),
    )
    for panel, (title, pull, end) in zip(axes, steps, strict=False):
        style.contours(panel, height, np.geomspace(0.05, 16, 12))
        panel.axhline(0.0, color=style.GREY, linewidth=0.8, linestyle=":")
        style.arrow(panel, run.start, run.interim - run.start, style.GREEN, "αv", width=3)
        where = run.start if title == "Momentum" else run.interim
        style.arrow(panel, where, pull, style.VERMILION, "−εg", width=3)
        panel.plot(*where, "o", color=style.VERMILION, markersize=13, fillstyle="none", zorder=6,
                   markeredgewidth=2, label="slope taken here")  # fmt: skip
        if title == "Momentum":  # the sum of the two arrows
            other = np.array([run.start + pull, end])
            panel.plot(*other.T, color=style.GREEN, linestyle=":", linewidth=1.5)
            panel.plot(*np.array([run.interim, end]).T, color=style.VERMILION, linestyle=":")
        panel.plot(*run.start, "o", color=style.BLACK, markersize=7, zorder=5)
        panel.plot(*end, "s", color=style.BLUE, markersize=10, zorder=5, label="after the step")
        style.note(panel, "θ", (run.start[0] - 0.1, run.start[1]), ha="right", va="center")
        style.dress(panel, title=title, x="x", y="y" if title == "Momentum" else "", grid=False)
        panel.set_aspect("equal")
    axes[0].legend(loc="lower left", fontsize=style.TEXT, framealpha=0.9, edgecolor="none")
    x, y = run.interim
    style.note(axes[1], "interim point θ + αv", (x, y - 0.2), ha="center", va="top")
    right = axes[2]
    right.semilogy(run.momentum_heights, color=style.ORANGE, linewidth=2.5, label="momentum")
    right.semilogy(run.nesterov_heights, color=style.BLUE, linewidth=2.5, label="Nesterov")
    style.dress(right, title="Height, step by step", x="step", y="f", legend="lower left")
    return axes
