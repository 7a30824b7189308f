"""Steps on single numbers are made here, each only once, and in the simplest form.

The rules are those of ``building.py``, on numbers of values in place of operations. Of a sum or
product the constant comes second.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable

import numpy as np

from chainrule.engine.building import joined
from chainrule.engine.steps import NONE, Kind, Steps

_UNPACK = {
    dtype: struct.Struct(code).unpack
    for dtype, code in (("float64", "d"), ("float32", "f"), ("int64", "q"))
}


class StepBuilder:
    """Makes steps, each only once, simplified as they are made.

    Attributes:
        rows: of each value its kind and its arguments, as :class:`Steps` has them.
        known: the value of each row.
        kinds, pool: as those of :class:`Steps`.
        wanted: for each kind the values that its rule, if it has one, wants to see as an argument.
        level: for each value on how many stretches of steps it rests, itself included; constants
            rest on none. None where all others are of the first.
    """

    def __init__(self, leveled: bool) -> None:
        self.rows: list[Row] = []
        self.known: dict[Row, int] = {}
        self.kinds: list[Kind] = []
        self.pool: list[bytes] = []
        self.wanted: list[set[int]] = []
        self.level = array("i") if leveled else None
        self._numbers: dict[Kind, int] = {}
        self._negatives: set[int] = set()
        self._special = {NONE}  # constants and negatives; every rule for one argument
        self._constants: dict[tuple[str, bytes], int] = {}
        self._floats: dict[int, float] = {}  # constants that are numbers

    def kind(self, kind: Kind) -> int:
        """The number of a kind."""
        number = self._numbers.get(kind)
        if number is None:
            number = self._numbers[kind] = len(self.kinds)
            self.kinds.append(kind)
            both = self._negatives if kind.name in ("add", "subtract") else self._special
            self.wanted.append(both if kind.given and kind.name in RULES else set())
        return number

    def constant(self, dtype: str, data: bytes) -> int:
        """The value of a constant of some bytes."""
        found = self._constants.get((dtype, data))
        if found is None:
            row = self.kind(Kind("constant", dtype)), NONE, len(self.pool), NONE
            found = self._constants[dtype, data] = self.add(row, 0)
            self.pool.append(data.ljust(8, b"\0"))
            self._special.add(found)
            if dtype != "bool":
                self._floats[found] = _UNPACK[dtype](data)[0]
        return found

    def load(self, dtype: str, source: int, element: int, level: int) -> int:
        """The value of an element of a source."""
        row = self.kind(Kind("load", dtype)), NONE, source, element
        found = self.known.get(row)
        return self.add(row, level) if found is None else found

    def step(self, kind: int, a: int, b: int = NONE, c: int = NONE) -> int:
        """The value of a step, or of what it is equal to."""
        wanted = self.wanted[kind]
        if a in wanted or b in wanted:
            name, dtype, _ = self.kinds[kind]
            found = RULES[name](self, dtype, a, b)
            if found is not None:
                return found
        row = kind, a, b, c
        found = self.known.get(row)
        if found is None:
            level = self.level
            found = self.add(row, max(level[x] for x in (a, b, c) if x >= 0) if level else 0)
            if self.kinds[kind].name == "negative":
                self._negatives.add(found)
                self._special.add(found)
        return found

    def add(self, row: Row, level: int) -> int:
        """The value of a row that there is not yet."""
        found = self.known[row] = len(self.rows)
        self.rows.append(row)
        if self.level is not None:
            self.level.append(level)
        return found

    def steps(self) -> Steps:
        """All of them."""
        return Steps(self.kinds, self.rows, self.pool)

    # For the rules -----------------------------------------------------------------------------

    def op(self, name: str, dtype: str, *args: int) -> int:
        """A step by its name, simplified."""
        return self.step(self.kind(Kind(name, dtype, tuple(map(self.dtype, args)))), *args)

    def name(self, value: int) -> str:
        return self.kinds[self.rows[value][0]].name

    def dtype(self, value: int) -> str:
        return self.kinds[self.rows[value][0]].dtype

    def first(self, value: int) -> int:
        return self.rows[value][1]

    def number(self, value: int) -> float | None:
        """The number that a value is, if it is constant."""
        return self._floats.get(value)

    def scaled(self, dtype: str, x: int, factor: float) -> int:
        """x · factor."""
        return self.op("multiply", dtype, x, self.constant(dtype, _bytes(dtype, factor)))


Row = tuple[int, int, int, int]
Rule = Callable[[StepBuilder, str, int, int], int | None]


def _bytes(dtype: str, x: float) -> bytes:
    return np.dtype(dtype).type(x).tobytes()


def _is_floating(dtype: str) -> bool:
    return dtype in ("float64", "float32")


def _same(s: StepBuilder, dtype: str, a: int, b: int) -> int | None:
    return a if s.dtype(a) == dtype else None


def _add(s: StepBuilder, dtype: str, a: int, b: int) -> int | None:
    if _is_floating(dtype):
        for one, other in ((a, b), (b, a)):
            if s.name(other) == "negative":
                return s.op("subtract", dtype, one, s.first(other))
    return None


def _subtract(s: StepBuilder, dtype: str, a: int, b: int) -> int | None:
    if s.name(b) == "negative" and _is_floating(dtype):
        return s.op("add", dtype, a, s.first(b))
    return None


def _multiply(s: StepBuilder, dtype: str, a: int, b: int) -> int | None:
    factor = s.number(b)
    kind, first, second, _ = s.rows[a]
    name, own, _ = s.kinds[kind]
    if factor is None:
        if name == s.name(b) == "negative" and own == dtype and _is_floating(dtype):
            return s.op("multiply", dtype, first, s.first(b))
        return None
    if factor == 1 and own == dtype:
        return a
    if not _is_floating(dtype):
        return None
    if factor == -1:
        return s.op("negative", dtype, a)
    if own != dtype:
        return None
    if name == "negative":
        return s.scaled(dtype, first, -factor)
    inner = s.number(second) if name == "multiply" else None
    both = joined(inner, factor, np.dtype(dtype)) if inner is not None else None
    return s.scaled(dtype, first, both) if both is not None else None


def _divide(s: StepBuilder, dtype: str, a: int, b: int) -> int | None:
    divisor = s.number(b)
    if divisor is None:
        return None
    if divisor == 1 and s.dtype(a) == dtype:
        return a
    # Division by a power of two is exactly multiplication by its inverse.
    if _is_floating(dtype) and math.isfinite(divisor) and divisor:
        mantissa, exponent = math.frexp(divisor)
        if abs(mantissa) == 0.5 and abs(exponent) < 100:
            return s.scaled(dtype, a, 1 / divisor)
    return None


def _negative(s: StepBuilder, dtype: str, a: int, b: int) -> int | None:
    if s.dtype(a) != dtype:
        return None
    if s.name(a) == "negative":
        return s.first(a)
    if s.name(a) == "multiply" and _is_floating(dtype):
        factor = s.number(s.rows[a][2])
        if factor is not None:
            return s.scaled(dtype, s.first(a), -factor)
    return None


def _power(s: StepBuilder, dtype: str, a: int, b: int) -> int | None:
    exponent = s.number(b)
    if exponent is None:
        return None
    if not _is_floating(dtype):
        return s.op("square", dtype, a) if exponent == 2 and s.dtype(a) == dtype else None
    name = "square" if exponent == 2 else "reciprocal" if exponent == -1 else None
    if name is None and exponent != 1:
        return None
    if s.dtype(a) != dtype:
        a = s.op("astype", dtype, a)
    return s.op(name, dtype, a) if name else a


RULES: dict[str, Rule] = {
    "add": _add,
    "astype": _same,
    "divide": _divide,
    "multiply": _multiply,
    "negative": _negative,
    "positive": _same,
    "power": _power,
    "subtract": _subtract,
}

__all__ = ["StepBuilder"]
