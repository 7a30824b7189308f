"""Printed formulas: the fewest parentheses, and never another meaning."""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.elementary import TABLE
from chainrule.formula import parse
from chainrule.insight.expression import expression, prose
from chainrule.insight.words import (
    Word,
    digest,
    latex_text,
    name_word,
    node_word,
    number,
    number_latex,
    width,
)

A, B = node_word(1), node_word(12)


@pytest.mark.parametrize(
    ("source", "text", "latex"),
    [
        ("a + b", "ξ₁ + ξ₁₂", r"\xi_{1} + \xi_{12}"),
        ("a - (b - a)", "ξ₁ − (ξ₁₂ − ξ₁)", r"\xi_{1} - \left(\xi_{12} - \xi_{1}\right)"),
        ("a - (b + a)", "ξ₁ − (ξ₁₂ + ξ₁)", r"\xi_{1} - \left(\xi_{12} + \xi_{1}\right)"),
        ("a + (b - a)", "ξ₁ + ξ₁₂ − ξ₁", r"\xi_{1} + \xi_{12} - \xi_{1}"),
        ("a*(b*a)", "ξ₁·ξ₁₂·ξ₁", r"\xi_{1} \cdot \xi_{12} \cdot \xi_{1}"),
        ("a/(b*a)", "ξ₁/(ξ₁₂·ξ₁)", r"\frac{\xi_{1}}{\xi_{12} \cdot \xi_{1}}"),
        ("a*(b/a)", "ξ₁·(ξ₁₂/ξ₁)", r"\xi_{1} \cdot \frac{\xi_{12}}{\xi_{1}}"),
        ("a/b/a", "ξ₁/ξ₁₂/ξ₁", r"\frac{\frac{\xi_{1}}{\xi_{12}}}{\xi_{1}}"),
        ("(a + b)*a", "(ξ₁ + ξ₁₂)·ξ₁", r"\left(\xi_{1} + \xi_{12}\right) \cdot \xi_{1}"),
        ("-(a + b)", "−(ξ₁ + ξ₁₂)", r"-\left(\xi_{1} + \xi_{12}\right)"),
        ("-a*b", "−ξ₁·ξ₁₂", r"-\xi_{1} \cdot \xi_{12}"),
        ("a*-b", "ξ₁·(−ξ₁₂)", r"\xi_{1} \cdot \left(-\xi_{12}\right)"),
        ("a - -b", "ξ₁ − (−ξ₁₂)", r"\xi_{1} - \left(-\xi_{12}\right)"),
        ("(-a)**2", "(−ξ₁)²", r"\left(-\xi_{1}\right)^{2}"),
        ("-a**2", "−ξ₁²", r"-\xi_{1}^{2}"),
        ("a**-b", "ξ₁^(−ξ₁₂)", r"\xi_{1}^{-\xi_{12}}"),
        ("a**(b - 1)", "ξ₁^(ξ₁₂ − 1)", r"\xi_{1}^{\xi_{12} - 1}"),
        ("(a**b)**2", "(ξ₁^ξ₁₂)²", r"\left(\xi_{1}^{\xi_{12}}\right)^{2}"),
        ("-1/a**2", "−1/ξ₁²", r"-\frac{1}{\xi_{1}^{2}}"),
        ("exp(-a)", "exp(−ξ₁)", r"e^{-\xi_{1}}"),
        ("exp(a)**2", "exp(ξ₁)²", r"\left(e^{\xi_{1}}\right)^{2}"),
        ("sqrt(a)**2", "(√ξ₁)²", r"\sqrt{\xi_{1}}^{2}"),
        ("sqrt(1 - a**2)", "√(1 − ξ₁²)", r"\sqrt{1 - \xi_{1}^{2}}"),
        ("(a/b)**2", "(ξ₁/ξ₁₂)²", r"\left(\frac{\xi_{1}}{\xi_{12}}\right)^{2}"),
        ("abs(a)*b", "|ξ₁|·ξ₁₂", r"\left|\xi_{1}\right| \cdot \xi_{12}"),
        ("floor(a)", "⌊ξ₁⌋", r"\left\lfloor \xi_{1}\right\rfloor"),
        ("log(sigmoid(a))", "log(σ(ξ₁))", r"\log\left(\sigma\left(\xi_{1}\right)\right)"),
        ("softplus(a)", "softplus(ξ₁)", r"\mathrm{softplus}\left(\xi_{1}\right)"),
        ("a >= b", "ξ₁ ≥ ξ₁₂", r"\xi_{1} \ge \xi_{12}"),
        ("where(a > 0, a, b*a)", "where(ξ₁ > 0, ξ₁, ξ₁₂·ξ₁)",
         r"\mathrm{where}\left(\xi_{1} > 0, \xi_{1}, \xi_{12} \cdot \xi_{1}\right)"),
        ("a @ b", "ξ₁ @ ξ₁₂", r"\xi_{1} \, \xi_{12}"),
        ("a[k]", "ξ₁[k]", r"\xi_{1}[\mathrm{k}]"),
        ("pi*a", "π·ξ₁", r"\pi \cdot \xi_{1}"),
    ],
)  # fmt: skip
def test_notation(source: str, text: str, latex: str) -> None:
    word = expression(source, {"a": A, "b": B})
    assert word.text == text
    assert word.latex == latex


