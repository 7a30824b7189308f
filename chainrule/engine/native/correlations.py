"""Convolutions without copies of windows: tiles of the result straight from the image.

Images are channels last. A tile of a correlation is some neighbouring positions of a row by some
vectors of output channels; where a window reaches over the edge of the image, what lies outside is
left out while the code is written.

Source: Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD
architectures", SC 2018 (direct convolutions, blocked in registers).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.engine.geometry import Geometry, Pair
from chainrule.engine.native import ir
from chainrule.engine.native.ir import index
from chainrule.engine.native.target import Target
from chainrule.engine.native.tiles import Epilogue, Panel, Tiles, begun, registers
from chainrule.engine.native.vectors import chosen, counted, ranged
from chainrule.records import dataclass


def panel_width(columns: int, lanes: int) -> tuple[int, int]:
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


@dataclass(frozen=True)
class Span:
    """Neighbouring positions of a row of the result.

    Attributes:
        x: the first one.
        known: the same as a number, where the edges of the image matter.
        rows: how many.
    """

    x: ir.Value
    known: int | None
    rows: int


class _Correlate(Tiles):
    def __init__(
        self,
        b: ir.Builder,
        function: ir.Function,
        spec: Correlation,
        target: Target,
        epilogue: Epilogue | None,
    ) -> None:
        super().__init__(b, function, spec.columns, spec.dtype, target, epilogue)
        self.g = spec.geometry
        self.width, self.every = panel_width(spec.columns, self.lanes)
        self.most = min(registers(target) // self.width, 16 if self.width == 1 else 12)

    def emit(self) -> None:
        self.panels(self.width, self._panel)

    def _panel(self, panel: Panel) -> None:
        b, g = self.b, self.g
        wide = g.places[1]
        count = -(-wide // self.most)
        high = -(-wide // count)
        starts = range(0, wide, high)
        inner = [x for x in starts if self._is_inside(x, high)]

        def alike(unit: ir.Value) -> None:
            whole = wide // high * high
            ranged(b, 0, whole, high, lambda x: self._tile(unit, Span(x, None, high), panel))
            if whole < wide:
                self._tile(unit, Span(index(whole), None, wide - whole), panel)

        def edges(unit: ir.Value) -> None:
            """Tiles at the edges have code of their own; those between are alike."""
            for x in starts:
                if x not in inner:
                    self._tile(unit, Span(index(x), x, min(high, wide - x)), panel)
                elif x == inner[0]:
                    ranged(b, x, inner[-1] + 1, high,
                           lambda x: self._tile(unit, Span(x, None, high), panel))  # fmt: skip

        ranged(b, self.first, self.last, 1, alike if g.is_inside else edges)

    def _is_inside(self, x: int, rows: int) -> bool:
        """Do all windows of a tile lie within the line of the image?"""
        g = self.g
        first = x * g.stride[1] - g.lows[1]
        last = first + (rows - 1) * g.stride[1] + (g.kernel[1] - 1) * g.dilation[1]
        whole = x + rows <= g.places[1]
        return g.up[1] == 1 and whole and first >= 0 and last < g.space[1]

    def _tile(self, unit: ir.Value, span: Span, panel: Panel) -> None:
        """Some positions of an image row."""
        b, g = self.b, self.g
        image = b.udiv(unit, index(g.places[0]))
        y = b.sub(unit, b.mul(image, index(g.places[0])))
        image = b.mul(image, index(g.space[0]))

        def line(u: ir.Value, before: Sequence[ir.Value]) -> list[ir.Value]:
            """One line of the kernel."""
            at = b.add(b.mul(y, index(g.stride[0])), b.mul(u, index(g.dilation[0])))

            def met() -> list[ir.Value]:
                pixels = b.mul(b.add(image, at), index(g.space[1] * g.channels))
                return self._line(pixels, span, u, before, panel)

            if g.is_inside:
                return met()
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
            return chosen(b, inside, before, met)

        none = [ir.Constant(self.vector, None)] * (span.rows * panel.vectors)
        sums = counted(b, 0, g.kernel[0], 1, none, line)
        first = b.add(b.mul(unit, index(g.places[1])), span.x)
        self.finish(sums, first, panel, span.rows)

    def _line(
        self,
        pixels: ir.Value,
        span: Span,
        u: ir.Value,
        sums: Sequence[ir.Value],
        panel: Panel,
    ) -> list[ir.Value]:
        """What one line of the kernel adds to a tile, from the line of pixels that it meets."""
        b, g = self.b, self.g
        run = g.kernel[1] * g.channels
        weights = b.add(b.mul(b.mul(u, index(run)), index(self.columns)), panel.column)
        if span.known is None:
            step = g.stride[1] * g.channels
            pixels = b.add(pixels, b.mul(span.x, index(step)))
            if g.dilation[1] == 1:  # one run through the pixels of the window
                places = [(r, r * step - g.lows[1] * g.channels) for r in range(span.rows)]
                return self._run(pixels, [places], weights, run, sums, panel)
        met = [
            [(r, at * g.channels) for r, at in self._met(span.known, span.rows, v)]
            for v in range(g.kernel[1])
        ]
        return self._run(pixels, met, weights, g.channels, sums, panel)

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
        pixels: ir.Value,
        runs: Sequence[Sequence[Pair]],
        weights: ir.Value,
        count: int,
        sums: Sequence[ir.Value],
        panel: Panel,
    ) -> list[ir.Value]:
        """Σ over ``count`` numbers from each place on, times as many rows of the weights.

        A place is a position of the tile, and where its numbers begin, counted from ``pixels``.
        Those of one run after the other meet the next rows of the weights.
        """
        b = self.b
        line, kernel = self.at(self.a, pixels), self.at(self.b_, weights)

        def step(q: ir.Value, before: Sequence[ir.Value]) -> list[ir.Value]:
            found = list(before)
            row, here = self.here(kernel, b.mul(q, index(self.columns))), self.here(line, q)
            for v, places in enumerate(runs):
                start = self.at(row, index(v * count * self.columns))
                right = self.row(start, panel) if places else []
                for r, place in places:
                    self.add(found, r, self.everywhere(here, index(place)), right)
            return found

        return counted(b, 0, count, 1, sums, step)


__all__ = ["Correlation", "panel_width"]
