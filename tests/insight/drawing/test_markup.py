"""DOT and Mermaid: every node and edge once, and nothing in a label that ends it early."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import chainrule as cr

HOSTILE = 'a"];}\\ <b>|`#&\n*_'


def f(W: Any, x: Any) -> Any:
    h = np.tanh(W * x)
    return h * h + W


def hostile() -> Any:
    return cr.trace(lambda p: p[HOSTILE] * p["y"])({HOSTILE: 2.0, "y": 3.0})


def test_dot_has_every_node_and_edge() -> None:
    graph = cr.trace(f)(0.5, 2.0)
    text = graph.to_dot()
    assert re.findall(r"^  (n\d+) \[", text, re.M) == ["n0", "n1", "n2", "n3", "n4", "n5"]
    edges = re.findall(r"^  (n\d+) -> (n\d+);$", text, re.M)
    assert edges == [
        ("n0", "n2"), ("n1", "n2"), ("n2", "n3"), ("n3", "n4"), ("n3", "n4"), ("n4", "n5"),
        ("n0", "n5"),
    ]  # fmt: skip
    assert 'n0 [shape=box, label="W = 0.5"];' in text
    assert 'n5 [shape=ellipse, label="ξ₄ = ξ₃ + W\\n1.0800257", peripheries=2];' in text
    assert text.startswith("digraph {")
    assert text.endswith("}")


def test_values_and_partials_are_optional() -> None:
    graph = cr.trace(f)(0.5, 2.0)
    assert 'label="W"' in graph.to_dot(values=False)
    assert "1.0800257" not in graph.to_dot(values=False)
    text = graph.to_dot(partials=True)
    assert 'n0 -> n2 [label="x = 2"];' in text
    assert f'n2 -> n3 [label="1 − tanh(ξ₁)² = {1 - np.tanh(1) ** 2:.8g}"];' in text
    assert 'n0 -> n5 [label="1"];' in text


def test_dot_labels_end_where_they_should() -> None:
    text = hostile().to_dot(partials=True)
    assert r"];}\\\\ <b>|" in text  # a backslash stands for itself
    strings = re.findall(r'"(?:[^"\\]|\\.)*"', text)
    rest = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    assert '"' not in rest.replace('""', "")
    assert "\n" not in "".join(strings)
    for line in rest.split("\n")[4:-1]:
        assert re.fullmatch(
            r'  n\d+ (\[shape=\w+, label=""(, peripheries=2)?\]|-> n\d+( \[label=""\])?);', line
        )


def test_mermaid_has_every_node_and_edge() -> None:
    text = cr.trace(f)(0.5, 2.0).to_mermaid()
    lines = text.split("\n")
    assert lines[0] == "flowchart LR"
    assert '  n0["W = 0.5"]' in lines
    assert '  n5(("ξ₄ = ξ₃ + W<br/>1.0800257"))' in lines
    assert [line for line in lines if "-->" in line] == [
        "  n0 --> n2", "  n1 --> n2", "  n2 --> n3", "  n3 --> n4", "  n3 --> n4", "  n4 --> n5",
        "  n0 --> n5",
    ]  # fmt: skip


def test_mermaid_labels_end_where_they_should() -> None:
    text = hostile().to_mermaid(partials=True)
    for line in text.split("\n")[1:]:
        label = re.fullmatch(r'  n\d+(?:\(*|\[*| -->\|)"(.*)"(?:\)*|\]*|\| n\d+)', line)
        assert label, line
        inner = label[1].replace("<br/>", "")
        assert not set(inner) & set('"<>|`\\*_\n')
        assert not re.search(r"[#&](?!\w+;)", inner)


def test_named_results_are_shown() -> None:
    def named(x: Any) -> Any:
        p = x * 2
        return p + 1, {"p": p}

    graph = cr.trace(named, has_aux=True)(1.0)
    assert "p = ξ₁ = x·2" in graph.to_dot()
    assert "p = ξ₁ = x·2" in graph.to_mermaid()
