"""What a loop leaves behind at every step when the number of steps is known only at the end."""

from __future__ import annotations

import numpy as np


class History:
    """One value of each step of a loop; a graph hands it from loop to loop as a single value.

    Attributes:
        array: the values, with the steps along the first axis.

    >>> History(np.ones(2)) + History(np.ones(2))
    History(2 steps of float64())
    """

    __slots__ = ("array",)

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __add__(self, other: History) -> History:
        return History(self.array + other.array)

    def __len__(self) -> int:
        return len(self.array)

    def __repr__(self) -> str:
        return f"History({len(self)} steps of {self.array.dtype}{self.array.shape[1:]})"


__all__ = ["History"]
