"""The command ``chainrule draw``: the network of a trained model as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from chainrule.cli.tables import read_table
from chainrule.cli.using import with_target
from chainrule.errors import ArgumentError
from chainrule.insight.drawing import Drawing

ROWS = 1000  # of a table that a gradient is taken over


def draw(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="A model that was saved: the file, or the folder of a training."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]", show_default=False,
            help="A table with the target, to show the values and the gradients of its first "
            f"{ROWS:,} rows: a CSV or Parquet file, or the name of a bundled data set.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="An .svg, .png or .pdf file.")
    ] = Path("model.svg"),
    unfold: Annotated[
        list[str] | None,
        typer.Option(
            "--unfold", "-u", metavar="LAYER", show_default=False,
            help="Draw a layer by its elementary functions; 'all' for every layer.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Draw the network of a trained model: its layers, shapes and parameters.

    Example:  chainrule draw chainrule-out/heart heart --out heart.png
    """
    layers: list[str] | bool = "all" in (unfold or []) or (unfold or [])
    if data is None:
        from chainrule.train import load

        found = load(model / "model.safetensors" if model.is_dir() else model)
        save(found.draw(unfold=layers), out)
        return
    from chainrule.train.tabular import TableModel

    trained, table = TableModel.load(model), read_table(data)
    table = with_target(table, trained.target.name)
    table = table.take(np.arange(min(len(table), ROWS)))
    x = trained.encoder.transform(table)
    y = trained.target.encode(trained.target.values(table))
    save(trained.model.draw(x, y, unfold=layers), out)


def save(drawing: Drawing, path: Path) -> None:
    """Write a drawing, and say on standard error where it is."""
    kinds = (".svg", ".gif", ".webp") if drawing.frames else (".svg", ".png", ".pdf")
    if path.suffix.lower() not in kinds:
        raise ArgumentError(
            "a drawing that moves is a file of another kind"
            if drawing.frames
            else "this is no kind of file for a drawing",
            got=str(path),
            remedy=f"let the name end in {', '.join(kinds[:-1])} or {kinds[-1]}",
        )
    try:
        drawing.save(path)
    except OSError as error:
        raise ArgumentError(
            "the drawing cannot be written",
            got=f"{path}: {error.strerror}",
            remedy="name a file in a folder that is there",
        ) from None
    typer.echo(f"drawn: {path}", err=True)
