"""Code in one piece, which works wherever it lies in memory.

LLVM's linker could put the objects together anew in each process, but it is part of a library of
130 MB, which takes longer to load than to train a small network. So they are linked once, when they
are made; see :mod:`chainrule.engine.native.elf`. In the image, parts refer to one another by
distances, and to what lies outside (the C library, other code) through cells with addresses. To
load it is to copy it and to fill the cells.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import struct
from collections.abc import Mapping, Sequence

from chainrule.records import dataclass

CELL = 8  # bytes


@dataclass(frozen=True)
class Image:
    """Code that works wherever it lies.

    Attributes:
        code: its bytes.
        exports: where its functions begin.
        cells: where the addresses of what lies outside are to stand.
    """

    code: bytes
    exports: dict[str, int]
    cells: dict[str, int]

    def packed(self) -> list[bytes]:
        """The image as pieces of bytes."""
        tables = (self.exports, self.cells)
        return [*("\n".join(f"{k} {v}" for k, v in t.items()).encode() for t in tables), self.code]

    @classmethod
    def unpacked(cls, pieces: Sequence[bytes]) -> Image:
        """What :meth:`packed` made.

        Raises:
            ValueError: it is something else.
        """
        *tables, code = pieces
        exports, cells = (
            {name: int(place) for name, place in map(str.split, table.decode().splitlines())}
            for table in tables
        )
        if not all(
            0 <= place <= len(code) - CELL for place in (*exports.values(), *cells.values())
        ):
            raise ValueError("a place outside of the image")
        return cls(code, exports, cells)


class Loaded:
    """An image in memory, for as long as this object lives.

    Args:
        image: the code.
        outside: addresses by name; what is not there is looked for in the process.

    Raises:
        OSError: the system refuses memory with code.
        LookupError: something from outside is not there.
    """

    def __init__(self, image: Image, outside: Mapping[str, int]) -> None:
        code = bytearray(image.code)
        for name, place in image.cells.items():
            struct.pack_into("<Q", code, place, outside.get(name) or _of_process(name))
        kind = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._memory = mmap.mmap(-1, len(code), kind, mmap.PROT_READ | mmap.PROT_WRITE)
        self._memory.write(code)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        # It can be written to or run, never both.
        if _protect(self._start, len(code), mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._exports = image.exports

    def __getitem__(self, symbol: str) -> int:
        """Where a function begins."""
        return self._start + self._exports[symbol]


@functools.cache
def _process() -> ctypes.CDLL:
    """What the process has loaded."""
    return ctypes.CDLL(None, use_errno=True)


def _protect(start: int, size: int, protection: int) -> int:
    protect = _process().mprotect
    protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    return int(protect(start, size, protection))


def _of_process(name: str) -> int:
    try:
        function = getattr(_process(), name)
    except AttributeError:
        raise LookupError(f"the process has no {name}") from None
    return ctypes.cast(function, ctypes.c_void_p).value or 0


__all__ = ["CELL", "Image", "Loaded"]
