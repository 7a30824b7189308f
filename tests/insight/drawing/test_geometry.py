"""Nothing lies over anything else, nothing is cut off, edges end at their boxes."""

from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise, permutations

import numpy as np
import pytest

from chainrule.graph import predecessors
from chainrule.insight.drawing import Direction
from chainrule.insight.drawing.layout import Link, Size, layout
from chainrule.insight.drawing.ordering import Segment, _exchange, crossings, ordered
from chainrule.insight.drawing.shapes import Box, Curve, Scene, Words, corners
from tests.insight.drawing import graphs

Corners = tuple[float, float, float, float]


def overlap(a: Corners, b: Corners) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def inside(a: Corners, b: Corners) -> bool:
    return a[0] >= b[0] and a[1] >= b[1] and a[2] <= b[2] and a[3] <= b[3]


def boxes(scene: Scene) -> list[Box]:
    """The boxes of nodes: those with a border, without the key's squares and inner borders."""
    found = [s for s in scene.shapes if isinstance(s, Box) and s.stroke == "border"]
    found = [s for s in found if s.width > 14]
    return [
        s for s in found if not any(inside(corners(s), corners(b)) for b in found if b is not s)
    ]


def labels(scene: Scene) -> list[Box]:
    """The grounds of the labels on edges."""
    return [s for s in scene.shapes if isinstance(s, Box) and s.fill == "paper" and not s.stroke]


@cache
def scene_of(name: str, direction: Direction) -> Scene:
    return graphs.ALL[name]().draw(direction=direction).scene


def along(curve: Curve, steps: int = 40) -> np.ndarray:
    """Points of a curve, by the definition of a cubic Bézier curve; shape (points, 2)."""
    points = [np.array([curve.pieces[0][0]])]
    t = np.linspace(0, 1, steps)[:, None]
    for piece in curve.pieces[1:]:
        row = [points[-1][-1:], *(np.array([p]) for p in piece)]
        while len(row) > 1:
            row = [a + (b - a) * t for a, b in pairwise(row)]
        points.append(row[0])
    return np.concatenate(points)


def touches(points: np.ndarray, place: Corners) -> bool:
    x, y = points.T
    within = (x > place[0]) & (x < place[2]) & (y > place[1]) & (y < place[3])
    return bool(within.any())


@pytest.mark.parametrize("direction", ["right", "down"])
@pytest.mark.parametrize("name", graphs.ALL)
def test_nothing_lies_over_anything_else(name: str, direction: Direction) -> None:
    scene = scene_of(name, direction)
    placed = boxes(scene) + labels(scene)
    graph = graphs.ALL[name]()
    assert len(boxes(scene)) == len(graph)
    assert len(labels(scene)) == len({(a, n) for n in graph.nodes for _, a in predecessors(n)})
    for a, b in combinations(placed, 2):
        assert not overlap(corners(a), corners(b))


@pytest.mark.parametrize("direction", ["right", "down"])
@pytest.mark.parametrize("name", graphs.ALL)
def test_nothing_is_cut_off(name: str, direction: Direction) -> None:
    scene = scene_of(name, direction)
    for shape in scene.shapes:
        assert inside(corners(shape), (0.0, 0.0, scene.width, scene.height)), shape


@pytest.mark.parametrize("name", graphs.ALL)
def test_words_fit_into_their_boxes_and_labels(name: str) -> None:
    scene = scene_of(name, "auto")
    grounds = [corners(b) for b in boxes(scene) + labels(scene)]
    words = [s for s in scene.shapes if isinstance(s, Words) and s.anchor == "middle"]
    assert words
    for word in words:
        place = corners(word)
        touched = [g for g in grounds if overlap(place, g)]
        assert len(touched) == 1, word
        assert inside(place, touched[0])


