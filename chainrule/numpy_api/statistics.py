"""NumPy functions of differences, medians, averages, and sums that leave NaN out."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary import reductions as red
from chainrule.elementary import shaping as sh
from chainrule.elementary.base import shape_of, value_of
from chainrule.elementary.indexing import Index, getitem
from chainrule.graph import Node
from chainrule.numpy_api.common import array_of, full, stored
from chainrule.numpy_api.reduce import (
    MISSING,
    along_first,
    argmax,
    argmin,
    axis_of,
    cumprod,
    cumsum,
    flag,
    max,
    mean,
    min,
    prod,
    sort,
    std,
    sum,
    var,
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
        return sh.where(np.isnan(ordered[-1]), np.nan, result)  # NaN is sorted to the end

    return stored(along_first(middle, array_of(a), axis, flag(keepdims)), out)


def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """The median of the elements that are not NaN; those are sorted to the end."""

    def middle(rows: Any) -> Any:
        ordered = sort(rows, 0)
        n = sum(np.logical_not(np.isnan(rows)), 0, keepdims=True)
        low = np.take_along_axis(ordered, np.maximum(n - 1, 0) // 2, 0)
        high = np.take_along_axis(ordered, np.minimum(n // 2, shape_of(rows)[0] - 1), 0)
        return np.where(n % 2 == 1, low, 0.5 * (low + high))[0]

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


def _there(a: Any, where: Any) -> Any:
    """Which elements count: those of the mask that are not NaN."""
    good = np.logical_not(np.isnan(a))
    return good if where is True or where is MISSING else np.logical_and(good, where)


def nansum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = MISSING, where: Any = True,
) -> Any:  # fmt: skip
    a = array_of(a)
    return sum(a, axis, dtype, out, keepdims, initial, _there(a, where))


def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = MISSING, where: Any = True,
) -> Any:  # fmt: skip
    a = array_of(a)
    return prod(a, axis, dtype, out, keepdims, initial, _there(a, where))


def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    a = array_of(a)
    return cumsum(sh.where(np.isnan(a), 0.0, a), axis, dtype, out)


def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    a = array_of(a)
    return cumprod(sh.where(np.isnan(a), 1.0, a), axis, dtype, out)


def _with(low: float, a: Any, axis: Any) -> Any:
    """Without NaN; a row of nothing else is an error, as NumPy has it."""
    a = array_of(a)
    late = isinstance(a, Node) and a.tape.static  # then nobody knows yet
    if not late and np.any(np.all(np.isnan(value_of(a)), axis=axis)):
        raise ValueError("All-NaN slice encountered")
    return sh.where(np.isnan(a), low, a)


def nanargmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """The position of the largest element that is not NaN."""
    return argmax(_with(-np.inf, a, axis), axis, out, keepdims=keepdims)


def nanargmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    return argmin(_with(np.inf, a, axis), axis, out, keepdims=keepdims)


def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *,
    where: Any = True,
) -> Any:  # fmt: skip
    a = array_of(a)
    return mean(a, axis, dtype, out, keepdims, where=_there(a, where))


def nanvar(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
    keepdims: Any = False, *, where: Any = True, **kw: Any,
) -> Any:  # fmt: skip
    a = array_of(a)
    return var(a, axis, dtype, out, ddof, keepdims, where=_there(a, where), **kw)


def nanstd(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
    keepdims: Any = False, *, where: Any = True, **kw: Any,
) -> Any:  # fmt: skip
    a = array_of(a)
    return std(a, axis, dtype, out, ddof, keepdims, where=_there(a, where), **kw)


def _nan_extreme(
    extreme: Any, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    """The extreme of what is not NaN; NaN where there is nothing else."""
    a = array_of(a)
    good = _there(a, where)
    found = extreme(a, axis, None, keepdims, initial, good)
    if initial is MISSING:
        none = np.logical_not(np.any(good, axis=axis_of(axis), keepdims=flag(keepdims)))
        found = sh.where(none, np.nan, found)
    return stored(found, out)


def nanmax(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = MISSING,
    where: Any = True,
) -> Any:  # fmt: skip
    return _nan_extreme(max, a, axis, out, keepdims, initial, where)


def nanmin(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = MISSING,
    where: Any = True,
) -> Any:  # fmt: skip
    return _nan_extreme(min, a, axis, out, keepdims, initial, where)


def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    info = np.finfo(value_of(x).dtype)
    given = x
    x = sh.where(np.isnan(given), nan, x)
    x = sh.where(given == np.inf, info.max if posinf is None else posinf, x)
    return sh.where(given == -np.inf, info.min if neginf is None else neginf, x)
