"""The command ``chainrule explain``: the trace table of a formula."""

from __future__ import annotations

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from chainrule.cli.draw import save
from chainrule.errors import ArgumentError, FormulaError
from chainrule.formula import Formula, parse
from chainrule.insight import trace


class Mode(StrEnum):
    """Which running derivatives the table has."""

    forward = "forward"
    backward = "backward"
    both = "both"


class Format(StrEnum):
    """What is printed."""

    text = "text"
    graph = "graph"
    latex = "latex"
    html = "html"
    json = "json"
    derivation = "derivation"
    dot = "dot"
    mermaid = "mermaid"


def explain(
    formula: Annotated[
        str,
        typer.Argument(
            metavar="FORMULA",
            help="What to differentiate, for example 'L = -log(p); p = 1/(1 + e^(-W*x))'. "
            "Statements are separated by ; and may stand in any order.",
            show_default=False,
        ),
    ],
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            "-a",
            metavar="NAME=VALUE,…",
            help="The value of every variable: W=3,x=3. Values may be formulas: x=pi/2.",
            show_default=False,
        ),
    ] = None,
    wrt: Annotated[
        list[str] | None,
        typer.Option(
            "--wrt",
            "-w",
            metavar="NAME,…",
            help="The variables to differentiate with respect to. All of them by default.",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        Mode,
        typer.Option(
            "--mode",
            "-m",
            help="forward: dξₙ/dW from the variables on. backward: dL/dξₙ from the result back.",
        ),
    ] = Mode.both,
    format: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            help="text, latex (a document), html and json print the table; derivation the whole "
            "derivation as a LaTeX document; graph, dot and mermaid the computational graph.",
        ),
    ] = Format.text,
    draw: Annotated[
        Path | None,
        typer.Option(
            "--draw",
            "-d",
            metavar="FILE",
            help="Also draw the graph to a file: .svg, .png or .pdf; .gif or .webp play the passes "
            "step by step.",
            show_default=False,
        ),
    ] = None,
    frames: Annotated[
        bool, typer.Option("--frames", help="Make a drawing as .svg play the passes step by step.")
    ] = False,
) -> None:
    """Show every step of a formula, its partial derivatives, and how the chain rule joins them.

    Example:  chainrule explain "L = -(y*log(p) + (1-y)*log(1-p)); p = 1/(1+e^(-W*x))"
    --at W=3,x=3,y=1 --wrt W
    """
    f = parse(formula)
    values = read_values(f, at or [])
    names = [name.strip() for part in wrt or [] for name in part.split(",") if name.strip()]

    def run(**variables: Any) -> Any:
        found = f.evaluate(variables)
        return found[f.result], {name: found[name] for name in f.definitions}

    run.__name__ = f.__name__
    with np.errstate(all="ignore"):  # infinities and nan are shown where they arise
        graph = trace(run, has_aux=True)(**values)
        if draw is not None:
            moving = frames or draw.suffix.lower() in (".gif", ".webp")
            save(graph.draw(mode.value, names or None, frames=moving), draw)
        if format in (Format.graph, Format.dot, Format.mermaid):
            drawing = {
                Format.graph: lambda: str(graph),
                Format.dot: lambda: graph.to_dot(partials=True),
                Format.mermaid: lambda: graph.to_mermaid(partials=True),
            }
            typer.echo(drawing[format]())
            return
        table = graph.table(mode.value, names or None)
    if format is Format.derivation:
        typer.echo(graph.to_latex(mode.value, names or None, document=True))
    elif format is Format.text:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        typer.echo(table.to_text(columns))
    elif format is Format.latex:
        typer.echo(table.to_latex(document=True))
    elif format is Format.html:
        typer.echo(table.to_html())
    else:
        typer.echo(table.to_json())


def read_values(f: Formula, at: list[str]) -> dict[str, float]:
    """The values of a formula's variables from texts like ``W=3,x=3``.

    Raises:
        ArgumentError: a part without a name, a value or a number in it, or given twice.
        FormulaError: variables without a value, or values without a variable.

    >>> read_values(parse("W*x"), ["W=3, x=pi/2"])
    {'W': 3.0, 'x': 1.5707963267948966}
    """
    found: dict[str, float] = {}
    for part in (p.strip() for text in at for p in text.split(",")):
        if not part:
            continue
        name, sign, text = (piece.strip() for piece in part.partition("="))
        if not (name and sign and text) or name in found:
            raise ArgumentError(
                f"'{name}' is given twice"
                if name in found
                else "a value is not given as NAME=VALUE",
                got=f"--at {part}",
                remedy="write --at W=3,x=3, each name once",
            )
        number = parse(text)
        if number.variables:
            raise ArgumentError(
                f"the value of '{name}' is not a number",
                got=f"--at {part}",
                remedy=f"write a number: --at {name}=0.5",
            )
        found[name] = float(number())
    missing = [name for name in f.variables if name not in found]
    extra = [name for name in found if name not in f.variables]
    if missing or extra:
        listed = ",".join(f"{name}=…" for name in f.variables)
        raise FormulaError(
            f"no value is given for {', '.join(missing)}"
            if missing
            else f"the formula has no variable {', '.join(extra)}",
            got=f"{f.text}  at  {', '.join(f'{k}={v:g}' for k, v in found.items()) or 'no values'}",
            remedy=f"write --at {listed}" if listed else "leave --at out",
        )
    return found
