"""Turning a table's columns into a network's inputs, with statistics of the training part alone.

What is done with missing values: a numeric one becomes the training part's median, and a second
input says that it was missing (1) or not (0); a missing category is a category of its own. A
category that the training part did not have becomes zeros in every input of its column.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.table import Kind, Table
from chainrule.errors import ArgumentError, DataError
from chainrule.records import dataclass

MISSING_CATEGORY = "(missing)"
MOST_NOTES = 5  # columns that are left out, of which each has a note of its own


@dataclass(frozen=True)
class NumericInput:
    """(value − mean)/std, and whether it was missing where the training part had missing values."""

    name: str
    mean: float
    std: float
    median: float
    indicator: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What each input is called."""
        return (self.name, f"{self.name} is missing") if self.indicator else (self.name,)

    @property
    def remedy(self) -> str:
        """What is done with a missing value."""
        filled = f"replaced by the training median {self.median:g}"
        return f"{filled}, and marked by an input" if self.indicator else filled

    def encode(self, table: Table) -> NDArray[np.float64]:
        """The inputs of each row, shape (rows, len(names))."""
        values = table.numbers(self.name)
        missing = np.isnan(values)
        scaled = (np.where(missing, self.median, values) - self.mean) / self.std
        return np.stack([scaled, missing][: len(self.names)], axis=1).astype(np.float64)


