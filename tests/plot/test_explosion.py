"""Chains and deep networks against powers that can be written down."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.nn.initializers import Orthogonal
from chainrule.plot import explosion


def test_the_lectures_two_chains() -> None:
    for run, (a, b) in zip(explosion.linear_chain_runs(), ((1.0, 2.0), (0.5, 0.9)), strict=True):
        n = run.depths
        powers = np.column_stack([a**n, b**n])
        np.testing.assert_allclose(run.values, powers, rtol=1e-12)
        slopes = np.column_stack([n * a ** (n - 1.0), n * b ** (n - 1.0)])
        np.testing.assert_allclose(run.gradients, slopes, rtol=1e-12)


def test_orthogonal_weights_multiply_the_signal_by_their_gain() -> None:
    """With linear units and W = g·Q the gradient's norm changes by exactly g in each layer."""
    run = explosion.gradient_norms(Orthogonal(gain=0.8), layers=6, units=16, activation="linear")
    np.testing.assert_allclose(run.signals[:-1] / run.signals[1:], 0.8, rtol=1e-12)


def test_what_the_figure_says_of_deep_networks() -> None:
    large, xavier, small, sigmoid = explosion.gradients_by_layer_runs()
    assert large.signals[0] > 10 * large.signals[-1]
    assert 0.1 < xavier.signals[0] / xavier.signals[-1] < 10
    assert small.signals[0] < 1e-5 * small.signals[-1]
    assert small.kernels.max() < 2 * small.kernels.min()
    assert sigmoid.kernels[0] < 1e-10 * sigmoid.kernels[-1]


def test_the_loss_with_a_cliff() -> None:
    w = np.array([0.9, 1.0])
    np.testing.assert_allclose(explosion.chain_loss(8)(w), (3 * w**8 - 1) ** 2, rtol=1e-12)


def test_clipped_steps_are_no_longer_than_the_rate_times_the_threshold() -> None:
    rate, threshold = 0.01, 2.0
    run = explosion.clipping_runs(rate, threshold)
    steps = np.diff(run.clipped)
    allowed = rate * np.minimum(run.clipped_norms[:-1], threshold)
    np.testing.assert_allclose(np.abs(steps), allowed, rtol=1e-9)
    assert run.plain_norms[0] == pytest.approx(2 * (3 - 1) * 24)  # the slope at w = 1
    np.testing.assert_allclose(run.plain[1], 1 - rate * 96, rtol=1e-12)
    loss = explosion.chain_loss()
    assert loss(run.plain[-1]) > 0.99
    assert run.clipped[-1] == pytest.approx(3 ** (-1 / 8), abs=1e-5)
