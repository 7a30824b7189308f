"""A long trace of single numbers as rows of whole numbers, without an object for each step.

A function that Python's loops unroll to a million steps is traced as a million nodes. Here they
become four integers each as soon as the trace ends, and the nodes are let go. What is no step on
single numbers stays a node, of which there are few.
"""

from __future__ import annotations

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
from chainrule.engine.columns import Columns
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

    A row is given (an input, or empty), a step on numbers, an element of an array (LOAD), an array
    of numbers (JOIN), or something else (OTHER). What is no row is a constant.

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

    def allot(self, count: int) -> None:
        """Make room for so many rows, which are empty."""
        self.kind = array("i", [GIVEN]) * count
        self.first, self.second, self.third = (array("i", [NONE]) * count for _ in range(3))

    def put(self, row: int, kind: int, first: int, second: int = NONE, third: int = NONE) -> None:
        """Write a row."""
        self.kind[row], self.first[row] = kind, first
        self.second[row], self.third[row] = second, third

    def number(self, kind: Kind) -> int:
        """What stands for a kind in ``kind``."""
        if kind not in self.kinds:
            self.kinds.append(kind)
        return self.kinds.index(kind) + JOIN + 1

    def rows(self) -> Iterator[tuple[int, int, int, int]]:
        """The kind and the arguments of each row."""
        return zip(self.kind, self.first, self.second, self.third, strict=True)

    def names(self) -> Counter[str]:
        """How many steps there are of each function."""
        found: Counter[str] = Counter()
        counts = np.bincount(np.frombuffer(self.kind, np.int32), minlength=JOIN + 1)[JOIN + 1 :]
        for kind, count in zip(self.kinds, counts.tolist(), strict=False):
            found[kind.name] += count
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


def flattened(columns: Columns, inputs: Sequence[Node], outputs: Sequence[Any]) -> Flat | None:
    """The graph of a tape in rows, or None where LLVM can have all steps one by one.

    Args:
        columns: the nodes of the tape.
        inputs: the first of them; the tape is still open.
        outputs: nodes, or constant values.
    """
    from chainrule.engine.native.groups import UNROLLED
    from chainrule.engine.native.repertoire import unrolled_seconds

    flat = _Flattener(columns, inputs, outputs).flat
    names = flat.names()
    is_long = names.total() > LONG and unrolled_seconds(names) > UNROLLED
    return flat if is_long else None


