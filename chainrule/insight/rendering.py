"""The trace table for a terminal, for Jupyter, for LaTeX and for Rich, from one grid of cells."""

from __future__ import annotations

import html as _html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.insight.words import Word, digest, latex_text, number_latex, width

if TYPE_CHECKING:
    from chainrule.insight.table import Row, Table

Line = list[str]
Block = list[Line]  # the lines of one row


@dataclass
class Grid:
    """The cells of a table: titles, alignments, and the lines of every row."""

    titles: list[str]
    right: list[bool]
    steps: list[Block]
    finals: list[Block]


class _Notation:
    """Text cells."""

    def math(self, word: Word) -> str:
        return word.text

    def value(self, x: Any, like: Any = None) -> str:
        """A value; without its shape where that is known from another."""
        return x if isinstance(x, str) else digest(x, shape=not _same_shape(x, like))

    def plain(self, text: str) -> str:
        return text

    def equation(self, *parts: Word) -> str:
        return " = ".join(p.text for p in parts)

    def derivative(self, of: Word, by: Word, d: str = "d") -> Word:
        return Word(f"{d}{of.text}/{d}{by.text}", "")


class _LatexNotation(_Notation):
    def math(self, word: Word) -> str:
        return f"${word.latex}$"

    def value(self, x: Any, like: Any = None) -> str:
        text = super().value(x, like)
        return f"${number_latex(x)}$" if _is_number(text) else latex_text(text)

    def plain(self, text: str) -> str:
        return latex_text(text)

    def equation(self, *parts: Word) -> str:
        return "$" + " = ".join(p.latex for p in parts) + "$"

    def derivative(self, of: Word, by: Word, d: str = "d") -> Word:
        sign = r"\partial " if d == "∂" else "d"
        return Word("", rf"\frac{{{sign}{of.latex}}}{{{sign}{by.latex}}}")


_ANY = Word("ξₙ", r"\xi_{n}")
_TEXT, _LATEX = _Notation(), _LatexNotation()


def grid(table: Table, n: _Notation = _TEXT) -> Grid:
    """The cells of a table in one notation."""
    forward, backward = table.mode != "backward", table.mode != "forward"
    words = {row.word.text: row.word for row in table.finals}
    shown = [name for name in words if any(name in row.forward for row in table.steps)]
    if not table.steps:
        shown = [name for name in words if any(name in row.forward for row in table.finals)]
    titles = ["variable", "partial derivative", "value"]
    titles += ["stored"] * backward + ["partial value"]
    titles = [n.plain(title) for title in titles]
    if forward:
        titles += [n.math(n.derivative(_ANY, words[name])) for name in shown]
    if backward:
        titles.append(n.math(n.derivative(table.output, _ANY)))
        titles.append(n.plain("contributions"))

    def block(row: Row) -> Block:
        names = [row.label, row.word] if row.label else [row.word]
        if row.formula is None:
            first = [n.math(row.word)]
            second = [n.math(n.derivative(table.output, row.word))]
        else:
            first = [n.equation(*names, row.formula)]
            second = [
                n.equation(n.derivative(row.word, p.of, "∂"), p.formula) for p in row.partials
            ]
        columns = [first, second, [n.value(row.value)]]
        if backward:
            columns.append(["yes"] if row.stored else [])
        columns.append([n.value(p.value) for p in row.partials])
        if forward:
            columns += [
                [n.value(row.forward[name], row.value)] if name in row.forward else []
                for name in shown
            ]
        if backward:
            columns += [
                [n.value(row.backward, row.value)],
                [_contribution(n, word, value, row) for word, value in row.contributions],
            ]
        height = max(len(c) for c in columns)
        return [[c[i] if i < len(c) else "" for c in columns] for i in range(height)]

    steps, finals = [block(r) for r in table.steps], [block(r) for r in table.finals]
    right = [
        title not in ("variable", "partial derivative", "stored", "contributions")
        and all(_is_number(_bare(line[i])) for b in (*steps, *finals) for line in b if line[i])
        for i, title in enumerate(titles)
    ]
    return Grid(titles, right, steps, finals)


def _contribution(n: _Notation, word: Word, value: Any, row: Row) -> str:
    """Where one contribution comes from; its value too where there are several."""
    if len(row.contributions) == 1:
        return f"{n.plain('from')} {n.math(word)}"
    return f"{n.plain('from')} {n.math(word)}: {n.value(value, row.value)}"


def _same_shape(x: Any, like: Any) -> bool:
    return like is not None and not isinstance(like, tuple) and np.shape(x) == np.shape(like)


def _bare(cell: str) -> str:
    cell = cell.strip("$").replace(r" \cdot 10^{", "e").replace("10^{", "1e").replace("}", "")
    return cell.replace(r"\infty", "inf").replace(r"\mathrm{nan", "nan")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def caption(table: Table) -> list[str]:
    """What stands above: the call with its values, and the arrays that it uses."""
    given = [f"{word.text} = {digest(value)}" for word, value in table.inputs]
    line = f"{table.title} at {', '.join(given)}" if given else table.title
    lines = [line] if width(line) <= 100 else [table.title, *(f"  {text}" for text in given)]
    return lines + [f"  {word.text} = {digest(value)}" for word, value in table.constants]


def text(table: Table, columns: int | None = None) -> str:
    """Aligned plain text; nothing is cut off.

    Where ``columns`` of a terminal are too few, the table is set in several parts below each
    other, each beginning with the variable.
    """
    g = grid(table)
    lines = [g.titles, *(line for b in (*g.steps, *g.finals) for line in b)]
    widths = [max(width(line[i]) for line in lines) for i in range(len(g.titles))]
    parts = "\n\n".join(_part(g, widths, chosen) for chosen in _parts(widths, columns))
    notes = [""] + [line for note in table.notes for line in _folded(note, columns)]
    above = [line for c in caption(table) for line in _folded(c, columns)]
    return "\n".join([*above, "", parts, *(notes if table.notes else [])])


