"""LLVM at work: object code from IR, and its linker for what is not made into an image."""

from __future__ import annotations

import ctypes
import functools
import itertools
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import ffi

from chainrule.engine.forking import fork_outside
from chainrule.engine.native.target import Target, host, initialize
from chainrule.engine.native.threads import POOL
from chainrule.errors import CompileError

_lock = threading.RLock()
# LLVM has locks of its own, which are open where no thread is in it.
fork_outside(_lock, *filter(None, [getattr(ffi.lib, "_lock", None)]))
_numbers = itertools.count()


def emitted(modules: Iterable[object], target: Target) -> list[bytes]:
    """Object code of modules: LLVM is at work on some while Python still writes the others."""
    initialize()
    if POOL.threads() == 1:
        return [compiled(str(module), target_for(module, target).machine()) for module in modules]
    jobs, processors = [], threading.Semaphore(POOL.threads())
    for module in modules:
        jobs.append(_Job(module, target, processors))
        jobs[-1].start()
    return [job.result() for job in jobs]


class _Job(threading.Thread):
    """The work of LLVM on one module."""

    def __init__(self, module: object, target: Target, processors: threading.Semaphore) -> None:
        # Not a daemon: a process that ends waits for it, or LLVM would be gone under its feet.
        super().__init__(name="chainrule-compile", daemon=False)
        self.text, self.target = str(module), target_for(module, target)
        self.processors = processors
        self.image = b""
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with self.processors:
                self.image = compiled(self.text, self.target.machine())
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


def linked(images: Sequence[bytes], exports: Sequence[str], imports: Mapping[str, int]) -> Any:
    """Objects in memory, with the addresses of what they import.

    Raises:
        RuntimeError: LLVM refuses them.
    """
    builder = llvm.JITLibraryBuilder().add_current_process()
    for image in images:
        builder.add_object_img(image)
    for symbol in exports:
        builder.export_symbol(symbol)
    for symbol, address in imports.items():
        builder.import_symbol(symbol, address)
    with _lock:
        initialize()
        return builder.link(_linker(), f"chainrule_{next(_numbers)}")


def target_for(module: object, target: Target) -> Target:
    """The processor, with what effort LLVM makes code of a module, or of its text."""
    return replace(target, effort=0) if getattr(module, "quick", False) else target


def compiled(text: str, machine: Any) -> bytes:
    """Object code of a module.

    The IR says itself what is done in vectors, so none of LLVM's passes over the IR is run.

    Raises:
        CompileError: LLVM refuses the module.
    """
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


__all__ = ["compiled", "emitted", "linked", "target_for"]