class _Flattener:
    """Writes the rows of a graph from the nodes of a tape that is still open.

    Args:
        columns: the nodes of the tape.
        inputs: the first of them.
        outputs: nodes, or constant values.

    Attributes:
        fixed: for each node, and for "no node" at −1: is it a constant?
        row: of each node; a constant, and what no output depends on, has none.
    """

    def __init__(self, columns: Columns, inputs: Sequence[Node], outputs: Sequence[Any]) -> None:
        tape = inputs[0].tape
        self.flat, self.columns, self.nodes = Flat(), columns, tape.nodes
        self._frozen = Frozen({id(x) for x in tape.held})
        self._constants: dict[tuple[str, bytes], int] = {}
        self.fixed = np.append(self._fixed(len(inputs)), True)
        needed = self._needed() & ~self.fixed[:-1]
        needed[: len(inputs)] = True
        rows = np.where(needed, np.cumsum(needed, dtype=np.int32) - 1, NONE).astype(np.int32)
        self.row = array("i", rows.tobytes())
        written = np.flatnonzero(needed)
        self.flat.allot(len(written))
        self.flat.inputs = [self._stub(x, k) for k, x in enumerate(inputs)]
        groups, others = self._grouped(written[len(inputs) :])
        for position in others:
            self._add(self.nodes[position])
        for kind, members in groups:
            self._write(kind, members)
        for k in np.flatnonzero(np.frombuffer(self.flat.kind, np.int32) > JOIN)[:LINES]:
            node = self.nodes[written[k]]
            self.flat.places.append((node.code, node.lasti))
        self.flat.outputs = [
            self._stub(y, self.row[y.index])
            if isinstance(y, Node) and self.row[y.index] >= 0
            else self._plain(y)
            for y in outputs
        ]

    def _fixed(self, inputs: int) -> np.ndarray:
        """For each node: does it depend on no input?"""
        columns = self.columns
        fixed: np.ndarray = columns.fn == columns.functions.index(None)
        fixed[:inputs] = False
        if fixed[columns.args[columns.args >= 0]].any():
            for position in range(int(fixed.argmax()), len(fixed)):
                given = [a.index for a in self.nodes[position].args if isinstance(a, Node)]
                if given and all(fixed[given]):
                    fixed[position] = True
        return fixed

    def _needed(self) -> np.ndarray:
        """For each node: does an output depend on it?"""
        args, start, count = self.columns.args, self.columns.start, self.columns.count
        read = np.append(args, [y for y in self.columns.outputs if type(y) is int])
        reads = np.bincount(read.astype(np.int64) + 1, minlength=len(start) + 1)[1:]
        waiting = np.flatnonzero(reads == 0).tolist()
        while waiting:
            position = waiting.pop()
            for a in args[start[position] : start[position] + count[position]].tolist():
                if a >= 0:
                    reads[a] -= 1
                    if not reads[a]:
                        waiting.append(a)
        return reads > 0  # type: ignore[no-any-return]

    # Steps on numbers, all of a kind at once ---------------------------------------------------

    def _grouped(self, needed: np.ndarray) -> tuple[list[tuple[Kind, np.ndarray]], list[int]]:
        """The steps of each kind, and what is something else."""
        columns, size = self.columns, len(self.columns.types)
        is_node = columns.args >= 0
        number = np.empty(len(is_node), np.int32)  # of each argument's type, from 1 on
        number[is_node] = columns.kind[columns.args[is_node]] + 1
        number[~is_node] = columns.kinds + 1
        number[self.fixed[columns.args]] += size
        plain = columns.count < 4
        plain[list(columns.params)] = False
        plain = plain[needed]
        members, others = needed[plain], needed[~plain].tolist()
        count, key = columns.count[members], columns.fn[members].astype(np.int64)
        for k in range(3):
            at = np.where(count > k, columns.start[members] + k, 0)
            key = key * (2 * size + 1) + np.where(count > k, number[at], 0)
        order = np.argsort(key, kind="stable")
        parts = np.split(members[order], np.flatnonzero(np.diff(key[order])) + 1)
        groups = []
        for part in sorted(filter(len, parts), key=lambda part: int(part[0])):
            node = self.nodes[part[0]]
            kind = self._kind(node)
            if kind is None or any(map(_is_array, node.args)):  # arrays have any shape
                others += part.tolist()
            else:
                groups.append((kind, part))
        return groups, sorted(others)

    def _write(self, kind: Kind, members: np.ndarray) -> None:
        """The rows of steps."""
        columns, row = self.columns, np.frombuffer(self.row, np.int32)
        places = [columns.start[members] + k for k in range(len(kind.given))]
        order = self._order(self.nodes[members[0]])
        own, columns_of = row[members], (self.flat.first, self.flat.second, self.flat.third)
        np.frombuffer(self.flat.kind, np.int32)[own] = self.flat.number(kind)
        for column, k, dtype in zip(columns_of, order, kind.given, strict=False):
            given = columns.args[places[k]]
            fixed = self.fixed[given[0]]
            found = self._references(places[k], dtype) if fixed else row[given]
            np.frombuffer(column, np.int32)[own] = found

    def _references(self, places: np.ndarray, dtype: str) -> np.ndarray:
        """The references to constants, of which all are of one type, at places among arguments."""
        columns = self.columns
        number = np.cumsum(columns.args < 0) - 1
        values = [
            self.nodes[i].value if i >= 0 else columns.constants[k]
            for i, k in zip(columns.args[places].tolist(), number[places].tolist(), strict=True)
        ]
        if not isinstance(values[0], (float, np.floating)):
            return np.array([self._reference(x, dtype) for x in values], np.int32)
        data = np.array(values).astype(dtype)
        _, first, inverse = np.unique(
            data.view(f"u{data.itemsize}"), return_index=True, return_inverse=True
        )
        found = np.array([self._reference(x, dtype) for x in data[first]], np.int32)
        return found[inverse]  # type: ignore[no-any-return]

    def _reference(self, x: Any, dtype: str) -> int:
        """The reference to a constant, as the code takes it."""
        key = dtype, np.array(x).astype(dtype).tobytes()
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = -2 - len(self.flat.constants)
            self.flat.constants.append(key)
        return found

    def _kind(self, node: Node) -> Kind | None:
        """What a step on numbers does; None for what is something else."""
        fn, values = node.fn, [a.value if isinstance(a, Node) else a for a in node.args]
        plain = not node.params if isinstance(fn, Pointwise) else fn.name in ELEMENTWISE
        if not plain or type(node.value) not in NUMBERS or not 0 < len(values) <= 3:
            return None
        fixed = [not isinstance(a, Node) or self.fixed[a.index] for a in node.args]
        if any(type(x) not in NUMBERS for x, own in zip(values, fixed, strict=True) if not own):
            return None
        order = self._order(node)
        fixed, values = [fixed[k] for k in order], [values[k] for k in order]
        return _kind(fn.name, node.value.dtype, fixed, values)

    def _order(self, node: Node) -> Sequence[int]:
        """In which order a step has its arguments."""
        first = node.args[0]
        swaps = node.fn in COMMUTING and (not isinstance(first, Node) or self.fixed[first.index])
        return (1, 0) if swaps else range(len(node.args))

    # Nodes of any kind -------------------------------------------------------------------------

    def _add(self, node: Node) -> None:
        """The row of a node that is not one of many alike."""
        row = self.row[node.index]
        if node.fn is getitem and self._element(node, row):
            return
        rows = [self.row[a.index] if isinstance(a, Node) else NONE for a in node.args]
        kind = self._kind(node)
        if kind is not None:
            order = self._order(node)
            args = [
                rows[k] if rows[k] >= 0 else self._reference(self._plain(node.args[k]), dtype)
                for k, dtype in zip(order, kind.given, strict=True)
            ]
            self.flat.put(row, self.flat.number(kind), *args)
        elif not self._moved(node, rows, row):
            self.flat.put(row, OTHER, NONE, len(self.flat.others))
            self.flat.others.append(self._other(node, rows, row))

    def _element(self, node: Node, own: int) -> bool:
        """Write the row of x[i], if it is just that: a loop over elements makes very many."""
        source = node.args[0]
        key, value = node.params["index"].key, source.value
        row = self.row[source.index]
        if type(key) is not int or row < 0 or value.ndim != 1 or type(node.value) not in NUMBERS:
            return False
        if len(value) > 1:
            self.flat.put(own, LOAD, row, key % len(value))
        else:
            self.row[node.index] = row
        return True

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

    def _moved(self, node: Node, rows: list[int], own: int) -> bool:
        """Write the row of a number that gets another shape, or comes from or goes to an array."""
        fn, value = node.fn, node.value
        if getattr(value, "dtype", None) is None or str(value.dtype) not in DTYPES:
            return False
        if fn is concatenate:
            return self._joined(node, rows, own)
        source = node.args[0].value if isinstance(node.args[0], Node) else None
        if value.size != 1 or not isinstance(source, (np.ndarray, np.generic)):
            return False
        if source.dtype != value.dtype:
            return False
        if source.size == 1 and (fn is reshape or fn is getitem or fn in ALIASES):
            self.row[node.index] = rows[0]
            return True
        if fn is getitem and node.params["index"].basic:
            element = _element(node.params["index"].key, source.shape)
            if element is not None:
                self.flat.put(own, LOAD, rows[0], element)
                return True
        return False

    def _joined(self, node: Node, rows: list[int], own: int) -> bool:
        """Write the row of an array of numbers."""
        values = [a.value if isinstance(a, Node) else a for a in node.args]
        dtype = node.value.dtype
        if node.value.ndim != 1 or any(np.shape(x) != (1,) or x.dtype != dtype for x in values):
            return False
        members = [
            i if i >= 0 else self._reference(x[0], str(dtype))
            for i, x in zip(rows, values, strict=True)
        ]
        self.flat.put(own, JOIN, NONE, len(self.flat.joins))
        self.flat.joins.append((array("i", members), dtype))
        return True


def _kind(
    name: str, dtype: np.dtype[Any], fixed: Sequence[bool], values: Sequence[Any]
) -> Kind | None:
    """What a step on numbers does, or None if there is no code for it."""
    from chainrule.engine.native.assembling import wanted
    from chainrule.engine.native.repertoire import is_number, supported

    args = tuple(
        x if own else Op("operand", (), NO_PARAMS, (), x.dtype, None)
        for x, own in zip(values, fixed, strict=True)
    )
    step = Op(name, args, NO_PARAMS, (), dtype, None)
    if not is_number(step) or not supported(step):
        return None
    given = [a.kind if isinstance(a, Op) else wanted(step, k) for k, a in enumerate(args)]
    return Kind(name, step.kind, tuple(given))


def _is_array(a: Any) -> bool:
    return isinstance(a.value if isinstance(a, Node) else a, np.ndarray)


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
