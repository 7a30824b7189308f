"""`while_loop`: the derivative of the steps that are done."""

from __future__ import annotations

import _thread
import threading
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.control.conftest import Compile


def newton_root(a: Any) -> Any:
    """√a by Newton's iteration, to the last digit."""

    def far(s: Any) -> Any:
        return (np.abs(s[0] - s[1]) > 1e-15 * s[0]) & (s[2] < 60)

    def step(s: Any) -> Any:
        return (s[0] + a / s[0]) / 2, s[0], s[2] + 1

    return cr.while_loop(far, step, (1.0 + 0 * a, 0.0 * a, 0))[0]


@pytest.mark.parametrize("a", [2.0, 9.0, 1e4])
def test_newton_converges_with_its_derivatives(compiled: Compile, a: float) -> None:
    np.testing.assert_allclose(compiled(newton_root)(a), a**0.5, rtol=1e-15)
    np.testing.assert_allclose(compiled(cr.grad(newton_root))(a), 0.5 * a**-0.5, rtol=1e-13)
    second = compiled(cr.grad(cr.grad(newton_root)))
    np.testing.assert_allclose(second(a), -0.25 * a**-1.5, rtol=1e-12)
    forward = compiled(lambda a: cr.jvp(cr.grad(newton_root), (a,), (1.0,))[1])
    np.testing.assert_allclose(forward(a), -0.25 * a**-1.5, rtol=1e-12)


def power(x: Any, n: Any) -> Any:
    """xⁿ by n products; n may be zero."""
    return cr.while_loop(lambda s: s[1] < n, lambda s: (s[0] * x, s[1] + 1), (1.0, 0))[0]


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_any_number_of_steps_by_one_version(n: int) -> None:
    f = cr.compile(lambda x, n: (power(x, n), cr.grad(power)(x, n), cr.grad(cr.grad(power))(x, n)))
    f(1.5, 3)
    truth = (2.0**n, n * 2.0 ** (n - 1), n * (n - 1) * 2.0 ** (n - 2))
    np.testing.assert_allclose(f(2.0, n), truth, rtol=1e-14)
    assert len(f.versions) == 1


def test_no_step_gives_the_start(compiled: Compile) -> None:
    def f(x: Any) -> Any:
        return cr.while_loop(lambda v: v < 0, lambda v: v * 2, x)

    assert compiled(f)(3.0) == 3.0
    assert compiled(cr.grad(f))(3.0) == 1.0


def test_arrays_and_trees(compiled: Compile) -> None:
    """The dominant eigenvalue by the power method, against its derivative vᵀ Ȧ v."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((4, 4))
    a = a @ a.T + np.diag([0.0, 0.0, 0.0, 9.0])

    def dominant(a: Any) -> Any:
        def step(s: dict[str, Any]) -> dict[str, Any]:
            w = a @ s["v"]
            norm = np.sqrt(w @ w)
            return {"v": w / norm, "size": norm, "old": s["size"]}

        def far(s: Any) -> Any:
            return np.abs(s["size"] - s["old"]) > 1e-15 * s["size"]

        start = {"v": np.ones(4), "size": 1.0, "old": 0.0}
        return cr.while_loop(far, step, start)["size"]

    values, vectors = np.linalg.eigh(a)
    v = vectors[:, -1]
    np.testing.assert_allclose(compiled(dominant)(a), values[-1], rtol=1e-13)
    np.testing.assert_allclose(compiled(cr.grad(dominant))(a), np.outer(v, v), atol=1e-6)


def test_nested_loops(compiled: Compile) -> None:
    """Σₖ₌₁³ xᵏ with an inner loop for each power."""

    def f(x: Any) -> Any:
        def step(s: Any) -> Any:
            return s[0] + power(x, s[1]), s[1] + 1

        return cr.while_loop(lambda s: s[1] <= 3, step, (0.0, 1))[0]

    np.testing.assert_allclose(compiled(f)(2.0), 14.0)
    np.testing.assert_allclose(compiled(cr.grad(f))(2.0), 1 + 4 + 12)
    np.testing.assert_allclose(compiled(cr.grad(cr.grad(f)))(2.0), 2 + 12)


def test_many_steps(compiled: Compile) -> None:
    """(1 + x/n)ⁿ for n = 10⁴."""
    n = 10_000 if compiled(abs) is not abs else 300

    def step(s: Any, x: Any) -> Any:
        return s[0] * (1 + x / n), s[1] + 1

    def f(x: Any) -> Any:
        return cr.while_loop(lambda s: s[1] < n, lambda s: step(s, x), (1.0, 0))[0]

    value, slope = compiled(cr.value_and_grad(f))(0.5)
    np.testing.assert_allclose(value, (1 + 0.5 / n) ** n, rtol=1e-11)
    np.testing.assert_allclose(slope, (1 + 0.5 / n) ** (n - 1), rtol=1e-11)


def test_the_graph_does_not_grow_with_the_steps() -> None:
    f = cr.compile(lambda x, n: power(x, n))
    f(2.0, 3)
    [version] = f.versions.values()
    assert len(version.captured.graph) < 10


@pytest.mark.parametrize("size", [1, 3, 100])
def test_kept_values_at_every_so_many_steps(compiled: Compile, size: int) -> None:
    """x⁷ by blocks of products, the last one cut short."""

    def f(x: Any) -> Any:
        def step(s: Any) -> Any:
            return s[0] * x, s[1] + 1

        return cr.while_loop(lambda s: s[1] < 7, step, (1.0, 0), checkpoint=size)[0]

    np.testing.assert_allclose(compiled(f)(2.0), 2.0**7)
    np.testing.assert_allclose(compiled(cr.grad(f))(2.0), 7 * 2.0**6)
    np.testing.assert_allclose(compiled(cr.grad(cr.grad(f)))(2.0), 42 * 2.0**5)


def test_a_loop_without_end_can_be_interrupted() -> None:
    f = cr.compile(lambda x: cr.while_loop(lambda v: v < 2.0, lambda v: v * 1.0, x))
    assert f(3.0) == 3.0
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        f(1.0)
    timer.join()
    assert f(3.0) == 3.0
