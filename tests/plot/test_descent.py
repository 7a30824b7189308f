"""Descent on curves against the closed form w_k = (1 − α f″)^k w₀."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.plot import descent
from chainrule.plot.landscapes import parabola, waves


@pytest.mark.parametrize("rate", [0.1, 0.6, 2.1])
def test_the_points_of_a_parabola(rate: float) -> None:
    run = descent.descend(parabola, -2.0, rate, steps=5)
    expected = -2.0 * (1 - rate) ** np.arange(6)
    np.testing.assert_allclose(run.points, expected, rtol=1e-13)
    np.testing.assert_allclose(run.values, expected**2 / 2, rtol=1e-13)
    np.testing.assert_allclose(run.slopes, expected, rtol=1e-13)
    assert run.product == pytest.approx(rate, rel=1e-14)


def test_every_step_is_the_rate_times_the_slope() -> None:
    run = descent.descend(waves, 2.0, 0.05, steps=8)
    slopes = run.points / 10 + 2 * np.sin(2 * run.points)
    np.testing.assert_allclose(np.diff(run.points), -0.05 * slopes[:-1], rtol=1e-12)


def test_the_three_rates_are_what_the_figure_says() -> None:
    small, good, large = descent.learning_rate_runs()
    assert small.values[-1] > 0.4 * small.values[0]
    assert good.values[-1] < 0.01 * good.values[0]
    assert np.all(np.diff(large.values) > 0)


def test_the_regimes_change_at_one_and_two() -> None:
    found = descent.regime_runs(products=np.array([0.999, 1.001, 1.99, 2.0, 2.01]))
    np.testing.assert_allclose(found.factors, [0.001, 0.001, 0.99, 1.0, 1.01], rtol=1e-9)
    creeping, once, to_and_fro, diverging = found.runs
    assert np.all(creeping.points > 0)
    assert once.points.tolist() == [1.0, 0.0]
    assert np.all(np.diff(np.sign(to_and_fro.points)) != 0)
    assert abs(diverging.points[-1]) > 1


def test_descents_end_in_the_minima_of_the_curve() -> None:
    runs = descent.restart_runs()
    ends = np.array([path[-1] for path in runs.paths])
    assert len(runs.paths) == 12
    np.testing.assert_allclose(ends / 10 + 2 * np.sin(2 * ends), 0.0, atol=1e-7)
    assert np.all(1 / 10 + 4 * np.cos(2 * ends) > 0)  # minima all of them
    assert runs.best_so_far[-1] == pytest.approx(-1.0, abs=1e-12)
    assert runs.best_so_far[0] > 0.5


def test_a_large_rate_leaves_the_valley_and_rests_when_it_has_fallen() -> None:
    jumps = descent.restart_runs(restarts=1).jumps
    ends = np.array([path[-1] for path in jumps.values()])
    assert [round(end / np.pi) for end in ends] == [-2, -1, 0]
    np.testing.assert_allclose(ends / 10 + 2 * np.sin(2 * ends), 0.0, atol=0.02)
    falling = jumps["1, falling"]
    rate = 0.05 + 0.95 * (1 + np.cos(np.pi * np.arange(60) / 60)) / 2
    steps = -rate * (falling[:60] / 10 + 2 * np.sin(2 * falling[:60]))
    np.testing.assert_allclose(np.diff(falling)[:60], steps, rtol=1e-9, atol=1e-12)