def _parts(widths: Sequence[int], columns: int | None) -> list[list[int]]:
    """Which columns stand side by side; the first one in every part."""
    found = [[0]]
    room = (columns or 10**9) - 2
    for i in range(1, len(widths)):
        if len(found[-1]) > 1 and sum(widths[k] + 3 for k in found[-1]) + widths[i] > room:
            found.append([0])
        found[-1].append(i)
    return found


def _part(g: Grid, widths: Sequence[int], chosen: Sequence[int]) -> str:
    def joined(line: Sequence[str]) -> str:
        cells = []
        for i in chosen:
            space = " " * (widths[i] - width(line[i]))
            cells.append(space + line[i] if g.right[i] else line[i] + space)
        return " " + " │ ".join(cells).rstrip()

    def body(blocks: Sequence[Block]) -> list[str]:
        return [
            joined(x)
            for b in blocks
            for k, x in enumerate(b)
            if k == 0 or any(x[i] for i in chosen)
        ]

    rule = "─" + "─┼─".join("─" * widths[i] for i in chosen) + "─"
    last = body(g.finals)
    return "\n".join([joined(g.titles), rule, *body(g.steps), *([rule, *last] if last else [])])


def _folded(line: str, columns: int | None) -> list[str]:
    if columns is None or width(line) <= columns:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, columns, initial_indent=indent, subsequent_indent=indent + "  ")


def html(table: Table) -> str:
    """A table for Jupyter, styled by itself and readable on light and dark pages."""
    g = grid(table)
    cell = "padding:2px 10px;vertical-align:top;white-space:nowrap;"

    def lines_of(blocks: Sequence[Block], style: str) -> str:
        out = []
        for b in blocks:
            cells = []
            for i, right in enumerate(g.right):
                parts = [line[i] for line in b]
                while parts and not parts[-1]:
                    parts.pop()
                align = "right" if right else "left"
                inner = "<br>".join(_html.escape(p) for p in parts)
                cells.append(f'<td style="{cell}text-align:{align};{style}">{inner}</td>')
            out.append(f"<tr>{''.join(cells)}</tr>")
        return "\n".join(out)

    heads = "".join(
        f'<th style="{cell}text-align:{"right" if right else "left"};'
        f'border-bottom:1px solid">{_html.escape(title)}</th>'
        for title, right in zip(g.titles, g.right, strict=True)
    )
    above = "<br>".join(_html.escape(line.strip()) for line in caption(table))
    notes = "".join(f"<div>{_html.escape(note)}</div>" for note in table.notes)
    return (
        f'<div class="chainrule" style="overflow-x:auto">\n<div><b>{above}</b></div>\n'
        f'<table style="border-collapse:collapse">\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{lines_of(g.steps, '')}\n"
        f"{lines_of(g.finals, 'border-top:1px solid;font-weight:bold')}\n</tbody>\n</table>\n"
        f'<div style="font-size:smaller">{notes}</div>\n</div>'
    )


def latex(table: Table, document: bool) -> str:
    """A tabular without packages; as a document on one page that is as large as it needs."""
    g = grid(table, _LATEX)
    columns = "".join("r" if right else "l" for right in g.right)

    def line_of(line: Sequence[str]) -> str:
        return " & ".join(f"{{{c}}}" if c.startswith("[") else c for c in line) + r" \\[3pt]"

    body = [
        rf"\begin{{tabular}}{{{columns}}}",
        line_of(g.titles),
        r"\hline",
        *(line_of(line) for b in g.steps for line in b),
        r"\hline",
        *(line_of(line) for b in g.finals for line in b),
        r"\end{tabular}",
    ]
    tabular = "\n".join(body)
    if not document:
        return tabular
    plain = text(table).split("\n")
    above = [rf"\noindent {latex_text(line)}\par" for line in caption(table)]
    notes = [rf"\noindent {latex_text(note)}\par" for note in table.notes]
    across = 4 + 0.18 * max(width(line) for line in plain)
    down = 4 + 0.65 * len(plain)
    return "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage[T1]{fontenc}",
            rf"\usepackage[paperwidth={across:.1f}cm,paperheight={down:.1f}cm,margin=1cm]{{geometry}}",
            r"\pagestyle{empty}",
            r"\renewcommand{\arraystretch}{1.3}",
            r"\begin{document}",
            *above,
            r"\medskip\noindent",
            tabular,
            r"\par\medskip",
            *notes,
            r"\end{document}",
            "",
        ]
    )


def rich_group(table: Table) -> Any:
    """A renderable for Rich, which folds long cells in a narrow terminal."""
    from rich.box import SIMPLE
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

    g = grid(table)
    out = RichTable(box=SIMPLE, pad_edge=False, header_style="bold")
    for title, right in zip(g.titles, g.right, strict=True):
        out.add_column(Text(title), justify="right" if right else "left", overflow="fold")
    for i, b in enumerate(g.steps):
        out.add_row(*_stacked(b), end_section=i == len(g.steps) - 1)
    for b in g.finals:
        out.add_row(*_stacked(b), style="bold")
    above = [Text(line, "bold") for line in caption(table)]
    return Group(*above, out, *(Text(note, "dim") for note in table.notes))


def _stacked(block: Block) -> list[Any]:
    from rich.text import Text

    return [Text("\n".join(line[i] for line in block).rstrip("\n")) for i in range(len(block[0]))]
