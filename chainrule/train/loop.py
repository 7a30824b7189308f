"""The training loop: a step on each mini-batch, epoch after epoch. It exists once, here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple, Protocol

import numpy as np

from chainrule.errors import DataError, DivergenceError
from chainrule.train.callbacks.base import Callback
from chainrule.train.interrupts import Interrupts

Record = dict[str, float]
Means = dict[str, tuple[list[float], list[float]]]


class Report(NamedTuple):
    """What one step or several say about their batches.

    Attributes:
        losses: of each step, before the update.
        norms: √Σg² over all parameters, of each step.
        means: what to average over the epoch: name → (value of each step, its weight). The loss
            is among them if the epoch's mean loss is wanted.
        kept: what is to be looked at when the epoch is over, for measures that are no means: of
            each step, or nothing.
    """

    losses: list[float]
    norms: list[float]
    means: Means
    kept: Sequence[Any] = ()

    @property
    def is_finite(self) -> bool:
        return all(map(isfinite, self.losses)) and all(map(isfinite, self.norms))

    def part(self, first: int, last: int) -> Report:
        """What the steps from one to before another say."""
        means = {name: (v[first:last], w[first:last]) for name, (v, w) in self.means.items()}
        losses, norms = self.losses[first:last], self.norms[first:last]
        return Report(losses, norms, means, self.kept[first:last])


class Later(Protocol):
    """A state that is put together only where somebody reads it."""

    def make(self, last: bool = False) -> Any:
        """The state, in arrays of its own, which no step will change."""


@dataclass
class Run:
    """A training under way: all that it needs to go on from here.

    Attributes:
        latest: the state, or a promise of it; ``state`` is what the step takes and returns.
        epoch, step: the position: finished epochs, and finished steps of the epoch under way.
        sums: of the epoch under way: name → [Σ weight · value, Σ weight].
        kept: of the epoch under way: what each step's report said to keep.
        history: one record for each finished epoch.
        stop: set by a callback to end the training after this step.
        interrupted: Ctrl-C ended it.
    """

    latest: Any
    epoch: int = 0
    step: int = 0
    sums: dict[str, list[float]] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)
    history: list[Record] = field(default_factory=list)
    stop: bool = False
    interrupted: bool = False

    @property
    def state(self) -> Any:
        self.settle()
        return self.latest

    @state.setter
    def state(self, state: Any) -> None:
        self.latest = state

    def settle(self, last: bool = False) -> None:
        """Have the state at hand, not a promise of it.

        Args:
            last: no step follows in this training.
        """
        if hasattr(self.latest, "make"):
            self.latest = self.latest.make(last)

    def __getstate__(self) -> Any:
        self.settle()  # a copy is one of numbers, not of compiled steps
        return self.__dict__

    def add(self, report: Report) -> None:
        for name, (values, weights) in report.means.items():
            total = self.sums.setdefault(name, [0.0, 0.0])
            for value, weight in zip(values, weights, strict=True):
                total[0] += value * weight
                total[1] += weight
        self.kept.extend(report.kept)

    def means(self) -> Record:
        """The epoch's means so far; 0 where all weights were 0."""
        return {name: s / w if w else 0.0 for name, (s, w) in self.sums.items()}


class Piece(NamedTuple):
    """Some steps that were done together.

    Attributes:
        state: after the last of them, or a promise of it.
        report: what they say.
        steps: how many.
        batch: of a single step; where it is not finite it is looked into.
    """

    state: Any
    report: Report
    steps: int
    batch: Any


class Several(Protocol):
    """Does the steps of an epoch some at a time."""

    def more(self, run: Run) -> bool:
        """Are there steps left in the epoch under way?"""

    def __call__(self, run: Run) -> Piece:
        """The next ones."""


def no_replay(run: Run, batch: Any, report: Report) -> DivergenceError:
    """The error for a step that is not known well enough to look into."""
    return diverged(run.epoch + 1, report.losses[-1])


