"""NumPy functions that reduce along axes: sums, statistics, extremes, orders."""
# NumPy's own names (sum, min, max, all, any, round) are the names of these functions.

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.elementary import logic as lo
from chainrule.elementary import reductions as red
from chainrule.elementary import shaping as sh
from chainrule.elementary.arithmetic import absolute
from chainrule.elementary.base import shape_of, value_of
from chainrule.elementary.indexing import Index, getitem, take_along_axis
from chainrule.numpy_api.common import array_of, full, plain, stored
from chainrule.numpy_api.shapes import astype, moveaxis, ravel

_MISSING = np._NoValue  # type: ignore[attr-defined]  # NumPy passes it for "not given"


def _axis(axis: Any) -> Any:
    return tuple(int(i) for i in axis) if isinstance(axis, (tuple, list)) else axis


def _flag(keepdims: Any) -> bool:
    return False if keepdims is _MISSING else bool(keepdims)


def _given(x: Any, default: Any) -> Any:
    return default if x is _MISSING or x is None else x


def _float(a: Any) -> Any:
    """Booleans and integers as floats where NumPy would do so for a mean."""
    return astype(a, np.float64) if value_of(a).dtype.kind in "bui" else a


def sum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = _MISSING, where: Any = True,
) -> Any:  # fmt: skip
    a = array_of(a)
    if where is not True and where is not _MISSING:
        a = sh.where(where, a, 0.0)
    if dtype is not None:
        a = astype(a, dtype)
    if np.asarray(value_of(a)).dtype.kind not in "f":
        result = np.sum(value_of(a), axis=_axis(axis), keepdims=_flag(keepdims))  # a count
    else:
        result = red.sum_(a, axis=_axis(axis), keepdims=_flag(keepdims))
    if initial is not _MISSING:
        result = result + initial
    return stored(result, out)


def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *,
    where: Any = True,
) -> Any:  # fmt: skip
    a = _float(array_of(a))
    if dtype is not None:
        a = astype(a, dtype)
    if where is not True and where is not _MISSING:
        mask = np.broadcast_to(plain(where), shape_of(a))
        n = np.sum(mask, axis=_axis(axis), keepdims=_flag(keepdims))
        return stored(sum(a, axis, None, None, keepdims, where=mask) / n, out)
    return stored(red.mean(a, axis=_axis(axis), keepdims=_flag(keepdims)), out)


def _deviations(
    a: Any, axis: Any, dtype: Any, ddof: Any, correction: Any, where: Any, given_mean: Any
) -> tuple[Any, Any]:
    """(a − mean, with 0 where masked; the divisor n − ddof)."""
    a = _float(array_of(a))
    if dtype is not None:
        a = astype(a, dtype)
    ddof = ddof if correction is _MISSING else correction
    center = _given(given_mean, None)
    if center is None:
        center = mean(a, axis, keepdims=True, where=where)
    deviation = a - center
    if where is True or where is _MISSING:
        return deviation, np.maximum(red.count(shape_of(a), _axis(axis)) - ddof, 0)
    mask = np.broadcast_to(plain(where), shape_of(a))
    n = np.sum(mask, axis=_axis(axis), keepdims=True)
    return sh.where(mask, deviation, 0.0), np.maximum(n - ddof, 0)


def _divided(total: Any, n: Any) -> Any:
    if np.ndim(n):
        n = n.reshape(shape_of(total))
    return total / n


def var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
    keepdims: Any = False, *, where: Any = True, mean: Any = _MISSING, correction: Any = _MISSING,
) -> Any:  # fmt: skip
    deviation, n = _deviations(a, axis, dtype, ddof, correction, where, mean)
    total = red.sum_(deviation * deviation, axis=_axis(axis), keepdims=_flag(keepdims))
    return stored(_divided(total, n), out)


def std(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
    keepdims: Any = False, *, where: Any = True, mean: Any = _MISSING, correction: Any = _MISSING,
) -> Any:  # fmt: skip
    """The norm of the deviations over √(n − ddof): like every norm it has the slope 0 at 0."""
    deviation, n = _deviations(a, axis, dtype, ddof, correction, where, mean)
    length = red.norm(deviation, axis=_axis(axis), keepdims=_flag(keepdims))
    return stored(_divided(length, np.sqrt(n)), out)


