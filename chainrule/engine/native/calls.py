"""Calls of a fraction of a microsecond: a program as a built-in function of Python.

Its code takes Python floats and NumPy arrays apart and puts the results together by itself. It
answers NotImplemented to anything else than what the program was compiled for, and where a step
fails: the slower way has the words for it. What a handler of signals has raised it raises.
Everything that it needs of the process (types, functions, constants) is in a table of addresses
that Python hands to it with each call, so that the code itself can be kept on disk.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from chainrule.engine.native import ir, machine, workers
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.ir import DOUBLE, I8, I32, I64, POINTER, VOID, index
from chainrule.engine.native.memory import ALIGNMENT, address_of
from chainrule.engine.native.threads import POOL
from chainrule.engine.native.vectors import copy_bytes
from chainrule.engine.program import Op

ON_STACK = 4096  # bytes of memory on the way that may lie on the stack
LARGEST = 2**24  # bytes of it that a call asks for anew, where threads make the call short
BRIEF = 20e-6  # seconds of work for which Python's lock is not worth giving back
_FASTCALL = 0x0080
_HEAD, _TYPE = 16, 8  # of a Python object: bytes before its own fields, the place of its type
_DATA, _ND, _DIMENSIONS, _DESCR, _FLAGS = 16, 24, 32, 56, 64  # fields of an array
_PLAIN = 0x0001 | 0x0100  # C-contiguous and aligned
_FUNCTIONS: dict[str, Any] = {  # name -> (result, arguments)
    "PyFloat_FromDouble": (POINTER, [DOUBLE]),
    "PyTuple_New": (POINTER, [I64]),
    "PyTuple_SetItem": (I32, [POINTER, I64, POINTER]),
    "Py_IncRef": (VOID, [POINTER]),
    "Py_DecRef": (VOID, [POINTER]),
    "PyMem_RawMalloc": (POINTER, [I64]),
    "PyErr_NoMemory": (POINTER, []),
    "PyErr_SetObject": (VOID, [POINTER, POINTER]),
    "PyObject_CallNoArgs": (POINTER, [POINTER]),
    "PyMem_RawFree": (VOID, [POINTER]),
    "PyEval_SaveThread": (POINTER, []),
    "PyEval_RestoreThread": (VOID, [POINTER]),
}
_ARRAY_FUNCTIONS: dict[str, Any] = {  # name -> (position in NumPy's table, result, arguments)
    "PyArray_Scalar": (60, POINTER, [POINTER, POINTER, POINTER]),
    "PyArray_New": (
        93, POINTER, [POINTER, I32, POINTER, I32, POINTER, POINTER, I32, I32, POINTER],
    ),
}  # fmt: skip


class _Definition(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _Table(np.ndarray):
    """The addresses; it keeps alive what they belong to."""

    keep: Any


def quick_call(compiled: Compiled, leaves: Sequence[Any], shape: Any) -> Any:
    """A built-in function for a program, or None where there is none.

    Args:
        compiled: the program.
        leaves: the arguments that it is compiled for, floats and arrays.
        shape: the structure of the result: an output's number, or a tuple of such structures.
    """
    outputs = compiled.grouping.outputs
    if (
        not _known_layout()
        or not compiled.is_native
        or (compiled.splits and compiled.storage.arena_size > LARGEST)
        or len(compiled.program.inputs) != len(leaves)
        or not all(isinstance(y, Op) for y in outputs)
        or any(type(x) is not float and type(x) is not np.ndarray for x in leaves)
        or len(set(compiled.storage.output_slots)) != len(outputs)
    ):
        return None
    writer = _Writer(compiled, leaves, shape)
    code = machine.build(lambda: [writer.module()], writer.key(), ["call"], compiled.target)
    definition = _Definition(b"compiled", code.address("call"), _FASTCALL, None)
    table = np.array(writer.addresses(), np.uint64).view(_Table)
    table.keep = (code, definition, compiled, writer.start)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return make(ctypes.addressof(definition), table, None)


@cache
def _known_layout() -> bool:
    """Do Python's objects and NumPy's arrays lie in memory as this module takes it?"""
    if sysconfig.get_config_var("Py_GIL_DISABLED") or hasattr(sys, "gettotalrefcount"):
        return False
    if ctypes.sizeof(ctypes.c_void_p) != 8 or sys.implementation.name != "cpython":
        return False
    probe = np.zeros((5, 7), np.float32)

    def word(offset: int, kind: Any = ctypes.c_uint64) -> int:
        return int(kind.from_address(id(probe) + offset).value)

    return (
        word(_TYPE) == id(np.ndarray)
        and word(_DATA) == probe.__array_interface__["data"][0]
        and word(_ND, ctypes.c_int32) == 2
        and ctypes.c_int64.from_address(word(_DIMENSIONS) + 8).value == 7
        and word(_DESCR) == id(np.dtype("float32"))
        and word(_FLAGS, ctypes.c_int32) & _PLAIN == _PLAIN
    )


@cache
def _array_functions() -> Any:
    """NumPy's table of C functions."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return get(np._core._multiarray_umath._ARRAY_API, None)  # type: ignore[attr-defined]


