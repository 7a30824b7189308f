"""Where values lie: one arena for what is only needed on the way."""

from __future__ import annotations

import ctypes
import heapq
from collections.abc import Callable, Sequence

import numpy as np

from chainrule.records import dataclass

ALIGNMENT = 64


def _from_object(x: np.ndarray) -> int:
    # PyArrayObject begins with Python's two words and then this address: NumPy's public ABI.
    return ctypes.c_void_p.from_address(id(x) + 2 * ctypes.sizeof(ctypes.c_void_p)).value or 0


def _from_interface(x: np.ndarray) -> int:
    return int(x.__array_interface__["data"][0])


def _quickest() -> Callable[[np.ndarray], int]:
    probe = np.zeros(3)
    try:
        same = _from_object(probe) == _from_interface(probe)
    except (ValueError, AttributeError):  # pragma: no cover
        same = False
    return _from_object if same else _from_interface


# Where the first element of an array lies.
address_of: Callable[[np.ndarray], int] = _quickest()


@dataclass(frozen=True)
class Span:
    """A value's need: how many bytes, from when to when (both included)."""

    size: int
    first: int
    last: int


def place(spans: Sequence[Span]) -> tuple[list[int], int]:
    """(offset of each span, bytes in all): spans that are alive together never overlap.

    The largest first, each at the lowest free place; offsets are multiples of 64. Behind them stand
    those of 64 bytes and less, of which there can be very many: in the order in which they begin,
    each in the first cell that is free, which is exact for spans of one size.

    >>> place([Span(100, 0, 1), Span(60, 1, 2), Span(100, 2, 3)])
    ([0, 128, 0], 192)

    Source: Pisarchyk & Lee, "Efficient memory management for deep neural net inference", 2020
    (greedy by size).
    """
    sizes = [rounded(span.size) for span in spans]
    order = sorted(range(len(spans)), key=lambda k: -sizes[k])
    count = sum(size > ALIGNMENT for size in sizes)
    # Of those that are placed, in rows: from when to when, and from where to where.
    placed = np.zeros((4, count), np.int64)
    offsets = [0] * len(spans)
    for number, k in enumerate(order[:count]):
        span = spans[k]
        first, last, start, stop = placed[:, :number]
        beside = (first <= span.last) & (last >= span.first)
        offsets[k] = at = _gap(start[beside], stop[beside], sizes[k])
        placed[:, number] = span.first, span.last, at, at + sizes[k]
    total = int(placed[3].max(initial=0))
    busy: list[tuple[int, int]] = []  # cells: until when, and where
    for k in sorted(order[count:], key=lambda k: spans[k].first):
        is_free = busy and busy[0][0] < spans[k].first
        offsets[k] = heapq.heappop(busy)[1] if is_free else total
        total = max(total, offsets[k] + sizes[k])
        heapq.heappush(busy, (spans[k].last, offsets[k]))
    return offsets, total


def _gap(starts: np.ndarray, stops: np.ndarray, size: int) -> int:
    """The first place outside the ranges where so many bytes fit."""
    if not starts.size:
        return 0
    order = np.argsort(starts)
    reached = np.zeros(len(order) + 1, np.int64)  # before each range everything ends here
    np.maximum.accumulate(stops[order], out=reached[1:])
    free = np.append(starts[order], np.iinfo(np.int64).max) - reached >= size
    return int(reached[np.argmax(free)])


def rounded(size: int) -> int:
    """Bytes up to the next address that is aligned."""
    return -(-size // ALIGNMENT) * ALIGNMENT