@pytest.mark.parametrize("direction", ["right", "down"])
@pytest.mark.parametrize("name", graphs.ALL)
def test_edges_pass_no_box_and_no_label_but_their_own(name: str, direction: Direction) -> None:
    scene = scene_of(name, direction)
    nodes, grounds = boxes(scene), labels(scene)
    edges = [s for s in scene.shapes if isinstance(s, Curve) and not s.fill]
    assert edges
    for edge in edges:
        points = along(edge)
        touched = [box for box in nodes if touches(points, corners(box))]
        assert len(touched) <= 2  # where it begins and where it ends
        assert sum(touches(points, corners(ground)) for ground in grounds) <= 1


def test_ranks_follow_the_edges_and_are_short() -> None:
    # A diamond with a long side: 0 → 1 → 2 → 4 and 0 → 3 → 4. Whole lengths: 3 + (1 + 2).
    links = [Link(0, 1), Link(1, 2), Link(2, 4), Link(0, 3), Link(3, 4)]
    plan = layout([Size(10, 10)] * 5, links)
    heights = [c[1] for c in plan.centres]
    for link in links:
        assert heights[link.tail] < heights[link.head]
    assert len(set(heights)) == 4


def test_a_chain_is_straight() -> None:
    plan = layout([Size(w, 10) for w in (30, 80, 10, 55)], [Link(k, k + 1) for k in range(3)])
    assert len({c[0] for c in plan.centres}) == 1


def test_a_fork_stands_over_its_middle() -> None:
    plan = layout([Size(20, 10)] * 3, [Link(0, 1), Link(0, 2)])
    assert plan.centres[0][0] == pytest.approx((plan.centres[1][0] + plan.centres[2][0]) / 2)


def test_a_fan_is_symmetric() -> None:
    plan = layout([Size(20, 10)] * 4, [Link(0, k) for k in (1, 2, 3)])
    assert plan.centres[0][0] == pytest.approx(plan.centres[2][0])
    left, middle, right = (plan.centres[k][0] for k in (1, 2, 3))
    assert middle - left == pytest.approx(right - middle)


def test_crossings_are_counted_and_taken_away() -> None:
    below = [[3], [2], [], []]
    assert crossings([[0, 1], [2, 3]], below) == 1
    assert crossings([[0, 1], [3, 2]], below) == 0
    # K₂,₂ cannot be drawn without one.
    segments = [Segment(a, b) for a in (0, 1) for b in (2, 3)]
    assert crossings(ordered([0, 0, 1, 1], segments), [[2, 3], [2, 3], [], []]) == 1


@pytest.mark.parametrize("seed", [1, 7, 12, 22, 28])
def test_two_ranks_have_as_few_crossings_as_all_orders_tried(seed: int) -> None:
    rng = np.random.default_rng(seed)
    segments = [Segment(a, 4 + b) for a in range(4) for b in range(4) if rng.random() < 0.5]
    below: list[list[int]] = [[] for _ in range(8)]
    for s in segments:
        below[s.tail].append(s.head)
    fewest = min(
        crossings([list(p), list(q)], below)
        for p in permutations(range(4))
        for q in permutations(range(4, 8))
    )
    assert crossings(ordered([0] * 4 + [1] * 4, segments), below) == fewest


def test_neighbours_are_exchanged_where_that_helps() -> None:
    layers = [[0, 1], [2, 3], [4, 5]]
    above = [[], [], [1], [0], [2, 3], [3]]
    below = [[3], [2], [4], [4, 5], [], []]
    assert crossings(layers, below) == 1
    _exchange(layers, above, below)
    assert crossings(layers, below) == 0


def test_a_planar_tree_is_drawn_without_crossings() -> None:
    rng = np.random.default_rng(0)
    parents = [int(rng.integers(0, k)) for k in range(1, 60)]
    depth = [0]
    for p in parents:
        depth.append(depth[p] + 1)
    segments = [Segment(p, k + 1) for k, p in enumerate(parents)]
    below: list[list[int]] = [[] for _ in depth]
    for s in segments:
        below[s.tail].append(s.head)
    assert crossings(ordered(depth, segments), below) == 0
