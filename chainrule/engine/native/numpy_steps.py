"""Steps of a program that NumPy does, since there is no native code for them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.engine.native.groups import Group, Grouping
from chainrule.engine.native.layouts import Layout
from chainrule.engine.native.storage import Storage
from chainrule.engine.program import RECORDS, Op
from chainrule.graph import evaluation_error


class Place(NamedTuple):
    """Where an array lies: in the array behind a slot of the table, or in the arena."""

    slot: int | None
    start: int  # bytes
    shape: tuple[int, ...]
    dtype: np.dtype
    strides: tuple[int, ...]  # bytes

    def array(self, arrays: Sequence[np.ndarray], arena: np.ndarray) -> np.ndarray:
        memory = arena if self.slot is None else arrays[self.slot]
        return np.ndarray(self.shape, self.dtype, memory, self.start, self.strides)


class Step(NamedTuple):
    """A step by NumPy: what it calls, with what, and where the result goes (None: kept as it is).

    An argument is a place, an operation whose result is no array, or a constant.
    """

    op: Op
    function: Callable[[Sequence[Any]], Any]
    args: Sequence[Any]
    result: Place | None


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
        self._steps: dict[Group, Step] = {}

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
        step = self._steps.get(group)
        if step is None:
            step = self._steps[group] = self._prepared(group)
        args = [
            a.array(arrays, arena) if type(a) is Place else results[a] if type(a) is Op else a
            for a in step.args
        ]
        try:
            value = step.function(args)
        except np.linalg.LinAlgError as error:
            node = step.op.node
            if node is None:
                raise
            raise evaluation_error(node.fn, args, error, node.code, node.lasti) from error
        if step.result is None:
            results[step.op] = value
        else:
            step.result.array(arrays, arena)[...] = value

    def words(self) -> list[str]:
        """The loops and branches, and the steps that NumPy does."""
        found = []
        control = {op: run for op, run in self.control.items() if "nested" not in op.params}
        loops = [run for op, run in control.items() if op.name == "loop"]
        for run in loops:
            inside = "; ".join(run.step.rest())  # type: ignore[attr-defined]
            why = f", since its body has {inside}" if inside else ""
            found.append(f"a loop whose steps Python calls{why}")
        branches = sum(op.name == "cond" for op in control)
        if branches:
            found.append(f"{branches} {'branches' if branches > 1 else 'branch'}")
        names = [g.name for g in self.grouping.groups if g.kind == "numpy"]
        names = [name for name in names if name not in ("cond", "loop", "pick")]
        if names:
            listed = ", ".join(dict.fromkeys(names))
            steps = f"{len(names)} {'steps' if len(names) > 1 else 'step'}"
            found.append(f"{steps} by NumPy, for which there is no code: {listed}")
        return found

    def _prepared(self, group: Group) -> Step:
        op = group.head
        assert op is not None
        args = [self._argument(a) if isinstance(a, Op) else a for a in op.args]
        result = None if op.dtype == object else self._place(self.grouping.layout(op))
        return Step(op, self.control.get(op) or _function(op), args, result)

    def _argument(self, a: Op) -> Place | Op:
        layout = self.grouping.layout(a)
        return layout.root if layout.root.dtype == object else self._place(layout)

    def _place(self, layout: Layout) -> Place:
        root = layout.root
        size = root.dtype.itemsize
        slot = self.storage.slots.get(root)
        start = layout.offset * size + (0 if slot is not None else self.storage.offsets[root])
        strides = tuple(s * size for s in layout.strides)
        return Place(slot, start, layout.shape, root.dtype, strides)


def _function(op: Op) -> Callable[[Sequence[Any]], Any]:
    """What NumPy does for an operation."""
    if op.name == "copy":
        return lambda args: args[0]
    params = op.params
    if op.name in ("reshape", "broadcast_to", "sum_to"):
        params = {"shape": op.shape}
    if op.name == "astype":
        params = {"dtype": op.dtype}
    own = op.node is not None and op.node.fn is not None and op.node.fn.name == op.name
    value = op.node.fn.value if own else RECORDS[op.name].value  # type: ignore[union-attr]
    value = functools.partial(value, **params)
    return lambda args: value(*args)


__all__ = ["NumpySteps"]
