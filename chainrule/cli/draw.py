"""The command ``chainrule draw``: the network of a trained model as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.errors import ArgumentError
from chainrule.insight.drawing import Drawing


def draw(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="A model that was saved: the file, or the folder of a training."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="An .svg, .png or .pdf file.")
    ] = Path("model.svg"),
    unfold: Annotated[
        list[str] | None,
        typer.Option(
            "--unfold", "-u", metavar="LAYER",
            help="Draw a layer by its elementary functions; 'all' for every layer.",
            show_default=False,
        ),
    ] = None,
) -> None:  # fmt: skip
    """Draw the network of a trained model: its layers, shapes and parameters.

    Example:  chainrule draw chainrule-out/heart --out heart.png
    """
    from chainrule.train import load

    found = load(model / "model.safetensors" if model.is_dir() else model)
    layers = unfold or []
    save(found.draw(unfold="all" in layers or layers), out)


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
