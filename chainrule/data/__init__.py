"""Tables: reading them, dividing them, and encoding them as the inputs of a network."""

from __future__ import annotations

from chainrule.data.bundled import load_heart
from chainrule.data.csv_file import read_csv, read_text
from chainrule.data.digits import load_digits5k
from chainrule.data.encode import Encoder, column_kinds, fit_encoder
from chainrule.data.frames import from_frame, read_parquet
from chainrule.data.generators import (
    make_blobs,
    make_circles,
    make_moons,
    make_regression,
    make_spirals,
    make_xor,
)
from chainrule.data.split import batches, train_test_split
from chainrule.data.table import Table
from chainrule.data.target import Target, find_target

__all__ = [
    "Encoder", "Table", "Target", "batches", "column_kinds", "find_target", "fit_encoder",
    "from_frame", "load_digits5k", "load_heart", "make_blobs", "make_circles", "make_moons",
    "make_regression", "make_spirals", "make_xor", "read_csv", "read_parquet", "read_text",
    "train_test_split",
]  # fmt: skip
