"""Tables that the command line reads and writes."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np

from chainrule.data.bundled import BUNDLED, load
from chainrule.data.csv_file import read_csv
from chainrule.data.frames import read_parquet
from chainrule.data.table import Column, Table, nearest
from chainrule.errors import ArgumentError, DataError, MissingExtraError
from chainrule.train.files import write_whole


def read_table(data: str, encoding: str = "utf-8") -> Table:
    """A bundled data set by its name, otherwise a file: Parquet by its ending, else CSV.

    Raises:
        DataError: there is no such thing, or it cannot be read.
    """
    if data in BUNDLED:
        return load(data)
    near = nearest(data, list(BUNDLED), cutoff=0.6)
    if near and not os.path.exists(data):
        raise DataError(
            f"{data} is neither a file nor a bundled data set",
            got=f"bundled: {', '.join(BUNDLED)}",
            remedy=near,
        )
    if data.lower().endswith((".parquet", ".pq")):
        return read_parquet(data)
    return read_csv(data, encoding=encoding)


def write_table(columns: dict[str, Column], path: Path) -> None:
    """Write columns as Parquet or CSV, by the ending of the file: all of it, or nothing.

    Raises:
        ArgumentError: the file cannot be written.
        MissingExtraError: Parquet without PyArrow.
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        write_whole(path, _parquet(columns))
    elif path.suffix.lower() in (".csv", ""):
        write_whole(path, as_csv(columns).encode())
    else:
        raise ArgumentError(
            "predictions are written as CSV or as Parquet",
            got=f"{path}",
            remedy="give a file that ends in .csv or .parquet",
        )


def as_csv(columns: dict[str, Column]) -> str:
    """Columns as CSV text, numbers to their last bit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    lists = [c.tolist() if isinstance(c, np.ndarray) else c for c in columns.values()]
    writer.writerows(zip(*lists, strict=True))
    return text.getvalue()


def _parquet(columns: dict[str, Column]) -> bytes:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("a Parquet file is written by PyArrow", "parquet") from None
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({name: list(c) for name, c in columns.items()}), file)
    return file.getvalue()
