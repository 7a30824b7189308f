"""What the callbacks that save have in common: when they do it."""

from __future__ import annotations

from typing import Literal

from chainrule.errors import ArgumentError
from chainrule.nn.naming import user_line
from chainrule.train.callbacks.base import Callback, Logs


class Saving(Callback):
    """Saves at the end of each epoch, or each so many steps.

    Args:
        save_freq: "epoch", or a number of steps.

    Raises:
        ArgumentError: it is something else.
    """

    def __init__(self, save_freq: Literal["epoch"] | int) -> None:
        if save_freq != "epoch" and not (isinstance(save_freq, int) and save_freq >= 1):
            raise ArgumentError(
                "save_freq is 'epoch' or a number of steps",
                got=f"save_freq={save_freq!r}",
                line=user_line(),
                remedy="give save_freq='epoch', or 1 or more",
            )
        self.save_freq = save_freq
        self._steps = 0

    @property
    def hears_steps(self) -> bool:
        return self.save_freq != "epoch"

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._steps += 1
        if self.save_freq != "epoch" and self._steps % self.save_freq == 0:
            self.save(logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch":
            self.save(logs)

    def save(self, logs: Logs = None) -> None:
        """Save now."""
        raise NotImplementedError


__all__ = ["Saving"]
