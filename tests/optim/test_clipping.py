"""Clipping against its definition."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim

PARAMS = {"w": np.array([[1.0, 2.0]]), "b": np.array([0.0])}
GRADIENTS = {"w": np.array([[3.0, 4.0]]), "b": np.array([-12.0])}  # norms 5 and 12, together 13


def moved(**limit: float) -> tuple[np.ndarray, np.ndarray, optim.ClippedState]:
    """The clipped gradients, read off a step of length 1, and the state."""
    rule = optim.Clipped(optim.SGD(1.0), **limit)
    new, state = rule.update(GRADIENTS, rule.init(PARAMS), PARAMS)
    return PARAMS["w"] - new["w"], PARAMS["b"] - new["b"], state


def test_by_global_norm_keeps_the_direction() -> None:
    w, b, state = moved(by_global_norm=6.5)
    np.testing.assert_allclose(w, [[1.5, 2.0]], rtol=1e-14)
    np.testing.assert_allclose(b, [-6.0], rtol=1e-14)
    assert float(state.norm) == pytest.approx(13.0, rel=1e-15)
    assert state.share == 1.0


def test_by_norm_limits_each_parameter_alone() -> None:
    w, b, state = moved(by_norm=6.0)
    np.testing.assert_array_equal(w, GRADIENTS["w"])
    np.testing.assert_allclose(b, [-6.0], rtol=1e-15)
    assert float(state.norm) == pytest.approx(13.0)
    assert state.clipped == 1


def test_by_value_limits_each_number() -> None:
    w, b, state = moved(by_value=3.5)
    np.testing.assert_allclose(w, [[3.0, 3.5]])
    np.testing.assert_allclose(b, [-3.5])
    assert state.clipped == 1


@pytest.mark.parametrize("kind", ["by_global_norm", "by_norm", "by_value"])
def test_a_gradient_below_the_limit_passes_unchanged(kind: str) -> None:
    limit = {"by_global_norm": 13.1, "by_norm": 12.0, "by_value": 12.0}[kind]
    w, b, state = moved(**{kind: limit})
    np.testing.assert_array_equal(w, GRADIENTS["w"])
    np.testing.assert_array_equal(b, GRADIENTS["b"])
    assert state.share == 0.0


def test_the_share_counts_steps() -> None:
    rule = optim.Clipped(optim.Momentum(0.1), by_value=1.0)
    x, state = 0.0, rule.init(0.0)
    assert state.share == 0.0
    for g in (0.5, 2.0, -3.0, 1.0):
        x, state = rule.update(g, state, x)
    assert (state.step, state.clipped, state.share) == (4, 2, 0.5)
    assert state.norm == 1.0


def test_huge_and_tiny_gradients_have_a_norm() -> None:
    for scale in (1e200, 1e-200):
        assert float(optim.global_norm([scale * np.array([3.0]), 4.0 * scale])) == pytest.approx(
            5 * scale, rel=1e-14
        )
    rule = optim.Clipped(optim.SGD(1.0), by_global_norm=5.0)
    x = np.zeros(2)
    new, _ = rule.update(np.array([3e200, -4e200]), rule.init(x), x)
    np.testing.assert_allclose(new, [-3.0, 4.0], rtol=1e-14)
    new, state = rule.update(np.zeros(2), rule.init(x), x)
    np.testing.assert_array_equal(new, x)
    assert state.norm == 0.0


def test_a_gradient_that_is_not_finite_is_not_hidden() -> None:
    rule = optim.Clipped(optim.SGD(1.0), by_global_norm=1.0)
    x = np.zeros(2)
    with np.errstate(invalid="ignore"):
        new, state = rule.update(np.array([np.nan, 1.0]), rule.init(x), x)
    assert np.isnan(new).all()
    assert np.isnan(state.norm)


def test_nesterov_looks_ahead_through_clipping() -> None:
    inner = optim.Nesterov(0.1, 0.5)
    rule = optim.Clipped(inner, by_value=1.0)
    x, state = rule.update(10.0, rule.init(1.0), 1.0)
    assert x == pytest.approx(0.9)
    assert rule.lookahead(x, state) == pytest.approx(0.9 - 0.5 * 0.1)


def test_one_can_differentiate_through_clipping() -> None:
    def after(x: np.ndarray, limit: float) -> object:
        rule = optim.Clipped(optim.SGD(0.1), by_global_norm=limit)
        new, _ = rule.update(x**3, rule.init(x), x)
        return (new**2).sum()

    for limit in (0.5, 100.0):
        cr.check_grads(lambda x: after(x, limit), orders=1)(np.array([1.0, -0.7]))


@pytest.mark.parametrize("limit", ["by_global_norm", "by_norm", "by_value"])
def test_a_parameter_without_elements_is_no_obstacle(limit: str) -> None:
    params = {"none": np.zeros((0, 3)), "some": np.zeros(2)}
    rule = optim.Clipped(optim.SGD(1.0), **{limit: 1.0})
    gradients = {"none": np.zeros((0, 3)), "some": np.array([0.0, -4.0])}
    new, state = rule.update(gradients, rule.init(params), params)
    np.testing.assert_array_equal(new["some"], [0.0, 1.0])
    assert (new["none"].shape, state.clipped, state.norm) == ((0, 3), 1, 4.0)