@pytest.mark.parametrize(
    ("source", "b", "text"),
    [
        ("b*a**(b - 1)", 2.0, "2·ξ₁"),
        ("b*a**(b - 1)", 3, "3·ξ₁²"),
        ("b*a**(b - 1)", 0.5, "0.5·ξ₁^(−0.5)"),
        ("b*a**(b - 1)", -1.0, "−ξ₁⁻²"),
        ("b*a**(b - 1)", 1.0, "1"),
        ("-a/b**2", 2.0, "−ξ₁/4"),
        ("-a/b**2", 1.0, "−ξ₁"),
        ("1/b", 3.0, "1/3"),
        ("b", -1.5, "−1.5"),
        ("a > b", 0.0, "[ξ₁ > 0]"),
        ("(a > b) + (a == b)/2", 0.0, "[ξ₁ > 0] + [ξ₁ = 0]/2"),
        ("b*a", math.pi, "π·ξ₁"),
        ("a*b**3", 12.25, "ξ₁·12.25³"),  # 1838.265625 would be rounded
    ],
)
def test_a_partial_has_its_numbers_worked_out(source: str, b: float, text: str) -> None:
    assert expression(source, {"a": A, "b": b}, partial=True).text == text


def test_a_formula_is_printed_as_it_was_computed() -> None:
    assert expression("a*b", {"a": A, "b": 1.0}).text == "ξ₁·1"
    assert expression("a**b", {"a": A, "b": 2.0}).text == "ξ₁²"
    assert expression("a*b", {"a": A, "b": -2.0}).text == "ξ₁·(−2)"
    assert expression("a - b", {"a": A, "b": -2.0}).text == "ξ₁ − (−2)"
    assert expression("a*b", {"a": -2.0, "b": A}).text == "−2·ξ₁"
    assert expression("a**b", {"a": -2.0, "b": A}).text == "(−2)^ξ₁"


_LEAF = st.one_of(
    st.sampled_from("ab").map(ast.Name),
    st.sampled_from([1, 2, 3, 0.5, 12.25]).map(ast.Constant),
)


def _grown(inner: Any) -> Any:
    operators = st.sampled_from([ast.Add(), ast.Sub(), ast.Mult(), ast.Div()])
    return st.one_of(
        st.builds(ast.BinOp, inner, operators, inner),
        st.builds(ast.BinOp, inner, st.just(ast.Pow()), inner),
        st.builds(ast.UnaryOp, st.just(ast.USub()), inner),
        st.builds(
            lambda name, arg: ast.Call(ast.Name(name), [arg], []),
            st.sampled_from(["exp", "sin", "sigmoid"]),
            inner,
        ),
    )


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.recursive(_LEAF, _grown, max_leaves=10), st.booleans())
def test_what_is_printed_means_the_same(tree: ast.expr, partial: bool) -> None:
    """The printed text is read again by the formula parser, which knows its signs."""
    source = ast.unparse(ast.fix_missing_locations(ast.Expression(tree)))
    printed = expression(source, {"a": Word("x", "x"), "b": Word("y", "y")}, partial=partial).text
    names = {"a": "x", "b": "y"}
    values = {"x": 1.375, "y": 0.625}
    try:
        original = parse(source)
        again = parse(printed)
    except ValueError:  # constants that overflow are refused in both spellings
        return
    with np.errstate(all="ignore"):
        expected = original(**{v: values[names[v]] for v in original.variables})
        found = again(**{v: values[v] for v in again.variables})
    if not np.isfinite(expected):
        return  # a factor of one may stand beside an infinity
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9), (source, printed)


