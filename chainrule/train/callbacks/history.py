"""The record of a training."""

from __future__ import annotations

from typing import Any

from chainrule.train.callbacks.base import Callback, Logs


class History(Callback):
    """What `fit` returns: for each name its value in every epoch.

    The loss and the metrics are means over the epoch's rows, each taken before the update that
    used it, and so lag behind ``val_loss``, which is taken at the epoch's end. Where gradients are
    clipped there are also the mean of their norms before that and the share of the steps that it
    changed, ``gradient_norm`` and ``clipped_share``.

    Args:
        per_step: also keep the loss and the gradient norm of each step.

    Attributes:
        epoch: the numbers of the epochs, from 0.
        history: {"loss": […], "accuracy": […], "val_loss": […], …}
        steps: {"loss": […], "gradient_norm": […]}, empty unless ``per_step``.
        interrupted: whether Ctrl-C ended the training.

    >>> history = History()
    >>> history.on_epoch_end(0, {"loss": 0.5})
    >>> history.history
    {'loss': [0.5]}
    """

    def __init__(self, per_step: bool = False) -> None:
        self.per_step = per_step
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}
        self.steps: dict[str, list[float]] = {}
        self.interrupted = False

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch, self.history, self.steps = [], {}, {}

    @property
    def hears_steps(self) -> bool:
        return self.per_step

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.per_step and logs:
            self.steps.setdefault("loss", []).append(logs["batch_loss"])
            self.steps.setdefault("gradient_norm", []).append(logs["gradient_norm"])

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def state(self) -> Any:
        return {"epoch": self.epoch, "history": self.history, "steps": self.steps}

    def set_state(self, state: Any) -> None:
        self.epoch, self.history = state["epoch"], state["history"]
        self.steps = state["steps"]

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={values[-1]:.4g}" for name, values in self.history.items())
        return f"<History of {len(self.epoch)} epochs: {last}>"
