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
        steps: what is made.
        level: for each value on how many stretches of steps it rests, itself included; constants
            rest on none. None where all others are of the first.
    """

    def __init__(self, leveled: bool) -> None:
        self.steps = Steps()
        self.level = array("i") if leveled else None
        self._rules: list[Rule | None] = []  # of each kind
        self._special: list[bool] = []  # of each kind: may rules want to see it?
        self._constants: dict[tuple[str, bytes], int] = {}
        self._floats: dict[int, float] = {}  # constants that are numbers
        self._known: dict[object, int] = {}

    def kind(self, kind: Kind) -> int:
        """The number of a kind."""
        number = self.steps.number(kind)
        if number == len(self._rules):
            self._rules.append(RULES.get(kind.name) if kind.given else None)
            self._special.append(kind.name in ("constant", "negative"))
        return number

    def constant(self, dtype: str, data: bytes) -> int:
        """The value of a constant of some bytes."""
        found = self._constants.get((dtype, data))
        if found is None:
            self.kind(Kind("constant", dtype))
            found = self._constants[dtype, data] = self.steps.constant(dtype, data)
            if dtype != "bool":
                self._floats[found] = _UNPACK[dtype](data)[0]
            if self.level is not None:
                self.level.append(0)
        return found

    def load(self, dtype: str, source: int, element: int, level: int) -> int:
        """The value of an element of a source."""
        key = source, element
        found = self._known.get(key)
        if found is None:
            self.kind(Kind("load", dtype))
            found = self._known[key] = self.steps.load(dtype, source, element)
            if self.level is not None:
                self.level.append(level)
        return found

    def step(self, kind: int, a: int, b: int = NONE, c: int = NONE) -> int:
        """The value of a step, or of what it is equal to."""
        rule = self._rules[kind]
        if rule is not None:
            kinds, special = self.steps.kind, self._special
            if b < 0 or special[kinds[a]] or special[kinds[b]]:
                found = rule(self, self.steps.kinds[kind].dtype, a, b)
                if found is not None:
                    return found
        key: object = (kind << 32 | a) << 32 | b + 1 if c < 0 else (kind, a, b, c)
        found = self._known.get(key)
        if found is None:
            steps = self.steps
            found = self._known[key] = len(steps.kind)
            steps.kind.append(kind)
            steps.first.append(a)
            steps.second.append(b)
            steps.third.append(c)
            if self.level is not None:
                self.level.append(max(self.level[x] for x in (a, b, c) if x >= 0))
        return found

    # For the rules -----------------------------------------------------------------------------

    def op(self, name: str, dtype: str, *args: int) -> int:
        """A step by its name, simplified."""
        return self.step(self.kind(Kind(name, dtype, tuple(map(self.dtype, args)))), *args)

    def name(self, value: int) -> str:
        return self.steps.kinds[self.steps.kind[value]].name

    def dtype(self, value: int) -> str:
        return self.steps.kinds[self.steps.kind[value]].dtype

    def number(self, value: int) -> float | None:
        """The number that a value is, if it is constant."""
        return self._floats.get(value)

    def scaled(self, dtype: str, x: int, factor: float) -> int:
        """x · factor."""
        return self.op("multiply", dtype, x, self.constant(dtype, _bytes(dtype, factor)))


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
                return s.op("subtract", dtype, one, s.steps.first[other])
    return None


def _subtract(s: StepBuilder, dtype: str, a: int, b: int) -> int | None:
    if s.name(b) == "negative" and _is_floating(dtype):
        return s.op("add", dtype, a, s.steps.first[b])
    return None


def _multiply(s: StepBuilder, dtype: str, a: int, b: int) -> int | None:
    first, factor = s.steps.first, s.number(b)
    name, own, _ = s.steps.kinds[s.steps.kind[a]]
    if factor is None:
        if name == s.name(b) == "negative" and own == dtype and _is_floating(dtype):
            return s.op("multiply", dtype, first[a], first[b])
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
        return s.scaled(dtype, first[a], -factor)
    inner = s.number(s.steps.second[a]) if name == "multiply" else None
    both = joined(inner, factor, np.dtype(dtype)) if inner is not None else None
    return s.scaled(dtype, first[a], both) if both is not None else None


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
        return s.steps.first[a]
    if s.name(a) == "multiply" and _is_floating(dtype):
        factor = s.number(s.steps.second[a])
        if factor is not None:
            return s.scaled(dtype, s.steps.first[a], -factor)
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
