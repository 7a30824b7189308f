"""Many steps in one call: a state goes through the same step again and again.

(state, yₖ) ← step(state, data, xₖ) for k = 0, 1, …: the state stays where it is and is changed in
place, the data are the same for all steps, each step takes the next x and leaves the next y.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.engine.capture import Captured, capture, is_number, without_collection
from chainrule.engine.native.frames import Frame, Given
from chainrule.engine.native.machine import Code
from chainrule.engine.native.memory import ALIGNMENT, address_of
from chainrule.engine.native.threads import POOL, Worth
from chainrule.errors import CompileError
from chainrule.graph import Graph
from chainrule.records import dataclass
from chainrule.tracing import flatten, name_of, unflatten


@dataclass(frozen=True)
class Plan:
    """A step compiled to be repeated; any number of steppers may share it.

    Attributes:
        code: the machine code.
        frame: what it wants to be called with.
        y: the structure of what a step leaves.
        kept, held: how many arrays the state and the data have.
        reads: for each of a step's own inputs, does anything depend on it?
        shared: about how many seconds of a step are in kernels that threads share.
    """

    code: Code
    frame: Frame
    y: Any
    kept: int
    held: int
    reads: tuple[bool, ...]
    shared: float

    @classmethod
    def of(
        cls, step: Callable[..., Any], state: Any, data: Any, x: Any, known: bool = False
    ) -> Plan:
        """Trace and compile a step.

        Args:
            step: step(state, data, x) → (new state, y), a function of NumPy code.
            state: a tree of arrays; the new state has the same structure, shapes and dtypes.
            data: a tree of arrays.
            x: the tree of one step's own inputs, as an example of shapes and dtypes.
            known: the step reads no values: its graph needs only shapes and dtypes.

        Raises:
            CompileError: the state changes its structure, or an operation has no native code.
        """
        with without_collection():  # no decorator, whose line would be taken for the user's
            return cls._made(step, state, data, x, known)

    @classmethod
    def _made(cls, step: Callable[..., Any], state: Any, data: Any, x: Any, known: bool) -> Plan:
        # Nothing of this is needed where a plan comes from the disk.
        from chainrule.engine.native.compiler import Compiled
        from chainrule.engine.simplifying import simplified

        kept, held, own = _numbers(state), _numbers(data), _numbers(x)
        leaves, spec = flatten(((state, data, x), {}))
        captured = _captured(step, leaves, spec, known)
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
        program = simplified(captured.graph)
        read = {a for op in program.ops for a in op.sources()}
        reads = tuple(x in read for x in program.inputs[first:given])
        compiled = Compiled(program, donated=len(kept), moving=moving)
        if not compiled.is_native:
            names = [g.name for g in compiled.grouping.groups if g.kind == "numpy"]
            raise CompileError(
                f"{name_of(step)} cannot run as one native function",
                got=f"steps without native code: {', '.join(dict.fromkeys(names))}",
                remedy="it runs by the NumPy engine",
            )
        frame = compiled.storage.frame()
        return cls(compiled.code, frame, y, len(kept), len(held), reads, compiled.shared)


class Memory:
    """A state in one piece of memory, where steps change it in place.

    Args:
        state: a tree of arrays and numbers like those that are to be loaded.

    Attributes:
        arrays: its arrays and numbers, in order; they stay where they are.
        views: the tree of them: what they are now.
    """

    def __init__(self, state: Any) -> None:
        self._leaves, self._spec = flatten(state)
        self._places = [k for k, leaf in enumerate(self._leaves) if is_number(leaf)]
        given = [np.asarray(self._leaves[k]) for k in self._places]
        starts = [0, *itertools.accumulate(-(-x.nbytes // ALIGNMENT) * ALIGNMENT for x in given)]
        whole = np.empty(starts[-1] + ALIGNMENT, np.uint8)
        self._bytes = whole[-address_of(whole) % ALIGNMENT :]
        self._kept: Any = None  # what is remembered: a copy of the bytes
        self._given: Any = None  # or a state that was loaded
        self.arrays = [
            self._bytes[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
            for start, x in zip(starts, given, strict=False)
        ]
        self.views = self._tree(lambda x, leaf: x)

    def load(self, state: Any) -> None:
        """Start from a state; its arrays are copied."""
        for mine, x in zip(self.arrays, _numbers(state), strict=True):
            np.copyto(mine, x)

    def state(self, copy: bool = True) -> Any:
        """The state now, in arrays of its own; or in these, where no step follows."""
        return self._tree(
            lambda x, leaf: (x.copy() if copy else x) if x.ndim else _typed(x[()], leaf)
        )

    def keep(self, state: Any = None) -> None:
        """Remember the state now, in the place of the one before.

        Args:
            state: the same, if it was loaded just now: it needs no copy.
        """
        self._given = state
        if state is None:
            if self._kept is None:
                self._kept = np.empty_like(self._bytes)
            np.copyto(self._kept, self._bytes)

    def back(self) -> None:
        """Return to the state that is remembered."""
        if self._given is None:
            np.copyto(self._bytes, self._kept)
        else:
            self.load(self._given)

    def _tree(self, of: Callable[[np.ndarray, Any], Any]) -> Any:
        leaves = self._leaves.copy()
        for k, x in zip(self._places, self.arrays, strict=True):
            leaves[k] = of(x, leaves[k])
        return unflatten(self._spec, leaves)


class Stepper:
    """A step, compiled to be repeated.

    Args:
        plan: the compiled step.
        state: where to start, a tree of arrays like the one that the plan was made for; or a
            memory that has one, which other steppers may change too.
        data: a tree of arrays, the same.
    """

    def __init__(self, plan: Plan, state: Any, data: Any) -> None:
        self.plan, frame = plan, plan.frame
        if not isinstance(state, Memory):
            memory = Memory(state)
            memory.load(state)
            state = memory
        self.memory = state
        kinds = (ctypes.c_void_p, *[ctypes.c_int64] * 2, ctypes.c_void_p, ctypes.c_int64)
        self._repeat = plan.code.function("repeat", *kinds)
        self._held = [np.asarray(a, order="C") for a in _numbers(data)]
        self._table, self._arena = frame.table()
        arrays = [*self.memory.arrays, *self._held]
        assert len(arrays) == plan.kept + plan.held
        for a, given in zip(arrays, frame.inputs, strict=False):
            assert (a.dtype, a.shape) == (given.dtype, given.shape)
            self._table[given.slot] = address_of(a)
        self._left = frame.outputs[plan.kept :]  # what each step leaves
        self._moving: list[Any] = []  # the arrays of `begin`, which must live
        self._marked = b""  # the table before the step to return to

    def run(self, xs: Any, count: int) -> Any:
        """Do ``count`` steps.

        Args:
            xs: the inputs of the steps, a tree of arrays with one more axis in front.
            count: how many steps.

        Returns:
            The y of the steps, a tree of arrays with one more axis in front.
        """
        ys = self.begin(xs, count)
        self.go(count)
        return ys

    def begin(self, xs: Any, count: int) -> Any:
        """Lay out what `go` is to work on: the arguments and the result of `run`."""
        plan, table = self.plan, self._table
        self._moving = [np.ascontiguousarray(x) for x in _numbers(xs)]
        inputs = plan.frame.inputs[plan.kept + plan.held :]
        for x, given in zip(self._moving, inputs, strict=True):
            assert x.dtype == given.dtype
            assert x.shape[1:] == given.shape
            assert len(x) >= count
            table[given.slot] = address_of(x)
        made: list[Any] = []
        for given in self._left:
            if isinstance(given, Given):
                made.append(np.empty((count, *given.shape), given.dtype))
                table[given.slot] = address_of(made[-1])
            else:  # the same in all steps
                made.append(np.broadcast_to(given, (count, *np.shape(given))))
        self._moving += made
        self.mark()
        return unflatten(plan.y, made)

    def go(self, count: int) -> None:
        """Do the next ``count`` steps of those that were begun."""
        worth = Worth.of_steps(self.plan.shared, count, self.plan.frame.threads)
        POOL.run(self._repeat, ctypes.addressof(self._table), count, worth)
        self.plan.frame.check(self._table)

    def mark(self) -> None:
        """Remember which step is the next."""
        self._marked = bytes(self._table)

    def rewind(self) -> None:
        """Return to the step that is remembered: the first one, or where there was a `mark`."""
        ctypes.memmove(self._table, self._marked, len(self._marked))


def _captured(
    step: Callable[..., Any], leaves: list[Any], spec: Any, known: bool
) -> Captured[Graph]:
    if known:
        with contextlib.suppress(Exception):  # what is wrong comes again below
            return capture(step, leaves, spec, "step", probe=False, ghosts=True)
    return capture(step, leaves, spec, "step", probe=not known)


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


__all__ = ["Memory", "Plan", "Stepper"]
