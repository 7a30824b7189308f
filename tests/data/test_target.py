"""Which kind a target is, its numbers, and the targets that cannot be learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from chainrule.data import Table, Target, find_target, read_text
from chainrule.data.target import rows_with_target, standardised
from chainrule.errors import ArgumentError, DataError


def table_of(cells: Sequence[Any]) -> Table:
    return read_text("x,y\n" + "".join(f"{i},{c}\n" for i, c in enumerate(cells)), "t.csv")


@pytest.mark.parametrize(
    ("cells", "kind", "classes"),
    [
        (["no", "yes"] * 5, "binary", ("no", "yes")),
        (["c", "a", "b"] * 4, "multiclass", ("a", "b", "c")),
        ([0, 1] * 5, "binary", ("0", "1")),
        ([1.5, -2] * 5, "binary", ("-2", "1.5")),
        ([10, 9, 2] * 5, "multiclass", ("2", "9", "10")),  # sorted as numbers
        (["1", "1.0", "2"] * 5, "binary", ("1", "2")),
        ([1, 2, 3, 4] * 4, "numeric", ()),  # 4 rows each are too few for classes
        ([0.5, 1.5, 2.5] * 9, "numeric", ()),  # not whole
        (list(range(11)) * 9, "numeric", ()),  # too many
    ],
)
def test_kinds(cells: list[Any], kind: str, classes: tuple[str, ...]) -> None:
    target = find_target(table_of(cells), "y")
    assert (target.kind, target.classes) == (kind, classes)


def test_the_task_can_be_said() -> None:
    assert find_target(table_of([0, 1] * 5), "y", task="regression").kind == "numeric"
    assert find_target(table_of([0.5, 1.5, 2.5] * 9), "y", task="classification").classes == (
        "0.5", "1.5", "2.5",
    )  # fmt: skip
    with pytest.raises(ArgumentError, match="auto, classification, regression"):
        find_target(table_of([0, 1] * 5), "y", task="clustering")
    typed = table_of([*range(12), "1o"])
    assert find_target(table_of([*range(6), "1o"] * 3), "y", task="classification").kind == (
        "multiclass"
    )
    with pytest.raises(DataError, match="mixes numbers and other text"):
        find_target(typed, "y")
    with pytest.raises(DataError) as caught:
        find_target(typed, "y", task="regression")
    assert str(caught.value) == (
        "column 'y' should be numeric, and a cell of it is not a finite number\n"
        "  received: '1o', of 13 rows\n"
        "  at:       t.csv:14\n"
        "  remedy:   correct the cell, or say that the target is classes: "
        "task='classification' (command line: --task classification)"
    )


def test_numbers_to_train_on() -> None:
    binary = find_target(table_of(["no", "yes"] * 5), "y")
    values = binary.values(table_of(["yes", "no"]))
    assert values.tolist() == [1, 0]
    assert binary.encode(values).tolist() == [[1.0], [0.0]]
    three = find_target(table_of(["c", "a", "b"] * 4), "y")
    assert three.encode(np.array([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    # mean 4, std √((9 + 1 + 1 + 9)/4) = √5
    number = standardised(Target("y", "numeric"), np.array([1.0, 3.0, 5.0, 7.0]))
    assert (number.mean, number.std) == (4.0, 5.0**0.5)
    np.testing.assert_allclose(number.encode(np.array([4.0, 9.0])), [[0.0], [5.0**0.5]])


def test_a_class_unknown_to_the_target() -> None:
    with pytest.raises(DataError, match=r"(?s)received: 'perhaps'.*t\.csv:3.*one of no, yes"):
        Target("y", "binary", ("no", "yes")).values(table_of(["no", "perhaps"]))


@pytest.mark.parametrize("cells", [["yes"] * 12, ["3", "3.0"] * 6])
def test_one_class(cells: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        find_target(table_of(cells), "y")
    assert str(caught.value) == (
        "the target 'y' has one value only, so that there is nothing to learn\n"
        f"  received: {cells[0]!r} in each of 12 rows\n"
        "  at:       t.csv\n"
        "  remedy:   choose another target column, or add rows of another class"
    )


def test_an_identifier() -> None:
    with pytest.raises(DataError) as caught:
        find_target(table_of([f"id{i}" for i in range(12)]), "y")
    assert str(caught.value) == (
        "the target 'y' looks like an identifier: it has nearly as many classes as rows\n"
        "  received: 12 different values in 12 rows\n"
        "  at:       t.csv\n"
        "  remedy:   choose a target whose values recur"
    )


def test_rows_without_a_target_are_dropped_and_counted() -> None:
    rows, dropped = rows_with_target(table_of([*"abcdeabcdef", "?", "", "NA"]), "y")
    assert (len(rows), dropped, rows.lines[-1]) == (11, 3, 12)


def test_too_few_rows() -> None:
    with pytest.raises(DataError) as caught:
        rows_with_target(table_of([*"abcabcabc", "?"]), "y")
    assert str(caught.value) == (
        "too few rows to train on: at least 10 must have a value in 'y'\n"
        "  received: 9 of 10 rows\n"
        "  at:       t.csv\n"
        "  remedy:   give more rows, or another target column"
    )
