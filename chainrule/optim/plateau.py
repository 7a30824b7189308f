"""A learning rate that drops when the loss no longer falls: its state is explicit."""

from __future__ import annotations

from typing import NamedTuple

from chainrule.optim import checks
from chainrule.records import dataclass


class PlateauState(NamedTuple):
    """What `OnPlateau` knows between two observations.

    Attributes:
        learning_rate: the rate for the next steps.
        best: the lowest value so far.
        waited: observations without improvement since the best, or since the last drop.
        resting: observations still to ignore after a drop.
        drops: how often the rate was lowered.
    """

    learning_rate: float
    best: float = float("inf")
    waited: int = 0
    resting: int = 0
    drops: int = 0


@dataclass(frozen=True)
class OnPlateau:
    """ε ← max(γ ε, ε_min) once more than a number of observations brought nothing better.

    It depends on what was observed and not on the step number, hence it is no `Schedule`: keep
    its state, and give its rate to the optimizer, ``update(…, learning_rate=state.learning_rate)``.

    Args:
        initial: the first rate.
        factor: γ in [0, 1).
        patience: observations without improvement that are borne; the next one drops the rate.
        threshold: relative improvement that counts: value < best − threshold·|best|.
        cooldown: observations after a drop in which nothing is counted.
        least: ε_min.

    The defaults are PyTorch's; Keras drops at the patience-th observation and has an absolute
    threshold.

    >>> plateau = OnPlateau(0.1, factor=0.5, patience=1)
    >>> state = plateau.init()
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     state = plateau.observe(loss, state)
    >>> state.learning_rate, state.drops
    (0.05, 1)
    """

    initial: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    least: float = 0.0

    def __post_init__(self) -> None:
        checks.learning_rate(self.initial)
        checks.fraction("factor", self.factor)
        checks.whole("patience", self.patience, 0)
        checks.whole("cooldown", self.cooldown, 0)
        checks.not_negative("threshold", self.threshold)
        checks.not_negative("least", self.least)

    def init(self) -> PlateauState:
        return PlateauState(self.initial)

    def observe(self, value: float, state: PlateauState) -> PlateauState:
        """The state after one more observation, usually the validation loss of an epoch."""
        value = float(value)
        rate, best, waited, resting, drops = state
        first = best == float("inf")
        if value < best and (first or value < best - self.threshold * abs(best)):
            best, waited = value, 0
        else:
            waited += 1  # NaN is not better than anything
        if resting > 0:
            resting, waited = resting - 1, 0
        if waited > self.patience:
            rate = max(rate * self.factor, self.least)
            waited, resting, drops = 0, self.cooldown, drops + 1
        return PlateauState(rate, best, waited, resting, drops)
