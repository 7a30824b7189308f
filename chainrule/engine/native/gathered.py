"""Rows at positions, read by a product where they lie.

The batch of a training step is rows of the data at positions. A product goes through its operands
again and again anyway, so it may look up where each row begins, and the batch is not copied.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.engine.native.repertoire import FLOATS
from chainrule.engine.program import Op, Program


def sunk(program: Program) -> Program:
    """The same program, in which products read gathered rows from the data.

    Such a product has a third argument: where the rows of its first begin, as it is stored.
    Operations of the program are changed.
    """
    readers = program.readers()
    results = {y for y in program.outputs if isinstance(y, Op)}
    made: dict[Op, Sequence[Op]] = {}  # a gather → what takes its place
    gone: set[Op] = set()
    for op in program.ops:
        if op.name == "take" and _is_data(op.args[0]) and op.args[1].kind == "int64":
            products = _products(op, readers, results)
            if products:
                made[op] = _begin(op, products)
                gone.update(view for views in products.values() for view in views)
    if not made:
        return program
    ops = [new for op in program.ops for new in made.get(op, () if op in gone else (op,))]
    return Program(program.inputs, program.outputs, ops)


def _is_data(op: Op) -> bool:
    """Is it given, with several rows and columns, so that its strides tell what is a row?"""
    given = op.name in ("input", "constant") and op.kind in FLOATS
    return given and 1 < op.shape[0] < op.size


def _products(
    op: Op, readers: dict[Op, list[Op]], results: set[Op], views: Sequence[Op] = ()
) -> dict[Op, list[Op]]:
    """The products that read a gather, with the views between; none if others read it too."""
    found: dict[Op, list[Op]] = {}
    views = [*views, op]
    rows = views[0].args[1].size
    matrix = rows, op.size // rows
    for reader in readers.get(op, ()):
        if op in results:
            return {}
        if reader.name == "matmul" and reader.args[0] is op is not reader.args[1]:
            if len(op.shape) != 2 or len(reader.shape) != 2 or reader.shape[1] == 1:
                return {}
            found[reader] = views
            continue
        flattened = reader.name == "reshape" and reader.shape == matrix
        turned = reader.name == "transpose" and op.shape == matrix
        if any(view.name == "transpose" for view in views) or not (flattened or turned):
            return {}
        inner = _products(reader, readers, results, views)
        if not inner:
            return {}
        found |= inner
    return found


def _begin(take: Op, products: dict[Op, list[Op]]) -> list[Op]:
    """Let the products read the data; the steps that say where the rows begin."""
    data, positions = take.args
    n, width = data.shape[0], data.size // data.shape[0]

    def step(name: str, *args: Op | int, kind: type = np.int64) -> Op:
        return Op(name, args, {}, positions.shape, np.dtype(kind), take.node)

    # One that is out of range is brought to the end.
    below = step("less", positions, 0, kind=np.bool_)
    up = step("add", positions, n)
    whole = step("where", below, up, positions)
    first = step("maximum", whole, 0)
    last = step("minimum", first, n - 1)
    begin = step("multiply", last, width)
    matrix = Op("reshape", (data,), {"shape": (n, width)}, (n, width), data.dtype, take.node)
    turned = Op("transpose", (matrix,), {"axes": (1, 0)}, (width, n), data.dtype, take.node)
    for product, views in products.items():
        is_turned = any(view.name == "transpose" for view in views)
        product.args = (turned if is_turned else matrix, product.args[1], begin)
    return [below, up, whole, first, last, begin, matrix, turned]


__all__ = ["sunk"]
