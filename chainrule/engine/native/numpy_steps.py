"""Steps of a program that NumPy does, since there is no native code for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.engine.native.groups import Group, Grouping, Layout
from chainrule.engine.native.storage import Storage
from chainrule.engine.program import RECORDS, Op


class NumpySteps:
    """Does single steps on values that lie where native code has them.

    Args:
        grouping: the groups.
        storage: where the values lie.
        control: what runs branches and loops.
    """

    def __init__(
        self,
        grouping: Grouping,
        storage: Storage,
        control: Mapping[Op, Callable[[Sequence[Any]], Sequence[Any]]],
    ) -> None:
        self.grouping, self.storage, self.control = grouping, storage, control

    def run(
        self, group: Group, arrays: list[np.ndarray], arena: np.ndarray, results: dict[Op, Any]
    ) -> None:
        """Do the step of a group; floating-point errors are the caller's to ignore.

        Args:
            group: a group of one step.
            arrays: behind the slots of the table.
            arena: the memory of what is stored on the way.
            results: what is no array, of steps that were done.
        """
        op = group.head
        assert op is not None
        args: list[Any] = []
        for a in op.args:
            if not isinstance(a, Op):
                args.append(a)
                continue
            layout = self.grouping.layout(a)
            args.append(
                results[layout.root]
                if layout.root in results
                else self._array(layout, arrays, arena)
            )
        value = self.control[op](args) if op in self.control else _value(op, args)
        if op.dtype == object:
            results[op] = value
        else:
            self._array(self.grouping.layout(op), arrays, arena)[...] = value

    def _array(self, layout: Layout, arrays: list[np.ndarray], arena: np.ndarray) -> np.ndarray:
        root = layout.root
        if root in self.storage.slots:
            whole = arrays[self.storage.slots[root]].reshape(-1)
        else:
            start = self.storage.offsets[root]
            size = root.size * root.dtype.itemsize
            whole = arena[start : start + size].view(root.dtype)
        if layout.is_flat():
            return whole.reshape(layout.shape)
        steps = tuple(s * root.dtype.itemsize for s in layout.strides)
        return as_strided(whole[layout.offset :], layout.shape, steps)


def _value(op: Op, args: list[Any]) -> Any:
    if op.name == "copy":
        return args[0]
    params = op.params
    if op.name in ("reshape", "broadcast_to", "sum_to"):
        params = {"shape": op.shape}
    if op.name == "astype":
        params = {"dtype": op.dtype}
    if op.node is not None and op.node.fn is not None and op.node.fn.name == op.name:
        return op.node.fn.value(*args, **params)
    return RECORDS[op.name].value(*args, **params)


__all__ = ["NumpySteps"]
