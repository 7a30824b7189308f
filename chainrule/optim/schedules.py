"""Learning rates, momenta and batch sizes as functions of the step number.

A schedule is a callable of the number of updates done so far, 0 for the first. All of these are
written with NumPy's functions instead of branches, so that a traced step number will do as well.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log
from typing import Any

import numpy as np

from chainrule.elementary.base import is_traced
from chainrule.optim import checks
from chainrule.records import dataclass

Schedule = Callable[[Any], Any]


def _number(x: Any) -> Any:
    """A Python float: a NumPy float64 would turn float32 parameters into float64."""
    return x if is_traced(x) else float(x)


def _share(step: Any, steps: int) -> Any:
    """How much of the steps is done, at most 1."""
    return np.minimum(step / steps, 1.0)


@dataclass(frozen=True)
class Constant:
    """ε(t) = ε.

    >>> Constant(0.1)(7)
    0.1
    """

    value: float

    def __post_init__(self) -> None:
        checks.not_negative("value", self.value)

    def __call__(self, step: Any) -> Any:
        return self.value


@dataclass(frozen=True)
class StepDecay:
    """ε(t) = ε₀ γ^⌊t/k⌋: a drop by a factor every k steps.

    Args:
        initial: ε₀.
        factor: γ, usually below 1.
        every: k, in steps.

    >>> drop = StepDecay(1.0, factor=0.5, every=10)
    >>> drop(9), drop(10), drop(25)
    (1.0, 0.5, 0.25)
    """

    initial: float
    factor: float = 0.1
    every: int = 1000

    def __post_init__(self) -> None:
        checks.not_negative("initial", self.initial)
        checks.positive("factor", self.factor)
        checks.whole("every", self.every, 1)

    def __call__(self, step: Any) -> Any:
        return _number(self.initial * self.factor ** np.floor(step / self.every))


@dataclass(frozen=True)
class Exponential:
    """ε(t) = ε₀ γ^(t/k): the same drop spread evenly.

    Args:
        initial: ε₀.
        factor: γ.
        every: k, the steps in which the rate changes by the factor.

    >>> Exponential(1.0, factor=0.25, every=10)(5)
    0.5
    """

    initial: float
    factor: float = 0.1
    every: float = 1000

    def __post_init__(self) -> None:
        checks.not_negative("initial", self.initial)
        checks.positive("factor", self.factor)
        checks.positive("every", self.every)

    def __call__(self, step: Any) -> Any:
        return _number(self.initial * self.factor ** (step / self.every))


@dataclass(frozen=True)
class Polynomial:
    """ε(t) = ε₁ + (ε₀ − ε₁)(1 − t/T)^p for t < T, then ε₁. With p = 1 the book's linear decay.

    Args:
        initial: ε₀.
        steps: T.
        final: ε₁.
        power: p.

    >>> linear = Polynomial(1.0, steps=10, final=0.1)
    >>> linear(0), round(linear(5), 12), linear(10), linear(99)
    (1.0, 0.55, 0.1, 0.1)

    Source: Goodfellow et al., *Deep Learning*, equation 8.14.
    """

    initial: float
    steps: int
    final: float = 0.0
    power: float = 1.0

    def __post_init__(self) -> None:
        checks.not_negative("initial", self.initial)
        checks.not_negative("final", self.final)
        checks.whole("steps", self.steps, 1)
        checks.positive("power", self.power)

    def __call__(self, step: Any) -> Any:
        left = 1 - _share(step, self.steps)
        return _number(self.final + (self.initial - self.final) * left**self.power)


@dataclass(frozen=True)
class Cosine:
    """ε(t) = ε₁ + ½ (ε₀ − ε₁)(1 + cos(π t/T)) for t < T, then ε₁.

    Args:
        initial: ε₀.
        steps: T.
        final: ε₁.
        restart: begin anew every T steps, as in the paper.

    >>> cosine = Cosine(1.0, steps=10)
    >>> cosine(0), round(cosine(5), 12), cosine(10)
    (1.0, 0.5, 0.0)
    >>> Cosine(1.0, steps=10, restart=True)(20)
    1.0

    Source: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """

    initial: float
    steps: int
    final: float = 0.0
    restart: bool = False

    def __post_init__(self) -> None:
        checks.not_negative("initial", self.initial)
        checks.not_negative("final", self.final)
        checks.whole("steps", self.steps, 1)

    def __call__(self, step: Any) -> Any:
        if self.restart:
            step = step - self.steps * np.floor(step / self.steps)
        wave = 1 + np.cos(np.pi * _share(step, self.steps))
        return _number(self.final + 0.5 * (self.initial - self.final) * wave)


@dataclass(frozen=True)
class WarmUp:
    """ε(t) = ε₋ + (s(0) − ε₋) t/T for t < T, then s(t − T): a linear rise before a schedule s.

    Args:
        then: s, a schedule or a constant rate.
        steps: T.
        start: ε₋, the rate of the first step.

    >>> warm = WarmUp(0.8, steps=4)
    >>> [round(warm(t), 12) for t in range(6)]
    [0.0, 0.2, 0.4, 0.6, 0.8, 0.8]

    Source: Goyal et al., "Accurate, large minibatch SGD", arXiv 1706.02677 (2017), section 2.2.
    """

    then: Schedule | float
    steps: int
    start: float = 0.0

    def __post_init__(self) -> None:
        checks.whole("steps", self.steps, 1)
        checks.not_negative("start", self.start)
        if not callable(self.then) or isinstance(self.then, type):
            checks.not_negative("then", self.then)

    def __call__(self, step: Any) -> Any:
        after = self.then if callable(self.then) else Constant(self.then)
        rise = self.start + (after(0) - self.start) * _share(step, self.steps)
        # A traced step number is compared as a float, which compiles; others stay whole numbers,
        # which may be used to look something up.
        rest = after(np.maximum(step - self.steps, 0.0 if is_traced(step) else 0))
        return _number(np.where(step < self.steps, rise, rest))


@dataclass(frozen=True)
class OneCycle:
    """One rise of the rate to a peak and one long fall, and the momentum the other way round.

    Both halves are cosines: up from peak/rise to peak within the first share of the steps, then
    down to peak/(rise · fall). The momentum goes from high to low and back.

    Args:
        peak: the largest rate, for example from `range_test`.
        steps: T, the length of the cycle. Steps 0 … T − 1 span it; the rate stays at its end
            value afterwards.
        share: the share of the steps that rises, in (0, 1).
        rise: peak over the first rate. The defaults are PyTorch's.
        fall: first rate over the last.
        low, high: the momentum at the peak of the rate, and at both ends.

    The object is the schedule of the rate; ``momentum`` is that of the momentum.

    >>> cycle = OneCycle(1.0, steps=10, rise=25.0)
    >>> [round(x, 12) for x in (cycle(0), cycle(2), cycle.momentum(2))]
    [0.04, 1.0, 0.85]

    Source: Smith, "A disciplined approach to neural network hyper-parameters", arXiv 1803.09820
    (2018).
    """

    peak: float
    steps: int
    share: float = 0.3
    rise: float = 25.0
    fall: float = 1e4
    low: float = 0.85
    high: float = 0.95

    def __post_init__(self) -> None:
        checks.whole("steps", self.steps, 2)
        checks.number(
            "share", self.share, allow=lambda v: 0 < v < 1, must="between 0 and 1",
            remedy="share=0.3 rises for 30 % of the steps",
        )  # fmt: skip
        checks.positive("peak", self.peak)
        checks.positive("rise", self.rise)
        checks.positive("fall", self.fall)
        checks.fraction("low", self.low)
        checks.fraction("high", self.high)

    def __call__(self, step: Any) -> Any:
        first = self.peak / self.rise
        return self._wave(step, first, self.peak, first / self.fall)

    def momentum(self, step: Any) -> Any:
        """The schedule of the momentum, for ``momentum=cycle.momentum``."""
        return self._wave(step, self.high, self.low, self.high)

    def _wave(self, step: Any, start: float, middle: float, end: float) -> Any:
        turn, last = self.share * self.steps - 1, self.steps - 1
        turn = min(max(turn, 1e-9), last - 1e-9)  # a very short rise is a jump, not a division by 0
        up = np.minimum(step / turn, 1.0)
        down = np.clip((step - turn) / (last - turn), 0.0, 1.0)
        rising = middle + 0.5 * (start - middle) * (1 + np.cos(np.pi * up))
        falling = end + 0.5 * (middle - end) * (1 + np.cos(np.pi * down))
        return _number(np.where(step <= turn, rising, falling))


@dataclass(frozen=True)
class BatchGrowth:
    """B(t) = min(B₀ γ^⌊t/k⌋, B₁): a batch size that grows where a rate would fall.

    Growing by γ does to the noise of the gradient what dividing the learning rate by γ does, in
    fewer and better parallel steps.

    Args:
        initial: B₀, in rows.
        factor: γ > 1.
        every: k, in the unit of t: steps or epochs, whichever the caller counts. Given to
            ``fit(batch_size=…)`` it counts epochs.
        largest: B₁, in rows.

    Returns (when called): a whole number of rows.

    >>> grow = BatchGrowth(32, factor=2, every=10, largest=100)
    >>> grow(9), grow(10), grow(20)
    (32, 64, 100)

    Source: Smith, Kindermans, Ying & Le, "Don't decay the learning rate, increase the batch size",
    ICLR 2018; Goodfellow et al., *Deep Learning*, section 8.1.3.
    """

    initial: int
    factor: float = 2.0
    every: int = 10
    largest: int | None = None

    def __post_init__(self) -> None:
        checks.whole("initial", self.initial, 1)
        checks.whole("every", self.every, 1)
        if self.largest is not None:
            checks.whole("largest", self.largest, self.initial)
        checks.number(
            "factor", self.factor, allow=lambda v: v >= 1, must="a number ≥ 1",
            remedy="factor=2 doubles the batch every time",
        )  # fmt: skip

    def __call__(self, step: int) -> int:
        growths = step // self.every
        if self.largest is not None:  # growing on beyond the limit would overflow
            needed = log(self.largest / self.initial) / log(self.factor) if self.factor > 1 else 0.0
            growths = min(growths, ceil(needed))
        size = self.initial * float(self.factor) ** growths
        return int(size if self.largest is None else min(size, self.largest))
