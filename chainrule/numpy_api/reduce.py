"""NumPy functions that reduce along axes: sums, statistics, extremes, orders."""
# NumPy's own names (sum, min, max, all, any, round) are the names of these functions.

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.elementary import logic as lo
from chainrule.elementary import reductions as red
from chainrule.elementary import shaping as sh
from chainrule.elementary import softmax as soft
from chainrule.elementary.base import shape_of, value_of
from chainrule.elementary.indexing import take_along_axis
from chainrule.errors import ArgumentError, code_line
from chainrule.graph import user_code
from chainrule.numpy_api.common import array_of, full, stored
from chainrule.numpy_api.shapes import astype, moveaxis, ravel

MISSING = np._NoValue  # type: ignore[attr-defined]  # NumPy passes it for "not given"


def axis_of(axis: Any) -> Any:
    return tuple(int(i) for i in axis) if isinstance(axis, (tuple, list)) else axis


def flag(keepdims: Any) -> bool:
    return False if keepdims is MISSING else bool(keepdims)


def _given(x: Any, default: Any) -> Any:
    return default if x is MISSING or x is None else x


def _float(a: Any) -> Any:
    """Booleans and integers as floats where NumPy would do so for a mean."""
    return astype(a, np.float64) if value_of(a).dtype.kind in "bui" else a


def sum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = MISSING, where: Any = True,
) -> Any:  # fmt: skip
    a = array_of(a)
    if where is not True and where is not MISSING:
        a = sh.where(where, a, 0.0)
    if dtype is not None:
        a = astype(a, dtype)
    if np.asarray(value_of(a)).dtype.kind not in "f":
        result = lo.count(a, axis=axis_of(axis), keepdims=flag(keepdims))
    else:
        result = red.sum_(a, axis=axis_of(axis), keepdims=flag(keepdims))
    if initial is not MISSING:
        result = result + initial
    return stored(result, out)


def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *,
    where: Any = True,
) -> Any:  # fmt: skip
    a = _float(array_of(a))
    if dtype is not None:
        a = astype(a, dtype)
    if where is not True and where is not MISSING:
        mask = full(where, shape_of(a))
        n = lo.count(mask, axis=axis_of(axis), keepdims=flag(keepdims))
        return stored(_divided(sum(a, axis, None, None, keepdims, where=mask), n), out)
    return stored(red.mean(a, axis=axis_of(axis), keepdims=flag(keepdims)), out)


def _deviations(
    a: Any, axis: Any, dtype: Any, ddof: Any, correction: Any, where: Any, given_mean: Any
) -> tuple[Any, Any]:
    """(a − mean, with 0 where masked; the divisor n − ddof)."""
    a = _float(array_of(a))
    if dtype is not None:
        a = astype(a, dtype)
    ddof = ddof if correction is MISSING else correction
    center = _given(given_mean, None)
    if center is None:
        center = mean(a, axis, keepdims=True, where=where)
    deviation = a - center
    if where is True or where is MISSING:
        return deviation, np.maximum(red.count(shape_of(a), axis_of(axis)) - ddof, 0)
    mask = full(where, shape_of(a))
    n = lo.count(mask, axis=axis_of(axis), keepdims=True)
    return sh.where(mask, deviation, 0.0), np.maximum(n - ddof, 0)


def _divided(total: Any, n: Any) -> Any:
    """total/n for a count n, in the precision of the total."""
    n = sh.astype(n, dtype=value_of(total).dtype)
    return total / (sh.reshape(n, shape=shape_of(total)) if shape_of(n) else n)


def var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
    keepdims: Any = False, *, where: Any = True, mean: Any = MISSING, correction: Any = MISSING,
) -> Any:  # fmt: skip
    deviation, n = _deviations(a, axis, dtype, ddof, correction, where, mean)
    total = red.sum_(deviation * deviation, axis=axis_of(axis), keepdims=flag(keepdims))
    return stored(_divided(total, n), out)


def std(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
    keepdims: Any = False, *, where: Any = True, mean: Any = MISSING, correction: Any = MISSING,
) -> Any:  # fmt: skip
    """The norm of the deviations over √(n − ddof): like every norm it has the slope 0 at 0."""
    deviation, n = _deviations(a, axis, dtype, ddof, correction, where, mean)
    length = red.norm(deviation, axis=axis_of(axis), keepdims=flag(keepdims))
    return stored(_divided(length, np.sqrt(n)), out)


def along_first(rule: Any, a: Any, axis: Any, keepdims: bool) -> Any:
    """Apply a record that reduces the first axis to one, several or all axes."""
    shape = shape_of(a)
    axes = red.axes_of(axis_of(axis), len(shape))
    rest = tuple(n for i, n in enumerate(shape) if i not in axes)
    moved = moveaxis(a, axes, range(len(axes))) if shape else a
    result = rule(sh.reshape(moved, shape=(math.prod(shape[i] for i in axes), *rest)))
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return sh.reshape(result, shape=kept) if keepdims else result