def _along_first(rule: Any, a: Any, axis: Any, keepdims: bool) -> Any:
    """Apply a record that reduces the first axis to one, several or all axes."""
    shape = shape_of(a)
    axes = red.axes_of(_axis(axis), len(shape))
    rest = tuple(n for i, n in enumerate(shape) if i not in axes)
    moved = moveaxis(a, axes, range(len(axes))) if shape else a
    result = rule(sh.reshape(moved, shape=(math.prod(shape[i] for i in axes), *rest)))
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return sh.reshape(result, shape=kept) if keepdims else result


def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = _MISSING, where: Any = True,
) -> Any:  # fmt: skip
    a = array_of(a)
    if where is not True and where is not _MISSING:
        a = sh.where(where, a, 1.0)
    result = _along_first(red.prod, a, axis, _flag(keepdims))
    if initial is not _MISSING:
        result = result * initial
    return stored(result, out)


def _extreme(
    rule: Any, worst: float, bound: Any, a: Any, axis: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    a = array_of(a)
    if where is not True and where is not _MISSING:
        a = sh.where(where, a, worst)
    result = rule(a, axis=_axis(axis), keepdims=_flag(keepdims))
    return result if initial is _MISSING else bound(result, initial)


def max(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = _MISSING,
    where: Any = True,
) -> Any:  # fmt: skip
    return stored(_extreme(red.max_, -np.inf, np.maximum, a, axis, keepdims, initial, where), out)


def min(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = _MISSING,
    where: Any = True,
) -> Any:  # fmt: skip
    return stored(_extreme(red.min_, np.inf, np.minimum, a, axis, keepdims, initial, where), out)


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return stored(max(a, axis, None, keepdims) - min(a, axis, None, keepdims), out)


def logsumexp(a: Any, axis: Any = None, keepdims: Any = False, **kw: Any) -> Any:
    return red.logsumexp(a, axis=_axis(axis), keepdims=_flag(keepdims))


# Steps: results without a derivative -----------------------------------------------------------


def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    return lo.argmax(a, axis=axis, keepdims=_flag(keepdims))


def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    return lo.argmin(a, axis=axis, keepdims=_flag(keepdims))


def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    return lo.argsort(a, axis=axis, kind="stable" if stable else kind)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    return lo.searchsorted(a, v, side=side)


def all(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **kw: Any) -> Any:
    return lo.all_(a, axis=_axis(axis), keepdims=_flag(keepdims))


def any(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **kw: Any) -> Any:
    return lo.any_(a, axis=_axis(axis), keepdims=_flag(keepdims))


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return lo.count_nonzero(a, axis=_axis(axis), keepdims=keepdims)


def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    return stored(lo.round_(a, decimals=decimals), out)


# Running reductions and orders -----------------------------------------------------------------


def _flat(a: Any, axis: Any) -> tuple[Any, int]:
    a = array_of(a)
    return (ravel(a), 0) if axis is None else (a, int(axis) % len(shape_of(a)))


def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    a, axis = _flat(a, axis)
    return stored(red.cumsum(a, axis=axis), out)


def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    a, axis = _flat(a, axis)
    return stored(moveaxis(red.cumprod(moveaxis(a, axis, 0)), 0, axis), out)


def _running(extreme: Any, a: Any, axis: int) -> Any:
    """A running extreme, gathered from the place where each was first reached."""
    value = np.asarray(value_of(a))
    best = extreme.accumulate(value, axis=axis)
    before = np.roll(best, 1, axis)
    places = np.arange(value.shape[axis]).reshape(
        tuple(-1 if i == axis else 1 for i in range(value.ndim))
    )
    new = (best != before) | (places == 0)
    index = np.maximum.accumulate(np.where(new, places, 0), axis=axis)
    return take_along_axis(a, index, axis=axis)


def cummax(a: Any, axis: int = 0) -> Any:
    return _running(np.maximum, a, int(axis) % len(shape_of(a)))


def cummin(a: Any, axis: int = 0) -> Any:
    return _running(np.minimum, a, int(axis) % len(shape_of(a)))


def diff(
    a: Any, n: int = 1, axis: int = -1, prepend: Any = _MISSING, append: Any = _MISSING
) -> Any:
    a = array_of(a)
    axis %= len(shape_of(a))
    parts = []
    for part in (prepend, a, append):
        if part is not _MISSING:
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


def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a, axis = _flat(a, axis)
    return take_along_axis(a, np.argsort(value_of(a), axis, kind or "stable"), axis=axis)


def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """The middle of the sorted elements, the mean of the two middle ones for an even number."""

    def middle(rows: Any) -> Any:
        n = shape_of(rows)[0]
        ordered = sort(rows, 0)
        low, high = ordered[(n - 1) // 2], ordered[n // 2]
        return low if n % 2 else 0.5 * (low + high)

    return stored(_along_first(middle, array_of(a), axis, _flag(keepdims)), out)


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    a = array_of(a)
    if weights is None:
        result = mean(a, axis, keepdims=keepdims)
        total: Any = red.count(shape_of(a), _axis(axis))
    else:
        weights = array_of(weights)
        if shape_of(weights) != shape_of(a):
            axes = red.axes_of(_axis(axis), len(shape_of(a)))
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


def clip(
    a: Any, a_min: Any = _MISSING, a_max: Any = _MISSING, out: Any = None, *, min: Any = _MISSING,
    max: Any = _MISSING, **kw: Any,
) -> Any:  # fmt: skip
    """min(max(a, low), high); at a constant bound the slope is 0, the subgradient of least norm."""
    low = _given(a_min, _given(min, None))
    high = _given(a_max, _given(max, None))
    a = array_of(a)
    if low is not None:
        a = np.maximum(a, array_of(low))
    if high is not None:
        a = np.minimum(a, array_of(high))
    return stored(a, out)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """np.linalg.norm: vector norms of any order, matrix norms 1, inf, fro, nuc and 2."""
    from chainrule.elementary.linalg import svd

    x = array_of(x)
    shape = shape_of(x)
    if axis is None and (ord is None or (ord in ("fro", 2) and len(shape) == 1)):
        if ord == "fro":
            raise ValueError("the Frobenius norm is a norm of matrices")
        return red.norm(x, axis=None, keepdims=keepdims)
    axes = red.axes_of(None, len(shape)) if axis is None else axis
    axes = axes if isinstance(axes, tuple) else (axes,)
    if len(axes) == 1:
        return _vector_norm(x, 2 if ord is None else ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError("a norm is taken over one axis or two")
    rows, columns = (i % len(shape) for i in axes)
    if ord in (None, "fro"):
        return red.norm(x, axis=(rows, columns), keepdims=keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
        lengths = red.sum_(absolute(x), axis=inner, keepdims=True)
        extreme = red.max_ if ord > 0 else red.min_
        result = extreme(lengths, axis=outer, keepdims=True)
    else:
        singular = svd(moveaxis(x, (rows, columns), (-2, -1)))[1]
        rules = {"nuc": red.sum_, 2: red.max_, -2: red.min_}
        if ord not in rules:
            raise ValueError(f"invalid norm order {ord!r} for matrices")
        result = rules[ord](singular, axis=-1)
        if not keepdims:
            return result
        result = moveaxis(
            sh.reshape(result, shape=(*shape_of(result), 1, 1)), (-2, -1), (rows, columns)
        )
    if keepdims:
        return result
    return sh.reshape(
        result, shape=tuple(n for i, n in enumerate(shape) if i not in (rows, columns))
    )


def _vector_norm(x: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    if ord == 2:
        return red.norm(x, axis=axis, keepdims=keepdims)
    size = absolute(x)
    if ord == np.inf:
        return red.max_(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return red.min_(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(value_of(x) != 0, axis=axis, keepdims=keepdims).astype(float)
    if ord == 1:
        return red.sum_(size, axis=axis, keepdims=keepdims)
    top = np.max(value_of(size), axis=axis, keepdims=True)
    top = np.where(top > 0, top, 1.0)  # a constant scale; Σ|x|ᵖ neither over- nor underflows
    zero = value_of(size) == 0
    powers = sh.where(zero, 0.0 if ord > 0 else np.inf, sh.where(zero, 1.0, size / top) ** ord)
    total = red.sum_(powers, axis=axis, keepdims=True)
    none = value_of(total) == 0  # the slope of a norm at the origin is 0
    length = sh.where(none, 0.0, sh.where(none, 1.0, total) ** (1.0 / ord)) * top
    return length if keepdims else _squeezed(length, axis)


def _squeezed(a: Any, axis: int) -> Any:
    shape = list(shape_of(a))
    del shape[axis]
    return sh.reshape(a, shape=tuple(shape))
