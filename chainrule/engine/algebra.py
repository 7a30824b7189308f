"""Products of vectors and of stacks of matrices, written as products of two matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.engine.program import Builder

Shape = tuple[int, ...]


def matmul(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """A vector is a matrix with one row or column; a stack on the left is one high matrix."""
    from chainrule.engine.program import Op

    if not all(isinstance(a, Op) and a.dtype == dtype and a.size for a in args):
        return None
    x, y = args
    if dtype.kind != "f" or len(y.shape) > 2 or len(x.shape) == len(y.shape) == 2:
        return None
    k = x.shape[-1]
    left = b.op("reshape", (x,), (math.prod(x.shape[:-1]), k), dtype)
    right = b.op("reshape", (y,), (k, y.shape[1] if len(y.shape) == 2 else 1), dtype)
    found = b.op("matmul", (left, right), (left.shape[0], right.shape[1]), dtype)
    return b.op("reshape", (found,), shape, dtype)


RULES = {"matmul": matmul}
