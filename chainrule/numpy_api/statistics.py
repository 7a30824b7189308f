"""NumPy functions of differences, medians, averages, and sums that leave NaN out."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary import reductions as red
from chainrule.elementary import shaping as sh
from chainrule.elementary.base import shape_of, value_of
from chainrule.elementary.indexing import Index, getitem
from chainrule.numpy_api.common import array_of, full, stored
from chainrule.numpy_api.reduce import (
    MISSING,
    along_first,
    axis_of,
    flag,
    max,
    mean,
    min,
    sort,
    sum,
)
from chainrule.numpy_api.shapes import moveaxis, ravel


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = MISSING, append: Any = MISSING) -> Any:
    a = array_of(a)
    axis %= len(shape_of(a))
    parts = []
    for part in (prepend, a, append):
        if part is not MISSING:
            part = array_of(part)
            if not shape_of(part):
                shape = tuple(1 if i == axis else m for i, m in enumerate(shape_of(a)))
                part = full(part, shape)
            parts.append(part)
    if len(parts) > 1:
        a = sh.concatenate(*parts, axis=axis)
    lead = (slice(None),) * axis
    for _ in range(n):
        later = getitem(a, index=Index((*lead, slice(1, None))))
        a = later - getitem(a, index=Index((*lead, slice(None, -1))))
    return a


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = (to_begin, diff(ravel(array_of(ary))), to_end)
    kept = [ravel(array_of(p)) for p in parts if p is not None]
    return sh.concatenate(*kept) if len(kept) > 1 else kept[0]


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral by the trapezoidal rule: Σ (yₖ₊₁ + yₖ)/2 · (xₖ₊₁ − xₖ)."""
    y = moveaxis(array_of(y), axis, -1)
    if x is not None:
        x = array_of(x)
        dx = diff(x if len(shape_of(x)) == 1 else moveaxis(x, axis, -1))
    return sum(dx * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """The middle of the sorted elements, the mean of the two middle ones for an even number."""

    def middle(rows: Any) -> Any:
        n = shape_of(rows)[0]
        ordered = sort(rows, 0)
        low, high = ordered[(n - 1) // 2], ordered[n // 2]
        result = low if n % 2 else 0.5 * (low + high)
        bad = np.isnan(value_of(ordered)[-1])  # NaN is sorted to the end
        return sh.where(bad, np.nan, result) if np.any(bad) else result

    return stored(along_first(middle, array_of(a), axis, flag(keepdims)), out)


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    a = array_of(a)
    if weights is None:
        result = mean(a, axis, keepdims=keepdims)
        total: Any = red.count(shape_of(a), axis_of(axis))
    else:
        weights = array_of(weights)
        if shape_of(weights) != shape_of(a):
            axes = red.axes_of(axis_of(axis), len(shape_of(a)))
            kept = tuple(n if i in axes else 1 for i, n in enumerate(shape_of(a)))
            weights = sh.reshape(weights, shape=kept)
        weights = full(weights, shape_of(a))
        total = sum(weights, axis, keepdims=keepdims)
        result = sum(a * weights, axis, keepdims=keepdims) / total
    return (result, full(total, shape_of(result))) if returned else result


def _nan_free(a: Any, fill: float) -> tuple[Any, Any]:
    a = array_of(a)
    bad = np.isnan(value_of(a))
    return sh.where(bad, fill, a), ~bad


def nansum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, **kw: Any) -> Any:
    return sum(_nan_free(a, 0.0)[0], axis, dtype, out, **kw)


def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False
) -> Any:
    clean, good = _nan_free(a, 0.0)
    return mean(clean, axis, dtype, out, keepdims, where=good)


def nanmax(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return max(_nan_free(a, -np.inf)[0], axis, out, keepdims)


def nanmin(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return min(_nan_free(a, np.inf)[0], axis, out, keepdims)


def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    value = value_of(x)
    info = np.finfo(value.dtype)
    x = sh.where(np.isnan(value), nan, x)
    x = sh.where(np.isposinf(value), info.max if posinf is None else posinf, x)
    return sh.where(np.isneginf(value), info.min if neginf is None else neginf, x)
