"""Matrix products for given shapes: C = op(A) op(B), with work on the result before it is stored.

A tile of C stays in registers while k is summed: some rows by some vectors of columns. Columns go
outermost in panels; the part of B that a panel needs is copied next to each other (packed) where
B is transposed or large. A product with one column is done along its rows.

Source: Goto & van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34
(2008), for tiles, panels and packing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from chainrule.engine.native import ir
from chainrule.engine.native.ir import I64, index
from chainrule.engine.native.layouts import Layout, matrix_of
from chainrule.engine.native.squares import packing_function, row_sums
from chainrule.engine.native.target import Target
from chainrule.engine.native.tiles import Epilogue, Panel, Tiles, begun, registers
from chainrule.engine.native.vectors import (
    counted,
    load,
    ranged,
    store,
)
from chainrule.engine.program import Op
from chainrule.records import dataclass

PACKED = 2**15  # bytes of B from which on it is packed: its rows lie far apart, and get in the way
LARGE = 2**20  # bytes of an operand that no cache near by holds
SMALL = 2**14  # bytes of A that are read quickly again and again


@dataclass(frozen=True)
class Product:
    """C (m × n) = op(A) (m × k) op(B) (k × n), all in C order.

    A transposed operand is stored with its axes the other way round: A as k × m, B as n × k.
    The rows of A as it is stored may be apart: ``gathered``, numbers say where each begins.
    """

    m: int
    k: int
    n: int
    dtype: str
    transpose_a: bool = False
    transpose_b: bool = False
    gathered: bool = False

    @property
    def multiplications(self) -> int:
        return self.m * self.k * self.n

    @property
    def size(self) -> int:
        """Numbers in the three matrices."""
        return self.m * self.k + self.k * self.n + self.m * self.n

    def scratch(self, target: Target) -> int:
        """The bytes of memory that a call needs for packing."""
        spec = turned(self)
        if spec.n == 1:
            return 0
        size = 4 if spec.dtype == "float32" else 8
        rows, width = tile(spec, target)
        panel = _panel(spec, width, target.lanes(spec.dtype))
        return (panel + (-(-spec.m // rows) * rows * spec.k if _strips(spec) else 0)) * size

    def parts(self, target: Target) -> tuple[int, int, int]:
        """(parts, rows or tiles of a part, all): what threads share; the last takes the rest."""
        spec = turned(self)
        if spec.n == 1:
            rows = target.lanes(self.dtype)
            return self.m // rows, rows, self.m
        rows, width = tile(spec, target)
        if _by_panels(spec):
            tiles = -(-spec.m // rows) * -(-spec.n // (width * target.lanes(self.dtype)))
            return tiles, 1, tiles
        return self.m // rows, rows, self.m

    def emit(
        self,
        module: ir.Module,
        name: str,
        target: Target,
        epilogue: Epilogue | None = None,
        extra: Sequence[Any] = (),
    ) -> ir.Function:
        """``void name(a, b, c, first, last, scratch, *extra)``: the rows from first to last of C.

        Where B has more columns than A rows, first and last are numbers of tiles, panel by panel.
        Where the rows of A are gathered, the first of the extra arguments says where they begin.

        Args:
            module: where the function goes.
            name: of the function.
            target: the processor.
            epilogue: epilogue(builder, vector, row, column, mask, function) is called for every
                vector of C when its sum is complete, and stores it; the vector runs along the
                columns from ``column`` on. A product with one column (n = 1) counts as one row.
                Without it the vector is stored in c.
            extra: types of further arguments of the function, for the epilogue.

        ``first`` is a multiple of the rows of a tile, ``last`` too or m. The sums do not depend on
        the range.
        """
        function, b = begun(module, name, extra)
        spec, swap = turned(self), self.n == 1 and self.transpose_a
        emitter = _Emitter(b, function, spec, target, epilogue, swap)
        if spec.n == 1:
            emitter.column()
        else:
            emitter.emit()
        b.ret_void()
        return function


def product_of(head: Op, layout: Callable[[Op], Layout]) -> Product:
    """What a product of two matrices is to do, a third argument says where rows begin."""
    a, b, *begin = head.args
    first, second = (matrix_of(layout(x)) for x in (a, b))
    assert first is not None
    assert second is not None
    m, n = head.shape
    return Product(m, b.shape[0], n, head.kind, first[0], second[0], bool(begin))


def _panel(spec: Product, width: int, lanes: int) -> int:
    """The numbers of a packed panel, which squares may fill beyond its last row."""
    return -(-spec.k // lanes) * lanes * width * lanes if _packs(spec) else 0


def turned(spec: Product) -> Product:
    """One column from a transposed A is the same as one row: bᵀ A."""
    if spec.n == 1 and spec.transpose_a:
        return Product(1, spec.k, spec.m, spec.dtype)
    return spec


def tile(spec: Product, target: Target) -> tuple[int, int]:
    """(rows, vectors) of C that are in registers together."""
    # Tiles that come out even need no code for a rest. Narrow ones read A more often, and need
    # registers enough for many rows.
    most = registers(target)
    vectors = -(-spec.n // target.lanes(spec.dtype))
    widest = 3 if spec.m >= 8 else max(1, most // max(spec.m, 1))
    width = min(vectors, widest, 8)
    rest = vectors % 3 and not vectors % 2
    if width == 3 and rest and _bytes(spec, spec.m) <= (LARGE if most > 12 else SMALL):
        width = 2
    rows = {1: 16, 2: 12, 3: 8}.get(width, most // width)
    rows = max(1, min(rows, most // width, spec.m))
    even = next(r for r in range(rows, 0, -1) if spec.m % r == 0)
    return even if 3 * even >= 2 * rows or even * width >= 12 else rows, width


def _bytes(spec: Product, rows: int) -> int:
    """The size of an operand of so many rows, or columns, and k."""
    return rows * spec.k * (4 if spec.dtype == "float32" else 8)


def _packs(spec: Product) -> bool:
    return spec.transpose_b or (_bytes(spec, spec.n) > PACKED and spec.m >= 16)


def _strips(spec: Product) -> bool:
    """Is a transposed A copied so that the rows of a tile lie next to each other?"""
    large = _bytes(spec, spec.m) > LARGE
    return spec.transpose_a and large and spec.n >= 256  # copies that are read often


def _by_panels(spec: Product) -> bool:
    """Do threads share the tiles panel by panel, and not the rows?

    Each then packs its own panels of B only, and reads little of a large B.
    """
    return spec.n > spec.m and not _strips(spec)


class _Emitter(Tiles):
    def __init__(
        self,
        b: ir.Builder,
        function: ir.Function,
        spec: Product,
        target: Target,
        epilogue: Epilogue | None,
        swap: bool,
    ) -> None:
        super().__init__(b, function, spec.n, spec.dtype, target, epilogue)
        self.spec = spec
        if swap:
            self.a, self.b_ = self.b_, self.a
        self.rows, self.width = tile(spec, target)
        self.packed = _packs(spec)
        self.begin = function.args[6] if spec.gathered else None
        self.strips: ir.Value | None = None
        if _strips(spec) and spec.n > 1:
            self.strips = self.at(self.scratch, index(_panel(spec, self.width, self.lanes)))

    # Panels of columns -------------------------------------------------------------------------

    def emit(self) -> None:
        if self.strips is not None:
            self._strip()
        if _by_panels(self.spec):
            self._shared_panels()
        else:
            self.panels(self.width, self._panel)

    def _shared_panels(self) -> None:
        """The panels in which the tiles from first to last lie, of each those rows."""
        b, (first, last), m = self.b, (self.first, self.last), self.spec.m
        high = -(-m // self.rows)  # tiles of a panel

        def panel(p: ir.Value, own: Panel) -> None:
            before = b.mul(p, index(high))
            above, below = b.sub(first, before), b.sub(last, before)
            above = b.select(b.icmp_signed(">", above, index(0)), above, index(0))
            ends = b.icmp_signed(">=", below, index(high))
            self.first = b.mul(above, index(self.rows))
            self.last = b.select(ends, index(m), b.mul(below, index(self.rows)))
            self._panel(own)

        step = self.width * self.lanes
        whole, left = divmod(self.spec.n, step)
        end = b.udiv(b.add(last, index(high - 1)), index(high))
        if left:
            end = b.select(b.icmp_signed("<", end, index(whole)), end, index(whole))
        ranged(b, b.udiv(first, index(high)), end, 1,
               lambda p: panel(p, Panel(b.mul(p, index(step)), self.width, 0)))  # fmt: skip
        if left:
            with b.if_then(b.icmp_signed(">", last, index(whole * high))):
                panel(index(whole), self.panel(index(whole * step), left, self.width))

    def _panel(self, panel: Panel) -> None:
        """All rows of a panel."""
        if self.packed:
            self._pack(panel)
        self._blocks(lambda i, first: self._tile(i, first, panel))

    def _blocks(self, body: Callable[[ir.Value, ir.Value], None]) -> None:
        """body(number of rows before, first row) for the tiles of the range.

        The last tile may begin with rows of the one before, so that its code is the same.
        """
        b, last = self.b, index(self.spec.m - self.rows)

        def tile(i: ir.Value) -> None:
            first = i
            if self.spec.m % self.rows:
                first = b.select(b.icmp_signed("<", i, last), i, last)
            body(i, first)

        ranged(b, self.first, self.last, self.rows, tile)

    def _strip(self) -> None:
        """Copy op(A) so that a tile's rows lie side by side: (r, p) at i · k + p · rows + r − i."""
        b, spec, lanes = self.b, self.spec, self.lanes

        def column(p: ir.Value) -> None:
            before = self._line(p, spec.m)
            assert self.strips is not None
            strips = self.strips

            def part(i: ir.Value, first: ir.Value) -> None:
                source = b.add(before, first)
                to = b.add(b.mul(i, index(spec.k)), b.mul(p, index(self.rows)))
                for r in range(0, self.rows, lanes):
                    place = b.gep(self.a, b.add(source, index(r)), self.kind)
                    out = b.gep(strips, b.add(to, index(r)), self.kind)
                    mask = self.mask(min(self.rows - r, lanes))
                    store(b, load(b, place, self.vector, mask), out, mask)

            self._blocks(part)

        ranged(b, 0, spec.k, 1, column)

    def _tile(self, i: ir.Value, first: ir.Value, panel: Panel) -> None:
        """The sums of one tile, and what is done with them but for the rows before i."""
        b, rows = self.b, self.rows
        column = self._column(i, first)

        def step(p: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
            right, found = self._right(p, panel), list(sums)
            for r, at in enumerate(column(p)):
                self.add(found, r, self.everywhere(at, index(0)), right)
            return found

        zero = ir.Constant(self.vector, None)
        sums = counted(b, 0, self.spec.k, 1, [zero] * (rows * panel.vectors), step)
        skip = b.sub(i, first) if self.spec.m % rows else None
        self.finish(sums, first, panel, rows, skip)

    def _column(self, i: ir.Value, first: ir.Value) -> Callable[[ir.Value], list[ir.Value]]:
        """A function of p: the addresses of the elements of op(A) in column p of a tile."""
        b, spec, rows = self.b, self.spec, self.rows

        def side_by_side(p: ir.Value) -> list[ir.Value]:
            if self.strips is not None:
                strip = self.at(self.strips, b.mul(i, index(spec.k)))
                start = self.here(strip, b.mul(p, index(rows)))
            else:
                start = self.here(self.at(self.a, first), self._line(p, spec.m))
            return [self.at(start, index(r)) for r in range(rows)]

        if spec.transpose_a:
            return side_by_side
        if self.begin is None:
            lines = self.at(self.a, b.mul(first, index(spec.k)))

            def below(p: ir.Value) -> list[ir.Value]:
                start = self.here(lines, p)
                return [self.at(start, index(r * spec.k)) for r in range(rows)]

            return below
        rows_ = [self.at(self.a, self._line(b.add(first, index(r)), spec.k)) for r in range(rows)]
        return lambda p: [self.at(row, p) for row in rows_]

    def _line(self, i: ir.Value, width: int) -> ir.Value:
        """Where row i of A begins, as it is stored."""
        b = self.b
        if self.begin is None:
            return b.mul(i, index(width))
        return b.load(b.gep(self.begin, i, I64), I64)

    def _right(self, p: ir.Value, panel: Panel) -> list[ir.Value]:
        """The vectors of B's row p in a panel."""
        b = self.b
        if self.packed:
            row = self.here(self.scratch, b.mul(p, index(panel.vectors * self.lanes)))
            return self.row(row, replace(panel, tail=0))
        return self.row(
            self.here(self.at(self.b_, panel.column), b.mul(p, index(self.spec.n))), panel
        )

    # Packing -----------------------------------------------------------------------------------

    def _pack(self, panel: Panel) -> None:
        """Copy the columns of a panel next to each other: row p at p · vectors · lanes."""
        b = self.b
        if self.spec.transpose_b:
            k, step = index(self.spec.k), panel.vectors * self.lanes
            columns = index(step - self.lanes + panel.tail if panel.tail else step)
            pack = packing_function(b.module, self.spec.dtype, self.lanes)
            start = self.at(self.b_, b.mul(panel.column, k))
            b.call(pack, [start, k, columns, self.scratch, index(step)])
            return
        packed, self.packed = self.packed, False

        def row(p: ir.Value) -> None:
            start = b.mul(p, index(panel.vectors * self.lanes))
            for v, x in enumerate(self._right(p, panel)):
                b.store(x, self.at(self.scratch, b.add(start, index(v * self.lanes))))

        ranged(b, 0, self.spec.k, 1, row)
        self.packed = packed

    # One column ----------------------------------------------------------------------------------

    def column(self) -> None:
        """n = 1: each row of A by the vector b; the sums of some rows become one vector."""
        m, lanes, b = self.spec.m, self.lanes, self.b
        whole = index(m // lanes * lanes)
        last = b.select(b.icmp_signed("<", self.last, whole), self.last, whole)
        ranged(b, self.first, last, lanes, lambda i: self._dots(i, lanes))
        if m % lanes:  # only the range that ends with m has a rest
            with b.if_then(b.icmp_signed("==", self.last, index(m))):
                self._dots(whole, m % lanes)

    def _dots(self, i: ir.Value, rows: int) -> list[ir.Value]:
        b, lanes, k = self.b, self.lanes, self.spec.k
        starts = [b.mul(b.add(i, index(r)), index(k)) for r in range(rows)]

        def part(p: ir.Value, sums: Sequence[ir.Value], count: int) -> list[ir.Value]:
            mask = self.mask(count) if count < lanes else None
            y = self.read(self.b_, p, mask)
            return [
                self.fma(self.read(self.a, b.add(start, p), mask), y, total)
                for start, total in zip(starts, sums, strict=True)
            ]

        zero = ir.Constant(self.vector, None)
        whole = k // lanes * lanes
        sums = counted(b, 0, whole, lanes, [zero] * rows, lambda p, c: part(p, c, lanes))
        if whole < k:
            sums = part(index(whole), sums, k - whole)
        sums += [zero] * (lanes - rows)
        mask = self.mask(rows) if rows < lanes else None
        self.done(row_sums(b, sums), index(0), i, mask)
        return []


__all__ = ["Product", "product_of", "tile", "turned"]
