"""Loads and stores of vectors: elements next to each other, gathered, masked, or within bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainrule.engine.native import ir
from chainrule.engine.native.accesses import Access
from chainrule.engine.native.ir import I32, I64, index
from chainrule.engine.native.operations import REGISTER, number
from chainrule.engine.native.target import TYPES
from chainrule.engine.native.vectors import read, splat, write
from chainrule.engine.program import Op


class Reach:
    """How the code of a nest of loops reaches memory.

    Args:
        b: where to write it.
        dims, lanes: the lengths of the axes, and the width of the vectors along the last one.
        pointer: the address of a stored operation's first element.

    Attributes:
        inside: are the outer axes within the bounds of an access?
        interior: is the innermost axis known to be within all bounds?
    """

    def __init__(
        self,
        b: ir.Builder,
        dims: Sequence[int],
        lanes: int | None,
        pointer: Callable[[Op], ir.Value],
    ) -> None:
        self.b, self.dims, self.lanes, self.pointer = b, dims, lanes, pointer
        self.inside: dict[Access, ir.Value] = {}
        self.interior = False

    def _address(self, a: Access, at: ir.Value) -> ir.Value:
        return self.b.gep(self.pointer(a.root), at, TYPES[a.dtype])

    def _load_one(self, a: Access, at: ir.Value) -> ir.Value:
        return read(self.b, self._address(a, at), a.dtype, None)

    def _load(self, a: Access, at: ir.Value, i: ir.Value, mask: ir.Value | None) -> ir.Value:
        """The elements of one vector: next to each other, or gathered one by one."""
        if self.lanes is None:
            return self._load_one(a, at)
        if a.bounds is not None:
            mask = self._within(a, i, mask)
        if a.strides[-1] != 1:
            return self._gather(a, at, i, mask, a.strides[-1])
        address = self._address(a, self.b.add(at, i))
        return read(self.b, address, a.dtype, self.lanes, mask)

    def _within(self, a: Access, i: ir.Value, mask: ir.Value | None) -> ir.Value | None:
        """The lanes from position i on that are within the bounds of an access."""
        b, lanes = self.b, self.lanes
        assert a.bounds is not None
        assert lanes is not None
        low, high = a.bounds[-1]
        if (low, high) != (0, self.dims[-1]) and not self.interior:
            kind = ir.VectorType(I64, lanes)
            lane = ir.Constant(kind, [index(j - low) for j in range(lanes)])
            place = b.add(splat(b, i, lanes), lane)
            inside = b.icmp_unsigned("<", place, number(high - low, "int64", lanes))
            mask = inside if mask is None else b.and_(mask, inside)
        outer = self.inside.get(a)
        if outer is not None:
            wide = splat(b, outer, lanes)
            mask = wide if mask is None else b.and_(mask, wide)
        return mask

    def _gather(
        self, a: Access, at: ir.Value, i: ir.Value, mask: ir.Value | None, step: int
    ) -> ir.Value:
        b, lanes = self.b, self.lanes
        assert lanes is not None
        x: ir.Value = ir.Constant(ir.VectorType(REGISTER[a.dtype], lanes), ir.Undefined)
        for j in range(lanes):
            place = b.add(i, index(j))
            if mask is not None:  # elsewhere the first element is read, and 0 taken
                there = b.extract_element(mask, ir.Constant(I32, j))
                start = b.add(at, b.mul(place, index(step)))
                place = b.select(there, start, index(0))
                one = self._load_one(a, place)
                zero = ir.Constant(one.type, None)
                x = b.insert_element(x, b.select(there, one, zero), ir.Constant(I32, j))
                continue
            one = self._load_one(a, b.add(at, b.mul(place, index(step))))
            x = b.insert_element(x, one, ir.Constant(I32, j))
        return x

    def _store(self, a: Access, at: ir.Value, x: ir.Value, mask: ir.Value | None) -> None:
        write(self.b, x, self._address(a, at), a.dtype, mask)


__all__ = ["Reach"]
