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
        self.dtype, self.target = dtype, target
        self.lanes = target.lanes(dtype)
        self.kind = TYPES[dtype]
        self.vector = ir.VectorType(self.kind, self.lanes)
        self.size = 4 if dtype == "float32" else 8
        if function is not None:
            self.a, self.b_, self.c, self.first, self.last, self.scratch = function.args[:6]
        self.epilogue = epilogue
        self.weight = int(getattr(epilogue, "weight", 1))
        self.apart = bool(getattr(epilogue, "calls", False))
        self._waiting: ir.Value | None = None  # room for a tile, and what is called for it
        self._follows: ir.Function | None = None

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
        b, vectors, lanes = self.b, panel.vectors, self.lanes
        if rows == 1 or (skip is None and rows * vectors * self.weight <= WEIGHT):
            for k, (x, mask) in enumerate(zip(sums, self.masks(panel) * rows, strict=True)):
                r, v = divmod(k, vectors)
                self.done(x, b.add(i, index(r)), b.add(panel.column, index(v * lanes)), mask)
            return
        if self._waiting is None:
            with b.goto_entry_block():
                self._waiting = b.alloca(self.vector, registers(self.target))
        for k, x in enumerate(sums):
            b.store(x, b.gep(self._waiting, index(k), self.vector), align=lanes * self.size)
        if self.apart:
            self._follows = self._follows or self._ending()
            numbers = panel.column, skip or index(0), index(rows), index(vectors)
            b.call(self._follows, [self._waiting, i, self.c, *numbers, *self._extra()])
            return
        memory = self._waiting

        def row(r: ir.Value) -> None:
            for v, mask in enumerate(self.masks(panel)):
                place = b.gep(memory, b.add(b.mul(r, index(vectors)), index(v)), self.vector)
                x = b.load(place, self.vector, lanes * self.size)
                self.done(x, b.add(i, r), b.add(panel.column, index(v * lanes)), mask)

        ranged(b, skip or index(0), index(rows), 1, row)

    def _extra(self) -> Sequence[ir.Value]:
        """The arguments of the function that are for the epilogue."""
        return self.function.args[6:] if self.function is not None else ()

    def _ending(self) -> ir.Function:
        """``void end(tile, row, c, column, skip, rows, vectors, *extra)``: what follows the sums.

        Where that needs functions, such as tanh, it stands in one of its own: in that of the sums
        its constants would take registers from them.
        """
        assert self.function is not None
        types = [POINTER, I64, POINTER, *[I64] * 4, *(x.type for x in self._extra())]
        kind = ir.FunctionType(ir.VOID, types)
        end = ir.Function(self.b.module, kind, f"{self.function.name}_end")
        b, lanes = ir.Builder(end.append_basic_block()), self.lanes
        memory, i, c, j, skip, rows, vectors = end.args[:7]
        other = Tiles(b, None, self.columns, self.dtype, self.target, self.epilogue)
        other.function, other.c = end, c
        tail = self.columns % lanes
        last = index(self.columns - tail)

        def one(r: ir.Value, v: ir.Value) -> None:
            place = b.gep(memory, b.add(b.mul(r, vectors), v), self.vector)
            x = b.load(place, self.vector, lanes * self.size)
            row, column = b.add(i, r), b.add(j, b.mul(v, index(lanes)))
            if not tail:
                other.done(x, row, column, None)
                return
            with b.if_else(b.icmp_signed("<", column, last)) as (whole, part):
                with whole:
                    other.done(x, row, column, None)
                with part:
                    other.done(x, row, last, self.mask(tail))

        ranged(b, skip, rows, 1, lambda r: ranged(b, 0, vectors, 1, lambda v: one(r, v)))
        b.ret_void()
        return end

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
