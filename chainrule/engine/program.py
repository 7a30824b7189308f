"""A program: operations in topological order, each of which leads to an output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.elementary import TABLE
from chainrule.elementary.base import Pointwise
from chainrule.elementary.indexing import Index
from chainrule.graph import Node

Shape = tuple[int, ...]
BOOL, INT, DOUBLE = np.dtype(bool), np.dtype(np.int64), np.dtype(np.float64)
RECORDS: dict[str, Any] = {record.name: record for record in TABLE.values()}
KINDS = {c: str(np.dtype(c)) for c in "dfqlihb?"}  # str() of a dtype takes its time
# Linear functions that work element by element, and so are pointwise for an engine.
ELEMENTWISE = frozenset({"where", "astype", "copy", "pad", "within"})
COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"})
LOGIC = frozenset({"logical_and", "logical_or", "logical_xor", "logical_not"})
DECISIONS = COMPARISONS | LOGIC | {"isnan", "isinf", "isfinite", "signbit"}  # true or false
POLYGAMMA = {n: f"polygamma_{n}" for n in range(1, 5)}  # of an order that is known
POINTWISE = ELEMENTWISE | {name for name, f in RECORDS.items() if isinstance(f, Pointwise)}
POINTWISE |= {*POLYGAMMA.values()}


def contiguous(shape: Shape) -> tuple[int, ...]:
    """The strides of an array in C order, in elements."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def as_ranges(key: Any) -> tuple[Any, ...]:
    """An index without whole numbers: each a slice of length one, so that no element is read."""
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(
        slice(int(k), int(k) + 1 or None) if isinstance(k, (int, np.integer)) else k for k in parts
    )


def key_of(x: Any) -> Any:
    """What tells two arguments apart: the kind of a number, its sign at zero, and its bits."""
    if isinstance(x, Op):
        return id(x)
    if isinstance(x, (float, np.floating)):
        return type(x), float(x).hex()
    if isinstance(x, dict):
        return tuple((k, key_of(v)) for k, v in x.items())
    if isinstance(x, (list, tuple)):
        return tuple(map(key_of, x))
    if isinstance(x, slice):
        return slice, x.start, x.stop, x.step
    if isinstance(x, Index) and x.basic:
        return Index, key_of(x.key)
    return type(x), x


class Op:
    """One operation of a program.

    Attributes:
        name: of the elementary function; "input" and "constant" for what is given.
        args: other operations, or single numbers.
        params: the static parameters.
        shape, dtype: of the result.
        kind: the name of the dtype.
        size: how many elements the result has.
        node: the node of the graph that it stands for, or a part of.
        index: the position in the program.
    """

    __slots__ = ("args", "dtype", "index", "kind", "name", "node", "params", "shape", "size")

    def __init__(
        self,
        name: str,
        args: tuple[Any, ...],
        params: dict[str, Any],
        shape: Shape,
        dtype: np.dtype[Any],
        node: Node | None,
    ) -> None:
        self.name = name
        self.args = args
        self.params = params
        self.shape = shape
        self.dtype = dtype
        self.size = math.prod(shape)
        # The character says nothing of the order of the bytes.
        self.kind = (KINDS.get(dtype.char) if dtype.isnative else None) or str(dtype)
        self.node = node
        self.index = -1

    @property
    def is_pointwise(self) -> bool:
        return self.name in POINTWISE

    def sources(self) -> list[Op]:
        """The arguments that are operations."""
        return [a for a in self.args if isinstance(a, Op)]

    def __repr__(self) -> str:
        words = [f"%{a.index}" if isinstance(a, Op) else str(a) for a in self.args]
        words += [f"{k}={v!r}" for k, v in self.params.items() if k != "value"]
        return f"%{self.index} = {self.name}({', '.join(words)}): {self.dtype}{list(self.shape)}"


class Program:
    """Inputs, operations and outputs of a computation.

    Attributes:
        inputs: one operation for each input of the graph, used or not.
        ops: all operations that an output needs, in topological order, inputs and constants too.
        outputs: operations, or plain values that are constant.
    """

    def __init__(
        self, inputs: Sequence[Op], outputs: Sequence[Any], ops: list[Op] | None = None
    ) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.ops = _needed(self.inputs, self.outputs) if ops is None else ops
        for index, op in enumerate(self.ops):
            op.index = index

    def readers(self) -> dict[Op, list[Op]]:
        """The operations that read each other one."""
        found: dict[Op, list[Op]] = {}
        for op in self.ops:
            for a in op.sources():
                found.setdefault(a, []).append(op)
        return found

    def copy(self) -> Program:
        """The same program of new operations, which may be changed."""
        new: dict[Op, Op] = {}
        for op in self.ops:
            args = tuple(new[a] if isinstance(a, Op) else a for a in op.args)
            new[op] = Op(op.name, args, op.params, op.shape, op.dtype, op.node)
        outputs = [new[y] if isinstance(y, Op) else y for y in self.outputs]
        return Program([new[x] for x in self.inputs], outputs, list(new.values()))

    def key(self) -> str:
        """A text that is equal for programs that compute the same in the same way."""
        lines = []
        for op in self.ops:
            args = [f"%{a.index}" if isinstance(a, Op) else str(key_of(a)) for a in op.args]
            params = {
                k: key_of(v) for k, v in op.params.items() if k not in ("value", "kept", "name")
            }
            lines.append(f"{op.name}({', '.join(args)}; {params}) {op.kind}{op.shape}")
        results = [f"%{y.index}" if isinstance(y, Op) else "constant" for y in self.outputs]
        return "\n".join([*lines, *results])

    def __str__(self) -> str:
        results = ", ".join(f"%{y.index}" if isinstance(y, Op) else str(y) for y in self.outputs)
        return "\n".join([*map(repr, self.ops), f"return {results}"])


def _needed(inputs: Sequence[Op], outputs: Sequence[Any]) -> list[Op]:
    """What the outputs are made from, each after its arguments and as late as may be.

    Of several arguments the one that needs the most steps comes first, so that a short one is
    made just before it is used.
    """
    height: dict[Op, int] = {}
    for op in _ordered(inputs, outputs, {}):
        most = 0
        for a in op.args:
            if isinstance(a, Op) and height[a] > most:
                most = height[a]
        height[op] = most + 1
    return _ordered(inputs, outputs, height)


def _ordered(inputs: Sequence[Op], outputs: Sequence[Any], height: dict[Op, int]) -> list[Op]:
    done: dict[Op, None] = dict.fromkeys(inputs)
    stack = [y for y in reversed(outputs) if isinstance(y, Op)]
    while stack:
        op = stack[-1]
        waiting = [a for a in op.args if isinstance(a, Op) and a not in done]
        if op in done or not waiting:
            done.setdefault(stack.pop())
        elif len(waiting) == 1:
            stack += waiting
        else:
            stack += sorted(waiting, key=lambda a: height.get(a, 0))
    return list(done)


__all__ = [
    "BOOL",
    "COMPARISONS",
    "DECISIONS",
    "DOUBLE",
    "ELEMENTWISE",
    "INT",
    "LOGIC",
    "POINTWISE",
    "POLYGAMMA",
    "RECORDS",
    "Op",
    "Program",
    "Shape",
    "as_ranges",
    "contiguous",
    "key_of",
]
