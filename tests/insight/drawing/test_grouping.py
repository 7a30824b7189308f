"""Large graphs in few boxes: which steps, which rounds of which loop, and what is unfolded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError
from chainrule.graph import predecessors
from chainrule.insight.drawing.grouping import groups_of
from chainrule.insight.drawing.shapes import Words
from chainrule.insight.traced import TracedGraph


def recurrent(steps: int) -> TracedGraph:
    def cell(W: Any, b: Any, h: Any) -> Any:
        return np.tanh(W * h + b)

    def network(W: Any, b: Any, h: Any) -> Any:
        for _ in range(steps):
            h = cell(W, b, h)
        error = h - 0.3
        return error**2

    return cr.trace(network)(1.02, 0.01, 0.5)


def words(graph: TracedGraph, **options: Any) -> list[str]:
    return [s.text for s in graph.draw(**options).scene.shapes if isinstance(s, Words)]


def test_a_loop_of_ten_thousand_steps_becomes_a_few_groups_of_whole_rounds() -> None:
    graph = recurrent(3333)
    assert len(graph) == 3 + 3 * 3333 + 2
    groups = groups_of(graph, None)
    assert len(groups) == 12
    steps = [k for g in groups for k in g.members]
    assert steps == list(range(3, 3 + 3 * 3333))  # each step once, in order
    assert all(len(g.members) % 3 == 0 for g in groups)
    sizes = [len(g.members) for g in groups]
    assert max(sizes) - min(sizes) <= 3
    text = words(graph)
    assert text.count("cell") == 12
    assert "rounds 1–278 of 3,333" in text
    assert any(t.endswith("return np.tanh(W * h + b)") for t in text)
    assert "error = ξ₁₀₀₀₀ = ξ₉₉₉₉ − 0.3" in text  # the few steps after the loop
    assert text.count("reads W, b") == 12


def test_groups_have_no_way_out_and_back() -> None:
    def f(x: Any) -> Any:
        made = [x[i] for i in range(6)]
        rng = np.random.default_rng(0)
        for _ in range(600):
            a, b = rng.integers(max(0, len(made) - 30), len(made), 2)
            made.append(np.sin(made[a]) + made[b])
        return sum(made)

    graph = cr.trace(f)(np.ones(6))
    groups = groups_of(graph, None)
    assert 2 <= len(groups) <= 30
    home = {k: n for n, g in enumerate(groups) for k in g.members}
    boxes = [home.get(n.index, -1 - n.index) for n in graph.nodes]
    edges = {
        (boxes[a.index], boxes[n.index]) for n in graph.nodes for _, a in predecessors(n)
    } - {(b, b) for b in boxes}  # fmt: skip
    done: set[int] = set()
    left = set(boxes)
    while left:  # a topological order of the boxes exists
        ready = {b for b in left if all(a in done for a, c in edges if c == b)}
        assert ready
        done |= ready
        left -= ready


def test_a_group_shows_what_leaves_it() -> None:
    graph = recurrent(200)
    h = [0.5]
    for _ in range(200):
        h.append(np.tanh(1.02 * h[-1] + 0.01))
    adjoint = [2 * (h[-1] - 0.3)]  # dL/dh, from the last round back
    for k in range(200, 0, -1):
        adjoint.append(adjoint[-1] * (1 - h[k] ** 2) * 1.02)
    text = words(graph)
    assert f"dL/dh = {adjoint[-1]:.6g}".replace("-", "−") in text
    first = groups_of(graph, None)[0]
    rounds = len(first.members) // 3
    name = graph.words[first.members[-1]].text
    assert f"dL/d{name} = {adjoint[200 - rounds]:.6g}".replace("-", "−") in text


def test_few_steps_are_drawn_one_by_one() -> None:
    assert groups_of(recurrent(30), None) == []
    assert groups_of(recurrent(60), True) == []
    assert len(groups_of(recurrent(60), None)) > 0


def test_a_stretch_can_be_unfolded() -> None:
    graph = recurrent(500)
    groups = groups_of(graph, (100, 120))
    grouped = {k for g in groups for k in g.members}
    assert grouped.isdisjoint(range(3 + 99, 3 + 120))
    assert set(range(3, 3 + 99)) <= grouped
    text = words(graph, unfold=(100, 120))
    assert any(t.startswith("ξ₁₀₀ = ") for t in text)
    assert not any("rounds" in t for t in text)  # they would not be counted from the first
    assert "steps 1–99" in text or any(t.startswith("steps 1–") for t in text)


def test_a_function_can_be_unfolded() -> None:
    graph = recurrent(60)
    assert groups_of(graph, "cell") == []
    assert {len(g.members) for g in groups_of(graph, "network")} >= {15}


def test_many_inputs_are_grouped_by_argument() -> None:
    def f(weights: Any, x: Any) -> Any:
        return sum(w * x for w in weights)

    graph = cr.trace(f)([float(k) for k in range(40)], 2.0)
    [group] = groups_of(graph, None)
    assert list(group.members) == list(range(40))
    assert "40 inputs" in words(graph)


def test_what_cannot_be_unfolded_is_refused() -> None:
    graph = recurrent(60)
    with pytest.raises(ArgumentError, match="there is no function 'sell'") as error:
        graph.draw(unfold="sell")
    assert "its steps were made in cell, network" in str(error.value)
    with pytest.raises(ArgumentError, match="the graph has the steps ξ₁ to ξ₁₈₂"):
        graph.draw(unfold=(0, 5))
    with pytest.raises(ArgumentError, match="a drawing of 3,005 boxes cannot be read"):
        recurrent(1000).draw(unfold=True)
