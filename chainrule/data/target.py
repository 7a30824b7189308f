"""The column to predict: which kind it is, its classes, and its rows as numbers to train on."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.data.table import Table, listed
from chainrule.errors import ArgumentError, DataError
from chainrule.records import dataclass

TargetKind = Literal["binary", "multiclass", "numeric"]
TASKS = ("auto", "classification", "regression")
# A target of whole numbers is taken for class numbers up to this many different ones, …
MOST_CLASS_NUMBERS = 10
# … each with this many rows on average.
ROWS_PER_CLASS_NUMBER = 5
LEAST_ROWS = 10


@dataclass(frozen=True)
class Target:
    """What to predict, and how a row's value becomes the network's target.

    - binary: 1 for the second class in sorted order, 0 for the first; shape (rows, 1)
    - multiclass: one-hot; shape (rows, classes)
    - numeric: (value − mean)/std with the training part's statistics; shape (rows, 1)
    """

    name: str
    kind: TargetKind
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0

    @property
    def outputs(self) -> int:
        """How many numbers a network must give for a row."""
        return len(self.classes) if self.kind == "multiclass" else 1

    def values(self, table: Table) -> NDArray[Any]:
        """The numbers of the classes (intp), or the values (float64); shape (rows,).

        Raises:
            DataError: a row holds a class that is not one of `classes`.
        """
        if self.kind == "numeric":
            return table.numbers(self.name)
        position = {c: i for i, c in enumerate(self.classes)}
        labels = _labels(table, self.name)
        for label, line in zip(labels, table.lines, strict=True):
            if label not in position:
                raise DataError(
                    f"{self.name!r} has a class that the target does not know",
                    got=repr(label),
                    line=f"{table.source}:{line}",
                    remedy=f"use one of {listed(self.classes)}",
                )
        return np.array([position[label] for label in labels], np.intp)

    def encode(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """`values` as the network's targets, shape (rows, outputs)."""
        if self.kind == "numeric":
            return ((values - self.mean) / self.std)[:, None]
        if self.kind == "binary":
            return values.astype(np.float64)[:, None]
        return np.eye(len(self.classes))[values]


def rows_with_target(table: Table, name: str) -> tuple[Table, int]:
    """The table without the rows whose target is missing, and how many those are.

    Raises:
        DataError: there is no such column, or too few rows are left.
    """
    present = np.flatnonzero(~table.missing(name))
    dropped = len(table) - len(present)
    if len(present) < LEAST_ROWS:
        raise DataError(
            f"too few rows to train on: at least {LEAST_ROWS} must have a value in {name!r}",
            got=f"{len(present)} of {len(table)} rows",
            line=table.source,
            remedy="give more rows, or another target column",
        )
    return (table.take(present) if dropped else table), dropped


def find_target(table: Table, name: str, *, task: str = "auto") -> Target:
    """Decide the kind of a target column without missing values.

    With ``task="auto"`` text is classes; numbers are numeric, unless there are only two
    different ones, or at most 10 different whole ones with 5 rows each on average: then they
    are classes. Two classes make the target binary, more make it multiclass. Classes are sorted.

    Raises:
        ArgumentError: an unknown task.
        DataError: one class only; nearly as many classes as rows (an identifier); a numeric
            target that is not numbers, or is the same in every row.

    >>> from chainrule.data import read_text
    >>> rows = "x,y\\n" + "1,no\\n2,yes\\n" * 5
    >>> find_target(read_text(rows), "y")
    Target(name='y', kind='binary', classes=('no', 'yes'), mean=0.0, std=1.0)
    """
    if task not in TASKS:
        raise ArgumentError("unknown task", got=repr(task), remedy=f"use one of {listed(TASKS)}")
    numeric = _is_numeric(table, name, task)
    if numeric:
        different = np.unique(table.numbers(name))
        if len(different) == 1:
            raise _one_class(table, name, f"{different[0]:g}")
        if task == "regression" or (task == "auto" and not _are_classes(different, len(table))):
            return Target(name, "numeric")
    labels = _labels(table, name)
    classes = sorted(set(labels), key=float if numeric else None)
    if len(classes) == 1:
        raise _one_class(table, name, classes[0])
    if 2 * len(classes) > len(table):
        raise DataError(
            f"the target {name!r} looks like an identifier: it has nearly as many classes as rows",
            got=f"{len(classes)} different values in {len(table)} rows",
            line=table.source,
            remedy="choose a target whose values recur"
            + (", or predict the number itself (--task regression)" if numeric else ""),
        )
    return Target(name, "binary" if len(classes) == 2 else "multiclass", tuple(classes))


def standardised(target: Target, training: NDArray[Any]) -> Target:
    """A numeric target with the mean and standard deviation of the training part's values."""
    if target.kind != "numeric":
        return target
    std = float(np.std(training))
    return Target(target.name, "numeric", (), float(np.mean(training)), std or 1.0)


def _is_numeric(table: Table, name: str, task: str) -> bool:
    try:
        if task == "regression":
            table.numbers(name)
        return task == "regression" or table.kind(name) == "numeric"
    except DataError as error:
        if task == "classification":
            return False
        raise DataError(
            error.cause,
            got=error.got,
            line=error.line,
            remedy="correct the cell, or say that the target is classes: task='classification' "
            "(command line: --task classification)",
        ) from None


def _are_classes(different: NDArray[np.float64], rows: int) -> bool:
    if len(different) == 2:
        return True
    whole = bool(np.all(different == np.rint(different)))
    few = len(different) <= MOST_CLASS_NUMBERS
    return whole and few and rows >= ROWS_PER_CLASS_NUMBER * len(different)


def _labels(table: Table, name: str) -> list[str]:
    """The class of each row as text; 1, 1.0 and 01 are one class."""
    if all(table.number(text) is not None for text in table.column(name)):
        numbers = table.numbers(name).tolist()
        return [str(int(v)) if v == int(v) else repr(v) for v in numbers]
    return list(table.column(name))


def _one_class(table: Table, name: str, value: str) -> DataError:
    return DataError(
        f"the target {name!r} has one value only, so that there is nothing to learn",
        got=f"{value!r} in each of {len(table)} rows",
        line=table.source,
        remedy="choose another target column, or add rows of another class",
    )
