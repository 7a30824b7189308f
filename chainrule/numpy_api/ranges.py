"""Numbers between two bounds that may be traced: linspace, logspace, geomspace."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary.base import shape_of, value_of
from chainrule.numpy_api import shapes
from chainrule.numpy_api.common import array_of, plain


def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    """start + k (stop − start)/(num − 1), the last one exactly stop."""
    num = int(plain(num))
    start, stop = array_of(start), array_of(stop)
    steps = num - 1 if endpoint else num
    width = stop - start
    ndim = len(shape_of(width))
    count = np.arange(num).reshape(-1, *[1] * ndim)
    y = count * (width / max(steps, 1)) + start
    if endpoint and num > 1:
        y = np.where(count == steps, stop, y)
    y = shapes.moveaxis(y, 0, axis) if ndim else y
    y = y if dtype is None else shapes.astype(y, dtype)
    return (y, width / steps if steps > 0 else np.nan) if retstep else y


def logspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    """base to the power of evenly spaced numbers."""
    base = array_of(base)
    exponents = linspace(start, stop, num, endpoint)
    y = base**exponents
    y = shapes.moveaxis(y, 0, axis) if len(shape_of(y)) > 1 else y
    return y if dtype is None else shapes.astype(y, dtype)


def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """start (stop/start) to evenly spaced powers, the bounds exactly start and stop."""
    start, stop = array_of(start), array_of(stop)
    if np.any(value_of(start) == 0) or np.any(value_of(stop) == 0):
        raise ValueError("Geometric sequence cannot include zero")
    num = int(plain(num))
    ratio = stop / start
    ndim = len(shape_of(ratio))
    share = np.arange(num).reshape(-1, *[1] * ndim) / max(num - 1 if endpoint else num, 1)
    y = start * ratio**share
    y = np.where(share == 0.0, start, np.where(share == 1.0, stop, y))
    y = shapes.moveaxis(y, 0, axis) if ndim else y
    return y if dtype is None else shapes.astype(y, dtype)
