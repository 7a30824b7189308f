"""Machine code from LLVM IR, kept on disk between processes."""

from __future__ import annotations

import ctypes
import threading
import time
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from chainrule.engine.native import cache
from chainrule.engine.native.target import Target, host, initialize
from chainrule.errors import CompileError

_lock = threading.Lock()
_RESULTS = {"void": None, "i64": ctypes.c_int64, "i32": ctypes.c_int32}
_ARGUMENTS = {"ptr": ctypes.c_void_p, "i64": ctypes.c_int64, "i32": ctypes.c_int32}


class Code:
    """Machine code in memory; it lives as long as this object.

    Attributes:
        seconds: how long it took to make or to load.
        cached: did it come from the disk?
        size: bytes of object code.
    """

    def __init__(self, engine: Any, types: dict[str, Any], seconds: float, size: int, cached: bool):
        self._engine, self._types = engine, types
        self.seconds, self.size, self.cached = seconds, size, cached

    def address(self, symbol: str) -> int:
        """Where a function begins."""
        found = self._engine.get_function_address(symbol)
        if not found:
            raise CompileError(f"the code has no function {symbol}")
        return int(found)

    def function(self, symbol: str) -> Any:
        """A function as a callable of integers and addresses; it runs without Python's lock."""
        kind = self._types[symbol]
        result = _RESULTS[str(kind.return_type)]
        arguments = [_ARGUMENTS[str(a)] for a in kind.args]
        call = ctypes.CFUNCTYPE(result, *arguments)(self.address(symbol))
        call.owner = self  # type: ignore[attr-defined]
        return call


def build(module: ir.Module, *, target: Target | None = None) -> Code:
    """Compile a module, or load what was compiled for the same text before.

    The IR says itself what is done in vectors, so none of LLVM's passes over the IR is run.

    Raises:
        CompileError: LLVM refuses the module.
    """
    target = target or host()
    began = time.perf_counter()
    text = str(module)
    types = {f.name: f.function_type for f in module.functions if not f.is_declaration}
    with _lock:
        initialize()
        machine = target.machine()
        key = cache.key(text, target)
        image = cache.load(key)
        cached = image is not None
        if image is None:
            try:
                parsed = llvm.parse_assembly(text)
                parsed.verify()
            except RuntimeError as error:
                raise CompileError(
                    "LLVM refuses the generated code",
                    got=str(error)[:500],
                    remedy="report this; engine='numpy' computes the same",
                ) from error
            image = machine.emit_object(parsed)
            cache.store(key, image)
        empty = llvm.parse_assembly("")
        engine = llvm.create_mcjit_compiler(empty, machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(image))
        engine.finalize_object()
    return Code(engine, types, time.perf_counter() - began, len(image), cached)


__all__ = ["Code", "build"]
