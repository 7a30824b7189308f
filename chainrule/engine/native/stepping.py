"""Many steps in one call: a state goes through the same step again and again.

(state, yₖ) ← step(state, data, xₖ) for k = 0, 1, …: the state stays where it is and is changed in
place, the data are the same for all steps, each step takes the next x and leaves the next y.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from chainrule.engine.capture import capture, is_number
from chainrule.engine.native.frames import Frame, Given
from chainrule.engine.native.machine import Code
from chainrule.engine.native.memory import address_of
from chainrule.engine.native.threads import POOL
from chainrule.errors import CompileError
from chainrule.tracing import flatten, name_of, unflatten


@dataclass(frozen=True)
class Plan:
    """A step compiled to be repeated; any number of steppers may share it.

    Attributes:
        code: the machine code.
        frame: what it wants to be called with.
        state, y: the structures of the state and of what a step leaves.
        kept, held: how many arrays the state and the data have.
    """

    code: Code
    frame: Frame
    state: Any
    y: Any
    kept: int
    held: int

    @classmethod
    def of(
        cls, step: Callable[..., Any], state: Any, data: Any, x: Any, probe: bool = True
    ) -> Plan:
        """Trace and compile a step.

        Args:
            step: step(state, data, x) → (new state, y), a function of NumPy code.
            state: a tree of arrays; the new state has the same structure, shapes and dtypes.
            data: a tree of arrays.
            x: the tree of one step's own inputs, as an example of shapes and dtypes.
            probe: see :func:`chainrule.engine.capture.capture`.

        Raises:
            CompileError: the state changes its structure, or an operation has no native code.
        """
        # Nothing of this is needed where a plan comes from the disk.
        from chainrule.engine.native.compiler import Compiled
        from chainrule.engine.simplifying import simplified

        kept, held, own = _numbers(state), _numbers(data), _numbers(x)
        leaves, spec = flatten(((state, data, x), {}))
        captured = capture(step, leaves, spec, "step", probe)
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
        return cls(
            compiled.code, compiled.storage.frame(), flatten(state)[1], y, len(kept), len(held)
        )


class Stepper:
    """A step, compiled to be repeated.

    Args:
        plan: the compiled step.
        state: where to start, a tree of arrays like the one that the plan was made for.
        data: a tree of arrays, the same.
    """

    def __init__(self, plan: Plan, state: Any, data: Any) -> None:
        self.plan, frame = plan, plan.frame
        self._leaves = flatten(state)[0]
        self._places = [k for k, leaf in enumerate(self._leaves) if is_number(leaf)]
        kinds = (ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p)
        self._repeat = plan.code.function("repeat", *kinds)
        self._held = [np.ascontiguousarray(a) for a in _numbers(data)]
        self._table, self._arena = frame.table()
        for k, a in enumerate(self._held):
            self._table[plan.kept + k] = address_of(a)
        rows = zip(_numbers(state), frame.inputs, strict=False)
        self._hold([np.array(x, given.dtype, order="C") for x, given in rows])
        self._left = frame.outputs[plan.kept :]  # what each step leaves

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
        plan, frame, table = self.plan, self.plan.frame, self._table
        moving = [np.ascontiguousarray(x) for x in _numbers(xs)]
        for x, given in zip(moving, frame.inputs[plan.kept + plan.held :], strict=True):
            assert x.dtype == given.dtype
            assert x.shape[1:] == given.shape
            assert len(x) >= count
            table[given.slot] = address_of(x)
        made: list[Any] = []
        for given in self._left:
            if isinstance(given, Given):
                made.append(np.empty((count, *given.shape), given.dtype))
                table[given.slot] = address_of(made[-1])
            else:
                made.append(given)
        pointers = bytes(table)  # the steps move what the table points to
        POOL.run(partial(self._repeat, ctypes.addressof(table), count), frame.threads)
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


__all__ = ["Plan", "Stepper"]
