"""Reductions in compiled code: any shape, stride and dtype, NaN, infinities, ties, extremes.

What is exact is held against NumPy; what is rounded, or scaled, against the reference engine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr

SHAPES: list[tuple[int, ...]] = [
    (1,), (7,), (64,), (1003,), (1, 5), (5, 1), (9, 7), (3, 129), (130, 3), (2, 3, 19), (4, 1, 33),
    (2, 3, 4, 5), (0,), (3, 0),
]  # fmt: skip
EXACT: dict[str, Any] = {
    "any": lambda x, axis: np.any(x > 1.5, axis=axis),
    "any of numbers": lambda x, axis: np.any(x, axis=axis),
    "all": lambda x, axis: np.all(x < 1.5, axis=axis, keepdims=True),
    "count_nonzero": lambda x, axis: np.count_nonzero(x > 0, axis=axis),
    "sum of truths": lambda x, axis: np.sum(x > 0, axis=axis),
    "argmax": lambda x, axis: np.argmax(x, axis=axis),
    "argmin": lambda x, axis: np.argmin(x, axis=axis, keepdims=True),
    "max": lambda x, axis: np.max(x, axis=axis),
    "min": lambda x, axis: np.min(x, axis=axis),
    "cumsum of truths": lambda x, axis: np.cumsum(x > 0, axis=axis),
}
CLOSE: dict[str, Any] = {
    "prod": lambda x, axis: np.prod(x, axis=axis),
    "norm": lambda x, axis: np.linalg.norm(x, axis=axis),
    "std": lambda x, axis: np.std(x, axis=axis),
    "logsumexp": lambda x, axis: cr.logsumexp(x, axis=axis),
    "cumsum": lambda x, axis: np.cumsum(x, axis=axis),
    "cumprod": lambda x, axis: np.cumprod(x, axis=axis),
    "nansum": lambda x, axis: np.nansum(x, axis=axis),
    "nanmean": lambda x, axis: np.nanmean(x, axis=axis),
    "nanmax": lambda x, axis: np.nanmax(x, axis=axis),
}
WHOLE: dict[str, Any] = {
    "sum": lambda k, axis: np.sum(k, axis=axis),
    "max": lambda k, axis: np.max(k, axis=axis),
    "min": lambda k, axis: np.min(k, axis=axis),
    "argmax": lambda k, axis: np.argmax(k, axis=axis),
    "any": lambda k, axis: np.any(k % 3, axis=axis),
    "cumsum": lambda k, axis: np.cumsum(k, axis=axis),
    "rounded down": lambda k, axis: (k // 7) * 7 + k % 7 - k + (k // -7) % 5,
    "by zero": lambda k, axis: k // (k - k) + k % (k - k),
    "squared": lambda k, axis: k**2 % 1001,
    "bits": lambda k, axis: (k & 12) | (k ^ 5) | ~k,
}


def drawn(shape: tuple[int, ...], dtype: Any, rng: np.random.Generator) -> list[np.ndarray]:
    """Values with ties; the same with NaN and infinities; reversed in memory; of all sizes."""
    x = np.round(rng.standard_normal(shape), 1).astype(dtype)
    marked = x.copy()
    if x.size:
        marked.flat[rng.integers(x.size)] = np.inf
        marked.flat[rng.integers(x.size)] = -np.inf
        marked.flat[rng.integers(x.size)] = np.nan
    largest = 30 if dtype is np.float32 else 300
    wild = 10.0 ** rng.uniform(-largest, largest, shape) * rng.choice([-1, 1], shape)
    return [x, marked, x[::-1].copy()[::-1], np.asfortranarray(x), wild.astype(dtype)]


def axes(shape: tuple[int, ...]) -> list[int | None]:
    return [None, 0, len(shape) - 1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", [*EXACT, *CLOSE])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers(name: str, dtype: Any) -> None:
    f = {**EXACT, **CLOSE}[name]
    rng = np.random.default_rng(len(name))
    for k in rng.choice(len(SHAPES), 5, replace=False):
        shape = SHAPES[k]
        axis = axes(shape)[int(rng.integers(3))]
        g = lambda x, f=f, axis=axis: f(x, axis)  # noqa: E731
        compiled = cr.compile(g)
        plain = g if name in EXACT else cr.compile(g, engine="numpy")
        for x in drawn(shape, dtype, rng)[: 4 if "prod" in name else 5]:
            with np.errstate(all="ignore"):
                try:
                    expected = plain(x)
                except (ValueError, cr.errors.ChainruleError):  # an extreme of nothing
                    continue
                got = compiled(x)
            assert np.shape(got) == np.shape(expected)
            assert np.asarray(got).dtype == np.asarray(expected).dtype
            if name in EXACT:
                np.testing.assert_array_equal(got, expected)
                continue
            # In sums the error is in relation to the terms.
            finite = x[np.isfinite(x)]
            size = 0.0 if "prod" in name else float(np.abs(finite).max(initial=0.0)) * x.size
            eps = float(np.finfo(dtype).eps)
            if size * eps < np.finfo(dtype).max / 1e3:
                np.testing.assert_allclose(got, expected, rtol=200 * eps, atol=4 * eps * size)


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers(name: str) -> None:
    f = WHOLE[name]
    rng = np.random.default_rng(5)
    for shape in SHAPES[:-2]:
        axis = axes(shape)[int(rng.integers(3))]
        compiled = cr.compile(lambda k, f=f, axis=axis: f(k, axis))
        for span in (9, 2**61):
            k = rng.integers(-span, span, shape)
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(compiled(k), f(k, axis))


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
def test_norms_neither_overflow_nor_underflow(dtype: Any) -> None:
    info = np.finfo(dtype)
    norm = cr.compile(lambda x: np.linalg.norm(x))
    for scale in (info.max / 8, info.max**0.75, 1.0, info.tiny**0.75, info.tiny * 16):
        x = (np.array([3.0, -4.0] * 10) * scale / 4).astype(dtype)
        np.testing.assert_allclose(norm(x), scale / 4 * 5 * np.sqrt(10), rtol=4 * info.eps)
    mixed = np.array([info.max / 4, 1.0, info.tiny] * 5, dtype)
    np.testing.assert_allclose(norm(mixed[:15]), info.max / 4 * np.sqrt(5), rtol=4 * info.eps)
