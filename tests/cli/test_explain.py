"""``chainrule explain`` from the command line."""

from __future__ import annotations

import json
import math

import pytest
import typer
from typer.testing import CliRunner, Result

from chainrule.cli.explain import explain, read_values
from chainrule.errors import ArgumentError, ChainruleError, FormulaError
from chainrule.formula import parse

LOSS = "L = -(y*log(p) + (1-y)*log(1-p)); p = 1/(1+e^(-W*x))"
AT = ["--at", "W=3,x=3,y=1"]


def run(*args: str) -> Result:
    app = typer.Typer(add_completion=False)
    app.command()(explain)
    return CliRunner().invoke(app, list(args))


def test_the_lectures_example() -> None:
    result = run(LOSS, *AT, "--wrt", "W", "--mode", "both")
    assert result.exit_code == 0
    lines = result.stdout.split("\n")
    assert lines[0] == "L(W, x, y) at W = 3, x = 3, y = 1"
    final = next(line for line in lines if line.startswith(" W "))
    assert [cell.strip() for cell in final.split("│")][5:7] == ["-0.00037018373"] * 2
    assert any(line.startswith(" p = ξ₅ = 1/ξ₄ ") for line in lines)


@pytest.mark.parametrize("mode", ["forward", "backward"])
def test_json_has_the_exact_derivative_in_either_mode(mode: str) -> None:
    result = run(LOSS, *AT, "-w", "W", "-m", mode, "--format", "json")
    last = json.loads(result.stdout)["rows"][-1]
    value = last["backward"] if mode == "backward" else last["forward"]["W"]
    assert value == pytest.approx(-3.7018372795869519e-4, rel=1e-14, abs=0)


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("text", "L(W, x, y) at W = 3"),
        ("graph", "graph of L(W, x, y)\n  W   = 3"),
        ("latex", "\\documentclass{article}"),
        ("html", '<div class="chainrule"'),
        ("json", '{\n  "function": "L(W, x, y)"'),
        ("dot", "digraph {"),
        ("mermaid", "flowchart LR"),
    ],
)
def test_formats(form: str, beginning: str) -> None:
    result = run(LOSS, *AT, "-f", form)
    assert result.exit_code == 0
    assert result.stdout.startswith(beginning)


def test_all_variables_by_default_in_the_order_given() -> None:
    result = run("a*b", "--at", "b=2", "--at", "a=pi/2, ", "-f", "json")
    found = json.loads(result.stdout)
    assert found["wrt"] == ["b", "a"]
    assert [row["backward"] for row in found["rows"][-2:]] == [math.pi / 2, 2.0]


def test_infinities_are_shown_without_a_warning() -> None:
    result = run("log(x)", "--at", "x=0")
    assert result.exit_code == 0
    assert "-inf" in result.stdout


@pytest.mark.parametrize(
    ("args", "kind", "message"),
    [
        ((LOSS, "--at", "W=3"), FormulaError, "no value is given for y, x"),
        (("x^2", "--at", "x=1,z=2"), FormulaError, "the formula has no variable z"),
        (("x^2",), FormulaError, "--at x=…"),
        (("2x", "--at", "x=1"), FormulaError, "write * for a product"),
        (("x", "--at", "x"), ArgumentError, "not given as NAME=VALUE"),
        (("x", "--at", "x=1,x=2"), ArgumentError, "'x' is given twice"),
        (("x", "--at", "x=y"), ArgumentError, "the value of 'x' is not a number"),
        (("x", "--at", "x=1", "--wrt", "q"), ArgumentError, "has no input 'q'"),
        (("3",), ChainruleError, "does not depend on its arguments"),
    ],
)
def test_bad_input(args: tuple[str, ...], kind: type[Exception], message: str) -> None:
    result = run(*args)
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)


def test_a_choice_that_does_not_exist_is_refused() -> None:
    result = run("x", "--at", "x=1", "--mode", "sideways")
    assert result.exit_code == 2
    assert "sideways" in result.output


def test_values_may_be_formulas() -> None:
    values = read_values(parse("W*x"), ["W=-2^3", "x=sqrt(16)"])
    assert values == {"W": -8.0, "x": 4.0}
