"""A table of cells under named columns, text or numbers, read as numbers or as categories."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError
from chainrule.records import dataclass

Kind = Literal["numeric", "categorical"]

Column = tuple[str, ...] | NDArray[np.float64]

# A cell that holds one of these, and nothing else, has no value.
MISSING = frozenset({"", "?", "NA", "N/A", "NaN", "nan", "NAN"})


@dataclass(frozen=True)
class Table:
    """Rows under named columns, with the line of the file that each row came from.

    A column holds texts, or float64 with NaN for what is missing.

    >>> from chainrule.data import read_text
    >>> table = read_text("age,sex\\n63,male\\n?,female\\n", "people.csv")
    >>> len(table), table.names, table.lines
    (2, ('age', 'sex'), (2, 3))
    >>> table.kind("age"), table.numbers("age")
    ('numeric', array([63., nan]))
    >>> table.categories("sex")
    ['male', 'female']
    """

    source: str
    names: tuple[str, ...]
    cells: dict[str, Column]
    lines: tuple[int, ...]
    delimiter: str = ","
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    def cell(self, name: str) -> Column:
        """A column as it is.

        Raises:
            DataError: there is no such column; the nearest names are suggested.
        """
        try:
            return self.cells[name]
        except KeyError:
            raise DataError(
                f"{self.source} has no column {name!r}",
                got=f"the columns {', '.join(self.names)}",
                remedy=nearest(name, self.names) or "choose one of the columns above",
            ) from None

    def column(self, name: str) -> tuple[str, ...]:
        """The cells of one column as text.

        Raises:
            DataError: there is no such column; the nearest names are suggested.
        """
        cells = self.cell(name)
        return tuple(map(_text, cells.tolist())) if isinstance(cells, np.ndarray) else cells

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> Table:
        """The table of these rows, in this order."""
        cells: dict[str, Column] = {
            name: column[np.asarray(rows, np.intp)]
            if isinstance(column, np.ndarray)
            else tuple(column[i] for i in rows)
            for name, column in self.cells.items()
        }
        return replace(self, cells=cells, lines=tuple(self.lines[i] for i in rows))

    def missing(self, name: str) -> NDArray[np.bool_]:
        """Which rows have no value in this column (see `MISSING`)."""
        cells = self.cell(name)
        if isinstance(cells, np.ndarray):
            return np.isnan(cells)
        return np.array([text in MISSING for text in cells], bool)

    def kind(self, name: str) -> Kind:
        """Numeric where every present cell is a finite number, otherwise categorical.

        A column of which more than half, but not all, of the present cells are numbers is most
        likely one of numbers with a typing error, and is refused rather than guessed.

        Raises:
            DataError: every cell is missing, or numbers and words are mixed as said above.
        """
        cells = self.cell(name)
        if isinstance(cells, np.ndarray) and not np.isnan(cells).all():
            return "numeric"
        present = [text for text in self.column(name) if text not in MISSING]
        if not present:
            raise DataError(
                f"column {name!r} has no values at all",
                got=f"{len(self)} rows, each empty or one of {_marks()}",
                line=self.source,
                remedy=f"leave it out: drop=[{name!r}] (command line: --drop {word(name)})",
            )
        count = sum(self.number(text) is not None for text in present)
        if count == len(present):
            return "numeric"
        if 2 * count <= len(present):
            return "categorical"
        raise self._not_numbers(name, forced=False)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The column as float64, shape (rows,), with NaN where a value is missing.

        Raises:
            DataError: a present cell is not a finite number; its line is named.
        """
        cells = self.cell(name)
        if isinstance(cells, np.ndarray):
            return cells
        values = np.full(len(self), np.nan)
        for i, text in enumerate(cells):
            if text not in MISSING:
                value = self.number(text)
                if value is None:
                    raise self._not_numbers(name, forced=True)
                values[i] = value
        return values

    def categories(self, name: str) -> list[str | None]:
        """The column as text, with None where a value is missing."""
        return [None if text in MISSING else text for text in self.column(name)]

    def number(self, text: str) -> float | None:
        """A cell as a finite number, or None; a semicolon file may write a decimal comma."""
        if self.delimiter == ";" and text.count(",") == 1 and "." not in text:
            text = text.replace(",", ".")
        try:
            value = float(text)
        except ValueError:
            return None
        # Python reads 1_000 as a number; a data file that holds it means something else.
        return value if isfinite(value) and "_" not in text else None

    def _not_numbers(self, name: str, forced: bool) -> DataError:
        bad = [
            i
            for i, text in enumerate(self.column(name))
            if text not in MISSING and self.number(text) is None
        ]
        cell, line = self.column(name)[bad[0]], self.lines[bad[0]]
        others = f", and {len(bad) - 1} more like it" if len(bad) > 1 else ""
        return DataError(
            f"column {name!r} should be numeric, and a cell of it is not a finite number"
            if forced
            else f"column {name!r} mixes numbers and other text",
            got=f"{cell!r}{others}, of {len(self)} rows",
            line=f"{self.source}:{line}",
            remedy=f"correct the cell, empty it if the value is missing, or read the column as "
            f"categories: categorical=[{name!r}] (command line: --categorical {word(name)})",
        )


def _text(value: float) -> str:
    """A number as a cell would spell it, and nothing where it is missing."""
    if value != value:
        return ""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def nearest(name: str, names: Sequence[str], cutoff: float = 0.5) -> str:
    """``did you mean 'age'?``, or "" when nothing is near.

    >>> nearest("Desease", ["age", "disease"])
    "did you mean 'disease'?"
    """
    folded = {n.casefold(): n for n in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(repr(folded[n]) for n in near)}?" if near else ""


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _marks() -> str:
    return ", ".join(sorted(mark for mark in MISSING if mark))


def word(name: str) -> str:
    """A column name as one word of a shell command."""
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'
