"""Where values lie: one arena for what is only needed on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 64


@dataclass(frozen=True)
class Span:
    """A value's need: how many bytes, from when to when (both included)."""

    size: int
    first: int
    last: int


def place(spans: Sequence[Span]) -> tuple[list[int], int]:
    """(offset of each span, bytes in all): spans that are alive together never overlap.

    The largest first, each at the lowest free place; offsets are multiples of 64.

    >>> place([Span(100, 0, 1), Span(60, 1, 2), Span(100, 2, 3)])
    ([0, 128, 0], 192)

    Source: Pisarchyk & Lee, "Efficient memory management for deep neural net inference", 2020
    (greedy by size).
    """
    offsets = [0] * len(spans)
    placed: list[int] = []
    for k in sorted(range(len(spans)), key=lambda k: -spans[k].size):
        span = spans[k]
        taken = sorted(
            (offsets[j], offsets[j] + _rounded(spans[j].size))
            for j in placed
            if spans[j].first <= span.last and span.first <= spans[j].last
        )
        at = 0
        for start, stop in taken:
            if at + span.size <= start:
                break
            at = max(at, stop)
        offsets[k] = at
        placed.append(k)
    total = max((o + _rounded(s.size) for o, s in zip(offsets, spans, strict=True)), default=0)
    return offsets, total


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
