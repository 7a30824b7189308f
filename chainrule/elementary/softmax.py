"""The soft maximum and its relatives: softmax, its logarithm, logsumexp, and the cross-entropy.

Each subtracts the largest element first, and puts the rounding error of that difference back:
half an ulp of a − max = −35 would be an error of 16 ulp in its exponential.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary.base import General, drawn, shape_of, value_of
from chainrule.elementary.logic import equal
from chainrule.elementary.reductions import Axis, axes_of, keep, max_, sum_
from chainrule.elementary.shaping import where


def _shifted(a: Any, axis: Axis) -> tuple[Any, Any, Any]:
    """(m, a − m, exp(a − m)) with the largest element m, or 0 where that is not finite."""
    m = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    m = np.where(np.isfinite(m), m, a.dtype.type(0.0))
    d = a - m
    with np.errstate(invalid="ignore", over="ignore"):  # at infinite elements, replaced
        t = d - a
        error = (a - (d - t)) - (m + t)
        e = np.exp(d)
        return m, d, e + e * np.where(np.isfinite(d), error, 0.0)


def _softmax(a: Any, axis: Axis = -1) -> Any:
    _, _, e = _shifted(a, axis)
    return e / np.sum(e, axis=axis, keepdims=True)


def _softmax_jvp(t: Any, y: Any, a: Any, axis: Axis = -1) -> Any:
    weighted = y * t[0]
    return weighted - y * sum_(weighted, axis=axis, keepdims=True)


_ROWS = drawn(((3,), {}), ((2, 3), {"axis": 0}))

softmax = General(
    "softmax", _softmax, jvp=_softmax_jvp,
    vjp=lambda g, y, a, axis=-1: (_softmax_jvp((g,), y, a, axis),),
    symbols=("y (g − Σ g y)",), examples=_ROWS,
)  # fmt: skip


def _others(a: Any, e: Any, axis: int) -> Any:
    """Σ exp(a − m) without the largest element: log1p of it keeps a confident row's digits."""
    e = e.copy()
    if e.size:
        np.put_along_axis(e, np.argmax(a, axis=axis, keepdims=True), 0.0, axis)
    return np.sum(e, axis=axis, keepdims=True)


def _log_softmax(a: Any, axis: int = -1) -> Any:
    _, d, e = _shifted(a, axis)
    return d - np.log1p(_others(a, e, axis))


log_softmax = General(
    "log_softmax", _log_softmax,
    jvp=lambda t, y, a, axis=-1: (
        t[0] - sum_(softmax(a, axis=axis) * t[0], axis=axis, keepdims=True)
    ),
    vjp=lambda g, y, a, axis=-1: (
        g - softmax(a, axis=axis) * sum_(g, axis=axis, keepdims=True),
    ),
    symbols=("g − softmax(a) Σ g",), examples=_ROWS,
)  # fmt: skip


def _logsumexp(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    a = np.asarray(a)
    axes = axes_of(axis, a.ndim)
    if not axes:
        return a[()]
    rows = np.moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
    rows = rows.reshape(*rows.shape[: a.ndim - len(axes)], np.prod([a.shape[i] for i in axes]))
    m, d, e = _shifted(rows, -1)
    top = np.max(d, axis=-1, keepdims=True, initial=-np.inf)  # 0, or the infinity of the row
    y = np.where(top == 0, m + np.log1p(_others(rows, e, -1)), top)[..., 0]
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    return y.reshape(kept) if keepdims else y[()]


def _weights(y: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    """softmax over the axes; a row that is −∞ throughout has the weights 0."""
    none = equal(keep(y, shape_of(a), axis, keepdims), -np.inf)
    p = softmax(where(none, 0.0, a), axis=axes_of(axis, len(shape_of(a))))
    return where(none, 0.0, p)


def _logsumexp_jvp(t: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return sum_(t[0] * _weights(y, a, axis, keepdims), axis=axis, keepdims=keepdims)


def _logsumexp_vjp(g: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return (keep(g, shape_of(a), axis, keepdims) * _weights(y, a, axis, keepdims),)


logsumexp = General(
    "logsumexp", _logsumexp, jvp=_logsumexp_jvp, vjp=_logsumexp_vjp, symbols=("softmax(a)",),
    examples=drawn(
        ((3,), {}), ((2, 3), {"axis": 0}), ((2, 3, 2), {"axis": (0, 2), "keepdims": True})
    ),
)  # fmt: skip


def _softmax_cross_entropy(a: Any, b: Any, axis: int = -1) -> Any:
    """Σ t (log Σ exp a − a), where each term is exact for a confident row too."""
    terms = np.where(np.equal(b, 0), 0.0, _log_softmax(a, axis))  # 0·∞ is 0 here
    return -np.sum(b * terms, axis=axis)


def _residual(a: Any, b: Any, axis: int) -> Any:
    """p Σt − t without cancellation: each class against all others, p(Σt − t) − t(1 − p)."""
    p = softmax(a, axis=axis)
    others = sum_(p, axis=axis, keepdims=True) - p
    if np.size(value_of(p)):
        top = max_(p, axis=axis, keepdims=True)
        mask = equal(p, top)
        zero = value_of(p).dtype.type(0.0)
        equals = sum_(where(mask, top, zero), axis=axis, keepdims=True) - top
        rest = equals + sum_(where(mask, zero, p), axis=axis, keepdims=True)
        others = where(mask, rest, others)
    total = sum_(b, axis=axis, keepdims=True)
    return p * (total - b) - b * others


def _cross_entropy_jvp(t: Any, y: Any, a: Any, b: Any, axis: int = -1) -> Any:
    total: Any = 0.0
    if t[0] is not None:
        total = sum_(_residual(a, b, axis) * t[0], axis=axis)
    if t[1] is not None:
        total = total - sum_(log_softmax(a, axis=axis) * t[1], axis=axis)
    return total


def _cross_entropy_vjp(g: Any, y: Any, a: Any, b: Any, axis: int = -1) -> Any:
    g = keep(g, shape_of(a), axis, False)
    return g * _residual(a, b, axis), -g * log_softmax(a, axis=axis)


# Logits and target probabilities (one-hot or soft); one loss for each row.
softmax_cross_entropy = General(
    "softmax_cross_entropy", _softmax_cross_entropy,
    jvp=_cross_entropy_jvp, vjp=_cross_entropy_vjp,
    symbols=("g (softmax(a) − b)", "−g log_softmax(a)"),
    examples=drawn(((2, 3), (2, 3), {}), ((3,), (3,), {})),
)  # fmt: skip

FUNCTIONS = (softmax, log_softmax, logsumexp, softmax_cross_entropy)
