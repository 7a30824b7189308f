"""How descent behaves: momentum on the ravine, adaptive rates, clipping, mini-batches, chains."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from tests.optim.problems import cliff


def ravine(kappa: float) -> Any:
    """½ (x₀² + κ x₁²): curvatures 1 and κ."""
    return lambda x: 0.5 * (x[0] ** 2 + kappa * x[1] ** 2)


def distances(optimizer: Any, kappa: float, steps: int) -> Any:
    """‖x‖ along the path from (κ, 1), where both directions count."""
    start = np.array([kappa, 1.0])
    found = cr.minimize(
        ravine(kappa), start, optimizer=optimizer, steps=steps, tolerance=0.0, record=True
    )
    return np.linalg.norm(found.path, axis=1)


@pytest.mark.parametrize("kappa", [10.0, 100.0])
def test_plain_descent_at_its_best_rate_falls_as_theory_says(kappa: float) -> None:
    best = 2 / (1 + kappa)
    falls = distances(optim.SGD(best), kappa, 50)
    rate = (kappa - 1) / (kappa + 1)
    np.testing.assert_allclose(falls[1:] / falls[:-1], rate, rtol=1e-9)
    for factor in (0.7, 0.9, 1.01):
        assert distances(optim.SGD(factor * best), kappa, 300)[-1] > falls[0] * rate**300


@pytest.mark.parametrize("kappa", [10.0, 100.0])
def test_momentum_at_its_best_rate_falls_as_theory_says(kappa: float) -> None:
    """(√κ − 1)/(√κ + 1) a step; the double root adds a factor that grows like t."""
    root = np.sqrt(kappa)
    rate = (root - 1) / (root + 1)
    falls = distances(optim.Momentum(4 / (root + 1) ** 2, rate**2), kappa, 100)
    a, b = 50, 100
    assert (falls[b] / falls[a]) ** (1 / (b - a)) == pytest.approx(rate * (b / a) ** (1 / (b - a)),
                                                                   rel=5e-3)  # fmt: skip
    # Each at its own best, and from the same place, momentum is there in a fraction of the steps.
    plain = distances(optim.SGD(2 / (1 + kappa)), kappa, 1000)
    needed = [int(np.argmax(path < 1e-3)) for path in (plain, falls)]
    assert 0 < needed[1] < 0.5 * needed[0] * 10 / root


def test_adagrad_slows_like_one_over_root_t_and_rmsprop_does_not() -> None:
    """Along a constant slope, which asks for steps of one size."""
    slope = lambda x: 3.0 * x  # noqa: E731

    def steps(optimizer: Any) -> Any:
        found = cr.minimize(slope, 0.0, optimizer=optimizer, steps=400, record=True)
        return -np.diff(found.path)

    t = np.arange(1, 401)
    np.testing.assert_allclose(steps(optim.AdaGrad(0.1, delta=0.0)), 0.1 / np.sqrt(t), rtol=1e-9)
    rmsprop = steps(optim.RMSProp(0.1, rho=0.9, delta=0.0))
    np.testing.assert_allclose(rmsprop, 0.1 / np.sqrt(1 - 0.9**t), rtol=1e-9)


def test_adagrad_never_forgets_a_steep_start_and_rmsprop_does() -> None:
    """A wall of slope 100, and behind it a gentle slope of 1 that is 5 long."""
    hill = lambda x: np.where(x > 5.0, 100.0 * x - 495.0, x)  # noqa: E731

    def end(optimizer: Any) -> float:
        return float(cr.minimize(hill, 6.0, optimizer=optimizer, steps=200).x)

    assert end(optim.RMSProp(0.1)) < -5.0
    assert end(optim.AdaGrad(0.1)) > 4.0


def test_clipping_survives_a_cliff() -> None:
    """One step onto the wall, and the gradient throws plain descent out of the world."""
    plain = cr.minimize(cliff, 1.0, optimizer=optim.SGD(0.02), steps=400, record=True)
    assert plain.path[1] < -1e9
    assert not plain.success
    assert plain.x < -100.0
    clipped = optim.Clipped(optim.SGD(0.02), by_global_norm=5.0)
    kept = cr.minimize(cliff, 1.0, optimizer=clipped, steps=400, record=True)
    assert kept.success
    assert kept.x == pytest.approx(-1.0, abs=1e-5)
    assert np.max(np.abs(np.diff(kept.path))) <= 0.02 * 5.0 * (1 + 1e-12)
    assert np.max(kept.states.norm) > 1e11  # the norm before clipping
    assert 0 < kept.states.clipped[-1] < kept.nit


def test_mini_batch_gradients_are_unbiased_and_their_spread_is_known() -> None:
    """Over all batches of k of n rows: the mean is the full one, the variance σ²/k (n−k)/(n−1).

    So four times the rows halve the error: less than linear returns.
    """
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 3)), rng.integers(0, 2, (7, 1)).astype(float)
    layer, loss = nn.Dense(1), nn.get_loss("binary_crossentropy")
    params, state = layer.build(1, (3,))

    def gradient(rows: Any) -> Any:
        def objective(p: Any) -> Any:
            return loss(y[rows], layer(p, state, x[rows], training=True)[0])

        found = cr.grad(objective)(params)
        return np.concatenate([found["kernel"].ravel(), found["bias"]])

    full = gradient(np.arange(7))
    single = np.array([gradient([i]) for i in range(7)])
    for k in (1, 2, 4, 6):
        every = np.array([gradient(list(rows)) for rows in combinations(range(7), k)])
        np.testing.assert_allclose(every.mean(axis=0), full, rtol=1e-12)
        spread = single.var(axis=0) / k * (7 - k) / 6
        np.testing.assert_allclose(every.var(axis=0), spread, rtol=1e-9)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_gradients_through_a_linear_chain_grow_or_vanish_like_powers(factor: float) -> None:
    """y = Wᵗ x has the Jacobian (Wᵗ)ᵀ, and along an eigenvector its length is λᵗ."""
    t = 50
    q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))
    matrix = q @ np.diag([factor, 0.5, -0.3]) @ q.T
    chain = nn.Sequential([nn.Dense(3, use_bias=False) for _ in range(t)])
    params, state = chain.build(0, (3,))
    params = {name: {"kernel": matrix} for name in params}
    top = q[:, 0]

    def output(x: Any) -> Any:
        return chain(params, state, x, training=False)[0] @ top

    x = np.ones((1, 3))
    gradient = cr.grad(lambda x: output(x)[0])(x)
    assert np.linalg.norm(gradient) == pytest.approx(factor**t, rel=1e-9)
    # A shared weight, as in a recurrent network: d(wᵗ)/dw = t wᵗ⁻¹.
    power = cr.grad(lambda w: np.prod(np.broadcast_to(w, t)))(factor)
    assert power == pytest.approx(t * factor ** (t - 1), rel=1e-9)
