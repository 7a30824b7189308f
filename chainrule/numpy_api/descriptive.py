"""NumPy functions that describe samples and curves: quantiles, covariances, slopes, phases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.elementary import logic as lo
from chainrule.elementary import shaping as sh
from chainrule.elementary.base import is_traced, shape_of
from chainrule.elementary.products import matmul
from chainrule.errors import ArgumentError, code_line
from chainrule.graph import user_code
from chainrule.numpy_api import joining, shapes
from chainrule.numpy_api.common import array_of, plain, plain_target, refuse, stored
from chainrule.numpy_api.reduce import along_first, cumsum, flag, flat, mean, sort
from chainrule.numpy_api.statistics import diff

_PLACES: dict[str, Any] = {  # which elements the quantile lies between, and where between them
    "linear": lambda v: (np.floor(v), np.ceil(v), v - np.floor(v)),
    "lower": lambda v: (np.floor(v), np.floor(v), 0.0 * v),
    "higher": lambda v: (np.ceil(v), np.ceil(v), 0.0 * v),
    "midpoint": lambda v: (np.floor(v), np.ceil(v), 0.5 * (v % 1 > 0)),
    "nearest": lambda v: (np.round(v), np.round(v), 0.0 * v),
}


def quantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: Any = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    """Of the sorted elements the one at q (n − 1), or a point between its neighbours."""

    def at(rows: Any, p: float) -> Any:
        ordered = sort(rows, 0)
        low, high, part = _PLACES[method](p * (shape_of(rows)[0] - 1))
        first, last = ordered[int(low)], ordered[int(high)]
        rise = last - first  # added to the nearer one, as NumPy does it
        found = first + rise * part if part < 0.5 else last - rise * (1 - part)
        found = found if part else first
        return sh.where(np.isnan(ordered[-1]), np.nan, found)  # NaN is sorted to the end

    return _levels("quantile", at, a, q, axis, out, method, keepdims, weights)


def percentile(a: Any, q: Any, *args: Any, **kw: Any) -> Any:
    return quantile(a, q if is_traced(q) else np.true_divide(q, 100), *args, **kw)


def nanquantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: Any = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    """The quantile of the elements that are no NaN; NaN where there is none."""

    def at(rows: Any, p: float) -> Any:
        ordered = sort(rows, 0)
        end = np.sum(np.logical_not(np.isnan(rows)), axis=0) - 1  # NaN is sorted behind it
        low, high, part = _PLACES[method](p * np.maximum(end, 0))
        first, last = (
            shapes.take_along_axis(ordered, k.astype(np.int64)[None], 0)[0] for k in (low, high)
        )
        rise = last - first
        found = sh.where(part < 0.5, first + rise * part, last - rise * (1 - part))
        return sh.where(part == 0, first, found)

    return _levels("nanquantile", at, a, q, axis, out, method, keepdims, weights)


def nanpercentile(a: Any, q: Any, *args: Any, **kw: Any) -> Any:
    return nanquantile(a, q if is_traced(q) else np.true_divide(q, 100), *args, **kw)


def _levels(
    name: str, at: Any, a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: Any,
    weights: Any,
) -> Any:  # fmt: skip
    """at(elements, level) along the axes, for one level or several."""
    if weights is not None:
        raise refuse(name, "weights", weights, "repeat the elements, or leave them out")
    if method not in _PLACES:
        raise refuse(name, "method", method, f"use one of {', '.join(_PLACES)}")
    if is_traced(q):
        raise ArgumentError(
            "a quantile has a derivative by the elements, not by its level",
            got="a traced level",
            line=code_line(*user_code(3)),
            remedy="give the level as a plain number",
        )
    levels = np.asarray(q, float)
    if levels.size and not (levels.min() >= 0 and levels.max() <= 1):
        raise ValueError("Quantiles must be in the range [0, 1]")

    def level(p: float) -> Any:
        return along_first(lambda rows: at(rows, p), array_of(a), axis, flag(keepdims))

    found = [level(float(p)) for p in levels.ravel()]
    if not levels.ndim:
        return stored(found[0], out)
    whole = joining.stack(found)
    return stored(sh.reshape(whole, shape=(*levels.shape, *shape_of(found[0]))), out)


def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    """X Xᵀ/(n − ddof) for the rows of X minus their means."""
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is not None:
            raise refuse("cov", name, weights, "(w * x) @ x.T / w.sum() with x minus its mean")
    x = _samples(m, rowvar)
    if y is not None:
        x = sh.concatenate(x, _samples(y, rowvar), axis=0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    x = x - mean(x, 1, keepdims=True)
    found = matmul(x, shapes.transpose(x)) / np.float64(shape_of(x)[1] - ddof)
    return shapes.squeeze(found if dtype is None else shapes.astype(found, dtype))


def _samples(m: Any, rowvar: bool) -> Any:
    """One variable in each row."""
    m = array_of(m)
    turned = not rowvar and len(shape_of(m)) == 2
    return shapes.transpose(m) if turned else shapes.atleast_2d(m)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The covariances over the products of standard deviations."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not shape_of(c):
        return c / c
    deviation = np.sqrt(shapes.diagonal(c))
    return c / shapes.expand_dims(deviation, 1) / deviation


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences within, one-sided ones of first or second order at the ends."""
    f = array_of(f)
    rank = len(shape_of(f))
    axes = range(rank) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = [int(k) % rank for k in axes]
    steps = list(varargs) * len(axes) if len(varargs) == 1 else list(varargs) or [1.0] * len(axes)
    if len(steps) != len(axes):
        raise TypeError("invalid number of arguments")
    found = [
        shapes.moveaxis(_slope(shapes.moveaxis(f, k, 0), array_of(h), edge_order), 0, k)
        for k, h in zip(axes, steps, strict=True)
    ]
    return found[0] if len(found) == 1 else tuple(found)


