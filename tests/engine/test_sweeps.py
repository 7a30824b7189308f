"""Two products with one large matrix in a single pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    yield
    cr.set_threads(None)


def sweeps(compiled: Any, *args: Any) -> int:
    compiled(*args)
    return len(next(reversed(compiled.versions.values())).run.storage.sweeps)


def problem(rows: int, columns: int, dtype: str) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(rows)
    x = rng.standard_normal((rows, columns)).astype(dtype)
    return rng.standard_normal(columns).astype(dtype) / 8, x, (rng.random(rows) > 0.5).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "columns"), [(3001, 97), (70_003, 4), (5000, 200), (2600, 511)])
def test_logistic_regression_has_the_known_gradient(rows: int, columns: int, dtype: str) -> None:
    w, x, y = problem(rows, columns, dtype)
    f = cr.compile(cr.value_and_grad(lambda w, x, y: cr.sigmoid_cross_entropy(x @ w, y).mean()))
    assert sweeps(f, w, x, y) == (x.nbytes >= 2**20 and 64 * x.itemsize * columns <= 2**17)
    z = x.astype(np.longdouble) @ w
    value = np.mean(np.logaddexp(0, z) - y * z)
    slope = x.T.astype(np.longdouble) @ (1 / (1 + np.exp(-z)) - y) / rows
    found = []
    for threads in (1, 2, 3):
        cr.set_threads(threads)
        found.append(f(w, x, y))
    eps = float(np.finfo(dtype).eps)
    assert abs(found[0][0] - value) < 40 * eps * value
    np.testing.assert_allclose(found[0][1], slope, rtol=0, atol=200 * eps * np.abs(slope).max())
    for other in found[1:]:
        np.testing.assert_array_equal(found[0][1], other[1])


def test_a_row_times_the_matrix_and_steps_after_it() -> None:
    w, x, y = problem(4000, 50, "float64")

    def descend(w: Any, x: Any, y: Any) -> Any:
        r = np.exp(x @ w) - y
        return w - 0.1 * (r @ x) / len(x)

    f = cr.compile(descend)
    assert sweeps(f, w, x, y) == 1
    np.testing.assert_allclose(f(w, x, y), descend(w, x, y), rtol=1e-12)


def test_what_needs_the_whole_first_product_is_no_sweep() -> None:
    w, x, _ = problem(4000, 50, "float64")

    def f(w: Any, x: Any) -> Any:
        z = x @ w
        return (z / z.sum()) @ x

    assert sweeps(cr.compile(f), w, x) == 0
    np.testing.assert_allclose(cr.compile(f)(w, x), f(w, x), rtol=1e-10)
