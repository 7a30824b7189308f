"""Fusion: the operations of a program are gathered into groups, each of which is one kernel.

A group works through a space, the shape of its operations without axes of length one. In a loop
group pointwise operations follow each other in registers and reductions close them; a product
group has pointwise operations on the result of a matrix product before it is stored. What only
the group itself reads is never stored. An operation that is not known here is a group by itself,
and NumPy evaluates it.

A view (reshape, transpose, slice, broadcast) costs nothing: it is another way to read what it is
a view of, described by a NumPy array of strides with no memory behind it.
"""

from __future__ import annotations

import bisect
from collections import Counter
from dataclasses import field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.engine.native import ufuncs
from chainrule.engine.native.layouts import Layout, Shape, matrices_of, squeezed
from chainrule.engine.native.repertoire import (
    CORRELATIONS,
    DTYPES,
    REDUCTIONS,
    RUNNING,
    is_gather,
    is_list,
    is_number,
    reads_beside,
    supported,
    unrolled_seconds,
)
from chainrule.engine.program import RECORDS, Op, Program, as_ranges, contiguous
from chainrule.records import dataclass

VIEWS = frozenset(
    {"reshape", "transpose", "broadcast_to", "getitem", "flip", "diagonal", "windows"}
)
ALONE = RUNNING | {"take", "scatter", "index_put"}  # kernels that nothing joins
MOST = 60  # operations in one loop
UNROLLED = 0.2  # seconds of compiling steps on single numbers, above which they go to a tape


@dataclass(eq=False)
class Group:
    """One kernel.

    Attributes:
        kind: "loop", "rows", "product", "stack", "take", "tape", "ufunc", "control" or "numpy".
        index: its position in the order.
        space: what it works through.
        ops: its operations, in order.
        members: the same as a set.
        head: the operation that a product or NumPy evaluates.
        stored: the operations whose results others read.
        parts: the loops that go through each row, one after the other.
    """

    kind: str
    space: Shape
    ops: list[Op] = field(default_factory=list)
    head: Op | None = None
    stored: list[Op] = field(default_factory=list)
    index: int = 0
    members: set[Op] = field(default_factory=set)
    parts: list[Group] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.members.update(self.ops)

    def add(self, op: Op) -> None:
        self.ops.append(op)
        self.members.add(op)

    @property
    def name(self) -> str:
        return "+".join(op.name for op in self.ops)


