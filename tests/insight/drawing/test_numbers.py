"""The numbers in a drawing are the true ones; what is not known is said, not shown as zero."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, NotScalarError
from chainrule.insight.drawing import Drawing
from chainrule.insight.drawing.shapes import Box, Words
from chainrule.insight.drawing.sweeps import norm
from tests.insight.drawing import graphs


def words(drawing: Drawing) -> list[str]:
    return [s.text for s in drawing.scene.shapes if isinstance(s, Words)]


def joined(text: Drawing | str) -> str:
    """All words, without the spaces that a broken line may have or lack."""
    return "".join((text if isinstance(text, str) else " ".join(words(text))).split())


def shown(x: float) -> str:
    """A number as the drawing writes it: six significant digits."""
    return f"{x:.6g}".replace("-", "−")


def fills(drawing: Drawing) -> set[str]:
    return {s.fill for s in drawing.scene.shapes if isinstance(s, Box) and s.width > 20}


def test_backward_mode_of_the_logistic_loss() -> None:
    """L = −log p, p = 1/(1 + e^(−Wx)) at W = x = 3, y = 1: dL/dW = −x(1 − p), dL/dp = −1/p."""
    p = 1 / (1 + math.exp(-9))
    text = words(graphs.logistic().draw())
    assert f"dL/dW = {shown(-3 * (1 - p))}" in text
    assert f"dL/dx = {shown(-3 * (1 - p))}" in text
    assert f"dL/dξ₅ = {shown(-1 / p)}" in text
    assert f"dL/dξ₂ = {shown(1 - p)}" in text
    assert text.count(shown(-math.log(p))) == 1  # the loss
    for partial in (math.exp(-9), -(p**2), 1 / p, 1 / (1 - p)):
        assert f"= {shown(partial)}" in text
    assert "p = ξ₅ = 1/ξ₄" in text  # the user's variable
    assert "= 1" in text  # y = 1; a partial that is the number 1 is not told twice
    assert text.count("= 1") == 1


def test_forward_mode_of_the_logistic_loss() -> None:
    p = 1 / (1 + math.exp(-9))
    text = words(graphs.logistic().draw("forward", "W"))
    assert "dW/dW = 1" in text
    assert f"dξ₃/dW = {shown(-3 * math.exp(-9))}" in text
    assert f"dξ₅/dW = {shown(3 * p * (1 - p))}" in text
    assert f"dξ₁₃/dW = {shown(-3 * (1 - p))}" in text
    assert "dx/dW: none arrives" in text
    assert not any("dL/" in t for t in text)


def test_both_modes_meet_in_the_same_derivative() -> None:
    text = words(graphs.logistic().draw("both", "W"))
    p = 1 / (1 + math.exp(-9))
    assert f"dL/dW = {shown(-3 * (1 - p))}" in text
    assert f"dξ₁₃/dW = {shown(-3 * (1 - p))}" in text


def test_sizes_of_gradients_of_arrays() -> None:
    rng = np.random.default_rng(0)
    kernel, X = rng.standard_normal((3, 2)), rng.standard_normal((4, 3))
    hidden = np.tanh(X @ kernel)
    d_z = 2 * (hidden - 1) / hidden.size * (1 - hidden**2)
    text = words(graphs.arrays().draw())
    for name, gradient in (
        ("params['kernel']", X.T @ d_z), ("params['bias']", d_z.sum(axis=0)),
    ):  # fmt: skip
        assert f"‖dL/d {name}‖ = {shown(float(np.linalg.norm(gradient)))}" in text
    assert f"‖dL/dX‖ = {shown(float(np.linalg.norm(d_z @ kernel.T)))}" in text
    assert f"(4, 2) mean {hidden.mean():.4g}".replace("-", "−") in text
    assert "hidden = ξ₃ = tanh(ξ₂)" in text


def test_a_graph_that_is_not_differentiated_says_so() -> None:
    graph = cr.trace(lambda x: np.sin(x))(np.array([0.1, 0.2]))
    text = joined(graph.draw())
    assert joined("Not differentiated: <lambda>(x) returns an array of shape (2,)") in text
    assert joined("not one number; mode='forward' shows dξ/dw") in text
    assert "dL" not in text
    values = graphs.logistic().draw("values")
    assert joined("Not differentiated: mode='backward'") in joined(values)
    assert fills(values) == {"paper", "box"}


def test_where_no_derivative_arrives_it_says_so() -> None:
    def f(a: Any, b: Any) -> Any:
        return a * cr.stop_gradient(a * b)

    drawing = cr.trace(f)(2.0, 3.0).draw()
    text = words(drawing)
    assert "dL/db: none arrives" in text
    assert f"dL/da = {shown(6.0)}" in text
    assert "none arrives" in text  # the key
    assert "level-none" in fills(drawing)


def test_a_derivative_that_is_exactly_zero_is_shown_as_such() -> None:
    drawing = cr.trace(lambda x: (x - 1.0) ** 2)(1.0).draw()
    assert "dL/dx = 0" in words(drawing)
    assert "level-zero" in fills(drawing)


def test_what_is_not_finite_stands_out() -> None:
    with np.errstate(all="ignore"):
        drawing = cr.trace(lambda x: np.sqrt(x) * 0.0 + x)(0.0).draw()
    assert "dL/dx = nan" in words(drawing)
    assert {"level-bad"} <= fills(drawing)
    assert "not finite" in words(drawing)


def test_a_value_that_stands_twice_has_one_edge_with_the_sum_of_its_partials() -> None:
    text = words(cr.trace(lambda x: x * x)(3.0).draw())
    assert text.count("x + x") == 1
    assert "= 6" in text


def test_labels_that_are_no_plain_formulas_are_explained() -> None:
    assert "g↦…:astepthatisnotelementwise" in joined(graphs.arrays().draw())
    assert "g↦…" not in joined(graphs.logistic().draw())
    assert "[condition]is1where" in joined(cr.trace(lambda x: cr.relu(x))(2.0).draw())
    assert "[condition]" not in joined(cr.trace(lambda x: x[0] * 2.0)(np.ones(2)).draw())


def test_arrays_beside_the_graph_are_named() -> None:
    data = np.arange(12.0).reshape(3, 4)
    text = words(cr.trace(lambda w: (data @ w).sum())(np.ones(4)).draw())
    assert "C₁ = (3, 4) [0, 1, … 11] mean 5.5" in text
    assert any("C₁ @ w" in t for t in text)


def sigmoid(z: Any) -> Any:
    s = 1 / (1 + np.exp(-z))
    return s


def test_steps_have_the_names_of_the_variables_that_held_them() -> None:
    def f(x: Any, w: Any) -> Any:
        z = x * w
        p = sigmoid(z)  # the caller's name, not the one inside
        p *= 2
        q, unused = p - 1, 3
        return sigmoid(q) + unused

    text = words(cr.trace(f)(0.5, 2.0).draw())
    for line in ("z = ξ₁ = x·w", "p = ξ₅ = 1/ξ₄", "p = ξ₆ = ξ₅·2", "s = ξ₁₁ = 1/ξ₁₀"):
        assert line in text
    assert "ξ₁₂ = ξ₁₁ + 3" in text


def test_a_profiler_goes_on_while_a_function_is_traced() -> None:
    seen: list[str] = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, arg: seen.append(frame.f_code.co_name))
    try:
        graph = cr.trace(lambda x: sigmoid(x))(1.0)
    finally:
        sys.setprofile(before)
    assert "sigmoid" in seen
    assert "s = ξ₄ = 1/ξ₃" in words(graph.draw())
    assert sys.getprofile() is before


def test_an_error_in_a_traced_function_leaves_no_profiler_behind() -> None:
    with pytest.raises(ZeroDivisionError):
        cr.trace(lambda x: x * (1 // 0))(1.0)
    assert sys.getprofile() is None


def test_norms_neither_overflow_nor_underflow() -> None:
    assert norm(np.array([3e200, 4e200])) == pytest.approx(5e200)
    assert norm(np.array([3e-200, 4e-200])) == pytest.approx(5e-200)
    assert norm([np.array([3.0]), None, 4.0]) == 5.0
    assert math.isnan(norm(np.array([1.0, np.nan])) or 0.0)
    assert norm(np.zeros((0, 3))) == 0.0


def test_many_elements_in_forward_mode_are_left_out_with_a_note() -> None:
    text = joined(cr.trace(lambda x: x.sum())(np.ones(100)).draw("forward"))
    assert joined("d/dx is left out in forward mode: it takes a sweep for each of its 100") in text


def test_errors() -> None:
    graph = graphs.logistic()
    with pytest.raises(ArgumentError, match="a drawing has the modes backward, forward, both"):
        graph.draw("sideways")
    with pytest.raises(ArgumentError, match="did you mean 'W'"):
        graph.draw("forward", "WW")
    with pytest.raises(ArgumentError, match=r"a drawing has no direction 'up'(.|\n)*'down'"):
        graph.draw(direction="up")  # type: ignore[arg-type]
    with pytest.raises(NotScalarError, match=r"array of shape \(2,\)"):
        cr.trace(np.sin)(np.ones(2)).draw("backward")


def test_notebooks_show_a_graph() -> None:
    graph = graphs.logistic()
    assert graph._repr_svg_() == graph.draw()._repr_svg_()
    assert cr.trace(lambda x: (x, 2.0))(1.0)._repr_svg_().startswith("<svg")
    assert cr.trace(lambda x: 2.0)(1.0)._repr_svg_().startswith("<svg")
    assert cr.trace(lambda: 2.0)()._repr_svg_().startswith("<svg")
