"""Trees, types, penalties, purity, and derivatives through an update."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.optim import Optimizer

ALL = {
    "sgd": optim.SGD(0.1),
    "momentum": optim.Momentum(0.1),
    "pytorch": optim.Momentum(0.1, convention="pytorch"),
    "average": optim.Momentum(0.1, convention="average"),
    "nesterov": optim.Nesterov(0.1),
    "reformulated": optim.NesterovReformulated(0.1),
    "adagrad": optim.AdaGrad(0.1),
    "rmsprop": optim.RMSProp(0.1),
    "adadelta": optim.Adadelta(),
    "adam": optim.Adam(0.1),
    "adamw": optim.AdamW(0.1),
    "amsgrad": optim.AMSGrad(0.1),
    "nadam": optim.NAdam(0.1),
    "lion": optim.Lion(0.1),
    "penalties": optim.Adam(0.1, l1=0.1, l2=0.1, weight_decay=0.1),
}


@dataclass
class Layer:
    kernel: Any
    bias: Any


class Pair(NamedTuple):
    a: Any
    b: Any


def test_every_optimizer_by_name_is_tested_here() -> None:
    assert {type(rule) for rule in ALL.values()} == set(optim.OPTIMIZERS.values())


@pytest.mark.parametrize("name", ALL)
def test_a_tree_moves_like_its_leaves(name: str) -> None:
    rule: Optimizer = ALL[name]
    rng = np.random.default_rng(3)
    leaves = [rng.normal(size=(2, 3)), rng.normal(size=3), 0.7, np.float64(-1.5)]

    def tree(x: list[Any]) -> Any:
        return {"layer": Layer(x[0], x[1]), "rest": (Pair(x[2], [x[3]]),)}

    single = [(p, rule.init(p)) for p in leaves]
    params = tree(leaves)
    state = rule.init(params)
    for _ in range(3):
        grads = [rng.normal(size=np.shape(p)) if np.ndim(p) else rng.normal() for p in leaves]
        params, state = rule.update(tree(grads), state, params)
        single = [rule.update(g, s, p)[::1] for g, (p, s) in zip(grads, single, strict=True)]
    layer, pair = params["layer"], params["rest"][0]
    assert type(layer) is Layer
    assert type(pair) is Pair
    for got, (want, _) in zip((layer.kernel, layer.bias, pair.a, pair.b[0]), single, strict=True):
        np.testing.assert_array_equal(got, want)
    assert type(pair.a) is float


@pytest.mark.parametrize("name", ALL)
def test_types_are_kept_and_nothing_passed_in_changes(name: str) -> None:
    rule: Optimizer = ALL[name]
    params = {"w": np.array([1.0, -2.0], np.float32), "b": 0.5}
    gradients = {"w": np.array([0.3, 0.1]), "b": np.float64(1.0)}
    state = rule.init(params)
    for _ in range(2):
        before = copy.deepcopy((params, gradients, state))
        new, after = rule.update(gradients, state, params)
        for old, now in zip(before, (params, gradients, state), strict=True):
            assert repr(old) == repr(now)
        assert new["w"].dtype == np.float32
        assert type(new["b"]) is float
        for slot in after[1:]:
            assert np.asarray(slot["w"]).dtype == np.float32 or np.ndim(slot["w"]) == 0
        assert not np.array_equal(new["w"], params["w"])
        params, state = new, after


def test_a_schedule_does_not_widen_float32() -> None:
    rule = optim.Adam(lambda step: np.float64(0.1))
    x = np.ones(2, np.float32)
    assert rule.update(x, rule.init(x), x)[0].dtype == np.float32


def test_penalties_reach_the_chosen_parameters_only() -> None:
    params = {"w": np.array([[2.0, -4.0]]), "b": np.array([3.0])}
    zero = {"w": np.zeros((1, 2)), "b": np.zeros(1)}
    for options, expected in (
        ({"l1": 0.5}, [[2 - 0.05, -4 + 0.05]]),
        ({"l2": 0.5}, [[2 - 0.1, -4 + 0.2]]),
        ({"weight_decay": 0.5}, [[2 - 0.1, -4 + 0.2]]),
    ):
        rule = optim.SGD(0.1, penalize=optim.kernels_only, **options)
        new, _ = rule.update(zero, rule.init(params), params)
        np.testing.assert_allclose(new["w"], expected)
        assert new["b"][0] == 3.0
    rule = optim.SGD(0.1, l2=1.0, penalize=lambda path, p: path == "params['b']")
    new, _ = rule.update(zero, rule.init(params), params)
    assert new["w"][0, 0] == 2.0
    assert new["b"][0] == pytest.approx(2.7)


def test_l2_is_the_gradient_of_its_penalty_and_decay_is_not_under_adam() -> None:
    x, g = np.array([1.0, -3.0]), np.array([10.0, 0.1])
    plain, l2, decayed = optim.Adam(0.1), optim.Adam(0.1, l2=0.4), optim.Adam(0.1, weight_decay=0.4)
    penalized = g + cr.grad(lambda p: 0.2 * (p**2).sum())(x)
    expected = plain.update(penalized, plain.init(x), x)[0]
    np.testing.assert_allclose(l2.update(g, l2.init(x), x)[0], expected, rtol=1e-15)
    other = decayed.update(g, decayed.init(x), x)[0]
    np.testing.assert_allclose(other, plain.update(g, plain.init(x), x)[0] - 0.04 * x, rtol=1e-14)


SMOOTH = {name: rule for name, rule in ALL.items() if name != "lion"}


@pytest.mark.parametrize("name", SMOOTH)
def test_one_can_differentiate_through_updates(name: str) -> None:
    """The loss after three steps, as a function of where they began."""
    rule: Optimizer = SMOOTH[name]
    loss = lambda p: (p["w"] ** 2 * np.array([1.0, 3.0])).sum() + np.cos(p["b"])  # noqa: E731
    slope = cr.grad(loss)

    def trained(params: Any) -> Any:
        state = rule.init(params)
        for _ in range(3):
            params, state = rule.update(slope(rule.lookahead(params, state)), state, params)
        return loss(params)

    cr.check_grads(trained, orders=1, step=0.01)({"w": np.array([0.4, -0.8]), "b": 0.7})


def test_the_derivative_with_respect_to_the_learning_rate() -> None:
    """x₂ = (1 − 2ε)² x₀ for x², so dx₂²/dε = −8 (1 − 2ε)³ x₀²."""

    def trained(rate: Any) -> Any:
        rule = optim.SGD(rate)
        x, state = 3.0, rule.init(3.0)
        for _ in range(2):
            x, state = rule.update(2 * x, state, x)
        return x**2

    assert cr.grad(trained)(0.1) == pytest.approx(-8 * 0.8**3 * 9, rel=1e-13)


def test_delta_inside_the_root_is_differentiable_at_a_zero_gradient() -> None:
    def moved(place: str) -> Any:
        rule = optim.RMSProp(0.1, delta=0.01, delta_at=place)
        return cr.grad(lambda g: rule.update(g, rule.init(1.0), 1.0)[0])(0.0)

    assert moved("inside") == pytest.approx(-0.1 / 0.1)
    assert not np.isfinite(moved("outside"))


def test_a_rate_given_to_one_step_takes_the_place_of_the_optimizers() -> None:
    rule = optim.SGD(0.1)
    assert rule.update(1.0, rule.init(1.0), 1.0, learning_rate=0.25)[0] == 0.75
    clipped = optim.Clipped(rule, by_value=10.0)
    assert clipped.update(1.0, clipped.init(1.0), 1.0, learning_rate=0.25)[0] == 0.75


def test_a_state_survives_being_taken_apart() -> None:
    """As a checkpoint does: a run from the stored leaves goes on to the same numbers."""
    from chainrule.tracing import flatten, unflatten

    rule = optim.Clipped(optim.NAdam(0.1), by_norm=1.0)
    x = {"w": np.array([1.0, 2.0]), "b": 0.5}
    state = rule.init(x)
    x, state = rule.update({"w": np.array([1.0, -1.0]), "b": 2.0}, state, x)
    leaves, spec = flatten(state)
    again = unflatten(spec, [np.array(leaf)[()] for leaf in leaves])
    g = {"w": np.array([0.5, 3.0]), "b": 1.0}
    np.testing.assert_array_equal(
        rule.update(g, again, x)[0]["w"], rule.update(g, state, x)[0]["w"]
    )
