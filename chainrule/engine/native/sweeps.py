"""X w and then Xᵀ r in one pass through a large X: the gradient of a generalised linear model.

Where r is computed element by element from X w, a block of rows of X that has just been read for
the first product is still in the cache for the second. The rows are divided into a fixed number of
parts, each with sums of its own, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engine.native import ir
from chainrule.engine.native.groups import Group, Grouping
from chainrule.engine.native.ir import I64, POINTER, VOID, index
from chainrule.engine.native.layouts import matrix_of
from chainrule.engine.native.target import Target
from chainrule.engine.native.threads import Part, share
from chainrule.engine.native.tiles import Epilogue, Tiles, begun, registers
from chainrule.engine.native.vectors import counted, ranged
from chainrule.engine.program import Op
from chainrule.records import dataclass

PARTS = 16
LARGE = 2**20  # bytes of X from which on it pays
BLOCK = 2**17  # bytes of rows between the two products


@dataclass(frozen=True, eq=False)
class Sweep:
    """Two products with the same matrix.

    Attributes:
        first: makes X w and, from it, r.
        second: makes Xᵀ r.
        x, r: the matrix and the vector.
        rows, columns: of X.
    """

    first: Group
    second: Group
    x: Op
    r: Op
    rows: int
    columns: int

    @property
    def size(self) -> int:
        """Bytes of memory for the sums of all parts."""
        return PARTS * self.columns * self.x.dtype.itemsize


def found(grouping: Grouping) -> list[Sweep]:
    """The sweeps of a program."""
    firsts = {}
    for group in grouping.groups:
        head = group.head
        if not _is_plain(group) or head is None:
            continue
        x, w = head.args
        if head.shape[1] == 1 and w.size == x.shape[1] > 1:
            firsts[_place(grouping, x, False)] = group
    sweeps = []
    for group in grouping.groups:
        head = group.head
        if not _is_plain(group) or head is None:
            continue
        a, b = head.args
        column = head.shape[1] == 1
        x, r = (a, b) if column else (b, a)
        layout = grouping.layout(r)
        first = firsts.get(_place(grouping, x, column))
        if 1 not in head.shape or first is None or first is group or not layout.is_flat():
            continue
        if layout.root not in first.stored or layout.root is first.head:
            continue
        rows, columns = x.shape[::-1] if column else x.shape
        bytes_ = rows * columns * x.dtype.itemsize
        if bytes_ < LARGE or columns * x.dtype.itemsize * 64 > BLOCK:
            continue
        sweeps.append(Sweep(first, group, x, layout.root, rows, columns))
        firsts = {k: v for k, v in firsts.items() if v is not first}
    return sweeps


def _is_plain(group: Group) -> bool:
    """Is it a product of two matrices as they lie?"""
    head = group.head
    if group.kind != "product" or head is None:
        return False
    return head.name == "matmul" and len(head.args) == 2


def _place(grouping: Grouping, x: Any, turned: bool) -> Any:
    """What tells a matrix in memory, or its transpose, from others; None for another order."""
    layout = grouping.layout(x)
    matrix = matrix_of(layout)
    if matrix is None or matrix[0] is not turned:
        return object()
    shape = layout.shape[::-1] if turned else layout.shape
    return layout.root, layout.offset, shape


def emit_sweep(
    b: ir.Builder,
    module: ir.Module,
    sweep: Sweep,
    target: Target,
    first_product: Callable[[ir.Value, ir.Value], None],
    given: Sequence[ir.Value],
    part: Part,
) -> None:
    """The first product, and the sums of the second.

    Args:
        b: where to write it.
        module: where the function goes that adds to the sums.
        sweep: the two products.
        target: the processor.
        first_product: writes the first product for the rows from one to another.
        given: the addresses of r, X and the sums.
        part: (thread, threads) where the parts are shared.
    """
    dtype = sweep.x.kind
    lanes, kind = target.lanes(dtype), target.vector(dtype).element
    function = b.module.imported(_row_sums(module, sweep, target))
    r, x, sums = given
    units = sweep.rows // lanes
    block = max(BLOCK // (sweep.columns * sweep.x.dtype.itemsize) // lanes, 1) * lanes

    def bound(p: ir.Value) -> ir.Value:
        return b.mul(b.udiv(b.mul(index(units), p), index(PARTS)), index(lanes))

    def one(p: ir.Value) -> None:
        begin, following = bound(p), b.add(p, index(1))
        end = b.select(
            b.icmp_signed("==", following, index(PARTS)), index(sweep.rows), bound(following)
        )
        own = b.gep(sums, b.mul(p, index(sweep.columns)), kind)

        def clear(j: ir.Value) -> None:
            place = b.gep(own, j, kind)
            b.store(ir.Constant(kind, 0.0), place)

        ranged(b, 0, sweep.columns, 1, clear)

        def rows(i: ir.Value) -> None:
            stop = b.add(i, index(block))
            stop = b.select(b.icmp_signed("<", stop, end), stop, end)
            first_product(i, stop)
            b.call(function, [r, x, own, i, stop])

        ranged(b, begin, end, block, rows)

    ranged(b, *share(b, PARTS, part), 1, one)


def _row_sums(module: ir.Module, sweep: Sweep, target: Target) -> ir.Function:
    """``void rows(r, x, sums, first, last)``: sums += Σ rᵢ · row i of X."""
    name = f"row_sums_{sweep.second.index}"
    kind = ir.FunctionType(VOID, [POINTER] * 3 + [I64, I64])
    function = ir.Function(module, kind, name)
    b = ir.Builder(function.append_basic_block())
    r, x, sums, first, last = function.args
    dtype, n = sweep.x.kind, sweep.columns
    tiles = Tiles(b, None, n, dtype, target, None)
    lanes, every = tiles.lanes, -(-n // target.lanes(dtype))
    most = registers(target)

    def panel(start: int, vectors: int) -> None:
        places = [start + v * lanes for v in range(vectors)]
        masks = [tiles.mask(n - j) if n - j < lanes else None for j in places]
        begun_ = [tiles.read(sums, index(j), m) for j, m in zip(places, masks, strict=True)]

        def row(i: ir.Value, before: Sequence[ir.Value]) -> list[ir.Value]:
            weight, line = tiles.everywhere(r, i), b.mul(i, index(n))
            return [
                tiles.fma(weight, tiles.read(x, b.add(line, index(j)), m), total)
                for j, m, total in zip(places, masks, before, strict=True)
            ]

        totals = counted(b, first, last, 1, begun_, row)
        for j, m, total in zip(places, masks, totals, strict=True):
            tiles.write(total, sums, index(j), m)

    for v in range(0, every, most):
        panel(v * lanes, min(most, every - v))
    b.ret_void()
    return function


def emit_end(
    module: ir.Module, sweep: Sweep, target: Target, epilogue: Epilogue | None, extra: Sequence[Any]
) -> ir.Function:
    """``void name(sums, _, out, _, _, _, *extra)``: the parts' sums together, and what follows."""
    function, b = begun(module, f"product_{sweep.second.index}", extra)
    n = sweep.columns
    tiles = Tiles(b, function, n, sweep.x.kind, target, epilogue)
    whole = n // tiles.lanes * tiles.lanes

    def vector(j: ir.Value, mask: ir.Value | None) -> None:
        total = tiles.read(tiles.a, j, mask)
        for p in range(1, PARTS):
            total = b.fadd(total, tiles.read(tiles.a, b.add(j, index(p * n)), mask))
        tiles.done(total, index(0), j, mask)

    ranged(b, 0, whole, tiles.lanes, lambda j: vector(j, None))
    if whole < n:
        vector(index(whole), tiles.mask(n - whole))
    b.ret_void()
    return function


__all__ = ["Sweep", "emit_end", "emit_sweep", "found"]
