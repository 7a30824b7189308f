"""NumPy functions that choose between values: where, select, choose, piecewise, interp."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary import shaping as sh
from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.numpy_api.common import array_of, arrays, plain, refuse, stored


def where(condition: Any, *choices: Any) -> Any:
    """np.where. The condition may be traced: it has no derivative of its own."""
    if not choices:
        return np.where(plain(condition))
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
    index = np.asarray(plain(a))
    # Checks the range.
    np.choose(index, [0] * len(choices), mode=mode)  # type: ignore[call-overload]
    if mode != "raise":
        limit = len(choices)
        index = index % limit if mode == "wrap" else np.clip(index, 0, limit - 1)
    result = choices[-1]
    for k in range(len(choices) - 2, -1, -1):
        result = where(index == k, choices[k], result)
    return stored(result, out)


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    conditions = [plain(c) for c in condlist]
    functions = list(funclist)
    if len(functions) == len(conditions) + 1:
        conditions.append(~np.any(conditions, axis=0))
    result: Any = np.zeros(shape_of(x))
    for condition, f in zip(conditions, functions, strict=True):
        value = f(where(condition, x, 1.0), *args, **kw) if callable(f) else f
        result = where(condition, value, result)
    return result


def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Piecewise linear interpolation: y₀ + (x − x₀)·(y₁ − y₀)/(x₁ − x₀)."""
    if period is not None:
        raise refuse("interp", "period", period, "extend xp and fp by one period on both sides")
    x, xp, fp = array_of(x), array_of(xp), array_of(fp)
    at, knots = np.asarray(value_of(x)), np.asarray(value_of(xp))
    k = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    x0, x1 = xp[k], xp[k + 1]
    y0, y1 = fp[k], fp[k + 1]
    inside = (at >= knots[0]) & (at <= knots[-1])
    line = y0 + (where(inside, x, x0) - x0) * ((y1 - y0) / (x1 - x0))
    line = where(at > knots[-1], fp[-1] if right is None else right, line)
    return where(at < knots[0], fp[0] if left is None else left, line)
