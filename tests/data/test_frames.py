"""Data frames and Parquet files become the table that the same CSV becomes."""

import datetime

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from pyarrow import parquet

from chainrule.data import from_frame, read_parquet, read_text
from chainrule.errors import DataError

COLUMNS = {
    "age": [63.0, None, 41.5],
    "count": [1, 2, 3],
    "sex": ["m", None, "f"],
    "ill": [True, False, None],
}
CSV = "age,count,sex,ill\n63,1,m,1\n,2,,0\n41.5,3,f,\n"


@pytest.fixture(params=["pandas", "polars", "pyarrow", "lazy"])
def frame(request):
    makers = {
        "pandas": lambda c: pandas.DataFrame(c).astype({"ill": "boolean"}),
        "polars": polars.DataFrame,
        "pyarrow": pyarrow.table,
        "lazy": polars.LazyFrame,
    }
    return makers[request.param](COLUMNS)


def test_every_frame_reads_as_the_csv(frame):
    table, same = from_frame(frame), read_text(CSV)
    assert table.names == same.names
    for name in ("age", "count", "ill"):
        np.testing.assert_array_equal(table.numbers(name), same.numbers(name))
        assert table.kind(name) == "numeric"
    assert table.categories("sex") == same.categories("sex") == ["m", None, "f"]
    np.testing.assert_array_equal(table.missing("age"), [False, True, False])
    assert table.take([2]).column("age") == ("41.5",)
    assert table.column("count") == ("1", "2", "3")


def test_parquet(tmp_path):
    path = tmp_path / "people.parquet"
    parquet.write_table(pyarrow.table(COLUMNS), path)
    np.testing.assert_array_equal(read_parquet(path).numbers("age"), [63, np.nan, 41.5])


def test_dates_and_categories_are_texts():
    days = [datetime.date(2024, 2, 29), None]
    table = from_frame(
        polars.DataFrame({"day": days, "c": polars.Series(["a", "b"]).cast(polars.Categorical)})
    )
    assert table.categories("day") == ["2024-02-29", None]
    assert table.categories("c") == ["a", "b"]
    assert from_frame(pandas.DataFrame({"c": pandas.Categorical(["x", "y"])})).column("c") == (
        "x",
        "y",
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: from_frame([1, 2]), "a table is made from a data frame\n  received: list"),
        (lambda path: from_frame(polars.DataFrame({"a": []})), "the data frame has no rows"),
        (
            lambda path: from_frame(polars.DataFrame({"a": [[1], [2]]})),
            "made of neither numbers nor",
        ),
        (lambda path: read_parquet(path / "none.parquet"), "there is no file"),
        (lambda path: read_parquet(path), "cannot be read as a Parquet file"),
    ],
)
def test_refusals(make, message, tmp_path):
    (tmp_path / "torn").write_bytes(b"PAR1....")
    path = tmp_path / "torn" if "cannot" in message else tmp_path
    with pytest.raises(DataError, match=message):
        make(path)


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'chainrule\[parquet\]'"):
        read_parquet("x.parquet")
