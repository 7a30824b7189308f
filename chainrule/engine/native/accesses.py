"""What the loops of a group read and write, and along which axes they reduce."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.engine.native.groups import Group, in_registers, read_by, space_of
from chainrule.engine.native.layouts import Layout
from chainrule.engine.native.repertoire import REDUCTIONS, reads_beside
from chainrule.engine.program import Op


@dataclass(eq=False)
class Access:
    """How the loops reach the elements of an array.

    Attributes:
        root: whose memory it is.
        offset: the position of the first element.
        strides: the steps along each axis of the loops.
        taps: the steps along the axes that are gone through for each vector.
        bounds: for each axis from where to where there are elements, zeros are outside; None
            where there are elements everywhere.
    """

    root: Op
    offset: int
    strides: list[int]
    bounds: list[tuple[int, int]] | None = None
    taps: tuple[int, ...] = ()

    @property
    def dtype(self) -> str:
        return self.root.kind


@dataclass(eq=False)
class Reduction:
    """A reduction of a group: which axes of the space it runs over, and where its result goes."""

    op: Op
    reduced: list[bool]
    out: Access
    tapped: bool = False  # its axes are gone through for each vector, in registers
    held: bool = False  # all axes but a short last one: the whole result stays in registers

    @property
    def inner(self) -> bool:
        return self.reduced[-1]

    @property
    def suffix(self) -> int:
        """The first of the last axes that are all reduced."""
        k = len(self.reduced)
        while k and self.reduced[k - 1]:
            k -= 1
        return k

    @property
    def in_memory(self) -> bool:
        """Are parts of the result added up in memory?"""
        return not (self.tapped or self.held) and any(self.reduced[: self.suffix])


def reads_of(
    group: Group, layout: Callable[[Op], Layout], along: Callable[[list[int]], list[int]] = list
) -> dict[tuple[Op, int], Access]:
    """What the steps of a group, but for its head, read from memory, by (step, argument).

    Args:
        group: the group.
        layout: the layout of each operation.
        along: the strides along the axes of the loops from those along the axes longer than 1.
    """
    found: dict[tuple[Op, int], Access] = {}
    known: dict[Any, Access] = {}
    for op in group.ops:
        for k, a in enumerate(op.args):
            if op is group.head or not isinstance(a, Op) or in_registers(group, layout(a), op, k):
                continue
            if not reads_beside(op, k) and op.name != "pad":
                continue  # positions are known only when it is read
            whole = read_by(op, k, layout(a))
            strides = along(whole.steps)
            bounds = bounds_of(op) if op.name == "pad" else None
            key = whole.root, whole.offset, tuple(strides), str(bounds)
            read = Access(whole.root, whole.offset, strides, bounds)
            found[op, k] = known.setdefault(key, read)
    return found


def bounds_of(op: Op) -> list[tuple[int, int]]:
    """From where to where a padded array has elements, for each axis that is not of length one."""
    rows = zip(op.shape, op.params["lows"], op.params["counts"], strict=True)
    return [(low, low + count) for n, low, count in rows if n != 1]


def divisible(group: Group) -> bool:
    """Can the first axis of a loop group be split among threads?"""
    if not group.space:
        return False
    for op in group.ops:
        if op.name in REDUCTIONS:
            shape = space_of(op)
            first = next((i for i, n in enumerate(shape) if n != 1), None)
            if first is None or first in op.params["axis"]:
                return False
    return True


__all__ = ["Access", "Reduction", "bounds_of", "divisible", "reads_of"]
