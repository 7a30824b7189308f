"""A classification whose loss has no critical point at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.functions import softplus
from chainrule.optim import SGD, minimize
from chainrule.plot import style
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass

if TYPE_CHECKING:
    pass


def logistic_loss(margins: Array) -> Callable[[Any], Any]:
    """w ↦ mean log(1 + e^(−w·m)), for the margins m = ±x of observations with the label ±1.

    >>> float(round(logistic_loss(np.array([1.0]))(0.0), 6))
    0.693147
    """
    return lambda w: np.mean(softplus(-w * margins))


@dataclass(frozen=True)
class Logistic:
    """Gradient descent on a logistic regression of one feature.

    Attributes:
        label: of the data.
        margins: positive where w > 0 classifies rightly, shape (rows,).
        steps: after how many steps the numbers were taken, shape (n,).
        weights: w there, shape (n,).
        norms: |∂L/∂w| there, shape (n,).
    """

    label: str
    margins: Array
    steps: Array
    weights: Array
    norms: Array


def logistic_run(margins: Array, label: str = "", rate: float = 1.0, steps: int = 2000) -> Logistic:
    """Descend from w = 0.

    >>> run = logistic_run(np.array([1.0, -0.5]), steps=1)
    >>> run.weights
    array([0.   , 0.125])
    """
    run = minimize(logistic_loss(margins), 0.0, optimizer=SGD(rate), steps=steps, tolerance=0.0,
                   record=True)  # fmt: skip
    assert run.gradient_norms is not None
    return Logistic(label, margins, np.arange(steps + 1.0), run.path, run.gradient_norms)


def no_critical_point_runs(steps: int = 2000) -> tuple[Logistic, Logistic]:
    """Ten observations that a threshold divides, and the same with one label turned round."""
    margins = np.random.default_rng(2).uniform(0.5, 1.5, 10)
    turned = margins * np.where(np.arange(10) == 0, -1.0, 1.0)
    return (
        logistic_run(margins, "separable", steps=steps),
        logistic_run(turned, "one label turned", steps=steps),
    )


def no_critical_point(ax: Any = None, runs: Sequence[Logistic] | None = None) -> Panels:
    """A classification without a critical point: the loss falls for ever, and w grows for ever.

    Look at the first curve: where a threshold divides the classes, a larger weight is always
    surer and always better, so the slope is nowhere 0, and w grows like the logarithm of the
    steps. One observation on the wrong side is enough to make a minimum, where the run ends.

    >>> no_critical_point(runs=no_critical_point_runs(steps=50))[1].get_title()
    'Where w is'

    Source: Soudry, Hoffer, Nacson, Gunasekar & Srebro, "The implicit bias of gradient descent on
    separable data", JMLR 19 (2018).
    """
    axes = style.panels(ax, 1, 3)
    runs = no_critical_point_runs() if runs is None else runs
    left, middle, right = axes
    w = np.linspace(-1.0, 9.0, 200)
    for run, color in zip(runs, (style.VERMILION, style.BLUE), strict=False):
        loss = logistic_loss(run.margins)
        left.plot(w, [loss(at) for at in w], color=color, linewidth=2.5, label=run.label)
        after = run.steps > 0
        middle.semilogx(run.steps[after], run.weights[after], color=color, linewidth=2.5)
        right.loglog(run.steps[after], run.norms[after], color=color, linewidth=2.5)
    steps = runs[0].steps[1:]
    last = runs[0].norms[-1] * steps[-1]
    right.loglog(steps, last / steps, "--", color=style.GREY, label="~ 1/step")
    style.dress(left, title="The loss", x="w", y="loss", legend="upper right")
    left.set_ylim(0.0, 1.6)
    style.dress(middle, title="Where w is", x="step", y="w")
    right.set_ylim(1e-8, 2.0)
    style.dress(right, title="The gradient", x="step", y="|∂L/∂w|", legend="lower left")
    return axes
