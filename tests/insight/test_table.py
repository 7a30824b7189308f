"""The trace table, against closed forms; and what it becomes: text, HTML, LaTeX, JSON."""

from __future__ import annotations

import io
import json
import math
import re
from html.parser import HTMLParser
from typing import Any

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, NoDependenceError, NotScalarError
from chainrule.insight.table import Table
from chainrule.insight.words import width


def loss(W: Any, x: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-W * x))
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)), {"p": p}


def table(mode: str = "both", wrt: Any = "W", at: tuple[Any, ...] = (3, 3, 1)) -> Table:
    return cr.trace(loss, has_aux=True)(*at).table(mode, wrt)


def by_formula(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["formula"] or row["name"]: row for row in rows}


# The lecture's example at x = 3, y = 1, W = 3 ---------------------------------------------------

with mpmath.workdps(50):
    E9 = float(mpmath.exp(-9))  # 1.2340980408667956e-4
    P = float(1 / (1 + mpmath.exp(-9)))
    Q = float(1 - 1 / (1 + mpmath.exp(-9)))
    SLOPE = float(-3 * mpmath.exp(-9) / (1 + mpmath.exp(-9)))
    LOG_P, LOG_Q = (
        float(-mpmath.log(1 + mpmath.exp(-9))),
        float(-9 - mpmath.log(1 + mpmath.exp(-9))),
    )

# formula: value, dξ/dW, dL/dξ, each worked out by hand with e = e⁻⁹, p = 1/(1 + e), q = 1 − p
ORACLE = {
    "−W": (-3.0, -1.0, 3 * Q),
    "ξ₁·x": (-9.0, -3.0, Q),
    "exp(ξ₂)": (E9, -3 * E9, P),
    "1 + ξ₃": (1 + E9, -3 * E9, P),
    "1/ξ₄": (P, 3 * E9 * P**2, -1 / P),
    "log(ξ₅)": (LOG_P, 3 * Q, -1.0),
    "y·ξ₆": (LOG_P, 3 * Q, -1.0),
    "1 − y": (0.0, 0.0, -LOG_Q),
    "1 − ξ₅": (Q, -3 * E9 * P**2, 0.0),
    "log(ξ₉)": (LOG_Q, -3 * P, 0.0),
    "ξ₈·ξ₁₀": (0.0, 0.0, -1.0),
    "ξ₇ + ξ₁₁": (LOG_P, 3 * Q, -1.0),
    "−ξ₁₂": (-LOG_P, SLOPE, 1.0),
}


def test_the_oracle_is_the_one_that_is_known() -> None:
    assert E9 == 1.2340980408667956e-4
    assert pytest.approx(0.99987660542401369, rel=2e-16, abs=0) == P
    assert SLOPE == -3.7018372795869519e-4


@pytest.mark.parametrize("mode", ["forward", "backward", "both"])
def test_every_row_of_the_lectures_example(mode: str) -> None:
    rows = table(mode).rows()
    steps = by_formula(rows[:-1])
    assert list(steps) == list(ORACLE)
    for formula, (value, forward, backward) in ORACLE.items():
        row = steps[formula]
        # Near p = 1 the rounding of p, 1e-16, is 1e-12 of log p and of 1 − p.
        near_one = formula in ("1 − ξ₅", "log(ξ₉)", "log(ξ₅)", "y·ξ₆", "ξ₇ + ξ₁₁", "−ξ₁₂")
        assert row["value"] == pytest.approx(value, rel=1e-11 if near_one else 1e-14, abs=0), row
        if mode != "backward":
            tolerance = 1e-11 if formula == "log(ξ₉)" else 1e-14
            assert row["forward"]["W"] == pytest.approx(forward, rel=tolerance, abs=0), row
        if mode != "forward":
            assert row["backward"] == pytest.approx(backward, rel=1e-11, abs=0), row
    assert rows[-1]["name"] == "W"
    if mode != "backward":
        assert rows[-1]["forward"]["W"] == pytest.approx(SLOPE, rel=1e-14, abs=0)
    if mode != "forward":
        assert rows[-1]["backward"] == pytest.approx(SLOPE, rel=1e-14, abs=0)


