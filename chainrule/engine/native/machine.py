"""Machine code from LLVM IR, kept on disk between processes."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from chainrule.engine.native import cache
from chainrule.engine.native.target import Target, host, initialize
from chainrule.errors import CompileError

_lock = threading.Lock()


class Code:
    """Machine code in memory; it lives as long as this object.

    Attributes:
        seconds: how long it took to make or to load.
        cached: did it come from the disk?
        size: bytes of object code.
    """

    def __init__(self, engine: Any, seconds: float, size: int, cached: bool) -> None:
        self._engine = engine
        self.seconds, self.size, self.cached = seconds, size, cached

    def address(self, symbol: str) -> int:
        """Where a function begins."""
        found = self._engine.get_function_address(symbol)
        if not found:
            raise CompileError(f"the code has no function {symbol}")
        return int(found)

    def function(self, symbol: str, *arguments: Any) -> Any:
        """A function without result as a callable; it runs without Python's lock.

        Args:
            symbol: its name.
            arguments: their ctypes.
        """
        call = ctypes.CFUNCTYPE(None, *arguments)(self.address(symbol))
        call.owner = self  # type: ignore[attr-defined]
        return call


def build(make: Callable[[], ir.Module], key: str, target: Target | None = None) -> Code:
    """Compile a module, or load what was compiled under the same key before.

    The IR says itself what is done in vectors, so none of LLVM's passes over the IR is run.

    Args:
        make: makes the module; called only where there is nothing to load.
        key: a text that says all that the module depends on but the processor and the versions.
        target: the processor.

    Raises:
        CompileError: LLVM refuses the module.
    """
    target = target or host()
    began = time.perf_counter()
    name = cache.key(key, target)
    image = cache.load(name)
    cached = image is not None
    text = "" if cached else str(make())
    with _lock:
        initialize()
        machine = target.machine()
        if image is None:
            image = _emitted(text, machine)
            cache.store(name, image)
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(image))
        engine.finalize_object()
    return Code(engine, time.perf_counter() - began, len(image), cached)


def _emitted(text: str, machine: Any) -> bytes:
    try:
        parsed = llvm.parse_assembly(text)
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
