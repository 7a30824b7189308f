"""Comparisons, logic and rounding: functions that are constant between their jumps.

They have no derivative of their own, yet they are part of the graph: conditions of ``where``,
masks, indices. A function whose output depends on its input through these alone is refused when
it is differentiated.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from chainrule.elementary.base import Pointwise, Step


def _step(name: str, value: Any, formula: str, arity: int) -> Pointwise:
    return Pointwise(name, value, *(None,) * arity, formula=formula)


greater = _step("greater", operator.gt, "a > b", 2)
greater_equal = _step("greater_equal", operator.ge, "a >= b", 2)
less = _step("less", operator.lt, "a < b", 2)
less_equal = _step("less_equal", operator.le, "a <= b", 2)
equal = _step("equal", operator.eq, "a == b", 2)
not_equal = _step("not_equal", operator.ne, "a != b", 2)
logical_and = _step("logical_and", np.logical_and, "logical_and(a, b)", 2)
logical_or = _step("logical_or", np.logical_or, "logical_or(a, b)", 2)
logical_xor = _step("logical_xor", np.logical_xor, "logical_xor(a, b)", 2)
logical_not = _step("logical_not", np.logical_not, "logical_not(a)", 1)
bitwise_and = _step("bitwise_and", operator.and_, "bitwise_and(a, b)", 2)
bitwise_or = _step("bitwise_or", operator.or_, "bitwise_or(a, b)", 2)
bitwise_xor = _step("bitwise_xor", operator.xor, "bitwise_xor(a, b)", 2)
invert = _step("invert", operator.invert, "invert(a)", 1)
isnan = _step("isnan", np.isnan, "isnan(a)", 1)
isinf = _step("isinf", np.isinf, "isinf(a)", 1)
isfinite = _step("isfinite", np.isfinite, "isfinite(a)", 1)
signbit = _step("signbit", np.signbit, "signbit(a)", 1)

floor = _step("floor", np.floor, "floor(a)", 1)
ceil = _step("ceil", np.ceil, "ceil(a)", 1)
rint = _step("rint", np.rint, "rint(a)", 1)
trunc = _step("trunc", np.trunc, "trunc(a)", 1)
sign = _step("sign", np.sign, "sign(a)", 1)
floor_divide = _step("floor_divide", operator.floordiv, "floor(a/b)", 2)

argmax = Step("argmax", lambda a, axis=None, keepdims=False: np.argmax(a, axis, keepdims=keepdims))
argmin = Step("argmin", lambda a, axis=None, keepdims=False: np.argmin(a, axis, keepdims=keepdims))
argsort = Step("argsort", lambda a, axis=-1, kind=None: np.argsort(a, axis, kind))
argpartition = Step(
    "argpartition", lambda a, kth, axis=-1: np.argpartition(a, kth, axis), formula="argpartition(a)"
)
searchsorted = Step(
    "searchsorted",
    lambda a, v, side="left": np.searchsorted(a, v, side),
    formula="searchsorted(a, b)",
)
all_ = Step("all", lambda a, axis=None, keepdims=False: np.all(a, axis, keepdims=keepdims))
any_ = Step("any", lambda a, axis=None, keepdims=False: np.any(a, axis, keepdims=keepdims))
count_nonzero = Step(
    "count_nonzero",
    lambda a, axis=None, keepdims=False: np.asarray(np.count_nonzero(a, axis, keepdims=keepdims))[
        ()
    ],
)
count = Step("sum", lambda a, axis=None, keepdims=False: np.sum(a, axis, keepdims=keepdims))
running_count = Step("cumsum", lambda a, axis=0: np.cumsum(a, axis=axis))


def _running_place(extreme: Any) -> Any:
    """Along an axis the place where the extreme so far was first reached."""

    def places(a: Any, axis: int = 0) -> Any:
        best = extreme.accumulate(a, axis=axis)
        before = np.roll(best, 1, axis)
        along = tuple(-1 if i == axis else 1 for i in range(np.ndim(a)))
        numbers = np.arange(np.shape(a)[axis]).reshape(along)
        new = ((best != before) & ~(np.isnan(best) & np.isnan(before))) | (numbers == 0)
        return np.maximum.accumulate(np.where(new, numbers, 0), axis=axis)

    return places


running_argmax = Step("running_argmax", _running_place(np.maximum))
running_argmin = Step("running_argmin", _running_place(np.minimum))
round_ = Step("round", lambda a, decimals=0: np.round(a, decimals))
as_integer = Step("astype", lambda a, dtype: np.asarray(a).astype(dtype)[()])

FUNCTIONS = (
    greater, greater_equal, less, less_equal, equal, not_equal,
    logical_and, logical_or, logical_xor, logical_not,
    bitwise_and, bitwise_or, bitwise_xor, invert, isnan, isinf, isfinite, signbit,
    floor, ceil, rint, trunc, sign, floor_divide,
    argmax, argmin, argsort, searchsorted, all_, any_, count_nonzero, round_,
    running_argmax, running_argmin, argpartition,
)  # fmt: skip
