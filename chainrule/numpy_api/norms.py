"""np.linalg.norm: vector norms of any order, matrix norms of every order that NumPy has."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary import reductions as red
from chainrule.elementary import shaping as sh
from chainrule.elementary.arithmetic import absolute
from chainrule.elementary.base import shape_of, value_of
from chainrule.elementary.linalg import svd
from chainrule.elementary.logic import count_nonzero
from chainrule.numpy_api.common import array_of
from chainrule.numpy_api.shapes import moveaxis


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """np.linalg.norm: vector norms of any order, matrix norms 1, inf, fro, nuc and 2."""
    x = array_of(x)
    shape = shape_of(x)
    if axis is None and (ord is None or (ord in ("fro", 2) and len(shape) == 1)):
        if ord == "fro":
            raise ValueError("the Frobenius norm is a norm of matrices")
        return red.norm(x, axis=None, keepdims=keepdims)
    axes = red.axes_of(None, len(shape)) if axis is None else axis
    axes = axes if isinstance(axes, tuple) else (axes,)
    if len(axes) == 1:
        return _vector_norm(x, 2 if ord is None else ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError("a norm is taken over one axis or two")
    rows, columns = (i % len(shape) for i in axes)
    if ord in (None, "fro"):
        return red.norm(x, axis=(rows, columns), keepdims=keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
        lengths = red.sum_(absolute(x), axis=inner, keepdims=True)
        extreme = red.max_ if ord > 0 else red.min_
        result = extreme(lengths, axis=outer, keepdims=True)
    else:
        singular = svd(moveaxis(x, (rows, columns), (-2, -1)))[1]
        rules = {"nuc": red.sum_, 2: red.max_, -2: red.min_}
        if ord not in rules:
            raise ValueError(f"invalid norm order {ord!r} for matrices")
        result = rules[ord](singular, axis=-1)
        if not keepdims:
            return result
        result = moveaxis(
            sh.reshape(result, shape=(*shape_of(result), 1, 1)), (-2, -1), (rows, columns)
        )
    if keepdims:
        return result
    return sh.reshape(
        result, shape=tuple(n for i, n in enumerate(shape) if i not in (rows, columns))
    )


def _vector_norm(x: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    if ord == 2:
        return red.norm(x, axis=axis, keepdims=keepdims)
    size = absolute(x)
    if ord == np.inf:
        return red.max_(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return red.min_(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return sh.astype(count_nonzero(x, axis=axis, keepdims=keepdims), dtype=value_of(x).dtype)
    if ord == 1:
        return red.sum_(size, axis=axis, keepdims=keepdims)
    # A scale that is constant for differentiation; Σ|x|ᵖ neither over- nor underflows.
    top = red.max_(sh.stop_gradient(size), axis=axis, keepdims=True)
    top = sh.where(np.logical_and(top > 0, np.isfinite(top)), top, 1.0)
    zero = size == 0
    powers = sh.where(zero, 0.0 if ord > 0 else np.inf, sh.where(zero, 1.0, size / top) ** ord)
    total = red.sum_(powers, axis=axis, keepdims=True)
    none = total == 0  # the slope of a norm at the origin is 0
    length = sh.where(none, 0.0, sh.where(none, 1.0, total) ** (1.0 / ord)) * top
    return length if keepdims else _squeezed(length, axis)


def _squeezed(a: Any, axis: int) -> Any:
    shape = list(shape_of(a))
    del shape[axis]
    return sh.reshape(a, shape=tuple(shape))


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    shape = shape_of(x)
    axes = red.axes_of(axis, len(shape))
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    rest = tuple(n for i, n in enumerate(shape) if i not in axes)
    moved = moveaxis(x, axes, range(len(axes)))
    result = norm(sh.reshape(moved, shape=(-1, *rest)) if 0 not in shape else moved, ord, 0)
    return sh.reshape(result, shape=kept) if keepdims else result


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return norm(x, ord, (-2, -1), keepdims)
