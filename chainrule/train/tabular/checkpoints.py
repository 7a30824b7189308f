"""Checkpoints of a run of several models."""

from __future__ import annotations

import os
import time

from chainrule.train.callbacks import BackupAndRestore
from chainrule.train.callbacks.base import Logs

EVERY = 2.0  # seconds between two checkpoints: short trainings are not slowed down by the disk


class Checkpoints(BackupAndRestore):
    """Checkpoints every two seconds, and at the end: a finished model is not trained again."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(folder, delete_checkpoint=False)
        self._began = self._last = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if time.monotonic() - self._last > EVERY:
            self.save()
            self._last = time.monotonic()

    def settle(self) -> None:
        interrupted = self.model.run.interrupted
        if self._ready and (interrupted or time.monotonic() - self._began > EVERY):
            self.save()

    def on_train_end(self, logs: Logs = None) -> None:
        """The checkpoints stay until the whole run is written."""


__all__ = ["Checkpoints"]
