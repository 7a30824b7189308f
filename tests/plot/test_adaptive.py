"""Effective steps where the gradient is constant: there they are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.optim import SGD, AdaGrad, Adam, Optimizer, RMSProp
from chainrule.plot import adaptive

SLOPES = np.array([3.0, -0.1])
STEPS = 20
t = np.arange(1, STEPS + 1)[:, None]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (SGD(0.1), np.full((STEPS, 2), 0.1)),
        (AdaGrad(0.1), 0.1 / (np.abs(SLOPES) * np.sqrt(t))),
        (RMSProp(0.1, rho=0.9), 0.1 / (np.abs(SLOPES) * np.sqrt(1 - 0.9**t))),
        (Adam(0.1), 0.1 / np.abs(SLOPES) * np.ones_like(t)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_steps_down_a_plane(rule: Optimizer, expected: Any) -> None:
    run = adaptive.effective_steps_run(
        rule, lambda x: np.sum(SLOPES * x), np.zeros(2), steps=STEPS
    )  # fmt: skip
    np.testing.assert_allclose(run.rates, expected, rtol=1e-4)


def test_the_steep_parameter_of_the_ravine_gets_smaller_steps_by_the_condition() -> None:
    adagrad, rmsprop, adam = adaptive.effective_steps_runs(steps=30)
    for run in (adagrad, rmsprop, adam):
        np.testing.assert_allclose(run.rates[:, 0] / run.rates[:, 1], 30.0, rtol=1e-3)
        np.testing.assert_allclose(run.path[:, 0], run.path[:, 1], rtol=1e-3, atol=1e-6)
    assert np.all(np.diff(adagrad.rates, axis=0) < 0)
    assert rmsprop.rates[-1, 0] > 1.5 * rmsprop.rates[:, 0].min()
    np.testing.assert_allclose(adam.rates[0], [0.05, 0.05 / 30], rtol=1e-6)
