"""The learning rate changed from epoch to epoch.

For a rate that depends on the step alone, give the optimizer a schedule of cr.optim instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from chainrule.errors import ArgumentError
from chainrule.nn.naming import user_line
from chainrule.train.callbacks.base import Callback, Logs
from chainrule.train.callbacks.monitor import Monitor


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch.

    Args:
        schedule: schedule(epoch, rate) → rate, or schedule(epoch) → rate; epochs from 0.
        verbose: 1 to print the rate of each epoch.

    >>> callback = LearningRateScheduler(lambda epoch, rate: rate * 0.9)
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose
        self._both = _takes_rate(schedule)
        self._set_for = -1

    def on_train_begin(self, logs: Logs = None) -> None:
        self._set_for = -1

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if epoch == self._set_for:
            return  # an epoch that is resumed has its rate
        rate = self.model.learning_rate
        found = self.schedule(epoch, rate) if self._both else self.schedule(epoch)
        if found is None:
            raise ArgumentError(
                "the schedule of LearningRateScheduler returns the rate",
                got=f"None for epoch {epoch}",
                line=user_line(),
                remedy="end it with return, in every branch: return rate",
            )
        self.model.learning_rate = found
        self._set_for = epoch
        if self.verbose:
            print(f"epoch {epoch + 1}: the learning rate is {self.model.learning_rate:g}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.learning_rate

    def state(self) -> Any:
        return self._set_for

    def set_state(self, state: Any) -> None:
        self._set_for = state


def _takes_rate(schedule: Any) -> bool:
    """Does the schedule take the present rate too?"""
    try:
        parameters = inspect.signature(schedule).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return len([p for p in parameters if p.kind in positional]) > 1


class ReduceLROnPlateau(Callback):
    """Lower the learning rate when a value has not become better for some epochs.

    ε ← max(factor · ε, min_lr)

    Args:
        monitor: the value in the logs.
        factor: below 1.
        patience: so many epochs in a row without a better value lower the rate.
        verbose: 1 to print a line when it is lowered.
        mode: "min", "max" or "auto", which goes by the name.
        min_delta: the least change that counts.
        cooldown: epochs after a change in which nothing is counted.
        min_lr: the rate does not go below it.

    Raises:
        ArgumentError: a factor that would not lower the rate.

    >>> ReduceLROnPlateau(factor=0.5, patience=2).factor
    0.5
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        if not 0.0 <= factor < 1.0:
            raise ArgumentError(
                "ReduceLROnPlateau multiplies the learning rate by a factor below 1",
                got=f"factor={factor!r}",
                line=user_line(),
                remedy="give a number such as 0.1",
            )
        self.monitor = Monitor(monitor, mode, min_delta)
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self._restart()

    def _restart(self) -> None:
        self.best = self.monitor.worst
        self.wait = self.resting = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self._restart()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        value = self.monitor.read(self, logs)
        if logs is not None:
            logs["learning_rate"] = self.model.learning_rate
        if value is None:
            return
        if self.resting:
            self.resting -= 1
            self.wait = 0
        if self.monitor.better(value, self.best):
            self.best, self.wait = value, 0
        elif not self.resting:
            self.wait += 1
            if self.wait >= self.patience:
                rate = self.model.learning_rate
                if rate > self.min_lr:
                    self.model.learning_rate = max(rate * self.factor, self.min_lr)
                    self.resting, self.wait = self.cooldown, 0
                    if self.verbose:
                        new = self.model.learning_rate
                        print(f"epoch {epoch + 1}: the learning rate is lowered to {new:g}")

    def state(self) -> Any:
        return [self.best, self.wait, self.resting]

    def set_state(self, state: Any) -> None:
        self.best, self.wait, self.resting = state
