"""What a product does with each vector of its result before it is stored.

Where the numbers that are made of it are all added up, for the norm of a gradient say, the rows of
a tile are added up there and then, and what is left to a loop is a row for each tile.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.engine.native import ir, randoms
from chainrule.engine.native.groups import Group, Grouping, in_registers, read_by
from chainrule.engine.native.ir import I32, index
from chainrule.engine.native.layouts import Layout, squeezed
from chainrule.engine.native.operations import REGISTER, combined, compute, identity
from chainrule.engine.native.products import product_of, tile
from chainrule.engine.native.repertoire import DRAWS, REDUCTIONS
from chainrule.engine.native.target import TYPES, Target
from chainrule.engine.native.vectors import read, splat, write
from chainrule.engine.program import Op, contiguous

Place = tuple[Op, int, int, int]  # whose memory, first element, steps along rows and columns


def reduce_tiles(grouping: Grouping, target: Target) -> None:
    """Let products begin the reductions of all that is made of their results.

    The rows of each tile become one; as tiles are not divided among threads, the result is the same
    with any number of them.

    Args:
        grouping: the groups, which are changed.
        target: the processor.
    """
    for group in grouping.groups:
        op = group.ops[0]
        if group.kind != "loop" or len(group.ops) > 1 or op.name not in REDUCTIONS or op.size > 1:
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
        weight: how many operations there are.
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
        self.reads: dict[tuple[Op, int], Place] = {}
        for op in group.ops[1:]:
            for k, a in enumerate(op.args):
                if isinstance(a, Op) and not in_registers(group, layout(a), op, k):
                    self.reads[op, k] = self._place(op, k, a)
        roots = [place[0] for place in self.reads.values()] + group.stored
        self.operands = list(dict.fromkeys(roots))
        self.weight = len(group.ops) - 1
        self._same: dict[Any, ir.Value] = {}
        self.draws = {
            op: self._along(randoms.strides_of(op)) for op in group.ops if op.name in DRAWS
        }

    def _place(self, op: Op, k: int, a: Op) -> Place:
        whole = read_by(op, k, self.layout(a))
        strides = [s for n, s in zip(op.shape, whole.strides, strict=True) if n != 1]
        return whole.root, whole.offset, *self._along(strides)

    def _along(self, strides: Sequence[int]) -> tuple[int, int]:
        """The steps along rows and columns, from those along the axes that are longer than 1."""
        left = iter(strides)
        row, column = (next(left) if n != 1 else 0 for n in self.shape)
        return row, column

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
        lanes = vector.type.count if isinstance(vector.type, ir.VectorType) else None
        loaded: dict[Place, ir.Value] = {}
        values: dict[Op, ir.Value] = {self.group.ops[0]: vector}

        def argument(op: Op, k: int) -> tuple[ir.Value, str]:
            place = self.reads.get((op, k))
            if place is None:
                root = self.layout(op.args[k]).root
                return values[root], root.kind
            if place not in loaded:
                # What is the same for all rows is loaded once in each block.
                known = self._same if place[2] == 0 else {}
                key = place, b.block, column.text
                if key not in known:
                    base = address[place[0]]
                    known[key] = self._load(b, base, place, row, column, mask, lanes)
                loaded[place] = known[key]
            return loaded[place], place[0].kind

        for op in self.group.ops:
            if op in self.draws:
                key, (m, n) = argument(op, 0)[0], self.draws[op]
                key = key if lanes is None else b.extract_element(key, ir.Constant(I32, 0))
                at = self._at(b, 0, m, n, row, column)
                values[op] = randoms.emit(b, op, key, at, n, lanes)
            elif op.name in REDUCTIONS:
                x, _ = argument(op, 0)
                self._add(b, address[op], op, x, row, column, mask)
                continue
            elif op is not self.group.head:
                values[op] = compute(b, op, functools.partial(argument, op), lanes)
            if op in self.group.stored:
                at = self._at(b, 0, self.shape[1], 1, row, column)
                self._store(b, address[op], op, at, values[op], mask)

    def _add(
        self,
        b: ir.Builder,
        base: ir.Value,
        op: Op,
        x: ir.Value,
        row: ir.Value,
        column: ir.Value,
        mask: ir.Value | None,
    ) -> None:
        """Add a vector to those of the rows before it in its tile, which is done row by row."""
        rows = index(op.params["rows"])
        lanes = x.type.count
        place = op, 0, op.shape[1], 1
        block = b.udiv(row, rows)
        is_first = b.icmp_signed("==", row, b.mul(block, rows))
        old = self._load(b, base, place, block, column, mask, lanes)
        old = b.select(is_first, identity(op, lanes), old)
        at = self._at(b, 0, op.shape[1], 1, block, column)
        self._store(b, base, op, at, combined(b, op, old, x), mask)

    def _at(
        self, b: ir.Builder, first: int, m: int, n: int, row: ir.Value, column: ir.Value
    ) -> ir.Value:
        at: ir.Value = index(first)
        for i, step in ((row, m), (column, n)):
            if step:
                at = b.add(at, i if step == 1 else b.mul(i, index(step)))
        return at

    def _load(
        self,
        b: ir.Builder,
        base: ir.Value,
        place: Place,
        row: ir.Value,
        column: ir.Value,
        mask: ir.Value | None,
        lanes: int | None,
    ) -> ir.Value:
        root, first, m, n = place
        dtype = root.kind

        def one(at: ir.Value) -> ir.Value:
            return read(b, b.gep(base, at, TYPES[dtype]), dtype, None)

        at = self._at(b, first, m, n, row, column)
        if lanes is None:
            return one(at)
        if n == 0:
            return splat(b, one(at), lanes)
        if n != 1:
            return self._gather(b, one, at, n, mask, lanes, dtype)
        return read(b, b.gep(base, at, TYPES[dtype]), dtype, lanes, mask)

    def _gather(
        self,
        b: ir.Builder,
        one: Callable[[ir.Value], ir.Value],
        at: ir.Value,
        step: int,
        mask: ir.Value | None,
        lanes: int,
        dtype: str,
    ) -> ir.Value:
        x: Any = ir.Constant(ir.VectorType(REGISTER[dtype], lanes), ir.Undefined)
        for j in range(lanes):
            lane = ir.Constant(I32, j)
            place = b.add(at, index(j * step))
            if mask is not None:
                place = b.select(b.extract_element(mask, lane), place, at)
            x = b.insert_element(x, one(place), lane)
        return x

    def _store(
        self,
        b: ir.Builder,
        base: ir.Value,
        op: Op,
        at: ir.Value,
        x: ir.Value,
        mask: ir.Value | None,
    ) -> None:
        write(b, x, b.gep(base, at, TYPES[op.kind]), op.kind, mask)


__all__ = ["Epilogue", "reduce_tiles"]
