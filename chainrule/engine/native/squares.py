"""Squares of numbers, a vector for each row, turned or summed in registers."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.engine.native import ir
from chainrule.engine.native.ir import I32, I64, POINTER, VOID, index
from chainrule.engine.native.target import TYPES
from chainrule.engine.native.vectors import (
    constant_lanes,
    counted,
    load,
    ranged,
    splat,
)


def packing_function(module: ir.Module, dtype: str, lanes: int) -> ir.Function:
    """``void pack(from, k, columns, to, step)``: columns of a transposed matrix side by side.

    Each of them lies as a row of length k; its element p comes to p · step, counted from its own
    place. Whole squares are written: there is room for a multiple of ``lanes`` of both, and what
    is missing is 0.
    """
    given = ir.FunctionType(VOID, [POINTER, I64, I64, POINTER, I64])
    function, is_new = module.shared(f"pack_{dtype}", given)
    if not is_new:
        return function
    kind = TYPES[dtype]
    vector = ir.VectorType(kind, lanes)
    source, k, columns, to, step = function.args
    b = ir.Builder(function.append_basic_block())
    steps = constant_lanes(I64, tuple(range(lanes)))

    def square(c: ir.Value, p: ir.Value) -> None:
        inside = b.icmp_signed("<", steps, splat(b, b.sub(k, p), lanes))
        none = ir.Constant(inside.type, None)
        loaded = []
        for r in range(lanes):
            column = b.add(c, index(r))
            mask = b.select(b.icmp_signed("<", column, columns), inside, none)
            place = b.gep(source, b.add(b.mul(column, k), p), kind)
            loaded.append(load(b, place, vector, mask))
        for r, x in enumerate(transposed(b, loaded)):
            row = b.add(b.mul(b.add(p, index(r)), step), c)
            b.store(x, b.gep(to, row, kind))

    zero = index(0)
    ranged(b, zero, columns, lanes, lambda c: ranged(b, zero, k, lanes, lambda p: square(c, p)))
    b.ret_void()
    return function


def transposed(b: ir.Builder, rows: Sequence[ir.Value]) -> list[ir.Value]:
    """The columns of a square of registers.

    A perfect shuffle of row i with row i + n/2 makes rows 2 i and 2 i + 1. It turns the bits of an
    element's place (row, lane) around by one; after log₂ n times row and lane have changed places.

    Source: Stone, "Parallel processing with the perfect shuffle", IEEE Trans. Comput. C-20 (1971).
    """
    lanes = len(rows)
    half = lanes // 2
    masks = [
        constant_lanes(I32, tuple(first + j + lanes * s for j in range(half) for s in (0, 1)))
        for first in (0, half)
    ]

    def shuffled(_: ir.Value, given: Sequence[ir.Value]) -> list[ir.Value]:
        pairs = zip(given[:half], given[half:], strict=True)
        return [b.shuffle_vector(x, y, mask) for x, y in pairs for mask in masks]

    return counted(b, 0, half.bit_length(), 1, rows, shuffled)


def row_sums(b: ir.Builder, rows: Sequence[ir.Value]) -> ir.Value:
    """One register with the sum of each of as many registers as there are lanes."""
    found, lanes = list(rows), len(rows)
    block = lanes // 2
    while block:
        halves = []
        for upper, lower in zip(found[:block], found[block:], strict=True):
            first = [x if not x & block else lanes + x - block for x in range(lanes)]
            second = [x + block if not x & block else lanes + x for x in range(lanes)]
            one = b.shuffle_vector(upper, lower, constant_lanes(I32, tuple(first)))
            other = b.shuffle_vector(upper, lower, constant_lanes(I32, tuple(second)))
            halves.append(b.fadd(one, other))
        found = halves
        block //= 2
    return found[0]


__all__ = ["packing_function", "row_sums", "transposed"]
