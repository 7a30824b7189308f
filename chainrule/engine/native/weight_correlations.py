"""The gradient of a convolution's weights, straight from the images.

A tile is some elements of the kernel by some vectors of output channels. It is summed over rows of
the images that stay in the cache; meanwhile the sums of the other tiles wait in memory.

Source: Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD
architectures", SC 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.engine.geometry import Geometry
from chainrule.engine.native import ir
from chainrule.engine.native.correlations import panel_width
from chainrule.engine.native.target import Target
from chainrule.engine.native.tiles import Epilogue, Tiles, begun, index, registers, turns
from chainrule.engine.native.vectors import carried_range, counted, ranged
from chainrule.records import dataclass

STATIC = 4  # tiles of a kernel whose code is written out
CACHE = 48 * 1024  # bytes of rows that a sum over positions goes through at once


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
        return min(max(1, CACHE // one), g.batch * g.places[0])

    def scratch(self, target: Target) -> int:
        cut, size = self.cut(target), 4 if self.dtype == "float32" else 8
        return cut.count * cut.rows * cut.every * target.lanes(self.dtype) * size

    def parts(self, target: Target) -> tuple[int, int, int]:
        """Tiles are shared among threads."""
        count = self.cut(target).count
        return count, 1, count

    def emit(
        self,
        module: ir.Module,
        name: str,
        target: Target,
        epilogue: Epilogue | None = None,
        extra: Sequence[Any] = (),
    ) -> ir.Function:
        """``void name(x, g, w, first, last, scratch, *extra)`` for the tiles first to last."""
        function, b = begun(module, name, extra)
        _CorrelateWeights(b, function, self, target, epilogue).emit()
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

    def emit(self) -> None:
        """Blocks of image rows outermost; the sums of the tiles wait in the scratch memory."""
        b, total = self.b, self.g.batch * self.g.places[0]
        most = self.block

        def rows(start: ir.Value, _: Any) -> list[ir.Value]:
            end = b.add(start, index(most))
            last = b.icmp_signed(">=", end, index(total))
            end = b.select(last, index(total), end)
            is_first = b.icmp_signed("==", start, index(0))
            self._rows(start, end, is_first, last)
            return []

        counted(b, 0, total, most, [], rows)

    def _rows(self, start: ir.Value, end: ir.Value, first: ir.Value, last: ir.Value) -> None:
        def panel(j: ir.Value, vectors: int, tail: int) -> None:
            self._tiles(start, end, first, last, j, vectors, tail)

        self.panels(self.cut.width, panel)

    def _tiles(
        self,
        start: ir.Value,
        end: ir.Value,
        first: ir.Value,
        last: ir.Value,
        j: ir.Value,
        vectors: int,
        tail: int,
    ) -> None:
        b, g, cut = self.b, self.g, self.cut

        def tile(
            t: ir.Value, row: ir.Value, skip: ir.Value, base: ir.Value, offsets: Sequence[int]
        ) -> None:
            at = b.mul(b.add(b.mul(j, index(cut.count)), b.mul(t, index(vectors * self.lanes))),
                       index(cut.rows))  # fmt: skip
            self._tile(start, end, first, last, at, base, offsets, (row, skip), j, vectors, tail)

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

    def _tile(
        self,
        start: ir.Value,
        end: ir.Value,
        first: ir.Value,
        last: ir.Value,
        at: ir.Value,
        base: ir.Value,
        offsets: Sequence[int],
        place: tuple[ir.Value, ir.Value],
        j: ir.Value,
        vectors: int,
        tail: int,
    ) -> None:
        """Add what the image rows from start to end give to the sums of a tile.

        Its elements meet an image at so many ``offsets`` behind ``base``, counted from the first
        pixel of the window.
        """
        b, rows = self.b, len(offsets)
        memory = self.at(self.scratch, at)
        waiting = [
            b.gep(memory, [index(k)], source_etype=self.vector) for k in range(rows * vectors)
        ]
        before, zero = b.block, ir.Constant(self.vector, None)
        more, onward = b.append_basic_block("more"), b.append_basic_block("onward")
        b.cbranch(first, onward, more)
        b.position_at_end(more)
        loaded = [b.load(p, typ=self.vector, align=self.size) for p in waiting]
        b.branch(onward)
        b.position_at_end(onward)
        sums: list[ir.Value] = []
        for x in loaded:
            phi = b.phi(self.vector)
            phi.add_incoming(zero, before)
            phi.add_incoming(x, more)
            sums.append(phi)
        sums = self._summed(start, end, base, offsets, sums, j, vectors, tail)
        for x, p in zip(sums, waiting, strict=True):
            b.store(x, p, align=self.size)
        with b.if_then(last):
            self._finished(memory, rows, place, j, vectors, tail)

    def _summed(
        self,
        start: ir.Value,
        end: ir.Value,
        base: ir.Value,
        offsets: Sequence[int],
        sums: Sequence[ir.Value],
        j: ir.Value,
        vectors: int,
        tail: int,
    ) -> list[ir.Value]:
        b, g = self.b, self.g
        image = g.space[1] * g.channels

        def row(unit: ir.Value, before: Sequence[ir.Value]) -> list[ir.Value]:
            n = b.udiv(unit, index(g.places[0]))
            y = b.sub(unit, b.mul(n, index(g.places[0])))
            line = b.add(b.mul(n, index(g.space[0])), b.mul(y, index(g.stride[0])))
            pixels = self.at(self.a, b.add(b.mul(line, index(image)), base))
            given = b.add(b.mul(unit, index(g.places[1] * self.columns)), j)
            given = self.at(self.b_, given)

            def position(x: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
                found = list(sums)
                row = self.here(given, b.mul(x, index(self.columns)))
                right = []
                for v in range(vectors):
                    mask = self.mask(tail) if tail and v == vectors - 1 else None
                    right.append(self.read(row, index(v * self.lanes), mask))
                here = self.here(pixels, b.mul(x, index(g.stride[1] * g.channels)))
                for r, offset in enumerate(offsets):
                    a = self.everywhere(here, index(offset))
                    for v, w in enumerate(right):
                        found[r * vectors + v] = self.fma(a, w, found[r * vectors + v])
                return found

            times = turns(g.places[1], len(offsets) * vectors)

            def several(x: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
                for t in range(times):
                    sums = position(b.add(x, index(t)), sums)
                return list(sums)

            return counted(b, 0, g.places[1], times, before, several)

        return carried_range(b, start, end, sums, row)

    def _finished(
        self,
        memory: ir.Value,
        rows: int,
        place: tuple[ir.Value, ir.Value],
        j: ir.Value,
        vectors: int,
        tail: int,
    ) -> None:
        """Hand on the rows of a tile, but for those that the tile before has handed on."""
        b = self.b
        first, skip = place

        def row(r: ir.Value) -> None:
            for v in range(vectors):
                k = b.add(b.mul(r, index(vectors)), index(v))
                p = b.gep(memory, [k], source_etype=self.vector)
                x = b.load(p, typ=self.vector, align=self.size)
                mask = self.mask(tail) if tail and v == vectors - 1 else None
                self.done(x, b.add(first, r), b.add(j, index(v * self.lanes)), mask)

        ranged(b, skip, index(rows), 1, row)


__all__ = ["WeightCorrelation"]
