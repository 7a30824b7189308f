"""The commands ``chainrule evaluate`` and ``chainrule predict``."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from chainrule.cli.tables import as_csv, read_table, write_table
from chainrule.data.table import Column, Table
from chainrule.errors import ArgumentError

_MODEL = typer.Argument(
    metavar="MODEL", help="A model that `chainrule train` wrote: the file, or its folder."
)
_DATA = typer.Argument(
    metavar="DATA", help="A CSV or Parquet file, or the name of a bundled data set."
)
_ENCODING = typer.Option(
    help="How a CSV file spells its characters: utf-8, cp1252, utf-16.", metavar="NAME"
)


def evaluate(
    model: Annotated[Path, _MODEL],
    data: Annotated[str, _DATA],
    encoding: Annotated[str, _ENCODING] = "utf-8",
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Score a trained model on a table that has the target.

    Prints the loss and the accuracy, and how often each class is taken for
    another; for a number RMSE, MAE and R², in its unit. Rows without a target
    are left out. Where the model was trained on rows of the same table, a note
    says so.

    Example:

    chainrule evaluate chainrule-out/heart heart
    """
    from chainrule.train.tabular import TableModel

    found, table = TableModel.load(model), read_table(data, encoding)
    table = with_target(table, found.target.name)
    tell_of_training_rows(model, data)
    scores = found.evaluate(table)
    if as_json:
        print(json.dumps({"rows": len(table), **scores}))
        return
    from rich.console import Console

    from chainrule.cli.report import show_confusion, show_evaluation

    console = Console(highlight=False, markup=False)
    show_evaluation(console, found.target, len(table), scores)
    if found.target.classes:
        values = found.target.values(table)
        show_confusion(console, found.target, values, found.probabilities(table).argmax(axis=1))


def tell_of_training_rows(model: Path, data: str) -> None:
    """A note if the training that wrote the model took its rows from this table."""
    folder = model if model.is_dir() else model.parent
    try:
        settings = tomllib.loads((folder / "settings.toml").read_text("utf-8"))
        rows = json.loads((folder / "metrics.json").read_text("utf-8"))["rows"]
        seen, held_out = int(rows["train"]), int(rows["held_out"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # a model without its folder
    trained = str(settings.get("data"))
    if data == trained or (
        Path(trained).exists() and Path(data).resolve() == Path(trained).resolve()
    ):
        print(
            f"note: the model was trained on {seen} rows of {data}; its scores on the {held_out} "
            f"held out are in {(folder / 'metrics.json').as_posix()}",
            file=sys.stderr,
        )


def with_target(table: Table, name: str) -> Table:
    """The rows that have a target; if none has, that is told when they are scored."""
    present = np.flatnonzero(~table.missing(name))
    dropped = len(table) - len(present)
    if not dropped or not len(present):
        return table
    rows = "row" if dropped == 1 else "rows"
    print(f"note: {dropped} {rows} left out, {name} is missing", file=sys.stderr)
    return table.take(present)


def predict(
    model: Annotated[Path, _MODEL],
    data: Annotated[str, _DATA],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default=False,
            help="Where to write, as CSV or Parquet by the ending. Default: to the terminal.",
        ),
    ] = None,
    with_inputs: Annotated[
        bool, typer.Option("--with-inputs", help="Put the table's own columns in front.")
    ] = False,
    encoding: Annotated[str, _ENCODING] = "utf-8",
) -> None:  # fmt: skip
    """Predict the target for the rows of a table.

    Writes one line for each row, in order: the class and the probability of
    each class, or the number. The target's own column is not needed.

    Example:

    chainrule predict chainrule-out/heart patients.csv --out risk.csv
    """
    from chainrule.train.tabular import TableModel

    if out is not None and out.is_dir():
        raise ArgumentError(
            "predictions are written to a file",
            got=f"the folder {out}",
            remedy=f"name a file in it: --out {out / 'predictions.csv'}",
        )
    found, table = TableModel.load(model), read_table(data, encoding)
    columns = found.predict(table)
    for name, count in found.encoder.unseen(table).items():
        rows = "row has" if count == 1 else "rows have"
        print(f"note: {name}: {count} {rows} a category unseen in training", file=sys.stderr)
    if with_inputs:
        columns = _own(table, columns) | columns
    if out is None:
        sys.stdout.write(as_csv(columns))
        return
    write_table(columns, out)
    print(f"{len(table)} rows written to {out}")


def _own(table: Table, predicted: dict[str, Column]) -> dict[str, Column]:
    """The table's columns; the target keeps its place under another name."""
    return {
        f"{name} (given)" if name in predicted else name: table.cell(name) for name in table.names
    }
