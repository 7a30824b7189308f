"""The command line: ``chainrule train``, ``evaluate``, ``predict``, ``report``, ``explain``, …"""

from __future__ import annotations

import os
import sys
import textwrap
from typing import Annotated

import typer

from chainrule import __version__
from chainrule.cli.comparing import compare
from chainrule.cli.draw import draw
from chainrule.cli.explain import explain
from chainrule.cli.figures import figures
from chainrule.cli.train import train
from chainrule.cli.using import evaluate, predict
from chainrule.errors import ChainruleError

app = typer.Typer(
    name="chainrule",
    help="Exact derivatives of NumPy code, every step visible, and models trained with them.",
    epilog="Begin with:  chainrule train heart",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train)
app.command()(evaluate)
app.command()(predict)
app.command("report")(compare)
app.command()(explain)
app.command()(draw)
app.command()(figures)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"chainrule {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Takes the options that stand before a command."""


def main() -> None:
    """Run the command line; a bad input ends it with a message on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # A pipe in an old encoding must not turn a Greek letter into a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="chainrule")
    except ChainruleError as error:
        _show(_without_our_caller(error))
        sys.exit(2)


def _without_our_caller(error: ChainruleError) -> ChainruleError:
    """The error without its line, where that is the one in Typer which called the command."""
    if not error.line.startswith(os.path.dirname(os.path.abspath(typer.__file__))):
        return error
    return ChainruleError(error.cause, got=error.got, remedy=error.remedy)


def _show(error: ChainruleError) -> None:
    """The error on stderr; on a terminal its long lines are wrapped below their beginnings."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    text = Text()
    for i, line in enumerate(str(error).splitlines()):
        indent = " " * 12 if i else "  "
        if console.is_terminal:
            line = "\n".join(textwrap.wrap(line, console.width, subsequent_indent=indent))
        text.append("" if i else "error: ", "bold red").append(f"{line}\n")
    text.highlight_regex(r"^  (received|at|remedy):", "bold cyan")
    console.print(text, end="", soft_wrap=True)
