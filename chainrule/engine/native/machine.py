"""Machine code from LLVM IR, kept on disk between processes."""

from __future__ import annotations

import ctypes
import functools
import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from chainrule.engine.native import cache
from chainrule.engine.native.target import Target, host, initialize
from chainrule.errors import CompileError

_lock = threading.Lock()
_numbers = itertools.count()


class Code:
    """Machine code in memory; it lives as long as this object.

    Attributes:
        seconds: how long it took to make or to load.
        cached: did it come from the disk?
        size: bytes of object code.
    """

    def __init__(self, library: Any, seconds: float, size: int, cached: bool) -> None:
        self._library = library
        self.seconds, self.size, self.cached = seconds, size, cached

    def address(self, symbol: str) -> int:
        """Where a function begins."""
        return int(self._library[symbol])

    def function(self, symbol: str, *arguments: Any) -> Any:
        """A function without result as a callable; it runs without Python's lock.

        Args:
            symbol: its name.
            arguments: their ctypes.
        """
        call = ctypes.CFUNCTYPE(None, *arguments)(self.address(symbol))
        call.owner = self  # type: ignore[attr-defined]
        return call


def build(
    make: Callable[[], ir.Module],
    key: str,
    exports: Sequence[str],
    target: Target | None = None,
    imports: Mapping[str, int] = MappingProxyType({}),
) -> Code:
    """Compile a module, or load what was compiled under the same key before.

    The IR says itself what is done in vectors, so none of LLVM's passes over the IR is run.

    Args:
        make: makes the module; called only where there is nothing to load.
        key: a text that says all that the module depends on but the processor and the versions.
        exports: the functions that are asked for by name.
        target: the processor.
        imports: addresses of what the module refers to beyond the process's own symbols.

    Raises:
        CompileError: LLVM refuses the module.
    """
    target = target or host()
    began = time.perf_counter()
    name = cache.key(key, target)
    image = cache.load(name)
    if image is not None:
        try:
            with _lock:
                initialize()
                library = _linked(image, exports, imports)
            return Code(library, time.perf_counter() - began, len(image), cached=True)
        except RuntimeError:  # whole, but not what it is taken for: it is made anew
            pass
    text = str(make())
    with _lock:
        initialize()
        image = _emitted(text, target.machine())
        cache.store(name, image)
        library = _linked(image, exports, imports)
    return Code(library, time.perf_counter() - began, len(image), cached=False)


@functools.cache
def _linker() -> llvm.LLJIT:
    """LLVM's linker, which puts the sections of an object next to each other.

    That matters: code reaches its constants within 2 GB only.
    """
    return llvm.create_lljit_compiler(host().machine(), use_jit_link=True)


def _linked(image: bytes, exports: Sequence[str], imports: Mapping[str, int]) -> Any:
    builder = llvm.JITLibraryBuilder().add_object_img(image).add_current_process()
    for symbol in exports:
        builder.export_symbol(symbol)
    for symbol, address in imports.items():
        builder.import_symbol(symbol, address)
    return builder.link(_linker(), f"chainrule_{next(_numbers)}")


def _emitted(text: str, machine: Any) -> bytes:
    try:
        parsed = llvm.parse_assembly(text, llvm.create_context())  # one for each thread
        parsed.verify()
    except RuntimeError as error:
        raise CompileError(
            "LLVM refuses the generated code",
            got=str(error)[:500],
            remedy="report this; engine='numpy' computes the same",
        ) from error
    image: bytes = machine.emit_object(parsed)
    return image


__all__ = ["Code", "build"]
