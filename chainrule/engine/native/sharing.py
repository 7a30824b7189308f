"""Kernels that differ only in where they work: they are written once, and called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.engine.native.groups import Group, Layout, in_registers
from chainrule.engine.program import Op, key_of

OUTSIDE = ("value", "kept", "name")  # parameters that the code does not depend on
Root = tuple[Op, int]  # whose memory, and the first element that is read or written


def structure(group: Group, layout: Callable[[Op], Layout]) -> tuple[Any, tuple[Root, ...]]:
    """(what the code of a loop group depends on, where it works).

    Two groups with the same first part have the same code, but for the addresses of the second.

    Args:
        group: the group.
        layout: the layout of each operation.
    """
    starts: dict[Op, int] = dict.fromkeys(group.stored, 0)
    for op in group.ops:
        for k, a in enumerate(op.args):
            if isinstance(a, Op) and not in_registers(group, layout(a), op, k):
                whole = layout(a)
                start = starts.get(whole.root, whole.offset)
                starts[whole.root] = min(start, whole.offset)
    places = {op: k for k, op in enumerate(group.ops)}
    numbers = {root: k for k, root in enumerate(starts)}

    def argument(op: Op, k: int, a: Any) -> Any:
        if not isinstance(a, Op):
            return key_of(a)
        whole = layout(a)
        if in_registers(group, whole, op, k):
            return (places[whole.root],)
        offset = whole.offset - starts[whole.root]
        return numbers[whole.root], whole.root.kind, offset, whole.shape, whole.strides

    rows = []
    for op in group.ops:
        args = tuple(argument(op, k, a) for k, a in enumerate(op.args))
        params = tuple((k, key_of(v)) for k, v in op.params.items() if k not in OUTSIDE)
        stored = layout(op).strides if op in group.stored else None
        rows.append((op.name, op.shape, op.kind, args, params, stored))
    return (group.kind, group.space, tuple(rows)), tuple(starts.items())


__all__ = ["structure"]