@dataclass(frozen=True)
class CategoricalInput:
    """1 for the row's category, 0 for the others."""

    name: str
    categories: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What each input is called."""
        return tuple(f"{self.name}={c}" for c in self.categories)

    @property
    def remedy(self) -> str:
        """What is done with a missing value."""
        known = MISSING_CATEGORY in self.categories
        return "made a category of their own" if known else "made zeros: training has none"

    def texts(self, table: Table) -> list[str]:
        """The category of each row; missing is one too."""
        return [MISSING_CATEGORY if t is None else t for t in table.categories(self.name)]

    def encode(self, table: Table) -> NDArray[np.float64]:
        """The inputs of each row, shape (rows, len(categories))."""
        texts = np.array(self.texts(table), object)
        return (texts[:, None] == np.array(self.categories, object)).astype(np.float64)

    def unseen(self, table: Table) -> int:
        """How many rows have a category that the training part did not have."""
        return sum(text not in self.categories for text in self.texts(table))


Input = NumericInput | CategoricalInput


@dataclass(frozen=True)
class Encoder:
    """The inputs made from a table's columns, fixed once by `fit_encoder`."""

    inputs: tuple[Input, ...]
    left_out: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """What each column of `transform`'s result is called."""
        return tuple(name for column in self.inputs for name in column.names)

    def transform(self, table: Table) -> NDArray[np.float64]:
        """The network's inputs, shape (rows, inputs).

        Raises:
            DataError: a column is missing, or holds text where numbers were fitted.
        """
        return np.concatenate([column.encode(table) for column in self.inputs], axis=1)

    def unseen(self, table: Table) -> dict[str, int]:
        """For each column, how many rows have a category unknown to the encoder, if any have."""
        counts = {c.name: c.unseen(table) for c in self.inputs if isinstance(c, CategoricalInput)}
        return {name: count for name, count in counts.items() if count}

    def notes(self, table: Table) -> list[str]:
        """What was done with columns left out, missing values and unseen categories, in words."""
        notes = [f"{name}: left out; it has {why}" for name, why in self.left_out.items()]
        if len(notes) > MOST_NOTES:
            first, why = next(iter(self.left_out.items()))
            notes = [f"{len(notes)} columns are left out; {first}, for one, has {why}"]
        for column in self.inputs:
            count = int(np.sum(table.missing(column.name)))
            if count:
                notes.append(f"{column.name}: {_values(count)} {column.remedy}")
        return notes

    def describe(self) -> dict[str, Any]:
        """The encoder as JSON can hold it; `restored` makes it anew."""
        return {"inputs": [asdict(c) for c in self.inputs], "left_out": self.left_out}

    @classmethod
    def restored(cls, content: Any) -> Encoder:
        """An encoder from what `describe` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        return cls(
            tuple(map(_restored, content["inputs"])),
            {str(name): str(why) for name, why in content["left_out"].items()},
        )


def _restored(content: Any) -> Input:
    name = str(content["name"])
    if "categories" in content:
        return CategoricalInput(name, tuple(map(str, content["categories"])))
    mean, std, median = (float(content[key]) for key in ("mean", "std", "median"))
    return NumericInput(name, mean, std, median, bool(content["indicator"]))


def column_kinds(
    table: Table,
    target: str,
    *,
    numeric: Collection[str] = (),
    categorical: Collection[str] = (),
    drop: Collection[str] = (),
) -> dict[str, Kind]:
    """Which columns to learn from, and whether each is numeric or categorical.

    `Table.kind` decides where the caller does not.

    Raises:
        ArgumentError: the target is among numeric, categorical or drop.
        DataError: a name that is not a column; no column left; a column that cannot be read.
    """
    for name in (*numeric, *categorical, *drop):
        table.column(name)
        if name == target:
            raise ArgumentError(
                "the target is not one of the columns to learn from",
                got=f"{name!r} as the target, and among numeric, categorical or drop",
                remedy="say how to read the target by the task: classification or regression "
                "(command line: --task)",
            )
    kinds: dict[str, Kind] = {}
    for name in table.names:
        if name == target or name in drop:
            continue
        if name in numeric:
            table.numbers(name)
            kinds[name] = "numeric"
        else:
            kinds[name] = "categorical" if name in categorical else table.kind(name)
    if not kinds:
        raise DataError(
            "there is no column to learn from",
            got=f"the columns {', '.join(table.names)}, of which {target!r} is the target",
            line=table.source,
            remedy="give a table with at least one column beside the target",
        )
    return kinds


def fit_encoder(training: Table, kinds: dict[str, Kind]) -> Encoder:
    """Fix the encoding from the rows of the training part alone.

    A column is left out, and that is noted, where it cannot teach anything: it has one value in
    every training row, or it is text that differs in more than half of them (a name, a date).

    Raises:
        DataError: no column is left.

    >>> from chainrule.data import read_text
    >>> table = read_text("age,sex\\n30,m\\n50,f\\n?,f\\n40,m\\n")
    >>> encoder = fit_encoder(table, {"age": "numeric", "sex": "categorical"})
    >>> encoder.names
    ('age', 'age is missing', 'sex=f', 'sex=m')
    >>> encoder.transform(table)[2]  # the median is the mean here, so it is 0 after scaling
    array([0., 1., 1., 0.])
    """
    inputs: list[Input] = []
    left_out: dict[str, str] = {}
    for name, kind in kinds.items():
        column = _numeric(training, name) if kind == "numeric" else _categorical(training, name)
        if isinstance(column, str):
            left_out[name] = column
        else:
            inputs.append(column)
    if not inputs:
        raise DataError(
            "no column is left to learn from",
            got="; ".join(f"{name} has {why}" for name, why in left_out.items()),
            line=training.source,
            remedy="give columns that vary from row to row and whose categories recur",
        )
    return Encoder(tuple(inputs), left_out)


def _numeric(training: Table, name: str) -> NumericInput | str:
    values = training.numbers(name)
    present = values[~np.isnan(values)]
    if not len(present):
        return "no value in the training part"
    indicator = len(present) < len(values)
    if np.all(present == present[0]) and not indicator:
        return f"the same value ({present[0]:g}) in every training row"
    # A column whose present values are all equal may still teach by being missing.
    std = float(np.std(present)) if np.any(present != present[0]) else 1.0
    return NumericInput(name, float(np.mean(present)), std, float(np.median(present)), indicator)


def _categorical(training: Table, name: str) -> CategoricalInput | str:
    texts = training.categories(name)
    categories = tuple(sorted({t for t in texts if t is not None}))
    if any(t is None for t in texts):
        categories = (*categories, MISSING_CATEGORY)
    if len(categories) == 1:
        return f"the same value ({categories[0]}) in every training row"
    if 2 * len(categories) > len(training):
        return f"text that hardly recurs ({len(categories)} values in {len(training)} rows)"
    return CategoricalInput(name, categories)


def _values(count: int) -> str:
    return f"{count} missing value{'s' * (count > 1)}"
