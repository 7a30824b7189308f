"""The command ``chainrule train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.run import run
from chainrule.errors import ArgumentError
from chainrule.train.tabular import Settings

_DATA, _MODEL, _OUTPUT = "Data", "Models and training", "Output"


def train(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A CSV file, or the name of a bundled data set: heart."
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            "--target", "-t", metavar="COLUMN", help="The column to predict. heart has disease.",
            show_default=False, rich_help_panel=_DATA,
        ),
    ] = "",
    task: Annotated[
        str,
        typer.Option(
            help="auto, classification or regression. auto: text is classes; numbers are numbers, "
            "unless they are two values, or a few whole ones that recur.",
            metavar="TASK", rich_help_panel=_DATA,
        ),
    ] = "auto",
    numeric: Annotated[
        list[str] | None,
        typer.Option(
            help="A column that must be numbers; any other text in it is an error. Repeatable.",
            metavar="COLUMN", show_default=False, rich_help_panel=_DATA,
        ),
    ] = None,
    categorical: Annotated[
        list[str] | None,
        typer.Option(
            help="A column to read as categories although it holds numbers. Repeatable.",
            metavar="COLUMN", show_default=False, rich_help_panel=_DATA,
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            help="A column to leave out. Repeatable.", metavar="COLUMN", show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None,
    encoding: Annotated[
        str,
        typer.Option(
            help="How the file spells its characters: utf-8, cp1252, utf-16.", metavar="NAME",
            rich_help_panel=_DATA,
        ),
    ] = "utf-8",
    test_size: Annotated[
        float,
        typer.Option(
            help="The fraction of the rows to hold out, between 0 and 1.", metavar="FRACTION",
            rich_help_panel=_DATA,
        ),
    ] = 0.25,
    hidden: Annotated[
        str,
        typer.Option(
            help="Units in each hidden layer of the network, such as 16,8; none trains the linear "
            "model only.",
            metavar="UNITS", rich_help_panel=_MODEL,
        ),
    ] = "16",
    epochs: Annotated[
        int,
        typer.Option(
            min=1, help="Passes over the training rows.", metavar="N", rich_help_panel=_MODEL
        ),
    ] = 100,
    batch_size: Annotated[
        int,
        typer.Option(
            min=1, help="Rows in each step of the descent.", metavar="ROWS", rich_help_panel=_MODEL
        ),
    ] = 32,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="The length of a step as a multiple of the gradient. Default: 0.1, or less where "
            "the data demand it.",
            metavar="RATE", show_default=False, rich_help_panel=_MODEL,
        ),
    ] = None,
    weight_decay: Annotated[
        float,
        typer.Option(
            help="How strongly weights are pulled to 0 (L2); 0 for not at all.", metavar="RATE",
            rich_help_panel=_MODEL,
        ),
    ] = 0.03,
    seed: Annotated[
        int,
        typer.Option(
            help="The start of all random numbers; the same seed gives the same result to the "
            "last bit.",
            metavar="N", rich_help_panel=_MODEL,
        ),
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder to write to. Default: chainrule-out/ and the name of the data.",
            metavar="DIR", show_default=False, rich_help_panel=_OUTPUT,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Print only the folder that was written to.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
) -> None:  # fmt: skip
    """Train a linear model and a network on a table, and compare them on rows they never saw.

    Divides the rows, standardises numbers with the statistics of the training
    rows alone, and trains a logistic regression (softmax for more classes,
    linear for numbers) and a network of relu layers by mini-batch gradient
    descent. Shows the held-out scores beside the baseline's, and traces one
    row's loss back to one weight.

    Rows without a target are dropped. A missing number becomes the training
    median, and an input marks it; a missing category is one of its own.
    Missing is an empty cell, NA, N/A, NaN or ?.

    Examples:

    chainrule train heart

    chainrule train houses.csv --target price --hidden 32,16 --epochs 200
    """
    settings = Settings(
        target,
        task=task,
        hidden=hidden_units(hidden),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        test_size=test_size,
        seed=seed,
        numeric=tuple(numeric or ()),
        categorical=tuple(categorical or ()),
        drop=tuple(drop or ()),
    )
    if run(data, settings, out, encoding=encoding, quiet=quiet):
        raise typer.Exit(130)


def hidden_units(text: str) -> tuple[int, ...]:
    """Read ``16,8`` as layer sizes, and ``none`` as no layer.

    >>> hidden_units("16,8"), hidden_units("none")
    ((16, 8), ())
    """
    if text.strip().lower() in ("", "none"):
        return ()
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise ArgumentError(
            "the hidden layers are whole numbers of units, with commas between them",
            got=f"--hidden {text}",
            remedy="write for example --hidden 16,8, or --hidden none for the linear model only",
        )
    return sizes