def test_partials_with_their_formulas_and_values() -> None:
    steps = by_formula(table().rows()[:-1])
    shown = {
        (row["name"], p["of"]): (p["formula"], p["value"])
        for row in steps.values()
        for p in row["partials"]
    }
    expected = {
        ("ξ₁", "W"): ("−1", -1.0),
        ("ξ₂", "ξ₁"): ("x", 3.0),
        ("ξ₂", "x"): ("ξ₁", -3.0),
        ("ξ₃", "ξ₂"): ("exp(ξ₂)", E9),
        ("ξ₄", "ξ₃"): ("1", 1.0),
        ("ξ₅", "ξ₄"): ("−1/ξ₄²", -(P**2)),
        ("ξ₆", "ξ₅"): ("1/ξ₅", 1 + E9),
        ("ξ₇", "y"): ("ξ₆", LOG_P),
        ("ξ₇", "ξ₆"): ("y", 1.0),
        ("ξ₈", "y"): ("−1", -1.0),
        ("ξ₉", "ξ₅"): ("−1", -1.0),
        ("ξ₁₀", "ξ₉"): ("1/ξ₉", 1 / Q),
        ("ξ₁₁", "ξ₈"): ("ξ₁₀", LOG_Q),
        ("ξ₁₁", "ξ₁₀"): ("ξ₈", 0.0),
        ("ξ₁₂", "ξ₇"): ("1", 1.0),
        ("ξ₁₂", "ξ₁₁"): ("1", 1.0),
        ("ξ₁₃", "ξ₁₂"): ("−1", -1.0),
    }
    assert {key: formula for key, (formula, _) in shown.items()} == {
        key: formula for key, (formula, _) in expected.items()
    }
    for key, (_, value) in expected.items():
        assert shown[key][1] == pytest.approx(value, rel=1e-11), key


def test_labels_and_stored_values() -> None:
    t = table()
    rows = {row["name"]: row for row in t.rows()}
    assert {name: row["label"] for name, row in rows.items() if row["label"]} == {
        "ξ₅": "p",
        "ξ₁₃": "L",
    }
    # W·x needs x; e^ξ and 1/ξ need their own values; log ξ its argument; a product its factors.
    stored = {name for name, row in rows.items() if row["stored"]}
    assert stored == {"ξ₃", "ξ₄", "ξ₅", "ξ₈", "ξ₉"}
    assert t.notes == [
        "stored for the backward pass: x, y, ξ₃, ξ₄, ξ₅, ξ₈, ξ₉ (7 values, 56 bytes)"
    ]


def test_a_fan_out_shows_every_contribution() -> None:
    """p is read by log p and by 1 − p: dL/dp = −y/p + (1 − y)/(1 − p)."""
    rows = {row["name"]: row for row in table(at=(0.5, 3, 0.25)).rows()}
    p = 1 / (1 + math.exp(-1.5))
    first, second = rows["ξ₅"]["contributions"]
    assert (first["from"], second["from"]) == ("ξ₆", "ξ₉")
    assert first["value"] == pytest.approx(-0.25 / p, rel=1e-14)
    assert second["value"] == pytest.approx(0.75 / (1 - p), rel=1e-14)
    assert rows["ξ₅"]["backward"] == pytest.approx(-0.25 / p + 0.75 / (1 - p), rel=1e-14)
    assert [c["from"] for c in rows["W"]["contributions"]] == ["ξ₁"]


def test_both_modes_agree_with_the_gradient_for_every_input() -> None:
    t = table("both", None, (0.5, 2.0, 0.25))
    gradient = cr.grad(lambda W, x, y: loss(W, x, y)[0], (0, 1, 2))(0.5, 2.0, 0.25)
    for row, expected in zip(t.rows()[-3:], gradient, strict=True):
        assert row["backward"] == pytest.approx(expected, rel=1e-14)
        assert row["forward"] == {row["name"]: pytest.approx(expected, rel=1e-13)}


def test_a_step_twice_in_one_product() -> None:
    rows = cr.trace(lambda x: x * x - x / x)(2.5).table("both").rows()
    assert [p["formula"] for p in rows[0]["partials"]] == ["x + x"]
    assert rows[0]["partials"][0]["value"] == 5.0
    assert [p["formula"] for p in rows[1]["partials"]] == ["1/x − x/x²"]
    assert [c["value"] for c in rows[3]["contributions"]] == [5.0, 0.0]


# Arrays and trees -------------------------------------------------------------------------------


def network(params: Any, X: Any, t: Any) -> Any:
    h = np.tanh(X @ params["w"] + params["b"])
    return ((h - t) ** 2).mean()


def network_table(mode: str = "both", wrt: Any = "params") -> Table:
    rng = np.random.default_rng(0)
    params = {"w": rng.standard_normal((3, 2)), "b": np.zeros(2)}
    return cr.trace(network)(params, rng.standard_normal((4, 3)), np.ones((4, 2))).table(mode, wrt)


def test_a_container_stands_for_its_leaves() -> None:
    t = network_table()
    assert t.wrt == ("params['b']", "params['w']")
    assert [row.word.text for row in t.finals] == ["params['b']", "params['w']"]


