"""The learning-rate range test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from chainrule.records import dataclass
from chainrule.running import Quiet


@dataclass(frozen=True)
class RangeTest:
    """The loss along a growing learning rate.

    Attributes:
        rates: shape (steps done,).
        losses: the loss of each step before its update, shape (steps done,).
        smoothed: their exponential average, corrected for its start.
        suggestion: the rate at which the loss falls fastest over the log of the rate: the slope of
            a line through the losses around it, as many to each side as the average remembers.
        diverged: did the test end because the loss exploded? If not, the range was too low.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    suggestion: float
    diverged: bool

    def __repr__(self) -> str:
        end = "where the loss exploded" if self.diverged else "and the loss has not exploded"
        return (
            f"<RangeTest of {len(self.rates)} rates from {self.rates[0]:.3g} to "
            f"{self.rates[-1]:.3g}, {end}; the suggestion is {self.suggestion:.3g}>"
        )


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
    >>> found.diverged, 0.02 < found.suggestion < 1.0
    (True, True)

    Source: Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.
    """
    rows = [()] if batches is None else [tuple(batch) for batch in batches]
    if not rows:
        raise ArgumentError(
            "there are no batches to try the rates on", got="an empty iterable",
            line=checks.users_line(), remedy="pass tuples such as (x, y), or None",
        )  # fmt: skip
    rule = optimizer or SGD()
    slope, following = value_and_grad(loss), cycle(rows)
    state = rule.init(params)

    def step(rate: float) -> float:
        nonlocal params, state
        value, gradient = slope(rule.lookahead(params, state), *next(following))
        params, state = rule.update(gradient, state, params, learning_rate=rate)
        return float(value)

    with Quiet():
        return sweep(
            step, lowest=lowest, highest=highest, steps=steps, smoothing=smoothing,
            explosion=explosion,
        )  # fmt: skip


def sweep(
    step: Callable[[float], float],
    *,
    lowest: float,
    highest: float,
    steps: int,
    smoothing: float,
    explosion: float,
) -> RangeTest:
    """The range test of any training: ``step(rate)`` does one step and gives the loss before it.

    Other arguments, Raises: see `range_test`.

    >>> found = sweep(lambda rate: 2.0 - rate if rate < 1 else 1e9, lowest=0.01, highest=10.0,
    ...               steps=40, smoothing=0.5, explosion=4.0)
    >>> found.diverged, len(found.rates), round(float(found.losses[-1]), 1)
    (True, 27, 1.0)
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
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    average, diverged = 0.0, False
    for t in range(steps):
        rate = lowest * (highest / lowest) ** (t / (steps - 1))
        value = step(rate)
        average = smoothing * average + (1 - smoothing) * value
        level = average / (1 - smoothing ** (t + 1))
        if not np.isfinite(level) or (
            smoothed and level - min(smoothed) > (explosion - 1) * abs(min(smoothed))
        ):
            diverged = True
            break
        rates.append(rate)
        losses.append(value)
        smoothed.append(level)
    return RangeTest(
        np.array(rates), np.array(losses), np.array(smoothed),
        _steepest(rates, losses, smoothing), diverged,
    )  # fmt: skip


def _steepest(rates: list[float], losses: list[float], smoothing: float) -> float:
    """The middle of the stretch whose least-squares line falls most.

    Single differences would be those of the batches, which are largest where the average is young.
    """
    if len(rates) < 3:
        return rates[0] if rates else float("nan")
    half = max(min(round(1 / (1 - smoothing)), (len(losses) - 1) // 2), 1)
    places = np.arange(-half, half + 1)
    slopes = np.convolve(losses, places[::-1], "valid")  # times Σ places², the same for all
    return float(rates[half + int(np.argmin(slopes))])
