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

    One line where the terminal is wide enough, otherwise the values are on lines of their own. It
    shows nothing where the output is not a terminal.

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
        from rich.live import Live

        self._bar = Live(console=console, auto_refresh=False)
        self._bar.start()
        self._began = time.perf_counter()
        self._drawn = 0.0
        self._steps = self._epoch = self._batch = 0
        self._last: dict[str, float] = {}
        self._norm: float | None = None

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
        self._norm = (logs or {}).get("gradient_norm")
        now = time.perf_counter()
        if now - self._drawn >= _PAUSE:
            self._drawn = now
            self._draw(batch + 1, {**self._last, **(logs or {})}, now)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self._bar is not None:
            self._last = dict(logs or {})
            if self._norm is not None:
                self._last.setdefault("gradient_norm", self._norm)
            last = epoch + 1 == self.params["epochs"]
            if last or time.perf_counter() - self._drawn >= _PAUSE:
                self._draw(self.params["steps"] or 0, self._last, time.perf_counter())

    def _draw(self, step: int, logs: dict[str, float], now: float) -> None:
        epochs, steps = self.params["epochs"], self.params["steps"]
        where = f"epoch {self._epoch + 1}/{epochs}" + (f" step {step}/{steps}" if steps else "")
        spent = max(now - self._began, 1e-9)
        share, pace = None, []
        if steps:
            total, done = epochs * steps, self._epoch * steps + step
            share = done / total
            pace.append(f"{duration((total - done) * spent / max(self._steps, 1))} left")
            if rows := self.params.get("rows"):
                pace.append(f"{self._steps * rows / steps / spent:,.0f} rows/s")
        parts = [
            f"{'|g|' if name == 'gradient_norm' else name} {number(value)}"
            for name, value in logs.items()
            if name != "batch_loss"
        ]
        self._bar.update(_lines(where, share, pace, parts, self._bar.console.width), refresh=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _lines(where: str, share: float | None, pace: list[str], parts: list[str], width: int) -> Any:
    """What the bar shows, with line breaks between the values only."""
    from rich.text import Text

    full, found = "━" * 12, Text(f"{where:<24} ")
    if share is not None:
        done = round(share * len(full))
        found.append(full[:done], "bar.complete")
        found.append(full[done:], "bar.back")
    used = found.cell_len
    for k, part in enumerate([*pace, *parts]):
        # The values begin a line of their own where they do not fit beside the rest.
        alone = k == len(pace) and used + len(" · ".join(parts)) + 1 > width
        if alone or used + len(part) + 3 > width:
            found.append("\n  " + part)
            used = len(part) + 2
        else:
            mark = " · " if k and used > 2 else " "
            found.append(mark + part)
            used += len(mark) + len(part)
    return found


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
    """What `Model.fit` shows for its ``verbose``; a bar that nobody would see becomes lines."""
    if verbose == 0 or (verbose == "auto" and not sys.stdout.isatty()):
        return []
    if verbose != 2:
        from rich.console import Console

        if Console().is_terminal:
            return [ProgressBar()]
    return [EpochLines()]
