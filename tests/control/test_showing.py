"""A loop that is one step of the graph, in a trace table."""

from __future__ import annotations

import numpy as np

import chainrule as cr


def test_a_loop_in_a_trace_table() -> None:
    graph = cr.trace(
        lambda x: cr.scan(lambda c, _: (np.sin(c * x), None), 1.0, length=2, checkpoint=True)[0]
    )(0.5)
    text = str(graph.table())
    assert "ξ₁ = loop(1, x, loop=<2 steps of <graph of 2 inputs, 2 steps>>)" in text
    assert "the derivatives of its steps" in text
    c = np.sin(0.5)  # d sin(c x)/dx with ċ = cos x
    slope = np.cos(0.5 * c) * (c + 0.5 * np.cos(0.5))
    assert f"{slope:.8g}" in text
