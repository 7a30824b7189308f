"""NumPy functions that reduce, accumulate and sort: NumPy's values, and derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.numpy_api.cases import (
    E0,
    MASK,
    QS,
    M,
    Q,
    R,
    S,
    T,
    V,
    W,
    case,
    check_case,
    marked,
    same_value,
)

P = np.abs(M) + 0.5


def put(a: Any, index: Any, values: Any, axis: Any) -> Any:
    b = a * 1.0
    np.put_along_axis(b, np.array(index), values, axis)
    return b


NANS = np.where(MASK, np.nan, M)

HOLES = np.where(M > 1.0, np.nan, M)
CASES = [
    case(np.nanmedian, lambda a: np.nanmedian(a), M),
    case(np.nanmedian, lambda a: np.nanmedian(np.where(np.isnan(HOLES), HOLES, a), axis=0), M),
    case(np.nanmedian, lambda a: np.nanmedian(a, axis=-1, keepdims=True), T),
    case(np.bincount, lambda w: np.bincount([0, 2, 2, 1], w), V),
    case(np.bincount, lambda w: np.bincount(np.array([3, 0, 3, 3]), w, minlength=6), V),
    *(
        case(f, lambda a, f=f, kw=kw: f(a, **kw), x)
        for f in (np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std, np.ptp)
        for x, kw in (
            (S, {}),
            (V, {}),
            (M, {"axis": 0}),
            (M, {"axis": -1, "keepdims": True}),
            (T, {"axis": (0, -1)}),
            (T, {"axis": None, "keepdims": True}),
            (T, {"axis": ()}),
        )
        if not (x is S and f is np.ptp)
    ),
    case(np.amax, lambda a: np.amax(a, 1), M),
    case(np.amin, lambda a: np.amin(a, 0), M),
    *(case(f, lambda a, f=f: f(a, axis=1), E0) for f in (np.sum, np.prod, np.mean)),
    *(case(f, lambda a, f=f: f(a), E0) for f in (np.sum, np.prod)),
    case(np.sum, lambda a: np.sum(a, where=MASK), M),
    case(np.sum, lambda a: np.sum(a, axis=1, where=a > 0, initial=3.0), M),
    case(np.sum, lambda a: np.sum([a, 2 * a][0]), V),
    case(np.sum, lambda a: np.sum(a, dtype=np.float64, axis=0), M),
    case(np.mean, lambda a: np.mean(a, axis=0, where=MASK | (M < -0.1)), M),
    case(np.mean, lambda a: np.mean(a, keepdims=True, where=[True, False, True, True]), M),
    case(np.prod, lambda a: np.prod(a, axis=0, where=MASK, initial=2.0), M),
    case(np.prod, lambda a: np.prod(a * [0.0, 1.0, 1.0, 1.0]), V),
    case(np.prod, lambda a: np.prod(a * [0.0, 1.0, 0.0, 1.0]), V),
    case(np.max, lambda a: np.max(a, axis=1, initial=0.3), M),
    case(np.max, lambda a: np.max(a, axis=1, initial=-9.0, where=MASK), M),
    case(np.min, lambda a: np.min(a, axis=0, initial=9.0, where=MASK), M),
    case(np.var, lambda a: np.var(a, axis=0, ddof=1), M),
    case(np.var, lambda a: np.var(a, correction=1), M),
    case(np.var, lambda a: np.var(a, axis=1, where=MASK | (M < 0), keepdims=True), M),
    case(np.var, lambda a: np.var(a, axis=1, mean=np.mean(a, axis=1, keepdims=True)), M),
    case(np.std, lambda a: np.std(a, axis=(0, 1), ddof=1), T),
    case(np.std, lambda a: np.std(a, axis=1, ddof=1, where=MASK | (M < 0)), M),
    *(
        case(f, lambda a, f=f, axis=axis: f(a, axis=axis), x)
        for f in (np.cumsum, np.cumprod)
        for x, axis in ((V, None), (M, None), (M, 0), (T, -2))
    ),
    case(np.cumprod, lambda a: np.cumprod(a * [1.0, 0.0, 1.0, 0.0]), V),
    case(np.cumsum, lambda a: np.cumsum(a, axis=0), E0),
    case(np.cumulative_sum, lambda a: np.cumulative_sum(a), V),
    case(np.cumulative_sum, lambda a: np.cumulative_sum(a, axis=1, include_initial=True), M),
    case(np.cumulative_prod, lambda a: np.cumulative_prod(a, axis=1), M),
    case(np.cumulative_prod, lambda a: np.cumulative_prod(a, axis=0, include_initial=True), M),
    case(np.average, lambda a: np.average(a, axis=0), M),
    case(np.average, lambda a, b: np.average(a, weights=b), M, P),
    case(np.average, lambda a, b: np.average(a, axis=1, weights=b), M, P[0]),
    case(np.average, lambda a, b: np.average(a, 0, b, returned=True), M, P[:, 0]),
    case(np.average, lambda a, b: np.average(a, axis=1, weights=b, keepdims=True), M, P),
    case(np.median, lambda a: np.median(a), V),
    case(np.median, lambda a: np.median(a), W),
    case(np.median, lambda a: np.median(a, axis=1), M),
    case(np.median, lambda a: np.median(a, axis=(0, 2), keepdims=True), T),
    case(np.sort, lambda a: np.sort(a), M),
    case(np.sort, lambda a: np.sort(a, axis=0), T),
    case(np.sort, lambda a: np.sort(a, axis=None), M),
    case(np.diff, lambda a: np.diff(a), M),
    case(np.diff, lambda a: np.diff(a, n=2, axis=0), M),
    case(np.diff, lambda a: np.diff(a, n=0), V),
    case(np.diff, lambda a, b: np.diff(a, prepend=b, append=0.0), V, S),
    case(np.diff, lambda a: np.diff(a, axis=0, prepend=a[:1]), M),
    case(np.clip, lambda a: np.clip(a, -0.5, 0.5), M),
    case(np.clip, lambda a: np.clip(a, None, 0.5), M),
    case(np.clip, lambda a, b: np.clip(a, b, [0.9, 1.0, 1.1, 1.2]), M, S / 9),
    case(np.clip, lambda a: np.clip(a, min=0.1), M),
    case(np.nansum, lambda a: np.nansum(np.where(MASK, np.nan, a), axis=0), M),
    case(np.nanmean, lambda a: np.nanmean(np.where(MASK, np.nan, a)), M),
    case(np.nanmean, lambda a: np.nanmean(np.where(M > 0.9, np.nan, a), 1, keepdims=True), M),
    case(np.nanmax, lambda a: np.nanmax(np.where(MASK, np.nan, a)), M),
    case(np.nanmin, lambda a: np.nanmin(np.where(MASK, np.nan, a)), M),
    case(np.nansum, lambda a: np.nansum(np.where(MASK, np.nan, a), 1, initial=2.0), M),
    case(np.nansum, lambda a: np.nansum(np.where(MASK, np.nan, a), 0, where=M > -1), M),
    case(np.nanmean, lambda a: np.nanmean(np.where(MASK, np.nan, a), where=M > -1), M),
    case(np.nanmax, lambda a: np.nanmax(np.where(MASK, np.nan, a), 0, initial=-0.4), M),
    case(np.nanmax, lambda a: np.nanmax(np.where(M < 0.4, a, np.nan), 1, None, True), M),
    case(np.nanmin, lambda a: np.nanmin(np.where(MASK, np.nan, a), initial=9, where=M > -1), M),
    case(np.nanprod, lambda a: np.nanprod(np.where(MASK, np.nan, a), axis=1), M),
    case(np.nancumsum, lambda a: np.nancumsum(np.where(MASK, np.nan, a), axis=1), M),
    case(np.nancumprod, lambda a: np.nancumprod(np.where(MASK, np.nan, a)), M),
    case(np.nanargmax, lambda a: a[0, np.nanargmax(np.where(MASK, np.nan, a), 1)], M),
    case(np.nanargmin, lambda a: a.ravel()[np.nanargmin(np.where(MASK, np.nan, a))], M),
    case(np.nanvar, lambda a: np.nanvar(np.where(MASK, np.nan, a)), M),
    case(np.nanvar, lambda a: np.nanvar(np.where(M > 0.9, np.nan, a), 1, ddof=1), M),
    case(np.nanstd, lambda a: np.nanstd(np.where(MASK, np.nan, a), keepdims=True), M),
    case(np.nanstd, lambda a: np.nanstd(np.where(M > 0.9, np.nan, a), 0, where=M > -1), M),
    *(
        case(
            function, lambda a, f=function, q=q, kw=kw: f(np.where(M > 0.9, np.nan, a), q, **kw), M
        )
        for function, q, kw in (
            (np.nanquantile, 0.3, {}),
            (np.nanquantile, [0.25, 0.5], {"axis": 1}),
            (np.nanquantile, 0.8, {"axis": 0, "keepdims": True}),
            (np.nanquantile, 0.4, {"axis": 1, "method": "lower"}),
            (np.nanquantile, 0.4, {"axis": 1, "method": "higher"}),
            (np.nanquantile, 0.4, {"axis": 1, "method": "midpoint"}),
            (np.nanquantile, 0.4, {"axis": 1, "method": "nearest"}),
            (np.nanpercentile, [0, 35, 99], {}),
        )
    ),
    case(np.nanmedian, lambda a: np.nanmedian(np.where(M > 0.9, np.nan, a)), M),
    case(np.nanmedian, lambda a: np.nanmedian(np.where(M > 0.9, np.nan, a), axis=0), M),
    case(np.nanmedian, lambda a: np.nanmedian(a, axis=(0, 2), keepdims=True), T),
    case(np.histogram, lambda w: np.histogram([0.1, 0.5, 2.0, 0.7], 3, weights=w)[0], V),
    case(
        np.histogram,
        lambda w: np.histogram([0.1, 0.5, 2.0, 9.0], [0.0, 0.5, 2.0], weights=w, density=True)[0],
        V**2,
    ),
    *(
        case(np.quantile, lambda a, q=q, kw=kw: np.quantile(a, q, **kw), x)
        for x, q, kw in (
            (V, 0.3, {}),
            (V, 0.0, {}),
            (W, 1.0, {}),
            (M, [0.25, 0.5], {"axis": 1}),
            (T, 0.7, {"axis": (0, 2), "keepdims": True}),
            (V, 0.4, {"method": "lower"}),
            (V, 0.4, {"method": "higher"}),
            (V, 0.4, {"method": "midpoint"}),
            (V, 0.4, {"method": "nearest"}),
            (M, [[0.1, 0.9]], {}),
        )
    ),
    case(np.percentile, lambda a: np.percentile(a, 35), V),
    case(np.percentile, lambda a: np.percentile(a, [10, 90], axis=0), M),
    case(np.cov, lambda a: np.cov(a), M),
    case(np.cov, lambda a: np.cov(a), V),
    case(np.cov, lambda a: np.cov(a, rowvar=False, bias=True), M),
    case(np.cov, lambda a, b: np.cov(a, b, ddof=0), V, V[::-1] ** 2),
    case(np.corrcoef, lambda a: np.corrcoef(a), M),
    case(np.corrcoef, lambda a, b: np.corrcoef(a, b), V, V[::-1] ** 2),
    case(np.gradient, lambda a: np.gradient(a), V),
    case(np.gradient, lambda a: np.gradient(a, 0.25, edge_order=2), V),
    case(np.gradient, lambda a, b: np.gradient(a, np.cumsum(np.abs(b) + 0.5)), V, V),
    case(np.gradient, lambda a: np.gradient(a, [0.0, 0.5, 2.0, 2.5], edge_order=2), V),
    case(np.gradient, lambda a: np.gradient(a, 0.5, 2.0)[0], M),
    case(np.gradient, lambda a: np.gradient(a, axis=1)[:, 1:], M),
    case(np.put_along_axis, lambda a, b: put(a, [[1], [0], [3]], b, 1), M, S),
    case(np.put_along_axis, lambda a, b: put(a, [[1, 0, 2, 2]], b, 0), M, V),
    case(np.put_along_axis, lambda a, b: put(a, [5, -1, 0], b, None), M, W),
    case(np.unwrap, lambda a: np.unwrap(5 * a), V),
    case(np.unwrap, lambda a: np.unwrap(9 * a, axis=0, period=3.0), M),
    case(np.unwrap, lambda a: np.unwrap(9 * a, discont=5.0), M),
    case(np.partition, lambda a: np.partition(a, 1), V),
    case(np.partition, lambda a: np.partition(a, [0, 2], axis=1), M),
    case(np.nan_to_num, lambda a: np.nan_to_num(np.where(MASK, np.nan, a), nan=2.0), M),
    case(np.nan_to_num, lambda a: np.nan_to_num(np.where(MASK, np.inf, a), posinf=5.0), M),
    *(
        case(np.linalg.norm, lambda a, o=o, kw=kw: np.linalg.norm(a, o, **kw), x)
        for x, orders, kw in (
            (V, (None, 2, 1, np.inf, -np.inf, 3, 0.5, -1, -2, 4.5), {}),
            (M, (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf), {}),
            (M, (None, 1, 2, 3, np.inf, -1), {"axis": 0}),
            (T, ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf), {"axis": (0, 2)}),
            (T, ("fro", "nuc", 1, 2, np.inf), {"axis": (-1, 0), "keepdims": True}),
            (T, (2, 3), {"axis": 1, "keepdims": True}),
        )
        for o in orders
    ),
    case(np.linalg.norm, lambda a: np.linalg.norm(a), T),
    case(np.linalg.norm, lambda a: np.linalg.norm(a, keepdims=True), M),
    case(np.linalg.vector_norm, lambda a: np.linalg.vector_norm(a), T),
    case(np.linalg.vector_norm, lambda a: np.linalg.vector_norm(a, axis=(0, 2), ord=3), T),
    case(np.linalg.vector_norm, lambda a: np.linalg.vector_norm(a, axis=0, keepdims=True), M),
    case(np.linalg.vector_norm, lambda a: np.linalg.vector_norm(a, keepdims=True, ord=1), M),
    case(np.linalg.matrix_norm, lambda a: np.linalg.matrix_norm(a), T),
    case(np.linalg.matrix_norm, lambda a: np.linalg.matrix_norm(a, ord=1, keepdims=True), T),
]


@pytest.mark.parametrize(("form", "args"), marked(CASES))
def test_value_and_derivative(form: Any, args: Any) -> None:
    check_case(form, args)


# Results without a derivative ----------------------------------------------------------------

STEP_CASES = [
    case(np.fix, lambda a: np.fix(3 * a), M),
    case(np.ix_, lambda a: np.ix_(a > 0, a < 1), V),
    case(np.argmax, lambda a: np.argmax(a), M),
    case(np.argmax, lambda a: np.argmax(a, axis=0, keepdims=True), M),
    case(np.argmin, lambda a: np.argmin(a, axis=-1), T),
    case(np.argsort, lambda a: np.argsort(a), M),
    case(np.argsort, lambda a: np.argsort(a, axis=None), M),
    case(np.argsort, lambda a: np.argsort(a, axis=0, kind="stable"), M),
    case(np.argpartition, lambda a: np.argpartition(a, 1), V),
    case(np.searchsorted, lambda a: np.searchsorted(np.sort(a), [0.0, 1.0], side="right"), V),
    case(np.searchsorted, lambda a: np.searchsorted([0.0, 1.0], a), V),
    case(np.digitize, lambda a: np.digitize(a, [-0.5, 0.0, 0.5]), V),
    case(np.lexsort, lambda a: np.lexsort((a, a > 0)), V),
    case(np.all, lambda a: np.all(a > 0, axis=1), M),
    case(np.any, lambda a: np.any(a > 0, keepdims=True), M),
    case(np.all, lambda a: np.all(a > -9, axis=(0, 1)), T),
    case(np.count_nonzero, lambda a: np.count_nonzero(a > 0, axis=0), M),
    case(np.round, lambda a: np.round(a, 1), M),
    case(np.around, lambda a: np.around(a), M),
    case(np.sum, lambda a: np.sum(a > 0), M),
    case(np.sum, lambda a: np.sum(a > 0, axis=1), M),
    case(np.mean, lambda a: np.mean(a > 0), M),
    case(np.max, lambda a: np.max(a > 0, axis=0), M),
    case(np.cumsum, lambda a: np.cumsum(a > 0), M),
    case(np.prod, lambda a: np.prod(a > -5), M),
    case(np.shape, lambda a: np.array(np.shape(a)), M),
    case(np.ndim, lambda a: np.ndim(a), M),
    case(np.size, lambda a: np.size(a), M),
    case(np.size, lambda a: np.size(a, 1), M),
    case(np.isrealobj, lambda a: np.isrealobj(a), M),
    case(np.iscomplexobj, lambda a: np.iscomplexobj(a), M),
    case(np.result_type, lambda a: np.ones(1, np.result_type(a, np.float32)), M),
    case(np.common_type, lambda a: np.ones(1, np.common_type(a)), M),
    case(np.min_scalar_type, lambda a: np.ones(1, np.min_scalar_type(a)), M),
    case(np.can_cast, lambda a: np.can_cast(a.dtype, np.float32), M),
    case(np.allclose, lambda a: np.allclose(a, a + 1e-12), M),
    case(np.isclose, lambda a: np.isclose(a, 0.0, atol=0.5), M),
    case(np.array_equal, lambda a: np.array_equal(a, a), M),
    case(np.array_equiv, lambda a: np.array_equiv(a, a[:1]), M),
    case(np.nonzero, lambda a: np.nonzero(a > 0), M),
    case(np.flatnonzero, lambda a: np.flatnonzero(a > 0), M),
    case(np.argwhere, lambda a: np.argwhere(a > 0), M),
    case(np.where, lambda a: np.where(a > 0), M),
    case(np.isposinf, lambda a: np.isposinf(a), M),
    case(np.isneginf, lambda a: np.isneginf(a), M),
    case(np.isreal, lambda a: np.isreal(a), M),
    case(np.iscomplex, lambda a: np.iscomplex(a), M),
    case(np.isin, lambda a: np.isin(a, [M[0, 0]]), M),
    case(np.shares_memory, lambda a: np.shares_memory(a, np.ones(3)), M),
    case(np.may_share_memory, lambda a: np.may_share_memory(a, np.ones(3)), M),
    case(np.unravel_index, lambda a: np.unravel_index(np.argmax(a), a.shape), M),
    case(np.ravel_multi_index, lambda a: np.ravel_multi_index(np.nonzero(a > 0), a.shape), M),
]


@pytest.mark.parametrize(("form", "args"), marked(STEP_CASES))
def test_value_without_derivative(form: Any, args: Any) -> None:
    same_value(form, *args)


@pytest.mark.parametrize("f", [np.array_repr, np.array_str, np.array2string])
def test_printing_shows_the_value(f: Any) -> None:
    seen = []
    cr.grad(lambda a: (seen.append(f(a)), a.sum())[1])(V)
    assert seen == [f(V)]


def test_empty_extremes_are_refused_as_numpy_does() -> None:
    with pytest.raises(ValueError, match="zero-size array"):
        cr.grad(lambda a: np.max(a))(np.zeros(0))


def test_running_extremes() -> None:
    check_case(lambda a: np.maximum.accumulate(a), (V,))
    check_case(lambda a: np.minimum.accumulate(a, axis=1), (M,))
    check_case(lambda a: np.maximum.accumulate(a, axis=0), (T,))


def test_stacked_matrices_have_the_norms_of_each() -> None:
    check_case(lambda a: np.linalg.norm(a, 2, axis=(1, 2)), (QS,))
    check_case(lambda a, b: np.linalg.norm(a @ b, "nuc"), (Q, R[:, :3].T @ R[:, :3] + Q))