def test_arrays_have_the_derivatives_of_grad() -> None:
    rng = np.random.default_rng(0)
    params = {"w": rng.standard_normal((3, 2)), "b": np.zeros(2)}
    args = params, rng.standard_normal((4, 3)), np.ones((4, 2))
    expected = cr.grad(network)(*args)
    for row, name in zip(network_table().finals, "bw", strict=True):
        np.testing.assert_allclose(row.backward, expected[name], rtol=1e-13)
        np.testing.assert_allclose(row.forward[row.word.text], expected[name], rtol=1e-13)


def test_forward_mode_carries_jacobians_of_arrays() -> None:
    t = network_table("forward")
    pre_activation = next(row for row in t.steps if row.formula.text.startswith("ξ₁ + "))
    jacobian = pre_activation.forward["params['b']"]
    # every row of X @ w + b moves with b
    np.testing.assert_array_equal(jacobian, np.broadcast_to(np.eye(2), (4, 2, 2)))


def test_forward_mode_leaves_out_what_takes_too_many_sweeps() -> None:
    t = cr.trace(lambda x, a: (x * a).sum())(np.ones(65), 2.0).table("forward")
    assert all(set(row.forward) == {"a"} for row in t.steps)
    assert t.notes[0].startswith("d/dx is left out in forward mode: it takes a sweep for each")
    assert "dξₙ/dx" not in str(t)
    assert "dξₙ/da" in str(t)
    small = cr.trace(lambda x: x.sum())(np.ones(64)).table("forward")
    np.testing.assert_array_equal(small.finals[0].forward["x"], np.ones(64))


def test_where_no_derivative_arrives_it_is_said() -> None:
    t = cr.trace(lambda x, y: np.floor(x) * y + 0 * y)(2.5, 3.0).table("both")
    floor = t.steps[0]
    assert [(p.formula.text, p.value) for p in floor.partials] == [("0", 0.0)]
    assert floor.backward == 3.0
    assert [row.backward for row in t.finals] == [0.0, 2.0]
    assert "dL/dx is 0: no step with a derivative leads from x to L" in t.notes
    assert not any("dL/dy is 0" in note for note in t.notes)


def test_several_outputs_of_a_step() -> None:
    a = np.array([[2.0, 1.0], [1.0, 3.0]])

    def trace_of(a: Any) -> Any:
        w, _ = np.linalg.eigh(a)
        return w[0] + w[1]

    t = cr.trace(trace_of)(a).table("both")
    np.testing.assert_allclose(t.finals[0].forward["a"], np.eye(2) * 1.0 + 0, atol=1e-14)
    np.testing.assert_allclose(t.finals[0].backward, np.eye(2), atol=1e-14)
    assert str(t)
    assert json.loads(t.to_json())


def test_an_input_may_be_the_output() -> None:
    t = cr.trace(lambda x: x)(2.5).table("both")
    assert t.steps == []
    assert t.finals[0].backward == 1.0
    assert t.finals[0].forward == {"x": 1.0}


def test_forward_mode_takes_any_output() -> None:
    t = cr.trace(lambda x: (x * np.arange(3.0), x + 1))(2.0).table("forward")
    np.testing.assert_array_equal(t.steps[0].forward["x"], [0.0, 1.0, 2.0])
    assert t.finals == []


def test_the_name_of_the_result_avoids_the_inputs() -> None:
    assert cr.trace(lambda L: L * 2)(1.0).table().output.text == "f"
    assert cr.trace(lambda x: x * 2)(1.0).table().output.text == "L"


# Refusals -------------------------------------------------------------------------------------


def test_unknown_modes_and_names() -> None:
    graph = cr.trace(loss, has_aux=True)(3, 3, 1)
    with pytest.raises(ArgumentError, match=r"modes forward, backward and both\n.*'reverse'"):
        graph.table("reverse")
    with pytest.raises(ArgumentError) as refused:
        graph.table(wrt="w")
    assert str(refused.value).split("\n") == [
        "loss(W, x, y) has no input 'w' to differentiate with respect to",
        "  received: wrt='w'",
        "  remedy:   its inputs are W, x, y",
    ]
    with pytest.raises(ArgumentError, match=r"did you mean 'weight'\?"):
        cr.trace(lambda weight: weight * 2)(1.0).table(wrt="wieght")


def test_a_backward_table_starts_from_one_number() -> None:
    with pytest.raises(NotScalarError, match=r"one number\n.*shape \(3,\)\n.*x \* 2"):
        cr.trace(lambda x: x * 2)(np.ones(3)).table()
    with pytest.raises(NotScalarError, match="2 results"):
        cr.trace(lambda x: (x * 2, x))(1.0).table("both")
    with pytest.raises(NoDependenceError, match="does not depend on its arguments"):
        cr.trace(lambda x: 3.0)(1.0).table()


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
    assert rows["exp(ξ₂)"]["value"] == E9
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
