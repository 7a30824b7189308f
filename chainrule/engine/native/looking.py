"""Native loops that may take long look for Ctrl-C themselves, and raise what a handler raises.

The word behind the arena's in a table of addresses says how a call goes on:

    = 0    as it should
    < 0    the same; minus the nanoseconds, by the estimate, since the last look
    > 0    a step has failed: its number, from 1 on, or the address of an exception; loops end

A loop subtracts what a step takes from it, and looks when that is `LONGEST` together: it takes
Python's lock, which its caller has given back, and Python's handlers of signals run.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import replace

from chainrule.engine.native import ir, machine
from chainrule.engine.native.ir import I64
from chainrule.engine.native.target import host

LONGEST = 0.01  # seconds of loops, by the estimate, without a look
BRIEF = 0.001  # seconds of a whole loop that does not look
STEP = 20e-9  # seconds of a step of a loop besides its work
LOOK = ir.FunctionType(I64, [])


@functools.cache
def code() -> machine.Code:
    """The functions ``look`` and ``no_memory``: ``i64 ()``, 0 or the address of an exception."""
    target = replace(host(), effort=0)
    return machine.build(lambda: [_TEXT.format(triple=target.triple)], "looking",
                         ["look", "no_memory"], target)  # fmt: skip


def imports() -> dict[str, tuple[machine.Code, str]]:
    """The functions for code that calls them."""
    return {name: (code(), name) for name in ("look", "no_memory")}


def nanoseconds(seconds: float) -> int:
    """What a step that takes so long is subtracted as."""
    return max(1, round(1e9 * seconds))


def signed(word: int) -> int:
    """The word, which a table has without a sign."""
    return ctypes.c_int64(word).value


def exception(word: int) -> BaseException:
    """The exception that the word is the address of; it is handed over."""
    error: BaseException = ctypes.cast(word, ctypes.py_object).value
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(error))
    return error


_TEXT = """
target triple = "{triple}"
declare i32 @PyGILState_Ensure()
declare void @PyGILState_Release(i32)
declare i32 @PyErr_CheckSignals()
declare ptr @PyErr_NoMemory()
declare void @PyErr_Fetch(ptr, ptr, ptr)
declare void @PyErr_NormalizeException(ptr, ptr, ptr)
declare i32 @PyException_SetTraceback(ptr, ptr)
declare void @Py_DecRef(ptr)

define i64 @look() {{
begin:
  %state = call i32 @PyGILState_Ensure()
  %found = call i32 @PyErr_CheckSignals()
  %raised = icmp ne i32 %found, 0
  br i1 %raised, label %take, label %out
take:
  %error = call i64 @taken()
  br label %out
out:
  %word = phi i64 [ 0, %begin ], [ %error, %take ]
  call void @PyGILState_Release(i32 %state)
  ret i64 %word
}}

define i64 @no_memory() {{
  %state = call i32 @PyGILState_Ensure()
  call ptr @PyErr_NoMemory()
  %word = call i64 @taken()
  call void @PyGILState_Release(i32 %state)
  ret i64 %word
}}

; The exception that is set, as an object with its traceback.
define internal i64 @taken() {{
  %kind_at = alloca ptr
  %error_at = alloca ptr
  %trace_at = alloca ptr
  call void @PyErr_Fetch(ptr %kind_at, ptr %error_at, ptr %trace_at)
  call void @PyErr_NormalizeException(ptr %kind_at, ptr %error_at, ptr %trace_at)
  %kind = load ptr, ptr %kind_at
  %error = load ptr, ptr %error_at
  %trace = load ptr, ptr %trace_at
  %none = icmp eq ptr %trace, null
  br i1 %none, label %out, label %traced
traced:
  call i32 @PyException_SetTraceback(ptr %error, ptr %trace)
  call void @Py_DecRef(ptr %trace)
  br label %out
out:
  call void @Py_DecRef(ptr %kind)
  %word = ptrtoint ptr %error to i64
  ret i64 %word
}}
"""

__all__ = [
    "BRIEF", "LONGEST", "LOOK", "STEP", "code", "exception", "imports", "nanoseconds", "signed",
]  # fmt: skip
