"""Values that a loop stores in the order in which they are wanted, instead of copying them.

A loop over windows, say, makes the gradient of an image window by window; who reads it wants it
row by row. Where a copy is all that reads a value, the loop writes its elements where the copy
would have put them.
"""

from __future__ import annotations

from dataclasses import replace

from chainrule.engine.native.groups import Group, Grouping, Layout, squeezed
from chainrule.engine.native.repertoire import REDUCTIONS
from chainrule.engine.program import Op, contiguous


def arrange(grouping: Grouping) -> None:
    """Leave out copies of values that can be stored in the copies' order."""
    readers: dict[Op, int] = {}
    for group in grouping.groups:
        for op in group.ops:
            for a in op.sources():
                root = grouping.layout(a).root
                readers[root] = readers.get(root, 0) + 1
    found = False
    for group in grouping.groups:
        for copy in [op for op in group.ops if op.name == "copy" and group.kind == "loop"]:
            source = grouping.layout(copy.args[0]).root
            layout = _wanted(grouping, copy)
            if layout is None or readers[source] > 1:
                continue
            grouping.layouts[source] = layout
            for op, old in list(grouping.layouts.items()):
                if old.root is copy:
                    grouping.layouts[op] = replace(old, root=source)
            group.ops.remove(copy)
            group.members.remove(copy)
            readers[source] = readers.get(copy, 0)
            found = True
    if found:
        _number(grouping)


def _wanted(grouping: Grouping, copy: Op) -> Layout | None:
    """How the source of a copy lies if it is stored as the copy would be, or None."""
    view = grouping.layout(copy.args[0])
    source = view.root
    writer = _writer(grouping, source)
    if writer is None or {source, copy} & {y for y in grouping.outputs if isinstance(y, Op)}:
        return None
    if source.name in REDUCTIONS or source.size != copy.size or source.dtype != copy.dtype:
        return None
    # Both have the same axes, in another order.
    steps = zip(copy.shape, view.strides, contiguous(copy.shape), strict=True)
    places = {(n, old): new for n, old, new in steps if n != 1}
    axes = list(zip(source.shape, grouping.layout(source).strides, strict=True))
    if view.offset or set(places) != {axis for axis in axes if axis[0] != 1}:
        return None
    strides = tuple(places.get(axis, 0) for axis in axes)
    inner = [s for n, s in zip(source.shape, strides, strict=True) if n != 1]
    if squeezed(source.shape) != writer.space or not inner or inner[-1] != 1:
        return None
    return Layout(source, 0, source.shape, strides)


def _writer(grouping: Grouping, op: Op) -> Group | None:
    """The loop that makes an operation."""
    place = grouping.place.get(op, -1)
    if place < 0 or grouping.groups[place].kind != "loop":
        return None
    return grouping.groups[place]


def _number(grouping: Grouping) -> None:
    """Leave out groups in which nothing is left."""
    grouping.groups = [group for group in grouping.groups if group.ops]
    for k, group in enumerate(grouping.groups):
        group.index = k
        for op in group.ops:
            grouping.place[op] = k


__all__ = ["arrange"]
