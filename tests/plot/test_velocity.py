"""Momentum's arrows against its recurrence, Nesterov's step against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.plot import velocity


def test_a_step_is_what_is_left_of_the_last_one_and_the_pull() -> None:
    run = velocity.momentum_run(condition=25.0, rate=0.07, momentum=0.6, steps=12)
    steps = np.diff(run.path, axis=0)
    np.testing.assert_allclose(run.velocities[1:], steps, rtol=1e-12)
    np.testing.assert_allclose(run.pulls, -0.07 * run.path * [1.0, 25.0], rtol=1e-12)
    np.testing.assert_allclose(
        steps[1:], 0.6 * steps[:-1] + run.pulls[1:-1], rtol=1e-9, atol=1e-15
    )  # fmt: skip
    np.testing.assert_allclose(run.plain[-1], [-4 * 0.93**12, 0.5 * (-0.75) ** 12], rtol=1e-9)


def test_contributions_add_up_along_and_cancel_across() -> None:
    run = velocity.momentum_run()
    parts = run.contributions(8)
    np.testing.assert_allclose(parts.sum(axis=0), run.velocities[8], rtol=1e-12)
    kept = np.abs(parts.sum(axis=0)) / np.abs(parts).sum(axis=0)
    assert kept[0] == pytest.approx(1.0)
    assert kept[1] < 0.25


def test_one_step_of_each_from_the_same_place() -> None:
    kappa, rate, alpha = 6.0, 0.12, 0.85
    run = velocity.lookahead_runs(kappa, rate, alpha, steps=40)
    curvature = np.array([1.0, kappa])
    interim = run.start + alpha * run.velocity
    np.testing.assert_allclose(run.interim, interim, rtol=1e-12)
    np.testing.assert_allclose(run.momentum_end, interim - rate * curvature * run.start, rtol=1e-12)
    np.testing.assert_allclose(run.nesterov_end, interim - rate * curvature * interim, rtol=1e-12)
    np.testing.assert_allclose(run.momentum_pull, -rate * curvature * run.start, rtol=1e-9)
    np.testing.assert_allclose(run.nesterov_pull, -rate * curvature * interim, rtol=1e-9)


def test_heights_fall_like_the_largest_root_squared() -> None:
    """z² − (1 + α − h) z + α for momentum, z² − (1 + α)(1 − h) z + α(1 − h) for Nesterov's."""
    rate, alpha = 0.12, 0.85
    run = velocity.lookahead_runs(6.0, rate, alpha, steps=400)
    for heights, polynomial in (
        (run.momentum_heights, lambda h: [1, -(1 + alpha - h), alpha]),
        (run.nesterov_heights, lambda h: [1, -(1 + alpha) * (1 - h), alpha * (1 - h)]),
    ):
        largest = max(np.abs(np.roots(polynomial(rate * c))).max() for c in (1.0, 6.0))
        early, late = heights[100:150].max(), heights[300:350].max()
        assert (late / early) ** (1 / 400) == pytest.approx(largest, rel=3e-3)
    assert run.nesterov_heights[40] < 0.01 * run.momentum_heights[40]
