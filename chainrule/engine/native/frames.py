"""What compiled code wants to be called with, apart from the program that it came from."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from chainrule.engine.native import looking
from chainrule.engine.native.memory import ALIGNMENT, address_of
from chainrule.records import dataclass


@dataclass(frozen=True)
class Given:
    """An array that the code reads or writes: its slot in the table, its shape and dtype."""

    slot: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Frame:
    """The table of addresses that the code is given; it can be kept on disk beside the code.

    Attributes:
        inputs: of the program.
        outputs: each a :class:`Given`, or a number that is constant.
        constants, constant_slots: arrays that the code reads, and where their addresses stand.
        arena_slot, arena_size: the place of the arena's address, the last in the table; its bytes.
        threads: at most so many threads may run the code.
        failures: what is said where a step fails. The table has one word more, which says whether
            one has; see :mod:`chainrule.engine.native.looking`.
    """

    inputs: tuple[Given, ...]
    outputs: tuple[Any, ...]
    constants: tuple[np.ndarray, ...]
    constant_slots: tuple[int, ...]
    arena_slot: int
    arena_size: int
    threads: int
    failures: tuple[str, ...]

    def table(self) -> tuple[Any, np.ndarray]:
        """A table that has the constants and a new arena, and that arena, which is to be kept."""
        arena = np.empty(self.arena_size + ALIGNMENT, np.uint8)
        table = (ctypes.c_uint64 * (self.arena_slot + 2))()
        for slot, x in zip(self.constant_slots, self.constants, strict=True):
            table[slot] = address_of(x)
        table[self.arena_slot] = -(-address_of(arena) // ALIGNMENT) * ALIGNMENT
        return table, arena

    def check(self, table: Any) -> None:
        """Raise what NumPy raises where a step has failed, or what a handler of signals has raised.

        Raises:
            LinAlgError: a step has failed.
        """
        word = looking.signed(table[self.arena_slot + 1])
        table[self.arena_slot + 1] = 0
        if word > len(self.failures):
            raise looking.exception(word)
        if word > 0:
            raise np.linalg.LinAlgError(self.failures[word - 1])


__all__ = ["Frame", "Given"]
