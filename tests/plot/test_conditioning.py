"""Ravines and stability against the theory of quadratics."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.optim import Momentum, Nesterov
from chainrule.plot import conditioning


def test_paths_are_the_powers_of_one_minus_step_times_curvature() -> None:
    for run in conditioning.ravine_runs(shown=(2.0, 30.0), conditions=()).runs:
        k = np.arange(len(run.path))[:, None]
        factors = 1 - run.rate * np.array([1.0, run.condition])
        np.testing.assert_allclose(run.path, factors**k, rtol=1e-10)


def test_steps_grow_like_the_condition_and_with_momentum_like_its_root() -> None:
    runs = conditioning.ravine_runs(shown=(), conditions=(16, 64))
    for condition, steps in zip(runs.conditions, runs.plain, strict=True):
        rate = (condition - 1) / (condition + 1)
        assert steps == int(np.ceil(np.log(1e-3) / np.log(rate)))
    assert runs.plain[1] / runs.plain[0] == pytest.approx(4, rel=0.05)
    assert runs.momentum[1] / runs.momentum[0] == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize(("rule", "method"), [(Momentum, "momentum"), (Nesterov, "nesterov")])
@pytest.mark.parametrize("beta", [0.0, 0.3, 0.6, 0.9])
def test_runs_are_stable_up_to_the_edge(rule: type, method: str, beta: float) -> None:
    edge = conditioning.edge(beta, method)
    expected = 2 * (1 + beta) / (1 if method == "momentum" else 1 + 2 * beta)
    assert edge == pytest.approx(expected, rel=1e-15)
    inside, outside = conditioning.growth(rule(1.0, beta), edge * np.array([0.98, 1.02]), 200)
    assert inside < 1 < outside


def test_the_factor_of_a_step_is_the_largest_root() -> None:
    """For momentum of z² − (1 + β − h) z + β; complex roots have modulus √β."""
    products, beta = np.array([0.05, 1.0, 2.0, 3.5]), 0.5
    roots = [np.abs(np.roots([1, -(1 + beta - h), beta])).max() for h in products]
    found = conditioning.growth(Momentum(1.0, beta), products, 200)
    np.testing.assert_allclose(found, roots, rtol=0.02)


def test_the_run_that_is_marked_lies_inside_for_momentum_alone() -> None:
    grid = {"products": np.array([0.1, 2.7]), "momenta": np.array([0.6])}
    run = conditioning.stability_runs(**grid, steps=80)
    low, high, at = run.run
    assert high / low == pytest.approx(30)
    assert at == 0.6
    assert run.momentum.max() < 1 < run.nesterov.max()
    # Descent's larger factor is |1 − 2.7|; Nesterov's the larger root of z² + 2.72 z − 1.02.
    np.testing.assert_allclose(run.distances["descent"][-1] * np.sqrt(2), 1.7**25, rtol=1e-9)
    ratio = run.distances["nesterov"][-1] / run.distances["nesterov"][-2]
    assert ratio == pytest.approx(np.abs(np.roots([1, 2.72, -1.02])).max(), rel=1e-6)
    assert run.distances["momentum"][-1] < 0.01
