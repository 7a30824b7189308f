"""A long trace of single numbers as rows of whole numbers, without an object for each step.

A function that Python's loops unroll to a million steps is traced as a million nodes. Here they
become four integers each as soon as the trace ends, and the nodes are let go. What is no step on
single numbers stays a node, of which there are few.
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Any

import numpy as np

from chainrule.constants import Frozen
from chainrule.elementary.arithmetic import add, multiply
from chainrule.elementary.base import Pointwise
from chainrule.elementary.indexing import getitem
from chainrule.elementary.shaping import concatenate, identity, reshape, stop_gradient
from chainrule.engine.program import ELEMENTWISE, Op
from chainrule.engine.steps import NONE, Kind
from chainrule.graph import NO_PARAMS, Node, Tape
from chainrule.records import dataclass

LONG = 3000  # steps from which on a trace is written in rows
GIVEN, OTHER, LOAD, JOIN = range(4)  # kinds of rows that are no steps
LINES = 300  # steps of which the line is kept
NUMBERS: dict[type, str] = {
    np.float64: "float64", np.float32: "float32", np.int64: "int64", np.bool_: "bool",
}  # fmt: skip
DTYPES = frozenset(NUMBERS.values())
COMMUTING = frozenset({add, multiply})  # a constant comes second
ALIASES = frozenset({identity, stop_gradient})  # of numbers
_pack = struct.Struct("d").pack
_STUBS = Tape(Node)


@dataclass(frozen=True)
class Other:
    """What is no step on single numbers.

    Attributes:
        node: the node; of the nodes among its arguments the index is the row.
        shape, dtype: of its value; no dtype where there are several.
    """

    node: Node
    shape: tuple[int, ...]
    dtype: Any


class Flat:
    """The graph of a function, in rows in topological order.

    A row is given (an input), a step on numbers, an element of an array (LOAD), an array of
    numbers (JOIN), or something else (OTHER). What is no row is a constant.

    Attributes:
        kinds: what the numbers in ``kind`` mean, from JOIN + 1 on.
        kind: of each row.
        first, second, third: its arguments: rows, −1 for none, −2 − k for the constant k. A LOAD
            has the row of its array and the position there, a JOIN and an OTHER their number.
        constants: (dtype, bytes) of each.
        joins: the rows and constants of each array of numbers, and its dtype.
        others: what is no step.
        inputs, outputs: stubs of nodes, whose index is the row; outputs may be constant values.
        places: the user's code and instruction of the first steps.
    """

    def __init__(self) -> None:
        self.kinds: list[Kind] = []
        self.kind, self.first = array("i"), array("i")
        self.second, self.third = array("i"), array("i")
        self.constants: list[tuple[str, bytes]] = []
        self.joins: list[tuple[array[int], Any]] = []
        self.others: list[Other] = []
        self.inputs: list[Node] = []
        self.outputs: list[Any] = []
        self.places: list[tuple[CodeType | None, int]] = []

    def __len__(self) -> int:
        return len(self.kind)

    def rows(self) -> Iterator[tuple[int, int, int, int]]:
        """The kind and the arguments of each row."""
        return zip(self.kind, self.first, self.second, self.third, strict=True)

    def names(self) -> Counter[str]:
        """How many steps there are of each function."""
        found: Counter[str] = Counter()
        for number, count in zip(*_counted(self.kind), strict=True):
            if number > JOIN:
                found[self.kinds[number - JOIN - 1].name] += count
        return found

    @property
    def nodes(self) -> list[Node]:
        """What is no step on single numbers."""
        return [other.node for other in self.others]

    def has_rows_of(self, other: Flat) -> bool:
        """Are all rows the same, but for those that are nodes?"""
        return (
            self.kinds == other.kinds
            and self.kind == other.kind
            and self.first == other.first
            and self.second == other.second
            and self.third == other.third
            and self.constants == other.constants
            and self.joins == other.joins
            and [_place(y) for y in self.outputs] == [_place(y) for y in other.outputs]
        )

    def let_go(self) -> None:
        """Keep the outputs alone."""
        outputs = self.outputs
        Flat.__init__(self)
        self.outputs = outputs


def _place(y: Any) -> int:
    return y.index if isinstance(y, Node) else NONE


def flattened(inputs: Sequence[Node], outputs: Sequence[Any]) -> Flat | None:
    """The graph of a tape in rows, or None where LLVM can have all steps one by one.

    Args:
        inputs: the first nodes of a tape that is still open.
        outputs: nodes, or constant values.
    """
    from chainrule.engine.native.groups import UNROLLED
    from chainrule.engine.native.repertoire import unrolled_seconds

    if not inputs or len(inputs[0].tape.nodes) <= LONG:
        return None
    flat = _Flattener(inputs, outputs).flat
    names = flat.names()
    is_long = names.total() > LONG and unrolled_seconds(names) > UNROLLED
    return flat if is_long else None


def _counted(kind: array[int]) -> tuple[list[int], list[int]]:
    found, counts = np.unique(np.frombuffer(kind, np.int32), return_counts=True)
    return found.tolist(), counts.tolist()


class _Flattener:
    """Writes the rows of a graph from the nodes of a tape that is still open.

    Args:
        inputs: the first nodes of the tape.
        outputs: nodes, or constant values.
    """

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Any]) -> None:
        self.flat = Flat()
        self.nodes = inputs[0].tape.nodes
        self._frozen = Frozen({id(x) for x in inputs[0].tape.held})
        self.row = array("i", [NONE]) * len(self.nodes)  # of each node; a constant has none
        self._kinds: dict[Any, int] = {}  # a function and the types around it → a kind of row
        self._constants: dict[tuple[str, bytes], int] = {}
        for node in inputs:
            self.flat.inputs.append(self._stub(node, self._append(GIVEN, NONE)))
            self.row[node.index] = len(self.flat) - 1
        self._write(outputs)
        self.flat.outputs = [
            self._stub(y, self.row[y.index])
            if isinstance(y, Node) and self.row[y.index] >= 0
            else self._plain(y)
            for y in outputs
        ]

    def _write(self, outputs: Sequence[Any]) -> None:
        """The rows of all nodes that an output depends on."""
        needed, row, known = self._needed(outputs), self.row, self._kinds
        flat = self.flat
        kind, first, second, third = flat.kind, flat.first, flat.second, flat.third
        for node in self.nodes:
            if not needed[node.index] or node.fn is None:
                continue
            args, fn = node.args, node.fn
            if node.params or not 0 < len(args) < 3:
                if fn is not getitem or not self._element(node, args[0]):
                    self._add(node)
                continue
            x = args[0]
            if isinstance(x, Node):
                i, x = row[x.index], x.value
            else:
                i = NONE
            if len(args) == 1:
                if i < 0:
                    continue  # a constant
                j = NONE
                number = known.get((fn, type(x)))
            else:
                y = args[1]
                if isinstance(y, Node):
                    j, y = row[y.index], y.value
                else:
                    j = NONE
                if i >= 0 and j >= 0:
                    number = known.get((fn, type(x), type(y)))
                else:
                    number = known.get((fn, i < 0, type(x), type(y)))
            if number is None or number <= JOIN:
                self._add(node)
                continue
            if len(args) == 2 and (i < 0 or j < 0):
                if i < 0 and j < 0:
                    continue
                given = flat.kinds[number - JOIN - 1].given
                if i >= 0:
                    j = self._constant(y, given[1])
                elif fn in COMMUTING:
                    i, j = j, self._constant(x, given[1])
                else:
                    i = self._constant(x, given[0])
            if len(flat.places) < LINES:
                flat.places.append((node.code, node.lasti))
            row[node.index] = len(kind)
            kind.append(number)
            first.append(i)
            second.append(j)
            third.append(NONE)

    def _element(self, node: Node, source: Any) -> bool:
        """Write the row of x[i], if it is just that: a loop over elements makes very many."""
        key, value = node.params["index"].key, source.value
        row = self.row[source.index]
        if type(key) is not int or row < 0 or value.ndim != 1 or type(node.value) not in NUMBERS:
            return False
        self.row[node.index] = len(self.flat)
        if len(value) > 1:
            self._append(LOAD, row, key % len(value))
        else:
            self.row[node.index] = row
        return True

    def _needed(self, outputs: Sequence[Any]) -> bytearray:
        """For each node: does an output depend on it?"""
        needed = bytearray(len(self.nodes))
        for y in outputs:
            if isinstance(y, Node):
                needed[y.index] = 1
        for node in reversed(self.nodes):
            if needed[node.index]:
                for a in node.args:
                    if isinstance(a, Node):
                        needed[a.index] = 1
        return needed

    def _append(self, kind: int, first: int, second: int = NONE, third: int = NONE) -> int:
        flat = self.flat
        flat.kind.append(kind)
        flat.first.append(first)
        flat.second.append(second)
        flat.third.append(third)
        return len(flat.kind) - 1

    def _constant(self, x: Any, dtype: str) -> int:
        """The reference to a constant, as the code takes it."""
        same = dtype == "float64" and isinstance(x, float)
        data = _pack(x) if same else np.array(x).astype(dtype).tobytes()
        key = dtype, data
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = -2 - len(self.flat.constants)
            self.flat.constants.append(key)
        return found

    # Nodes of any kind -----------------------------------------------------------------------

    def _add(self, node: Node) -> None:
        """The row of a node whose kind is not known yet, or that is not a plain step."""
        rows = [self.row[a.index] if isinstance(a, Node) else NONE for a in node.args]
        if max(rows, default=NONE) < 0:
            return  # a constant
        found = self._step(node, rows)
        if found is None:
            found = self._moved(node, rows)
        if found is None:
            found = self._append(OTHER, NONE, len(self.flat.others))
            self.flat.others.append(self._other(node, rows, found))
        self.row[node.index] = found

    def _other(self, node: Node, rows: list[int], row: int) -> Other:
        """A node that is no step on numbers, without those before it."""
        args = tuple(
            self._stub(a, i) if i >= 0 else self._plain(a)
            for a, i in zip(node.args, rows, strict=True)
        )
        copy = Node(node.fn, args, node.params, None, row, _STUBS, node.code, node.lasti)
        shape, dtype = getattr(node.value, "shape", ()), getattr(node.value, "dtype", None)
        return Other(copy, shape, dtype)

    def _plain(self, x: Any) -> Any:
        """A constant that outlives the trace."""
        return self._frozen(x.value if isinstance(x, Node) else x)

    def _stub(self, node: Node, row: int) -> Node:
        """What stands for a node: its row, the shape and the dtype."""
        value = node.value
        what = {"shape": getattr(value, "shape", ()), "dtype": getattr(value, "dtype", None)}
        return Node(None, (), {"name": node.name, **what}, None, row, _STUBS, None, 0)

    def _step(self, node: Node, rows: list[int]) -> int | None:
        """The row of a step on numbers."""
        fn, values = node.fn, [a.value if isinstance(a, Node) else a for a in node.args]
        plain = not node.params if isinstance(fn, Pointwise) else fn.name in ELEMENTWISE
        if not plain or type(node.value) not in NUMBERS or not 0 < len(values) <= 3:
            return None
        if any(i >= 0 and type(x) not in NUMBERS for i, x in zip(rows, values, strict=True)):
            return None
        mixed = () if len(values) == 1 or min(rows) >= 0 else (rows[0] < 0,)
        key = (fn, *mixed, *map(type, values))
        if fn in COMMUTING and rows[0] < 0:
            rows, values = rows[::-1], values[::-1]
        kind = _kind(fn.name, node.value.dtype, rows, values)
        if kind is None:
            return None
        if kind not in self.flat.kinds:
            self.flat.kinds.append(kind)
        number = self.flat.kinds.index(kind) + JOIN + 1
        if len(values) < 3 and not node.params and np.ndarray not in key:  # which has any shape
            self._kinds[key] = number
        args = [
            i if i >= 0 else self._constant(x, dtype)
            for i, x, dtype in zip(rows, values, kind.given, strict=True)
        ]
        if len(self.flat.places) < LINES:
            self.flat.places.append((node.code, node.lasti))
        return self._append(number, *args)

    def _moved(self, node: Node, rows: list[int]) -> int | None:
        """The row of a number that only gets another shape, or comes from or goes to an array."""
        fn, value = node.fn, node.value
        if getattr(value, "dtype", None) is None or str(value.dtype) not in DTYPES:
            return None
        if fn is concatenate:
            return self._joined(node, rows)
        source = node.args[0].value if isinstance(node.args[0], Node) else None
        if value.size != 1 or not isinstance(source, (np.ndarray, np.generic)):
            return None
        if source.dtype != value.dtype:
            return None
        if source.size == 1 and (fn is reshape or fn is getitem or fn in ALIASES):
            return rows[0]
        if fn is getitem and node.params["index"].basic:
            element = _element(node.params["index"].key, source.shape)
            if element is not None:
                return self._append(LOAD, rows[0], element)
        return None

    def _joined(self, node: Node, rows: list[int]) -> int | None:
        """The row of an array of numbers."""
        values = [a.value if isinstance(a, Node) else a for a in node.args]
        dtype = node.value.dtype
        if node.value.ndim != 1 or any(np.shape(x) != (1,) or x.dtype != dtype for x in values):
            return None
        members = array(
            "i",
            [
                i if i >= 0 else self._constant(x[0], str(dtype))
                for i, x in zip(rows, values, strict=True)
            ],
        )
        self.flat.joins.append((members, dtype))
        return self._append(JOIN, NONE, len(self.flat.joins) - 1)


def _kind(
    name: str, dtype: np.dtype[Any], rows: Sequence[int], values: Sequence[Any]
) -> Kind | None:
    """What a step on numbers does, or None if there is no code for it."""
    from chainrule.engine.native.assembling import wanted
    from chainrule.engine.native.repertoire import is_number, supported

    args = tuple(
        Op("operand", (), NO_PARAMS, (), x.dtype, None) if i >= 0 else x
        for i, x in zip(rows, values, strict=True)
    )
    step = Op(name, args, NO_PARAMS, (), dtype, None)
    if not is_number(step) or not supported(step):
        return None
    given = [a.kind if isinstance(a, Op) else wanted(step, k) for k, a in enumerate(args)]
    return Kind(name, step.kind, tuple(given))


def _element(key: Any, shape: tuple[int, ...]) -> int | None:
    """The position, in C order, of the only element that a basic index takes."""
    parts = [p for p in (key if isinstance(key, tuple) else (key,)) if p is not None]
    if any(p is Ellipsis for p in parts):
        return None
    position = 0
    for k, n in enumerate(shape):
        p = parts[k] if k < len(parts) else slice(None)
        place = range(*p.indices(n))[0] if isinstance(p, slice) else int(p) % n
        position = position * n + place
    return position


__all__ = ["GIVEN", "JOIN", "LINES", "LOAD", "LONG", "OTHER", "Flat", "Other", "flattened"]
