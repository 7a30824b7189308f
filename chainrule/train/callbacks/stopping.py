"""Ending a training before its last epoch."""

from __future__ import annotations

from typing import Any

from chainrule.train.callbacks.base import Callback, Logs
from chainrule.train.callbacks.monitor import Monitor
from chainrule.train.callbacks.progress import number


class EarlyStopping(Callback):
    """End the training when a value has not become better for some epochs.

    Args:
        monitor: the value in the logs.
        min_delta: the least change that counts.
        patience: so many epochs in a row without a better value end the training.
        verbose: 1 to print a line when it stops.
        mode: "min", "max" or "auto", which goes by the name.
        baseline: the value must become better than this.
        restore_best_weights: put back the weights of the best epoch at the end. True here; False
            in Keras.
        start_from_epoch: epochs before this one are not looked at.

    Attributes:
        best, best_epoch: the best value and its epoch, from 0.
        stopped_epoch: the epoch that ended the training; 0 if it ran to its end.

    >>> EarlyStopping(monitor="val_accuracy", patience=3).monitor.largest
    True

    Source: Goodfellow et al., *Deep Learning*, algorithm 7.1.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = True,
        start_from_epoch: int = 0,
    ) -> None:
        self.monitor = Monitor(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self._restart()

    def _restart(self) -> None:
        self.best = self.monitor.worst
        self.best_epoch = self.wait = self.stopped_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        self._restart()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        value = self.monitor.read(self, logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.monitor.better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.monitor.better(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.verbose:
                best = f"{self.monitor.name} was best in epoch {self.best_epoch + 1}"
                print(f"epoch {epoch + 1}: stopped early; {best}, {number(self.best)}")

    def on_train_end(self, logs: Logs = None) -> None:
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)

    def state(self) -> Any:
        return {
            "best": self.best, "best_epoch": self.best_epoch, "wait": self.wait,
            "stopped_epoch": self.stopped_epoch, "weights": self.best_weights,
        }  # fmt: skip

    def set_state(self, state: Any) -> None:
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.wait, self.stopped_epoch = state["wait"], state["stopped_epoch"]
        self.best_weights = state["weights"]


class TerminateOnNaN(Callback):
    """End the training, without an error, when the loss or the gradient is not finite.

    The weights stay those before that step. Without this callback it is a `DivergenceError` that
    says where it began.

    >>> callbacks = [TerminateOnNaN()]
    """
