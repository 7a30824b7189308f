"""Tables from data frames and Parquet files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from chainrule.data.table import Column, Table, listed
from chainrule.errors import DataError, MissingExtraError, code_line
from chainrule.graph import user_code


def from_frame(frame: Any, source: str = "the data frame") -> Table:
    """A table from a data frame of pandas, Polars, PyArrow, or any other that narwhals knows.

    Columns of numbers and truth values become float64 with NaN where a value is missing; texts,
    categories, dates and times become texts. A row's line is its number, counted from 1.

    Args:
        frame: the data frame.
        source: what it is called in messages.

    Raises:
        DataError: it is no data frame, has no rows, or a column is made of something else.

    >>> import polars
    >>> table = from_frame(polars.DataFrame({"age": [63, None], "sex": ["m", "f"]}))
    >>> table.numbers("age"), table.categories("sex")
    (array([63., nan]), ['m', 'f'])
    """
    import narwhals as nw

    found = as_narwhals(frame)
    if isinstance(found, nw.LazyFrame):
        found = found.collect()
    if not isinstance(found, nw.DataFrame):
        raise DataError(
            "a table is made from a data frame",
            got=type(frame).__name__,
            remedy="give a data frame of pandas, Polars or PyArrow",
        )
    if not len(found):
        raise DataError(
            f"{source} has no rows",
            got=f"the columns {listed(list(map(str, found.columns)))}",
            remedy="give a table with rows",
        )
    found = with_names(found)
    cells = {name: _cells(found[name], name, source) for name in found.columns}
    return Table(source, tuple(cells), cells, tuple(range(1, len(found) + 1)))


def as_narwhals(frame: Any) -> Any:
    """A data frame or series as narwhals sees it; something else as it is.

    Raises:
        DataError: two columns have the same name.
    """
    import narwhals as nw

    try:
        return nw.from_native(frame, allow_series=True, pass_through=True)
    except nw.exceptions.DuplicateError:
        names = [str(name) for name in frame.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(
            "columns of a data frame have the same name",
            got=", ".join(twice),
            line=code_line(*user_code(1)),
            remedy="give each column a name of its own",
        ) from None


def with_names(frame: Any) -> Any:
    """A data frame of narwhals with texts as the names of its columns; pandas takes anything."""
    if all(isinstance(name, str) for name in frame.columns):
        return frame
    native = frame.to_native().copy(deep=False)
    native.columns = [str(name) for name in native.columns]
    return as_narwhals(native)


def as_table(data: Any) -> Table:
    """A table as it is, a data frame as `from_frame` reads it."""
    return data if isinstance(data, Table) else from_frame(data)


def _cells(series: Any, name: str, source: str) -> Column:
    import narwhals as nw

    kind, absent = series.dtype, series.is_null().to_list()
    if kind.is_numeric() or kind == nw.Boolean:
        cells = zip(series.to_list(), absent, strict=True)
        return np.array([np.nan if gone else float(v) for v, gone in cells], np.float64)
    if kind in (nw.String, nw.Categorical, nw.Enum, nw.Object) or kind.is_temporal():
        cells = zip(series.to_list(), absent, strict=True)
        return tuple("" if gone else str(v).strip() for v, gone in cells)
    raise DataError(
        f"the column {name!r} of {source} is made of neither numbers nor texts",
        got=f"a column of {kind}",
        remedy="leave it out, or turn it into columns of numbers or texts",
    )


def read_parquet(path: str | os.PathLike[str]) -> Table:
    """Read a Parquet file; see `from_frame` for what becomes of its columns.

    Raises:
        DataError: the file is missing, damaged or something else.
        MissingExtraError: PyArrow is not installed.
    """
    source = os.fspath(path)
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError("a Parquet file is read by PyArrow", "parquet") from None
    try:
        frame = parquet.read_table(source)
    except FileNotFoundError:
        raise DataError(
            f"there is no file {source}",
            got=f"a path below {os.path.abspath(os.path.dirname(source) or '.')}",
            remedy="check the spelling and the folder you are in",
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"{source} cannot be read as a Parquet file",
            got=str(error).splitlines()[0][:200],
            remedy="check that it is a whole Parquet file",
        ) from None
    return from_frame(frame, source)


__all__ = ["from_frame", "read_parquet"]
