"""Backtracking line search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.optim import checks


class LineSearch(NamedTuple):
    """What a line search found.

    Attributes:
        step: the accepted step length; 0 if none was found.
        fun: the value there.
        evaluations: how often the function was called.
    """

    step: float
    fun: float
    evaluations: int


def backtracking(
    f: Callable[[Any], Any],
    x: Any,
    direction: Any,
    *,
    fun: float,
    slope: float,
    step: float = 1.0,
    shrink: float = 0.5,
    decrease: float = 1e-4,
) -> LineSearch:
    """The first step length a, ca, c²a, … that lowers f enough (Armijo's condition).

    f(x + a d) ≤ f(x) + c₁ a ∇f(x)·d

    Args:
        f: a function of an array that returns one number.
        x: where to start, shape (n,).
        direction: d, shape (n,).
        fun: f(x).
        slope: ∇f(x)·d, negative for a direction of descent.
        step: the first a to try.
        shrink: c in (0, 1).
        decrease: c₁ in (0, 1).

    Returns:
        A `LineSearch`; its step is 0 where rounding lets no step lower f.

    Raises:
        ArgumentError: shrink or decrease outside of (0, 1), or d does not descend.

    >>> backtracking(lambda x: x[0]**2, np.array([1.0]), np.array([-8.0]), fun=1.0, slope=-16.0)
    LineSearch(step=0.125, fun=0.0, evaluations=4)

    Source: Nocedal & Wright, *Numerical Optimization* (2nd ed., 2006), algorithm 3.1.
    """
    for name, value in (("shrink", shrink), ("decrease", decrease)):
        checks.number(
            name, value, allow=lambda v: 0 < v < 1, must="between 0 and 1",
            remedy="the usual values are shrink=0.5 and decrease=1e-4",
        )  # fmt: skip
    checks.number(
        "slope", slope, allow=lambda v: v < 0, must="negative",
        remedy="search along a direction of descent, such as minus the gradient",
    )  # fmt: skip
    evaluations = 0
    while True:
        trial = x + step * direction
        if np.array_equal(trial, x):  # the step is below the rounding of x
            return LineSearch(0.0, fun, evaluations)
        value = float(f(trial))
        evaluations += 1
        # False for NaN, so one backs out of it; strictly below, or rounding would pass as descent.
        if value < fun and value <= fun + decrease * step * slope:
            return LineSearch(step, value, evaluations)
        step *= shrink
