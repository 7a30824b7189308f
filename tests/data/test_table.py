"""A column's cells as numbers or categories, and when neither will do."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.data import read_text
from chainrule.data.table import MISSING
from chainrule.errors import DataError


def test_every_missing_mark_is_missing_in_both_kinds() -> None:
    marks = sorted(MISSING)
    table = read_text("n,t\n" + "".join(f"{m},{m}\n" for m in marks) + "7,x\n")
    assert marks == ["", "?", "N/A", "NA", "NAN", "NaN", "nan"]
    np.testing.assert_array_equal(table.numbers("n"), [np.nan] * 7 + [7.0])
    assert table.categories("t") == [None] * 7 + ["x"]
    assert table.missing("n").tolist() == [True] * 7 + [False]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2.5e3", " 4 ", "?"], "numeric"),
        (["yes", "no", ""], "categorical"),
        (["1", "2", "A", "B"], "categorical"),  # half are numbers: codes
        (["1_000", "2_000"], "categorical"),  # Python would read 1_000, a table does not mean it
        (["None", "none"], "categorical"),  # a word, not a missing value
    ],
)
def test_kinds(cells: list[str], kind: str) -> None:
    assert read_text("a,b\n" + "".join(f"{c},0\n" for c in cells)).kind("a") == kind


def test_decimal_commas_where_the_semicolon_divides() -> None:
    table = read_text("a;b\n1,5;x\n-2;y\n")
    np.testing.assert_array_equal(table.numbers("a"), [1.5, -2.0])
    assert table.notes == ("decimal commas are read as decimal points",)
    assert read_text('a,b\n"1,5",x\n"2,5",y\n').kind("a") == "categorical"


def test_a_typing_error_among_numbers_is_refused() -> None:
    table = read_text("age,x\n41,1\n4o,2\n43,3\ninf,4\n44,5\n", "people.csv")
    with pytest.raises(DataError) as caught:
        table.kind("age")
    assert str(caught.value) == (
        "column 'age' mixes numbers and other text\n"
        "  received: '4o', and 1 more like it, of 5 rows\n"
        "  at:       people.csv:3\n"
        "  remedy:   correct the cell, empty it if the value is missing, or read the column as "
        "categories: categorical=['age'] (command line: --categorical age)"
    )


def test_text_where_numbers_are_demanded() -> None:
    with pytest.raises(DataError) as caught:
        read_text("blood type,x\nA,1\nB,2\n", "p.csv").numbers("blood type")
    assert str(caught.value) == (
        "column 'blood type' should be numeric, and a cell of it is not a finite number\n"
        "  received: 'A', and 1 more like it, of 2 rows\n"
        "  at:       p.csv:2\n"
        "  remedy:   correct the cell, empty it if the value is missing, or read the column as "
        "categories: categorical=['blood type'] (command line: --categorical \"blood type\")"
    )


def test_a_column_of_nothing() -> None:
    with pytest.raises(DataError) as caught:
        read_text("a,b\n,1\nNA,2\n", "p.csv").kind("a")
    assert str(caught.value) == (
        "column 'a' has no values at all\n"
        "  received: 2 rows, each empty or one of ?, N/A, NA, NAN, NaN, nan\n"
        "  at:       p.csv\n"
        "  remedy:   leave it out: drop=['a'] (command line: --drop a)"
    )


def test_a_missing_column_suggests_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        read_text("Disease,age\nyes,1\n", "p.csv").column("desease")
    assert str(caught.value) == (
        "p.csv has no column 'desease'\n"
        "  received: the columns Disease, age\n"
        "  remedy:   did you mean 'Disease'?"
    )
