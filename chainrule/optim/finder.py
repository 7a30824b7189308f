"""The learning-rate range test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives import value_and_grad
from chainrule.errors import ArgumentError
from chainrule.optim import checks
from chainrule.optim.base import Optimizer
from chainrule.optim.clipping import Clipped
from chainrule.optim.descent import SGD
from chainrule.running import Quiet


@dataclass(frozen=True)
class RangeTest:
    """The loss along a growing learning rate.

    Attributes:
        rates: shape (steps done,).
        losses: the loss of each step before its update, shape (steps done,).
        smoothed: their exponential average, corrected for its start.
        suggestion: the rate at which the smoothed loss falls fastest over the log of the rate.
        diverged: did the test end because the loss exploded? If not, the range was too low.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    suggestion: float
    diverged: bool


def range_test(
    loss: Callable[..., Any],
    params: Any,
    batches: Iterable[tuple[Any, ...]] | None = None,
    *,
    optimizer: Optimizer | Clipped | None = None,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.9,
    explosion: float = 4.0,
) -> RangeTest:
    """Train for a few steps at a rate that grows exponentially, and watch the loss.

    ε(t) = lowest · (highest/lowest)^(t/(steps − 1)). The rate where the loss falls fastest is a
    good one; a bit before the loss explodes is the peak for `OneCycle`.

    Args:
        loss: loss(params, *batch), one number.
        params: where to start; left as it is.
        batches: tuples for the loss, taken in turn and again from the start; None for a loss of
            the parameters alone.
        optimizer: `SGD` by default; its own rate is not used.
        lowest, highest: the range of the rates.
        steps: how many rates to try.
        smoothing: in [0, 1), the memory of the averaged loss.
        explosion: stop where the average exceeds this many times its lowest value so far, counted
            from that value's distance to zero.

    Raises:
        ArgumentError: a range that is not 0 < lowest < highest, no batches, fewer than 3 steps.

    >>> found = range_test(lambda x: (x**2).sum(), np.ones(2), lowest=1e-3, steps=60)
    >>> found.diverged, 0.05 < found.suggestion < 1.0
    (True, True)

    Source: Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.
    """
    checks.positive("lowest", lowest)
    checks.number(
        "highest", highest, allow=lambda v: v > lowest, must=f"above lowest={lowest}",
        remedy="lowest=1e-6, highest=10 spans what is usual",
    )  # fmt: skip
    checks.whole("steps", steps, 3)
    checks.fraction("smoothing", smoothing)
    checks.number(
        "explosion", explosion, allow=lambda v: v > 1, must="above 1", remedy="explosion=4"
    )
    rows = [()] if batches is None else [tuple(batch) for batch in batches]
    if not rows:
        raise ArgumentError(
            "there are no batches to try the rates on", got="an empty iterable",
            line=checks.users_line(), remedy="pass tuples such as (x, y), or None",
        )  # fmt: skip
    rule = optimizer or SGD()
    state = rule.init(params)
    slope = value_and_grad(loss)
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    average, diverged = 0.0, False
    with Quiet():
        for t, batch in zip(range(steps), cycle(rows), strict=False):
            rate = lowest * (highest / lowest) ** (t / (steps - 1))
            value, gradient = slope(rule.lookahead(params, state), *batch)
            average = smoothing * average + (1 - smoothing) * float(value)
            level = average / (1 - smoothing ** (t + 1))
            if not np.isfinite(level) or (
                smoothed and level - min(smoothed) > (explosion - 1) * abs(min(smoothed))
            ):
                diverged = True
                break
            rates.append(rate)
            losses.append(float(value))
            smoothed.append(level)
            params, state = rule.update(gradient, state, params, learning_rate=rate)
    return RangeTest(
        np.array(rates), np.array(losses), np.array(smoothed),
        _steepest(rates, smoothed), diverged,
    )  # fmt: skip


def _steepest(rates: list[float], smoothed: list[float]) -> float:
    if len(rates) < 2:
        return rates[0] if rates else float("nan")
    return float(rates[int(np.argmin(np.gradient(smoothed)))])
