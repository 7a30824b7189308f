"""Kernels that are functions of their own; what differs only in where it works is one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engine.native.groups import Group, in_registers
from chainrule.engine.native.layouts import Layout
from chainrule.engine.program import Op, key_of

OUTSIDE = ("value", "kept", "name")  # parameters that the code does not depend on
Root = tuple[Op, int]  # whose memory, and the first element that is read or written


def own_functions(
    groups: Sequence[Group], layout: Callable[[Op], Layout], is_split: Callable[[Group], bool]
) -> dict[Group, tuple[Any, tuple[Root, ...]]]:
    """What is a function of its own: loops and products like others, and all that go through rows.

    Args:
        groups: of a program.
        layout: the layout of each operation.
        is_split: is a group shared among threads?

    Returns:
        For each (what tells its code from that of others, where it works).
    """
    found: dict[Group, tuple[Any, tuple[Root, ...]]] = {}
    for group in groups:
        split = is_split(group)
        product = group.kind == "product" and group.ops[0].name == "matmul"
        if group.kind == "rows" or product or (group.kind == "loop" and not split):
            key, roots = structure(group, layout)
            try:
                hash(key)
            except TypeError:  # an array among the parameters
                key = group.index
            found[group] = (key, split and not product), roots
    times = Counter(key for key, _ in found.values())
    return {
        group: made for group, made in found.items() if group.kind == "rows" or times[made[0]] > 1
    }


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
    sizes = tuple(len(part.ops) for part in group.parts)
    return (group.kind, group.space, sizes, tuple(rows)), tuple(starts.items())


__all__ = ["own_functions", "structure"]
