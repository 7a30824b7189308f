"""Functions of the C library, for the few numbers for which a formula does not do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.engine.native import ir
from chainrule.engine.native.functions import Value
from chainrule.engine.native.ir import I1, I32
from chainrule.engine.native.vectors import chosen


def by_library(b: ir.Builder, name: str, args: Sequence[Value], y: Value, far: Value) -> Value:
    """y, or in the lanes of a mask what the C library's function gives."""
    kind = y.type
    lanes = kind.count if isinstance(kind, ir.VectorType) else None
    some = far
    if lanes is not None:
        bits = ir.IntType(lanes)
        some = b.icmp_unsigned("!=", b.bitcast(far, bits), ir.Constant(bits, 0))
    function = _one_by_one(b.module, name, kind, len(args))
    [found] = chosen(b, some, [y], lambda: [b.call(function, [*args, y, far])], likely=False)
    return found


def _one_by_one(module: ir.Module, name: str, kind: Any, count: int) -> ir.Function:
    """A function of (arguments, y, mask): the C library's function in the lanes of the mask."""
    lanes = kind.count if isinstance(kind, ir.VectorType) else None
    mask = I1 if lanes is None else ir.VectorType(I1, lanes)
    types = [*[kind] * (count + 1), mask]
    function, is_new = module.shared(f"{name}_far_{lanes}", ir.FunctionType(kind, types))
    if not is_new:
        return function
    one = kind if lanes is None else kind.element
    library = module.declared(name, ir.FunctionType(one, [one] * count))
    *args, y, far = function.args
    b = ir.Builder(function.append_basic_block())
    if lanes is None:
        b.ret(b.call(library, args))
        return function
    for j in range(lanes):
        place = ir.Constant(I32, j)
        found = b.call(library, [b.extract_element(x, place) for x in args])
        y = b.insert_element(y, found, place)
    b.ret(b.select(far, y, function.args[count]))
    return function


__all__ = ["by_library"]
