"""What a trace table becomes: text, HTML, LaTeX, JSON and Rich."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.insight.table import Table
from chainrule.insight.words import width
from tests.insight.examples import by_formula, loss, network_table, table

# Text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [table, network_table])
def test_text_is_aligned_and_whole(make: Any) -> None:
    t = make()
    lines = [line for line in str(t).split("\n") if "│" in line or "┼" in line]
    rule = next(line for line in lines if "┼" in line)
    places = {i for i, c in enumerate(rule) if c == "┼"}
    for line in lines:
        assert width(line) == len(line)
        # shorter lines end early, but no separator is out of place
        assert {i for i, c in enumerate(line) if c in "│┼"} <= places
    for row in (*t.steps, *t.finals):
        assert row.formula is None or row.formula.text in str(t)
    assert str(t) == t.to_text()


SMALL = """\
tiny(w) at w = 0

 variable      │ partial derivative │ value │ stored │ partial value │ dL/dξₙ │ contributions
───────────────┼────────────────────┼───────┼────────┼───────────────┼────────┼───────────────
 ξ₁ = exp(w)   │ ∂ξ₁/∂w = exp(w)    │     1 │ yes    │             1 │      0 │ from ξ₂
 L = ξ₂ = w·ξ₁ │ ∂ξ₂/∂w = ξ₁        │     0 │        │             1 │      1 │
               │ ∂ξ₂/∂ξ₁ = w        │       │        │             0 │        │
───────────────┼────────────────────┼───────┼────────┼───────────────┼────────┼───────────────
 w             │ dL/dw              │     0 │ yes    │               │      1 │ from ξ₁: 0
               │                    │       │        │               │        │ from ξ₂: 1

stored for the backward pass: w, ξ₁ (2 values, 16 bytes)"""


def test_the_text_of_a_small_table() -> None:
    def tiny(w: Any) -> Any:
        return w * np.exp(w)

    assert str(cr.trace(tiny)(0.0).table()) == SMALL


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_a_narrow_terminal_gets_the_table_in_parts(columns: int) -> None:
    t = table()
    text = t.to_text(columns)
    assert max(map(width, text.split("\n"))) <= columns
    cells = {cell.strip() for line in str(t).split("\n") for cell in line.split("│")}
    parts = {cell.strip() for line in text.split("\n") for cell in line.split("│")}
    lost = {cell for cell in cells - parts if "─" not in cell and "stored for" not in cell}
    assert not lost
    assert text.count("variable") == {80: 2, 100: 2, 140: 1}[columns]


def test_a_terminal_that_is_just_wide_enough_gets_one_part() -> None:
    t = table()
    needed = max(width(line) for line in str(t).split("\n"))
    assert t.to_text(needed) == str(t)
    narrower = t.to_text(needed - 1)
    assert narrower.count("variable") == 2
    assert max(map(width, narrower.split("\n"))) < needed


def test_a_shape_is_told_once() -> None:
    """dL/dξ has the shape of ξ; the Jacobian of a partial has its own."""
    line = next(line for line in str(network_table()).split("\n") if line.startswith(" ξ₃ = "))
    cells = [cell.strip() for cell in line.split("│")]
    assert cells[2].startswith("(4, 2) [")
    assert cells[4].startswith("(4, 2) [")
    assert cells[5].startswith("(4, 2, 2) [")  # by params['b']
    assert cells[7].startswith("[")


# HTML -----------------------------------------------------------------------------------------


class _Cells(HTMLParser):
    """The texts of the cells, and whether every tag that opens also closes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "br":
            self.rows[-1][-1] += "\n" if self.rows else ""
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_html_has_the_cells_of_the_text() -> None:
    t = table()
    parser = _Cells()
    parser.feed(t._repr_html_())
    parser.close()
    assert parser.open == []
    assert t.to_html() == t._repr_html_()
    titles = [cell.strip() for cell in str(t).split("\n")[2].split("│")]
    assert parser.rows[0] == titles
    assert len(parser.rows) == 1 + len(t.steps) + 1
    reciprocal = next(row for row in parser.rows if row[0] == "p = ξ₅ = 1/ξ₄")
    assert reciprocal[1:4] == ["∂ξ₅/∂ξ₄ = −1/ξ₄²", "0.99987661", "yes"]
    assert reciprocal[-1] == "from ξ₆: -1.0001234\nfrom ξ₉: 0"


