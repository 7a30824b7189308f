"""What a product does with each vector of its result before it is stored.

Where the numbers that are made of it are all added up, for the norm of a gradient say, the rows of
a tile are added up there and then, and what is left to a loop is a row for each tile.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.engine.native import ir, randoms
from chainrule.engine.native.accesses import Access, reads_of
from chainrule.engine.native.groups import Group, Grouping
from chainrule.engine.native.ir import I32, index
from chainrule.engine.native.layouts import Layout, squeezed
from chainrule.engine.native.operations import combined, compute, identity
from chainrule.engine.native.products import product_of, tile
from chainrule.engine.native.reaching import Reach
from chainrule.engine.native.repertoire import DRAWS, REDUCTIONS, SIMPLE
from chainrule.engine.native.target import TYPES, Target
from chainrule.engine.program import Op, contiguous

BRIEF = SIMPLE | REDUCTIONS | {"relu", "leaky_relu", "reciprocal", "heaviside"}
LONG = 20  # operations that another function counts for


def reduce_tiles(grouping: Grouping, target: Target) -> None:
    """Let products begin the reductions of all that is made of their results.

    The rows of each tile become one; as tiles are not divided among threads, the result is the same
    with any number of them.

    Args:
        grouping: the groups, which are changed.
        target: the processor.
    """
    for group in grouping.groups:
        if group.kind != "loop" or len(group.ops) != 1:
            continue
        op = group.ops[0]
        if op.name not in REDUCTIONS or op.size > 1:
            continue
        layout = grouping.layout(op.args[0])
        product = grouping.groups[max(grouping.place[layout.root], 0)]
        head = product.head
        if product.kind != "product" or layout.root not in product.members:
            continue
        if head is None or head.name != "matmul":
            continue
        rows, (m, n) = tile(product_of(head, grouping.layout), target)[0], head.shape
        if n == 1 or rows == 1 or layout.shape != head.shape or not layout.is_flat():
            continue
        shape = (-(-m // rows), n)
        part = Op(op.name, op.args, {"rows": rows}, shape, op.dtype, op.node)
        grouping.layouts[part] = Layout(part, 0, shape, contiguous(shape))
        grouping.place[part] = product.index
        product.add(part)
        op.args, group.space = (part,), squeezed(shape)


class Epilogue:
    """The pointwise operations of a product group, on one vector of the result.

    Args:
        group: a product group.
        layout: the layout of each operation.
        target: the processor.
        starts: so many elements of an operation lie before the address that is given for it.

    Attributes:
        operands: the stored operations whose addresses the code takes as extra arguments.
        weight: about how many operations there are.
        calls: is there a function among them?
    """

    def __init__(
        self,
        group: Group,
        layout: Callable[[Op], Layout],
        target: Target,
        starts: Mapping[Op, int],
    ) -> None:
        self.group, self.layout, self.target, self.starts = group, layout, target, starts
        assert group.head is not None
        m, n = group.head.shape
        # The one column of a matrix product is written along its rows.
        self.shape = (1, m) if n == 1 and group.head.name == "matmul" else (m, n)
        self.reads = reads_of(group, layout, self._along)
        self.writes = {op: Access(op, 0, [self.shape[1], 1]) for op in group.stored}
        self.draws = {
            op: Access(op, 0, self._along(randoms.strides_of(op)))
            for op in group.ops
            if op.name in DRAWS
        }
        self.operands = list(dict.fromkeys([*(a.root for a in self.reads.values()), *group.stored]))
        self.weight = sum(1 if op.name in BRIEF else LONG for op in group.ops[1:])
        self.calls = any(op.name not in BRIEF for op in group.ops[1:])
        self._same: dict[Any, ir.Value] = {}

    def _along(self, strides: Sequence[int]) -> list[int]:
        """The steps along rows and columns, from those along the axes that are longer than 1."""
        left = iter(strides)
        return [next(left) if n != 1 else 0 for n in self.shape]

    def __call__(
        self,
        b: ir.Builder,
        vector: ir.Value,
        row: ir.Value,
        column: ir.Value,
        mask: ir.Value | None,
        function: ir.Function,
    ) -> None:
        """Compute and store for the elements from (row, column) on."""
        extra = function.args[len(function.args) - len(self.operands) :]
        address = {
            op: b.gep(x, index(-self.starts.get(op, 0)), TYPES[op.kind])
            for op, x in zip(self.operands, extra, strict=True)
        }
        lanes: int = vector.type.count
        reach = Reach(b, self.shape, lanes, address.__getitem__)
        loaded: dict[Access, ir.Value] = {}
        values: dict[Op, ir.Value] = {self.group.ops[0]: vector}

        def argument(op: Op, k: int) -> tuple[ir.Value, str]:
            access = self.reads.get((op, k))
            if access is None:
                root = self.layout(op.args[k]).root
                return values[root], root.kind
            if access not in loaded:
                down, step = access.strides
                # What is the same for all rows is loaded once in each block.
                known = self._same if down == 0 else {}
                key = access, b.block, column.text
                if key not in known:
                    # Of numbers that are the same in a whole row none is beyond the end.
                    own = mask if step else None
                    known[key] = reach.vector(access, _at(b, access, row, column), own, step)
                loaded[access] = known[key]
            return loaded[access], access.dtype

        for op in self.group.ops:
            if op in self.draws:
                key, places = argument(op, 0)[0], self.draws[op]
                key = b.extract_element(key, ir.Constant(I32, 0))
                at = _at(b, places, row, column)
                values[op] = randoms.emit(b, op, key, at, places.strides[1], lanes)
            elif op.name in REDUCTIONS:
                self._add(reach, op, argument(op, 0)[0], row, column, mask)
                continue
            elif op is not self.group.head:
                values[op] = compute(b, op, functools.partial(argument, op), lanes)
            if op in self.writes:
                a = self.writes[op]
                reach.put(a, _at(b, a, row, column), values[op], mask)

    def _add(
        self,
        reach: Reach,
        op: Op,
        x: ir.Value,
        row: ir.Value,
        column: ir.Value,
        mask: ir.Value | None,
    ) -> None:
        """Add a vector to those of the rows before it in its tile, which is done row by row."""
        b, rows, a = reach.b, index(op.params["rows"]), self.writes[op]
        block = b.udiv(row, rows)
        is_first = b.icmp_signed("==", row, b.mul(block, rows))
        at = _at(b, a, block, column)
        old = b.select(is_first, identity(op, x.type.count), reach.vector(a, at, mask, 1))
        reach.put(a, at, combined(b, op, old, x), mask)


def _at(b: ir.Builder, a: Access, row: ir.Value, column: ir.Value) -> ir.Value:
    """The place of the element in a row and a column."""
    at: ir.Value = index(a.offset)
    for i, step in zip((row, column), a.strides, strict=True):
        at = b.add(at, b.mul(i, index(step)))
    return at


__all__ = ["Epilogue", "reduce_tiles"]
