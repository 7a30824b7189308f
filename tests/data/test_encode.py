"""Encoding against statistics computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.data import column_kinds, fit_encoder, read_text
from chainrule.errors import ArgumentError, DataError

TRAINING = read_text("a,c,y\n1,u,0\n2,v,0\n3,u,1\n10,v,1\n?,u,1\n", "t.csv")


def test_standardised_with_the_training_statistics_alone() -> None:
    encoder = fit_encoder(TRAINING, {"a": "numeric", "c": "categorical"})
    assert encoder.names == ("a", "a is missing", "c=u", "c=v")
    # 1, 2, 3, 10: mean 4, variance (9 + 4 + 1 + 36)/4 = 12.5, median 2.5
    s = 12.5**0.5
    np.testing.assert_allclose(
        encoder.transform(TRAINING),
        [
            [-3 / s, 0, 1, 0],
            [-2 / s, 0, 0, 1],
            [-1 / s, 0, 1, 0],
            [6 / s, 0, 0, 1],
            [-1.5 / s, 1, 1, 0],
        ],
        rtol=1e-15,
    )
    new = read_text("a,c\n1000,w\nNA,\n")
    np.testing.assert_allclose(
        encoder.transform(new), [[996 / s, 0, 0, 0], [-1.5 / s, 1, 0, 0]], rtol=1e-15
    )
    assert encoder.unseen(new) == {"c": 2}


def test_what_is_done_with_missing_values_is_said() -> None:
    table = read_text("a,b,c,d\n1,1,u,p\n2,2,,q\n3,3,u,p\n?,4,u,q\n1,?,u,\n")
    training = table.take([0, 1, 2, 3])
    kinds = column_kinds(table, "y")
    encoder = fit_encoder(training, kinds)
    assert encoder.names == (
        "a", "a is missing", "b", "c=u", "c=(missing)", "d=p", "d=q",
    )  # fmt: skip
    assert encoder.notes(table) == [
        "a: 1 missing value replaced by the training median 2, and marked by an input",
        "b: 1 missing value replaced by the training median 2.5",
        "c: 1 missing value made a category of their own",
        "d: 1 missing value made zeros: training has none",
    ]
    assert encoder.transform(table)[4].tolist()[3:] == [1, 0, 0, 0]


def test_columns_that_teach_nothing_are_left_out_and_that_is_said() -> None:
    rows = "".join(f"5,k,name{i},{i}\n" for i in range(6))
    table = read_text(f"five,k,name,n\n{rows}")
    encoder = fit_encoder(table, column_kinds(table, "y"))
    assert encoder.names == ("n",)
    assert encoder.notes(table) == [
        "five: left out; it has the same value (5) in every training row",
        "k: left out; it has the same value (k) in every training row",
        "name: left out; it has text that hardly recurs (6 values in 6 rows)",
    ]


def test_a_constant_that_is_sometimes_missing_teaches_by_that() -> None:
    table = read_text("a,b\n5,1\n?,2\n5,3\n")
    encoder = fit_encoder(table, {"a": "numeric"})
    assert encoder.transform(table).tolist() == [[0, 0], [0, 1], [0, 0]]


def test_no_column_left() -> None:
    with pytest.raises(DataError) as caught:
        fit_encoder(read_text("a,b\n1,2\n1,2\n", "t.csv"), {"a": "numeric"})
    assert str(caught.value) == (
        "no column is left to learn from\n"
        "  received: a has the same value (1) in every training row\n"
        "  at:       t.csv\n"
        "  remedy:   give columns that vary from row to row and whose categories recur"
    )
    with pytest.raises(DataError) as caught:
        column_kinds(read_text("a,b\n1,2\n", "t.csv"), "b", drop=["a"])
    assert str(caught.value) == (
        "there is no column to learn from\n"
        "  received: the columns a, b, of which 'b' is the target\n"
        "  at:       t.csv\n"
        "  remedy:   give a table with at least one column beside the target"
    )


def test_kinds_can_be_said() -> None:
    table = read_text("code,n,y\n1,x,0\n2,5,0\n1,6,1\n")
    kinds = column_kinds(table, "y", categorical=["code", "n"])
    assert kinds == {"code": "categorical", "n": "categorical"}
    with pytest.raises(DataError, match="should be numeric"):
        column_kinds(table, "y", numeric=["n"])
    with pytest.raises(DataError, match="did you mean 'code'"):
        column_kinds(table, "y", categorical=["cod"])
    with pytest.raises(ArgumentError, match=r"(?s)not one of the columns to learn from.*--task"):
        column_kinds(table, "y", drop=["y"])
