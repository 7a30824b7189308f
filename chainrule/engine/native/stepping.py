"""Many steps in one call: a state goes through the same step again and again.

(state, yₖ) ← step(state, data, xₖ) for k = 0, 1, …: the state stays where it is and is changed in
place, the data are the same for all steps, each step takes the next x and leaves the next y.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.engine.capture import capture, is_number
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.memory import ALIGNMENT, address_of
from chainrule.engine.program import simplified
from chainrule.errors import CompileError
from chainrule.tracing import flatten, name_of, unflatten


class Stepper:
    """A step, compiled to be repeated.

    Args:
        step: step(state, data, x) → (new state, y), a function of NumPy code.
        state: a tree of arrays; the new state has the same structure, shapes and dtypes.
        data: a tree of arrays.
        x: the tree of one step's own inputs, as an example of shapes and dtypes.

    Raises:
        CompileError: the state changes its structure, or an operation has no native code.
    """

    def __init__(self, step: Callable[..., Any], state: Any, data: Any, x: Any) -> None:
        self._states, self._state_spec = flatten(state)
        self._kept = [leaf for leaf in self._states if is_number(leaf)]
        held = [leaf for leaf in flatten(data)[0] if is_number(leaf)]
        own = [leaf for leaf in flatten(x)[0] if is_number(leaf)]
        leaves, spec = flatten(((state, data, x), {}))
        captured = capture(step, leaves, spec, "step")
        new_state, _ = captured.pack(captured.graph.outputs)
        after = [y for y in flatten(new_state)[0] if y is not None]
        _same(step, self._kept, captured.graph, len(after))
        self._y_spec = flatten(captured.pack(list(range(len(captured.graph.outputs))))[1])
        first = len(self._kept) + len(held)
        given = first + len(own)
        moving = [
            *range(first, given),
            *(given + k for k in range(len(self._kept), len(captured.graph.outputs))),
        ]
        program = simplified(captured.graph)
        self.compiled = Compiled(program, donated=len(self._kept), moving=moving)
        if not self.compiled.is_native:
            names = [g.name for g in self.compiled.grouping.groups if g.kind == "numpy"]
            raise CompileError(
                f"{name_of(step)} cannot run as one native function",
                got=f"steps without native code: {', '.join(dict.fromkeys(names))}",
                remedy="it runs by the NumPy engine",
            )
        kinds = (ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p)
        self._repeat = self.compiled.code.function("repeat", *kinds)
        self._held = [np.ascontiguousarray(a) for a in held]
        self._arena = np.empty(self.compiled.arena_size + ALIGNMENT, np.uint8)
        self.load(state)

    def load(self, state: Any) -> None:
        """Start from a state; its arrays are copied."""
        leaves = [leaf for leaf in flatten(state)[0] if is_number(leaf)]
        inputs = self.compiled.program.inputs
        self._current = [
            np.array(x, op.dtype, order="C") for x, op in zip(leaves, inputs, strict=False)
        ]

    def share(self, other: Stepper) -> None:
        """Go on where another stepper of the same state stands, in the same memory."""
        self._current = other._current

    def state(self) -> Any:
        """The state now, in arrays of its own."""
        fresh = iter([np.array(x)[()] for x in self._current])
        return unflatten(
            self._state_spec,
            [_typed(next(fresh), leaf) if is_number(leaf) else leaf for leaf in self._states],
        )

    def run(self, xs: Any, count: int) -> Any:
        """Do ``count`` steps.

        Args:
            xs: the inputs of the steps, a tree of arrays with one more axis in front.
            count: how many steps.

        Returns:
            The y of the steps, a tree of arrays with one more axis in front.
        """
        compiled = self.compiled
        moving = [np.ascontiguousarray(x) for x in flatten(xs)[0] if is_number(x)]
        program = compiled.program
        kept = len(self._current)
        for x, op in zip(moving, program.inputs[kept + len(self._held) :], strict=True):
            assert x.dtype == op.dtype
            assert x.shape[1:] == op.shape
            assert len(x) >= count
        made: list[Any] = []
        for y in compiled.grouping.outputs[kept:]:
            made.append(np.empty((count, *y.shape), y.dtype) if hasattr(y, "shape") else y)
        arrays = [*self._current, *self._held, *moving]
        arrays += [a for a, s in zip(made, compiled.output_slots[kept:], strict=True) if s >= 0]
        arrays += compiled.constants
        base = -(-address_of(self._arena) // ALIGNMENT) * ALIGNMENT
        pointers = (*map(address_of, arrays), base)
        table = (ctypes.c_uint64 * len(pointers))(*pointers)
        compiled.threaded(self._repeat, ctypes.addressof(table), count)
        return unflatten(self._y_spec[1], made)


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