def _slope(f: Any, h: Any, edge_order: int) -> Any:
    """Along the first axis, at places that are given or one step apart from each other.

    Source: Fornberg, "Generation of finite difference formulas on arbitrarily spaced grids",
    Mathematics of Computation 1988.
    """
    n = shape_of(f)[0]
    if n < edge_order + 1:
        raise ValueError("Shape of array too small to calculate a numerical gradient")
    steps = (n - 1, *(1,) * (len(shape_of(f)) - 1))
    wide = sh.reshape(diff(h), shape=steps) if shape_of(h) else sh.broadcast_to(h, shape=steps)
    rise = (f[1:] - f[:-1]) / wide
    if not shape_of(h):
        within = (f[2:] - f[:-2]) / (2.0 * h)
    else:  # the slopes on both sides, the nearer one weighing more
        left, right = wide[:-1], wide[1:]
        within = (rise[:-1] * right + rise[1:] * left) / (left + right)
    first, last = rise[:1], rise[-1:]
    if edge_order == 2:
        first = first + (rise[:1] - rise[1:2]) * wide[:1] / (wide[:1] + wide[1:2])
        last = last + (rise[-1:] - rise[-2:-1]) * wide[-1:] / (wide[-1:] + wide[-2:-1])
    return sh.concatenate(first, within, last, axis=0)


def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * math.pi) -> Any:
    """Phases without jumps of more than half a period: whole periods are added, a constant."""
    p = array_of(p)
    axis %= len(shape_of(p))
    steps = diff(sh.stop_gradient(p), axis=axis)
    moved = np.mod(steps + period / 2, period) - period / 2
    moved = np.where(np.logical_and(moved == -period / 2, steps > 0), period / 2, moved)
    jump = np.where(
        np.abs(steps) < (period / 2 if discont is None else discont), 0.0, moved - steps
    )
    first = tuple(1 if k == axis else n for k, n in enumerate(shape_of(p)))
    return p + sh.concatenate(np.zeros(first), cumsum(jump, axis), axis=axis)


def partition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:

    a, axis = flat(a, axis)
    return shapes.take_along_axis(a, lo.argpartition(a, kth=plain(kth), axis=axis), axis)


def argpartition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    return lo.argpartition(a, kth=plain(kth), axis=axis)


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """The elements at positions along an axis are replaced."""
    if not is_traced(arr):
        raise plain_target(arr)
    if axis is None:
        arr.reshape(-1)[indices] = values
        return
    rank = len(shape_of(arr))
    grid: list[Any] = [
        np.arange(n).reshape([-1 if j == k else 1 for j in range(rank)])
        for k, n in enumerate(shape_of(indices))
    ]
    grid[axis % rank] = indices
    arr[tuple(grid)] = values


__all__ = [
    "argpartition", "corrcoef", "cov", "gradient", "nanpercentile", "nanquantile", "partition",
    "percentile", "put_along_axis", "quantile", "unwrap",
]  # fmt: skip
