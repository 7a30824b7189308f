"""np.convolve and np.correlate of two vectors as sums of shifted products."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from chainrule.elementary.indexing import Index
from chainrule.engine.building import Builder, Rule
from chainrule.engine.counting import is_floating
from chainrule.engine.program import Op, Shape

TAPS = 32  # shifted products that are written out


def _fits(args: Sequence[Any], dtype: Any) -> bool:
    return all(is_floating(a) and a.dtype == dtype for a in args)


def _part(b: Builder, a: Op, key: Any, shape: Shape) -> Any:
    return b.op("getitem", (a,), shape, a.dtype, index=Index(key, True))


def convolve(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """y[n] = Σ a[n − k] v[k]: for a short v its products with a, each in its place."""
    if not _fits(args, dtype):
        return None
    a, v = args if args[0].size >= args[1].size else reversed(args)
    if v.size > TAPS:
        last = v.size - 1
        wide = (a.size + 2 * last,)
        a = b.op("pad", (a,), wide, dtype, lows=(last,), counts=a.shape)
        turned = b.op("flip", (v,), v.shape, dtype, axis=None)
        return correlate(b, (a, turned), {}, shape, dtype)
    if v.size == 1:
        return b.like("multiply", a, _part(b, v, 0, ()))
    parts = []
    for k in range(v.size):
        product = b.like("multiply", a, _part(b, v, k, ()))
        parts.append(b.op("pad", (product,), shape, dtype, lows=(k,), counts=a.shape))
    return functools.reduce(functools.partial(b.like, "add"), parts)


def correlate(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """y[n] = Σ g[n + k] v[k], wherever v fits into g."""
    if not _fits(args, dtype) or args[0].size < args[1].size:
        return None
    (g, v), (count,) = args, shape
    if v.size <= TAPS:
        spans = [_part(b, g, slice(k, k + count), shape) for k in range(v.size)]
        parts = [b.like("multiply", x, _part(b, v, k, ())) for k, x in enumerate(spans)]
        return functools.reduce(functools.partial(b.like, "add"), parts)
    row = b.op("reshape", (g,), (1, g.size, 1), dtype)
    windows = b.op(
        "windows", (row,), (1, count, v.size, 1), dtype, window=v.shape, stride=(1,), dilation=(1,)
    )
    found = b.like("multiply", windows, b.op("reshape", (v,), (v.size, 1), dtype))
    return b.op("reshape", (b.reduce("sum", found, (2,), False),), shape, dtype)


RULES: dict[str, Rule] = {"convolve": convolve, "correlate": correlate}

__all__ = ["RULES"]
