"""The derivation in LaTeX: the function, each factor, and the result."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import NotScalarError
from chainrule.insight.words import number_latex
from tests.insight.drawing import graphs

P = 1 / (1 + math.exp(-9))


def parts(text: str) -> dict[str, list[str]]:
    """The lines of each paragraph, by its heading."""
    found = re.findall(r"\\paragraph\{(.*?)\}\n\\begin\{alignat\*\}\{2\}\n(.*?)\n\\end", text, re.S)
    return {title: [line.strip() for line in body.split(r" \\" + "\n")] for title, body in found}


def test_the_logistic_loss() -> None:
    found = parts(graphs.logistic().to_latex("backward", "W"))
    p = r"\frac{1}{1 + e^{-W \cdot x}}"
    whole = rf"y \cdot \log\left({p}\right) + \left(1 - y\right) \cdot \log\left(1 - {p}\right)"
    assert found["The function"][0] == rf"L &= -\left({whole}\right)"
    assert found["The function"][1] == r"&\text{at } W = 3,\quad x = 3,\quad y = 1"
    assert rf"\xi_{{3}} &= e^{{\xi_{{2}}}} &\quad&= {math.exp(-9):.6g}" in found["Its steps"]
    factors = found["The factors: the partial derivative of each step"]
    assert len(factors) == 17
    square = rf"-\frac{{1}}{{\xi_{{4}}^{{2}}}} &\quad&= {-(P**2):.6g}"
    assert rf"\frac{{\partial \xi_{{5}}}}{{\partial \xi_{{4}}}} &= {square}" in factors
    back = found["Backward: from the result to each step"]
    assert back[0] == r"\frac{dL}{d\xi_{13}} &= 1"
    assert back[-1] == (
        r"\frac{dL}{dW} &= \frac{dL}{d\xi_{1}}\,\frac{\partial \xi_{1}}{\partial W} "
        rf"&\quad&= {-3 * (1 - P):.6g}"
    )
    result = found["The chain rule, and the result"]
    assert result[0].startswith(r"\frac{dL}{dW} &= \frac{\partial \xi_{13}}{\partial \xi_{12}}")
    assert result[1].startswith(r"&\quad {} + \frac{\partial \xi_{13}}")  # the path through 1 − p
    assert result[-1] == f"&= {-3 * (1 - P):.6g}"


def test_the_products_along_the_paths_add_up_to_the_result() -> None:
    result = parts(graphs.logistic().to_latex("backward", "W"))["The chain rule, and the result"]
    total = 0.0
    for line in result[2:4]:
        numbers = re.findall(r"-?[0-9.]+(?:e-?[0-9]+)?", line)
        assert len(numbers) in (9, 10)
        total += math.prod(map(float, numbers))
    assert total == pytest.approx(-3 * (1 - P), rel=1e-4)  # the factors have six digits


def test_forward_mode() -> None:
    found = parts(graphs.logistic().to_latex("forward", "W"))
    lines = found["Forward: the derivative by W, from step to step"]
    assert lines[2] == (
        r"\frac{d\xi_{3}}{dW} &= \frac{\partial \xi_{3}}{\partial \xi_{2}}\,\frac{d\xi_{2}}{dW} "
        rf"&\quad&= {-3 * math.exp(-9):.6g}"
    )
    assert lines[7] == r"\frac{d\xi_{8}}{dW} &= 0"  # 1 − y does not depend on W
    assert not any(title.startswith("Backward") for title in found)


def test_steps_that_are_not_elementwise_act_on_the_derivative() -> None:
    found = parts(graphs.arrays().to_latex())
    back = found["Backward: from the result to each step"]
    assert any(r"\left(g \mapsto X ^{T}\ @\ g\right)\!\left(\frac{dL}{d\xi_{1}}\right)" in line
               for line in back)  # fmt: skip
    # A bias that was spread over the rows gets the sum over them.
    assert any(
        line.startswith(r"\frac{dL}{d\mbox{\texttt{params['bias']}}} &= \textstyle\sum \frac")
        for line in back
    )

    assert (
        "The factors: the partial derivative of each step, or how it hands an adjoint g back"
        in (found)
    )
    forward = parts(graphs.arrays().to_latex("forward", "params['bias']"))
    [heading] = [title for title in forward if title.startswith("Forward")]
    assert r"\frac{\partial \xi_{6}}{\partial \xi_{5}}\,\frac{d\xi_{5}}" in forward[heading][-1]
    assert not any("mapsto" in line for line in forward[heading])  # that is told for adjoints


def test_long_functions_are_told_by_their_steps_alone() -> None:
    found = parts(graphs.chain(100).to_latex())
    assert found["The function"] == [r"&\text{at } x = 1"]
    assert found["The chain rule, and the result"][0].startswith(r"\frac{dL}{dx} &= ")
    x, slope = 1.0, 1.0
    for _ in range(100):
        slope *= math.cos(x)
        x = math.sin(x)
    assert found["The chain rule, and the result"][-1].endswith(f"= {number_latex(slope, 6)}")


def test_a_formula_has_the_parentheses_that_it_needs() -> None:
    def f(a: Any, b: Any) -> Any:
        return (a + b) * (a - b) ** 2 / (1 + a * b)

    text = parts(cr.trace(f)(2.0, 3.0).to_latex())["The function"][0]
    a = r"\left(a + b\right) \cdot \left(a - b\right)^{2}"
    assert text == rf"L &= \frac{{{a}}}{{1 + a \cdot b}}"


@pytest.mark.parametrize("name", graphs.ALL)
def test_braces_and_brackets_are_paired(name: str) -> None:
    text = graphs.ALL[name]().to_latex(document=True)
    for line in text.split("\n"):
        bare = re.sub(r"\\[{}]", "", line)
        assert bare.count("{") == bare.count("}")
        assert bare.count(r"\left") == bare.count(r"\right")
        assert line.count("&") - line.count(r"\&") <= 3
    assert text.startswith(r"\documentclass")
    assert text.endswith("\\end{document}\n")


def test_formulas_are_typeset_by_matplotlib_too() -> None:
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")  # type: ignore[no-untyped-call]
    lines = [line for part in parts(graphs.logistic().to_latex("both", "W")).values()
             for line in part]  # fmt: skip
    for line in lines:
        for piece in re.sub(r"\\quad|\\text\{at \}", "", line).split("&"):
            if piece.strip(" {}="):
                parser.parse(f"${piece.replace('{} +', '+')}$")


def test_what_has_no_gradient_is_refused_as_in_a_table() -> None:
    with pytest.raises(NotScalarError):
        cr.trace(np.sin)(np.ones(2)).to_latex()
