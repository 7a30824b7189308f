"""The nest of loops that goes through a group: its axes, and what is reached along them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from chainrule.engine.native import randoms
from chainrule.engine.native.accesses import Access, Reduction, bounds_of, reads_of
from chainrule.engine.native.groups import Group, space_of
from chainrule.engine.native.layouts import Layout, squeezed
from chainrule.engine.native.repertoire import DRAWS, REDUCTIONS
from chainrule.engine.native.target import Target
from chainrule.engine.program import Op, contiguous

TAPS = 16  # elements that are reduced for each vector with their code written out
HELD = 4  # vectors of a result that stay in registers


class Nest:
    """Axes of loops, the last one in vectors.

    Args:
        group: a loop group.
        layout: the layout of each operation.
        target: the processor.
        is_split: the first axis, or the only one, is shared among threads.

    Attributes:
        dims: the lengths of the axes.
        lanes: of a vector; None where there is a single element.
        reads, writes, reductions: what is reached: by (operation, argument), by operation.
        masks, draws: no memory, but bounds or places.
        taps: places along axes that are gone through for each vector.
    """

    def __init__(
        self, group: Group, layout: Callable[[Op], Layout], target: Target, is_split: bool
    ) -> None:
        self.group, self.layout, self.target, self.is_split = group, layout, target, is_split
        self.dims = list(group.space)
        self.reads = reads_of(group, layout)
        self.writes: dict[Op, Access] = {}
        self.reductions: dict[Op, Reduction] = {}
        self.masks: dict[Op, Access] = {}
        self.draws: dict[Op, Access] = {}
        self.taps: list[tuple[int, ...]] = []
        self._find_accesses()
        self._arrange()
        self.lanes: int | None = self._width() if self.dims else None

    def _width(self) -> int:
        """The lanes of a vector."""
        floats = [op for op in self.group.ops if op.dtype.kind == "f"]
        floats = [op for op in floats if op not in self.draws] or floats
        sizes = {op.dtype.itemsize for op in floats}
        return self.target.lanes("float32" if 4 in sizes or not sizes else "float64")

    def _find_accesses(self) -> None:
        group = self.group
        for op in group.ops:
            if op.name in DRAWS:
                self.draws[op] = Access(op, 0, list(randoms.strides_of(op)))
            if op.name == "within":
                self.masks[op] = Access(op, 0, [0] * len(self.dims), bounds_of(op))
            if op.name in REDUCTIONS:
                axes, shape = op.params["axis"], space_of(op)
                reduced = [i in axes for i, n in enumerate(shape) if n != 1]
                left = iter(contiguous(squeezed(op.shape)))
                strides = [0 if r else next(left) for r in reduced]
                self.reductions[op] = Reduction(op, reduced, Access(op, 0, strides))
            elif op in group.stored:
                self.writes[op] = Access(op, 0, self.layout(op).steps)

    def accesses(self) -> list[Access]:
        """All ways in which memory is reached."""
        outs = [r.out for r in self.reductions.values()]
        places = [*self.masks.values(), *self.draws.values()]
        return list(dict.fromkeys([*self.reads.values(), *places, *self.writes.values(), *outs]))

    def _arrange(self) -> None:
        """Choose the innermost axis, and join neighbouring axes that are stepped through as one."""
        if not self.dims:
            return
        accesses, reductions = self.accesses(), list(self.reductions.values())
        last = len(self.dims) - 1
        writes = [*self.writes.values(), *(r.out for r in reductions)]
        allowed = [k for k in range(last + 1) if all(w.strides[k] in (0, 1) for w in writes)]

        def smooth(k: int) -> tuple[bool, int, int]:
            easy = sum(a.strides[k] in (0, 1) for a in self.reads.values())
            return self.dims[k] >= 4, easy, k

        free = allowed and not self.writes and not self.is_split
        inner = max(allowed, key=smooth) if free else last
        order = [k for k in range(last + 1) if k != inner] + [inner]
        self.dims = [self.dims[k] for k in order]
        for a in accesses:
            a.strides = [a.strides[k] for k in order]
            a.bounds = [a.bounds[k] for k in order] if a.bounds else None
        for r in reductions:
            r.reduced = [r.reduced[k] for k in order]
        self._tap(accesses, reductions)
        k = len(self.dims) - 2
        while k >= (0 if not self.is_split else 1):
            n = self.dims[k + 1]
            together = all(
                a.strides[k] == a.strides[k + 1] * n
                and (a.bounds is None or a.bounds[k + 1] == (0, n))
                for a in accesses
            )
            if together and all(r.reduced[k] == r.reduced[k + 1] for r in reductions):
                self.dims[k : k + 2] = [self.dims[k] * n]
                for a in accesses:
                    del a.strides[k]
                    if a.bounds:
                        low, high = a.bounds[k]
                        a.bounds[k : k + 2] = [(low * n, high * n)]
                for r in reductions:
                    del r.reduced[k]
            k -= 1
        short = len(self.dims) > 1 and self.dims[-1] <= HELD * self._width()
        for r in reductions:
            outer = all(r.reduced[:-1]) and not r.reduced[-1]
            r.held = short and outer and not r.tapped and not self.is_split

    def _tap(self, accesses: list[Access], reductions: list[Reduction]) -> None:
        """Take axes that are short and reduced by all out of the loops, to be done in registers."""
        first = 0 if not self.is_split else 1
        axes = [
            k
            for k in range(first, len(self.dims) - 1)
            if reductions and all(r.reduced[k] for r in reductions)
        ]
        short = 1 < math.prod(self.dims[k] for k in axes) <= TAPS
        rest = [k for k in range(len(self.dims)) if k not in axes]
        other = any(r.reduced[k] for r in reductions for k in rest)
        bounded = any(a.bounds and a.bounds[k] != (0, self.dims[k]) for a in accesses for k in axes)
        if not axes or not short or other or bounded:
            return
        self.taps = list(itertools.product(*(range(self.dims[k]) for k in axes)))
        self.dims = [self.dims[k] for k in rest]
        for a in accesses:
            a.taps = tuple(a.strides[k] for k in axes)
            a.strides = [a.strides[k] for k in rest]
            a.bounds = [a.bounds[k] for k in rest] if a.bounds else None
        for r in reductions:
            r.reduced, r.tapped = [False] * len(rest), True


__all__ = ["Nest"]