class Grouping:
    """The groups of a program in an order in which they can run, and the layouts of its values.

    Args:
        program: what to run.
        donated: so many of the first inputs give their memory to the outputs of the same number.

    Attributes:
        unrolled: about how many seconds LLVM would take for the steps on single numbers.
        is_long: that is too long, so that they go to tapes.
    """

    def __init__(self, program: Program, donated: int = 0) -> None:
        self.program = program
        self.layouts: dict[Op, Layout] = {}
        self.groups: list[Group] = []
        self.place: dict[Op, int] = {}  # operation -> position of its group; −1 for what is given
        self.floating: dict[Op, int] = {}  # not yet in a group -> how many it brings, at most
        self.outputs: list[Any] = []
        self.tapes: list[int] = []  # the positions of tapes
        numbers = {op for op in program.ops if is_number(op) and supported(op)}
        names = Counter(op.name for op in numbers)
        self.is_long = unrolled_seconds(names) > UNROLLED
        for op in program.ops:
            if op.name == "stretch":
                names += op.params["steps"].names()
        self.unrolled = unrolled_seconds(names)
        if any(op.name == "random_key" for op in program.ops):
            self._append(Group("loop", ()))  # keys first, so that every kernel may draw from them
        for op in program.ops:
            if self.is_long and op in numbers:
                self._own(op)
                self._on_tape(op)
            else:
                self._add(op)
        taken: set[Op] = set()
        for k, y in enumerate(program.outputs):
            unchanged = k < donated and y is program.inputs[k]
            self.outputs.append(
                self._output(y, taken) if isinstance(y, Op) and not unchanged else y
            )

    # Layouts -------------------------------------------------------------------------------

    def layout(self, op: Op) -> Layout:
        return self.layouts[op]

    def _own(self, op: Op) -> None:
        self.layouts[op] = Layout(op, 0, op.shape, contiguous(op.shape) if op.shape else ())

    def _view(self, op: Op) -> bool:
        """Describe an operation as a view of its argument, if it is one."""
        source = op.args[0]
        if not isinstance(source, Op) or op.size == 0 or source.size == 0:
            return False
        old = self.layouts[source]
        ghost = as_strided(np.empty(1, np.int8), old.shape, old.strides)
        start = ghost.__array_interface__["data"][0]
        try:
            if op.name == "reshape":
                new = np.reshape(ghost, op.shape, copy=False)
            elif op.name == "getitem":
                if not op.params["index"].basic:
                    return False
                new = ghost[as_ranges(op.params["index"].key)]
            else:
                new = RECORDS[op.name].value(ghost, **_params(op))
        except ValueError:  # cannot be done without a copy
            return False
        offset = new.__array_interface__["data"][0] - start
        # Axes of length one come and go; what is left is in the same order.
        steps = iter([s for n, s in zip(new.shape, new.strides, strict=True) if n != 1])
        shape, strides = op.shape, tuple(0 if n == 1 else next(steps) for n in op.shape)
        self.layouts[op] = Layout(old.root, old.offset + offset, shape, strides)
        return True

    # Groups ----------------------------------------------------------------------------------

    def _add(self, op: Op) -> None:
        if op.name in ("input", "constant"):
            self._own(op)
            self.place[op] = -1
            return
        if op.name in VIEWS:
            if self._view(op):
                return
            if op.name == "reshape" and isinstance(op.args[0], Op) and op.size:
                copy = self._copied(op.args[0])
                op.args = (copy,)
                assert self._view(op)
                return
        self._own(op)
        if op.name == "stretch":
            op.args = tuple(map(self._flat, op.args))
            self._alone(op, "tape")
        elif "nested" in op.params:
            op.args = tuple(map(self._flat, op.args))
            self._alone(op, "control")
        elif op.name == "result" or (op.name == "pick" and "nested" in op.args[0].params):
            group = self.groups[self.place[op.args[0]]]
            group.add(op)
            self.place[op] = group.index
        elif is_list(op):
            self._on_tape(op)
        elif "ufunc" in op.params:
            self._ufunc(op)
        elif supported(op):
            if op.name == "matmul":
                self._product(op)
            elif op.name in CORRELATIONS:
                op.args = tuple(self._flat(a) for a in op.args)
                self._alone(op, "product")
            elif op.name in ALONE and not is_gather(op):
                self._take(op)
            else:
                self._loop(op)
        else:
            self._alone(op, "numpy")

    def _copied(self, op: Op) -> Op:
        """The same numbers in C order, in memory of their own."""
        copy = Op("copy", (op,), {}, op.shape, op.dtype, op.node)
        self._own(copy)
        if self.is_long and op.size == 1 and op.kind in DTYPES:
            self._on_tape(copy)
        elif op.kind in DTYPES and op.size:
            self._loop(copy)
        else:
            self._alone(copy, "numpy")
        return copy

    def _output(self, op: Op, taken: set[Op]) -> Op:
        """An operation that is stored by itself, for each output one of its own."""
        layout = self.layouts[op]
        given = op.name in ("input", "constant")
        if layout.root is not op or op in taken or given:
            op = self._copied(op)
        self._settle(op)
        taken.add(op)
        return op

    def _alone(self, op: Op, kind: str) -> None:
        for a in op.sources():
            self._settle(self.layouts[a].root)
        self.place[op] = self._append(Group(kind, squeezed(op.shape), [op], op)).index

    def _append(self, group: Group) -> Group:
        group.index = len(self.groups)
        self.groups.append(group)
        return group

    def _on_tape(self, op: Op) -> None:
        """Put a step on single numbers on the first tape that may have it."""
        earliest = 0
        for a in op.args:
            if not isinstance(a, Op):
                continue
            root = self.layouts[a].root
            if root in self.floating:
                self._settle(root)
            place = self.place[root]
            if place >= earliest:
                on_tape = self.groups[place].kind == "tape" and is_number(root)
                earliest = place if on_tape else place + 1
        found = bisect.bisect_left(self.tapes, earliest)
        if found == len(self.tapes):
            self.tapes.append(self._append(Group("tape", ())).index)
        group = self.groups[self.tapes[found]]
        group.add(op)
        self.place[op] = group.index

    def _flat(self, a: Any) -> Any:
        return a if self.layouts[a].is_flat() else self._copied(a)

    def _take(self, op: Op) -> None:
        op.args = tuple(self._flat(a) for a in op.args)
        self._alone(op, "take")

    def _ufunc(self, op: Op) -> None:
        terms = ufuncs.core(op.params["ufunc"])
        in_place = op.params["ufunc"] == ufuncs.IN_PLACE
        op.args = tuple(
            self._flat(a) if in_place or self._stack(a, len(term)) is None else a
            for a, term in zip(op.args, terms, strict=False)
        )
        self._alone(op, "ufunc")

    def _stack(self, a: Op, inner: int) -> Any:
        return ufuncs.strides_of(a.shape, self.layouts[a].strides, inner)

    def _product(self, op: Op) -> None:
        pair = [
            a if matrices_of(self.layouts[a]) is not None else self._copied(a) for a in op.args[:2]
        ]
        op.args = (*pair, *map(self._flat, op.args[2:]))
        self._alone(op, "product" if len(op.shape) == 2 else "stack")

    def _loop(self, op: Op) -> None:
        """Put a pointwise operation or a reduction where its arguments are at hand.

        One that has none at hand floats: it is put where the first that reads it is put.
        """
        space = squeezed(space_of(op))
        earliest, near = 0, -1
        weight = 1 + sum(self.floating.get(self.layouts[a].root, 0) for a in op.sources())
        if is_gather(op) and self.layouts[op.args[0]].root is self.layouts[op.args[1]].root:
            op.args = (self._copied(op.args[0]), op.args[1])
        for k, a in enumerate(op.args):
            if not isinstance(a, Op):
                continue
            layout = read_by(op, k, self.layouts[a])
            root = layout.root
            beside = reads_beside(op, k) and squeezed(root.shape) == space and layout.is_flat()
            if root in self.floating:
                if beside and weight <= MOST:
                    earliest = max(earliest, self._earliest(root))
                    continue
                self._settle(root)
            place = self.place[root]
            if place < 0:
                continue
            group = self.groups[place]
            beside = beside and group.kind in ("loop", "product") and group.space == space
            if beside and root.name not in REDUCTIONS:
                earliest, near = max(earliest, place), max(near, place)
            else:
                earliest = max(earliest, place + 1)
        if near >= earliest and self._fits(self.groups[near], op):
            self._put(op, self.groups[near])
        elif op.name in REDUCTIONS:
            self._put(op, self._open(op, space, earliest + (near >= earliest)))
        else:
            self.floating[op] = weight if weight <= MOST else 1

    def _earliest(self, op: Op) -> int:
        """The first group that an operation may join that floats, with those that it brings.

        It is later than when the operation was met if what it reads has got a group since then.
        """
        earliest = 0
        for reader in self._brought(op):
            space = squeezed(space_of(reader))
            for k, a in enumerate(reader.args):
                if not isinstance(a, Op):
                    continue
                layout = read_by(reader, k, self.layouts[a])
                root = layout.root
                place = self.place.get(root, -1)
                if place < 0 or root in self.floating:
                    continue
                group = self.groups[place]
                beside = reads_beside(reader, k) and squeezed(root.shape) == space == group.space
                beside = beside and layout.is_flat() and group.kind in ("loop", "product")
                earliest = max(earliest, place + (not beside or root.name in REDUCTIONS))
        return earliest

    def _brought(self, op: Op) -> list[Op]:
        """An operation, and those that float and that it reads, directly or through others."""
        found, waiting = {op: None}, [op]
        while waiting:
            for a in waiting.pop().sources():
                root = self.layouts[a].root
                if root in self.floating and root not in found:
                    found[root] = None
                    waiting.append(root)
        return list(found)

    def _put(self, op: Op, group: Group) -> None:
        """Add an operation to a group, and before it those that float and it reads."""
        self.floating.pop(op, None)
        waiting = [op]
        while waiting:
            last = waiting[-1]
            roots = [self.layouts[a].root for a in last.sources()]
            found = next((root for root in roots if root in self.floating), None)
            if found is not None:
                self.floating.pop(found)
                waiting.append(found)
                continue
            group.add(waiting.pop())
            self.place[last] = group.index

    def _settle(self, op: Op) -> None:
        """Put an operation that floats into a group of its own kind."""
        if op in self.floating:
            self._put(op, self._open(op, squeezed(op.shape), self._earliest(op)))

    def _fits(self, group: Group, op: Op) -> bool:
        """May the operation join the group?"""
        if len(group.ops) >= MOST:
            return False
        return group.kind == "loop" or all(
            o.name not in REDUCTIONS and o.name not in ("pad", "within", "random_key", "take")
            for o in self._brought(op)
        )

    def _open(self, op: Op, space: Shape, earliest: int) -> Group:
        """A later group over the same space that reads or makes the same things, or a new one."""
        roots = {self.layouts[a].root for a in op.sources()}
        for group in self.groups[earliest:]:
            if group.kind == "loop" and group.space == space and self._fits(group, op):
                if not space:
                    return group
                read = {self.layouts[a].root for o in group.ops for a in o.sources()}
                if read & roots:
                    return group
        return self._append(Group("loop", space))

    def find_stored(self) -> None:
        """Mark what is read outside of its group, or not element by element inside of it."""
        wanted = {y for y in self.outputs if isinstance(y, Op)}
        for group in self.groups:
            for op in group.ops:
                for k, a in enumerate(op.args):
                    if not isinstance(a, Op):
                        continue
                    layout = self.layouts[a]
                    if not in_registers(group, layout, op, k):
                        wanted.add(layout.root)
        for group in self.groups:
            group.stored = [op for op in group.ops if op in wanted]


