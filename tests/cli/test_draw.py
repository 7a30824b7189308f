"""``chainrule draw`` and ``explain --draw``: which file is written, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command

LOSS = "L = -log(p); p = 1/(1 + exp(-W*x))"


@pytest.mark.parametrize(("name", "magic"), [("a.svg", b"<svg"), ("a.png", b"\x89PNG"),
                                             ("a.pdf", b"%PDF"), ("a.gif", b"GIF8")])  # fmt: skip
def test_explain_draws_a_file_beside_the_table(
    name: str, magic: bytes, chainrule: Command, tmp_path: Path
) -> None:
    at = ("--at", "W=3,x=3", "--wrt", "W", "--mode", "backward")
    plain = chainrule("explain", LOSS, *at)
    ran = chainrule("explain", LOSS, *at, "--draw", name)
    assert (ran.code, ran.out, ran.err) == (0, plain.out, f"drawn: {name}\n")
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_explain_names_the_results_of_the_formula(chainrule: Command, tmp_path: Path) -> None:
    chainrule("explain", LOSS, "--at", "W=3,x=3", "--draw", "a.svg", "--format", "json")
    text = (tmp_path / "a.svg").read_text("utf-8")
    assert ">p = ξ₅ = 1/ξ₄<" in text
    assert ">dL/dW = −0.000370184<" in text
    chainrule("explain", LOSS, "--at", "W=3,x=3", "--draw", "b.svg", "--frames")
    assert "<animate " in (tmp_path / "b.svg").read_text("utf-8")


def test_explain_prints_the_derivation(chainrule: Command) -> None:
    ran = chainrule("explain", LOSS, "--at", "W=3,x=3", "-w", "W", "-f", "derivation")
    assert ran.out.startswith(r"\documentclass")
    assert r"\frac{dL}{dW} &=" in ran.out


def test_a_trained_model_is_drawn(chainrule: Command, tmp_path: Path) -> None:
    assert chainrule("train", "heart", "--epochs", 1, "-q", "--out", "run").code == 0
    ran = chainrule("draw", "run")
    assert (ran.code, ran.out, ran.err) == (0, "", "drawn: model.svg\n")
    text = (tmp_path / "model.svg").read_text("utf-8")
    assert ">dense<" in text
    assert ">dense_1<" in text
    assert chainrule("draw", "run/model.safetensors", "-o", "b.svg", "--unfold", "all").code == 0
    assert ">dense.kernel<" in (tmp_path / "b.svg").read_text("utf-8")
    assert "dL/d" not in text
    ran = chainrule("draw", "run", "heart", "--out", "c.svg")
    assert (ran.code, ran.err) == (0, "drawn: c.svg\n")
    # The loss in its box is that of `evaluate` on the same rows.
    scores = json.loads(chainrule("evaluate", "run", "heart", "--json").out)
    text = (tmp_path / "c.svg").read_text("utf-8")
    assert f">{scores['loss']:.6g}<" in text
    assert text.count("/d weights‖ = ") == 2
    ran = chainrule("draw", "run", "--unfold", "dens")
    assert ran.code == 2
    assert "there is no layer 'dens' to unfold" in ran.err


def test_what_cannot_be_written_is_told(chainrule: Command) -> None:
    at = ("--at", "W=3,x=3")
    ran = chainrule("explain", LOSS, *at, "--draw", "a.jpg")
    assert ran.code == 2
    assert ran.err.startswith("error: this is no kind of file for a drawing")
    assert "let the name end in .svg, .png or .pdf" in ran.err
    ran = chainrule("explain", LOSS, *at, "--draw", "a.png", "--frames")
    assert "a drawing that moves is a file of another kind" in ran.err
    ran = chainrule("explain", LOSS, *at, "--draw", "nowhere/a.svg")
    assert "the drawing cannot be written" in ran.err
    assert "No such file" in ran.err
    assert chainrule("draw", "nowhere").code == 2
