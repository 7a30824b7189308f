"""Steps on single numbers as rows of whole numbers: a program of millions of them stays small."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from types import CodeType
from typing import NamedTuple

import numpy as np

from chainrule.errors import code_line

NONE = -1  # no argument


class Kind(NamedTuple):
    """What a step does: a function, the dtype of its result, those that it takes its arguments in.

    A row that is no step is of the kind "load", an element of a source, or "constant".
    """

    name: str
    dtype: str
    given: tuple[str, ...] = ()


class Steps:
    """Values that are single numbers, each made from earlier ones.

    Args:
        kinds, pool: to begin with.
        rows: of each value its kind and its arguments.

    Attributes:
        kinds: the kinds of values that there are.
        kind: for each value the number of its kind.
        first, second, third: for each value its arguments, numbers of values, −1 where there are
            fewer; a load and a constant have no first one. A load has the number of its source
            and of the element there, a constant its place in the pool.
        pool: the constants, eight bytes each.
        results: for each result the numbers of the values that it consists of.
        places: the user's code and instruction of the first values, for who reads the source.
    """

    __slots__ = (
        "_numbers", "first", "kind", "kinds", "places", "pool", "results", "second", "third",
    )  # fmt: skip

    def __init__(
        self,
        kinds: Iterable[Kind] = (),
        rows: Sequence[tuple[int, int, int, int]] = (),
        pool: Iterable[bytes] = (),
    ) -> None:
        self.kinds = list(kinds)
        self._numbers = {kind: number for number, kind in enumerate(self.kinds)}
        table = np.fromiter(chain.from_iterable(rows), np.int32, 4 * len(rows)).reshape(-1, 4)
        self.kind, self.first, self.second, self.third = (
            array("i", column.tobytes()) for column in table.T
        )
        self.pool = list(pool)
        self.results: list[Sequence[int]] = []
        self.places: list[tuple[CodeType | None, int]] = []

    def __len__(self) -> int:
        return len(self.kind)

    def number(self, kind: Kind) -> int:
        """The number of a kind."""
        found = self._numbers.get(kind)
        if found is None:
            found = self._numbers[kind] = len(self.kinds)
            self.kinds.append(kind)
        return found

    def append(self, kind: int, first: int, second: int = NONE, third: int = NONE) -> int:
        """Add a value; its number."""
        self.kind.append(kind)
        self.first.append(first)
        self.second.append(second)
        self.third.append(third)
        return len(self.kind) - 1

    def load(self, dtype: str, source: int, element: int) -> int:
        """Add an element of a source; its number."""
        return self.append(self.number(Kind("load", dtype)), NONE, source, element)

    def constant(self, dtype: str, data: bytes) -> int:
        """Add a constant of some bytes; its number."""
        self.pool.append(data.ljust(8, b"\0"))
        return self.append(self.number(Kind("constant", dtype)), NONE, len(self.pool) - 1)

    def is_step(self, kind: int) -> bool:
        """Is it more than a load or a constant?"""
        return bool(self.kinds[kind].given)

    def names(self) -> Counter[str]:
        """How many steps there are of each function."""
        counts = np.bincount(np.frombuffer(self.kind, np.int32), minlength=len(self.kinds))
        found: Counter[str] = Counter()
        for kind, count in zip(self.kinds, counts.tolist(), strict=True):
            if kind.given:
                found[kind.name] += count
        return found

    def readers(self, results: Iterable[int]) -> list[int]:
        """For each value how often it is read, once where it is a result: 0 is not needed."""
        read = [array("i"), self.first, self.second, self.third]
        for number in results:
            read[0].extend(self.results[number])
        wanted, first, second, third = (np.frombuffer(x, np.int32) for x in read)
        steps = first >= 0  # elsewhere the others are no values
        arguments = np.concatenate((wanted, first[steps], second[steps], third[steps]))
        counts: list[int] = np.bincount(arguments + 1, minlength=len(self) + 1)[1:].tolist()
        dead = [value for value, count in enumerate(counts) if not count]
        while dead:
            value = dead.pop()
            if self.first[value] >= 0:
                for a in (self.first[value], self.second[value], self.third[value]):
                    if a >= 0:
                        counts[a] -= 1
                        if not counts[a]:
                            dead.append(a)
        return counts

    def line(self, value: int) -> str:
        """The user's line that made a value, if it is one of the first."""
        return code_line(*self.places[value]) if value < len(self.places) else ""

    def words(self, most: int) -> Iterator[str]:
        """The first values in words, each with its line."""
        for value in range(min(most, len(self))):
            kind = self.kinds[self.kind[value]]
            rows = (self.first[value], self.second[value], self.third[value])
            args = rows if kind.given else rows[1:]
            inner = ", ".join(f"%{a}" if kind.given else str(a) for a in args if a >= 0)
            line = self.line(value)
            yield f"%{value} = {kind.name}({inner})" + (f"  {line}" if line else "")


__all__ = ["NONE", "Kind", "Steps"]
