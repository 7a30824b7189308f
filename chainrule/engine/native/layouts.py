"""How values lie in memory: views of what is stored."""

from __future__ import annotations

from chainrule.engine.program import Op
from chainrule.records import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """How a value lies in memory: the operation whose memory it is, the first element, the strides.

    Attributes:
        root: the operation that is stored, with its elements in C order.
        offset: the position of the first element.
        shape, strides: as NumPy's, with strides counted in elements.
    """

    root: Op
    offset: int
    shape: Shape
    strides: tuple[int, ...]

    def broadcast(self, shape: Shape) -> Layout:
        if shape == self.shape and 1 not in shape:
            return self
        missing = len(shape) - len(self.shape)
        strides = (0,) * missing + tuple(
            0 if n == 1 else s for n, s in zip(self.shape, self.strides, strict=True)
        )
        return Layout(self.root, self.offset, shape, strides)

    @property
    def steps(self) -> list[int]:
        """The strides along the axes longer than 1."""
        return [s for n, s in zip(self.shape, self.strides, strict=True) if n != 1]

    def is_flat(self) -> bool:
        """Is it the root from the first element to the last, in order?"""
        step = 1
        for n, s in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if n > 1 and s != step:
                return False
            step *= n
        return self.offset == 0 and step == self.root.size


def squeezed(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1) if 1 in shape else shape


def matrix_of(layout: Layout) -> tuple[bool, int] | None:
    """(transposed, leading dimension) of a matrix that a product can read as it lies, or None."""
    if len(layout.shape) != 2:
        return None
    (m, n), (s, t) = layout.shape, layout.strides
    if (t == 1 or n == 1) and (s == n or m == 1):
        return False, n
    if (s == 1 or m == 1) and (t == m or n == 1):
        return True, m
    return None


def matrices_of(layout: Layout) -> tuple[bool, int] | None:
    """The same of each matrix of a stack; they may lie anywhere."""
    return matrix_of(Layout(layout.root, 0, layout.shape[-2:], layout.strides[-2:]))


__all__ = ["Layout", "Shape", "matrices_of", "matrix_of", "squeezed"]
