"""Graphs of every kind of function and result are drawn; and the ways to a drawing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.insight.drawing.shapes import Words
from tests.insight.drawing import graphs

A = np.array([[2.0, 1.0], [1.0, 3.0]])
V = np.array([1.0, 2.0])


def assigned(v: Any) -> Any:
    y = np.zeros_like(v)
    y[1:] = v[:1]
    y *= 2
    return y.sum()


KINDS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "several results of one step": (lambda a: np.linalg.eigh(a)[0].sum(), A),
    "results of different shapes": (lambda a: np.linalg.svd(a)[1].sum(), A),
    "parts": (lambda v: sum(p.sum() for p in np.split(np.concatenate([v, v]), 2)), V),
    "assignment": (assigned, V),
    "whole numbers": (lambda v: (v.astype(int) * v).sum(), V),
    "nan": (lambda v: np.log(v - 3).sum(), V),
    "infinities": (lambda v: (1 / (v - 1)).sum(), V),
    "no elements": (lambda v: v.sum(), np.zeros((0, 3))),
    "single precision": (lambda v: np.exp(v).sum(), V.astype(np.float32)),
    "a tuple": (lambda v: (v, v.sum(), 2.0), V),
    "a derivative": (lambda v: cr.grad(lambda w: (w**3).sum())(v).sum(), V),
    "a loop": (lambda v: cr.scan(lambda c, x: (c * x, c), 1.0, v)[0], V),
    "the input itself": (lambda v: v, 3.0),
    "a constant": (lambda v: 2.0, 3.0),
    "too large": (lambda v: v * 1e300 * 1e10, 3.0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", [None, "values", "forward"])
def test_it_is_drawn(kind: str, mode: str | None) -> None:
    f, x = KINDS[kind]
    with np.errstate(all="ignore"):
        graph = cr.trace(f)(x)
    drawing = graph.draw(mode)
    root = ElementTree.fromstring(drawing.svg)
    shown = [s.text for s in drawing.scene.shapes if isinstance(s, Words)]
    assert len(list(root.iter("{http://www.w3.org/2000/svg}text"))) == len(shown)
    assert shown[0] == graph.title
    if mode is None and len(graph) > 1 and not np.ndim(getattr(graph.outputs[0], "value", V)):
        scalar = len(graph.outputs) == 1
        assert any("dL/d" in t for t in shown) == scalar


@pytest.mark.parametrize("kind", ["several results of one step", "results of different shapes"])
def test_its_derivation_is_written(kind: str) -> None:
    f, x = KINDS[kind]
    text = cr.trace(f)(x).to_latex("both")
    assert text.count(r"\begin{alignat*}") == text.count(r"\end{alignat*}") == 6


def test_a_table_is_drawn_in_its_mode() -> None:
    graph = graphs.logistic()
    for mode in ("backward", "forward", "both"):
        assert graph.table(mode, "W").draw().svg == graph.draw(mode, "W").svg
    assert graph.table("forward", "W").draw(frames=True).frames


def test_the_graph_of_a_compiled_function_is_drawn() -> None:
    compiled = cr.compile(graphs.loss)
    assert compiled(3.0, 3.0, 1.0) == pytest.approx(np.log1p(np.exp(-9.0)))
    assert compiled.graph(3, 3, 1).draw().svg == graphs.logistic().draw().svg


def test_a_layer_is_drawn() -> None:
    words = [s.text for s in nn.Dense(3, "relu").draw((4,)).scene.shapes if isinstance(s, Words)]
    assert words[0] == "Dense: 15 parameters"
    assert "output (3)" in words
