"""Convolutions without copies of windows: tiles of the result straight from the image.

Images are channels last. A tile of a correlation is some neighbouring positions of a row by some
vectors of output channels; where a window reaches over the edge of the image, what lies outside is
left out while the code is written. A tile of the weights' gradient is some elements of the kernel
by some vectors of channels, summed over rows of the images that stay in the cache.

Source: Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD
architectures", SC 2018 (direct convolutions, blocked in registers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from chainrule.engine.geometry import Geometry, Pair
from chainrule.engine.native.target import Target
from chainrule.engine.native.tiles import Epilogue, Tiles, begun, index, registers
from chainrule.engine.native.vectors import carried_range, counted, ranged

STATIC = 4  # tiles of a kernel whose code is written out
CACHE = 48 * 1024  # bytes of rows that a sum over positions goes through at once
TIMES = 4  # channels in a turn of the innermost loop


def _panels(columns: int, lanes: int) -> tuple[int, int]:
    """(vectors of a panel, vectors in all): panels of about the same width, three at most."""
    every = -(-columns // lanes)
    return -(-every // -(-every // 3)), every


@dataclass(frozen=True)
class Correlation:
    """y[position, n] = Σ over the window of x[pixel, c] w[(u, v, c), n], all in C order."""

    geometry: Geometry
    columns: int
    dtype: str

    @property
    def multiplications(self) -> int:
        return self.geometry.rows * self.geometry.elements * self.columns

    def scratch(self, target: Target) -> int:
        return 0

    def parts(self, target: Target) -> tuple[int, int, int]:
        """Rows of images are shared among threads."""
        count = self.geometry.batch * self.geometry.places[0]
        return count, 1, count

    def emit(
        self,
        module: ir.Module,
        name: str,
        target: Target,
        epilogue: Epilogue | None = None,
        extra: Sequence[Any] = (),
    ) -> ir.Function:
        """``void name(x, w, y, first, last, scratch, *extra)`` for the image rows first to last."""
        function, b = begun(module, name, extra)
        _Correlate(b, function, self, target, epilogue).emit()
        b.ret_void()
        return function


class _Correlate(Tiles):
    def __init__(
        self,
        b: ir.IRBuilder,
        function: ir.Function,
        spec: Correlation,
        target: Target,
        epilogue: Epilogue | None,
    ) -> None:
        super().__init__(b, function, spec.columns, spec.dtype, target, epilogue)
        self.g = spec.geometry
        self.width, self.every = _panels(spec.columns, self.lanes)
        self.most = min(registers(target) // self.width, 16 if self.width == 1 else 12)

    def emit(self) -> None:
        n, step = self.columns, self.width * self.lanes
        whole = n // step * step
        counted(self.b, 0, whole, step, [], lambda j, _: self._panel(j, self.width, 0))
        if whole < n:
            left = n - whole
            self._panel(index(whole), -(-left // self.lanes), left % self.lanes)

    def _panel(self, j: ir.Value, vectors: int, tail: int) -> list[ir.Value]:
        b, g = self.b, self.g
        wide = g.places[1]
        count = -(-wide // self.most)
        high = -(-wide // count)
        if g.is_inside:  # all tiles are alike

            def row(unit: ir.Value) -> None:
                whole = wide // high * high
                counted(b, 0, whole, high, [], lambda x, _: tile(unit, x, high))
                if whole < wide:
                    tile(unit, index(whole), wide - whole)

            def tile(unit: ir.Value, x: ir.Value, rows: int) -> list[ir.Value]:
                self._tile(unit, x, None, rows, j, vectors, tail)
                return []

            ranged(b, self.first, self.last, 1, row)
            return []

        def static(unit: ir.Value) -> None:
            for x in range(0, wide, high):
                rows = min(high, wide - x)
                self._tile(unit, index(x), x, rows, j, vectors, tail)

        ranged(b, self.first, self.last, 1, static)
        return []

    def _tile(
        self,
        unit: ir.Value,
        x: ir.Value,
        known: int | None,
        rows: int,
        j: ir.Value,
        vectors: int,
        tail: int,
    ) -> None:
        """The positions x to x + rows of an image row; ``known`` is x where the edges matter."""
        b, g = self.b, self.g
        image = b.udiv(unit, index(g.places[0]))
        y = b.sub(unit, b.mul(image, index(g.places[0])))
        image = b.mul(image, index(g.space[0]))
        sums = [ir.Constant(self.vector, None)] * (rows * vectors)

        def line(u: ir.Value, before: Sequence[ir.Value]) -> list[ir.Value]:
            """One line of the kernel."""
            at = b.add(b.mul(y, index(g.stride[0])), b.mul(u, index(g.dilation[0])))
            if g.is_inside:
                pixels = b.mul(b.add(image, at), index(g.space[1] * g.channels))
                return self._line(pixels, x, known, u, before, rows, j, vectors, tail)
            at = b.sub(at, index(g.lows[0]))
            there = None
            if g.up[0] > 1:
                spread = at
                at = b.sdiv(at, index(g.up[0]))
                there = b.icmp_signed("==", b.mul(at, index(g.up[0])), spread)
                positive = b.icmp_signed(">=", spread, index(0))
                there = b.and_(there, positive)
            inside = b.icmp_unsigned("<", at, index(g.space[0]))
            inside = inside if there is None else b.and_(inside, there)
            start, then, after = b.block, b.append_basic_block("line"), b.append_basic_block("next")
            b.cbranch(inside, then, after)
            b.position_at_end(then)
            pixels = b.mul(b.add(image, at), index(g.space[1] * g.channels))
            found = self._line(pixels, x, known, u, before, rows, j, vectors, tail)
            end = b.block
            b.branch(after)
            b.position_at_end(after)
            result = []
            for old, new in zip(before, found, strict=True):
                phi = b.phi(self.vector)
                phi.add_incoming(old, start)
                phi.add_incoming(new, end)
                result.append(phi)
            return result

        sums = counted(b, 0, g.kernel[0], 1, sums, line)
        first = b.add(b.mul(unit, index(g.places[1])), x)
        self.finish(sums, first, j, rows, vectors, tail)

    def _line(
        self,
        pixels: ir.Value,
        x: ir.Value,
        known: int | None,
        u: ir.Value,
        sums: Sequence[ir.Value],
        rows: int,
        j: ir.Value,
        vectors: int,
        tail: int,
    ) -> list[ir.Value]:
        """What one line of the kernel adds to a tile, from the line of pixels that it meets."""
        b, g = self.b, self.g
        run = g.kernel[1] * g.channels
        weights = b.add(b.mul(b.mul(u, index(run)), index(self.columns)), j)
        if known is None:
            step = g.stride[1] * g.channels
            pixels = b.add(pixels, b.mul(x, index(step)))
            if g.dilation[1] == 1:  # one run through the pixels of the window
                places = [(r, b.add(pixels, index(r * step))) for r in range(rows)]
                return self._run(places, weights, run, sums, vectors, tail)
        found = list(sums)
        for v in range(g.kernel[1]):
            pairs = self._met(known, rows, v)
            if pairs:
                places = [(r, b.add(pixels, index(at * g.channels))) for r, at in pairs]
                here = b.add(weights, index(v * g.channels * self.columns))
                found = self._run(places, here, g.channels, found, vectors, tail)
        return found

    def _met(self, known: int | None, rows: int, v: int) -> list[Pair]:
        """(position of the tile, pixel of the line) that element v of the kernel joins."""
        g = self.g
        found = []
        for r in range(rows):
            at = ((known or 0) + r) * g.stride[1] + v * g.dilation[1] - g.lows[1]
            if known is None:
                found.append((r, at))
            elif at % g.up[1] == 0 and 0 <= at // g.up[1] < g.space[1]:
                found.append((r, at // g.up[1]))
        return found

    def _run(
        self,
        places: Sequence[tuple[int, ir.Value]],
        weights: ir.Value,
        count: int,
        sums: Sequence[ir.Value],
        vectors: int,
        tail: int,
    ) -> list[ir.Value]:
        """Σ over ``count`` numbers from each place on, times as many rows of the weights."""
        b = self.b

        def step(q: ir.Value, before: Sequence[ir.Value]) -> list[ir.Value]:
            found = list(before)
            row = b.add(weights, b.mul(q, index(self.columns)))
            right = []
            for v in range(vectors):
                mask = self.mask(tail) if tail and v == vectors - 1 else None
                right.append(self.read(self.b_, b.add(row, index(v * self.lanes)), mask))
            for r, place in places:
                x = self.everywhere(self.a, b.add(place, q))
                for v, w in enumerate(right):
                    found[r * vectors + v] = self.fma(x, w, found[r * vectors + v])
            return found

        times = TIMES if count % TIMES == 0 else 1 if count > 8 else count

        def several(q: ir.Value, before: Sequence[ir.Value]) -> list[ir.Value]:
            for t in range(times):
                before = step(b.add(q, index(t)), before)
            return list(before)

        return counted(b, 0, count, times, sums, several)


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
        width, every = _panels(self.columns, target.lanes(self.dtype))
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
        b: ir.IRBuilder,
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
            self._panels(start, end, is_first, last)
            return []

        counted(b, 0, total, most, [], rows)

    def _panels(self, start: ir.Value, end: ir.Value, first: ir.Value, last: ir.Value) -> None:
        n, step = self.columns, self.cut.width * self.lanes
        whole = n // step * step

        def panel(j: ir.Value, vectors: int, tail: int) -> list[ir.Value]:
            self._tiles(start, end, first, last, j, vectors, tail)
            return []

        counted(self.b, 0, whole, step, [], lambda j, _: panel(j, self.cut.width, 0))
        if whole < n:
            left = n - whole
            panel(index(whole), -(-left // self.lanes), left % self.lanes)

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

        def tile(t: ir.Value, row: ir.Value, skip: ir.Value, offsets: Sequence[ir.Value]) -> None:
            at = b.mul(b.add(b.mul(j, index(cut.count)), b.mul(t, index(vectors * self.lanes))),
                       index(cut.rows))  # fmt: skip
            self._tile(start, end, first, last, at, offsets, (row, skip), j, vectors, tail)

        if not cut.run:
            for t in range(cut.count):
                mine = range(t * cut.rows, min((t + 1) * cut.rows, g.elements))
                here = b.and_(
                    b.icmp_signed("<=", self.first, index(t)),
                    b.icmp_signed("<", index(t), self.last),
                )
                with b.if_then(here):
                    offsets = [index(self._offset(e)) for e in mine]
                    tile(index(t), index(mine.start), index(0), offsets)
            return
        each = -(-cut.run // cut.rows)

        def one(t: ir.Value) -> None:
            line = b.udiv(t, index(each))
            wanted = b.mul(b.sub(t, b.mul(line, index(each))), index(cut.rows))
            most = index(cut.run - cut.rows)  # the last tile of a run begins where it fits
            begin = b.select(b.icmp_signed("<", wanted, most), wanted, most)
            row = b.mul(line, index(cut.run))
            base = self._run_offset(line)
            offsets = [b.add(b.add(base, begin), index(r)) for r in range(cut.rows)]
            tile(t, b.add(row, begin), b.sub(wanted, begin), offsets)

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
        offsets: Sequence[ir.Value],
        place: tuple[ir.Value, ir.Value],
        j: ir.Value,
        vectors: int,
        tail: int,
    ) -> None:
        """Add what the image rows from start to end give to the sums of a tile."""
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
        sums = []
        for x in loaded:
            phi = b.phi(self.vector)
            phi.add_incoming(zero, before)
            phi.add_incoming(x, more)
            sums.append(phi)
        sums = self._summed(start, end, offsets, sums, j, vectors, tail)
        for x, p in zip(sums, waiting, strict=True):
            b.store(x, p, align=self.size)
        with b.if_then(last):
            self._finished(memory, rows, place, j, vectors, tail)

    def _summed(
        self,
        start: ir.Value,
        end: ir.Value,
        offsets: Sequence[ir.Value],
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
            pixels = b.mul(line, index(image))
            given = b.add(b.mul(unit, index(g.places[1] * self.columns)), j)

            def position(x: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
                found = list(sums)
                row = b.add(given, b.mul(x, index(self.columns)))
                right = []
                for v in range(vectors):
                    mask = self.mask(tail) if tail and v == vectors - 1 else None
                    right.append(self.read(self.b_, b.add(row, index(v * self.lanes)), mask))
                here = b.add(pixels, b.mul(x, index(g.stride[1] * g.channels)))
                for r, offset in enumerate(offsets):
                    a = self.everywhere(self.a, b.add(here, offset))
                    for v, w in enumerate(right):
                        found[r * vectors + v] = self.fma(a, w, found[r * vectors + v])
                return found

            times = 2 if g.places[1] % 2 == 0 else 1

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


__all__ = ["Correlation", "Geometry", "WeightCorrelation"]
