"""What there is native code for, and what LLVM takes for it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainrule.engine.native import functions, gamma, inverses, special
from chainrule.engine.native.target import SHORT
from chainrule.engine.program import COMPARISONS, ELEMENTWISE, LOGIC, Op

EMIT = {**functions.EMIT, **special.EMIT, **inverses.EMIT, **gamma.EMIT}  # name -> the code
CORRELATIONS = frozenset({"correlate2d", "correlate2d_weight"})
REDUCTIONS = frozenset({"sum", "prod", "max", "min"})
RUNNING = frozenset({"cumsum", "cumprod", "recurrence"})
DRAWS = frozenset({"random_uniform", "random_normal"})
INTEGER = frozenset(
    {
        "add", "subtract", "multiply", "negative", "positive", "square", "abs", "sign", "maximum",
        "minimum", "lower_bound", "upper_bound", "floor_divide", "mod", "bitwise_and",
        "bitwise_or", "bitwise_xor", "invert",
    }
)  # fmt: skip
BITS = {  # on truth values the same as a function of logic
    "bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor",
    "invert": "logical_not",
}  # fmt: skip
SIMPLE = COMPARISONS | LOGIC | INTEGER | ELEMENTWISE | {"divide", "square", "sqrt", "abs"}
FLOATS = ("float32", "float64")
DTYPES = (*FLOATS, "int64", "bool")


def unrolled_seconds(names: Mapping[str, int]) -> float:
    """About how long LLVM takes for steps on single numbers, all in one function.

    Each has its own cost, and there is a part that grows with the square of their number.

    Args:
        names: how many steps there are of each function.
    """
    steps = sum(names.values())
    functions = sum(count for name, count in names.items() if name not in SIMPLE)
    return (1.5e-4 * steps + 1.5e-3 * functions) * (1 + steps / 1000)


def is_number(op: Op) -> bool:
    """Is an operation a step on single numbers?"""
    plain = op.size == 1 and op.is_pointwise and op.name not in ("pad", "within")
    return plain and all(a.kind in DTYPES for a in op.sources())


def is_list(op: Op) -> bool:
    """Is an operation an array of single numbers?"""
    return op.name == "concatenate" and all(
        isinstance(a, Op) and a.shape == (1,) and a.kind in DTYPES and a.dtype == op.dtype
        for a in op.args
    )


def is_gather(op: Op) -> bool:
    """Does an operation take elements of a flat array at positions, one for each of its own?"""
    return op.name == "take" and len(op.args[0].shape) == 1


def reads_beside(op: Op, k: int) -> bool:
    """Does an operation read of its argument number k the element that it makes itself?"""
    return op.name != "pad" and not (k == 0 and is_gather(op))


def supported(op: Op) -> bool:
    """Is there native code for an operation?"""
    if op.kind not in DTYPES or op.size == 0:
        return False
    sources = op.sources()
    name = op.name
    readable = (*DTYPES, *SHORT) if op.is_pointwise and name not in ("pad", "within") else DTYPES
    if any(a.kind not in readable or a.size == 0 for a in sources):
        return False
    if name in REDUCTIONS:
        return op.kind in (*FLOATS, "int64") and sources[0].dtype == op.dtype
    if name in ("take", "scatter"):
        index = sources[-1]
        same = len(sources) == 2 and index.dtype == np.int64 and op.dtype == sources[0].dtype
        return same and (name == "take" or op.kind in FLOATS)  # a scatter adds up
    if name in RUNNING:
        same = all(a.shape == op.shape and a.dtype == op.dtype for a in sources)
        return same and len(sources) == len(op.args) and op.kind != "bool"
    if name == "index_put":
        index = sources[-1]
        return len(sources) == 3 and index.dtype == np.int64 and sources[1].dtype == op.dtype
    if name in CORRELATIONS:
        return op.kind in FLOATS and all(a.dtype == op.dtype for a in sources)
    if name == "matmul":
        pair = sources[:2]  # a third says where the rows of the first begin
        same = all(a.dtype == op.dtype for a in pair) and len(pair) == 2
        return same and op.kind in FLOATS and all(len(a.shape) >= 2 for a in pair)
    if name in DRAWS or name == "random_key":
        return all(a.dtype == np.int64 and a.size == 1 for a in sources)
    if not op.is_pointwise:
        return False
    if name in ELEMENTWISE:
        return True
    if name in COMPARISONS:
        return True
    if name in LOGIC:
        return all(a.dtype == bool for a in sources)
    if name in BITS and op.dtype == bool:
        return all(a.dtype == bool for a in sources)
    if op.dtype.kind == "i":
        return name in INTEGER
    if name in ("isfinite", "isnan", "isinf", "signbit"):
        return sources[0].dtype.kind == "f" and name in EMIT
    return name in EMIT and op.kind in FLOATS


__all__ = [
    "BITS",
    "COMPARISONS",
    "CORRELATIONS",
    "DRAWS",
    "DTYPES",
    "EMIT",
    "FLOATS",
    "INTEGER",
    "LOGIC",
    "REDUCTIONS",
    "RUNNING",
    "SIMPLE",
    "is_gather",
    "is_list",
    "is_number",
    "reads_beside",
    "supported",
    "unrolled_seconds",
]
