"""Steps by the inner loops of NumPy's own functions, called from native code without Python.

A ufunc's public C structure has a loop ``void (char **args, npy_intp const *dimensions, npy_intp
const *steps, void *data)`` for each combination of dtypes. Those of numpy.linalg call LAPACK; they
touch no Python object, allocate what they need, and raise the floating-point flag "invalid" where
LAPACK reports a failure, which is how NumPy knows. So the numbers are NumPy's to the last bit.

Addresses belong to a process. The code finds them behind the table of addresses, in a small array
that a pickle or a file refers to by the function's name.

Sources: NumPy reference, "C-Types and C-structures: PyUFuncObject"; numpy/linalg/umath_linalg.cpp.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import platform
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.engine.native import ir
from chainrule.engine.native.target import I8, I32, I64
from chainrule.engine.native.vectors import copy_bytes
from chainrule.engine.program import Op
from chainrule.graph import evaluation_error

POINTER = ir.PointerType()
LOOP = ir.FunctionType(ir.VoidType(), [POINTER] * 4)
INVALID = 1  # FE_INVALID of x86 and ARM
IN_PLACE = "qr_r_raw"  # changes its argument
# What NumPy says where LAPACK fails.
FAILURES = {
    "solve": "Singular matrix",
    "inv": "Singular matrix",
    "cholesky_lo": "Matrix is not positive definite",
    "eigh_lo": "Eigenvalues did not converge",
    "svd_s": "SVD did not converge",
    "qr_r_raw": "Incorrect argument found while performing QR factorization",
    "qr_reduced": "Incorrect argument found while performing QR factorization",
}
# Where fields of the structure begin, in bytes.
_NIN, _NOUT, _FUNCTIONS, _DATA, _NTYPES, _NAME, _TYPES = 16, 20, 32, 40, 48, 56, 64


class Loop(np.ndarray):
    """(address of a loop, address of its data)."""

    name: str

    def __reduce__(self) -> Any:
        return loop, (self.name,)


@functools.cache
def loop(name: str) -> Loop:
    """The loop in double precision of a function of numpy.linalg.

    Raises:
        LookupError: this NumPy has none that is as this module takes it.
    """
    found = _ufunc(name)
    if found is None or not _usable():
        raise LookupError(name)
    return _loop(found)


def has(name: str) -> bool:
    """Is there such a loop?"""
    try:
        loop(name)
    except LookupError:
        return False
    return True


def _ufunc(name: str) -> np.ufunc | None:
    found = getattr(np.linalg._umath_linalg, name, None)  # type: ignore[attr-defined]
    return found if isinstance(found, np.ufunc) else None


def _loop(ufunc: np.ufunc) -> Loop:
    def field(offset: int, kind: Any) -> Any:
        return kind.from_address(id(ufunc) + offset).value

    counts = [field(place, ctypes.c_int) for place in (_NIN, _NOUT, _NTYPES)]
    types = [text.replace("->", "") for text in ufunc.types]
    double = "d" * ufunc.nargs
    if counts != [ufunc.nin, ufunc.nout, ufunc.ntypes] or double not in types:
        raise LookupError(ufunc.__name__)
    if field(_NAME, ctypes.c_char_p) != ufunc.__name__.encode():
        raise LookupError(ufunc.__name__)
    numbers = b"".join(bytes([np.dtype(c).num for c in text]) for text in types)
    if ctypes.string_at(field(_TYPES, ctypes.c_void_p), len(numbers)) != numbers:
        raise LookupError(ufunc.__name__)
    at = 8 * types.index(double)
    pair = [
        ctypes.c_uint64.from_address(field(place, ctypes.c_void_p) + at).value
        for place in (_FUNCTIONS, _DATA)
    ]
    made = np.array(pair, np.uint64).view(Loop)
    made.name = ufunc.__name__
    return made


@functools.cache
def _usable() -> bool:
    """Can loops be called here, and is a failure seen afterwards?"""
    machine = platform.machine().lower()
    known = machine in ("x86_64", "amd64", "aarch64", "arm64") and os.name == "posix"
    ufunc = _ufunc("inv")
    if not known or ctypes.sizeof(ctypes.c_void_p) != 8 or ufunc is None:
        return False
    try:
        function, data = map(int, _loop(ufunc))
        clear, test = (getattr(ctypes.CDLL(None), f"fe{x}except") for x in ("clear", "test"))
    except (LookupError, AttributeError):
        return False
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(function)
    seen = []
    for number in (2.0, 0.0):
        given, made = np.array([number]), np.zeros(1)
        args = (ctypes.c_void_p * 2)(given.ctypes.data, made.ctypes.data)
        sizes, steps = (ctypes.c_int64 * 2)(1, 1), (ctypes.c_int64 * 6)(*[8] * 6)
        clear(INVALID)
        call(args, sizes, steps, data)
        seen.append((bool(test(INVALID)), float(made[0])))
    clear(INVALID)
    (fine, half), (failed, nan) = seen
    return not fine and half == 0.5 and failed and math.isnan(nan)


def may_fail(op: Op) -> bool:
    """Does NumPy raise an error where LAPACK reports a failure?"""
    return op.params["ufunc"] in FAILURES and not op.params.get("tolerant")


def error_of(path: Sequence[Op]) -> Exception:
    """What NumPy raises where a step fails, with the user's line.

    Args:
        path: the loops and branches that the step is in, from the outermost on, and the step.
    """
    error: Exception = np.linalg.LinAlgError(FAILURES[path[-1].params["ufunc"]])
    for op in reversed(path):
        node = op.node
        if node is not None:
            error = evaluation_error(node.fn, (), error, node.code, node.lasti)
    return error


# How it is called -------------------------------------------------------------------------------


def strides_of(shape: tuple[int, ...], strides: tuple[int, ...], inner: int) -> Any:
    """Strides where all axes but the last ``inner`` are one; None where they are not."""
    outer = len(shape) - inner
    step, length = 0, 1  # of the axis so far
    for n, s in zip(reversed(shape[:outer]), reversed(strides[:outer]), strict=True):
        if n == 1:
            continue
        if length > 1 and s != step * length:
            return None
        step = s if length == 1 else step
        length *= n
    return (step, *strides[outer:])


def seconds(op: Op) -> float:
    """About how long a step takes."""
    *stack, m, n = op.args[0].shape
    small = min(m, n)
    return math.prod(stack) * (1e-6 + 2e-8 * small**2 + 2e-10 * m * n * small)


# In the code ------------------------------------------------------------------------------------


def call(
    b: ir.Builder,
    op: Op,
    given: Sequence[tuple[ir.Value, tuple[int, ...]]],
    out: ir.Value,
    cell: ir.Value,
    status: tuple[ir.Value, int] | None,
    names: dict[Any, str],
) -> None:
    """Write the call of a step's loop.

    Args:
        b: where to write it.
        op: the step; its params are the name of its "ufunc", and "results", their shapes.
        given: address, and strides in bytes, of each argument: of the stack of matrices, which is
            one axis, and those of the matrix.
        out: where the results go, one after the other.
        cell: the address of the loop's :class:`Loop`.
        status: where the number is to be left if the step fails and none is there, and the number.
        names: of the functions that are written already.
    """
    name, results = op.params["ufunc"], op.params["results"]
    sizes, strides = _geometry(op, [steps for _, steps in given])
    function = _function(b.module, (name, sizes, strides, status is not None), names)
    places, start = [place for place, _ in given], 0
    if name == IN_PLACE:
        copy_bytes(b, places[0], out, 8 * op.args[0].size)
        places, start = [out], op.args[0].size
    for shape in results if name != IN_PLACE else results[1:]:
        places.append(b.gep(out, [ir.Constant(I64, 8 * start)], source_etype=I8))
        start += math.prod(shape)
    kept = [] if status is None else [status[0], ir.Constant(I64, status[1])]
    b.call(function, [cell, *places, *kept])


def core(name: str) -> list[list[str]]:
    """The dimensions of each argument and result of a loop, as its signature names them."""
    ufunc = _ufunc(name)
    assert ufunc is not None
    return [re.findall(r"\w+", part) for part in re.findall(r"\(([^)]*)\)", ufunc.signature or "")]


def _geometry(op: Op, given: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dimensions and the steps that a loop takes."""
    name = op.params["ufunc"]
    terms = core(name)
    results = op.params["results"][name == IN_PLACE :]
    shapes = [*(a.shape for a in op.args), *results]
    inner = {
        c: n
        for term, shape in zip(terms, shapes, strict=True)
        for c, n in zip(term, shape[len(shape) - len(term) :], strict=True)
    }
    stack = math.prod(shapes[0][: len(shapes[0]) - len(terms[0])])
    rows = [*given]
    for term, shape in zip(terms[len(given) :], results, strict=True):
        own = [8 * math.prod(shape[k + 1 :]) for k in range(len(shape) - len(term), len(shape))]
        rows.append((8 * math.prod(shape) // stack, *own))
    steps = [row[0] for row in rows] + [s for row in rows for s in row[1:]]
    return (stack, *inner.values()), tuple(steps)


def _function(module: ir.Module, key: Any, names: dict[Any, str]) -> ir.Function:
    """``void f(cell, arguments and results, status, number)``, which calls a loop."""
    name, sizes, steps, fails = key
    symbol = names.setdefault(key, f"loop_{len(names)}_{name}")
    count = len(core(name))
    types = [POINTER] * (1 + count) + ([POINTER, I64] if fails else [])
    function, is_new = module.shared(symbol, ir.FunctionType(ir.VoidType(), types))
    if not is_new:
        return function
    cell, *places = function.args[: 1 + count]
    b = ir.Builder(function.append_basic_block())
    args = b.alloca(POINTER, count)
    for k, place in enumerate(places):
        b.store(place, b.gep(args, [ir.Constant(I64, k)], source_etype=POINTER))
    tables = [
        ir.GlobalArray(module, f"{symbol}_{what}", [ir.Constant(I64, x) for x in numbers])
        for what, numbers in (("sizes", sizes), ("steps", steps))
    ]
    address, data = (
        b.load(b.gep(cell, [ir.Constant(I64, k)], source_etype=POINTER), typ=POINTER)
        for k in range(2)
    )
    flag = ir.FunctionType(I32, [I32])
    if fails:
        b.call(module.declared("feclearexcept", flag), [ir.Constant(I32, INVALID)])
    b.call(address, [args, *tables, data], LOOP)
    if fails:
        status, number = function.args[1 + count :]
        found = b.call(module.declared("fetestexcept", flag), [ir.Constant(I32, INVALID)])
        with b.if_then(b.icmp_signed("!=", found, ir.Constant(I32, 0)), likely=False):
            before = b.load(status, typ=I64)
            is_first = b.icmp_signed("==", before, ir.Constant(I64, 0))
            b.store(b.select(is_first, number, before), status)
    b.ret_void()
    return function


__all__ = ["FAILURES", "Loop", "call", "core", "error_of", "has", "loop"]
