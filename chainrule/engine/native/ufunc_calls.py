"""Calls of the loops of NumPy's functions, in the code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule.engine.native import ir
from chainrule.engine.native.ir import I8, I32, I64, POINTER, VOID, index
from chainrule.engine.native.ufuncs import IN_PLACE, INVALID, core
from chainrule.engine.native.vectors import copy_bytes
from chainrule.engine.program import Op

LOOP = ir.FunctionType(VOID, [POINTER] * 4)


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
        places.append(b.gep(out, index(8 * start), I8))
        start += math.prod(shape)
    kept = [] if status is None else [status[0], index(status[1])]
    b.call(function, [cell, *places, *kept])


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
    function, is_new = module.shared(symbol, ir.FunctionType(VOID, types))
    if not is_new:
        return function
    cell, *places = function.args[: 1 + count]
    b = ir.Builder(function.append_basic_block())
    args = b.alloca(POINTER, count)
    for k, place in enumerate(places):
        b.store(place, b.gep(args, index(k), POINTER))
    tables = [
        ir.GlobalArray(module, f"{symbol}_{what}", [index(x) for x in numbers])
        for what, numbers in (("sizes", sizes), ("steps", steps))
    ]
    address, data = (b.load(b.gep(cell, index(k), POINTER), POINTER) for k in range(2))
    flag = ir.FunctionType(I32, [I32])
    if fails:
        b.call(module.declared("feclearexcept", flag), [ir.Constant(I32, INVALID)])
    b.call(address, [args, *tables, data], LOOP)
    if fails:
        status, number = function.args[1 + count :]
        found = b.call(module.declared("fetestexcept", flag), [ir.Constant(I32, INVALID)])
        with b.if_then(b.icmp_signed("!=", found, ir.Constant(I32, 0)), likely=False):
            before = b.load(status, I64)
            is_first = b.icmp_signed("<=", before, index(0))
            b.store(b.select(is_first, number, before), status)
    b.ret_void()
    return function


__all__ = ["call"]