def space_of(op: Op) -> Shape:
    """The shape that an operation works through."""
    return op.args[0].shape if op.name in REDUCTIONS else op.shape


def read_by(op: Op, k: int, layout: Layout) -> Layout:
    """How an operation reads its argument number k as it works through its space.

    Of a padded array only what lies within the bounds is read; elsewhere the layout leads past
    the ends of the memory. Where elements are taken, the array lies as it is.
    """
    if k == 0 and is_gather(op):
        return layout
    if op.name != "pad":
        return layout.broadcast(space_of(op))
    start = sum(low * s for low, s in zip(op.params["lows"], layout.strides, strict=True))
    return Layout(layout.root, layout.offset - start, op.shape, layout.strides)


def beside(group: Group, layout: Layout, reader: Op, k: int) -> bool:
    """Does a step of a loop or product read, as argument k, the element in whose place it is?"""
    return (
        group.kind in ("loop", "product")
        and reader is not group.head
        and reads_beside(reader, k)
        and squeezed(space_of(reader)) == group.space
        and layout.broadcast(space_of(reader)).is_flat()
    )


def in_registers(group: Group, layout: Layout, reader: Op, k: int) -> bool:
    """Has the group just computed this element when the reader needs it as argument k?"""
    root = layout.root
    if group.kind in ("tape", "rows", "control"):
        return root in group.members and (group.kind != "tape" or is_number(root))
    here = root in group.members and root.name not in REDUCTIONS
    return here and beside(group, layout, reader, k)


def _params(op: Op) -> dict[str, Any]:
    return {"shape": op.shape} if op.name == "broadcast_to" else op.params


__all__ = [
    "ALONE",
    "Group",
    "Grouping",
    "beside",
    "in_registers",
    "read_by",
    "space_of",
]
