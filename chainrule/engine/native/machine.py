"""Machine code from LLVM IR, kept on disk between processes."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import ffi

from chainrule.engine.forking import fork_outside
from chainrule.engine.native import cache, ir
from chainrule.engine.native.target import Target, host, initialize
from chainrule.engine.native.threads import POOL
from chainrule.errors import CompileError

_lock = threading.RLock()
# LLVM has locks of its own, which are open where no thread is in it.
fork_outside(_lock, *filter(None, [getattr(ffi.lib, "_lock", None)]))
_numbers = itertools.count()


class Code:
    """Machine code in memory; it lives as long as this object.

    A copy, or what is read from a pickle, is loaded from the disk.

    Attributes:
        name: what it is called on the disk.
        exports: the functions that can be asked for.
        imports: the code that it calls by other names, which has a function ``run``.
        seconds: how long it took to make or to load.
        cached: did it come from the disk?
        size: bytes of object code.
    """

    def __init__(
        self,
        library: Any,
        name: str,
        exports: Sequence[str],
        imports: Mapping[str, Code],
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

        Args:
            symbol: its name.
            arguments: their ctypes.
        """
        call = ctypes.CFUNCTYPE(None, *arguments)(self.address(symbol))
        call.owner = self  # type: ignore[attr-defined]
        return call


_NONE: Mapping[str, Code] = MappingProxyType({})


def build(
    make: Callable[[], Iterable[ir.Module]],
    key: str,
    exports: Sequence[str],
    target: Target | None = None,
    imports: Mapping[str, Code] = _NONE,
) -> Code:
    """Compile modules, or load what was compiled under the same key before.

    The IR says itself what is done in vectors, so none of LLVM's passes over the IR is run.

    Args:
        make: makes the modules; called only where there is nothing to load.
        key: a text that says all that they depend on but the processor and the versions.
        exports: the functions that are asked for by name.
        target: the processor.
        imports: code whose ``run`` the modules call by these names.

    Raises:
        CompileError: LLVM refuses a module.
    """
    target = target or host()
    began = time.perf_counter()
    name = cache.key(key, target)
    with contextlib.suppress(LookupError):
        return load(name, exports, imports)
    images = _side_by_side(map(str, make()), target)
    cache.store(name, cache.joined(images))
    library = _linked(images, exports, imports)
    return Code(library, name, exports, imports, began, sum(map(len, images)), cached=False)


def load(name: str, exports: Sequence[str], imports: Mapping[str, Code] = _NONE) -> Code:
    """What was compiled before, from the disk.

    Raises:
        LookupError: it is not there, or not what it is taken for.
    """
    began = time.perf_counter()
    kept = cache.load(name)
    if kept is None:
        raise LookupError(name)
    try:
        library = _linked(cache.parted(kept), exports, imports)
    except (RuntimeError, ValueError) as error:
        raise LookupError(name) from error
    return Code(library, name, exports, imports, began, len(kept), cached=True)


def _side_by_side(texts: Iterable[str], target: Target) -> list[bytes]:
    """Object code of modules: LLVM is at work on some while Python still writes the others."""
    initialize()
    if POOL.threads() == 1:
        return [_emitted(text, target.machine()) for text in texts]
    jobs, processors = [], threading.Semaphore(POOL.threads())
    for text in texts:
        jobs.append(_Job(text, target, processors))
        jobs[-1].start()
    return [job.result() for job in jobs]


class _Job(threading.Thread):
    """The work of LLVM on one module."""

    def __init__(self, text: str, target: Target, processors: threading.Semaphore) -> None:
        # Not a daemon: a process that ends waits for it, or LLVM would be gone under its feet.
        super().__init__(name="chainrule-compile", daemon=False)
        self.text, self.target, self.processors = text, target, processors
        self.image = b""
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with self.processors:
                self.image = _emitted(self.text, self.target.machine())
        except BaseException as error:
            self.error = error

    def result(self) -> bytes:
        self.join()
        if self.error is not None:
            raise self.error
        return self.image


@functools.cache
def _linker() -> llvm.LLJIT:
    """LLVM's linker, which puts the sections of an object next to each other.

    That matters: code reaches its constants within 2 GB only.
    """
    return llvm.create_lljit_compiler(host().machine(), use_jit_link=True)


def _linked(images: Sequence[bytes], exports: Sequence[str], imports: Mapping[str, Code]) -> Any:
    builder = llvm.JITLibraryBuilder().add_current_process()
    for image in images:
        builder.add_object_img(image)
    for symbol in exports:
        builder.export_symbol(symbol)
    for symbol, code in imports.items():
        builder.import_symbol(symbol, code.address("run"))
    with _lock:
        initialize()
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
    return _object_code(parsed, machine)


def _object_code(module: Any, machine: Any) -> bytes:
    """What ``machine.emit_object(module)`` returns, but for llvmlite's lock.

    The lock lets one thread at a time into LLVM. The code generator needs none: module, context
    and target machine are this thread's own.
    """
    emit = _code_generator()
    if emit is None:
        image: bytes = machine.emit_object(module)
        return image
    error = ctypes.c_char_p()
    buffer = emit(machine._ptr, module._ptr, 1, ctypes.byref(error))
    if not buffer:
        raise RuntimeError(error.value)
    try:
        start, size = ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer)
        return ctypes.string_at(start, size)
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


@functools.cache
def _code_generator() -> Any:
    """LLVM's code generator as a C function, if llvmlite has it under its usual name."""
    try:
        locked = ffi.lib.LLVMPY_TargetMachineEmitToMemory
        emit = ctypes.CDLL(ffi.lib._name).LLVMPY_TargetMachineEmitToMemory
        emit.argtypes = [*locked.argtypes[:3], ctypes.POINTER(ctypes.c_char_p)]
        emit.restype = locked.restype
    except (AttributeError, OSError, TypeError):
        return None
    return emit


__all__ = ["Code", "build", "load"]
