"""Models and logs written while the training goes on."""

from __future__ import annotations

import csv
import io
import os
from typing import Any, Literal

from chainrule.errors import ArgumentError
from chainrule.nn.naming import user_line
from chainrule.train.callbacks.base import Callback, Logs
from chainrule.train.callbacks.monitor import Monitor
from chainrule.train.callbacks.saving import Saving
from chainrule.train.files import write_whole


class ModelCheckpoint(Saving):
    """Save the model after each epoch, or each time it has become better.

    The files are those of `Model.save`. To go on after a crash use `BackupAndRestore`.

    Args:
        filepath: may have fields: ``{epoch:03d}``, counted from 1, and names of the logs, such as
            ``{val_loss:.3f}``.
        monitor: the value that ``save_best_only`` looks at.
        verbose: 1 to print a line for each file.
        save_best_only: only when it has become better.
        save_weights_only: leave the optimizer's state out.
        mode: "min", "max" or "auto", which goes by the name.
        save_freq: "epoch", or a number of steps.
        initial_value_threshold: the value that the first file must be better than.

    Raises:
        ArgumentError: a ``save_freq`` that is neither.

    >>> callbacks = [ModelCheckpoint("best.safetensors", save_best_only=True)]
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Literal["epoch"] | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(save_freq)
        self.filepath = os.fspath(filepath)
        self.monitor, self.verbose = Monitor(monitor, mode), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.initial_value_threshold = initial_value_threshold
        self._restart()

    def _restart(self) -> None:
        start = self.initial_value_threshold
        self.best = self.monitor.worst if start is None else start
        self._steps = self._epoch = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self._restart()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def save(self, logs: Logs = None) -> None:
        """Write the file, if the model is to be kept."""
        if self.save_best_only:
            value = self.monitor.read(self, logs)
            if value is None or not self.monitor.better(value, self.best):
                return
            self.best = value
        try:
            path = self.filepath.format(epoch=self._epoch + 1, **(logs or {}))
        except (KeyError, ValueError, IndexError) as error:
            raise ArgumentError(
                "the file name of ModelCheckpoint has a field that the logs have not",
                got=f"{self.filepath} ({error})",
                line=user_line(),
                remedy=f"use epoch, {', '.join(logs or {})}",
            ) from None
        self.model.save(path, include_optimizer=not self.save_weights_only)
        if self.verbose:
            print(f"epoch {self._epoch + 1}: saved to {path}")

    def state(self) -> Any:
        return [self.best, self._steps]

    def set_state(self, state: Any) -> None:
        self.best, self._steps = state


class CSVLogger(Callback):
    """Write each epoch's values as a line of a CSV file, numbers to their last bit.

    Args:
        filename: replaced when a training begins.
        separator: between the columns.
        append: go on with an existing file instead.

    >>> callbacks = [CSVLogger("history.csv")]
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        from pathlib import Path  # which brings much along

        self.path, self.separator, self.append = Path(filename), separator, append
        self._columns: list[str] = []
        self._rows: list[dict[str, Any]] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        self._columns, self._rows = [], []
        if self.append and self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file, delimiter=self.separator)
                self._rows = list(reader)
                self._columns = list(reader.fieldnames or [])

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        row = {"epoch": epoch, **(logs or {})}
        self._rows.append(row)
        new = [name for name in row if name not in self._columns]
        if new or len(self._rows) == 1:
            # A column that comes late, such as that of a rare validation, needs another header.
            self._columns += new
            self._write()
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            self._writer(file).writerow(row)

    def _writer(self, file: Any) -> Any:
        return csv.DictWriter(
            file, self._columns, restval="NA", delimiter=self.separator, lineterminator="\n"
        )

    def _write(self) -> None:
        text = io.StringIO()
        writer = self._writer(text)
        writer.writeheader()
        writer.writerows(self._rows)
        write_whole(self.path, text.getvalue().encode())

    def state(self) -> Any:
        return {"columns": self._columns, "rows": self._rows}

    def set_state(self, state: Any) -> None:
        # Lines of epochs that were lost with the crash go: they will come again.
        self._columns, self._rows = state["columns"], state["rows"]
        if self._rows:
            self._write()
