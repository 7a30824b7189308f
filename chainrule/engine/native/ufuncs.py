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
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.engine.program import Op
from chainrule.graph import evaluation_error

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
# How much more there is to do than to solve for a vector.
WORK = {
    "cholesky_lo": 0.4,
    "eigh_lo": 14.0,
    "inv": 3.0,
    "solve": 1.0,
    "solve1": 1.0,
    "svd_s": 24.0,
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
    known = os.name == "posix" and os.uname().machine in ("x86_64", "aarch64", "arm64")
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


def core(name: str) -> list[list[str]]:
    """The dimensions of each argument and result of a loop, as its signature names them."""
    ufunc = _ufunc(name)
    assert ufunc is not None
    return [re.findall(r"\w+", part) for part in re.findall(r"\(([^)]*)\)", ufunc.signature or "")]


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
    small, times = min(m, n), WORK.get(op.params["ufunc"], 2.0)
    return math.prod(stack) * (7e-7 + times * small * (5e-9 * small + 3e-11 * m * n))


__all__ = [
    "FAILURES", "INVALID", "IN_PLACE", "Loop", "core", "error_of", "has", "loop", "may_fail",
    "seconds", "strides_of",
]  # fmt: skip
