"""Functions written in the few that engines know: sums, extremes, softmax, assigned slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.elementary.reductions import axes_of
from chainrule.engine import algebra, convolutions
from chainrule.engine.building import Builder, Rule
from chainrule.engine.program import Op, Shape, as_ranges, contiguous


def _floating(a: Any) -> bool:
    return isinstance(a, Op) and a.dtype.kind == "f" and a.size > 0


def _sum(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not _floating(a) or a.dtype != dtype:
        return None
    axes = axes_of(params.get("axis"), len(a.shape))
    return b.reduce("sum", a, axes, bool(params.get("keepdims")))


def _sum_to(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not _floating(a):
        return None
    extra = len(a.shape) - len(shape)
    axes = tuple(
        i for i, n in enumerate(a.shape) if i < extra or (shape[i - extra] == 1 and n != 1)
    )
    y = b.reduce("sum", a, axes, False)
    return b.op("reshape", (y,), shape, dtype)


def _mean(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    total = _sum(b, args, params, shape, dtype)
    if total is None:
        return None
    return b.op("divide", (total, dtype.type(args[0].size // total.size)), shape, dtype)


def _extreme(name: str) -> Rule:
    def rule(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
        a = args[0]
        if not _floating(a):
            return None
        axes = axes_of(params.get("axis"), len(a.shape))
        return b.reduce(name, a, axes, bool(params.get("keepdims")))

    return rule


def _shifted(b: Builder, a: Op, axes: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """(m, a − m, exp(a − m)) with the largest element m, or 0 where that is not finite."""
    number = a.dtype.type
    top = b.reduce("max", a, axes, True)
    m = b.like("where", b.like("isfinite", top, dtype=bool), top, number(0), dtype=a.dtype)
    d = b.like("subtract", a, m)
    t = b.like("subtract", d, a)
    error = b.like("subtract", a, b.like("subtract", d, t))
    error = b.like("subtract", error, b.like("add", m, t))
    error = b.like("where", b.like("isfinite", d, dtype=bool), error, number(0), dtype=a.dtype)
    e = b.like("exp", d)
    return m, d, b.like("add", e, b.like("multiply", e, error))


def _softmax(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not _floating(a):
        return None
    axes = axes_of(params.get("axis", -1), len(a.shape))
    _, _, e = _shifted(b, a, axes)
    return b.like("divide", e, b.reduce("sum", e, axes, True))


def _others(b: Builder, a: Op, d: Any, e: Any, axes: tuple[int, ...]) -> Any:
    """Σ exp(a − m) but for one largest element, whose term is 1."""
    number = a.dtype.type
    top = b.like("equal", d, number(0), dtype=bool)
    count = b.reduce("sum", b.like("astype", top, dtype=a.dtype), axes, True)
    rest = b.reduce("sum", b.like("where", top, number(0), e, dtype=a.dtype), axes, True)
    more = b.like("maximum", b.like("subtract", count, number(1)), number(0))
    return b.like("add", more, rest)


def _log_softmax(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not _floating(a):
        return None
    axes = axes_of(params.get("axis", -1), len(a.shape))
    _, d, e = _shifted(b, a, axes)
    return b.like("subtract", d, b.like("log1p", _others(b, a, d, e, axes)))


def _cross_entropy(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a, t = args
    if not _floating(a) or not _floating(t) or a.shape != t.shape or a.dtype != t.dtype:
        return None
    axes = axes_of(params.get("axis", -1), len(a.shape))
    logs = _log_softmax(b, (a,), params, a.shape, dtype)
    none = b.like("equal", t, dtype.type(0), dtype=bool)
    terms = b.like("where", none, dtype.type(0), logs, dtype=dtype)
    total = b.reduce("sum", b.like("multiply", t, terms), axes, False)
    return b.like("negative", total)


def _index_add(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """Numbers put into zeros at a slice: a padded array, each element of which is read or 0."""
    index, g = params["index"], args[0]
    if not index.basic or not _floating(g) or math.prod(shape) == 0:
        return None
    ghost = as_strided(np.empty(1, np.int8), shape, contiguous(shape))
    view = ghost[as_ranges(index.key)]
    start = view.__array_interface__["data"][0] - ghost.__array_interface__["data"][0]
    lows, steps, counts = [], [], []
    taken = [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    for n, stride in zip(shape, contiguous(shape), strict=True):
        low, start = divmod(start, stride)
        count, step = 1, 1
        if (
            taken
            and n > 1
            and taken[0][1] % stride == 0
            and low + (taken[0][1] // stride) * (taken[0][0] - 1) in range(n)
        ):
            count, step = taken[0][0], taken.pop(0)[1] // stride
        lows.append(low)
        steps.append(step)
        counts.append(count)
    if taken or any(step != 1 for step in steps):
        return None
    source = b.op("reshape", (g,), tuple(counts), dtype)
    if source.shape == shape:
        return source
    return b.op("pad", (source,), shape, dtype, lows=tuple(lows), counts=tuple(counts))


EXPANDED: dict[str, Rule] = {
    **algebra.RULES,
    **convolutions.RULES,
    "index_add": _index_add,
    "sum": _sum,
    "sum_to": _sum_to,
    "mean": _mean,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "softmax_cross_entropy": _cross_entropy,
}

__all__ = ["EXPANDED"]