def test_html_is_escaped() -> None:
    t = cr.trace(lambda p: p["<i>&"] > 0)({"<i>&": 1.0}).table("forward")
    markup = t._repr_html_()
    assert "<i>" not in markup
    assert "p['&lt;i&gt;&amp;'] &gt; 0" in markup.replace("&#x27;", "'")


# LaTeX ----------------------------------------------------------------------------------------

HOSTILE = {"50%_{a}$&#~^\\ <中>": 2.0, "β": 3.0, 'q"': 1.0}


def hostile_table() -> Table:
    return cr.trace(lambda p: sum(np.exp(v) for v in p.values()))(HOSTILE).table("both")


@pytest.mark.parametrize("make", [table, network_table, hostile_table])
def test_latex_is_a_well_formed_tabular(make: Any) -> None:
    latex = make().to_latex()
    assert latex.isascii()
    lines = latex.split("\n")
    columns = re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", lines[0])
    assert columns
    assert lines[-1] == r"\end{tabular}"
    for line in lines[1:-1]:
        if line == r"\hline":
            continue
        assert line.endswith(r" \\[3pt]")
        assert len(re.findall(r"(?<!\\)&", line)) == len(columns[1]) - 1
        plain = re.sub(r"\\[\\{}$&%#_]", "", line)  # without escaped signs
        assert plain.count("{") == plain.count("}")
        assert plain.count("$") % 2 == 0
        assert "%" not in plain
        assert "#" not in plain
        for cell in re.split(r"(?<!\\)&", line):
            outside = re.sub(r"\$[^$]*\$", "", cell.replace(r"\$", ""))
            assert "^" not in outside.replace(r"\textasciicircum", "")
            assert "_" not in outside.replace(r"\_", "")


def test_latex_formulas() -> None:
    latex = table().to_latex()
    assert r"$p = \xi_{5} = \frac{1}{\xi_{4}}$" in latex
    assert r"$\frac{\partial \xi_{5}}{\partial \xi_{4}} = -\frac{1}{\xi_{4}^{2}}$" in latex
    assert r"$\frac{dL}{dW}$" in latex
    assert "$-0.00037018373$" in latex


def test_a_latex_document_is_complete() -> None:
    t = table()
    document = t.to_latex(document=True)
    assert document.isascii()
    assert document.startswith("\\documentclass{article}\n")
    assert document.index(r"\begin{document}") < document.index(t.to_latex())
    assert document.rstrip().endswith(r"\end{document}")
    packages = re.findall(r"\\usepackage(?:\[[^]]*\])?\{(\w+)\}", document)
    assert packages == ["fontenc", "geometry"]


# Plain data -----------------------------------------------------------------------------------


def test_json_holds_every_digit() -> None:
    found = json.loads(table().to_json())
    assert found["function"] == "loss(W, x, y)"
    assert found["inputs"] == {"W": 3.0, "x": 3.0, "y": 1.0}
    assert (found["mode"], found["wrt"], found["output"]) == ("both", ["W"], "L")
    rows = by_formula(found["rows"])
    assert rows["exp(ξ₂)"]["value"] == float(mpmath.exp(-9))
    assert (
        rows["W"]["backward"] == rows["W"]["forward"]["W"] == cr.grad(lambda W: loss(W, 3, 1)[0])(3)
    )
    assert set(rows["1/ξ₄"]) == {
        "name", "label", "kind", "formula", "value", "partials", "forward", "backward",
        "contributions", "stored", "line",
    }  # fmt: skip
    assert "np.exp(-W * x)" in rows["1/ξ₄"]["line"]


def test_json_has_arrays_as_lists_and_no_bare_nan() -> None:
    with np.errstate(all="ignore"):
        t = cr.trace(lambda x: np.log(x).sum())(np.array([0.0, -1.0])).table()
    found = json.loads(t.to_json(), parse_constant=pytest.fail)
    assert found["rows"][0]["value"] == ["-Infinity", "NaN"]
    assert found["rows"][-1]["backward"] == ["Infinity", -1.0]


def test_rows_have_only_what_their_mode_has() -> None:
    assert "backward" not in table("forward").rows()[0]
    assert "forward" not in table("backward").rows()[0]


def test_rich_shows_every_cell() -> None:
    from rich.console import Console

    t = table()
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(t)
    text = console.export_text()
    for row in t.steps:
        assert row.formula.text in text
    assert "-0.00037018373" in text
    assert t.notes[0] in text
