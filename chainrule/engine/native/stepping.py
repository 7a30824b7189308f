"""Many steps in one call: a state goes through the same step again and again.

(state, yₖ) ← step(state, data, xₖ) for k = 0, 1, …: the state stays where it is and is changed in
place, the data are the same for all steps, each step takes the next x and leaves the next y.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engine.capture import capture, is_number
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.memory import address_of
from chainrule.engine.simplifying import simplified
from chainrule.errors import CompileError
from chainrule.tracing import flatten, name_of, unflatten


@dataclass(frozen=True)
class Plan:
    """A step compiled to be repeated; any number of steppers may share it.

    Attributes:
        compiled: the program.
        state, y: the structures of the state and of what a step leaves.
        kept, held: how many arrays the state and the data have.
    """

    compiled: Compiled
    state: Any
    y: Any
    kept: int
    held: int

    @classmethod
    def of(cls, step: Callable[..., Any], state: Any, data: Any, x: Any) -> Plan:
        """Trace and compile a step; the arguments are those of :class:`Stepper`."""
        kept, held, own = _numbers(state), _numbers(data), _numbers(x)
        leaves, spec = flatten(((state, data, x), {}))
        captured = capture(step, leaves, spec, "step")
        outputs = captured.graph.outputs
        new_state, _ = captured.pack(outputs)
        after = [y for y in flatten(new_state)[0] if y is not None]
        _same(step, kept, captured.graph, len(after))
        y = flatten(captured.pack(list(range(len(outputs))))[1])[1]
        first = len(kept) + len(held)
        given = first + len(own)
        moving = [
            *range(first, given),
            *(given + k for k in range(len(kept), len(outputs))),
        ]
        compiled = Compiled(simplified(captured.graph), donated=len(kept), moving=moving)
        if not compiled.is_native:
            names = [g.name for g in compiled.grouping.groups if g.kind == "numpy"]
            raise CompileError(
                f"{name_of(step)} cannot run as one native function",
                got=f"steps without native code: {', '.join(dict.fromkeys(names))}",
                remedy="it runs by the NumPy engine",
            )
        return cls(compiled, flatten(state)[1], y, len(kept), len(held))


class Stepper:
    """A step, compiled to be repeated.

    Args:
        step: step(state, data, x) → (new state, y), a function of NumPy code.
        state: a tree of arrays; the new state has the same structure, shapes and dtypes.
        data: a tree of arrays.
        x: the tree of one step's own inputs, as an example of shapes and dtypes.
        plan: the same step as it was compiled before, for the same shapes.

    Raises:
        CompileError: the state changes its structure, or an operation has no native code.
    """

    def __init__(
        self, step: Callable[..., Any], state: Any, data: Any, x: Any, plan: Plan | None = None
    ) -> None:
        self.plan = plan = plan or Plan.of(step, state, data, x)
        self.compiled = compiled = plan.compiled
        self._leaves = flatten(state)[0]
        self._places = [k for k, leaf in enumerate(self._leaves) if is_number(leaf)]
        kinds = (ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p)
        self._repeat = compiled.code.function("repeat", *kinds)
        self._held = [np.ascontiguousarray(a) for a in _numbers(data)]
        self._table, self._arena = compiled.storage.table()
        for k, a in enumerate(self._held):
            self._table[plan.kept + k] = address_of(a)
        rows = zip(_numbers(state), compiled.program.inputs, strict=False)
        self._hold([np.array(x, op.dtype, order="C") for x, op in rows])
        # What each step gives: (slot, shape, dtype) of an array, or a constant.
        outputs = zip(compiled.grouping.outputs, compiled.storage.output_slots, strict=True)
        self._given = [
            (slot, y.shape, y.dtype) if slot >= 0 else (slot, y, None)
            for y, slot in itertools.islice(outputs, plan.kept, None)
        ]

    def load(self, state: Any) -> None:
        """Start from a state; its arrays are copied."""
        for mine, x in zip(self._current, _numbers(state), strict=True):
            np.copyto(mine, x)

    def share(self, other: Stepper) -> None:
        """Go on where another stepper of the same state stands, in the same memory."""
        if self._current is not other._current:
            self._hold(other._current)

    def _hold(self, arrays: list[np.ndarray]) -> None:
        self._current = arrays
        for k, x in enumerate(arrays):
            self._table[k] = address_of(x)

    def state(self) -> Any:
        """The state now, in arrays of its own."""
        leaves = self._leaves.copy()
        for k, x in zip(self._places, self._current, strict=True):
            leaves[k] = x.copy() if x.ndim else _typed(x[()], leaves[k])
        return unflatten(self.plan.state, leaves)

    def run(self, xs: Any, count: int) -> Any:
        """Do ``count`` steps.

        Args:
            xs: the inputs of the steps, a tree of arrays with one more axis in front.
            count: how many steps.

        Returns:
            The y of the steps, a tree of arrays with one more axis in front.
        """
        plan, compiled, table = self.plan, self.compiled, self._table
        moving = [np.ascontiguousarray(x) for x in _numbers(xs)]
        first = plan.kept + plan.held
        for k, (x, op) in enumerate(zip(moving, compiled.program.inputs[first:], strict=True)):
            assert x.dtype == op.dtype
            assert x.shape[1:] == op.shape
            assert len(x) >= count
            table[first + k] = address_of(x)
        made: list[Any] = []
        for slot, shape, dtype in self._given:
            made.append(np.empty((count, *shape), dtype) if slot >= 0 else shape)
            if slot >= 0:
                table[slot] = address_of(made[-1])
        pointers = bytes(table)  # the steps move what the table points to
        compiled.threaded(self._repeat, ctypes.addressof(table), count)
        ctypes.memmove(table, pointers, len(pointers))
        return unflatten(plan.y, made)


def _numbers(tree: Any) -> list[Any]:
    return [leaf for leaf in flatten(tree)[0] if is_number(leaf)]


def _typed(value: Any, like: Any) -> Any:
    """A number of the state in the Python type that it had."""
    return type(like)(value) if type(like) in (int, float) else value


def _same(step: Any, kept: Sequence[Any], graph: Any, count: int) -> None:
    outputs = graph.outputs[: len(kept)]
    new = [
        (np.shape(getattr(y, "value", y)), np.asarray(getattr(y, "value", y)).dtype)
        for y in outputs
    ]
    old = [(np.shape(x), np.asarray(x).dtype) for x in kept]
    if count != len(kept) or new != old:
        different = next(
            (f"{b} instead of {a}" for a, b in zip(old, new, strict=False) if a != b),
            f"{count} leaves instead of {len(kept)}",
        )
        raise CompileError(
            f"{name_of(step)} returns a state of another form than it was given",
            got=different,
            remedy="keep the structure, shapes and dtypes of the state",
        )


__all__ = ["Stepper"]
