"""The program of a long function, in which the steps on single numbers are a few operations.

Such an operation is a "stretch". The arrays that it reads are its arguments, and each number, or
array of numbers, that something else reads is a "result" of it. What is no step on single numbers
becomes operations as elsewhere.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

import numpy as np

from chainrule.engine import padding
from chainrule.engine.building import Builder
from chainrule.engine.flattening import GIVEN, JOIN, LOAD, OTHER, Flat
from chainrule.engine.program import Op, Program
from chainrule.engine.simplifying import operation
from chainrule.engine.step_building import StepBuilder
from chainrule.engine.steps import NONE, Steps
from chainrule.graph import Node


def condensed(flat: Flat) -> Program:
    """The program of a flat graph, whose rows are let go.

    Equal steps are there once, each in its simplest form. Nothing that changes a NaN, an infinity
    or the sign of a zero is done.
    """
    program = _Condenser(flat).program()
    flat.let_go()
    return program


class _Condenser:
    """Makes the program.

    Attributes:
        ops: the operations of rows that are not only numbers.
        value: for each row the number of its value, from the end backwards −1 for no argument and
            the values of the constants; None for what is no number, or not read yet.
        sources: the rows of the arrays that steps read, in the order of their numbers.
        results: the operations that stand for values, with the numbers of these.
    """

    def __init__(self, flat: Flat) -> None:
        self.flat = flat
        self.build = Builder()
        self.steps = StepBuilder(_goes_back(flat))
        self.ops: dict[int, Any] = {}
        self.value: list[int | None] = [None] * (len(flat) + len(flat.constants)) + [NONE]
        self.sources: dict[int, int] = {}
        self.results: list[tuple[Op, Sequence[int]]] = []
        self.lines: list[tuple[CodeType | None, int]] = []  # of the first values
        self._numbers: dict[int, Op] = {}  # a value → the operation that stands for it
        self._levels: dict[int, int] = {}  # a row of ops → on how many stretches it rests

    def program(self) -> Program:
        flat = self.flat
        for x in flat.inputs:
            what = x.params["shape"], x.params["dtype"]
            self.ops[x.index] = Op("input", (), {"name": x.name}, *what, x)
        self._rows()
        outputs = [self._op(y) if isinstance(y, Node) else y for y in flat.outputs]
        steps, level = self.steps.steps(), self.steps.level
        steps.places = self.lines
        if level is None:
            _finish(steps, [self.ops[row] for row in self.sources], self.results)
        else:
            self._split(steps, level)
        inputs = [self.ops[x.index] for x in flat.inputs]
        return padding.sunk(Program(inputs, outputs), self.build)

    def _rows(self) -> None:
        flat, value, steps, number = self.flat, self.value, self.steps, self._number
        kinds = [-1] * (JOIN + 1) + [steps.kind(kind) for kind in flat.kinds]
        known, made, wanted, quick = steps.known, steps.rows, steps.wanted, steps.level is None
        for row, (kind, a, b, c) in enumerate(flat.rows()):
            if kind > JOIN:
                x, y, z = value[a], value[b], value[c]
                if x is None or y is None or z is None:
                    x, y, z = number(a), number(b), number(c)
                own = kinds[kind]
                special = wanted[own]
                if quick and x not in special and y not in special:
                    key = own, x, y, z  # as step() does, without the call
                    found = value[row] = known.setdefault(key, len(made))
                    if found == len(made):
                        made.append(key)
                else:
                    value[row] = steps.step(own, x, y, z)
            elif kind == LOAD:
                value[row] = self._load(a, b)
            elif kind != GIVEN:
                self._other(row, kind)
        self._tell_lines()

    def _tell_lines(self) -> None:
        """Which line made the first values."""
        flat, lines = self.flat, self.lines
        first = (row for row, kind in enumerate(flat.kind) if kind > JOIN)
        for row, place in zip(first, flat.places, strict=False):
            lines += [place] * (self._number(row) + 1 - len(lines))

    def _number(self, reference: int) -> int:
        """The value of a row, or of a constant."""
        found = self.value[reference]
        if found is None:
            if reference < NONE:
                found = self.steps.constant(*self.flat.constants[-2 - reference])
            else:
                found = self._load(reference, 0)
            self.value[reference] = found
        return found

    def _load(self, row: int, element: int) -> int:
        source = self.sources.setdefault(row, len(self.sources))
        return self.steps.load(self.ops[row].kind, source, element, self._levels.get(row, 0) + 1)

    # What is no step on numbers ----------------------------------------------------------------

    def _other(self, row: int, kind: int) -> None:
        if kind == JOIN:
            members, dtype = self.flat.joins[self.flat.second[row]]
            values = array("i", map(self._number, members))
            self.ops[row] = self._result(values, (len(values),), dtype)
            below = [self._level(value) for value in values]
        else:
            other = self.flat.others[self.flat.second[row]]
            node = other.node
            args = [
                self._op(a) if isinstance(a, Node) else self.build.constant(a) for a in node.args
            ]
            self.ops[row] = operation(self.build, node, args, other.shape, other.dtype)
            below = [self._level_of(a.index) for a in node.args if isinstance(a, Node)]
        self._levels[row] = max(below, default=0)

    def _level(self, value: int) -> int:
        return 1 if self.steps.level is None else self.steps.level[value]

    def _level_of(self, row: int) -> int:
        return self._levels.get(row, 0) if row in self.ops else self._level(self._number(row))

    def _op(self, stub: Node) -> Any:
        """The operation that a row is, in the shape that its reader knows."""
        row, shape, dtype = stub.index, stub.params["shape"], stub.params["dtype"]
        found = self.ops.get(row)
        if found is None:
            value = self._number(row)
            found = self._numbers.get(value)
            if found is None:
                found = self._numbers[value] = self._result([value], (), dtype)
        if dtype is not None and isinstance(found, Op) and found.shape != shape:
            found = self.build.op("reshape", (found,), shape, dtype, shape=shape)
        return found

    def _result(self, values: Sequence[int], shape: tuple[int, ...], dtype: Any) -> Op:
        op = Op("result", (), {}, shape, dtype, None)
        self.results.append((op, values))
        return op

    # Stretches that take turns with work on arrays ---------------------------------------------

    def _split(self, whole: Steps, level: array[int]) -> None:
        """A stretch for each level; what a later one reads of an earlier one is a result of it."""
        whole.results = [values for _, values in self.results]
        needed = whole.readers(range(len(self.results)))
        sources = [self.ops[row] for row in self.sources]
        parts: dict[int, _Part] = {}

        def part_of(number: int) -> _Part:
            if number not in parts:
                parts[number] = _Part(whole, level, sources, part_of)
            return parts[number]

        for value, count in enumerate(needed):
            if count and whole.first[value] >= 0:
                part_of(level[value]).add(value)
        for op, values in self.results:
            own = part_of(max(1, *map(level.__getitem__, values)))
            own.results.append((op, [own.local(value) for value in values]))
        for own in parts.values():
            _finish(own.steps, own.sources, own.results)


class _Part:
    """The steps of one level.

    Attributes:
        steps: their values, with numbers of their own.
        sources, results: as those of the whole.
    """

    def __init__(
        self, whole: Steps, level: array[int], given: Sequence[Op], part_of: Callable[[int], _Part]
    ) -> None:
        self.whole, self.level, self.given, self.part_of = whole, level, given, part_of
        self.steps = Steps()
        self.sources: list[Op] = []
        self.results: list[tuple[Op, Sequence[int]]] = []
        self._local: dict[int, int] = {}  # a value of the whole → the one here
        self._numbers: dict[Op, int] = {}
        self._exported: dict[int, Op] = {}

    def add(self, value: int) -> None:
        """Add a step."""
        whole = self.whole
        args = whole.first[value], whole.second[value], whole.third[value]
        kind = self.steps.number(whole.kinds[whole.kind[value]])
        own = self.steps.append(kind, *(NONE if a < 0 else self.local(a) for a in args))
        self._local[value] = own

    def local(self, value: int) -> int:
        """The number here of a value of the whole, which may come from another part."""
        found = self._local.get(value)
        if found is not None:
            return found
        whole = self.whole
        name, dtype, _ = whole.kinds[whole.kind[value]]
        if name == "constant":
            found = self.steps.constant(dtype, whole.pool[whole.second[value]])
        elif name == "load":
            source = self._source(self.given[whole.second[value]])
            found = self.steps.load(dtype, source, whole.third[value])
        else:
            source = self._source(self.part_of(self.level[value]).exported(value))
            found = self.steps.load(dtype, source, 0)
        self._local[value] = found
        return found

    def exported(self, value: int) -> Op:
        """The operation that stands for a value elsewhere."""
        if value not in self._exported:
            dtype = np.dtype(self.whole.kinds[self.whole.kind[value]].dtype)
            op = self._exported[value] = Op("result", (), {}, (), dtype, None)
            self.results.append((op, [self._local[value]]))
        return self._exported[value]

    def _source(self, op: Op) -> int:
        found = self._numbers.setdefault(op, len(self.sources))
        if found == len(self.sources):
            self.sources.append(op)
        return found


def _finish(
    steps: Steps, sources: Sequence[Op], results: Sequence[tuple[Op, Sequence[int]]]
) -> None:
    """Let the results be those of one stretch."""
    stretch = Op("stretch", tuple(sources), {"steps": steps}, (), np.dtype(object), None)
    steps.results = [values for _, values in results]
    for number, (op, _) in enumerate(results):
        op.args, op.params = (stretch,), {"number": number}


def _goes_back(flat: Flat) -> bool:
    """Do steps read an array that is made from the results of steps?"""
    kind, first = np.frombuffer(flat.kind, np.int32), np.frombuffer(flat.first, np.int32)
    late: set[int] = set()
    for row in np.flatnonzero((kind == JOIN) | (kind == OTHER)).tolist():
        if kind[row] == JOIN:
            late.add(row)
            continue
        given = [a.index for a in flat.others[flat.second[row]].node.args if isinstance(a, Node)]
        if any(kind[a] > JOIN or kind[a] == LOAD or a in late for a in given):
            late.add(row)
    rows = np.zeros(len(kind) + 1, bool)
    rows[list(late)] = True
    loads = first[kind == LOAD]
    if rows[loads].any():
        return True
    steps = kind > JOIN
    return any(
        rows[np.maximum(np.frombuffer(x, np.int32)[steps], NONE)].any()
        for x in (flat.first, flat.second, flat.third)
    )


__all__ = ["condensed"]
