"""np.convolve and np.correlate of two vectors as sums of shifted products."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from chainrule.engine.building import Builder, Rule, are_arrays
from chainrule.engine.program import Shape

TAPS = 32  # shifted products that are written out


def convolve(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """y[n] = Σ a[n − k] v[k]: for a short v its products with a, each in its place."""
    if dtype.kind != "f" or not are_arrays(args, dtype):
        return None
    a, v = args if args[0].size >= args[1].size else reversed(args)
    if v.size > TAPS:
        last = v.size - 1
        wide = (a.size + 2 * last,)
        a = b.pad(a, wide, (last,))
        turned = b.op("flip", (v,), v.shape, dtype, axis=None)
        return correlate(b, (a, turned), {}, shape, dtype)
    if v.size == 1:
        return b.like("multiply", a, b.part(v, 0, ()))
    parts = []
    for k in range(v.size):
        parts.append(b.pad(b.like("multiply", a, b.part(v, k, ())), shape, (k,)))
    return functools.reduce(functools.partial(b.like, "add"), parts)


def correlate(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """y[n] = Σ g[n + k] v[k], wherever v fits into g."""
    if dtype.kind != "f" or not are_arrays(args, dtype) or args[0].size < args[1].size:
        return None
    (g, v), (count,) = args, shape
    if v.size <= TAPS:
        spans = [b.part(g, slice(k, k + count), shape) for k in range(v.size)]
        parts = [b.like("multiply", x, b.part(v, k, ())) for k, x in enumerate(spans)]
        return functools.reduce(functools.partial(b.like, "add"), parts)
    row = b.reshape(g, (1, g.size, 1))
    windows = b.op(
        "windows", (row,), (1, count, v.size, 1), dtype, window=v.shape, stride=(1,), dilation=(1,)
    )
    found = b.like("multiply", windows, b.reshape(v, (v.size, 1)))
    return b.reshape(b.reduce("sum", found, (2,), False), shape)


RULES: dict[str, Rule] = {"convolve": convolve, "correlate": correlate}

__all__ = ["RULES"]
