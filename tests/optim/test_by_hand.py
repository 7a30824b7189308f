"""Five steps of every rule, computed by hand: one number at a time, with literal constants."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest

from chainrule import optim

START = (1.0, -2.0, 0.5)
# Gradients of five steps: changing signs, zeros in one step, different sizes.
GRADIENTS = (
    (0.5, -3.0, 0.02),
    (-0.25, -2.0, 0.0),
    (1.5, 4.0, -0.04),
    (0.75, -1.0, 0.01),
    (-2.0, 0.5, 0.03),
)


def sgd(p: float, gs: list[float]) -> list[float]:
    path = []
    for g in gs:
        p = p - 0.1 * g
        path.append(p)
    return path


def momentum(p: float, gs: list[float]) -> list[float]:
    path, v = [], 0.0
    for g in gs:
        v = 0.8 * v - 0.1 * g
        p = p + v
        path.append(p)
    return path


def momentum_pytorch(p: float, gs: list[float]) -> list[float]:
    path, b = [], 0.0
    for t, g in enumerate(gs):
        b = 0.8 * b + g
        p = p - 0.1 / (1 + t) * b  # with a falling rate, where it differs from the lecture's
        path.append(p)
    return path


def momentum_falling(p: float, gs: list[float]) -> list[float]:
    path, v = [], 0.0
    for t, g in enumerate(gs):
        v = 0.8 * v - 0.1 / (1 + t) * g
        p = p + v
        path.append(p)
    return path


def momentum_average(p: float, gs: list[float]) -> list[float]:
    path, m = [], 0.0
    for g in gs:
        m = 0.8 * m + 0.2 * g
        p = p - 0.1 * m
        path.append(p)
    return path


def momentum_growing(p: float, gs: list[float]) -> list[float]:
    path, v = [], 0.0
    for alpha, g in zip((0.0, 0.5, 0.75, 0.8, 0.9), gs, strict=True):
        v = alpha * v - 0.1 * g
        p = p + v
        path.append(p)
    return path


def nesterov_reformulated(p: float, gs: list[float]) -> list[float]:
    path, v = [], 0.0
    for g in gs:
        v = 0.8 * v - 0.1 * g
        p = p + 0.8 * v - 0.1 * g
        path.append(p)
    return path


def adagrad(p: float, gs: list[float]) -> list[float]:
    path, r = [], 0.0
    for g in gs:
        r = r + g * g
        p = p - 0.1 / (0.01 + sqrt(r)) * g
        path.append(p)
    return path


def adagrad_inside(p: float, gs: list[float]) -> list[float]:
    path, r = [], 0.3
    for g in gs:
        r = r + g * g
        p = p - 0.1 / sqrt(r + 0.01) * g
        path.append(p)
    return path


def rmsprop(p: float, gs: list[float]) -> list[float]:
    path, r = [], 0.0
    for g in gs:
        r = 0.7 * r + 0.3 * g * g
        p = p - 0.1 / (0.01 + sqrt(r)) * g
        path.append(p)
    return path


def rmsprop_inside(p: float, gs: list[float]) -> list[float]:
    path, r = [], 0.0
    for g in gs:
        r = 0.7 * r + 0.3 * g * g
        p = p - 0.1 / sqrt(r + 0.01) * g
        path.append(p)
    return path


def adadelta(p: float, gs: list[float]) -> list[float]:
    path, r, u = [], 0.0, 0.0
    for g in gs:
        r = 0.7 * r + 0.3 * g * g
        change = -sqrt(u + 0.01) / sqrt(r + 0.01) * g
        u = 0.7 * u + 0.3 * change * change
        p = p + 0.5 * change
        path.append(p)
    return path


def adam(p: float, gs: list[float]) -> list[float]:
    path, m, v = [], 0.0, 0.0
    for t, g in enumerate(gs, 1):
        m = 0.7 * m + 0.3 * g
        v = 0.9 * v + 0.1 * g * g
        p = p - 0.1 * (m / (1 - 0.7**t)) / (0.01 + sqrt(v / (1 - 0.9**t)))
        path.append(p)
    return path


def adam_inside(p: float, gs: list[float]) -> list[float]:
    path, m, v = [], 0.0, 0.0
    for t, g in enumerate(gs, 1):
        m = 0.7 * m + 0.3 * g
        v = 0.9 * v + 0.1 * g * g
        p = p - 0.1 * (m / (1 - 0.7**t)) / sqrt(v / (1 - 0.9**t) + 0.01)
        path.append(p)
    return path


def adam_uncorrected(p: float, gs: list[float]) -> list[float]:
    path, m, v = [], 0.0, 0.0
    for t, g in enumerate(gs, 1):
        m = 0.7 * m + 0.3 * g
        v = 0.9 * v + 0.1 * g * g
        rate = 0.1 * sqrt(1 - 0.9**t) / (1 - 0.7**t)
        p = p - rate * m / (sqrt(v) + 0.01)
        path.append(p)
    return path


def adamw(p: float, gs: list[float]) -> list[float]:
    path, m, v = [], 0.0, 0.0
    for t, g in enumerate(gs, 1):
        m = 0.7 * m + 0.3 * g
        v = 0.9 * v + 0.1 * g * g
        step = 0.1 * (m / (1 - 0.7**t)) / (0.01 + sqrt(v / (1 - 0.9**t)))
        p = p - step - 0.1 * 0.4 * p
        path.append(p)
    return path


def adam_l2(p: float, gs: list[float]) -> list[float]:
    path, m, v = [], 0.0, 0.0
    for t, g in enumerate(gs, 1):
        g = g + 0.4 * p
        m = 0.7 * m + 0.3 * g
        v = 0.9 * v + 0.1 * g * g
        p = p - 0.1 * (m / (1 - 0.7**t)) / (0.01 + sqrt(v / (1 - 0.9**t)))
        path.append(p)
    return path


def sgd_l1(p: float, gs: list[float]) -> list[float]:
    path = []
    for g in gs:
        sign = 1.0 if p > 0 else -1.0 if p < 0 else 0.0
        p = p - 0.1 * (g + 0.3 * sign)
        path.append(p)
    return path


def amsgrad(p: float, gs: list[float]) -> list[float]:
    path, m, v, top = [], 0.0, 0.0, 0.0
    for t, g in enumerate(gs, 1):
        m = 0.7 * m + 0.3 * g
        v = 0.5 * v + 0.5 * g * g
        top = v if v > top else top
        p = p - 0.1 * (m / (1 - 0.7**t)) / (0.01 + sqrt(top / (1 - 0.5**t)))
        path.append(p)
    return path


def nadam(p: float, gs: list[float]) -> list[float]:
    path, m, v, product = [], 0.0, 0.0, 1.0
    for t, g in enumerate(gs, 1):
        now = 0.7 * (1 - 0.5 * 0.96 ** (0.5 * t))
        after = 0.7 * (1 - 0.5 * 0.96 ** (0.5 * (t + 1)))
        product = product * now
        m = 0.7 * m + 0.3 * g
        v = 0.9 * v + 0.1 * g * g
        m_hat = after * m / (1 - product * after) + (1 - now) * g / (1 - product)
        p = p - 0.1 * m_hat / (0.01 + sqrt(v / (1 - 0.9**t)))
        path.append(p)
    return path


def lion(p: float, gs: list[float]) -> list[float]:
    path, m = [], 0.0
    for g in gs:
        c = 0.7 * m + 0.3 * g
        sign = 1.0 if c > 0 else -1.0 if c < 0 else 0.0
        p = p - 0.1 * sign - 0.1 * 0.2 * p
        m = 0.9 * m + 0.1 * g
        path.append(p)
    return path


def falling(step: int) -> float:
    return 0.1 / (1 + step)


def growing(step: int) -> float:
    return (0.0, 0.5, 0.75, 0.8, 0.9)[step]


ADAM = {"rho1": 0.7, "rho2": 0.9, "delta": 0.01}
Hand = Callable[[float, list[float]], list[float]]
CASES: list[tuple[Hand, optim.Optimizer]] = [
    (sgd, optim.SGD(0.1)),
    (sgd_l1, optim.SGD(0.1, l1=0.3)),
    (momentum, optim.Momentum(0.1, 0.8)),
    (momentum_falling, optim.Momentum(falling, 0.8)),
    (momentum_pytorch, optim.Momentum(falling, 0.8, "pytorch")),
    (momentum_average, optim.Momentum(0.1, 0.8, "average")),
    (momentum_growing, optim.Momentum(0.1, growing)),
    (momentum_growing, optim.Nesterov(0.1, growing)),  # the same once the gradient is given
    (nesterov_reformulated, optim.NesterovReformulated(0.1, 0.8)),
    (adagrad, optim.AdaGrad(0.1, 0.01)),
    (adagrad_inside, optim.AdaGrad(0.1, 0.01, "inside", initial=0.3)),
    (rmsprop, optim.RMSProp(0.1, 0.7, 0.01)),
    (rmsprop_inside, optim.RMSProp(0.1, 0.7, 0.01, "inside")),
    (adadelta, optim.Adadelta(0.5, 0.7, 0.01)),
    (adam, optim.Adam(0.1, **ADAM)),
    (adam_inside, optim.Adam(0.1, **ADAM, delta_at="inside")),
    (adam_uncorrected, optim.Adam(0.1, **ADAM, delta_at="uncorrected")),
    (adam_l2, optim.Adam(0.1, **ADAM, l2=0.4)),
    (adamw, optim.AdamW(0.1, **ADAM, weight_decay=0.4)),
    (amsgrad, optim.AMSGrad(0.1, rho1=0.7, rho2=0.5, delta=0.01)),
    (nadam, optim.NAdam(0.1, **ADAM, momentum_decay=0.5)),
    (lion, optim.Lion(0.1, 0.7, 0.9, weight_decay=0.2)),
]


@pytest.mark.parametrize(("hand", "optimizer"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_five_steps_are_those_by_hand(hand: Hand, optimizer: optim.Optimizer) -> None:
    params = np.array(START)
    state = optimizer.init(params)
    path = []
    for k, g in enumerate(GRADIENTS):
        assert state.step == k
        params, state = optimizer.update(np.array(g), state, params)
        path.append(params)
    columns = [hand(p, [g[i] for g in GRADIENTS]) for i, p in enumerate(START)]
    np.testing.assert_allclose(path, np.transpose(columns), rtol=1e-13, atol=1e-15)


def test_nesterov_takes_its_gradient_at_the_interim_point() -> None:
    """f(x) = 3 x²; θ̃ = θ + 0.8 v, g = 6 θ̃."""
    nesterov = optim.Nesterov(0.05, 0.8)
    x, state = 2.0, nesterov.init(2.0)
    p, v = 2.0, 0.0
    for _ in range(5):
        x, state = nesterov.update(6.0 * nesterov.lookahead(x, state), state, x)
        v = 0.8 * v - 0.05 * 6.0 * (p + 0.8 * v)
        p = p + v
        assert x == pytest.approx(p, rel=1e-13)
        assert state.velocity == pytest.approx(v, rel=1e-13)


def test_the_states_are_those_by_hand() -> None:
    """After two gradients, 3 and then −1."""
    states = {}
    for optimizer in (
        optim.Momentum(0.1, 0.5), optim.AdaGrad(), optim.RMSProp(rho=0.75),
        optim.Adam(rho1=0.5, rho2=0.75), optim.AMSGrad(rho2=0.5), optim.Lion(rho2=0.5),
    ):  # fmt: skip
        x, state = 0.0, optimizer.init(0.0)
        for g in (3.0, -1.0):
            x, state = optimizer.update(g, state, x)
        states[type(optimizer).__name__] = state
    assert states["Momentum"].velocity == pytest.approx(0.5 * -0.3 + 0.1)
    assert states["AdaGrad"].r == 10.0
    assert states["RMSProp"].r == 0.75 * 2.25 + 0.25
    assert (states["Adam"].m, states["Adam"].v) == (0.5 * 1.5 - 0.5, 0.75 * 2.25 + 0.25)
    assert (states["AMSGrad"].v, states["AMSGrad"].largest) == (2.75, 4.5)
    assert states["Lion"].m == 0.25
    assert all(state.step == 2 for state in states.values())


@pytest.mark.parametrize("rule", [optim.AdaGrad, optim.RMSProp, optim.Adam])
def test_delta_converts_to_its_other_place(rule: type[optim.Optimizer]) -> None:
    """By the first step of AdaGrad's kind, ε g/(δ + |g|) against ε g/√(g² + δ²), at each |g|."""
    memory = {optim.AdaGrad: {}, optim.RMSProp: {"rho": 0.0}, optim.Adam: {"rho1": 0.0}}[rule]
    outside = rule(1.0, delta=1e-3, **memory)
    inside = outside.converted("inside")  # type: ignore[attr-defined]
    assert (inside.delta, inside.delta_at) == (pytest.approx(1e-6), "inside")
    assert inside.converted("outside").delta == pytest.approx(1e-3)

    def step(optimizer: optim.Optimizer, g: float) -> float:
        return -optimizer.update(g, optimizer.init(0.0), 0.0)[0]

    assert step(inside, 1e-9) == pytest.approx(step(outside, 1e-9), rel=1e-5)
    assert step(inside, 1e3) == pytest.approx(step(outside, 1e3), rel=1e-5)
    ratios = [step(inside, g) / step(outside, g) for g in np.logspace(-5, -1, 201)]
    assert max(ratios) == pytest.approx(sqrt(2), rel=1e-6)  # at |g| = δ = 10⁻³
    assert min(ratios) >= 1.0
