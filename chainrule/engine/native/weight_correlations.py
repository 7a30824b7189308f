"""The gradient of a convolution's weights, straight from the images.

A tile is some elements of the kernel by some vectors of output channels. It is summed over rows of
the images that stay in the cache; meanwhile the sums of the other tiles wait in memory. Threads
share the tiles. Where these are few they share the rows: of a fixed number of pieces, each has sums
of its own, which are added up at the end, so that the bits do not depend on who does what.

Source: Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD
architectures", SC 2018.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engine.geometry import Geometry
from chainrule.engine.native import ir
from chainrule.engine.native.correlations import panel_width
from chainrule.engine.native.ir import index
from chainrule.engine.native.target import Target
from chainrule.engine.native.tiles import Epilogue, Panel, Tiles, begun, registers
from chainrule.engine.native.vectors import chosen, counted, ranged
from chainrule.records import dataclass

STATIC = 4  # tiles of a kernel whose code is written out
CACHE = 48 * 1024  # bytes of rows that a sum over positions goes through at once
FEW = 8  # tiles, below which threads share the rows
PIECES = 16  # of the rows
WORTH = 100_000  # multiplications of a piece


@dataclass(frozen=True)
class WeightCorrelation:
    """w[(u, v, c), n] = Σ over the positions of x[pixel, c] g[position, n], windows inside x."""

    geometry: Geometry
    columns: int
    dtype: str

    @property
    def multiplications(self) -> int:
        return self.geometry.rows * self.geometry.elements * self.columns

    def cut(self, target: Target) -> Cut:
        width, every = panel_width(self.columns, target.lanes(self.dtype))
        most = registers(target) // width
        g = self.geometry
        run = g.kernel[1] * g.channels if g.dilation[1] == 1 else g.channels
        if g.elements <= STATIC * most:
            count = -(-g.elements // most)
            return Cut(-(-g.elements // count), count, 0, width, every)
        even = [t for t in range(most, most // 2, -1) if run % t == 0]
        rows = even[0] if even else min(most, run)
        return Cut(rows, g.elements // run * -(-run // rows), run, width, every)

    def block(self) -> int:
        """Image rows that are gone through at once."""
        g = self.geometry
        size = 4 if self.dtype == "float32" else 8
        one = (g.space[1] * g.channels * g.stride[0] + g.places[1] * self.columns) * size
        return min(max(1, CACHE // one), self.rows)

    def pieces(self, target: Target) -> int:
        """How many pieces of the rows have sums of their own."""
        work = self.multiplications // WORTH
        return min(PIECES, self.rows, work) if self.cut(target).count < FEW and work > 1 else 1

    @property
    def rows(self) -> int:
        """Of all images."""
        return self.geometry.batch * self.geometry.places[0]

    def sums(self, target: Target) -> int:
        """Numbers in the sums of all tiles."""
        cut = self.cut(target)
        return cut.count * cut.rows * cut.every * target.lanes(self.dtype)

    def scratch(self, target: Target) -> int:
        size = 4 if self.dtype == "float32" else 8
        return self.pieces(target) * self.sums(target) * size

    def parts(self, target: Target) -> tuple[int, int, int]:
        """Pieces of the rows, or tiles, are shared among threads."""
        pieces = self.pieces(target)
        count = pieces if pieces > 1 else self.cut(target).count
        return count, 1, count

    def emit(
        self,
        module: ir.Module,
        name: str,
        target: Target,
        epilogue: Epilogue | None = None,
        extra: Sequence[Any] = (),
    ) -> ir.Function:
        """``void name(x, g, w, first, last, scratch, *extra)`` for the parts first to last.

        Where these are pieces of the rows, they leave their sums in the scratch memory, which all
        threads have in common, for :meth:`emit_end`.
        """
        function, b = begun(module, name, extra)
        emitter = _CorrelateWeights(b, function, self, target, epilogue)
        if self.pieces(target) > 1:
            emitter.pieces()
        else:
            emitter.blocks(index(0), index(self.rows))
        b.ret_void()
        return function

    def emit_end(
        self,
        module: ir.Module,
        name: str,
        target: Target,
        epilogue: Epilogue | None = None,
        extra: Sequence[Any] = (),
    ) -> ir.Function:
        """The same signature: the sums of all pieces are added up and handed on."""
        function, b = begun(module, name, extra)
        _CorrelateWeights(b, function, self, target, epilogue).end()
        b.ret_void()
        return function


@dataclass(frozen=True)
class Cut:
    """How the elements of a kernel are cut into tiles.

    Attributes:
        rows: elements of a tile.
        count: tiles.
        run: so many elements lie next to each other in an image; 0 where each tile is written
            out with the places of its own elements.
        width, every: vectors of a panel, and in all.
    """

    rows: int
    count: int
    run: int
    width: int
    every: int


@dataclass(frozen=True)
class Tile:
    """One tile of the result.

    Attributes:
        memory: where its sums wait.
        base, offsets: its elements meet an image at so many offsets behind base, counted from the
            first pixel of the window.
        row: its first element of the kernel.
        skip: so many of its rows belong to the tile before.
        panel: its output channels.
    """

    memory: ir.Value
    base: ir.Value
    offsets: Sequence[int]
    row: ir.Value
    skip: ir.Value
    panel: Panel


class _CorrelateWeights(Tiles):
    def __init__(
        self,
        b: ir.Builder,
        function: ir.Function,
        spec: WeightCorrelation,
        target: Target,
        epilogue: Epilogue | None,
    ) -> None:
        super().__init__(b, function, spec.columns, spec.dtype, target, epilogue)
        self.g, self.cut, self.block = spec.geometry, spec.cut(target), spec.block()
        self.rows, self.sums, self.count = spec.rows, spec.sums(target), spec.pieces(target)

    def pieces(self) -> None:
        """Pieces of the rows, each with sums of its own."""
        b, scratch = self.b, self.scratch
        pieces = self.first, self.last
        self.first, self.last = index(0), index(self.cut.count)

        def piece(p: ir.Value) -> None:
            self.scratch = self.at(scratch, b.mul(p, index(self.sums)))
            limits = (b.mul(q, index(self.rows)) for q in (p, b.add(p, index(1))))
            self.blocks(*(b.udiv(x, index(self.count)) for x in limits))

        ranged(b, *pieces, 1, piece)

    def end(self) -> None:
        """What the pieces have left, added up."""
        self.first, self.last = index(0), index(self.cut.count)
        self._tiles(lambda tile: self._finished(tile))

    def blocks(self, begin: ir.Value, total: ir.Value) -> None:
        """Blocks of image rows outermost; the sums of the tiles wait in the scratch memory."""
        b = self.b

        def rows(start: ir.Value) -> None:
            end = b.add(start, index(self.block))
            is_last = b.icmp_signed(">=", end, total)
            end = b.select(is_last, total, end)
            is_later = b.icmp_signed("!=", start, begin)
            self._tiles(lambda tile: self._add(tile, start, end, is_later, is_last))

        ranged(b, begin, total, self.block, rows)

    def _tiles(self, body: Callable[[Tile], None]) -> None:
        """body(tile) for the tiles from first to last."""
        panel = functools.partial(self._panel, body)
        self.panels(self.cut.width, panel)

    def _panel(self, body: Callable[[Tile], None], panel: Panel) -> None:
        b, g, cut = self.b, self.g, self.cut

        def tile(
            t: ir.Value, row: ir.Value, skip: ir.Value, base: ir.Value, offsets: Sequence[int]
        ) -> None:
            before = b.mul(panel.column, index(cut.count))
            at = b.add(before, b.mul(t, index(panel.vectors * self.lanes)))
            memory = self.at(self.scratch, b.mul(at, index(cut.rows)))
            body(Tile(memory, base, offsets, row, skip, panel))

        if not cut.run:
            for t in range(cut.count):
                mine = range(t * cut.rows, min((t + 1) * cut.rows, g.elements))
                here = b.and_(
                    b.icmp_signed("<=", self.first, index(t)),
                    b.icmp_signed("<", index(t), self.last),
                )
                with b.if_then(here):
                    tile(
                        index(t), index(mine.start), index(0), index(0), [*map(self._offset, mine)]
                    )
            return
        each = -(-cut.run // cut.rows)

        def one(t: ir.Value) -> None:
            line = b.udiv(t, index(each))
            wanted = b.mul(b.sub(t, b.mul(line, index(each))), index(cut.rows))
            most = index(cut.run - cut.rows)  # the last tile of a run begins where it fits
            begin = b.select(b.icmp_signed("<", wanted, most), wanted, most)
            row = b.mul(line, index(cut.run))
            at = b.add(self._run_offset(line), begin)
            tile(t, b.add(row, begin), b.sub(wanted, begin), at, range(cut.rows))

        ranged(b, self.first, self.last, 1, one)

    def _offset(self, element: int) -> int:
        """Where an element of the kernel meets an image, from the window's first pixel on."""
        g = self.g
        place, c = divmod(element, g.channels)
        u, v = divmod(place, g.kernel[1])
        return (u * g.dilation[0] * g.space[1] + v * g.dilation[1]) * g.channels + c

    def _run_offset(self, line: ir.Value) -> ir.Value:
        b, g = self.b, self.g
        if g.dilation[1] == 1:
            return b.mul(line, index(g.dilation[0] * g.space[1] * g.channels))
        u = b.udiv(line, index(g.kernel[1]))
        v = b.sub(line, b.mul(u, index(g.kernel[1])))
        down = b.mul(u, index(g.dilation[0] * g.space[1] * g.channels))
        return b.add(down, b.mul(v, index(g.dilation[1] * g.channels)))

    def _add(
        self, tile: Tile, start: ir.Value, end: ir.Value, later: ir.Value, last: ir.Value
    ) -> None:
        """Add what the image rows from start to end give to the sums of a tile."""
        b, size = self.b, len(tile.offsets) * tile.panel.vectors
        waiting = [b.gep(tile.memory, index(k), self.vector) for k in range(size)]
        none = [ir.Constant(self.vector, None)] * size
        sums = chosen(b, later, none, lambda: [b.load(p, self.vector) for p in waiting])
        for x, p in zip(self._summed(tile, start, end, sums), waiting, strict=True):
            b.store(x, p)
        if self.count == 1:
            with b.if_then(last):
                self._finished(tile)

    def _summed(
        self, tile: Tile, start: ir.Value, end: ir.Value, sums: Sequence[ir.Value]
    ) -> list[ir.Value]:
        b, g, panel = self.b, self.g, tile.panel
        image = g.space[1] * g.channels

        def row(unit: ir.Value, before: Sequence[ir.Value]) -> list[ir.Value]:
            n = b.udiv(unit, index(g.places[0]))
            y = b.sub(unit, b.mul(n, index(g.places[0])))
            line = b.add(b.mul(n, index(g.space[0])), b.mul(y, index(g.stride[0])))
            pixels = self.at(self.a, b.add(b.mul(line, index(image)), tile.base))
            given = b.add(b.mul(unit, index(g.places[1] * self.columns)), panel.column)
            given = self.at(self.b_, given)

            def position(x: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
                found = list(sums)
                right = self.row(self.here(given, b.mul(x, index(self.columns))), panel)
                here = self.here(pixels, b.mul(x, index(g.stride[1] * g.channels)))
                for r, offset in enumerate(tile.offsets):
                    self.add(found, r, self.everywhere(here, index(offset)), right)
                return found

            return counted(b, 0, g.places[1], 1, before, position)

        return counted(b, start, end, 1, sums, row)

    def _finished(self, tile: Tile) -> None:
        """Hand on the rows of a tile, but for those that the tile before has handed on."""
        b, panel = self.b, tile.panel

        def row(r: ir.Value) -> None:
            for v, mask in enumerate(self.masks(panel)):
                k = b.add(b.mul(r, index(panel.vectors)), index(v))
                p = b.gep(tile.memory, k, self.vector)
                x = b.load(p, self.vector)
                for piece in range(1, self.count):
                    x = b.fadd(x, self.read(p, index(piece * self.sums)))
                column = b.add(panel.column, index(v * self.lanes))
                self.done(x, b.add(tile.row, r), column, mask)

        ranged(b, tile.skip, index(len(tile.offsets)), 1, row)


__all__ = ["WeightCorrelation"]
