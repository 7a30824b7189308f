"""Tracing: which arguments become inputs, under which names, and the graph as a function."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, NotDifferentiableError, TreeError


def names(graph: Any) -> list[str]:
    return [node.name for node in graph.inputs]


def test_inputs_have_the_names_of_the_parameters() -> None:
    def loss(W: Any, x: Any, *rest: Any, scale: float = 1.0) -> Any:
        return W * x * rest[0] * rest[1] * scale

    graph = cr.trace(loss)(1.0, 2, 3.0, 4.0, scale=5.0)
    assert names(graph) == ["W", "x", "rest[0]", "rest[1]", "scale"]
    assert graph.title == "loss(W, x, rest[0], rest[1], scale)"
    assert graph(1.0, 1.0, 1.0, 2.0, scale=3.0) == 6.0


def test_leaves_of_trees_have_paths() -> None:
    graph = cr.trace(lambda p: p["w"][0] * p["w"][1] + p["b"])({"w": [1.0, 2.0], "b": 3.0})
    assert names(graph) == ["p['b']", "p['w'][0]", "p['w'][1]"]
    assert graph({"b": 1, "w": [10, 100]}) == 1001.0


def test_a_builtin_without_a_signature_has_numbered_arguments() -> None:
    graph = cr.trace(np.maximum)(1.0, 2.0)
    assert len(set(names(graph))) == 2
    assert graph(7.0, 3.0) == 7.0


def test_python_integers_become_floats_and_the_rest_stays_constant() -> None:
    def f(n: Any, x: Any, labels: Any, flag: Any, kind: Any, nothing: Any) -> Any:
        assert flag is True
        assert kind == "mean"
        assert nothing is None
        assert type(labels) is np.ndarray
        return n * np.mean(x[labels])

    graph = cr.trace(f)(3, np.arange(4.0), np.array([0, 2]), True, "mean", None)
    assert names(graph) == ["n", "x"]
    assert graph.inputs[0].value.dtype == np.float64
    assert graph(1, np.ones(4), np.array([0, 2]), True, "mean", None) == 1.0


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        (np.array([0, 1]), "mean", r"'labels' is a constant of the graph and has changed"),
        (np.array([0, 2]), "sum", r"'kind' is a constant of the graph and has changed"),
    ],
)
def test_a_changed_constant_is_refused(labels: Any, kind: str, message: str) -> None:
    def f(x: Any, labels: Any, kind: str) -> Any:
        return x[labels].mean() if kind == "mean" else x[labels].sum()

    graph = cr.trace(f)(np.arange(4.0), np.array([0, 2]), "mean")
    with pytest.raises(TreeError, match=message) as refused:
        graph(np.arange(4.0), labels, kind)
    assert "trace the function again" in str(refused.value)


def test_another_structure_is_refused() -> None:
    graph = cr.trace(lambda p: p["a"] * p["b"])({"a": 1.0, "b": 2.0})
    with pytest.raises(TreeError, match="'p' has another structure"):
        graph({"a": 1.0, "b": [2.0]})


def test_other_arguments_are_refused() -> None:
    graph = cr.trace(lambda x, y: x * y)(1.0, y=2.0)
    with pytest.raises(ArgumentError, match="pass 1 positional ones and y"):
        graph(1.0, 2.0)


def test_complex_arguments_are_refused() -> None:
    with pytest.raises(NotDifferentiableError, match="complex numbers"):
        cr.trace(lambda z: z * 2)(np.array([1j]))


def test_named_intermediate_results() -> None:
    def loss(W: Any, x: Any) -> Any:
        p = 1 / (1 + np.exp(-W * x))
        return -np.log(p), {"p": p, "unused": W + 1, "note": "text"}

    graph = cr.trace(loss, has_aux=True)(3, 3)
    assert {name: node.name for name, node in graph.names.items()} == {"p": "divide"}
    assert "  ξ₅ = 1/ξ₄     = 0.99987661  (p)" in str(graph).split("\n")
    with pytest.raises(ArgumentError, match="must return \\(output, extra\\)"):
        cr.trace(lambda x: x * 2, has_aux=True)(1.0)


def test_a_gradient_can_be_traced() -> None:
    """The derivative of a graph is a graph: x³ has the derivative 3x², the second is 6x."""
    graph = cr.trace(cr.grad(lambda x: x**3))(2.0)
    assert graph(5.0) == pytest.approx(75.0, rel=1e-15)
    row = graph.table("backward").finals[0]
    assert row.backward == pytest.approx(12.0, rel=1e-15)


def test_the_trace_leaves_no_trace() -> None:
    """The user's arrays are writable again, and a later gradient is not confused."""
    x = np.ones(3)
    cr.trace(lambda x: (x * x).sum())(x)
    x[0] = 2.0
    np.testing.assert_array_equal(cr.grad(lambda x: (x * x).sum())(x), [4.0, 2.0, 2.0])


# How steps are printed --------------------------------------------------------------------------


