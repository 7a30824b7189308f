"""Functions written in the few that engines know: sums, extremes, softmax, assigned slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.elementary.reductions import axes_of
from chainrule.engine import (
    algebra,
    contractions,
    convolutions,
    counting,
    filters,
    matrices,
    rearranging,
    searching,
)
from chainrule.engine.building import Builder, Rule, is_floating
from chainrule.engine.program import POLYGAMMA, Op, Shape


def _shifted(b: Builder, a: Op, axes: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """(m, a − m, exp(a − m)) with the largest element m, or 0 where that is not finite."""
    number = a.dtype.type
    top = b.reduce("max", a, axes, True)
    m = b.like("where", b.like("isfinite", top), top, number(0))
    d = b.like("subtract", a, m)
    t = b.like("subtract", d, a)
    error = b.like("subtract", a, b.like("subtract", d, t))
    error = b.like("subtract", error, b.like("add", m, t))
    error = b.like("where", b.like("isfinite", d), error, number(0))
    e = b.like("exp", d)
    return m, d, b.like("add", e, b.like("multiply", e, error))


def _softmax(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not is_floating(a):
        return None
    axes = axes_of(params.get("axis", -1), len(a.shape))
    _, _, e = _shifted(b, a, axes)
    return b.like("divide", e, b.reduce("sum", e, axes, True))


def _others(b: Builder, a: Op, d: Any, e: Any, axes: tuple[int, ...]) -> Any:
    """Σ exp(a − m) but for one largest element, whose term is 1."""
    number = a.dtype.type
    top = b.like("equal", d, number(0))
    count = b.reduce("sum", b.like("astype", top, dtype=a.dtype), axes, True)
    rest = b.reduce("sum", b.like("where", top, number(0), e), axes, True)
    more = b.like("maximum", b.like("subtract", count, number(1)), number(0))
    return b.like("add", more, rest)


def _logsumexp(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not is_floating(a):
        return None
    axes = axes_of(params.get("axis"), len(a.shape))
    if not axes:
        return a
    m, d, e = _shifted(b, a, axes)
    top = b.reduce("max", d, axes, True)  # 0, or the infinity of the row
    inside = b.like("equal", top, dtype.type(0))
    total = b.like("add", m, b.like("log1p", _others(b, a, d, e, axes)))
    return b.reshape(b.like("where", inside, total, top), shape)


def _log_softmax(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not is_floating(a):
        return None
    axes = axes_of(params.get("axis", -1), len(a.shape))
    _, d, e = _shifted(b, a, axes)
    return b.like("subtract", d, b.like("log1p", _others(b, a, d, e, axes)))


def _cross_entropy(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a, t = args
    if not is_floating(a) or not is_floating(t) or a.shape != t.shape or a.dtype != t.dtype:
        return None
    axes = axes_of(params.get("axis", -1), len(a.shape))
    logs = _log_softmax(b, (a,), params, a.shape, dtype)
    none = b.like("equal", t, dtype.type(0))
    terms = b.like("where", none, dtype.type(0), logs)
    total = b.reduce("sum", b.like("multiply", t, terms), axes, False)
    return b.like("negative", total)


def _round(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """Scaled to whole numbers, as NumPy does it."""
    a, decimals = args[0], params.get("decimals", 0)
    if not is_floating(a) or not isinstance(decimals, int) or abs(decimals) > 22:
        return None
    scale = dtype.type(10.0 ** abs(decimals))
    there, back = ("multiply", "divide") if decimals > 0 else ("divide", "multiply")
    return (
        b.like(back, b.like("rint", b.like(there, a, scale)), scale)
        if decimals
        else (b.like("rint", a))
    )


def _polygamma(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    n, a = args
    if isinstance(n, Op) or a.shape != shape or not is_floating(a):
        return None
    name = "digamma" if n == 0 else POLYGAMMA.get(n)
    return None if name is None else b.op(name, (a,), shape, dtype)


EXPANDED: dict[str, Rule] = {
    **algebra.RULES,
    **contractions.RULES,
    **convolutions.RULES,
    **counting.RULES,
    **filters.RULES,
    **matrices.RULES,
    **rearranging.RULES,
    **searching.RULES,
    "round": _round,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "polygamma": _polygamma,
    "softmax_cross_entropy": _cross_entropy,
}

__all__ = ["EXPANDED"]
