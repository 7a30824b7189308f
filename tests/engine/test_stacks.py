"""Products of stacks of matrices, and np.einsum: shapes, strides, broadcasting, threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr

PAIRS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((2, 3, 4), (2, 4, 5)),
    ((1, 3, 4), (6, 4, 1)),
    ((7, 1, 1), (7, 1, 9)),
    ((2, 3, 5, 4, 6), (2, 3, 5, 6, 3)),
    ((3, 1, 4, 2, 7), (5, 1, 7, 2)),
    ((4, 6), (2, 3, 6, 5)),
    ((6,), (5, 6, 4)),
    ((5, 4, 6), (6,)),
    ((2, 17, 33), (2, 33, 19)),
    ((64, 33, 40), (64, 40, 50)),
    ((2, 1, 0, 3), (4, 3, 2)),
]


def laid_out(x: np.ndarray, kind: int) -> np.ndarray:
    """The same numbers: as they are, with turned matrices, within a larger array."""
    if kind == 1 and x.ndim > 1:
        return np.swapaxes(np.swapaxes(x, -1, -2).copy(), -1, -2)
    if kind == 2:
        wide = np.zeros((*x.shape[:-1], x.shape[-1] + 3), x.dtype)
        wide[..., 1:-2] = x
        return wide[..., 1:-2]
    return x


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_products(pair: Any, dtype: Any) -> None:
    rng = np.random.default_rng(6)
    eps = float(np.finfo(dtype).eps)
    for kind in range(3):
        # Compiled code reads its inputs in C order: the layouts are made inside.
        x, y = (rng.standard_normal(shape).astype(dtype) for shape in pair)

        def f(x: Any, y: Any, kind: int = kind) -> Any:
            if kind == 1 and x.ndim > 1 and y.ndim > 1:
                turned = np.swapaxes(y * 2.0, -1, -2), np.swapaxes(x + 1.0, -1, -2)
                return np.matmul(*turned)
            return x @ (y[..., ::-1] if kind == 2 and y.ndim > 1 else y)

        expected = f(x.astype(np.float64), y.astype(np.float64))
        got = cr.compile(f)(laid_out(x, kind), laid_out(y, kind))
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=0, atol=300 * eps)


def test_threads_do_not_change_the_bits() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((32, 60, 50)), rng.standard_normal((32, 50, 40))
    found = []
    for threads in (1, 2, 3):
        cr.set_threads(threads)
        try:
            found.append(cr.compile(lambda x, y: np.matmul(x, y))(x, y))
        finally:
            cr.set_threads(None)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


FORMS = [
    ("ij,jk->ik", (3, 4), (4, 5)), ("ij,ij->i", (3, 4), (3, 4)), ("i,j->ij", (3,), (5,)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("bij,bkj->bik", (2, 3, 4), (2, 5, 4)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)), ("abcd,cb->da", (2, 3, 4, 5), (4, 3)),
    ("ij,kl->ijkl", (2, 3), (4, 5)), ("ijk,jk->", (2, 3, 4), (3, 4)), ("ijk->kj", (2, 3, 4), None),
    ("b,bij->ij", (3,), (3, 4, 5)), ("ij,jk,kl->il", (3, 4), (4, 5)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "first", "second"), FORMS, ids=[f[0] for f in FORMS])
def test_sums_over_letters(text: str, first: Any, second: Any) -> None:
    rng = np.random.default_rng(8)
    xs = [rng.standard_normal(shape) for shape in (first, second) if shape is not None]
    more = [rng.standard_normal((5, 6))] if text.count(",") == 2 else []
    f = lambda *xs: np.einsum(text, *xs)  # noqa: E731
    np.testing.assert_allclose(cr.compile(f)(*xs, *more), f(*xs, *more), rtol=1e-13, atol=1e-13)
    numbers = tuple(range(len(xs) + len(more)))
    loss = lambda *xs: np.sum(np.sin(f(*xs)))  # noqa: E731
    gradient = cr.compile(cr.grad(loss, argnums=numbers))
    for got, plain in zip(
        gradient(*xs, *more), cr.grad(loss, argnums=numbers)(*xs, *more), strict=True
    ):
        np.testing.assert_allclose(got, plain, rtol=1e-12, atol=1e-12)
