"""Machine code from LLVM IR, kept on disk between processes."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from chainrule.engine.native import cache, image
from chainrule.engine.native.target import Target, host

Imports: TypeAlias = "Mapping[str, tuple[Code, str]]"
IMAGE, OBJECTS = b"image", b"objects"  # what an entry on the disk is


class Code:
    """Machine code in memory; it lives as long as this object.

    A copy, or what is read from a pickle, is loaded from the disk.

    Attributes:
        name: what it is called on the disk.
        exports: the functions that can be asked for.
        imports: what it calls by names of its own: (code, the function's name there).
        seconds: how long it took to make or to load.
        cached: did it come from the disk?
        size: bytes of object code.
    """

    def __init__(
        self,
        library: Any,
        name: str,
        exports: Sequence[str],
        imports: Imports,
        began: float,
        size: int,
        cached: bool,
    ) -> None:
        self._library = library
        self.name, self.exports, self.imports = name, tuple(exports), dict(imports)
        self.size, self.cached = size, cached
        self.seconds = time.perf_counter() - began

    def __reduce__(self) -> Any:
        return load, (self.name, self.exports, self.imports)

    def address(self, symbol: str) -> int:
        """Where a function begins."""
        return int(self._library[symbol])

    def function(self, symbol: str, *arguments: Any) -> Any:
        """A function without result as a callable; it runs without Python's lock.

        Its ``address`` is where it begins.

        Args:
            symbol: its name.
            arguments: their ctypes.
        """
        address = self.address(symbol)
        call = ctypes.CFUNCTYPE(None, *arguments)(address)
        call.owner, call.address = self, address  # type: ignore[attr-defined]
        return call


_NONE: Imports = MappingProxyType({})


def build(
    make: Callable[[], Iterable[object]],
    key: str,
    exports: Sequence[str],
    target: Target | None = None,
    imports: Imports = _NONE,
) -> Code:
    """Compile modules, or load what was compiled under the same key before.

    Args:
        make: makes the modules, or their texts; called only where there is nothing to load.
        key: a text that says all that they depend on but the processor and the versions.
        exports: the functions that are asked for by name.
        target: the processor.
        imports: what the modules call by these names: (code, the function's name there).

    Raises:
        CompileError: LLVM refuses a module.
    """
    target = target or host()
    began = time.perf_counter()
    name = cache.key(key, target)
    with contextlib.suppress(LookupError):
        return load(name, exports, imports)
    from chainrule.engine.native import elf, objects

    made = objects.emitted(make(), target)
    try:
        linked = elf.linked(made, exports)
        library: Any = image.Loaded(linked, _addresses(imports))
        kept = [IMAGE, *linked.packed()]
    except (elf.Refused, LookupError, OSError):
        library = objects.linked(made, exports, _addresses(imports))
        kept = [OBJECTS, *made]
    cache.store(name, cache.joined(kept))
    return Code(library, name, exports, imports, began, sum(map(len, made)), cached=False)


def load(name: str, exports: Sequence[str], imports: Imports = _NONE) -> Code:
    """What was compiled before, from the disk.

    Raises:
        LookupError: it is not there, or not what it is taken for.
    """
    began = time.perf_counter()
    kept = cache.load(name)
    if kept is None:
        raise LookupError(name)
    try:
        library = _linked(cache.parted(kept), exports, _addresses(imports))
    except (RuntimeError, ValueError, OSError) as error:
        raise LookupError(name) from error
    return Code(library, name, exports, imports, began, len(kept), cached=True)


def _linked(kept: Sequence[bytes], exports: Sequence[str], imports: Mapping[str, int]) -> Any:
    kind, *pieces = kept
    if kind == IMAGE:
        found = image.Image.unpacked(pieces)
        if not found.exports.keys() >= set(exports):
            raise ValueError("other functions")
        return image.Loaded(found, imports)
    from chainrule.engine.native import objects

    return objects.linked(pieces, exports, imports)


def _addresses(imports: Imports) -> dict[str, int]:
    return {symbol: code.address(function) for symbol, (code, function) in imports.items()}


__all__ = ["Code", "build", "load"]
