"""Batches, epoch after epoch, from arrays in memory or on disk, and from streams of batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import chain, islice
from typing import Any

import numpy as np

from chainrule.errors import ArgumentError, DataError
from chainrule.nn.naming import user_line
from chainrule.tracing import flatten
from chainrule.train.inputs import rows_of, take
from chainrule.train.step import Batch

# The second number of every key (seed, purpose, epoch, step), so that no two purposes share
# random numbers.
START, ORDER, STEP = 0, 1, 2
# So far apart in one stream of random numbers are the orders of two epochs: NumPy's `jumped`.
STRIDE = 210306068529402873165736369884012333109
LOOKED_AT = 2**26  # bytes of an array that its fingerprint is taken from


class Rows:
    """The batches of arrays; each epoch's order comes from (seed, epoch) alone.

    Args:
        x, y, weight: with rows first; y is encoded, weight may be None.
        batch_size: rows in a batch, or a function of the epoch that gives them; the last batch of
            an epoch may have fewer.
        shuffle: a new random order for each epoch.
        seed: of the orders.
        dtype: of floating-point inputs.
        steps: cut each epoch after so many batches; None for all.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        weight: Any,
        *,
        batch_size: int | Callable[[int], int],
        dtype: Any,
        shuffle: bool = False,
        seed: int = 0,
        steps: int | None = None,
    ) -> None:
        self.x, self.y, self.weight, self.dtype = x, y, weight, dtype
        self.rows = rows_of(x)
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self._random = np.random.PCG64((seed, ORDER))
        self._start = self._random.state
        self.most = steps
        # Of each epoch, where they are known.
        self.steps: int | None = None if callable(batch_size) else self.count(0)

    @property
    def example(self) -> Batch:
        """A batch, of the first rows."""
        return self._batch(slice(0, self.size(0)))

    def __call__(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch but for the first ones, which were done before."""
        return (self._batch(rows) for rows in islice(self.order(epoch), skip, self.most))

    def order(self, epoch: int) -> Iterator[Any]:
        """The rows of each batch of an epoch, as positions or a slice."""
        size = self.size(epoch)
        starts = range(0, self.rows, size)
        if not self.shuffle:
            return (slice(start, start + size) for start in starts)
        order = self.permutation(epoch)
        return (order[start : start + size] for start in starts)

    def permutation(self, epoch: int) -> Any:
        """All rows in the order of an epoch.

        A generator of its own for each epoch would take longer than an epoch of a small network.
        """
        if not self.shuffle:
            return np.arange(self.rows)
        self._random.state = self._start
        self._random.advance(epoch * STRIDE)
        return np.random.Generator(self._random).permutation(self.rows)

    def size(self, epoch: int) -> int:
        """Rows in a batch."""
        return self.batch_size(epoch) if callable(self.batch_size) else self.batch_size

    def count(self, epoch: int) -> int:
        """Batches in an epoch."""
        whole = -(-self.rows // self.size(epoch))
        return whole if self.most is None else min(whole, self.most)

    def digest(self) -> str:
        """A fingerprint of the data, by which other data of the same shape are told.

        Of arrays above 64 MiB rows are taken at even distances.
        """
        found = hashlib.sha256()
        arrays = [*flatten(self.x)[0], self.y, self.weight]
        for a in arrays:
            if a is not None:
                every = max(int(a.nbytes // LOOKED_AT), 1)
                found.update(f"{a.dtype.str} {a.shape}".encode())
                found.update(np.ascontiguousarray(a[::every]).tobytes())
        return found.hexdigest()[:16]

    def _batch(self, rows: Any) -> Batch:
        weight = None if self.weight is None else self.weight[rows]
        y = None if self.y is None else self.y[rows]
        return Batch(take(self.x, rows, self.dtype), y, weight)


class Stream:
    """The batches that an iterable, a generator or a function of no arguments gives.

    An iterable is gone through anew in each epoch, and so is what has a length and numbered items,
    like Keras's ``PyDataset``; a function is called anew. A generator runs once, so each epoch
    takes the next ``steps`` of it.

    Args:
        source: gives (x, y) or (x, y, sample_weight), each a batch.
        prepare: makes a batch of what the source gives.
        steps: batches in an epoch; None for all.

    Attributes:
        length: how many batches the source says that it has, if it does.
        example: a batch such as they come, of a training.
    """

    example: Batch

    def __init__(
        self,
        source: Iterable[Any] | Callable[[], Iterable[Any]],
        prepare: Callable[[Any], Batch] | None = None,
        steps: int | None = None,
    ) -> None:
        self.source, self.steps = source, steps
        self.prepare: Any = prepare
        self.rows = None
        self.length = len(source) if isinstance(source, Sized) else None
        self.first_epoch = self.taken = 0
        self.once: Iterator[Any] | None = None
        if not callable(source) and hasattr(source, "__next__"):
            self.once = iter(source)

    def digest(self) -> str:
        """Batches that are made as they are needed have no fingerprint."""
        return "batches"

    def first(self) -> Any:
        """The first item, which also stays the first of the training.

        Raises:
            DataError: there is none.
        """
        items = self.once if self.once is not None else self._anew()
        try:
            item = next(items)
        except StopIteration:
            raise DataError(
                "the generator gives no batch",
                got=type(self.source).__name__,
                line=user_line(),
                remedy="it must yield pairs (x, y); one that has run before is used up",
            ) from None
        if self.once is not None:
            self.once = chain([item], self.once)
        return item

    def __call__(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch but for the first ones, which were done before."""
        if self.once is None:
            return map(self.prepare, islice(self._anew(), skip, self.steps))
        # A generator stands where it stands; a resumed training goes through what was done.
        behind = (epoch - self.first_epoch) * (self.steps or 0) + skip - self.taken
        for _ in islice(self.once, max(behind, 0)):
            self.taken += 1
        rest = None if self.steps is None else self.steps - skip
        return map(self.prepare, self._counted(rest))

    def _anew(self) -> Iterator[Any]:
        source: Any = self.source() if callable(self.source) else self.source
        if hasattr(source, "__iter__"):
            return iter(source)
        return (source[k] for k in range(len(source)))

    def _counted(self, count: int | None) -> Iterator[Any]:
        # Asks for an item only when it is due: one that is taken in vain is lost.
        while count is None or count > 0:
            try:
                item = next(self.once)  # type: ignore[arg-type]
            except StopIteration:
                return
            self.taken += 1
            count = None if count is None else count - 1
            yield item


def is_stream(x: Any, y: Any) -> bool:
    """Are these inputs a stream of batches? Then the targets come with them."""
    return y is None and (
        callable(x)
        or (
            (hasattr(x, "__iter__") or (hasattr(x, "__getitem__") and hasattr(x, "__len__")))
            and not isinstance(x, (np.ndarray, list, tuple, dict))
            and not hasattr(type(x), "columns")
            and not hasattr(type(x), "to_numpy")
        )
    )


def parts_of(item: Any) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight or None) of what a stream gives.

    Raises:
        ArgumentError: it is no pair or triple.

    >>> parts_of(([[1.0]], [0]))
    ([[1.0]], [0], None)
    """
    if isinstance(item, (tuple, list)) and len(item) in (2, 3):
        x, y, *weight = item
        return x, y, (weight[0] if weight else None)
    raise ArgumentError(
        "a generator of batches must yield pairs (x, y), or (x, y, sample_weight)",
        got=f"{type(item).__name__}" + (f" of {len(item)}" if isinstance(item, tuple) else ""),
        line=user_line(),
        remedy="yield x_batch, y_batch",
    )
