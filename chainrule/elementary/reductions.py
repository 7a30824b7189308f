"""Sums, products, extremes, running sums and norms along axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.elementary.arithmetic import maximum
from chainrule.elementary.base import General, Linear, drawn, shape_of, value_of
from chainrule.elementary.logic import equal
from chainrule.elementary.shaping import astype, concatenate, flip, reshape, where

Axis = int | tuple[int, ...] | None


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes as non-negative numbers, in order; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tuple(sorted(a % ndim for a in axes))


def count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many elements are reduced into one."""
    return math.prod(shape[a] for a in axes_of(axis, len(shape)))


def keep(r: Any, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """Give a reduced array its axes of length one again, to broadcast against ``shape``."""
    if keepdims or not shape:
        return r
    axes = axes_of(axis, len(shape))
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return reshape(r, shape=kept)


def _sum(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.add.reduce(a, axis, None, None, keepdims)  # type: ignore[call-overload]


def _spread(g: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The same cotangent for every element that was summed; it broadcasts to a."""
    return keep(g, shape_of(a), axis, keepdims) if axis is not None or keepdims else g


def _mean_adjoint(g: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return _spread(g / count(shape_of(a), axis), a, axis, keepdims)


_CASES = drawn(((3,), {}), ((2, 3), {"axis": 0}), ((2, 3, 2), {"axis": (0, 2), "keepdims": True}))

sum_ = Linear(
    "sum",
    _sum,
    _spread,
    symbols=("g to every element",),
    examples=_CASES,
)
mean = Linear(
    "mean",
    lambda a, axis=None, keepdims=False: np.mean(a, axis=axis, keepdims=keepdims),
    _mean_adjoint,
    symbols=("g/n to every element",),
    examples=_CASES,
)
cumsum = Linear(
    "cumsum",
    lambda a, axis=0: np.cumsum(a, axis=axis),
    lambda g, a, axis=0: flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis),
    symbols=("cumsum of g from the end",),
    examples=drawn(((4,), {}), ((2, 3), {"axis": 1})),
)


def _mask(y: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    """The share of each element in the extreme: 1/k for each of k equal extremes."""
    dtype = value_of(a).dtype if hasattr(value_of(a), "dtype") else np.dtype(float)
    hit = astype(equal(a, keep(y, shape_of(a), axis, keepdims)), dtype=dtype)
    return hit / maximum(sum_(hit, axis=axis, keepdims=True), dtype.type(1))


def _extreme_jvp(t: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return sum_(t[0] * _mask(y, a, axis, keepdims), axis=axis, keepdims=keepdims)


def _extreme_vjp(g: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return (keep(g, shape_of(a), axis, keepdims) * _mask(y, a, axis, keepdims),)


max_ = General(
    "max", lambda a, axis=None, keepdims=False: np.max(a, axis=axis, keepdims=keepdims),
    jvp=_extreme_jvp, vjp=_extreme_vjp, symbols=("1 at the maximum (1/k for each of k equal)",),
    examples=_CASES,
)  # fmt: skip
min_ = General(
    "min", lambda a, axis=None, keepdims=False: np.min(a, axis=axis, keepdims=keepdims),
    jvp=_extreme_jvp, vjp=_extreme_vjp, symbols=("1 at the minimum (1/k for each of k equal)",),
    examples=_CASES,
)  # fmt: skip


def _norm(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """√(Σ a²), scaled by the largest element only where the squares over- or underflow."""
    with np.errstate(over="ignore", under="ignore"):  # put right below
        square = np.sum(np.square(a), axis=axis, keepdims=keepdims)
    tiny = np.finfo(np.result_type(a, np.float32)).tiny
    if np.all(np.isfinite(square) & (square > tiny / np.finfo(np.result_type(square)).eps)):
        return np.sqrt(square)
    top = np.max(np.abs(a), axis=axis, keepdims=True, initial=0.0)
    safe = np.where((top == 0) | ~np.isfinite(top), 1.0, top)
    total = np.sqrt(np.sum(np.square(a / safe), axis=axis, keepdims=True)) * safe
    return total if keepdims else np.squeeze(total, axes_of(axis, np.ndim(a)))[()]


def _direction(y: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    """a/‖a‖, and 0 at the origin: the subgradient of least norm."""
    length = keep(y, shape_of(a), axis, keepdims)
    return a / where(length == 0, 1.0, length)


def _norm_jvp(t: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return sum_(t[0] * _direction(y, a, axis, keepdims), axis=axis, keepdims=keepdims)


def _norm_vjp(g: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return (keep(g, shape_of(a), axis, keepdims) * _direction(y, a, axis, keepdims),)


norm = General("norm", _norm, jvp=_norm_jvp, vjp=_norm_vjp, symbols=("a/norm(a)",), examples=_CASES)


def _recurrence(a: Any, b: Any) -> Any:
    """s[j] = a[j]·s[j−1] + b[j] along the first axis, with s[−1] = 0."""
    out = np.empty(np.broadcast_shapes(np.shape(a), np.shape(b)), np.result_type(a, b))
    a, b = np.broadcast_to(a, out.shape), np.broadcast_to(b, out.shape)
    s: Any = np.zeros_like(out[0]) if len(out) else None
    for j in range(len(out)):
        s = a[j] * s + b[j]
        out[j] = s
    return out


def _row_like(s: Any, fill: float) -> Any:
    return np.full((1, *shape_of(s)[1:]), fill, value_of(s).dtype)


def _previous(s: Any, first: float = 0.0) -> Any:
    """s[j − 1] in place j, and ``first`` in front."""
    return concatenate(_row_like(s, first), s[:-1], axis=0)


def _next(s: Any) -> Any:
    """s[j + 1] in place j, and 0 at the end."""
    return concatenate(s[1:], _row_like(s, 0.0), axis=0)


def _recurrence_jvp(t: Any, y: Any, a: Any, b: Any) -> Any:
    source = 0.0
    if t[0] is not None:
        source = t[0] * _previous(y)
    if t[1] is not None:
        source = source + t[1]
    return recurrence(a, source)


def _recurrence_vjp(g: Any, y: Any, a: Any, b: Any) -> Any:
    r = recurrence(_next(a)[::-1], g[::-1])[::-1]
    return r * _previous(y), r


# First-order linear recurrences are closed under differentiation in both modes; running products
# are made of them, so they need no division and are exact at zeros, to any order.
recurrence = General(
    "recurrence", _recurrence, jvp=_recurrence_jvp, vjp=_recurrence_vjp,
    symbols=("the recurrence run backward, times its shifted value", "the recurrence run backward"),
    examples=drawn(((4,), (4,), {}), ((3, 2), (3, 2), {})),
)  # fmt: skip


def _cumprod_jvp(t: Any, y: Any, a: Any) -> Any:
    return recurrence(a, t[0] * _previous(y, 1.0))


def _cumprod_vjp(g: Any, y: Any, a: Any) -> Any:
    r = recurrence(_next(a)[::-1], g[::-1])[::-1]
    return (r * _previous(y, 1.0),)


# Along the first axis; the NumPy table moves other axes there.
cumprod = General(
    "cumprod", lambda a: np.cumprod(a, axis=0), jvp=_cumprod_jvp, vjp=_cumprod_vjp,
    symbols=("the product of the other elements, summed",),
    examples=drawn(((4,), {}), ((3, 2), {})),
)  # fmt: skip


def _others(a: Any) -> Any:
    """The product of all other elements along the first axis, without a division."""
    return _previous(cumprod(a), 1.0) * _previous(cumprod(a[::-1]), 1.0)[::-1]


# Along the first axis.
prod = General(
    "prod", lambda a: np.prod(a, axis=0),
    jvp=lambda t, y, a: sum_(t[0] * _others(a), axis=0),
    vjp=lambda g, y, a: (g * _others(a),),
    symbols=("the product of the other elements",), examples=drawn(((4,), {}), ((3, 2), {})),
)  # fmt: skip


FUNCTIONS = (
    sum_, mean, cumsum, max_, min_, norm, recurrence, cumprod, prod,
)  # fmt: skip
