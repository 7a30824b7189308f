"""Steps that are laid out together, done in one go, and told of in pieces.

Where a state on the way is asked for, it is made: from the state in which the go began, by the same
steps once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.records import dataclass
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


class Done(NamedTuple):
    """Some steps of a part: the part's number, the rows of their batches, and what they leave.

    That are arrays by name, with "loss" and "norm" among them.
    """

    part: int
    orders: Any
    said: dict[str, Any]


class Block:
    """Steps that follow one another: some of an epoch, or several whole epochs.

    Args:
        memory: holds the state.
        parts: the steps of an epoch, in order.
        epochs: how many.
        single: each step is told of by itself, otherwise all those of an epoch together.

    Attributes:
        count: of all calls of native code.
        told: so many calls make a piece.
        done: the memory stands after so many calls; None where that is not known.
    """

    def __init__(self, memory: Memory, parts: Sequence[Part], epochs: int, single: bool) -> None:
        self.memory, self.parts = memory, parts
        self._said = [part.stepper.begin(part.own, len(part.orders)) for part in parts]
        # The calls of an epoch: the part, and how many of its steps; and what was done before each.
        self.calls: list[tuple[int, int]] = []
        self._before = [[0] * len(parts)]
        for k, part in enumerate(parts):
            for count in [1] * part.count if single else [part.count]:
                self.calls.append((k, count))
                self._before.append([n + count * (i == k) for i, n in enumerate(self._before[-1])])
        self.count, self.told = epochs * len(self.calls), 1 if single else len(self.calls)
        self.done: int | None = 0
        self._began = 0

    def begin(self, state: Any = None) -> int:
        """Go on from the state that the memory holds now; after how many calls that is.

        Args:
            state: the same, if the memory was given it just now.
        """
        assert self.done is not None
        self._began = self.done
        self.memory.keep(state)
        for part in self.parts:
            part.stepper.mark()
        return self._began

    def go(self, to: int) -> None:
        """Bring the memory to the state after so many calls."""
        done, self.done = self.done, None  # Ctrl-C may come on the way
        if done is None or done > to:
            self.memory.back()
            for part in self.parts:
                part.stepper.rewind()
            done = self._began
        for number in range(done, to):
            k, count = self.calls[number % len(self.calls)]
            self.parts[k].stepper.go(count)
        self.done = to

    def steps(self, first: int, last: int) -> list[Done]:
        """The steps of each part from one call to before another, of an epoch or of whole ones."""
        return [
            Done(k, self.parts[k].orders[a:b], {name: y[a:b] for name, y in self._said[k].items()})
            for k, (a, b) in enumerate(zip(self._steps(first), self._steps(last), strict=True))
            if b > a
        ]

    def pieces(
        self, first: int, last: int, reports: Mapping[int, Report], batch: Any
    ) -> Iterator[Piece]:
        """What the loop is told.

        Args:
            first, last: from which call to before which.
            reports: what the steps of each part say.
            batch: of a single step.
        """
        report = woven(list(reports.values()), [self.parts[k].count for k in reports])
        turns = range(first + self.told, last + 1, self.told)
        steps = len(report.losses) // len(turns)
        for k, to in enumerate(turns):
            part = report.part(k * steps, (k + 1) * steps)
            yield Piece(After(self, to), part, steps, batch)

    def _steps(self, calls: int) -> list[int]:
        """How many steps of each part have been done after so many calls."""
        epochs, rest = divmod(calls, len(self.calls))
        return [
            epochs * part.count + n for part, n in zip(self.parts, self._before[rest], strict=True)
        ]


def first_not_finite(done: Sequence[Done], epochs: int) -> int | None:
    """The number of the first step whose loss or gradient is not finite."""
    sums = [(said["loss"] + said["norm"]).reshape(epochs, -1) for _, _, said in done]
    bad = np.flatnonzero(~np.isfinite(np.concatenate(sums, axis=1)))
    return int(bad[0]) if bad.size else None


def woven(reports: Sequence[Report], counts: Sequence[int]) -> Report:
    """What steps say in their order: so many of the first report, so many of the next, and again.

    >>> first, other = (Report([*x], [*x], {}) for x in ([1.0, 2.0, 4.0, 5.0], [3.0, 6.0]))
    >>> woven([first, other], [2, 1]).losses
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    """
    if len(reports) == 1:
        return reports[0]

    def weave(lists: Sequence[Sequence[Any]]) -> list[Any]:
        turns = range(len(lists[0]) // counts[0])
        pairs = list(zip(lists, counts, strict=True))
        return [y for turn in turns for ys, n in pairs for y in ys[turn * n : (turn + 1) * n]]

    means = {
        name: (
            weave([r.means[name][0] for r in reports]),
            weave([r.means[name][1] for r in reports]),
        )
        for name in reports[0].means
    }
    losses, norms = weave([r.losses for r in reports]), weave([r.norms for r in reports])
    return Report(losses, norms, means, weave([r.kept for r in reports]))


class After:
    """The state after some calls of a block, put together only where somebody reads it."""

    def __init__(self, block: Block, calls: int) -> None:
        self.block, self.calls = block, calls

    def stand(self) -> None:
        """Let the memory hold this state."""
        self.block.go(self.calls)

    def begins(self, block: Block, calls: int) -> None:
        """A block goes on from here, after so many calls, in the same memory."""
        self.block, self.calls = block, calls

    def make(self, last: bool = False) -> Any:
        """The state, in arrays of its own; after the last step in those of the memory."""
        self.stand()
        return self.block.memory.state(copy=not last)


__all__ = ["After", "Block", "Done", "Part", "first_not_finite"]