class _Writer:
    """Writes the module of one built-in function.

    Attributes:
        kinds: what each argument is: "float", or dtype and shape of an array.
    """

    def __init__(self, compiled: Compiled, leaves: Sequence[Any], shape: Any) -> None:
        self.compiled, self.storage, self.shape = compiled, compiled.storage, shape
        self.kinds = ["float" if type(x) is float else f"{x.dtype}{x.shape}" for x in leaves]
        self.leaves = [None if type(x) is float else (x.shape, x.dtype) for x in leaves]
        self.only_floats = all(kind == "float" for kind in self.kinds)
        self.start = partial(POOL.start, compiled.worth.awake)
        self.names: dict[str, int] = {}  # what the table holds -> its position

    def key(self) -> str:
        """What the code depends on; it is the same for all programs with the same call."""
        made = self.compiled
        results = [(y.kind, y.shape) for y in made.grouping.outputs]
        where = self.storage
        places = where.output_slots, where.constant_slots, where.arena_slot, where.arena_size
        threads = made.worth.words() if made.splits else 1
        how = self._is_brief(), threads, made.reports, len(where.failures)
        return f"call {self.kinds} {self.shape} {results} {places} {how}"

    def _is_brief(self) -> bool:
        """Is it not worth giving back Python's lock?"""
        made = self.compiled
        return made.estimate < BRIEF and not made.splits and not made.looks

    # The table -------------------------------------------------------------------------------

    def addresses(self) -> list[int]:
        """What the table holds, in the order in which the code asks for it."""
        if not self.names:
            self.module()  # the code came from the disk
        return [self._address(name) for name in self.names]

    def _address(self, name: str) -> int:
        api = ctypes.pythonapi
        if name in ("PyFloat_Type", "_Py_NotImplementedStruct"):
            return ctypes.addressof(ctypes.c_char.in_dll(api, name))
        if name == "ndarray":
            return id(np.ndarray)
        if name == "step":
            return self.compiled.code.address(self.compiled.stretches[0].symbol)
        if name == "run":
            return POOL.code.address("run")
        if name == "board":
            return POOL.board
        if name == "start":
            return id(self.start)
        if name.startswith("constant"):
            return address_of(self.storage.constants[int(name.split()[1])])
        if name.startswith("dtype"):
            return id(np.dtype(name.split()[1]))
        if name in _ARRAY_FUNCTIONS:
            place = _array_functions() + 8 * _ARRAY_FUNCTIONS[name][0]
            return ctypes.c_void_p.from_address(place).value or 0
        return ctypes.cast(getattr(api, name), ctypes.c_void_p).value or 0

    def _get(self, name: str) -> ir.Value:
        """An address of the table."""
        return self._field(self.table, 8 * self._number_of(name))

    def _number_of(self, name: str) -> int:
        """Its position in the table."""
        return self.names.setdefault(name, len(self.names))

    # Small words -----------------------------------------------------------------------------

    def _field(self, start: ir.Value, offset: int, kind: Any = POINTER) -> ir.Value:
        place = self.b.gep(start, index(offset), I8)
        return self.b.load(place, kind)

    def _call(self, name: str, *args: ir.Value) -> ir.Value:
        result, kinds = _FUNCTIONS[name] if name in _FUNCTIONS else _ARRAY_FUNCTIONS[name][1:]
        return self.b.call(self._get(name), args, ir.FunctionType(result, kinds))

    def _require(self, condition: ir.Value) -> None:
        """Go on where a condition holds, and answer NotImplemented where it does not."""
        following = self.b.append_basic_block()
        self.b.cbranch(condition, following, self.other)
        self.b.position_at_end(following)

    def _is(self, x: ir.Value, value: ir.Value | int, kind: Any = I64) -> ir.Value:
        value = ir.Constant(kind, value) if isinstance(value, int) else value
        return self.b.icmp_unsigned("==", x, value)

    # The function ----------------------------------------------------------------------------

    def module(self) -> ir.Module:
        module = ir.Module("call", self.compiled.target.triple)
        kind = ir.FunctionType(POINTER, [POINTER, POINTER, I64])
        function = ir.Function(module, kind, "call")
        own, args, count = function.args
        b = self.b = ir.Builder(function.append_basic_block())
        self.names = {}
        self.table = self._field(own, _DATA)
        self.other = function.append_basic_block("other")
        numbers = b.alloca(DOUBLE, size=len(self.leaves) + len(self.storage.output_slots) + 1)
        slots = b.alloca(POINTER, size=self.storage.arena_slot + 2)
        self._require(self._is(count, len(self.leaves)))
        if self.compiled.splits:
            self._start_workers()
        self._arguments(args, numbers, slots)
        made = self._results(numbers, slots)
        self._constants(slots)
        self._run(slots, made)
        self.b.ret(self._packed(self.shape, made, numbers))
        self.b = ir.Builder(self.other)
        answer = self._get("_Py_NotImplementedStruct")
        self._call("Py_IncRef", answer)
        self.b.ret(answer)
        return module

    def _start_workers(self) -> None:
        """Let Python start them, where there are too few."""
        b, board, most = self.b, self._get("board"), index(self.compiled.worth.awake)
        chosen, begun = (
            self._field(board, 8 * word, I64) for word in (workers.CHOSEN, workers.BEGUN)
        )
        wanted = b.select(b.icmp_signed("<", chosen, most), chosen, most)
        few = b.icmp_signed("<", b.add(begun, index(1)), wanted)
        with b.if_then(few, likely=False):
            done = self._call("PyObject_CallNoArgs", self._get("start"))
            self._unless_null(done, [])
            self._call("Py_DecRef", done)

    def _constants(self, slots: ir.Value) -> None:
        """Their addresses stand in a row in both tables: a long program may have thousands."""
        count = len(self.storage.constants)
        if not count:
            return
        numbers = [self._number_of(f"constant {k}") for k in range(count)]
        source = self.b.gep(self.table, index(numbers[0]), POINTER)
        to = self.b.gep(slots, index(self.storage.constant_slots[0]), POINTER)
        copy_bytes(self.b, source, to, 8 * count)

    def _point(self, slots: ir.Value, slot: int, address: ir.Value) -> None:
        self.b.store(address, self.b.gep(slots, index(slot), POINTER))

    def _arguments(self, args: ir.Value, numbers: ir.Value, slots: ir.Value) -> None:
        b = self.b
        for k, leaf in enumerate(self.leaves):
            x = b.load(b.gep(args, index(k), POINTER), POINTER)
            found = self._field(x, _TYPE)
            if leaf is None:
                self._require(self._is(found, self._get("PyFloat_Type")))
                place = b.gep(numbers, index(k), DOUBLE)
                b.store(self._field(x, _HEAD, DOUBLE), place)
                self._point(slots, k, place)
                continue
            shape, dtype = leaf
            self._require(self._is(found, self._get("ndarray")))
            self._require(self._is(self._field(x, _DESCR), self._get(f"dtype {dtype}")))
            self._require(self._is(self._field(x, _ND, I32), len(shape), I32))
            flags = b.and_(self._field(x, _FLAGS, I32), ir.Constant(I32, _PLAIN))
            self._require(self._is(flags, _PLAIN, I32))
            if shape:
                dimensions = self._field(x, _DIMENSIONS)
                for axis, n in enumerate(shape):
                    self._require(self._is(self._field(dimensions, 8 * axis, I64), n))
            self._point(slots, k, self._field(x, _DATA))

    def _results(self, numbers: ir.Value, slots: ir.Value) -> list[ir.Value | None]:
        """New arrays for the outputs; numbers lie on the stack for now."""
        b = self.b
        made: list[ir.Value | None] = []
        nothing = ir.Constant(POINTER, None)
        rows = zip(self.compiled.grouping.outputs, self.storage.output_slots, strict=True)
        for k, (y, slot) in enumerate(rows):
            if not y.shape:
                place = b.gep(numbers, index(len(self.leaves) + k), DOUBLE)
                self._point(slots, slot, place)
                made.append(None)
                continue
            dimensions = b.alloca(I64, size=len(y.shape))
            for axis, n in enumerate(y.shape):
                b.store(index(n), b.gep(dimensions, index(axis), I64))
            kind, zero = ir.Constant(I32, y.dtype.num), ir.Constant(I32, 0)
            x = self._call(
                "PyArray_New", self._get("ndarray"), ir.Constant(I32, len(y.shape)), dimensions,
                kind, nothing, nothing, zero, zero, nothing,
            )  # fmt: skip
            self._unless_null(x, made)
            self._point(slots, slot, self._field(x, _DATA))
            made.append(x)
        return made

    def _unless_null(
        self, x: ir.Value, made: list[ir.Value | None], error: str | None = None
    ) -> None:
        """Go on, or hand on that there is no memory: the error is set, or ``error`` sets it."""
        b, null = self.b, ir.Constant(POINTER, None)
        with b.if_then(b.icmp_unsigned("==", x, null), likely=False):
            self._drop(made)
            b.ret(null if error is None else self._call(error))

    def _drop(self, made: list[ir.Value | None]) -> None:
        for a in made:
            if a is not None:
                self._call("Py_DecRef", a)

    def _run(self, slots: ir.Value, made: list[ir.Value | None]) -> None:
        b, size = self.b, self.storage.arena_size
        stack = size <= ON_STACK
        block = None
        if stack:
            arena = b.alloca(I8, max(size, 1), ALIGNMENT)
        else:
            block = self._call("PyMem_RawMalloc", index(size + ALIGNMENT))
            self._unless_null(block, made, "PyErr_NoMemory")
            up = b.add(b.ptrtoint(block, I64), index(ALIGNMENT - 1))
            arena = b.inttoptr(b.and_(up, index(-ALIGNMENT)), POINTER)
        self._point(slots, self.storage.arena_slot, arena)
        reports = self.compiled.reports
        if reports:
            self._point(slots, self.storage.arena_slot + 1, ir.Constant(POINTER, None))
        step, compiled = self._get("step"), self.compiled
        state = None if self._is_brief() else self._call("PyEval_SaveThread")
        if compiled.splits:
            numbers = map(index, (0, *compiled.worth.words()))
            kind = ir.FunctionType(VOID, [*[POINTER] * 3, *[I64] * 4])
            b.call(self._get("run"), [self._get("board"), step, slots, *numbers], kind)
        else:
            kind = ir.FunctionType(VOID, [POINTER, I64, I64, POINTER])
            b.call(step, [slots, index(0), index(1), ir.Constant(POINTER, None)], kind)
        if state is not None:
            self._call("PyEval_RestoreThread", state)
        if block is not None:
            self._call("PyMem_RawFree", block)
        if reports:
            word = b.load(b.gep(slots, index(self.storage.arena_slot + 1), POINTER), I64)
            with b.if_then(b.icmp_signed(">", word, index(0)), likely=False):
                self._drop(made)
                failed = b.icmp_signed("<=", word, index(len(self.storage.failures)))
                raised = b.append_basic_block("raised")
                b.cbranch(failed, self.other, raised)
                b.position_at_end(raised)
                error = b.inttoptr(word, POINTER)
                self._call("PyErr_SetObject", self._field(error, _TYPE), error)
                self._call("Py_DecRef", error)
                b.ret(ir.Constant(POINTER, None))

    def _packed(self, part: Any, made: list[ir.Value | None], numbers: ir.Value) -> ir.Value:
        if isinstance(part, int):
            whole = made[part]
            return whole if whole is not None else self._number(part, numbers)
        whole = self._call("PyTuple_New", index(len(part)))
        for k, member in enumerate(part):
            self._call("PyTuple_SetItem", whole, index(k), self._packed(member, made, numbers))
        return whole

    def _number(self, k: int, numbers: ir.Value) -> ir.Value:
        b, y = self.b, self.compiled.grouping.outputs[k]
        place = b.gep(numbers, index(len(self.leaves) + k), DOUBLE)
        if self.only_floats and y.dtype == np.float64:
            return self._call("PyFloat_FromDouble", b.load(place, DOUBLE))
        nothing = ir.Constant(POINTER, None)
        return self._call("PyArray_Scalar", place, self._get(f"dtype {y.dtype}"), nothing)


__all__ = ["quick_call"]
