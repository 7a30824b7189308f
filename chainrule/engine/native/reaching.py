"""Loads and stores of vectors: elements next to each other, gathered, masked, or within bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainrule.engine.native import ir
from chainrule.engine.native.accesses import Access
from chainrule.engine.native.ir import I32, I64, index
from chainrule.engine.native.operations import REGISTER, number
from chainrule.engine.native.target import TYPES
from chainrule.engine.native.vectors import constant_lanes, read, splat, write
from chainrule.engine.program import Op


class Reach:
    """How the code of a nest of loops reaches memory.

    Args:
        b: where to write it.
        dims, lanes: the lengths of the axes, and the width of the vectors along the last one.
        pointer: the address of a stored operation's first element.

    Attributes:
        inside: are the outer axes within the bounds of an access?
        stretch: from where to where along the innermost axis the vectors lie.
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
        self.stretch = (0, dims[-1] if dims else 1)

    def address(self, a: Access, at: ir.Value) -> ir.Value:
        return self.b.gep(self.pointer(a.root), at, TYPES[a.dtype])

    def one(self, a: Access, at: ir.Value) -> ir.Value:
        """A single element."""
        return read(self.b, self.address(a, at), a.dtype, None)

    def vector(self, a: Access, at: ir.Value, mask: ir.Value | None, step: int) -> ir.Value:
        """Elements that are so many apart, the first of them at a place."""
        if step == 1:
            return read(self.b, self.address(a, at), a.dtype, self.lanes, mask)
        if step == 0 and mask is None:
            return splat(self.b, self.one(a, at), self.lanes or 1)
        return self._one_by_one(a, at, mask, step)

    def _one_by_one(self, a: Access, at: ir.Value, mask: ir.Value | None, step: int) -> ir.Value:
        """The same, which is quicker than the processor's own way."""
        b, lanes = self.b, self.lanes or 1
        x: ir.Value = ir.Constant(ir.VectorType(REGISTER[a.dtype], lanes), ir.Undefined)
        for j in range(lanes):
            lane, place = ir.Constant(I32, j), b.add(at, index(j * step))
            if mask is None:
                one = self.one(a, place)
            else:  # elsewhere the first element of all is read, and 0 taken
                there = b.extract_element(mask, lane)
                one = self.one(a, b.select(there, place, index(0)))
                one = b.select(there, one, ir.Constant(one.type, None))
            x = b.insert_element(x, one, lane)
        return x

    def put(
        self, a: Access, at: ir.Value, x: ir.Value, mask: ir.Value | None, step: int = 1
    ) -> None:
        """Write elements that are so many apart, or a single one."""
        place = self.address(a, at)
        if step not in (0, 1):
            steps = constant_lanes(I64, tuple(step * j for j in range(self.lanes or 1)))
            place = self.b.gep(place, steps, TYPES[a.dtype])
        write(self.b, x, place, a.dtype, mask)

    def below(self, i: ir.Value, n: int) -> ir.Value | None:
        """Which lanes of a vector from position i on are below n; None if these are all."""
        lanes = self.lanes or 1
        if n % lanes == 0:
            return None
        steps = constant_lanes(I64, tuple(range(lanes)))
        return self.b.icmp_signed("<", steps, splat(self.b, self.b.sub(index(n), i), lanes))

    # Along the innermost axis

    def _load(self, a: Access, at: ir.Value, i: ir.Value, mask: ir.Value | None) -> ir.Value:
        """The elements from position i on."""
        if self.lanes is None:
            return self.one(a, at)
        if a.bounds is not None:
            if self._is_inside(a) is False:
                return ir.Constant(ir.VectorType(REGISTER[a.dtype], self.lanes), None)
            mask = self._within(a, i, mask)
        step = a.strides[-1]
        return self.vector(a, self.b.add(at, self.b.mul(i, index(step))), mask, step)

    def _is_inside(self, a: Access) -> bool | None:
        """Is the stretch within the bounds of an access? None where it is in part."""
        assert a.bounds is not None
        low, high = a.bounds[-1]
        first, last = self.stretch
        if low <= first and last <= high:
            return True
        return False if last <= low or high <= first else None

    def _within(self, a: Access, i: ir.Value, mask: ir.Value | None) -> ir.Value | None:
        """The lanes from position i on that are within the bounds of an access."""
        b, lanes = self.b, self.lanes
        assert a.bounds is not None
        assert lanes is not None
        low, high = a.bounds[-1]
        if not self._is_inside(a):
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


__all__ = ["Reach"]
