"""What products and correlations share: a tile of the result in registers, and its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engine.native import ir
from chainrule.engine.native.functions import intrinsic
from chainrule.engine.native.ir import I1, I64, POINTER, VOID, index
from chainrule.engine.native.target import TYPES, Target
from chainrule.engine.native.vectors import (
    constant_lanes,
    load,
    ranged,
    splat,
    store,
)
from chainrule.records import dataclass

WEIGHT = 24  # operations of an epilogue, times vectors of a tile, that may be written out
Epilogue = Callable[..., None]


def registers(target: Target) -> int:
    """How many vectors of a result are held at once; some are left for the operands."""
    has_32 = target.bits == 512 or target.triple.startswith(("aarch64", "arm64"))
    return 24 if has_32 else 12


@dataclass(frozen=True)
class Panel:
    """Neighbouring vectors of columns.

    Attributes:
        column: the first one.
        vectors: how many.
        tail: so many lanes of the last vector are columns; all if it is 0.
    """

    column: ir.Value
    vectors: int
    tail: int


class Tiles:
    """Writes code that makes a matrix tile by tile.

    Args:
        b: where to write it.
        function: ``void name(a, b, c, first, last, scratch, *extra)``; None for another one,
            whose results are not handed on.
        columns: of the result.
        dtype: of the matrices.
        target: the processor.
        epilogue: called for each finished vector, see :meth:`products.Product.emit`.
    """

    def __init__(
        self,
        b: ir.Builder,
        function: ir.Function | None,
        columns: int,
        dtype: str,
        target: Target,
        epilogue: Epilogue | None,
    ) -> None:
        self.b, self.function, self.columns = b, function, columns
        self.lanes = target.lanes(dtype)
        self.kind = TYPES[dtype]
        self.vector = ir.VectorType(self.kind, self.lanes)
        self.size = 4 if dtype == "float32" else 8
        if function is not None:
            self.a, self.b_, self.c, self.first, self.last, self.scratch = function.args[:6]
        self.epilogue = epilogue
        self.weight = int(getattr(epilogue, "weight", 1))

    def at(self, base: ir.Value, offset: ir.Value) -> ir.Value:
        """The address of an element."""
        return self.b.gep(base, offset, self.kind)

    def read(self, base: ir.Value, offset: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        """A vector from memory."""
        return load(self.b, self.at(base, offset), self.vector, mask)

    def write(self, x: ir.Value, base: ir.Value, offset: ir.Value, mask: ir.Value | None) -> None:
        """A vector to memory."""
        store(self.b, x, self.at(base, offset), mask)

    def everywhere(self, base: ir.Value, offset: ir.Value) -> ir.Value:
        """One element in every lane."""
        x = self.b.load(self.at(base, offset), self.kind)
        return splat(self.b, x, self.lanes)

    def here(self, base: ir.Value, offset: ir.Value) -> ir.Value:
        """An address for one turn of a loop, from which others are so many elements away.

        Frozen, so that LLVM does not look for better ways to step each of them through the loop.
        """
        return self.b.freeze(self.at(base, offset))

    def fma(self, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
        return intrinsic(self.b, "fma", x, y, z)

    def mask(self, tail: int) -> ir.Value:
        """The first so many lanes."""
        return constant_lanes(I1, tuple(int(lane < tail) for lane in range(self.lanes)))

    def masks(self, panel: Panel) -> list[ir.Value | None]:
        """Of the vectors of a panel."""
        ends = [self.mask(panel.tail) if panel.tail else None]
        return [None] * (panel.vectors - 1) + ends

    def row(self, start: ir.Value, panel: Panel) -> list[ir.Value]:
        """The vectors of a row of a panel, from the address of the first on."""
        masks = enumerate(self.masks(panel))
        return [self.read(start, index(v * self.lanes), mask) for v, mask in masks]

    def add(self, sums: list[ir.Value], r: int, x: ir.Value, right: Sequence[ir.Value]) -> None:
        """Add x times a row of vectors to row r of a tile."""
        for v, y in enumerate(right, r * len(right)):
            sums[v] = self.fma(x, y, sums[v])

    def panel(self, column: ir.Value, left: int, width: int) -> Panel:
        """The next panel of up to ``width`` vectors, where so many columns are left."""
        vectors = min(width, -(-left // self.lanes))
        return Panel(column, vectors, left % self.lanes if left < width * self.lanes else 0)

    def panels(self, width: int, body: Callable[[Panel], Any]) -> None:
        """body(panel) for panels of ``width`` vectors of columns; the last may be narrower."""
        n, step = self.columns, width * self.lanes
        whole = n // step * step
        ranged(self.b, 0, whole, step, lambda j: body(Panel(j, width, 0)))
        if whole < n:
            body(self.panel(index(whole), n - whole, width))

    def finish(
        self,
        sums: Sequence[ir.Value],
        i: ir.Value,
        panel: Panel,
        rows: int,
        skip: ir.Value | None = None,
    ) -> None:
        """Hand on the tile of a panel whose first row is i, but for ``skip`` rows."""
        b, vectors = self.b, panel.vectors

        def row(r: ir.Value, parts: Sequence[ir.Value]) -> None:
            for v, (x, mask) in enumerate(zip(parts, self.masks(panel), strict=True)):
                column = b.add(panel.column, index(v * self.lanes))
                self.done(x, b.add(i, r), column, mask)

        if rows == 1 or (skip is None and rows * vectors * self.weight <= WEIGHT):
            for r in range(rows):
                row(index(r), sums[r * vectors : (r + 1) * vectors])
            return
        # Much to do for each vector: its code stands once, in a loop over the rows of the tile.
        with b.goto_entry_block():
            tile = b.alloca(self.vector, rows * vectors)
        for k, x in enumerate(sums):
            b.store(x, b.gep(tile, index(k), self.vector), align=self.lanes * self.size)

        def again(r: ir.Value) -> None:
            before = b.mul(r, index(vectors))
            places = [b.add(before, index(v)) for v in range(vectors)]
            align = self.lanes * self.size
            row(r, [b.load(b.gep(tile, at, self.vector), self.vector, align) for at in places])

        ranged(b, skip or index(0), index(rows), 1, again)

    def done(self, x: ir.Value, row: ir.Value, column: ir.Value, mask: ir.Value | None) -> None:
        """A vector of the result is complete."""
        if self.epilogue is not None:
            self.epilogue(self.b, x, row, column, mask, self.function)
            return
        b = self.b
        self.write(x, self.c, b.add(b.mul(row, index(self.columns)), column), mask)


def begun(module: ir.Module, name: str, extra: Sequence[Any]) -> tuple[ir.Function, ir.Builder]:
    """``void name(a, b, c, first, last, scratch, *extra)`` and a builder at its beginning."""
    kind = ir.FunctionType(VOID, [POINTER] * 3 + [I64, I64, POINTER, *extra])
    function = ir.Function(module, kind, name)
    return function, ir.Builder(function.append_basic_block())


__all__ = ["Epilogue", "Panel", "Tiles", "begun", "registers"]
