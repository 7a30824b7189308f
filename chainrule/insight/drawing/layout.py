"""Places for the boxes of a graph and ways for its edges: layers, few crossings, straight lines.

The steps and both linear programs are those of Gansner, Koutsofios, North and Vo, "A technique for
drawing directed graphs", IEEE Transactions on Software Engineering 19 (1993): every box gets a rank
so that edges are short; an edge that passes ranks, and its label, have boxes of their own there, so
that nothing is ever drawn over; the order within the ranks has few crossings; then the boxes are
moved sideways until the edges are as straight as they can be.

Coordinates are (across, along): along the flow from the inputs to the results, and across it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from chainrule.insight.drawing.ordering import Layers, Segment, ordered
from chainrule.records import dataclass

ACROSS_GAP, ALONG_GAP = 18.0, 22.0  # px between neighbours, and between ranks
STEEPEST = 0.36  # ranks stand further apart where an edge goes far across
PASSING = 8.0  # width of the box that an edge without a label has in the ranks it passes


class Size(NamedTuple):
    """Of a box, in px."""

    across: float
    along: float


@dataclass(frozen=True)
class Link:
    """An edge between two boxes, by their numbers, with the size of its label if it has one."""

    tail: int
    head: int
    label: Size | None = None


class Stop(NamedTuple):
    """A rank that an edge passes: it goes straight from ``start`` to ``end`` there."""

    across: float
    start: float
    end: float


@dataclass(frozen=True)
class Layout:
    """Where everything is.

    Attributes:
        centres: (across, along) of each box.
        tracks: the stops of each link, from the border of its tail to that of its head.
        labels: the centre of each link's label; None where it has none.
        size: of the whole.
    """

    centres: list[tuple[float, float]]
    tracks: list[list[Stop]]
    labels: list[tuple[float, float] | None]
    size: Size


def layout(sizes: Sequence[Size], links: Sequence[Link]) -> Layout:
    """Place boxes and edges.

    Args:
        sizes: of the boxes.
        links: edges without cycles.
    """
    if not sizes:
        return Layout([], [], [], Size(0.0, 0.0))
    ranks = _ranks(len(sizes), links)
    boxes, chains, labels, segments = _with_passing(sizes, links, ranks)
    layers = ordered(ranks, segments)
    across = _across(boxes, layers, segments)
    bands = _bands(boxes, layers, segments, across)
    centres = [(across[k], bands[ranks[k]][0]) for k in range(len(boxes))]
    tracks = [
        [_stop(k, boxes[k], centres[k], bands[ranks[k]], chain) for k in chain] for chain in chains
    ]
    width = max(a + box.across / 2 for a, box in zip(across, boxes, strict=True))
    end = bands[-1]
    return Layout(
        centres[: len(sizes)],
        tracks,
        [None if k is None else centres[k] for k in labels],
        Size(width, end[0] + end[1] / 2),
    )


def _ranks(count: int, links: Sequence[Link]) -> list[int]:
    """Ranks from 0 on with the least sum of lengths; a labelled edge has a rank for its label.

    Minimise Σ (rank of head − rank of tail); the constraints are totally unimodular, so that a
    basic solution has whole numbers.
    """
    if not links:
        return [0] * count
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    tails, heads = [link.tail for link in links], [link.head for link in links]
    rows = np.arange(len(links))
    matrix = coo_array(
        (np.repeat([1.0, -1.0], len(links)), (np.tile(rows, 2), np.array(tails + heads))),
        shape=(len(links), count),
    )
    lengths = [1.0 if link.label is None else 2.0 for link in links]
    cost = np.bincount(heads, minlength=count) - np.bincount(tails, minlength=count)
    found = linprog(cost, A_ub=matrix.tocsr(), b_ub=-np.array(lengths), method="highs-ds")
    return [round(rank) for rank in found.x]


def _with_passing(
    sizes: Sequence[Size], links: Sequence[Link], ranks: list[int]
) -> tuple[list[Size], list[list[int]], list[int | None], list[Segment]]:
    """Boxes for the ranks that links pass, and for their labels: just before the head.

    ``ranks`` grows with them. Returns all boxes, the boxes along each link, the box of each label,
    and the segments between neighbouring ranks.
    """
    boxes, real = list(sizes), len(sizes)
    chains: list[list[int]] = []
    labels: list[int | None] = []
    for link in links:
        chain, label = [link.tail], None
        for rank in range(ranks[link.tail] + 1, ranks[link.head]):
            if link.label is not None and rank == ranks[link.head] - 1:
                label = len(boxes)
                boxes.append(link.label)
            else:
                boxes.append(Size(PASSING, 0.0))
            ranks.append(rank)
            chain.append(len(boxes) - 1)
        chains.append([*chain, link.head])
        labels.append(label)
    leaving = Counter(link.tail for link in links)
    segments = []
    for chain, label in zip(chains, labels, strict=True):
        for a, b in pairwise(chain):
            weight = (2, 4, 16)[(a >= real) + (b >= real)]
            # One bend for each edge: the label stands below its tail, or, where edges part, above
            # its head.
            if label == (b if leaving[chain[0]] == 1 else a):
                weight += 1
            segments.append(Segment(a, b, weight))
    return boxes, chains, labels, segments


def _across(boxes: Sequence[Size], layers: Layers, segments: Sequence[Segment]) -> list[float]:
    """Places across the flow, within the order of each rank, with the straightest edges.

    Minimise Σ weight · |a_tail − a_head|. Of the many best solutions the mean of the leftmost and
    the rightmost is taken, which is one of them, and symmetrical.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    count, many = len(boxes), len(segments)
    rows: list[int] = []
    columns: list[int] = []
    entries: list[float] = []
    bounds: list[float] = []

    def at_least(terms: Sequence[tuple[int, float]], least: float) -> None:
        for column, entry in terms:
            rows.append(len(bounds))
            columns.append(column)
            entries.append(-entry)
        bounds.append(-least)

    pull = np.zeros(count)
    for layer in layers:
        for a, b in pairwise(layer):
            at_least([(b, 1), (a, -1)], (boxes[a].across + boxes[b].across) / 2 + ACROSS_GAP)
            pull[b] += 0.1
            pull[a] -= 0.1
    for k, s in enumerate(segments):
        at_least([(count + k, 1), (s.tail, 1), (s.head, -1)], 0.0)
        at_least([(count + k, 1), (s.tail, -1), (s.head, 1)], 0.0)
    matrix = coo_array((entries, (rows, columns)), shape=(len(bounds), count + many)).tocsr()
    weights = np.array([s.weight for s in segments], float)
    room = sum(box.across + ACROSS_GAP for box in boxes)
    total = np.zeros(count)
    for side in (0.02 / count, -0.02 / count):
        # One box is held, so that sideways means against it.
        limits = [(0.0, 0.0)] + [(-room, room)] * (count - 1) + [(0.0, None)] * many
        cost = np.concatenate([pull + side, weights])
        found = linprog(cost, A_ub=matrix, b_ub=bounds, bounds=limits, method="highs-ds")
        total += found.x[:count] / 2
    left = min(a - box.across / 2 for a, box in zip(total, boxes, strict=True))
    return [float(a - left) for a in total]