def formulas(f: Any, *args: Any) -> list[str]:
    graph = cr.trace(f)(*args)
    return [graph.formula(node).text for node in graph.nodes[len(graph.inputs) :]]


CAPTURED = np.arange(6.0)


@pytest.mark.parametrize(
    ("f", "args", "expected"),
    [
        (lambda x: 2 * x - 1, (3.0,), ["2·x", "ξ₁ − 1"]),
        (lambda x: -2.0 * x, (3.0,), ["−2·x"]),
        (lambda x: x * -2.0, (3.0,), ["x·(−2)"]),
        (lambda x: x ** np.float32(2), (3.0,), ["x²"]),
        (lambda x: (-x) ** 2, (3.0,), ["−x", "ξ₁²"]),
        (lambda x: x * np.pi, (3.0,), ["x·π"]),
        (lambda x: x > 0, (3.0,), ["x > 0"]),
        (lambda x: x * np.array([1.0, 2.5]), (3.0,), ["x·[1, 2.5]"]),
        (lambda x: x * CAPTURED, (np.ones(6),), ["x·C₁"]),
        (lambda x, labels: x - labels, (np.ones(6), np.arange(6)), ["x − labels"]),
        (lambda x: x.sum(axis=0, keepdims=True), (M := np.ones((2, 3)),),
         ["sum(x, axis=0, keepdims=True)"]),
        (lambda x: x.sum(), (M,), ["sum(x)"]),
        (lambda x: x.reshape(3, 2), (M,), ["reshape(x, shape=(3, 2))"]),
        (lambda x: x[1, ::2], (M,), ["x[1, ::2]"]),
        (lambda x: x[[0, 0, 1]], (M,), ["x[[3 indices]]"]),
        (lambda x: np.concatenate([x, x, CAPTURED]), (np.ones(6),),
         ["concatenate(x, x, C₁, axis=0)"]),
        (lambda x: np.einsum("ij,ij->i", x, x), (M,), ["einsum(x, x, subscripts='ij,ij->i')"]),
        (lambda x: x.astype(np.float32), (M,), ["float32(x)"]),
        (lambda x: x @ np.ones(3), (M,), ["x @ [1, 1, 1]"]),
        (lambda x: np.slogdet(x)[1] if False else np.linalg.slogdet(x)[1], (np.eye(2),),
         ["slogdet(x)", "ξ₁[1]"]),
        (lambda x: np.argmax(x) * x, (CAPTURED,), ["argmax(x)", "ξ₁·x"]),
    ],
)  # fmt: skip
def test_the_formula_of_a_step(f: Any, args: Any, expected: list[str]) -> None:
    assert formulas(f, *args) == expected


def test_a_captured_array_is_told() -> None:
    graph = cr.trace(lambda x: x * CAPTURED)(np.ones(6))
    assert "  C₁ = (6,) [0, 1, … 5] mean 2.5" in str(graph).split("\n")
    assert graph.table("forward").constants[0][0].text == "C₁"


@pytest.mark.parametrize(
    ("f", "args", "expected"),
    [
        (lambda x: x.sum(), (M,), "g ↦ g to every element"),
        (lambda x: x @ np.ones(3), (M,), "g ↦ g @ [1, 1, 1]ᵀ"),
        (lambda x: np.linalg.inv(x), (np.eye(2),), "g ↦ −ξ₁ᵀ g ξ₁ᵀ"),
        (lambda x: np.linalg.norm(x), (M,), "x/norm(x)"),
        (lambda x: x.max(), (M,), "1 at the maximum (1/k for each of k equal)"),
        (lambda x: x.astype(np.float32), (M,), "1"),
        (lambda x: x[0], (M,), "g ↦ g at the index, 0 elsewhere"),
        (lambda x: np.floor(x), (M,), "0"),
        (lambda x: np.maximum(x, 1.0), (M,), "[x > 1]"),
        (lambda x: np.argmax(x) + 0.0, (M,), "1"),
    ],
)
def test_the_rule_of_a_step(f: Any, args: Any, expected: str) -> None:
    graph = cr.trace(f)(*args)
    assert graph.rule(graph.nodes[-1], 0).text == expected


def test_text_is_aligned() -> None:
    graph = cr.trace(lambda W, x: np.exp(-W * x))(3, 3)
    assert str(graph).split("\n") == [
        "graph of <lambda>(W, x)",
        "  W  = 3",
        "  x  = 3",
        "  ξ₁ = −W       = -3",
        "  ξ₂ = ξ₁·x     = -9",
        "  ξ₃ = exp(ξ₂)  = 0.0001234098",
        "  returns ξ₃",
    ]


def test_several_outputs_print_sanely() -> None:
    text = str(cr.trace(lambda a: np.linalg.eigh(a)[0])(np.diag([1.0, 2.0])))
    line = next(line for line in text.split("\n") if "eigh(" in line)
    assert line.endswith("= (2,) [1, 2]; (2, 2) [[1, 0], [0, 1]]")
    assert re.search(r"ξ. = ξ.\[0\] +\= \(2,\) \[1, 2\]\n", text)
