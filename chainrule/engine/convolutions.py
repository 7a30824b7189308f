"""Convolutions, and windows put back into place, in the terms that engines know.

Along one or two axes a convolution is a correlation, whose kernels read the image as it lies. The
gradient of its weights is another kind of correlation; that of its input is one with the kernel
turned round, of the gradient spread out by the stride.

Along more axes it is a product of the matrix of all windows, one row for each position, by the
weights as a matrix. The gradient of the weights is another product of the same matrix; that of the
input puts the windows' gradients back to where they were read, one tap after the other.

Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016; Chellapilla,
Puri & Simard, "High performance convolutional neural networks for document processing", IWFHR 2006
(unrolling).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from chainrule.engine.algebra import product, turned
from chainrule.engine.building import Builder, are_arrays
from chainrule.engine.geometry import Geometry
from chainrule.engine.program import Op, Shape

WIDE = 48  # positions of a row from which on images are padded instead of edges left out
FEW = 8  # channels, below which windows stand in columns: rows would be too short for vectors


def _matrix(b: Builder, x: Any, kernel: Shape, params: Any) -> Any:
    """The windows of x, one in each row: (batch · positions, kernel · channels)."""
    padding = params["padding"]
    n = len(kernel)
    if any(map(any, padding)):
        wide = tuple(k + low + high for k, (low, high) in zip(x.shape[1:-1], padding, strict=True))
        lows = (0, *(low for low, _ in padding), 0)
        x = b.pad(x, (x.shape[0], *wide, x.shape[-1]), lows)
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
        return b.reshape(found, (rows, columns))
    axes = (*range(n + 1, 2 * n + 2), *range(n + 1))
    turned = b.transpose(found, axes)
    flat = b.reshape(turned, (columns, rows))
    return turned(b, flat)


def conv(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    x, w = args
    if dtype.kind != "f" or not are_arrays(args, dtype):
        return None
    weights = b.reshape(w, (math.prod(w.shape[:-1]), w.shape[-1]))
    if len(shape) <= 4:
        x, given = _plane(b, x, w.shape[:-2], params)
        lows, highs = zip(*given["padding"], strict=True)
        places = shape[1:-1] if len(shape) == 4 else (1, shape[1])
        options = {k: given[k] for k in ("kernel", "stride", "dilation")}
        y = _correlated(b, x, weights, places, lows, highs, options)
    else:
        y = product(b, _matrix(b, x, w.shape[:-2], params), weights)
    return b.reshape(y, shape)


def conv_weight(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    x, g = args
    if dtype.kind != "f" or not are_arrays(args, dtype):
        return None
    flat = b.reshape(g, (math.prod(g.shape[:-1]), g.shape[-1]))
    if len(g.shape) <= 4:
        places = g.shape[1:-1] if len(g.shape) == 4 else (1, g.shape[1])
        x, given = _plane(b, x, params["kernel"], params)
        lows, highs = zip(*given["padding"], strict=True)
        x = _padded(b, x, lows, highs)
        options = {k: given[k] for k in ("kernel", "stride", "dilation")}
        where = Geometry(x.shape[0], x.shape[1:3], x.shape[3], places, **options)
        y = b.op(
            "correlate2d_weight", (x, flat), (where.elements, g.shape[-1]), dtype, geometry=where
        )
    else:
        y = product(b, turned(b, _matrix(b, x, params["kernel"], params)), flat)
    return b.reshape(y, shape)


def conv_input(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    g, w = args
    if dtype.kind != "f" or not are_arrays(args, dtype):
        return None
    kernel = w.shape[:-2]
    if len(shape) <= 4:
        return _correlated_input(b, g, w, params, shape)
    if any(s != 1 for s in params["stride"]):
        return None
    flat = b.reshape(g, (math.prod(g.shape[:-1]), g.shape[-1]))
    weights = b.reshape(w, (math.prod(w.shape[:-1]), w.shape[-1]))
    columns = product(b, flat, turned(b, weights))
    whole = (*g.shape[:-1], *kernel, w.shape[-2])
    columns = b.reshape(columns, whole)
    lows = tuple(low for low, _ in params["padding"])
    return _put_back(b, columns, len(kernel), params["dilation"], lows, shape)


def _correlated_input(b: Builder, g: Any, w: Any, params: Any, shape: Shape) -> Any:
    """Each pixel sums over the windows that it is in: a correlation with the turned kernel."""
    g, given = _plane(b, g, w.shape[:-2], params)
    kernel, dilation = given["kernel"], given["dilation"]
    axes = tuple(range(len(w.shape) - 2))
    turned = b.op("flip", (w,), w.shape, w.dtype, axis=axes)
    swapped = (*w.shape[:-2], w.shape[-1], w.shape[-2])
    order = (*axes, len(axes) + 1, len(axes))
    turned = b.transpose(turned, order)
    weights = b.reshape(turned, (math.prod(swapped[:-1]), swapped[-1]))
    places = shape[1:-1] if len(shape) == 4 else (1, shape[1])
    lows = tuple(
        d * (k - 1) - low for d, k, (low, _) in zip(dilation, kernel, given["padding"], strict=True)
    )
    highs = tuple(
        max(n - 1 - low + d * (k - 1) - (size - 1), 0)
        for n, low, d, k, size in zip(places, lows, dilation, kernel, g.shape[1:3], strict=True)
    )
    options = {"kernel": kernel, "dilation": dilation, "up": given["stride"]}
    y = _correlated(b, g, weights, places, lows, highs, options)
    return b.reshape(y, shape)


def _plane(b: Builder, x: Any, kernel: Shape, params: Any) -> tuple[Any, dict[str, Any]]:
    """Images with two axes, and the parameters for them: a line is an image of height 1."""
    names = ("stride", "padding", "dilation")
    if len(x.shape) == 4:
        return x, {"kernel": kernel, **{k: params[k] for k in names}}
    x = b.reshape(x, (x.shape[0], 1, *x.shape[1:]))
    none = {"stride": 1, "padding": (0, 0), "dilation": 1}
    return x, {"kernel": (1, *kernel), **{k: (none[k], *params[k]) for k in names}}


def _padded(b: Builder, x: Any, lows: Any, highs: Any) -> Any:
    """Images with zeros around them."""
    if not any((*lows, *highs)):
        return x
    space = tuple(n + low + high for n, low, high in zip(x.shape[1:3], lows, highs, strict=True))
    shape = (x.shape[0], *space, x.shape[3])
    return b.pad(x, shape, (0, *lows, 0))


def _correlated(
    b: Builder, x: Any, weights: Any, places: Any, lows: Any, highs: Any, options: dict[str, Any]
) -> Any:
    """The correlation as a matrix, one row for each position."""
    spread = options.get("up", (1, 1)) != (1, 1)
    if places[1] > WIDE and any((*lows, *highs)) and not spread and min(lows) >= 0:
        x, lows = _padded(b, x, lows, highs), (0, 0)
    where = Geometry(
        x.shape[0], x.shape[1:3], x.shape[3], tuple(places), lows=tuple(lows), **options
    )
    shape = (where.rows, weights.shape[1])
    return b.op("correlate2d", (x, weights), shape, x.dtype, geometry=where)


def fold(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """Windows added back: side by side they are only moved, one apart they are summed."""
    a = args[0]
    if dtype.kind != "f" or not are_arrays(args, dtype):
        return None
    n = len(params["space"])
    places, kernel = a.shape[1 : n + 1], a.shape[n + 1 : -1]
    stride, dilation = params["stride"], params["dilation"]
    if all(s == 1 for s in stride):
        return _put_back(b, a, n, dilation, (0,) * n, shape)
    if stride != kernel or any(d != 1 for d in dilation):
        return None
    axes = (0, *(i for k in range(n) for i in (k + 1, k + n + 1)), 2 * n + 1)
    moved = b.transpose(a, axes)
    inner = (a.shape[0], *(p * k for p, k in zip(places, kernel, strict=True)), a.shape[-1])
    flat = b.reshape(moved, inner)
    if inner == shape:
        return flat
    return b.pad(flat, shape, (0,) * len(shape))


def _put_back(b: Builder, columns: Op, n: int, dilation: Shape, lows: Shape, shape: Shape) -> Any:
    """Σ over the taps of the kernel, each moved to where it was read, ``lows`` further ahead."""
    places, kernel = columns.shape[1 : n + 1], columns.shape[n + 1 : -1]
    part_shape = (columns.shape[0], *places, columns.shape[-1])
    total: Any = None
    for tap in itertools.product(*map(range, kernel)):
        key = (*(slice(None),) * (n + 1), *tap)
        starts = (t * d - low for t, d, low in zip(tap, dilation, lows, strict=True))
        moved = b.pad(b.part(columns, key, part_shape), shape, (0, *starts, 0))
        total = moved if total is None else b.op("add", (total, moved), shape, columns.dtype)
    return total


RULES = {"conv": conv, "conv_weight": conv_weight, "conv_input": conv_input, "fold": fold}
