"""Convolution and pooling over one or two spatial axes, channels last.

As in every library of networks "convolution" means correlation: the kernel is not flipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.elementary import convolution as cv
from chainrule.elementary.base import shape_of, value_of
from chainrule.elementary.indexing import Index, index_add
from chainrule.elementary.reductions import max_, mean, sum_
from chainrule.elementary.shaping import where
from chainrule.errors import ArgumentError, ShapeError, code_line
from chainrule.functions import floating
from chainrule.graph import user_code

Number = int | Sequence[int]
Padding = str | int | Sequence[int] | Sequence[tuple[int, int]]


def conv1d(
    x: Any, w: Any, *, stride: Number = 1, padding: Padding = "valid", dilation: Number = 1
) -> Any:
    """Convolution over one axis: y[b, t, o] = Σₖ꜀ x[b, t·stride + k·dilation, c] w[k, c, o].

    Args:
        x: input of shape (batch, length, in).
        w: weights of shape (kernel, in, out).
        stride: the step between neighbouring positions of the kernel.
        padding: "valid" (none), "same" (as many positions as ⌈length/stride⌉), or the number of
            zeros on both sides, or a pair [(before, after)].
        dilation: the distance between neighbouring elements of the kernel.

    Returns:
        An array of shape (batch, positions, out).

    Raises:
        ShapeError: the shapes do not fit, or the kernel is longer than the input.

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1)
    >>> w = np.array([-1.0, 1.0]).reshape(2, 1, 1)
    >>> conv1d(x, w)[0, :, 0]
    array([1., 2., 4.])
    >>> conv1d(x, w, stride=2, padding="same")[0, :, 0]
    array([1., 4.])

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285 (2016).
    """
    return _convolution(x, w, 1, stride, padding, dilation)


def conv2d(
    x: Any, w: Any, *, stride: Number = 1, padding: Padding = "valid", dilation: Number = 1
) -> Any:
    """Convolution over two spatial axes, as :func:`conv1d` over one.

    Args:
        x: input of shape (batch, height, width, in).
        w: weights of shape (kernel height, kernel width, in, out).
        stride, dilation: one number for both axes, or a pair.
        padding: "valid", "same", a number, or [(top, bottom), (left, right)].

    Returns:
        An array of shape (batch, rows, columns, out).

    Raises:
        ShapeError: the shapes do not fit, or the kernel is larger than the input.

    >>> import numpy as np
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> conv2d(x, np.ones((2, 2, 1, 1)))[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]])

    Source: Goodfellow, Bengio & Courville, *Deep Learning* (MIT Press 2016), chapter 9.
    """
    return _convolution(x, w, 2, stride, padding, dilation)


def max_pool(
    x: Any, window: Number, *, stride: Number | None = None, padding: Padding = "valid"
) -> Any:
    """The maximum over windows of the spatial axes; k equal maxima share the slope, 1/k each.

    Args:
        x: input of shape (batch, *space, channels) with one or two spatial axes.
        window: the size of the window, one number for all axes or one for each.
        stride: the step between windows; the window itself by default, so that none overlap.
        padding: as in :func:`conv2d`; padded places never are the maximum.

    Returns:
        An array of shape (batch, *positions, channels).

    >>> import numpy as np
    >>> max_pool(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])

    Source: Goodfellow, Bengio & Courville (2016), section 9.3.
    """
    x, size, step, pads = _pooling(x, window, stride, padding)
    wide = _widened(x, pads)
    if any(map(any, pads)):
        wide = where(_border(x, pads), -np.inf, wide)
    n = len(size)
    parts = cv.windows(wide, window=size, stride=step, dilation=(1,) * n)
    return max_(parts, axis=tuple(range(n + 1, 2 * n + 1)))


def average_pool(
    x: Any, window: Number, *, stride: Number | None = None, padding: Padding = "valid"
) -> Any:
    """The mean over windows of the spatial axes; padded places do not count.

    Args, Returns: as :func:`max_pool`.

    >>> import numpy as np
    >>> average_pool(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    >>> average_pool(np.array([1.0, 2.0, 4.0]).reshape(1, 3, 1), 2, padding="same")[0, :, 0]
    array([1.5, 4. ])

    Source: Goodfellow, Bengio & Courville (2016), section 9.3.
    """
    x, size, step, pads = _pooling(x, window, stride, padding)
    n = len(size)
    options: dict[str, Any] = {"window": size, "stride": step, "dilation": (1,) * n}
    inside = tuple(range(n + 1, 2 * n + 1))
    parts = cv.windows(_widened(x, pads), **options)
    if not any(map(any, pads)):
        return mean(parts, axis=inside)
    real = cv.windows((~_border(x, pads)).astype(value_of(x).dtype), **options)
    return sum_(parts, axis=inside) / sum_(real, axis=inside)


def _convolution(x: Any, w: Any, n: int, stride: Number, padding: Padding, dilation: Number) -> Any:
    x, w = floating(x), floating(w)
    if len(shape_of(x)) != n + 2 or len(shape_of(w)) != n + 2 or shape_of(x)[-1] != shape_of(w)[-2]:
        axes = "length" if n == 1 else "height, width"
        raise ShapeError(
            f"conv{n}d takes x of shape (batch, {axes}, in) and w of shape (kernel …, in, out)",
            got=f"shapes {shape_of(x)} and {shape_of(w)}",
            line=code_line(*user_code(3)),
            remedy="add an axis of length one for a single example or channel: x[None, ..., None]",
        )
    step, gap = _each("stride", stride, n), _each("dilation", dilation, n)
    size, kernel = shape_of(x)[1:-1], shape_of(w)[:-2]
    pads = _pads(padding, size, kernel, step, gap)
    _fits(size, kernel, step, pads, gap)
    return cv.conv(x, w, stride=step, padding=pads, dilation=gap)


def _pooling(x: Any, window: Number, stride: Number | None, padding: Padding) -> Any:
    x = floating(x)
    n = len(shape_of(x)) - 2
    if n < 1:
        raise ShapeError(
            "pooling takes an array of shape (batch, *space, channels)",
            got=f"shape {shape_of(x)}",
            line=code_line(*user_code(3)),
            remedy="add the missing axes: x[None, ..., None]",
        )
    size = _each("window", window, n)
    step = size if stride is None else _each("stride", stride, n)
    pads = _pads(padding, shape_of(x)[1:-1], size, step, (1,) * n)
    _fits(shape_of(x)[1:-1], size, step, pads, (1,) * n)
    return x, size, step, pads


def _each(name: str, value: Any, n: int) -> tuple[int, ...]:
    """One positive whole number for each of n axes."""
    values = (value,) * n if isinstance(value, (int, np.integer)) else tuple(value)
    if len(values) != n or any(v != int(v) or v < 1 for v in values):
        raise ArgumentError(
            f"{name} is a positive whole number, or one for each of the {n} spatial axes",
            got=repr(value),
            line=code_line(*user_code(4)),
            remedy=f"{name}={n if n > 1 else 1}, or {name}={(2,) * n}",
        )
    return tuple(int(v) for v in values)


def _pads(padding: Any, size: Any, kernel: Any, stride: Any, dilation: Any) -> cv.Pairs:
    """The zeros before and after each axis."""
    n = len(size)
    if padding == "valid":
        return ((0, 0),) * n
    if padding == "same":
        pairs = []
        for m, k, s, d in zip(size, kernel, stride, dilation, strict=True):
            total = max((-(-m // s) - 1) * s + (k - 1) * d + 1 - m, 0)
            pairs.append((total // 2, total - total // 2))
        return tuple(pairs)
    if not isinstance(padding, str):
        each = (padding,) * n if isinstance(padding, (int, np.integer)) else tuple(padding)
        pairs = [(p, p) if isinstance(p, (int, np.integer)) else tuple(p) for p in each]
        if len(pairs) == n and all(len(p) == 2 and min(p) >= 0 for p in pairs):
            return tuple((int(low), int(high)) for low, high in pairs)
    raise ArgumentError(
        f"padding is 'valid', 'same', a number, or a pair for each of the {n} spatial axes",
        got=repr(padding),
        line=code_line(*user_code(4)),
        remedy=f"padding={[(1, 1)] * n}",
    )


def _fits(size: Any, kernel: Any, stride: Any, pads: Any, dilation: Any) -> None:
    for m, k, s, p, d in zip(size, kernel, stride, pads, dilation, strict=True):
        if k < 1 or cv.positions(m, k, s, p, d) < 1:
            raise ShapeError(
                "the window is larger than the padded input",
                got=f"a window of {k} (dilation {d}) over {m} elements with padding {p}",
                line=code_line(*user_code(4)),
                remedy="use a smaller window, padding='same', or a larger input",
            )


def _inner(x: Any, pads: cv.Pairs) -> tuple[tuple[int, ...], tuple[slice, ...]]:
    """The padded shape, and where x lies in it."""
    shape = shape_of(x)
    space = tuple(m + low + high for m, (low, high) in zip(shape[1:-1], pads, strict=True))
    where_ = tuple(slice(low, low + m) for m, (low, _) in zip(shape[1:-1], pads, strict=True))
    return (shape[0], *space, shape[-1]), (slice(None), *where_)


def _widened(x: Any, pads: cv.Pairs) -> Any:
    """x with zeros around its spatial axes."""
    if not any(map(any, pads)):
        return x
    shape, inner = _inner(x, pads)
    return index_add(x, shape=shape, index=Index(inner))


def _border(x: Any, pads: cv.Pairs) -> np.ndarray:
    """True in the padded places."""
    shape, inner = _inner(x, pads)
    border = np.ones((1, *shape[1:-1], 1), bool)
    border[inner] = False
    return border
