"""Linking LLVM's objects into one image.

That is done for ELF objects of x86-64 with the references of position-independent code. What holds
anything else is refused; LLVM links it then.

Source: "System V Application Binary Interface, AMD64 Architecture Processor Supplement", chapter 4.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.engine.native.image import CELL, Image

_HEADER = np.dtype([
    ("ident", "V16"), ("type", "<u2"), ("machine", "<u2"), ("version", "<u4"), ("entry", "<u8"),
    ("phoff", "<u8"), ("shoff", "<u8"), ("flags", "<u4"), ("ehsize", "<u2"), ("phentsize", "<u2"),
    ("phnum", "<u2"), ("shentsize", "<u2"), ("shnum", "<u2"), ("shstrndx", "<u2"),
])  # fmt: skip
_SECTION = np.dtype([
    ("name", "<u4"), ("type", "<u4"), ("flags", "<u8"), ("address", "<u8"), ("offset", "<u8"),
    ("size", "<u8"), ("link", "<u4"), ("info", "<u4"), ("alignment", "<u8"), ("entry", "<u8"),
])  # fmt: skip
_SYMBOL = np.dtype([
    ("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"),
    ("size", "<u8"),
])  # fmt: skip
_REFERENCE = np.dtype([("offset", "<u8"), ("kind", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])
_MAGIC, _RELOCATABLE, _X86_64 = b"\x7fELF\x02\x01", 1, 62
_PROGBITS, _SYMTAB, _RELA, _REL, _UNWIND = 1, 2, 4, 9, 0x70000001  # kinds of sections
_WRITE, _ALLOC = 1, 2  # flags of sections
_UNDEFINED = 0  # the section of a symbol of another object
_LOCAL = 0  # the binding of a symbol
_PC32, _PLT32 = 2, 4  # kinds of references: the distance to a place, and to a function
_JUMP = b"\xff\x25"  # jmp *distance(%rip)


class Refused(ValueError):
    """What is not linked here: it is of another kind, or not whole."""


def linked(objects: Sequence[bytes], exports: Sequence[str]) -> Image:
    """One image of objects that call one another.

    Args:
        objects: of LLVM's.
        exports: the functions that are asked for by name.

    Raises:
        Refused: an object has something that does not fit into an image, or an export is missing.
    """
    size = 0
    defined: dict[str, int] = {}
    parts: list[_Object] = []
    try:
        for data in objects:
            part = _Object(data, size)
            size = part.end
            parts.append(part)
            for name, place in part.defined.items():
                defined.setdefault(name, place)
        names = dict.fromkeys(n for part in parts for n in part.needed if n not in defined)
        jumps = {name: size + CELL * k for k, name in enumerate(names)}
        cells = {name: place + CELL * len(jumps) for name, place in jumps.items()}
        code = np.zeros(size + 2 * CELL * len(jumps), np.uint8)
        for part in parts:
            part.put(code, defined, jumps)
        for name, place in jumps.items():
            _put(code, place, np.frombuffer(_JUMP, np.uint8))
            distance = cells[name] - place - len(_JUMP) - 4
            _put(code, place + len(_JUMP), np.array([distance], "<i4").view(np.uint8))
        return Image(code.tobytes(), {name: defined[name] for name in exports}, cells)
    except Refused:
        raise
    except (LookupError, ValueError) as error:
        raise Refused(f"something is missing: {error}") from error


class _Object:
    """An object file, placed in the image.

    Args:
        data: the file.
        start: where the image has room.

    Attributes:
        end: where it has room after this.
        defined: the places of the symbols that others may use.
        needed: the names of those that it uses.
    """

    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        header = self._read(_HEADER, 0, 1)[0]
        if (bytes(header["ident"])[:6], header["type"], header["machine"]) != (
            _MAGIC, _RELOCATABLE, _X86_64,
        ):  # fmt: skip
            raise Refused("no ELF object of x86-64")
        self.sections = self._read(_SECTION, int(header["shoff"]), int(header["shnum"]))
        self.places = np.full(len(self.sections), -1)  # of the sections in the image
        for k, section in enumerate(self.sections):
            if section["flags"] & _ALLOC and section["size"] and section["type"] != _UNWIND:
                alignment = int(section["alignment"]) or 1
                if section["flags"] & _WRITE or section["type"] != _PROGBITS:
                    raise Refused("a section that is not constant")
                if alignment > mmap.PAGESIZE:
                    raise Refused("an alignment above that of a page")
                start = -(-start // alignment) * alignment
                self.places[k] = start
                start += int(section["size"])
        self.end = -(-start // CELL) * CELL
        self._look_at_symbols()

    def _look_at_symbols(self) -> None:
        [table] = [s for s in self.sections if s["type"] == _SYMTAB]
        self.symbols = self._entries(table, _SYMBOL)
        texts = self.sections[table["link"]]
        start = int(texts["offset"])
        self.names: list[str] = []  # of the symbols that are not the object's own
        self.at = np.full(len(self.symbols), -1)  # places in the image
        self.defined: dict[str, int] = {}
        self.needed: list[str] = []
        for k, symbol in enumerate(self.symbols):
            self.names.append("")
            section = symbol["section"]
            if section < len(self.places) and self.places[section] >= 0:
                self.at[k] = self.places[section] + int(symbol["value"])
            if symbol["info"] >> 4 != _LOCAL:
                begin = start + int(symbol["name"])
                name = self.names[k] = self.data[begin : self.data.index(b"\0", begin)].decode()
                if section == _UNDEFINED:
                    self.needed.append(name)
                elif self.at[k] >= 0:
                    self.defined[name] = int(self.at[k])

    def put(self, code: np.ndarray, defined: Mapping[str, int], jumps: Mapping[str, int]) -> None:
        """Write it into the image, with its references to places there."""
        for place, section in zip(self.places, self.sections, strict=True):
            if place >= 0:
                found = self._read(np.dtype("u1"), int(section["offset"]), int(section["size"]))
                _put(code, place, found)
        for k, name in enumerate(self.names):
            if name:
                self.at[k] = defined.get(name, -1)
        for section in self.sections:
            target = section["info"]
            if section["type"] in (_RELA, _REL) and self.places[target] >= 0:
                if section["type"] == _REL:
                    raise Refused("references without addends")
                room = int(self.sections[target]["size"])
                references = self._entries(section, _REFERENCE)
                self._refer(code, int(self.places[target]), room, references, jumps)

    def _refer(
        self, code: np.ndarray, start: int, room: int, references: Any, jumps: Mapping[str, int]
    ) -> None:
        """Write the references of a section: S + A - P, in the terms of the ABI."""
        kinds, symbols = references["kind"], references["symbol"].astype(np.int64)
        if not np.isin(kinds, (_PC32, _PLT32)).all():
            raise Refused(f"references of the kinds {sorted(set(kinds.tolist()))}")
        to = self.at[symbols]
        for k in np.flatnonzero((to < 0) & (kinds == _PLT32)):
            to[k] = jumps[self.names[symbols[k]]]
        offsets = references["offset"].astype(np.int64)
        if (to < 0).any() or (offsets < 0).any() or (offsets > room - 4).any():
            raise Refused("a reference to something that is not in the image")
        at = start + offsets
        distances = to + references["addend"] - at
        if (distances != distances.astype(np.int32)).any():
            raise Refused("a distance of more than 2 GB")
        code[at[:, None] + np.arange(4)] = distances.astype("<i4").view(np.uint8).reshape(-1, 4)

    def _entries(self, section: Any, kind: np.dtype[Any]) -> Any:
        return self._read(kind, int(section["offset"]), int(section["size"]) // kind.itemsize)

    def _read(self, kind: np.dtype[Any], offset: int, count: int) -> Any:
        try:
            return np.frombuffer(self.data, kind, count, offset)
        except ValueError as error:
            raise Refused("an object that ends too early") from error


def _put(code: np.ndarray, place: int, what: np.ndarray) -> None:
    code[place : place + len(what)] = what


__all__ = ["Refused", "linked"]