def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = MISSING, where: Any = True,
) -> Any:  # fmt: skip
    a = array_of(a)
    if where is not True and where is not MISSING:
        a = sh.where(where, a, 1.0)
    result = along_first(red.prod, a, axis, flag(keepdims))
    if initial is not MISSING:
        result = result * initial
    return stored(result, out)


def _extreme(
    rule: Any, worst: float, bound: Any, a: Any, axis: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    a = array_of(a)
    if where is not True and where is not MISSING:
        a = sh.where(where, a, worst)
    result = rule(a, axis=axis_of(axis), keepdims=flag(keepdims))
    return result if initial is MISSING else bound(result, initial)


def max(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = MISSING,
    where: Any = True,
) -> Any:  # fmt: skip
    return stored(_extreme(red.max_, -np.inf, np.maximum, a, axis, keepdims, initial, where), out)


def min(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = MISSING,
    where: Any = True,
) -> Any:  # fmt: skip
    return stored(_extreme(red.min_, np.inf, np.minimum, a, axis, keepdims, initial, where), out)


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return stored(max(a, axis, None, keepdims) - min(a, axis, None, keepdims), out)


def logsumexp(a: Any, axis: Any = None, keepdims: Any = False, **kw: Any) -> Any:
    return soft.logsumexp(a, axis=axis_of(axis), keepdims=flag(keepdims))


# Steps: results without a derivative -----------------------------------------------------------


def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    return stored(lo.argmax(array_of(a), axis=axis, keepdims=flag(keepdims)), out)


def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    return stored(lo.argmin(array_of(a), axis=axis, keepdims=flag(keepdims)), out)


def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    return lo.argsort(a, axis=axis, kind="stable" if stable else kind)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    return lo.searchsorted(a, v, side=side)


def all(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    a = array_of(a)
    if where is not True and where is not MISSING:
        a = lo.logical_or(a, lo.logical_not(where))
    return stored(lo.all_(a, axis=axis_of(axis), keepdims=flag(keepdims)), out)


def any(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    a = array_of(a)
    if where is not True and where is not MISSING:
        a = lo.logical_and(a, where)
    return stored(lo.any_(a, axis=axis_of(axis), keepdims=flag(keepdims)), out)


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return lo.count_nonzero(array_of(a), axis=axis_of(axis), keepdims=keepdims)


def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    return stored(lo.round_(a, decimals=decimals), out)


# Running reductions and orders -----------------------------------------------------------------


def flat(a: Any, axis: Any) -> tuple[Any, int]:
    a = array_of(a)
    return (ravel(a), 0) if axis is None else (a, int(axis) % len(shape_of(a)))


def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    a, axis = flat(a, axis)
    if value_of(a).dtype.kind != "f" and dtype is None:
        return lo.running_count(a, axis=axis)
    a = a if dtype is None else astype(a, dtype)
    return stored(red.cumsum(a, axis=axis), out)


def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    a, axis = flat(a, axis)
    a = a if dtype is None else astype(a, dtype)
    return stored(moveaxis(red.cumprod(moveaxis(a, axis, 0)), 0, axis), out)


def _with_initial(running: Any, first: float, a: Any, axis: Any, include: bool) -> Any:
    if axis is None and len(shape_of(a)) != 1:
        raise ArgumentError(
            "a cumulative sum or product of an array with several axes needs axis=",
            got=f"shape {shape_of(a)}",
            line=code_line(*user_code(3)),
            remedy="name the axis",
        )
    axis = 0 if axis is None else int(axis) % len(shape_of(a))
    if not include:
        return running
    shape = tuple(1 if i == axis else n for i, n in enumerate(shape_of(a)))
    return sh.concatenate(np.full(shape, first, value_of(a).dtype), running, axis=axis)


def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None,
    include_initial: bool = False,
) -> Any:  # fmt: skip
    result = _with_initial(cumsum(x, axis, dtype), 0.0, x, axis, include_initial)
    return stored(result, out)


def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None,
    include_initial: bool = False,
) -> Any:  # fmt: skip
    result = _with_initial(cumprod(x, axis, dtype), 1.0, x, axis, include_initial)
    return stored(result, out)


def _running(extreme: Any, a: Any, axis: int) -> Any:
    """A running extreme, gathered from the place where each was first reached."""
    return take_along_axis(a, extreme(a, axis=axis), axis=axis)


def cummax(a: Any, axis: int = 0) -> Any:
    return _running(lo.running_argmax, a, int(axis) % len(shape_of(a)))


def cummin(a: Any, axis: int = 0) -> Any:
    return _running(lo.running_argmin, a, int(axis) % len(shape_of(a)))


def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a, axis = flat(a, axis)
    return take_along_axis(a, lo.argsort(a, axis=axis, kind=kind or "stable"), axis=axis)


def clip(
    a: Any, a_min: Any = MISSING, a_max: Any = MISSING, out: Any = None, *, min: Any = MISSING,
    max: Any = MISSING, **kw: Any,
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
