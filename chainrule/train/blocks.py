"""Steps that are done in one go and told of in pieces, with a state for whoever asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.train.loop import Piece, Report

if TYPE_CHECKING:
    from chainrule.engine.native.stepping import Memory, Stepper


@dataclass(frozen=True)
class Part:
    """The steps of a block whose batches are of the same size, epoch after epoch.

    Attributes:
        stepper: does them.
        count: how many in an epoch.
        orders: the rows of each batch.
        own: all inputs of the steps.
    """

    stepper: Stepper
    count: int
    orders: Any
    own: Any


class Block:
    """Steps from where a memory stands on: some of an epoch, or several whole epochs.

    Args:
        memory: holds the state.
        parts: the steps of an epoch, in order.
        epochs: how many.
        single: each step is told of by itself, otherwise all those of an epoch together.

    Attributes:
        said: what the steps of each part leave: arrays by name, "loss" and "norm" among them.
    """

    def __init__(self, memory: Memory, parts: Sequence[Part], epochs: int, single: bool) -> None:
        self.memory, self.parts, self.epochs = memory, parts, epochs
        self.said = [part.stepper.begin(part.own, len(part.orders)) for part in parts]
        # The calls of an epoch, each of some steps of one part: (part, first step, how many).
        self.calls = [
            (k, first, 1 if single else part.count)
            for k, part in enumerate(parts)
            for first in (range(part.count) if single else (0,))
        ]
        self.told = 1 if single else len(self.calls)  # together
        self.done: int | None = 0  # the memory stands after so many calls; None: it is not known
        memory.keep()

    @property
    def steps(self) -> int:
        return sum(len(part.orders) for part in self.parts)

    def go(self, to: int | None = None) -> None:
        """Bring the memory to the state after so many calls, or after all."""
        to = self.epochs * len(self.calls) if to is None else to
        done, self.done = self.done, None  # Ctrl-C may come on the way
        if done is None or done > to:
            self.memory.back()
            for part in self.parts:
                part.stepper.rewind()
            done = 0
        for k, _, count in islice(cycle(self.calls), done, to):
            self.parts[k].stepper.go(count)
        self.done = to

    def first_not_finite(self) -> int | None:
        """The number of the first step whose loss or gradient is not finite."""
        sums = [(y["loss"] + y["norm"]).reshape(self.epochs, -1) for y in self.said]
        bad = np.flatnonzero(~np.isfinite(np.concatenate(sums, axis=1)))
        return int(bad[0]) if bad.size else None

    def pieces(self, reports: Sequence[Report], batch: Any = None) -> Iterator[Piece]:
        """What the loop is told.

        Args:
            reports: what the steps of each part say.
            batch: of a block of one step.
        """
        for epoch in range(self.epochs):
            for at in range(0, len(self.calls), self.told):
                found = []
                for k, first, count in self.calls[at : at + self.told]:
                    begin = epoch * self.parts[k].count + first
                    found.append(reports[k].part(begin, begin + count))
                report = reduce(Report.then, found)
                after = After(self, epoch * len(self.calls) + at + self.told)
                yield Piece(after, report, len(report.losses), batch)


class After:
    """The state after some calls of a block, put together only where somebody reads it."""

    def __init__(self, block: Block, calls: int) -> None:
        self.block, self.calls = block, calls

    def stand(self) -> None:
        """Let the memory hold this state."""
        self.block.go(self.calls)

    def begins(self, block: Block) -> None:
        """Another block goes on from here in the same memory."""
        self.block, self.calls = block, 0

    def make(self) -> Any:
        """The state, in arrays of its own."""
        self.stand()
        return self.block.memory.state()


__all__ = ["After", "Block", "Part"]
