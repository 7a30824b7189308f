"""Showing how the training goes: a bar in a terminal, or a line for each epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from chainrule.train.callbacks.base import Callback, Logs

# A terminal that is drawn more often than this, in seconds, slows small trainings down.
_PAUSE = 0.1


def number(value: float) -> str:
    """Four digits, whatever the size: a huge loss does not fill the line.

    >>> number(0.123456), number(1e-9), number(123456789.0)
    ('0.1235', '1.000e-09', '1.235e+08')
    """
    return f"{value:.4f}" if value == 0.0 or 1e-3 <= abs(value) < 1e5 else f"{value:.3e}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(5.2), duration(65), duration(3700)
    ('5 s', '1:05', '1:01:40')
    """
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class ProgressBar(Callback):
    """A bar for the whole training: epoch, step, loss, metrics, gradient norm, rows/s, time left.

    It shows nothing where the output is not a terminal.

    Args:
        console: a Rich console; the standard output by default.

    >>> callbacks = [ProgressBar()]
    """

    def __init__(self, console: Any = None) -> None:
        self.console = console
        self._bar: Any = None

    def on_train_begin(self, logs: Logs = None) -> None:
        from rich.console import Console

        console = self.console or Console()
        self._bar = None
        if not console.is_terminal:
            return
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        # What does not fit into a narrow terminal is cut off at the end.
        self._bar = Progress(
            TextColumn("{task.fields[where]}", table_column=Column(no_wrap=True, min_width=38)),
            BarColumn(12),
            TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True)),
            console=console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("", total=None, where="", text="")
        self._bar.start()
        self._began = time.perf_counter()
        self._drawn = 0.0
        self._steps = self._epoch = self._batch = 0
        self._last: dict[str, float] = {}

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch
        self._batch = self.model.run.step if self.model is not None else 0

    @property
    def hears_steps(self) -> bool:
        return False

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self._bar is None:
            return
        self._steps += batch + 1 - self._batch  # several steps may have been done
        self._batch = batch + 1
        now = time.perf_counter()
        if now - self._drawn >= _PAUSE:
            self._drawn = now
            self._draw(batch + 1, {**self._last, **(logs or {})}, now)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self._bar is not None:
            self._last = dict(logs or {})
            last = epoch + 1 == self.params["epochs"]
            if last or time.perf_counter() - self._drawn >= _PAUSE:
                self._draw(self.params["steps"] or 0, self._last, time.perf_counter())

    def _draw(self, step: int, logs: dict[str, float], now: float) -> None:
        epochs, steps = self.params["epochs"], self.params["steps"]
        where = f"epoch {self._epoch + 1}/{epochs}" + (f" step {step}/{steps}" if steps else "")
        spent = max(now - self._began, 1e-9)
        total = done = None
        if steps:
            total, done = epochs * steps, self._epoch * steps + step
            where += f" {duration((total - done) * spent / max(self._steps, 1))} left"
        parts = [
            f"{'|g|' if name == 'gradient_norm' else name} {number(value)}"
            for name, value in logs.items()
            if name != "batch_loss"
        ]
        rows = self.params.get("rows")
        if rows and steps:
            parts.append(f"{self._steps * rows / steps / spent:,.0f} rows/s")
        self._bar.update(self._task, total=total, completed=done or 0, where=where,
                         text=" · ".join(parts))  # fmt: skip
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def followed(batches: Iterator[Any], total: int | None, what: str, verbose: Any) -> Iterator[Any]:
    """The batches, with a bar in a terminal that shows how many of them are done.

    Args:
        batches: what is gone through.
        total: how many there are, if that is known.
        what: is done with them.
        verbose: 1 or "auto" for a bar.
    """
    if verbose not in (1, "auto") or not sys.stdout.isatty():
        return batches
    from rich.progress import track

    return iter(track(batches, what, total, transient=True))


class EpochLines(Callback):
    """A line of text for each epoch, for logs that are kept.

    >>> lines = EpochLines()
    >>> lines.set_params({"epochs": 10})
    >>> lines.on_epoch_end(2, {"loss": 0.25, "val_loss": 0.5})
    epoch 3/10: loss 0.2500, val_loss 0.5000
    """

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        values = ", ".join(f"{name} {number(value)}" for name, value in (logs or {}).items())
        print(f"epoch {epoch + 1}/{self.params['epochs']}: {values}")


def display(verbose: Any) -> list[Callback]:
    """What `Model.fit` shows for its ``verbose``."""
    if verbose == 2:
        return [EpochLines()]
    if verbose == 0 or (verbose == "auto" and not sys.stdout.isatty()):
        return []
    return [ProgressBar()]
