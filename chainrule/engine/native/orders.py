"""Values that a loop stores in the order in which they are wanted, instead of copying them.

A loop over windows, say, makes the gradient of an image window by window; who reads it wants it
row by row. Where a copy is all that reads a value, the loop writes its elements where the copy
would have put them. A step that takes such elements further one by one, the mask of a relu say, is
done in the loop as well.
"""

from __future__ import annotations

from dataclasses import replace

from chainrule.engine.native.groups import Group, Grouping
from chainrule.engine.native.layouts import Layout, squeezed
from chainrule.engine.native.recomputing import CHEAP, GROUP
from chainrule.engine.native.repertoire import REDUCTIONS
from chainrule.engine.program import Op, contiguous


def arrange(grouping: Grouping) -> None:
    """Leave out copies of values that can be stored in the copies' order."""
    readers: dict[Op, list[tuple[Group, Op]]] = {}
    for group in grouping.groups:
        for op in group.ops:
            for a in op.sources():
                readers.setdefault(grouping.layout(a).root, []).append((group, op))
    stored = set()
    for group in grouping.groups:
        for copy in [op for op in group.ops if op.name == "copy" and group.kind == "loop"]:
            source = grouping.layout(copy.args[0]).root
            layout = _wanted(grouping, copy)
            if layout is None or len(readers[source]) > 1:
                continue
            grouping.layouts[source] = layout
            _become(grouping, copy, source)
            group.ops.remove(copy)
            group.members.remove(copy)
            readers[source] = readers.get(copy, [])
            stored.add(source)
    for source in stored:
        _take_further(grouping, source, readers)
    if stored:
        number(grouping)


def _become(grouping: Grouping, old: Op, new: Op) -> None:
    """Let everything that is a view of one operation be one of another, with the same memory."""
    for op, layout in list(grouping.layouts.items()):
        if layout.root is old:
            grouping.layouts[op] = replace(layout, root=new)


def _take_further(
    grouping: Grouping, source: Op, readers: dict[Op, list[tuple[Group, Op]]]
) -> None:
    """Do the one step that reads a value in the loop that makes it, where that can be."""
    writer = grouping.groups[grouping.place[source]]
    if len(readers[source]) != 1:
        return
    group, last = readers[source][0]
    steps = _before(grouping, group, last, source, readers)
    away = any(reader is not group for reader, _ in readers.get(last, ()))
    if not steps or not away or len(writer.ops) + len(steps) > GROUP:
        return
    layout = grouping.layout(source)
    grouping.layouts[source] = replace(layout, strides=contiguous(source.shape))
    new: dict[Op, Op] = {source: source}
    for step in steps:
        args = tuple(
            _placed(grouping, a, layout, new) if isinstance(a, Op) else a for a in step.args
        )
        moved = Op(step.name, args, step.params, source.shape, step.dtype, step.node)
        grouping.layouts[moved] = replace(grouping.layout(source), root=moved)
        grouping.place[moved] = writer.index
        writer.add(moved)
        group.ops.remove(step)
        group.members.remove(step)
        new[step] = moved
    grouping.layouts[new[last]] = replace(layout, root=new[last])
    _become(grouping, last, new[last])


def _before(
    grouping: Grouping,
    group: Group,
    last: Op,
    source: Op,
    readers: dict[Op, list[tuple[Group, Op]]],
) -> list[Op]:
    """A step and those that only it needs, in order; none if they cannot be done elsewhere.

    They may if each makes an element from those in the same place of what is there already when
    the source is made.
    """
    wanted, waiting = {last}, [last]
    while waiting:
        step = waiting.pop()
        if group.kind != "loop" or step.name not in CHEAP or step in grouping.outputs:
            return []
        for a in step.sources():
            layout = grouping.layout(a)
            root = layout.root
            if root.size != last.size or not layout.is_flat():
                return []
            if root in group.members and len(readers[root]) == 1:
                wanted.add(root)
                waiting.append(root)
            elif root is not source and (
                grouping.place.get(root, -1) >= grouping.place[source] or root in group.members
            ):
                return []
    return [step for step in group.ops if step in wanted]


def _placed(grouping: Grouping, a: Op, layout: Layout, new: dict[Op, Op]) -> Op:
    """What a step reads, as it is read in the order of a layout."""
    root = grouping.layout(a).root
    if root in new:
        return new[root]
    view = Op("reshape", (a,), {"shape": layout.shape}, layout.shape, a.dtype, a.node)
    grouping.layouts[view] = replace(layout, root=root)
    return view


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


def number(grouping: Grouping) -> None:
    """Leave out groups in which nothing is left, and say of each where it stands."""
    grouping.groups = [group for group in grouping.groups if group.ops]
    for k, group in enumerate(grouping.groups):
        group.index = k
        for op in group.ops:
            grouping.place[op] = k


__all__ = ["arrange", "number"]
