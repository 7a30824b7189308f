"""Constants of a graph: arrays that outlive the trace and never change."""

from __future__ import annotations

from typing import Any

import numpy as np


class Frozen:
    """Values as constants that outlive their trace, each array of memory copied once.

    Args:
        held: the ids of arrays that are read-only for a while.
    """

    def __init__(self, held: set[int]) -> None:
        self.held = held
        self._copies: dict[Any, np.ndarray] = {}

    def __call__(self, x: Any) -> Any:
        """The value, copied unless it is an array that nobody can write."""
        if not isinstance(x, np.ndarray):
            return x
        if x.flags.writeable or x.base is not None or id(x) in self.held:
            # While the tape lives no array is let go, so that memory tells them apart.
            key = x.__array_interface__["data"][0], x.shape, x.strides, x.dtype
            if key not in self._copies:
                self._copies[key] = copy = np.array(x)
                copy.flags.writeable = False
            return self._copies[key]
        return x


__all__ = ["Frozen"]