@pytest.mark.parametrize("record", TABLE.values(), ids=lambda record: record.name)
def test_every_record_prints_in_both_notations(record: Any) -> None:
    names = {c: node_word(k) for k, c in enumerate("abcd", 1)} | {"g": Word("g", "g"), "y": B}
    names |= {"…": Word("…", r"\ldots{}"), "k": Word("0", "0")}
    words = [expression(record.formula, names)]
    words += [expression(s, names, partial=True) for s in getattr(record, "symbols", ())]
    for word in words:
        assert word.text.isprintable()
        assert word.text.count("(") == word.text.count(")")
        assert word.latex.isascii()
        assert word.latex.count("{") == word.latex.count("}")
        assert word.latex.count(r"\left") == word.latex.count(r"\right")
        assert "^{-}^" not in word.latex
        assert "U+" not in word.latex  # every sign of the records is known to LaTeX


def test_words_keep_their_letters() -> None:
    word = prose("−(a⁻ᵀ g) yᵀ at the max", {"a": A, "g": Word("g", "g"), "y": B})
    assert word.text == "−(ξ₁⁻ᵀ g) ξ₁₂ᵀ at the max"
    assert word.latex == (
        r"-(\xi_{1} ^{-T}\ g )\ \xi_{12} ^{T}\ \mathrm{at}\ \mathrm{the}\ \mathrm{max}"
    )


# Words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("W", "W"),
        ("W1", "W_{1}"),
        ("W_12", "W_{12}"),
        ("beta", r"\beta"),
        ("β0", r"\beta_{0}"),
        ("rate", r"\mathit{rate}"),
        ("my_rate", r"\mbox{\texttt{my\_rate}}"),
        ("p['w'][0]", r"\mbox{\texttt{p['w'][0]}}"),
        ("p['50%{a}']", r"\mbox{\texttt{p['50\%\{a\}']}}"),
        ("größe", r"\mbox{\texttt{gr[U+00F6][U+00DF]e}}"),
    ],
)
def test_names_in_latex(name: str, latex: str) -> None:
    assert name_word(name) == Word(name, latex)


def test_numbers_have_eight_digits() -> None:
    assert number(np.float64(-3.7018372795869519e-4)) == "-0.00037018373"
    assert number(1.2340980408667956e-9) == "1.234098e-09"
    assert number_latex(1.2340980408667956e-9) == r"1.234098 \cdot 10^{-9}"
    assert number_latex(1e-9) == "10^{-9}"
    assert number(-0.0) == "0"
    assert number(np.int64(12345678901)) == "12345678901"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.arange(4.0), "(4,) [0, 1, 2, 3]"),
        (np.array([[1.0, 2.5]]), "(1, 2) [[1, 2.5]]"),
        (np.linspace(0.1, 0.9, 12).reshape(3, 4), "(3, 4) [0.1, 0.1727, … 0.9] mean 0.5"),
        (np.array([1.0, np.nan, 2.0, 3.0, np.nan]), "(5,) [1, nan, … nan] 2 of 5 nan"),
        (np.zeros((0, 3)), "(0, 3) empty"),
        (np.arange(9) > 6, "(9,) 2 of 9 true"),
        ((np.float64(2.0), np.zeros(2)), "2; (2,) [0, 0]"),
        (None, "None"),
        ("mean", "'mean'"),
        (np.True_, "1"),
    ],
)
def test_digests(value: Any, text: str) -> None:
    assert digest(value) == text


def test_a_digest_without_its_shape() -> None:
    assert digest(np.arange(9.0), shape=False) == "[0, 1, … 8] mean 4"


def test_latex_text_escapes_everything() -> None:
    assert latex_text("\\ ~ ^ _ & % $ # { } < > |") == (
        r"\textbackslash{} \textasciitilde{} \textasciicircum{} \_ \& \% \$ \# \{ \} "
        r"\textless{} \textgreater{} \textbar{}"
    )
    assert latex_text("ξ₁ … ᵀ 中") == r"$\xi$$_{1}$ $\ldots{}$ ${}^{T}$ [U+4E2D]"


def test_width_counts_columns() -> None:
    assert width("ξ₁₂ → ᵀ") == 7
    assert width("中") == 2
    assert width("e\u0301") == 1
