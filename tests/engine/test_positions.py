"""Indices and masks that compiled code is given: the elements that NumPy takes and writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import BranchError, ShapeError

RNG = np.random.default_rng(4)
X = RNG.standard_normal((5, 4, 3))


def whole(*shape: int, below: int) -> Callable[[], np.ndarray]:
    return lambda: RNG.integers(-below, below, shape)


READS: dict[str, tuple[Any, list[Any]]] = {
    "rows": (lambda x, k: x[k], [whole(7, below=5)]),
    "a row": (lambda x, k: x[k], [whole(below=5)]),
    "rows of a table": (lambda x, k: x[k], [whole(2, 3, below=5)]),
    "columns": (lambda x, k: x[:, k], [whole(6, below=4)]),
    "the last axis": (lambda x, k: x[..., k], [whole(2, below=3)]),
    "pairs": (lambda x, k, j: x[k, j], [whole(6, below=5), whole(6, below=4)]),
    "pairs apart": (lambda x, k, j: x[k, :, j], [whole(6, below=5), whole(6, below=3)]),
    "with a number": (lambda x, k: x[k, 1], [whole(6, below=5)]),
    "with a plain array": (lambda x, k: x[np.arange(5), k], [whole(5, below=4)]),
    "with a slice": (lambda x, k: x[1:4, ::-2, k], [whole(2, 2, below=3)]),
    "broadcast": (lambda x, k, j: x[k, j, 0], [whole(3, 1, below=5), whole(4, below=4)]),
    "take": (lambda x, k: np.take(x, k), [whole(3, 2, below=60)]),
    "take along 1": (lambda x, k: np.take(x, k, axis=1), [whole(3, 2, below=4)]),
    "take and wrap": (lambda x, k: np.take(x, k, 2, mode="wrap"), [whole(4, below=9)]),
    "take and clip": (lambda x, k: np.take(x, k, 0, mode="clip"), [whole(4, below=9)]),
    "along an axis": (
        lambda x, k: np.take_along_axis(x, k, 1), [whole(5, 6, 3, below=4)],
    ),
    "along none": (lambda x, k: np.take_along_axis(x, k, None), [whole(7, below=60)]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("case", READS.values(), ids=READS)
def test_elements_are_taken(case: Any, dtype: Any) -> None:
    read, makers = case
    x = X.astype(dtype)
    compiled = cr.compile(read)
    weighted = lambda x, *ks: (np.sin(read(x, *ks)) * 2.0).sum()  # noqa: E731
    gradient = cr.compile(cr.grad(weighted))
    for _ in range(3):
        ks = [make() for make in makers]
        expected = read(x, *ks)
        got = compiled(x, *ks)
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype
        # Σ sin over what is taken: each element has the slope cos as often as it is taken.
        places = read(np.arange(x.size).reshape(x.shape), *ks)
        counts = np.bincount(places.ravel(), minlength=x.size).reshape(x.shape)
        np.testing.assert_allclose(gradient(x, *ks), 2 * counts * np.cos(x), rtol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_places_in_a_sorted_array(side: Any, kind: Any) -> None:
    rng = np.random.default_rng(5)
    for n in (1, 2, 3, 7, 8, 100):
        a = np.sort(rng.integers(0, 20, n)).astype(kind)
        v = rng.integers(-2, 23, (3, 11)).astype(kind)
        if kind is not np.int64:
            a[n // 2 + 1 :], v[0, :2], v[1, :2] = np.nan, np.nan, np.inf
            v[2, :2] = -np.inf
        f = lambda a, v: np.searchsorted(a, v, side=side)  # noqa: E731
        np.testing.assert_array_equal(cr.compile(f)(a, v), f(a, v))


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
def test_interpolation(dtype: Any) -> None:
    knots, heights = np.array([0.0, 0.5, 2.0, 3.0]), np.array([1.0, -1.0, 0.5, 4.0])
    compiled = cr.compile(lambda x: np.interp(x, knots, heights))
    slope = cr.compile(cr.grad(lambda x: np.interp(x, knots, heights).sum()))
    for x in (np.linspace(-1, 4, 37), np.array([0.0, 0.5, 3.0, np.inf, -np.inf])):
        x = x.astype(dtype)
        np.testing.assert_allclose(compiled(x), np.interp(x, knots, heights), rtol=1e-6)
    inside = np.array([0.1, 0.4, 1.0, 2.9, -1.0, 5.0], dtype)
    np.testing.assert_allclose(slope(inside), [-4, -4, 1, 3.5, 0, 0], rtol=1e-6)


def copied(x: Any, write: Any, *rest: Any) -> Any:
    y = x * 1.0
    write(y, *rest)
    return y


WRITES: dict[str, tuple[Any, list[Any], tuple[int, ...]]] = {
    "a row": (lambda y, v, k: y.__setitem__(k, v), [whole(below=5)], (4, 3)),
    "rows": (lambda y, v, k: y.__setitem__(k, v), [whole(7, below=5)], (7, 4, 3)),
    "one value": (lambda y, v, k: y.__setitem__(k, v), [whole(7, below=5)], ()),
    "columns": (
        lambda y, v, k: y.__setitem__((slice(None), k), v), [whole(3, below=4)], (5, 3, 3),
    ),
    "pairs": (
        lambda y, v, k, j: y.__setitem__((k, j), v),
        [whole(6, below=5), whole(6, below=4)], (6, 3),
    ),
    "an element": (
        lambda y, v, k, j: y.__setitem__((k, j, 0), v), [whole(below=5), whole(below=4)], (),
    ),
    "a view": (lambda y, v, k: y[1:, 2].__setitem__(k, v), [whole(below=4)], (3,)),
    "a mask": (lambda y, v, m: y.__setitem__(m > 20, v), [whole(5, 4, 3, below=60)], ()),
    "a mask of rows": (lambda y, v, m: y.__setitem__(m > 0, v), [whole(5, below=9)], (4, 3)),
    "a mask of a view": (
        lambda y, v, m: y[:, 1].__setitem__(m > 0, v), [whole(5, below=9)], (3,),
    ),
    "added": (lambda y, v, k: np.add.at(y, k, v), [whole(7, below=5)], (7, 4, 3)),
    "subtracted": (
        lambda y, v, k: np.subtract.at(y, (slice(None), k), v), [whole(7, below=4)], (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRITES.values(), ids=WRITES)
def test_elements_are_written(case: Any) -> None:
    write, makers, shape = case
    v = np.asarray(RNG.standard_normal(shape))[()]
    f = lambda x, v, *ks: copied(x, write, v, *ks)  # noqa: E731
    compiled = cr.compile(f)
    gradient = cr.compile(cr.grad(lambda x, v, *ks: (f(x, v, *ks) ** 2).sum(), argnums=(0, 1)))
    for _ in range(3):
        ks = [make() for make in makers]
        expected = f(X, v, *ks)
        np.testing.assert_allclose(compiled(X, v, *ks), expected, rtol=1e-14)
        for got, plain in zip(
            gradient(X, v, *ks),
            cr.grad(lambda x, v: (f(x, v, *ks) ** 2).sum(), argnums=(0, 1))(X, v),
            strict=True,
        ):
            np.testing.assert_allclose(got, plain, rtol=1e-13, atol=1e-13)


def test_steps_of_a_loop_write_where_they_stand() -> None:
    def squares(x: Any) -> Any:
        def step(y: Any, k: Any) -> Any:
            y = y.copy()
            y[k] = x[k] * k + y[k - 1]
            return y, None

        return cr.scan(step, np.zeros_like(x), np.arange(1, 6))[0]

    x = np.linspace(1.0, 2.0, 6)
    expected = np.cumsum(x * np.arange(6))
    np.testing.assert_allclose(cr.compile(squares)(x), expected, rtol=1e-14)
    slopes = cr.compile(cr.jacobian(squares))(x)
    np.testing.assert_allclose(slopes, np.tril(np.ones((6, 6))) * np.arange(6), atol=1e-14)


def test_what_has_a_shape_that_depends_on_values_is_refused() -> None:
    with pytest.raises(BranchError, match=r"shape depends on values(?s:.*)np\.where\(mask, x, 0\)"):
        cr.compile(lambda x: x[x > 0].sum())(X)
    with pytest.raises(BranchError, match=r"test_positions\.py"):
        cr.compile(lambda x: x[:, x[0, :, 0] > 0].sum())(X)
    with pytest.raises(ShapeError, match=r"np\.where\(mask, values, y\)"):
        cr.compile(lambda x: copied(x, lambda y: y.__setitem__(x > 0, np.ones(3))))(X)
    with pytest.raises(BranchError, match="a length or a range"):
        cr.compile(lambda x, k: x[:k])(X, 2)


def test_a_plain_array_is_looked_up_as_the_error_says() -> None:
    table, i = np.arange(6.0) ** 2, np.array([4, 1])
    for k in (i, 3):
        with pytest.raises(BranchError, match=r"np\.asarray\(table, like=i\)\[i\] looks up"):
            cr.compile(lambda i: table[i] * 2.0)(k)
        found = cr.compile(lambda i: np.asarray(table, like=i)[i] * 2.0)(k)
        np.testing.assert_array_equal(found, table[k] * 2.0)


def test_the_estimate_counts_what_is_looked_up_one_by_one() -> None:
    n = 100_000
    gradient = cr.compile(cr.grad(lambda x, k: (x[k] * x[k]).sum()))
    gradient(np.ones(10), np.zeros(n, int))
    run = next(iter(gradient.versions.values())).run
    seconds = {group.name: run.work.seconds(group) for group in run.grouping.groups}
    both = [x for name, x in seconds.items() if "take" in name or "scatter" in name]
    assert len(both) == 2
    assert min(both) >= 0.5e-9 * n
