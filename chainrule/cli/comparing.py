"""The command ``chainrule report``: several runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.errors import ArgumentError
from chainrule.train.files import write_whole


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN…",
            help="Folders that `chainrule train` has written. Each holds a report.html of its own.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="The HTML file to write."),
    ] = Path("comparison.html"),
) -> None:
    """Compare several runs in one HTML file.

    Shows the settings that differ, the scores side by side with their standard
    errors, the curves overlaid, and which runs cannot be told apart.

    Example:

    chainrule report chainrule-out/heart chainrule-out/wide --out comparison.html
    """
    from chainrule.report.comparing import comparison
    from chainrule.report.runs import read_runs

    if out.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(
            "a report is written as HTML",
            got=f"--out {out}",
            remedy="let the file end in .html: --out comparison.html",
        )
    write_whole(out, comparison(read_runs(runs)).encode())
    print(f"{len(runs)} {'run' if len(runs) == 1 else 'runs'} compared in {out}")
