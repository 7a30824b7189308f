"""The order of the boxes within each rank, with few crossings of edges."""

from __future__ import annotations

import random
from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

Layers = list[list[int]]

SWEEPS = 16  # from one order
MOST_STARTS, WORK = 30, 4000  # orders to start from; fewer for a graph of many segments


class Segment(NamedTuple):
    """A piece of an edge between neighbouring ranks; the heavier, the straighter."""

    tail: int
    head: int
    weight: int = 1


def ordered(ranks: Sequence[int], segments: Sequence[Segment]) -> Layers:
    """The boxes of each rank in an order with few crossings.

    Barycentres, downward and upward in turn, then exchanges of neighbours, from several orders; the
    best one met is kept. Source: Sugiyama, Tagawa and Toda, "Methods for visual understanding of
    hierarchical system structures", IEEE Transactions on Systems, Man and Cybernetics 11 (1981).

    >>> ordered([0, 0, 1, 1], [Segment(0, 3), Segment(1, 2)])
    [[0, 1], [3, 2]]
    """
    layers: Layers = [[] for _ in range(max(ranks, default=-1) + 1)]
    for k, rank in enumerate(ranks):
        layers[rank].append(k)
    above: list[list[int]] = [[] for _ in ranks]
    below: list[list[int]] = [[] for _ in ranks]
    for s in segments:
        above[s.head].append(s.tail)
        below[s.tail].append(s.head)
    best, fewest = [list(layer) for layer in layers], crossings(layers, below)
    for start in range(max(1, min(MOST_STARTS, WORK // (len(segments) + 1)))):
        if start:  # from the order of the graph first, then from others, the same in each run
            for layer in layers:
                random.Random(start).shuffle(layer)
        for sweep in range(SWEEPS):
            if not fewest:
                return best
            down = sweep % 2 == 0
            if sweep % 4 > 1:  # neighbours with equal barycentres the other way round
                for layer in layers:
                    layer.reverse()
            _sort_by_barycentre(layers, above if down else below, down)
            _exchange(layers, above, below)
            count = crossings(layers, below)
            if count < fewest:
                best, fewest = [list(layer) for layer in layers], count
    return best


def crossings(layers: Layers, below: Sequence[Sequence[int]]) -> int:
    """How many pairs of segments cross."""
    total = 0
    for layer, following in pairwise(layers):
        place = {k: i for i, k in enumerate(following)}
        seen: list[int] = []
        for k in layer:
            ends = sorted(place[b] for b in below[k])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _sort_by_barycentre(layers: Layers, neighbours: Sequence[Sequence[int]], down: bool) -> None:
    """Sort each rank by the mean place of the neighbours in the rank before it."""
    numbers = range(1, len(layers)) if down else range(len(layers) - 2, -1, -1)
    for number in numbers:
        fixed = {k: i for i, k in enumerate(layers[number - 1 if down else number + 1])}
        scale = max(len(fixed), 1) / max(len(layers[number]), 1)
        keys = {
            k: sum(fixed[n] for n in neighbours[k]) / len(neighbours[k])
            if neighbours[k]
            else i * scale
            for i, k in enumerate(layers[number])
        }
        layers[number].sort(key=keys.__getitem__)


def _exchange(
    layers: Layers, above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> None:
    """Exchange neighbours in a rank wherever that takes crossings away."""
    for number, layer in enumerate(layers):
        before = {k: i for i, k in enumerate(layers[number - 1])} if number else {}
        after = {k: i for i, k in enumerate(layers[number + 1])} if number + 1 < len(layers) else {}
        for i in range(len(layer) - 1):
            a, b = layer[i], layer[i + 1]
            gain = _pairs(above[a], above[b], before) + _pairs(below[a], below[b], after)
            if gain > 0:
                layer[i], layer[i + 1] = b, a


def _pairs(left: Sequence[int], right: Sequence[int], place: dict[int, int]) -> int:
    """Crossings of two neighbours' segments, less those after an exchange."""
    return sum((place[a] > place[b]) - (place[a] < place[b]) for a in left for b in right)
