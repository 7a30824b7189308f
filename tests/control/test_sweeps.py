"""Jacobians within compiled functions: their sweeps are a loop, one step of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr

A = np.random.default_rng(0).standard_normal((5, 30))


def f(x: Any) -> Any:
    return np.tanh(A @ x) * np.sin(x[:5])


def slope(x: Any) -> Any:
    """Of f, by hand."""
    t = np.tanh(A @ x)
    first = (1 - t**2)[:, None] * A * np.sin(x[:5])[:, None]
    first[:, :5] += np.diag(t * np.cos(x[:5]))
    return first


X = np.random.default_rng(1).standard_normal(30)


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_jacobian(mode: str, engine: Any) -> None:
    compiled = cr.compile(cr.jacobian(f, mode=mode), engine=engine)
    np.testing.assert_allclose(compiled(X), slope(X), rtol=1e-13, atol=1e-14)


def test_more_outputs_than_are_unrolled() -> None:
    x = np.linspace(0.1, 1.0, 20)
    g = lambda x: np.cumsum(x) ** 2  # noqa: E731
    expected = 2 * np.cumsum(x)[:, None] * np.tri(20)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(cr.compile(cr.jacobian(g, mode=mode))(x), expected, rtol=1e-14)


def loss(p: Any) -> Any:
    h = np.tanh(A.T @ p["w"])
    return (h**2).sum() * np.exp(p["c"]) + (p["v"] @ p["w"]) ** 2


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_what_has_several_results(mode: str) -> None:
    """The loop over the sweeps reads the factors, not the tuple of them."""

    def g(a: Any) -> Any:
        u, s, vt = np.linalg.svd(a)
        w, v = np.linalg.eigh(a + a.T)
        return u @ vt * s + v * w + np.linalg.qr(a)[1]

    a = np.random.default_rng(3).standard_normal((3, 3))
    eager = cr.jacobian(g, mode=mode)(a)
    np.testing.assert_allclose(cr.compile(cr.jacobian(g, mode=mode))(a), eager, rtol=1e-12)
    hessian = cr.hessian(lambda a: np.sin(g(a)).sum())
    np.testing.assert_allclose(cr.compile(hessian)(a), hessian(a), rtol=1e-11)


def test_hessian_of_a_tree() -> None:
    rng = np.random.default_rng(2)
    p = {"w": rng.standard_normal(5), "v": rng.standard_normal(5), "c": 0.3}
    eager, compiled = cr.hessian(loss)(p), cr.compile(cr.hessian(loss))(p)
    for a in p:
        for b in p:
            np.testing.assert_allclose(compiled[a][b], eager[a][b], rtol=1e-12, atol=1e-13)
            assert np.shape(compiled[a][b]) == np.shape(eager[a][b])
            np.testing.assert_allclose(eager[a][b], np.transpose(eager[b][a]), rtol=1e-12)


def test_the_graph_does_not_grow_with_the_inputs() -> None:
    counts = []
    for n in (20, 200):
        compiled = cr.compile(cr.hessian(lambda x: np.exp(-(x**2)).sum() * x[0]))
        x = np.linspace(0.0, 1.0, n)
        e, d = np.exp(-(x**2)), np.diag((4 * x**2 - 2) * np.exp(-(x**2)))
        expected = d * x[0]
        expected[0] += -2 * x * e
        expected[:, 0] += -2 * x * e
        np.testing.assert_allclose(compiled(x), expected, rtol=1e-13, atol=1e-14)
        counts.append(len(next(iter(compiled.versions.values())).captured.graph))
    assert counts[0] == counts[1]


def test_a_derivative_of_it() -> None:
    """The gradient of the trace of a Hessian: third order, through the loop."""

    def laplacian(x: Any) -> Any:
        return np.trace(cr.hessian(lambda x: np.sin(x).sum() * x[0])(x))

    x = np.linspace(0.2, 1.4, 12)
    # Σ ∂²/∂x[i]² = −x[0] Σ sin x[i] + 2 cos x[0]
    expected = -x[0] * np.cos(x)
    expected[0] += -np.sin(x).sum() - 2 * np.sin(x[0])
    for derive in (cr.grad(laplacian), cr.compile(cr.grad(laplacian))):
        np.testing.assert_allclose(derive(x), expected, rtol=1e-12)


def test_what_does_not_depend_is_zero() -> None:
    g = lambda x, y: (x**2, np.sum(y))  # noqa: E731
    made = cr.compile(cr.jacobian(g))(np.arange(12.0), np.ones(3))
    np.testing.assert_array_equal(made[0], np.diag(2 * np.arange(12.0)))
    np.testing.assert_array_equal(made[1], np.zeros(12))


@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_hessian_of_a_loop_of_any_length(engine: Any) -> None:
    """What such a loop leaves behind has no shape: the sweeps are not a loop around it."""

    def cubed_roots(x: Any) -> Any:
        start = 0 * x + 1.0
        far = lambda y: np.max(np.abs(y * y - x)) > 1e-13  # noqa: E731
        root = cr.while_loop(far, lambda y: (y + x / y) / 2, start)
        return np.sum(root**3)

    x = np.linspace(0.5, 2.0, 9)
    found = cr.compile(cr.hessian(cubed_roots), engine=engine)(x)
    np.testing.assert_allclose(found, np.diag(0.75 / np.sqrt(x)), rtol=1e-6, atol=1e-8)
