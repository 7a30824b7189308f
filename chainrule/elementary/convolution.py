"""Convolution and windows over any number of spatial axes, channels last.

The convolution, the adjoint of its input and the adjoint of its weights are three bilinear
functions; the derivatives of each are the other two, so they are closed under differentiation.
Windows and their sum back into place (fold) are a pair of adjoints in the same way.

Shapes: input (batch, *space, in), weights (*kernel, in, out), output (batch, *positions, out).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.elementary.base import Linear, drawn, shape_of
from chainrule.ghosts import is_ghost, like

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def positions(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> int:
    """How many positions a window takes along one axis."""
    return (size + sum(padding) - (kernel - 1) * dilation - 1) // stride + 1


def _padded(x: Any, padding: Pairs) -> Any:
    if not any(map(any, padding)):
        return x
    inner = [slice(low, low + n) for (low, _), n in zip(padding, x.shape[1:-1], strict=True)]
    space = tuple(n + low + high for n, (low, high) in zip(x.shape[1:-1], padding, strict=True))
    out = np.zeros((x.shape[0], *space, x.shape[-1]), x.dtype)
    out[(slice(None), *inner)] = x
    return out


def _windows(a: Any, window: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """A view (batch, *positions, *window, channels): no element is copied."""
    size = a.shape[1:-1]
    places = tuple(
        positions(n, k, s, (0, 0), d)
        for n, k, s, d in zip(size, window, stride, dilation, strict=True)
    )
    batch, *steps, channel = a.strides
    return as_strided(
        a,
        (a.shape[0], *places, *window, a.shape[-1]),
        (
            batch,
            *(step * s for step, s in zip(steps, stride, strict=True)),
            *(step * d for step, d in zip(steps, dilation, strict=True)),
            channel,
        ),
        writeable=False,
    )


def _taps(places: Sizes, window: Sizes, stride: Sizes, dilation: Sizes) -> Iterator[Any]:
    """For each element of the window: its index, and the slices of the input that it meets."""
    for tap in itertools.product(*map(range, window)):
        starts = [k * d for k, d in zip(tap, dilation, strict=True)]
        yield (
            tap,
            tuple(
                slice(start, start + (n - 1) * s + 1, s)
                for start, n, s in zip(starts, places, stride, strict=True)
            ),
        )


def _fold(a: Any, space: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """Windows added back into the places they were read from."""
    if is_ghost(a):
        return like((a.shape[0], *space, a.shape[-1]), a)
    n = len(space)
    places, window = a.shape[1 : n + 1], a.shape[n + 1 : -1]
    out = np.zeros((a.shape[0], *space, a.shape[-1]), a.dtype)
    if a.size:
        for tap, where in _taps(places, window, stride, dilation):
            out[(slice(None), *where)] += a[(slice(None),) * (n + 1) + tap]
    return out


def _conv(x: Any, w: Any, stride: Sizes, padding: Pairs, dilation: Sizes) -> Any:
    if is_ghost(x, w):
        places = map(positions, x.shape[1:-1], w.shape[:-2], stride, padding, dilation)
        return like((x.shape[0], *places, w.shape[-1]), x, w)
    kernel = w.shape[:-2]
    columns = _windows(_padded(x, padding), kernel, stride, dilation)
    places = columns.shape[: len(kernel) + 1]
    rows = columns.reshape(math.prod(places), -1) if columns.size else _no_rows(places, w)
    return (rows @ w.reshape(-1, w.shape[-1])).reshape(*places, w.shape[-1])


def _no_rows(places: Sizes, w: Any) -> Any:
    return np.zeros((math.prod(places), math.prod(w.shape[:-1])), w.dtype)


def _conv_input(
    g: Any, w: Any, space: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> Any:
    if is_ghost(g, w):
        return like((g.shape[0], *space, w.shape[-2]), g, w)
    kernel = w.shape[:-2]
    columns = g @ w.reshape(-1, w.shape[-1]).T
    columns = columns.reshape(*g.shape[:-1], *kernel, w.shape[-2])
    wide = tuple(n + low + high for n, (low, high) in zip(space, padding, strict=True))
    whole = _fold(columns, wide, stride, dilation)
    inner = (slice(low, low + n) for (low, _), n in zip(padding, space, strict=True))
    return np.ascontiguousarray(whole[(slice(None), *inner)])


def _conv_weight(
    x: Any, g: Any, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> Any:
    shape = (*kernel, x.shape[-1], g.shape[-1])
    if is_ghost(x, g):
        return like(shape, x, g)
    columns = _windows(_padded(x, padding), kernel, stride, dilation)
    count = math.prod(g.shape[:-1])
    if not columns.size:
        return np.zeros(shape, np.result_type(x, g))
    return (columns.reshape(count, -1).T @ g.reshape(count, -1)).reshape(shape)


def _example(
    x: Sizes, w: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> tuple[Sizes, Sizes, dict[str, Any]]:
    return x, w, {"stride": stride, "padding": padding, "dilation": dilation}


def _output(x: Sizes, w: Sizes, p: dict[str, Any]) -> Sizes:
    options = zip(x[1:-1], w[:-2], p["stride"], p["padding"], p["dilation"], strict=True)
    return (x[0], *(positions(*o) for o in options), w[-1])


_CASES = (
    _example((2, 6, 2), (3, 2, 3), (1,), ((0, 0),), (1,)),
    _example((1, 7, 1), (2, 1, 2), (2,), ((1, 2),), (3,)),
    _example((2, 5, 4, 2), (2, 3, 2, 2), (1, 1), ((0, 1), (1, 1)), (1, 1)),
    _example((1, 6, 5, 1), (2, 2, 1, 2), (2, 3), ((0, 0), (2, 0)), (2, 1)),
)

conv: Linear = Linear(
    "conv",
    _conv,
    lambda g, x, w, **p: conv_input(g, w, space=shape_of(x)[1:-1], **p),
    lambda g, x, w, **p: conv_weight(x, g, kernel=shape_of(w)[:-2], **p),
    symbols=("g correlated with b, transposed", "a correlated with g"),
    examples=drawn(*_CASES),
)
# The adjoint of conv with respect to its input: a transposed convolution.
conv_input: Linear = Linear(
    "conv_input",
    _conv_input,
    lambda h, g, w, space, **p: conv(h, w, **p),
    lambda h, g, w, space, **p: conv_weight(h, g, kernel=shape_of(w)[:-2], **p),
    symbols=("conv(g, b)", "g correlated with a"),
    examples=drawn(*((_output(x, w, p), w, {"space": x[1:-1], **p}) for x, w, p in _CASES)),
)
# The adjoint of conv with respect to its weights.
conv_weight: Linear = Linear(
    "conv_weight",
    _conv_weight,
    lambda h, x, g, kernel, **p: conv_input(g, h, space=shape_of(x)[1:-1], **p),
    lambda h, x, g, kernel, **p: conv(x, h, **p),
    symbols=("b correlated with g, transposed", "conv(a, g)"),
    examples=drawn(*((x, _output(x, w, p), {"kernel": w[:-2], **p}) for x, w, p in _CASES)),
)

windows: Linear = Linear(
    "windows",
    lambda a, window, stride, dilation: _windows(a, window, stride, dilation),
    lambda g, a, window, stride, dilation: fold(
        g, space=shape_of(a)[1:-1], stride=stride, dilation=dilation
    ),
    symbols=("g added back into its places",),
    examples=drawn(
        ((2, 6, 2), {"window": (3,), "stride": (2,), "dilation": (1,)}),
        ((1, 4, 5, 1), {"window": (2, 2), "stride": (1, 2), "dilation": (2, 1)}),
    ),
)
# The adjoint of windows.
fold: Linear = Linear(
    "fold",
    _fold,
    lambda g, a, space, stride, dilation: windows(
        g, window=shape_of(a)[len(space) + 1 : -1], stride=stride, dilation=dilation
    ),
    symbols=("the windows of g",),
    examples=drawn(
        ((2, 2, 3, 2), {"space": (6,), "stride": (2,), "dilation": (1,)}),
        ((1, 2, 2, 2, 2, 1), {"space": (4, 5), "stride": (1, 2), "dilation": (2, 1)}),
    ),
)

FUNCTIONS = (conv, conv_input, conv_weight, windows, fold)
