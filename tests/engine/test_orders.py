"""Values that are stored in the order in which they are wanted: no copies, the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import spatial


def kernels(compiled: Any) -> list[str]:
    run = next(iter(compiled.versions.values())).run
    return [group.name for group in run.grouping.groups]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 16, 21])
def test_the_gradient_of_maxima_is_written_row_by_row(dtype: Any, channels: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.permutation(3 * 8 * 6 * channels).reshape(3, 8, 6, channels).astype(dtype) / 50

    def f(x: Any) -> Any:
        y = cr.relu(x - 1.0)
        return (spatial.max_pool(y, 2) ** 2).sum()

    compiled = cr.compile(cr.grad(f))
    windows = np.maximum(x - 1, 0).reshape(3, 4, 2, 3, 2, channels)
    top = windows.max((2, 4), keepdims=True)
    expected = np.where(windows == top, 2 * windows, 0).reshape(x.shape)  # one of each is largest
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(compiled(x), expected, rtol=4 * eps)
    assert channels == 1 or not any("copy" in name for name in kernels(compiled))


def test_the_mask_of_a_relu_is_applied_where_the_gradient_of_maxima_is_made() -> None:
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((3, 8, 6, 5)), rng.standard_normal((1, 1, 5, 16))

    def f(kernel: Any, bias: Any) -> Any:
        y = cr.relu(spatial.conv2d(x, kernel) + bias)
        return (spatial.max_pool(y, 2) ** 2).sum()

    compiled = cr.compile(cr.grad(f, argnums=(0, 1)))
    y = np.maximum(x @ kernel[0, 0], 0).reshape(3, 4, 2, 3, 2, 16)
    g = np.where(y == y.max((2, 4), keepdims=True), 2 * y, 0).reshape(-1, 16)
    found = compiled(kernel, np.zeros(16))
    np.testing.assert_allclose(found[0][0, 0], x.reshape(-1, 5).T @ g, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found[1], g.sum(0), rtol=1e-12)
    one = [name for name in kernels(compiled) if "divide" in name]  # among equals the gradient is
    assert len(one) == 1  # divided, and then comes the mask
    assert one[0].endswith("multiply+multiply")


def test_two_values_in_orders_of_their_own() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((4, 5, 6)), rng.standard_normal((24, 3))

    def f(x: Any, w: Any) -> Any:
        y, z = np.sin(x), np.cos(x)
        a = np.transpose(y, (1, 0, 2)).reshape(5, 24)
        b = np.transpose(z, (1, 0, 2)).reshape(5, 24)
        return a @ w, b @ w

    turned = np.transpose(x, (1, 0, 2)).reshape(5, 24)
    compiled = cr.compile(f)
    for found, y in zip(compiled(x, w), (np.sin(turned), np.cos(turned)), strict=True):
        np.testing.assert_allclose(found, y @ w, rtol=1e-12, atol=1e-12)
    assert not any("copy" in name for name in kernels(compiled))


@pytest.mark.parametrize("axes", [(1, 0, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0)])
def test_what_others_read_too_is_copied(axes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((4, 5, 6)), rng.standard_normal((12, 3))

    def f(x: Any, w: Any) -> Any:
        y = np.sin(x)
        return np.transpose(y, axes).reshape(-1, 12) @ w, y.reshape(-1, 12) @ w, y[1:]

    y = np.sin(x)
    expected = np.transpose(y, axes).reshape(-1, 12) @ w, y.reshape(-1, 12) @ w, y[1:]
    for found, other in zip(cr.compile(f)(x, w), expected, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-12, atol=1e-12)


def test_equal_kernels_that_store_in_different_orders_are_not_shared() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((4, 5, 6)), rng.standard_normal((24, 3))
    v = rng.standard_normal((30, 3))

    def f(x: Any, w: Any, v: Any) -> Any:
        y = np.sin(x + x.sum())
        a = np.transpose(y, (1, 0, 2)).reshape(5, 24) @ w
        z = np.sin(x + a.sum())
        return z.reshape(4, 30) @ v

    y = np.sin(x + x.sum())
    z = np.sin(x + (np.transpose(y, (1, 0, 2)).reshape(5, 24) @ w).sum())
    np.testing.assert_allclose(cr.compile(f)(x, w, v), z.reshape(4, 30) @ v, rtol=1e-9, atol=1e-9)
