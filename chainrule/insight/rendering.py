"""The trace table for a terminal, for Jupyter, for LaTeX and for Rich, from one grid of cells."""

from __future__ import annotations

import html as _html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

    def value(self, x: Any) -> str:
        return x if isinstance(x, str) else digest(x)

    def plain(self, text: str) -> str:
        return text

    def equation(self, *parts: Word) -> str:
        return " = ".join(p.text for p in parts)

    def derivative(self, of: Word, by: Word, d: str = "d") -> Word:
        return Word(f"{d}{of.text}/{d}{by.text}", "")


class _LatexNotation(_Notation):
    def math(self, word: Word) -> str:
        return f"${word.latex}$"

    def value(self, x: Any) -> str:
        if isinstance(x, str):
            return latex_text(x)
        text = digest(x)
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
    titles = ["variable", "partial derivative", "value", "value of partial"]
    titles = [n.plain(title) for title in titles]
    if forward:
        titles += [n.math(n.derivative(_ANY, words[name])) for name in shown]
    if backward:
        titles.append(n.math(n.derivative(table.output, _ANY)))
        titles += [n.plain("contributions"), n.plain("stored")]

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
        columns = [first, second, [n.value(row.value)], [n.value(p.value) for p in row.partials]]
        if forward:
            columns += [
                [n.value(row.forward[name])] if name in row.forward else [] for name in shown
            ]
        if backward:
            columns += [
                [n.value(row.backward)],
                [_contribution(n, word, value, row) for word, value in row.contributions],
                ["yes"] if row.stored else [],
            ]
        height = max(len(c) for c in columns)
        return [[c[i] if i < len(c) else "" for c in columns] for i in range(height)]

    steps, finals = [block(r) for r in table.steps], [block(r) for r in table.finals]
    right = [
        i >= 2
        and all(_is_number(_bare(line[i])) for b in (*steps, *finals) for line in b if line[i])
        for i in range(len(titles))
    ]
    return Grid(titles, right, steps, finals)


def _contribution(n: _Notation, word: Word, value: Any, row: Row) -> str:
    """Where one contribution comes from; its value too where there are several."""
    if len(row.contributions) == 1:
        return f"{n.plain('from')} {n.math(word)}"
    return f"{n.plain('from')} {n.math(word)}: {n.value(value)}"


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


def text(table: Table) -> str:
    """Aligned plain text; nothing is cut off."""
    g = grid(table)
    lines = [g.titles, *(line for b in (*g.steps, *g.finals) for line in b)]
    widths = [max(width(line[i]) for line in lines) for i in range(len(g.titles))]

    def joined(line: Sequence[str]) -> str:
        cells = []
        for cell, w, right in zip(line, widths, g.right, strict=True):
            space = " " * (w - width(cell))
            cells.append(space + cell if right else cell + space)
        return " " + " │ ".join(cells).rstrip()

    rule = "─" + "─┼─".join("─" * w for w in widths) + "─"
    body = [joined(line) for b in g.steps for line in b]
    last = [joined(line) for b in g.finals for line in b]
    parts = [*caption(table), "", joined(g.titles), rule, *body]
    parts += [rule, *last] if last else []
    return "\n".join([*parts, *([""] if table.notes else []), *table.notes])


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
        return " & ".join(f"{{{c}}}" if c.startswith("[") else c for c in line) + r" \\[2pt]"

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
    across = 4 + 0.22 * max(width(line) for line in plain)
    down = 6 + 1.0 * len(plain)
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
