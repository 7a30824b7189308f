"""The command ``chainrule figures``: the lecture's figures, from real runs, as files."""

from __future__ import annotations

from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from textwrap import fill
from time import perf_counter
from typing import Annotated

import typer

from chainrule.errors import ArgumentError

INDENT = " " * 6


class Format(StrEnum):
    """The kind of file."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


def figures(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Which figures to make, as --list names them. All of them by default.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="The folder for the files.")
    ] = Path("figures"),
    format: Annotated[
        Format, typer.Option("--format", "-f", help="The kind of file.")
    ] = Format.png,
    list_only: Annotated[
        bool,
        typer.Option(
            "--list", "-l", help="Name the figures and what they show; with NAMEs, what to look at."
        ),
    ] = False,
) -> None:
    """Make the figures of the lecture, each from a run of this library.

    Example:  chainrule figures ravine stability --out pictures --format svg
    """
    from chainrule.plot import FIGURES, save

    wanted = list(dict.fromkeys(names or FIGURES))
    _check(wanted, tuple(FIGURES))
    if list_only:
        _show_list(wanted, looks=bool(names))
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(
            "the folder for the figures cannot be made",
            got=f"--out {out}: {error.strerror}",
            remedy="give a folder that is there or can be made: --out pictures",
        ) from None
    for name in wanted:
        start = perf_counter()
        path = save(name, out, format.value)
        typer.echo(f"{path}  ({perf_counter() - start:.1f} s)")


def _check(wanted: list[str], names: tuple[str, ...]) -> None:
    """Refuse unknown names before the first run."""
    for name in wanted:
        if name not in names:
            near = get_close_matches(name.lower(), names, 1, 0.4)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ArgumentError(
                f"there is no figure '{name}'",
                got=f"chainrule figures {' '.join(wanted)}",
                remedy=f"{hint}chainrule figures --list names all of them",
            )


def _show_list(names: list[str], looks: bool) -> None:
    """A line for each figure under the heading of its theme, and what to look at if wanted."""
    from chainrule.plot import FIGURES

    width = max(map(len, names))
    theme = ""
    for name in names:
        entry = FIGURES[name]
        if entry.theme != theme:
            theme = entry.theme
            typer.echo(f"\n{theme}")
        long = f"  [about {entry.seconds} s]" if entry.seconds >= 10 else ""
        typer.echo(f"  {name:<{width}}  {entry.title}{long}")
        if looks:
            typer.echo(fill(entry.look, 88, initial_indent=INDENT, subsequent_indent=INDENT))
    total = sum(FIGURES[name].seconds for name in names)
    typer.echo(f"\n{len(names)} figures, about {total} s on two cores.")
