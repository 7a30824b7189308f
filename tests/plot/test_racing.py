"""Races: counted evaluations, tuned rates, and the landscapes' minima."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from chainrule.derivatives import grad
from chainrule.optim import SGD, minimize
from chainrule.plot import racing

RAVINE, SADDLE, ROSENBROCK, BEALE = racing.COURSES


@pytest.mark.parametrize("course", racing.COURSES, ids=lambda course: course.name)
def test_the_goals_are_minima_of_the_value_that_is_said(course: racing.Course) -> None:
    for goal in course.goals:
        assert course.f(goal) == pytest.approx(course.least, abs=1e-14)
        np.testing.assert_allclose(grad(course.f)(goal), 0.0, atol=1e-12)


@pytest.mark.parametrize("name", racing.RULES)
def test_a_step_of_a_rule_is_one_evaluation(name: str) -> None:
    run = racing.lap(ROSENBROCK, name, rate=1e-4)
    if name == "L-BFGS":
        found = minimize(ROSENBROCK.f, ROSENBROCK.start, optimizer="l-bfgs", tolerance=0.0)
        assert abs(len(run.gaps) - found.nfev) <= 1
    else:
        assert len(run.gaps) == ROSENBROCK.evaluations
    expected = [ROSENBROCK.f(at) for at in run.path]
    np.testing.assert_allclose(run.gaps, expected, rtol=1e-12)


def test_the_tuned_rate_of_descent_is_the_best_stable_one_on_the_ravine() -> None:
    """The gap falls by max(|1 − α|, |1 − 30 α|)² in a step, and 2/31 is best."""
    long = replace(RAVINE, evaluations=600)
    run = racing.tuned(long, "SGD", rates=(0.02, 0.06, 2 / 31, 0.068), goal=0.0)
    assert run.rate == 2 / 31
    np.testing.assert_allclose(run.gaps[-1] / run.gaps[-2], (29 / 31) ** 2, rtol=1e-3)
    plain = minimize(RAVINE.f, RAVINE.start, optimizer=SGD(2 / 31), steps=5, record=True)
    np.testing.assert_allclose(run.path[:6], plain.path, rtol=1e-12)


def test_counts_to_a_goal_for_once_and_for_good() -> None:
    gaps = np.array([1.0, 0.5, 1e-8, 0.2, 1e-7, 1e-9])
    run = racing.Lap("SGD", 0.1, np.zeros((6, 2)), gaps)
    assert (run.evaluations_to(1e-6), run.settled(1e-6)) == (3, 5)
    assert run.evaluations_to(1e-12) == run.settled(1e-12) == np.inf
    np.testing.assert_allclose(run.best, [1.0, 0.5, 1e-8, 1e-8, 1e-8, 1e-9])


def test_what_the_figure_says_of_the_saddle_and_of_rosenbrock() -> None:
    saddle, valley = racing.race_runs(
        [SADDLE, ROSENBROCK], rates=(10**-2.5, 1.0), names=("Momentum", "AdaGrad", "L-BFGS")
    )
    momentum, adagrad, lbfgs = saddle.laps
    assert adagrad.evaluations_to(1e-6) <= lbfgs.evaluations_to(1e-6) < 40
    momentum, adagrad, lbfgs = valley.laps
    assert lbfgs.evaluations_to(1e-6) < 60
    assert momentum.best[-1] < 1e-3 * adagrad.best[-1]


def test_what_the_figure_says_of_momentum_and_curvature() -> None:
    found = racing.race_runs(
        [RAVINE], rates=(0.01, 10**-1.5, 0.1), names=("SGD", "Momentum", "L-BFGS")
    )
    sgd, momentum, lbfgs = found[0].laps
    assert lbfgs.evaluations_to(1e-6) < momentum.evaluations_to(1e-6) < sgd.evaluations_to(1e-6)