def run_epochs(
    run: Run,
    step: Callable[[Any, Any, int, int], tuple[Any, Report]],
    feed: Callable[[int, int], Iterator[Any]],
    *,
    epochs: int,
    callbacks: Callback,
    evaluate: Callable[[Run], Record] | None = None,
    explain: Callable[[Run, Any, Report], DivergenceError | None] = no_replay,
    several: Several | None = None,
) -> None:
    """Train from where a run stands to the end of the last epoch.

    Args:
        run: the state and the position; changed after each step, so that at any moment it holds
            the last whole step.
        step: step(state, batch, epoch, number) → (new state, report), a pure function.
        feed: feed(epoch, skip) gives the batches of an epoch but for the first ``skip``.
        epochs: the number of the epoch to end with.
        callbacks: told about each epoch and step, with the running means; they may set
            ``run.stop``.
        evaluate: what to add to each epoch's record, from the run at its end.
        explain: makes the error for a step whose loss or gradient is not finite, from the run as
            it was before that step; None ends the training there without an error.

    Raises:
        DivergenceError: a loss is infinite or not a number.
        DataError: there is no batch.
    """
    # Overflow needs no warning here: a loss that is not finite is an error below.
    with np.errstate(all="ignore"):
        try:
            try:
                with Interrupts() as interrupts:
                    callbacks.on_train_begin()
                    while run.epoch < epochs and not run.stop:
                        if several is None:
                            pieces = _one_by_one(run, step, feed, callbacks)
                        else:
                            pieces = _together(run, several, callbacks)
                        _epoch(run, pieces, callbacks, evaluate, explain, interrupts)
            except KeyboardInterrupt:
                run.interrupted = True
            run.settle(last=True)
            callbacks.settle()
            callbacks.on_train_end(_values(run.history[-1]) if run.history else None)
        finally:
            callbacks.close()


def _one_by_one(run: Run, step: Any, feed: Any, callbacks: Callback) -> Iterator[Piece]:
    """The steps of an epoch, each by itself."""
    epoch = run.epoch
    for batch in feed(epoch, run.step):
        callbacks.on_train_batch_begin(run.step)
        state, report = step(run.state, batch, epoch, run.step)
        yield Piece(state, report, 1, batch)


def _together(run: Run, several: Several, callbacks: Callback) -> Iterator[Piece]:
    """The steps of an epoch, some at a time."""
    while several.more(run):
        callbacks.on_train_batch_begin(run.step)
        yield several(run)


def _epoch(
    run: Run,
    pieces: Iterator[Piece],
    callbacks: Callback,
    evaluate: Any,
    explain: Any,
    interrupts: Interrupts,
) -> None:
    epoch = run.epoch
    callbacks.on_epoch_begin(epoch)
    for piece in pieces:
        state, report = piece.state, piece.report
        if not report.is_finite:
            error = explain(run, piece.batch, report)
            if error is not None:
                raise error
            run.stop = True
            return
        with interrupts.held():  # what was done and how far it got go together
            run.state = state
            run.add(report)
            run.step += piece.steps
        logs = run.means()
        logs["gradient_norm"], logs["batch_loss"] = report.norms[-1], report.losses[-1]
        callbacks.on_train_batch_end(run.step - 1, logs)
        if run.stop:
            break
    if not run.step:
        raise DataError(
            f"there is no batch of data to train on in epoch {epoch + 1}",
            got="an input that is empty or used up",
            remedy="a generator runs once: give a function that returns a new one for each epoch, "
            "or steps_per_epoch",
        )
    record = {"epoch": epoch + 1, **run.means()}
    record |= evaluate(run) if evaluate is not None else {}
    if not isfinite(record.get("loss", 0.0)):
        raise diverged(epoch + 1, record["loss"])
    with interrupts.held():
        run.history.append(record)
        run.epoch, run.step, run.sums, run.kept = epoch + 1, 0, {}, []
    callbacks.on_epoch_end(epoch, _values(record))


def _values(record: Record) -> Record:
    """What callbacks are told of an epoch."""
    return {name: value for name, value in record.items() if name != "epoch"}


def diverged(epoch: int, loss: float) -> DivergenceError:
    """The error for a loss that is not finite, when no more is known than the epoch."""
    return DivergenceError(
        f"the training diverged in epoch {epoch}: its loss is no longer a finite number",
        got=f"a loss of {loss}",
        remedy="choose a smaller learning rate (command line: --learning-rate)",
    )
