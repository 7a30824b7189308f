"""Products of vectors and of stacks of matrices, and joined arrays, in the terms of engines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.engine.building import Builder, are_arrays
from chainrule.engine.program import Op, Shape

MOST = 8  # arrays that are joined element by element


def matmul(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """A vector is a matrix with one row or column; a stack on the left is one high matrix."""
    if not are_arrays(args, dtype):
        return None
    x, y = args
    if dtype.kind != "f" or len(x.shape) == len(y.shape) == 2:
        return None
    if len(y.shape) > 2:
        if len(x.shape) > 1 and math.prod(y.shape[:-2]) > 1:
            return None  # a stack, as it is
        if math.prod(y.shape[:-2]) > 1:  # of a vector by each matrix
            row = b.reshape(x, (1, *x.shape))
            found = b.op("matmul", (row, y), (*shape[:-1], 1, shape[-1]), dtype)
            return b.reshape(found, shape)
        y = b.reshape(y, y.shape[-2:])
    k = x.shape[-1]
    left = b.reshape(x, (math.prod(x.shape[:-1]), k))
    right = b.reshape(y, (k, y.shape[1] if len(y.shape) == 2 else 1))
    found = b.op("matmul", (left, right), (left.shape[0], right.shape[1]), dtype)
    return b.reshape(found, shape)


def product(b: Builder, x: Op, y: Op) -> Any:
    """x @ y."""
    shape = (*x.shape[:-1], y.shape[-1])
    found = matmul(b, (x, y), {}, shape, x.dtype)
    return b.op("matmul", (x, y), shape, x.dtype) if found is None else found


def turned(b: Builder, a: Op) -> Any:
    """A matrix, or each of a stack, transposed."""
    k = len(a.shape) - 2
    return b.transpose(a, (*range(k), k + 1, k))


def concatenate(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """Each array in its place, chosen by the position along the axis."""
    if not are_arrays(args, dtype):
        return None
    if dtype.kind not in "fib" or len(args) > MOST:
        return None
    axis = params.get("axis", 0) % len(shape)
    along = np.arange(shape[axis]).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    found, start = None, 0
    for a in args:
        lows = tuple(start if k == axis else 0 for k in range(len(shape)))
        part = a if len(args) == 1 else b.pad(a, shape, lows)
        if found is None:
            found = part
        else:
            found = b.op("where", (b.table(along >= start), part, found), shape, dtype)
        start += a.shape[axis]
    return found


RULES = {"matmul": matmul, "concatenate": concatenate}
