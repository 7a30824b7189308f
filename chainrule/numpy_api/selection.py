"""NumPy functions that choose between values: where, select, choose, piecewise, interp."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from chainrule.elementary import shaping as sh
from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.elementary.indexing import take
from chainrule.elementary.logic import searchsorted
from chainrule.elementary.shaping import concatenate
from chainrule.numpy_api.common import array_of, arrays, plain, stored


def where(condition: Any, *choices: Any) -> Any:
    """np.where. The condition may be traced: it has no derivative of its own."""
    if not choices:
        return np.where(plain(condition, "np.where without choices, whose shape is decided"))
    a, b = arrays(choices)
    if is_traced(condition) or is_traced(a) or is_traced(b):
        return sh.where(condition, a, b)
    return np.where(condition, a, b)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    return result


def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    choices = arrays(choices)
    index = a if is_traced(a) else np.asarray(a)
    # Checks the range.
    np.choose(value_of(index), [0] * len(choices), mode=mode)  # type: ignore[call-overload]
    if mode != "raise":
        limit = len(choices)
        index = index % limit if mode == "wrap" else np.clip(index, 0, limit - 1)
    result = choices[-1]
    for k in range(len(choices) - 2, -1, -1):
        result = where(index == k, choices[k], result)
    return stored(result, out)


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) else [condlist]
    functions = list(funclist)
    if len(functions) == len(conditions) + 1:
        conditions.append(np.logical_not(functools.reduce(np.logical_or, conditions)))
    result: Any = np.zeros(shape_of(x), value_of(x).dtype)
    for condition, f in zip(conditions, functions, strict=True):
        value = f(where(condition, x, 1.0), *args, **kw) if callable(f) else f
        result = where(condition, value, result)
    return result


def _periodic(x: Any, xp: Any, fp: Any, period: float) -> tuple[Any, Any, Any]:
    """Points within one period, with a neighbour of the next one on either side."""
    x, xp = np.mod(x, period), np.mod(xp, period)
    order = np.argsort(xp)
    xp, fp = take(xp, order), take(fp, order)
    xp = concatenate(xp[-1:] - period, xp, xp[:1] + period, axis=0)
    return x, xp, concatenate(fp[-1:], fp, fp[:1], axis=0)


def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Piecewise linear interpolation: y₀ + (x − x₀)·(y₁ − y₀)/(x₁ − x₀)."""
    x, xp, fp = array_of(x), array_of(xp), array_of(fp)
    if period is not None:
        left = right = None
        x, xp, fp = _periodic(x, xp, fp, abs(period))
    x, xp, fp = (a if is_traced(a) else np.asarray(a) for a in (x, xp, fp))
    k = searchsorted(xp, x, side="right") - 1
    k = np.minimum(np.maximum(k, 0), shape_of(xp)[0] - 2)
    x0, x1 = take(xp, k), take(xp, k + 1)
    y0, y1 = take(fp, k), take(fp, k + 1)
    before, after = x < xp[0], x > xp[-1]
    inside = np.logical_not(np.logical_or(before, after))
    x, slope = where(inside, x, x0), (y1 - y0) / (x1 - x0)
    line = y0 + (x - x0) * slope
    # Beside an infinite value NumPy comes from the other side, and takes a point's own value there.
    back = y1 + (x - x1) * slope
    known = np.logical_or(np.equal(x, x0), np.logical_and(np.equal(y0, y1), np.equal(x, x)))
    back = where(np.logical_and(np.isnan(back), known), y0, back)
    line = where(np.isnan(line), back, line)
    line = where(after, fp[-1] if right is None else right, line)
    return where(before, fp[0] if left is None else left, line)
