"""Products that read gathered rows from the data: the same numbers, and no copy of the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.tracing import flatten


def squares(w: Any, x: Any, i: Any) -> Any:
    h = x[i]
    return (np.tanh(h.reshape(h.shape[0], -1) @ w) ** 2).sum()


def kernels(compiled: Any) -> list[str]:
    run = next(iter(compiled.versions.values())).run
    return [group.name for group in run.grouping.groups]


def given(dtype: Any, n: int, shape: tuple[int, ...], rows: int, columns: int) -> Any:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, *shape)).astype(dtype)
    w = (rng.standard_normal((int(np.prod(shape)), columns)) / 30).astype(dtype)
    return w, x, rng.integers(-n, n, rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "sizes",
    [
        (50, (7,), 9, 5),
        (30, (4, 4), 16, 16),  # a square, so that shapes do not tell a transpose
        (300, (28, 28), 128, 256),
        (20, (30,), 1, 17),
        (1, (7,), 3, 40),
        (9, (1,), 5, 40),
        (2000, (1200,), 300, 300),  # rows are copied side by side, column by column
    ],
)
def test_value_and_gradient(dtype: Any, sizes: Any) -> None:
    w, x, i = given(dtype, *sizes)
    f = cr.compile(cr.value_and_grad(squares))
    value, gradient = f(w, x, i)
    rows = x[i].reshape(len(i), -1).astype(np.float64)
    h = np.tanh(rows @ w.astype(np.float64))
    expected = rows.T @ (2 * h * (1 - h**2))
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(value, (h**2).sum(), rtol=100 * eps)
    np.testing.assert_allclose(gradient, expected, atol=200 * eps * np.abs(expected).max())
    gathers = any("take" in name for name in kernels(f))
    if len(i) > 1:  # one row may as well be taken by a loop
        assert gathers == (min(len(x), len(w)) == 1)  # a single row may lie either way


def test_positions_out_of_range_are_brought_to_the_end() -> None:
    w, x, _ = given(np.float64, 20, (6,), 4, 3)
    f = cr.compile(lambda w, x, i: x[i] @ w)
    f(w, x, np.zeros(4, np.int64))
    found = f(w, x, np.array([-(10**9), 10**9, -20, 19]))
    np.testing.assert_allclose(found, x[[0, 19, 0, 19]] @ w)


@pytest.mark.parametrize(
    "f",
    [
        lambda w, x, i: (x[i] @ w, x[i]),
        lambda w, x, i: x[i] @ w + x[i].sum(),
        lambda w, x, i: w.T @ x[i].T,
        lambda w, x, i: x[i] @ w[:, :1],
        lambda w, x, i: x[i] @ x[i].T,
        lambda w, x, i: (x + 1.0)[i] @ w,
        lambda w, x, i: x[i].reshape(-1, 4) @ w[:4],
        lambda w, x, i: x[i].T.reshape(8, 6) @ w,
    ],
)
def test_rows_that_others_read_too_are_gathered(f: Callable[..., Any]) -> None:
    w, x, _ = given(np.float64, 20, (6,), 8, 3)
    i = np.array([3, 3, 0, 19, -1, 7, 8, 2])
    compiled = cr.compile(f)
    pairs = zip(flatten(compiled(w, x, i))[0], flatten(f(w, x, i))[0], strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert any("take" in name for name in kernels(compiled))


def test_the_batch_of_a_step_has_no_memory() -> None:
    w, x, i = given(np.float32, 500, (784,), 128, 64)
    compiled = cr.compile(cr.value_and_grad(squares))
    compiled(w, x, i)
    run = next(iter(compiled.versions.values())).run
    assert run.storage.arena_size < x[i].nbytes