def _bands(
    boxes: Sequence[Size], layers: Layers, segments: Sequence[Segment], across: Sequence[float]
) -> list[tuple[float, float]]:
    """(centre, thickness) of each rank along the flow."""
    rank_of = {k: rank for rank, layer in enumerate(layers) for k in layer}
    widest = [0.0] * len(layers)
    for s in segments:
        rank = rank_of[s.tail]
        widest[rank] = max(widest[rank], abs(across[s.tail] - across[s.head]))
    bands, along = [], 0.0
    for rank, layer in enumerate(layers):
        thick = max((boxes[k].along for k in layer), default=0.0)
        bands.append((along + thick / 2, thick))
        along += thick + max(ALONG_GAP, min(STEEPEST * widest[rank], 4 * ALONG_GAP))
    return bands


def _stop(
    k: int, box: Size, centre: tuple[float, float], band: tuple[float, float], chain: Sequence[int]
) -> Stop:
    """What a link does at one of its boxes: it ends at the border, or goes through the rank."""
    first, last = band[0] - band[1] / 2, band[0] + band[1] / 2
    if k == chain[0]:
        return Stop(centre[0], centre[1] + box.along / 2, last)
    if k == chain[-1]:
        return Stop(centre[0], first, centre[1] - box.along / 2)
    return Stop(centre[0], first, last)
