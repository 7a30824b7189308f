"""The health of a network as a table: in text, in HTML, and for Rich."""

from __future__ import annotations

import html as _html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.insight.words import width

if TYPE_CHECKING:
    from chainrule.diagnose.health import GradientHealth, LayerHealth

TITLES = (
    "layer", "activation", "signal in", "out: mean", "spread", "dead", "saturated", "gradient",
    "update/weight", "signal ÷ predicted", "gradient ÷ predicted",
)  # fmt: skip
NOTES = (
    "signal in: √mean square of the input; gradient: of the derivatives of a row's loss by what "
    "the activation gets",
    "÷ predicted: mean squares over those that the initialiser predicts, about 1 before training",
)


def cells(layer: LayerHealth) -> list[str]:
    """One row of the table."""
    return [
        f"{layer.name} ({layer.kind})",
        layer.activation,
        _number(layer.input_rms),
        _number(layer.mean),
        _number(layer.spread),
        _share(layer.dead),
        _share(layer.saturated),
        _number(layer.gradient_rms),
        _number(layer.update_ratio),
        _number(layer.signal_ratio),
        _number(layer.gradient_ratio),
    ]


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.2g}"


def _share(x: float | None) -> str:
    return "" if x is None else f"{x:.0%}"


def caption(health: GradientHealth) -> str:
    when = f"after {health.steps:,} steps" if health.steps else "before training"
    return f"gradient health {when}, on {health.rows} rows; loss {health.loss:.6g}"


def used(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns in which something stands."""
    return [i for i in range(len(TITLES)) if any(row[i] for row in rows)]


def text(health: GradientHealth) -> str:
    """Aligned plain text: the table, and below it the verdict."""
    rows = [cells(layer) for layer in health.layers]
    columns = used(rows)
    lines = [[row[i] for i in columns] for row in (TITLES, *rows)]
    widths = [max(width(line[k]) for line in lines) for k in range(len(columns))]
    printed = [
        " " + " │ ".join(
            cell + pad if k < 2 and columns[k] < 2 else pad + cell
            for k, cell in enumerate(line)
            for pad in [" " * (widths[k] - width(cell))]
        )
        for line in lines
    ]  # fmt: skip
    rule = "┼".join("─" * (w + 2) for w in widths)
    verdicts = [str(v) for v in health.verdicts] or ["nothing is wrong that shows here"]
    return "\n".join(
        [caption(health), "", printed[0].rstrip(), rule, *(p.rstrip() for p in printed[1:]), "",
         *NOTES, "", *verdicts]
    )  # fmt: skip


def html(health: GradientHealth) -> str:
    """A table and a list, without styles of their own but for alignment."""
    rows = [cells(layer) for layer in health.layers]
    columns = used(rows)

    def line(row: Sequence[str], tag: str) -> str:
        parts = "".join(
            f'<{tag} style="text-align:{"left" if i < 2 else "right"}">{_html.escape(row[i])}'
            f"</{tag}>"
            for i in columns
        )
        return f"<tr>{parts}</tr>"

    body = "\n".join(line(row, "td") for row in rows)
    verdicts = health.verdicts
    items = "".join(
        f"<li>{_html.escape(v.words)}<br><b>remedy:</b> {_html.escape(v.remedy)}</li>"
        for v in verdicts
    )
    verdict = f"<ul>{items}</ul>" if verdicts else "<p>nothing is wrong that shows here</p>"
    return (
        f"<table><caption>{_html.escape(caption(health))}</caption>\n"
        f"<thead>{line(TITLES, 'th')}</thead>\n<tbody>{body}</tbody></table>\n"
        f"<p><small>{_html.escape('; '.join(NOTES))}</small></p>\n{verdict}"
    )


def rich_group(health: GradientHealth) -> Any:
    """The table and the verdict as Rich prints them."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = [cells(layer) for layer in health.layers]
    columns = used(rows)
    table = Table(title=caption(health), title_justify="left")
    for i in columns:
        table.add_column(TITLES[i], justify="left" if i < 2 else "right")
    for row in rows:
        table.add_row(*(Text(row[i]) for i in columns))
    verdicts = [Text(str(v)) for v in health.verdicts]
    return Group(table, *(verdicts or [Text("nothing is wrong that shows here")]))
