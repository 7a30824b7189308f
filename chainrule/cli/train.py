"""The command ``chainrule train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli.run import run
from chainrule.errors import ArgumentError
from chainrule.optim.names import OPTIMIZERS
from chainrule.train.tabular.settings import SCHEDULES, Settings, read_toml

_DATA, _MODEL, _DESCENT, _OUTPUT = "Data", "Models", "Training", "Output"


def _option(help: str, *names: str, panel: str, metavar: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, **more)


def train(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", show_default=False,
            help="A CSV or Parquet file, or a bundled data set: heart, digits5k, moons, circles, "
            "xor, spirals, blobs. A --config file may name it instead.",
        ),
    ] = "",
    target: Annotated[
        str,
        _option(
            "The column to predict. Bundled data sets have one.", "--target", "-t",
            panel=_DATA, metavar="COLUMN", show_default=False,
        ),
    ] = "",
    task: Annotated[
        str,
        _option(
            "auto, classification or regression. auto: text is classes; numbers are numbers, "
            "unless they are two values, or a few whole ones that recur.",
            panel=_DATA, metavar="TASK",
        ),
    ] = "auto",
    numeric: Annotated[
        list[str] | None,
        _option(
            "A column that must be numbers; any other text in it is an error. Repeatable.",
            panel=_DATA, metavar="COLUMN", show_default=False,
        ),
    ] = None,
    categorical: Annotated[
        list[str] | None,
        _option(
            "A column to read as categories although it holds numbers. Repeatable.",
            panel=_DATA, metavar="COLUMN", show_default=False,
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        _option(
            "A column to leave out. Repeatable.",
            panel=_DATA, metavar="COLUMN", show_default=False,
        ),
    ] = None,
    encoding: Annotated[
        str,
        _option(
            "How the file spells its characters: utf-8, cp1252, utf-16.",
            panel=_DATA, metavar="NAME",
        ),
    ] = "utf-8",
    test_size: Annotated[
        float,
        _option(
            "The fraction of the rows to hold out, between 0 and 1.",
            panel=_DATA, metavar="FRACTION",
        ),
    ] = 0.25,
    validation_size: Annotated[
        float | None,
        _option(
            "The fraction of the training rows that early stopping, the plateau schedule and "
            "restarts judge by. Default: 0.2 with one of these, otherwise 0.",
            panel=_DATA, metavar="FRACTION", show_default=False,
        ),
    ] = None,
    layers: Annotated[
        str,
        _option(
            "Units in each hidden layer of the network, such as 16,8; none trains the linear "
            "model only.",
            "--layers", "--hidden", panel=_MODEL, metavar="UNITS",
        ),
    ] = "16",
    activation: Annotated[
        str,
        _option("Of the hidden layers: relu, tanh, gelu, …", panel=_MODEL, metavar="NAME"),
    ] = "relu",
    batch_norm: Annotated[
        bool,
        typer.Option(
            "--batch-norm", help="Normalise each hidden layer over the batch.",
            rich_help_panel=_MODEL,
        ),
    ] = False,
    dropout: Annotated[
        float,
        _option(
            "The share of each hidden layer's outputs that a step leaves out.",
            panel=_MODEL, metavar="SHARE",
        ),
    ] = 0.0,
    restarts: Annotated[
        int,
        _option(
            "Networks to train from different starts; the best on the validation rows is kept.",
            panel=_MODEL, metavar="N",
        ),
    ] = 1,
    optimizer: Annotated[
        str,
        _option(f"{', '.join(OPTIMIZERS)}.", panel=_DESCENT, metavar="NAME"),
    ] = "sgd",
    learning_rate: Annotated[
        float | None,
        _option(
            "The length of a step. Default: the optimizer's own; for sgd 0.1, or less where the "
            "data demand it.",
            panel=_DESCENT, metavar="RATE", show_default=False,
        ),
    ] = None,
    schedule: Annotated[
        str,
        _option(
            f"How the rate changes over the epochs: {', '.join(SCHEDULES)}.",
            panel=_DESCENT, metavar="NAME",
        ),
    ] = "constant",
    epochs: Annotated[
        int, _option("Passes over the training rows.", panel=_DESCENT, metavar="N")
    ] = 100,
    early_stopping: Annotated[
        int | None,
        _option(
            "Stop after so many epochs without a better validation loss, and keep the best "
            "weights.",
            panel=_DESCENT, metavar="N", show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int, _option("Rows in each step of the descent.", panel=_DESCENT, metavar="ROWS")
    ] = 32,
    batch_growth: Annotated[
        float,
        _option(
            "The factor by which the batch grows every --growth-every epochs.",
            panel=_DESCENT, metavar="FACTOR",
        ),
    ] = 1.0,
    growth_every: Annotated[
        int, _option("Epochs between two growths of the batch.", panel=_DESCENT, metavar="N")
    ] = 10,
    weight_decay: Annotated[
        float,
        _option(
            "How strongly weights are pulled to 0 (L2); 0 for not at all.",
            panel=_DESCENT, metavar="RATE",
        ),
    ] = 0.03,
    clip_norm: Annotated[
        float | None,
        _option(
            "The largest norm of a gradient; longer ones are shortened to it.",
            panel=_DESCENT, metavar="NORM", show_default=False,
        ),
    ] = None,
    class_weight: Annotated[
        str,
        _option(
            "none, balanced, or weights such as yes=2,no=1.", panel=_DESCENT, metavar="WEIGHTS"
        ),
    ] = "none",
    seed: Annotated[
        int,
        _option(
            "The start of all random numbers; the same seed gives the same result to the last "
            "bit.",
            panel=_DESCENT, metavar="N",
        ),
    ] = 0,
    config: Annotated[
        Path | None,
        _option(
            "A TOML file with any of these options by their names, such as the settings.toml of "
            "an earlier run. Options given beside it win.",
            panel=_OUTPUT, metavar="FILE", show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        _option(
            "The folder to write to. Default: chainrule-out/ and the name of the data.",
            panel=_OUTPUT, metavar="DIR", show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on from where a run into the same folder was stopped or killed.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
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
    linear for numbers) and a network by mini-batch gradient descent. Shows the
    held-out scores beside the baseline's, and traces one row's loss back to
    one weight.

    Rows without a target are dropped. A missing number becomes the training
    median, and an input marks it; a missing category is one of its own.
    Missing is an empty cell, NA, N/A, NaN or ?.

    The folder gets report.html, which shows all of it to a person who was not
    there, the models, the history, the scores, the predictions for the held-out
    rows, and the settings. `chainrule report` compares several such folders.

    Examples:

    chainrule train heart

    chainrule train houses.csv --target price --layers 32,16 --optimizer adam

    chainrule train spirals --layers 32,32 --weight-decay 0 --epochs 500
    """
    given: dict[str, Any] = {} if config is None else read_toml(config)
    for name, value in context.params.items():
        source = context.get_parameter_source(name)
        if name in _HERE or source is None or source.name.startswith("DEFAULT"):
            continue
        given[name] = _READ[name](value) if name in _READ else value
    settings = Settings.from_mapping(given, "the command line")
    if not settings.data:
        raise ArgumentError(
            "which data are to be trained on?",
            got="neither a file nor the name of a bundled data set",
            remedy="chainrule train heart, or chainrule train FILE.csv --target COLUMN",
        )
    if run(settings, out, resume=resume, quiet=quiet):
        raise typer.Exit(130)


_HERE = {"config", "out", "resume", "quiet"}  # what is no setting of the training


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
            got=f"--layers {text}",
            remedy="write for example --layers 16,8, or --layers none for the linear model only",
        )
    return sizes


def class_weights(text: str) -> str | dict[str, float]:
    """Read ``balanced``, ``none``, or a weight for each class.

    >>> class_weights("balanced"), class_weights("yes=2,no=0.5")
    ('balanced', {'yes': 2.0, 'no': 0.5})
    """
    if text in ("none", "balanced"):
        return text
    weights: dict[str, float] = {}
    try:
        for part in text.split(","):
            name, weight = part.rsplit("=", 1)
            weights[name.strip()] = float(weight)
    except ValueError:
        weights = {"": -1.0}
    if not all(0.0 <= w < float("inf") for w in weights.values()):
        raise ArgumentError(
            "class weights are none, balanced, or a number of 0 or more for each class",
            got=f"--class-weight {text}",
            remedy="write for example --class-weight yes=2,no=1",
        )
    return weights


_READ = {"layers": hidden_units, "class_weight": class_weights}
