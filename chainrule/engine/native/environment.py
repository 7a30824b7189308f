"""Where the code of a kernel finds what it needs."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.engine.native import ir
from chainrule.engine.native.groups import Group
from chainrule.engine.native.layouts import Layout
from chainrule.engine.native.target import Target
from chainrule.engine.native.threads import Part
from chainrule.engine.program import Op
from chainrule.records import dataclass


@dataclass(frozen=True)
class Environment:
    """What surrounds the code of a kernel.

    Attributes:
        layout: the layout of each operation.
        target: the processor.
        pointer: the address of a stored operation.
        table, slot, arena: the table of addresses, the address in a slot of it, the address so
            many bytes from the start of the arena.
        scratch: the thread's own memory for a group, or what all have in common.
        part: (thread, threads) where the group is split.
        wait: writes a barrier.
        sync: what the barrier needs.
    """

    layout: Callable[[Op], Layout]
    target: Target
    pointer: Callable[[Op], ir.Value]
    table: ir.Value
    slot: Callable[[int], ir.Value]
    arena: Callable[[int], ir.Value]
    scratch: Callable[[Group], ir.Value]
    part: Part
    wait: Callable[[], None]
    sync: ir.Value

    def given(self, op: Op) -> list[ir.Value]:
        """The addresses of the arguments of an operation, which all lie flat."""
        return [self.pointer(self.layout(a).root) for a in op.sources()]

    def lanes(self, op: Op) -> int:
        """How many of an operation's numbers fill a register."""
        return self.target.lanes("float64" if op.dtype.itemsize == 8 else "float32")


__all__ = ["Environment"]
