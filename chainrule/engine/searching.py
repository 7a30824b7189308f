"""Positions in a sorted array, by halving: a few steps that a loop does for each element.

Source: Knuth, *The Art of Computer Programming* 3 (2nd ed., 1998), 6.2.1, uniform binary search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.engine.building import Builder, Rule, is_known
from chainrule.engine.program import INT, Op, Shape


def searchsorted(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """How many elements come before each number; NaN comes last."""
    a, v = args
    if not (is_known(a) and is_known(v)) or dtype != INT:
        return None
    common = np.result_type(a.dtype, v.dtype)
    a, v = (x if x.dtype == common else b.astype(x, common) for x in (a, v))
    n = a.size
    sign = "less_equal" if params.get("side", "left") == "right" else "less"
    none = b.table(np.zeros((1,) * len(shape), INT))  # a number, where the shape is ()
    found: Any = b.op("broadcast_to", (none,), shape, INT)
    half = 1 << (n.bit_length() - 1)
    while half:
        further = b.like("add", found, half)
        x = b.op("take", (a, b.like("subtract", further, 1)), shape, common)
        passes = b.like("logical_and", _comes(b, sign, x, v),
                        b.like("less_equal", further, n))  # fmt: skip
        found = b.like("where", passes, further, found)
        half //= 2
    return found


def _comes(b: Builder, sign: str, x: Op, v: Op) -> Any:
    """Does x come before v?"""
    before = b.like(sign, x, v)
    if x.dtype.kind != "f":
        return before
    last = b.like("isnan", v)
    if sign == "less":
        there = b.like("logical_not", b.like("isnan", x))
        last = b.like("logical_and", last, there)
    return b.like("logical_or", before, last)


RULES: dict[str, Rule] = {"searchsorted": searchsorted}

__all__ = ["RULES"]
