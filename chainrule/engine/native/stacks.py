"""Products of stacks of matrices: one function for a product, called for each of them."""

from __future__ import annotations

import math
from collections.abc import Callable

from chainrule.engine.native import ir
from chainrule.engine.native.ir import I8, index
from chainrule.engine.native.layouts import Layout, matrices_of
from chainrule.engine.native.products import Product
from chainrule.engine.native.target import Target
from chainrule.engine.native.threads import Part, share
from chainrule.engine.native.vectors import ranged
from chainrule.engine.program import Op, contiguous
from chainrule.records import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Stack:
    """Products that differ in where their matrices lie.

    Attributes:
        shape: of the stack.
        steps: for both operands and the result, the bytes along each axis of the stack.
        product: one of them.
    """

    shape: Shape
    steps: tuple[Shape, Shape, Shape]
    product: Product

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def multiplications(self) -> int:
        return self.count * self.product.multiplications

    @property
    def size(self) -> int:
        """Numbers in all matrices."""
        return self.count * self.product.size

    def emit(
        self,
        b: ir.Builder,
        name: str,
        target: Target,
        given: tuple[ir.Value, ir.Value, ir.Value],
        scratch: ir.Value,
        part: Part,
    ) -> None:
        """All products, or a thread's part of them.

        Args:
            b: where to write it.
            name: of the function for one product.
            target: the processor.
            given: the addresses of the operands and of the result.
            scratch: the thread's own memory.
            part: (thread, threads).
        """
        function = self.product.emit(b.module, name, target, None, [])
        whole = index(self.product.parts(target)[2])

        def one(i: ir.Value) -> None:
            places = self._places(b, i)
            addresses = [
                self._moved(b, a, s, places) for a, s in zip(given, self.steps, strict=True)
            ]
            b.call(function, [*addresses, index(0), whole, scratch])

        ranged(b, *share(b, self.count, part), 1, one)

    def _places(self, b: ir.Builder, i: ir.Value) -> list[ir.Value]:
        """The position along each axis of the stack."""
        found = []
        for n in reversed(self.shape[1:]):
            found.append(b.urem(i, index(n)))
            i = b.udiv(i, index(n))
        return [i, *reversed(found)]

    @staticmethod
    def _moved(b: ir.Builder, start: ir.Value, steps: Shape, places: list[ir.Value]) -> ir.Value:
        at: ir.Value = index(0)
        for place, step in zip(places, steps, strict=True):
            at = b.add(at, b.mul(place, index(step)))
        return b.gep(start, at, I8)


def stack_of(op: Op, layout: Callable[[Op], Layout]) -> Stack:
    """The stack that a product of arrays of matrices goes through."""
    shape, size = op.shape[:-2], op.dtype.itemsize
    transposed, steps = [], []
    for a in op.args:
        whole = layout(a).broadcast((*shape, *a.shape[-2:]))
        matrix = matrices_of(layout(a))
        assert matrix is not None
        transposed.append(matrix[0])
        steps.append(tuple(s * size for s in whole.strides[: len(shape)]))
    own = tuple(s * size for s in contiguous(op.shape)[: len(shape)])
    m, n = op.shape[-2:]
    product = Product(m, op.args[0].shape[-1], n, str(op.dtype), *transposed)
    return Stack(shape, (steps[0], steps[1], own), product)


__all__ = ["Stack", "stack_of"]
