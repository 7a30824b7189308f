"""Convolutions, and windows put back into place, written as matrix products and padded sums.

A convolution is a product of the matrix of all windows, one row for each position, by the weights
as a matrix. The gradient of the weights is another product of the same matrix; that of the input
puts the windows' gradients back to where they were read, one tap of the kernel after the other.

Source: Chellapilla, Puri & Simard, "High performance convolutional neural networks for document
processing", IWFHR 2006 (unrolling).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.engine.program import Builder, Op

Shape = tuple[int, ...]
FEW = 8  # channels, below which windows stand in columns: rows would be too short for vectors


def _matrix(b: Builder, x: Any, kernel: Shape, params: Any) -> Any:
    """The windows of x, one in each row: (batch · positions, kernel · channels)."""
    padding = params["padding"]
    n = len(kernel)
    if any(map(any, padding)):
        wide = tuple(k + low + high for k, (low, high) in zip(x.shape[1:-1], padding, strict=True))
        lows = (0, *(low for low, _ in padding), 0)
        x = b.op("pad", (x,), (x.shape[0], *wide, x.shape[-1]), x.dtype, lows=lows, counts=x.shape)
    places = tuple(
        (size - (k - 1) * d - 1) // s + 1
        for size, k, s, d in zip(
            x.shape[1:-1], kernel, params["stride"], params["dilation"], strict=True
        )
    )
    options = {"window": kernel, "stride": params["stride"], "dilation": params["dilation"]}
    shape = (x.shape[0], *places, *kernel, x.shape[-1])
    found = b.op("windows", (x,), shape, x.dtype, **options)
    rows, columns = math.prod(shape[: n + 1]), math.prod(shape[n + 1 :])
    if x.shape[-1] >= FEW:
        return b.op("reshape", (found,), (rows, columns), x.dtype)
    axes = (*range(n + 1, 2 * n + 2), *range(n + 1))
    turned = b.op("transpose", (found,), tuple(shape[i] for i in axes), x.dtype, axes=axes)
    flat = b.op("reshape", (turned,), (columns, rows), x.dtype)
    return _turned(b, flat)


def _turned(b: Builder, a: Any) -> Any:
    return b.op("transpose", (a,), (a.shape[1], a.shape[0]), a.dtype, axes=(1, 0))


def _product(b: Builder, x: Any, y: Any) -> Any:
    return b.op("matmul", (x, y), (x.shape[0], y.shape[1]), x.dtype)


def conv(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    x, w = args
    if not _same(args, dtype):
        return None
    weights = b.op("reshape", (w,), (math.prod(w.shape[:-1]), w.shape[-1]), dtype)
    y = _product(b, _matrix(b, x, w.shape[:-2], params), weights)
    return b.op("reshape", (y,), shape, dtype)


def conv_weight(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    x, g = args
    if not _same(args, dtype):
        return None
    flat = b.op("reshape", (g,), (math.prod(g.shape[:-1]), g.shape[-1]), dtype)
    y = _product(b, _turned(b, _matrix(b, x, params["kernel"], params)), flat)
    return b.op("reshape", (y,), shape, dtype)


def conv_input(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    g, w = args
    if not _same(args, dtype) or any(s != 1 for s in params["stride"]):
        return None
    kernel = w.shape[:-2]
    flat = b.op("reshape", (g,), (math.prod(g.shape[:-1]), g.shape[-1]), dtype)
    weights = b.op("reshape", (w,), (math.prod(w.shape[:-1]), w.shape[-1]), dtype)
    columns = _product(b, flat, _turned(b, weights))
    whole = (*g.shape[:-1], *kernel, w.shape[-2])
    columns = b.op("reshape", (columns,), whole, dtype)
    lows = tuple(low for low, _ in params["padding"])
    return _put_back(b, columns, len(kernel), params["dilation"], lows, shape)


def fold(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """Windows added back: side by side they are only moved, one apart they are summed."""
    a = args[0]
    if not _same(args, dtype):
        return None
    n = len(params["space"])
    places, kernel = a.shape[1 : n + 1], a.shape[n + 1 : -1]
    stride, dilation = params["stride"], params["dilation"]
    if all(s == 1 for s in stride):
        return _put_back(b, a, n, dilation, (0,) * n, shape)
    if stride != kernel or any(d != 1 for d in dilation):
        return None
    axes = (0, *(i for k in range(n) for i in (k + 1, k + n + 1)), 2 * n + 1)
    moved = b.op("transpose", (a,), tuple(a.shape[i] for i in axes), dtype, axes=axes)
    inner = (a.shape[0], *(p * k for p, k in zip(places, kernel, strict=True)), a.shape[-1])
    flat = b.op("reshape", (moved,), inner, dtype)
    if inner == shape:
        return flat
    return b.op("pad", (flat,), shape, dtype, lows=(0,) * len(shape), counts=inner)


def _put_back(b: Builder, columns: Op, n: int, dilation: Shape, lows: Shape, shape: Shape) -> Any:
    """Σ over the taps of the kernel, each moved to where it was read, ``lows`` further ahead."""
    from chainrule.elementary.indexing import Index

    places, kernel = columns.shape[1 : n + 1], columns.shape[n + 1 : -1]
    part_shape = (columns.shape[0], *places, columns.shape[-1])
    total: Any = None
    for tap in itertools.product(*map(range, kernel)):
        key = (*(slice(None),) * (n + 1), *tap)
        part = b.op("getitem", (columns,), part_shape, columns.dtype, index=Index(key))
        starts = (
            0, *(t * d - low for t, d, low in zip(tap, dilation, lows, strict=True)), 0
        )  # fmt: skip
        moved = b.op("pad", (part,), shape, columns.dtype, lows=starts, counts=part_shape)
        total = moved if total is None else b.op("add", (total, moved), shape, columns.dtype)
    return total


def _same(args: Sequence[Any], dtype: Any) -> bool:
    from chainrule.engine.program import Op

    return all(
        isinstance(a, Op) and a.dtype == dtype and a.dtype.kind == "f" and a.size for a in args
    )


RULES = {"conv": conv, "conv_weight": conv_weight, "conv_input": conv_input, "fold": fold}
