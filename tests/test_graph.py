"""The graph: what it keeps of a tape, its order, and that it computes what was traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.array import Traced
from chainrule.elementary.arithmetic import multiply, square
from chainrule.elementary.exponential import exp
from chainrule.errors import ShapeError
from chainrule.graph import Graph, Node, Tape, predecessors


def two_inputs() -> tuple[Tape, Node, Node]:
    tape = Tape(Node)
    return tape, tape.input(np.float64(2.0), "x"), tape.input(np.array([1.0, 3.0]), "w")


def test_only_what_leads_to_an_output_is_kept_in_order() -> None:
    tape, x, w = two_inputs()
    product = multiply(x, w)
    exp(w)  # leads nowhere
    result = square(product)
    graph = Graph([x, w], [result])
    assert [node.name for node in graph.nodes] == ["x", "w", "multiply", "square"]
    assert [node.index for node in graph.walk()] == [0, 1, 2, 3]
    assert [node.name for node in graph.walk(backward=True)] == ["square", "multiply", "w", "x"]
    assert len(tape.nodes) == 5
    assert graph.nodes[2] is not product  # copies: a graph does not change with its tape


def test_an_unused_input_stays_an_input() -> None:
    _, x, w = two_inputs()
    graph = Graph([x, w], [square(w)])
    assert [node.name for node in graph.inputs] == ["x", "w"]
    assert graph.users() == [[], [graph.nodes[2]], []]


def test_users_lists_a_reader_once() -> None:
    _, x, _ = two_inputs()
    doubled = multiply(x, x)
    graph = Graph([x], [multiply(doubled, x)])
    first, second = graph.nodes[1:]
    assert graph.users() == [[first, second], [second], []]


def test_a_value_that_depends_on_no_input_is_a_constant() -> None:
    _, x, w = two_inputs()
    graph = Graph([x], [multiply(x, exp(w))])  # w is not an input of this graph
    assert [node.name for node in graph.nodes] == ["x", "multiply"]
    np.testing.assert_array_equal(graph.nodes[1].args[1], np.exp([1.0, 3.0]))
    np.testing.assert_array_equal(graph(3.0), 3.0 * np.exp([1.0, 3.0]))


@pytest.mark.parametrize("x", [-1.5, 0.0, 4.0])
def test_new_inputs_give_what_the_function_gives(x: float) -> None:
    def f(x: Any, w: Any) -> Any:
        h = np.tanh(w @ w[:, 0] * x) + np.linalg.eigh(w @ w.T)[0]
        return np.where(h > 0, h, np.exp(h)).sum() / len(w)

    rng = np.random.default_rng(0)
    graph = cr.trace(f)(1.0, rng.standard_normal((3, 3)))
    new = rng.standard_normal((3, 3))
    assert graph(x, new) == pytest.approx(f(x, new), rel=1e-14)


def test_outputs_keep_their_tree() -> None:
    graph = cr.trace(lambda x: {"twice": 2 * x, "all": [x, 7.0]})(1.5)
    assert graph(5) == {"twice": 10.0, "all": [5.0, 7.0]}


def test_an_array_of_the_user_may_change_after_the_trace() -> None:
    scale, x = np.array([2.0, 3.0, 4.0, 5.0, 6.0]), np.ones(5)
    graph = cr.trace(lambda x: scale * x)(x)
    scale[:] = 0.0
    x[:] = 9.0
    np.testing.assert_array_equal(graph(np.ones(5)), [2.0, 3.0, 4.0, 5.0, 6.0])
    np.testing.assert_array_equal(graph.inputs[0].value, np.ones(5))
    np.testing.assert_array_equal(graph.nodes[-1].value, [2.0, 3.0, 4.0, 5.0, 6.0])


def test_inputs_take_the_dtype_of_the_trace() -> None:
    graph = cr.trace(lambda x: x * x)(np.array([1.0, 2.0], np.float32))
    result = graph(np.array([3, 4]))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [9.0, 16.0])


def test_another_shape_is_refused() -> None:
    """Steps such as a division by the length are recorded with the traced length."""
    graph = cr.trace(lambda x: x / len(x))(np.ones(3))
    with pytest.raises(ShapeError) as refused:
        graph(np.ones(4))
    assert str(refused.value).split("\n") == [
        "'x' has another shape than when the graph was traced",
        "  received: shape (4,) instead of (3,)",
        "  remedy:   trace the function again with arguments of the new shape",
    ]


def test_another_number_of_inputs_is_refused() -> None:
    _, x, w = two_inputs()
    with pytest.raises(ShapeError, match="1 values for 2 inputs") as refused:
        Graph([x, w], [multiply(x, w)])(1.0)
    assert "pass x, w" in str(refused.value)


def test_a_failing_step_names_the_users_line() -> None:
    graph = cr.trace(lambda a: np.linalg.inv(a))(np.eye(2))
    with pytest.raises(
        np.linalg.LinAlgError, match=r"inv: Singular matrix\n.*np\.linalg\.inv\(a\)"
    ):
        graph(np.ones((2, 2)))


def test_a_long_chain_needs_no_recursion() -> None:
    def chain(x: Any) -> Any:
        for _ in range(50_000):
            x = x * 0.9999
        return x

    graph = cr.trace(chain)(1.0)
    graph.validate()
    assert len(graph) == 50_001
    assert graph(2.0) == pytest.approx(2.0 * 0.9999**50_000, rel=1e-9)


def test_names_follow_the_nodes() -> None:
    _, x, w = two_inputs()
    product = multiply(x, w)
    unused = exp(w)
    graph = Graph([x, w], [square(product)], names={"h": product, "lost": unused, "n": 3})
    assert graph.names == {"h": graph.nodes[2]}


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda g: setattr(g.nodes[2], "index", 5), r"node 2 \(multiply\) is out of place"),
        (lambda g: setattr(g.nodes[2], "args", (g.nodes[3],)), "reads what is not before it"),
        (
            lambda g: setattr(g.nodes[3], "args", (Graph([g.nodes[0]], [g.nodes[0]]).nodes[0],)),
            "reads what is not before it",
        ),
        (lambda g: setattr(g, "outputs", (Tape(Node).input(1.0, "z"),)), "output z is not a node"),
        (lambda g: setattr(g.nodes[2], "fn", None), "out of place"),
    ],
)
def test_validate_finds_what_is_wrong(harm: Any, message: str) -> None:
    _, x, w = two_inputs()
    graph = Graph([x, w], [square(multiply(x, w))])
    graph.validate()
    harm(graph)
    with pytest.raises(ValueError, match=message):
        graph.validate()


def test_a_node_of_a_graph_cannot_be_recorded_on() -> None:
    _, x, _ = two_inputs()
    graph = Graph([x], [square(x)])
    with pytest.raises(cr.errors.LeakedTraceError):
        square(graph.nodes[1])


def test_text() -> None:
    _, x, w = two_inputs()
    graph = Graph([x, w], [multiply(square(x), np.array([5.0, 6.0])).tape.nodes[-1], 4.0])
    assert str(graph).split("\n") == [
        "graph of 2 inputs, 2 steps",
        "  %0 = input x",
        "  %1 = input w",
        "  %2 = square(%0)",
        "  %3 = multiply(%2, <array (2,)>)",
        "  return %3, 4.0",
    ]


def test_a_traced_node_of_an_enclosing_function_is_a_constant() -> None:
    """A graph made inside a differentiated function has that function's values as constants."""
    graphs = []

    def f(a: Any) -> Any:
        graphs.append(cr.trace(lambda x: x * a)(3.0))
        return a * a

    assert cr.grad(f)(5.0) == 10.0
    (graph,) = graphs
    assert graph(2.0) == 10.0
    assert not any(isinstance(a, Traced) for node in graph.nodes for a in node.args)
    assert all(a.tape is node.tape for node in graph.nodes for _, a in predecessors(node))
