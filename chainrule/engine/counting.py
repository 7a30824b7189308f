"""Reductions in the few that engines know: sums, products and extremes over axes.

The norm adds up the squares of large, middling and small numbers apart, each scaled so that none of
them over- or underflows: one pass where a scale by the largest number would need two.

Source: Blue, "A portable Fortran program to find the Euclidean norm of a vector", ACM TOMS 1978;
Anderson, "Algorithm 978: safe scaling in the level 1 BLAS", ACM TOMS 2017 (the constants).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.elementary.reductions import axes_of
from chainrule.engine.building import Builder, Rule, is_floating, is_known
from chainrule.engine.program import BOOL, INT, Op, Shape


def sum_(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not is_known(a) or (a.dtype != dtype and a.dtype != BOOL):
        return None
    axes = axes_of(params.get("axis"), len(a.shape))
    return b.reduce("sum", b.astype(a, dtype), axes, _keeps(params))


def sum_to(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not is_floating(a):
        return None
    extra = len(a.shape) - len(shape)
    axes = tuple(
        i for i, n in enumerate(a.shape) if i < extra or (shape[i - extra] == 1 and n != 1)
    )
    y = b.reduce("sum", a, axes, False)
    return b.reshape(y, shape)


def mean(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    total = sum_(b, args, params, shape, dtype)
    if total is None or dtype.kind != "f":
        return None
    return b.op("divide", (total, dtype.type(args[0].size // total.size)), shape, dtype)


def extreme(name: str) -> Rule:
    def rule(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
        a = args[0]
        if not is_known(a) or a.dtype == BOOL:
            return None
        return b.reduce(name, a, axes_of(params.get("axis"), len(a.shape)), _keeps(params))

    return rule


def prod(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """The record multiplies along the first axis."""
    return b.reduce("prod", args[0], (0,), False) if is_floating(args[0]) else None


def cumsum(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """Of truth values and whole numbers a running count."""
    a = args[0]
    if not is_known(a) or (a.dtype != dtype and a.dtype != BOOL):
        return None
    a = b.astype(a, dtype)
    return b.op("cumsum", (a,), shape, dtype, axis=params.get("axis", 0) % len(shape))


def cumprod(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """The record runs along the first axis; of an array that was turned for it, along its own."""
    a = args[0]
    if not is_floating(a) or a.name != "transpose":
        return None
    inner, axes = a.args[0], a.params["axes"]
    found = b.op("cumprod", (inner,), inner.shape, dtype, axis=axes[0])
    return b.transpose(found, axes)


def recurrence(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    if math.prod(shape) == 0 or dtype.kind != "f":
        return None
    whole = []
    for a in args:
        a = a if isinstance(a, Op) else b.constant(np.full((1,) * len(shape), a, dtype))
        whole.append(b.broadcast_to(b.astype(a, dtype), shape))
    return b.op("recurrence", whole, shape, dtype)


def _keeps(params: Any) -> bool:
    return bool(params.get("keepdims"))


def _holds(b: Builder, a: Op) -> Any:
    return a if a.dtype == BOOL else b.like("not_equal", a, a.dtype.type(0))


def _decision(name: str) -> Rule:
    """any and all: the largest and the smallest of zeros and ones."""

    def rule(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
        a = args[0]
        if not is_known(a):
            return None
        axes = axes_of(params.get("axis"), len(a.shape))
        ones = b.astype(_holds(b, a), np.dtype(np.float32))
        y = b.reduce(name, ones, axes, _keeps(params))
        return b.like("not_equal", y, np.float32(0))

    return rule


def count_nonzero(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not is_known(a):
        return None
    axes = axes_of(params.get("axis"), len(a.shape))
    return b.reduce("sum", b.astype(_holds(b, a), INT), axes, _keeps(params))


def _position(name: str) -> Rule:
    """argmax and argmin: the first place that has the extreme, or the first NaN."""

    def rule(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
        a, axis = args[0], params.get("axis")
        if not is_known(a) or a.dtype == BOOL or dtype != INT:
            return None
        if axis is None:
            a, axis = b.reshape(a, (a.size,)), 0
        axis %= len(a.shape)
        n = a.shape[axis]
        hit = b.like("equal", a, b.reduce(name, a, (axis,), True))
        if a.dtype.kind == "f":
            hit = b.like("logical_or", hit, b.like("isnan", a))
        along = np.arange(n).reshape([-1 if k == axis else 1 for k in range(len(a.shape))])
        places = b.like("where", hit, b.table(along), n)
        return b.reshape(b.reduce("min", places, (axis,), False), shape)

    return rule


def _limits(dtype: Any) -> tuple[float, float, float, float]:
    """(below it a square underflows, its scale; above it a sum overflows, its scale)."""
    info = np.finfo(dtype)
    digits, least, most = info.nmant + 1, info.minexp + 1, info.maxexp
    small, large = math.ceil((least - 1) / 2), math.floor((most - digits + 1) / 2)
    up, down = -math.floor((least - digits) / 2), -math.ceil((most + digits - 1) / 2)
    return 2.0**small, 2.0**up, 2.0**large, 2.0**down


def norm(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not is_floating(a) or dtype not in (np.float32, np.float64):
        return None
    axes = axes_of(params.get("axis"), len(a.shape))
    low, up, high, down = map(dtype.type, _limits(dtype))
    zero = dtype.type(0)
    size = b.like("abs", a)
    is_small = b.like("less", size, low)
    is_large = b.like("greater", size, high)
    either = b.like("logical_or", is_small, is_large)
    middling = b.like("where", either, zero, size)

    def total(x: Any) -> Any:
        return b.reduce("sum", b.like("square", x), axes, _keeps(params))

    # What is not small is taken as 0 before it is scaled, so that no infinity comes in.
    small = total(b.like("multiply", b.like("where", is_small, size, zero), up))
    large = total(b.like("multiply", b.like("where", is_large, size, zero), down))
    rest = total(middling)
    with_large = b.like("add", large, b.like("multiply", b.like("multiply", rest, down), down))
    with_small = b.like("add", rest, b.like("divide", b.like("divide", small, up), up))
    found = b.like("sqrt", with_small)
    only_small = b.like("equal", rest, zero)
    tiny = b.like("divide", b.like("sqrt", small), up)
    found = b.like("where", only_small, tiny, found)
    big = b.like("divide", b.like("sqrt", with_large), down)
    is_big = b.like("greater", large, zero)
    return b.like("where", is_big, big, found)


RULES: dict[str, Rule] = {
    "sum": sum_, "sum_to": sum_to, "mean": mean, "max": extreme("max"), "min": extreme("min"),
    "prod": prod, "cumsum": cumsum, "cumprod": cumprod, "recurrence": recurrence,
    "any": _decision("max"), "all": _decision("min"),
    "count_nonzero": count_nonzero, "argmax": _position("max"), "argmin": _position("min"),
    "norm": norm,
}  # fmt: skip

__all__ = ["RULES"]
