"""Calls of a fraction of a microsecond for functions of single numbers.

The code of the program is given to Python as a built-in function: it takes Python floats apart
and puts the result together by itself, and answers NotImplemented to anything else.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from typing import Any

import numpy as np
from llvmlite import ir

from chainrule.engine.native import machine
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.memory import ALIGNMENT
from chainrule.engine.native.target import DOUBLE, I8, I64
from chainrule.engine.program import Op

POINTER = ir.PointerType()
LARGEST = 4096  # bytes of memory on the way that may lie on the stack
_FASTCALL = 0x0080
_DATA = ("PyFloat_Type", "_Py_NotImplementedStruct")
_FUNCTIONS = ("PyFloat_AsDouble", "PyFloat_FromDouble", "PyTuple_New", "PyTuple_SetItem",
              "Py_IncRef", "Py_DecRef")  # fmt: skip


class _Definition(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def scalar_call(compiled: Compiled, shape: Any, arguments: int) -> Any:
    """A built-in function for a program of single numbers, or None where it is another.

    Args:
        compiled: the program.
        shape: the structure of the result: an output's number, or a tuple of such structures.
        arguments: how many arguments the function has; each must be one input.
    """
    if sysconfig.get_config_var("Py_GIL_DISABLED") or hasattr(sys, "gettotalrefcount"):
        return None  # objects begin otherwise there
    program = compiled.program
    outputs = compiled.grouping.outputs
    numbers = [*program.inputs, *(y for y in outputs if isinstance(y, Op))]
    if (
        not compiled.is_native
        or len(program.inputs) != arguments
        or compiled.constants
        or compiled.arena_size + compiled.scratch_size > LARGEST
        or any(op.shape != () or op.dtype != np.float64 for op in numbers)
        or len(numbers) != arguments + len(outputs)
        or len(set(compiled.output_slots)) != len(outputs)
    ):
        return None
    code = machine.build(
        lambda: _module(compiled, shape, arguments),
        f"{compiled.original.key()}\n{shape} {arguments}",
        ["call"],
        compiled.target,
        _addresses(),
    )
    definition = _Definition(b"compiled", code.address("call"), _FASTCALL, None)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    # The code and the definition must live as long as the function: it holds them as its self.
    return make(ctypes.addressof(definition), (code, definition), None)


def _addresses() -> dict[str, int]:
    """Where Python's own functions and objects are."""
    api = ctypes.pythonapi
    data = {name: ctypes.addressof(ctypes.c_char.in_dll(api, name)) for name in _DATA}
    functions = {
        name: ctypes.cast(getattr(api, name), ctypes.c_void_p).value or 0 for name in _FUNCTIONS
    }
    return data | functions


def _module(compiled: Compiled, shape: Any, arguments: int) -> ir.Module:
    module = compiled.emit()
    kind = ir.FunctionType(POINTER, [POINTER, POINTER, I64])
    function = ir.Function(module, kind, "call")
    _, args, count = function.args
    b = ir.IRBuilder(function.append_basic_block())
    outputs = len(compiled.grouping.outputs)
    values = b.alloca(DOUBLE, size=arguments + outputs)
    arena = b.alloca(I8, size=max(compiled.arena_size, 1))
    arena.align = ALIGNMENT
    table = b.alloca(POINTER, size=compiled.arena_slot + 1)
    other = function.append_basic_block("other")
    right = b.icmp_signed("==", count, ir.Constant(I64, arguments))
    b = _checked(b, right, other)
    float_type = _global(module, "PyFloat_Type")
    for k in range(arguments):
        x = b.load(b.gep(args, [_i(k)], source_etype=POINTER), typ=POINTER)
        found = b.load(b.gep(x, [_i(8)], source_etype=I8), typ=POINTER)  # ob_type
        b = _checked(b, b.icmp_unsigned("==", found, float_type), other)
        number = b.call(_function(module, "PyFloat_AsDouble", DOUBLE, [POINTER]), [x])
        b.store(number, b.gep(values, [_i(k)], source_etype=DOUBLE))
    for k in range(arguments):
        _point(b, table, k, b.gep(values, [_i(k)], source_etype=DOUBLE))
    for k, slot in enumerate(compiled.output_slots):
        _point(b, table, slot, b.gep(values, [_i(arguments + k)], source_etype=DOUBLE))
    _point(b, table, compiled.arena_slot, arena)
    step = module.globals[compiled.stretches[0].symbol]
    b.call(step, [table, _i(0), _i(1), ir.Constant(POINTER, None)])

    def made(part: Any) -> ir.Value:
        if isinstance(part, int):
            place = b.gep(values, [_i(arguments + part)], source_etype=DOUBLE)
            new = _function(module, "PyFloat_FromDouble", POINTER, [DOUBLE])
            return b.call(new, [b.load(place, typ=DOUBLE)])
        whole = b.call(_function(module, "PyTuple_New", POINTER, [I64]), [_i(len(part))])
        put = _function(module, "PyTuple_SetItem", ir.IntType(32), [POINTER, I64, POINTER])
        for k, member in enumerate(part):
            b.call(put, [whole, _i(k), made(member)])
        return whole

    b.ret(made(shape))
    b = ir.IRBuilder(other)
    answer = _global(module, "_Py_NotImplementedStruct")
    b.call(_function(module, "Py_IncRef", ir.VoidType(), [POINTER]), [answer])
    b.ret(answer)
    return module


def _i(x: int) -> ir.Constant:
    return ir.Constant(I64, x)


def _point(b: ir.IRBuilder, table: ir.Value, slot: int, address: ir.Value) -> None:
    b.store(address, b.gep(table, [_i(slot)], source_etype=POINTER))


def _checked(b: ir.IRBuilder, right: ir.Value, other: ir.Block) -> ir.IRBuilder:
    """Go on where a condition holds, and to another block where it does not."""
    following = b.append_basic_block()
    b.cbranch(right, following, other)
    return ir.IRBuilder(following)


def _global(module: ir.Module, name: str) -> Any:
    return module.globals.get(name) or ir.GlobalVariable(module, I8, name)


def _function(module: ir.Module, name: str, result: Any, types: list[Any]) -> Any:
    kind = ir.FunctionType(result, types)
    return module.globals.get(name) or ir.Function(module, kind, name)


__all__ = ["scalar_call"]
