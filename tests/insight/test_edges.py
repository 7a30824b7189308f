"""One step by itself: its partials as numbers, what it hands back, which values it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.elementary import TABLE
from chainrule.elementary.base import Elementary, Pointwise, Step, is_step
from chainrule.graph import Node, Tape, predecessors
from chainrule.insight.edges import handed_back, partial_value, read_back

rng = np.random.default_rng(7)
M = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def last(f: Callable[..., Any], *args: Any) -> Node:
    """The last step of a traced function."""
    return cr.trace(f)(*args).nodes[-1]


# The value of the partial -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "args", "position", "expected"),
    [
        (lambda x: x * 3.0, (2.0,), 0, 3.0),
        (lambda x, y: x - y, (2.0, 5.0), 1, -1.0),
        (np.exp, (np.array([0.0, 1.0]),), 0, np.exp([0.0, 1.0])),
        (lambda x: np.maximum(x, 0.0), (np.array([-1.0, 0.0, 2.0]),), 0, [0.0, 0.0, 1.0]),
        (np.floor, (2.5,), 0, 0.0),
        (np.sum, (np.ones(3),), 0, [1.0, 1.0, 1.0]),
        (np.mean, (np.ones((2, 2)),), 0, np.full((2, 2), 0.25)),
        (lambda x: x[1:], (np.ones(3),), 0, [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (lambda w, x: w @ x, (M, np.array([1.0, -1.0, 2.0])), 1, M),
        (np.cumsum, (np.ones(3),), 0, np.tril(np.ones((3, 3)))),
        (np.prod, (np.array([2.0, 3.0, 5.0]),), 0, [15.0, 10.0, 6.0]),
        (np.max, (np.array([1.0, 4.0, 4.0]),), 0, [0.0, 0.5, 0.5]),
        (lambda x: np.linalg.norm(x), (np.array([3.0, 4.0]),), 0, [0.6, 0.8]),
    ],
)
def test_the_value_of_a_partial(f: Any, args: Any, position: int, expected: Any) -> None:
    value = partial_value(last(f, *args), position)
    np.testing.assert_allclose(value, expected, rtol=1e-15)
    assert np.shape(value) == np.shape(expected)
    assert np.asarray(value).dtype.kind == "f"  # not a truth value, where the rule is a > 0


def test_a_jacobian_of_a_matrix_by_a_matrix() -> None:
    a, b = rng.standard_normal((2, 3)), rng.standard_normal((3, 2))
    value = partial_value(last(lambda a, b: a @ b, a, b), 0)
    # ∂(AB)ᵢⱼ/∂Aₖₗ = δᵢₖ Bₗⱼ
    np.testing.assert_allclose(value, np.einsum("ik,lj->ijkl", np.eye(2), b), rtol=1e-15)


def test_a_large_jacobian_is_described() -> None:
    assert partial_value(last(np.cumsum, np.ones(8)), 0).shape == (8, 8)
    assert partial_value(last(np.cumsum, np.ones(9)), 0) == "(9, 9) Jacobian, 81 entries"


def test_several_outputs_are_described() -> None:
    graph = cr.trace(lambda a: np.linalg.eigh(a)[0])(np.eye(2))
    both, picked = graph.nodes[-2:]
    assert partial_value(both, 0) == "has several outputs"
    assert partial_value(picked, 0) == "picks one of several outputs"


# Every record -----------------------------------------------------------------------------------


def _cases(record: Elementary) -> Iterator[Node]:
    """A step of the record for each of its examples, on a tape of its own."""
    if isinstance(record, Pointwise):
        shapes = [(3,), (2, 3), (), ()]
        args = tuple(
            rng.uniform(max(low, -3.0), max(min(high, 3.0), low), shape)
            for (low, high), shape in zip(record.domain, shapes, strict=False)
        )
        if record.name.startswith(("bitwise", "invert")):
            args = tuple(np.greater(a, 0) for a in args)
        examples: Any = [(args, {})]
    else:
        examples = record.examples(rng) if record.examples else []
    for args, params in examples:
        tape = Tape(Node)
        nodes = [
            tape.input(np.asarray(a, float), f"x{k}")
            if np.asarray(a).dtype.kind == "f"
            else np.asarray(a)
            for k, a in enumerate(args)
        ]
        if any(isinstance(a, Node) for a in nodes):
            value = record.value(*(a.value if isinstance(a, Node) else a for a in nodes), **params)
            yield tape.append(record, tuple(nodes), params, value, None, 0)


def _cotangent(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_cotangent(v) for v in value]
    return rng.standard_normal(np.shape(value))[()]


_RECORDS = [r for r in TABLE.values() if not isinstance(r, Step) and r.name != "pick"]


@pytest.mark.parametrize("record", _RECORDS, ids=lambda record: record.name)
def test_a_value_that_is_not_read_does_not_matter(record: Elementary) -> None:
    """Replace every value that is said not to be read by NaN: what is handed back is the same."""
    for node in _cases(record):
        g = _cotangent(node.value)
        positions = {k for k, _ in predecessors(node)}
        if is_step(record):
            assert read_back(node, g, positions) == set()
            continue
        read = read_back(node, g, positions)
        expected = handed_back(node, g)
        assert expected or record.name == "stop_gradient"
        for _, a in [(0, node), *predecessors(node)]:
            if a in read:
                continue
            before = a.value
            a.value = _poisoned(before)
            for k, c in handed_back(node, g).items():
                np.testing.assert_array_equal(c, expected[k], err_msg=f"argument {k}")
            a.value = before


def _poisoned(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_poisoned, value))
    return np.full(np.shape(value), np.nan)[()]


@pytest.mark.parametrize(
    ("f", "args", "read"),
    [
        (np.exp, (1.0,), {"own"}),
        (np.sqrt, (4.0,), {"own"}),
        (np.log, (2.0,), {"x"}),
        (np.tanh, (0.5,), {"x"}),
        (lambda x, y: x * y, (2.0, 3.0), {"x", "y"}),
        (lambda x, y: x + y, (2.0, 3.0), set()),
        (lambda x: x * 3.0, (2.0,), set()),
        (lambda x: 3.0 / x, (2.0,), {"x", "own"}),
        (lambda x: x**2, (2.0,), {"x"}),
        (lambda x: -x, (2.0,), set()),
        (np.floor, (2.5,), set()),
        (np.sum, (np.ones(3),), set()),
        (np.mean, (np.ones(3),), set()),
        (np.max, (np.array([1.0, 2.0]),), {"x", "own"}),
        (lambda x, y: x @ y, (M, np.ones(3)), {"x", "y"}),
        (lambda x: np.ones((2, 2)) @ x, (np.ones(2),), set()),
        (lambda x: x[::-1][1:], (np.ones(3),), set()),
        (lambda x, y: np.concatenate([x, y]), (np.ones(2), np.ones(2)), set()),
        (lambda x: np.linalg.inv(x), (np.eye(2) * 2,), {"own"}),
        (lambda x, y: np.linalg.solve(x, y), (np.eye(2), np.ones((2, 1))), {"x", "own"}),
    ],
)
def test_which_values_the_rules_read(f: Any, args: Any, read: set[str]) -> None:
    def named(x: Any, y: Any = None) -> Any:
        return f(x) if y is None else f(x, y)

    node = last(named, *args)
    found = read_back(node, _cotangent(node.value), {k for k, _ in predecessors(node)})
    assert {"own" if a is node else a.name for a in found} == read


def test_only_the_rules_that_are_wanted_count() -> None:
    node = last(lambda x, y: x * y, 2.0, 3.0)
    assert [a.name for a in read_back(node, 1.0, {0})] == ["y"]  # ∂(xy)/∂x = y
    assert [a.name for a in read_back(node, 1.0, {1})] == ["x"]


def test_an_output_without_a_cotangent_is_not_read() -> None:
    """The eigenvalues alone need the vectors, not the values."""
    graph = cr.trace(lambda a: np.linalg.eigh(a)[0])(np.diag([1.0, 2.0]))
    both = next(node for node in graph.nodes if node.name == "eigh")
    assert read_back(both, [np.ones(2), None], {0}) == {both}


def test_contributions_have_the_shape_of_their_argument() -> None:
    node = last(lambda x, y: x * y, np.ones((2, 1)), np.ones(3))
    given = handed_back(node, np.ones((2, 3)))
    assert given[0].tolist() == [[3.0], [3.0]]
    assert given[1].tolist() == [2.0, 2.0, 2.0]
    spread = handed_back(last(np.sum, np.ones(2)), 5.0)[0]
    assert spread.tolist() == [5.0, 5.0]  # the sweep itself keeps a number as long as it can


def test_a_picked_output_hands_back_to_its_place() -> None:
    graph = cr.trace(lambda a: np.linalg.eigh(a)[1])(np.diag([1.0, 2.0]))
    given = handed_back(graph.nodes[-1], np.eye(2))[0]
    assert given[0] is None
    assert given[1].tolist() == [[1.0, 0.0], [0.0, 1.0]]
