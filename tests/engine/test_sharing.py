"""Equal kernels are written once, and do what each by itself would do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr


def kernels(compiled: Any) -> tuple[int, int]:
    """How many shared kernels the code has, and how often they are called."""
    source = compiled.source()
    return source.count('define void @"kernel_'), source.count('call void @"kernel_')


def steps(u: Any, p: Any, count: int) -> Any:
    """Heun's method for a chain of oscillators; the ends are held."""

    def field(u: Any) -> Any:
        inner = u[2:] - 2.0 * u[1:-1] + u[:-2]
        return np.concatenate([np.zeros(1), p * inner, np.zeros(1)])

    for _ in range(count):
        k = field(u)
        u = u + 0.05 * (k + field(u + 0.1 * k))
    return np.sum(u * u)


@pytest.mark.parametrize("n", [3, 33])
def test_an_unrolled_loop_has_the_kernels_of_a_few_turns(n: int) -> None:
    rng = np.random.default_rng(0)
    u, p = rng.standard_normal(n), np.array(0.7)
    found = {}
    for count in (24, 72):
        f = cr.compile(cr.value_and_grad(lambda u, p, count=count: steps(u, p, count), (0, 1)))
        value, gradients = f(u, p)
        expected = cr.value_and_grad(lambda u, p, count=count: steps(u, p, count), (0, 1))(u, p)
        np.testing.assert_allclose(value, expected[0], rtol=1e-12)
        for mine, other in zip(gradients, expected[1], strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-11, atol=1e-13)
        found[count] = kernels(f)
    assert found[72][1] > 2 * found[24][1]
    assert found[72][0] <= found[24][0] + 2


def test_the_same_steps_at_other_places_share_a_kernel() -> None:
    """Columns of one array: the first elements differ, the steps through it do not."""
    x = np.random.default_rng(1).standard_normal((6, 40))

    def f(x: Any) -> Any:
        return tuple(np.sin(row[:10] - row[20:30]).sum() for row in x)

    compiled = cr.compile(f)
    np.testing.assert_allclose(compiled(x), np.sin(x[:, :10] - x[:, 20:30]).sum(1), rtol=1e-14)
    assert kernels(compiled) == (1, 6)


def test_what_differs_is_not_shared() -> None:
    """A constant, a dtype, a shape, a distance between two places in one array."""
    x = np.random.default_rng(2).standard_normal(60)

    def f(x: Any, y: Any) -> Any:
        return (
            (x[:10] * 2.0).sum(), (x[20:30] * 3.0).sum(), (x[30:41] * 2.0).sum(),
            (y[:10] * 2.0).sum(), (x[:10] * x[10:20]).sum(), (x[:10] * x[11:21]).sum(),
        )  # fmt: skip

    compiled = cr.compile(f)
    y = x.astype(np.float32)
    for mine, other in zip(compiled(x, y), f(x, y), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-5)
    assert kernels(compiled)[0] == 0


def test_a_program_of_thousands_of_kernels_compiles() -> None:
    """The table of what a call needs is copied, not written out."""
    u = np.linspace(0.0, 1.0, 3)

    def f(u: Any) -> Any:
        for _ in range(300):
            u = u + 0.01 * np.stack([u[1] * u[2], -u[0], np.sin(u[0])])
        return u.sum()

    compiled = cr.compile(cr.value_and_grad(f))
    value, gradient = compiled(u)
    expected = cr.value_and_grad(f)(u)
    np.testing.assert_allclose(value, expected[0], rtol=1e-12)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-11)


def test_equal_products_are_written_once() -> None:
    """Rows of the data are read at different places by what follows the product."""

    def f(w: Any, xs: Any) -> Any:
        h = xs[0]
        for x in xs[1:]:
            h = np.tanh(h @ w + x)
        return np.sum(h * h)

    rng = np.random.default_rng(4)
    w, xs = rng.standard_normal((5, 5)), rng.standard_normal((30, 4, 5))
    written = []
    for count in (10, 30):
        compiled = cr.compile(cr.value_and_grad(f, (0, 1)))
        value, gradients = compiled(w, xs[:count])
        expected = cr.value_and_grad(f, (0, 1))(w, xs[:count])
        np.testing.assert_allclose(value, expected[0], rtol=1e-12)
        for mine, other in zip(gradients, expected[1], strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-11, atol=1e-13)
        source = compiled.source()
        written.append(source.count('define void @"product_'))
        assert source.count('call void @"product_') >= 3 * (count - 2)
    assert written[0] == written[1]
