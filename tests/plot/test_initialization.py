"""Signals through layers against the variances that theory gives, and symmetric units."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.nn.initializers import (
    GlorotUniform,
    HeNormal,
    Initializer,
    Orthogonal,
    RandomNormal,
    XavierNormal,
)
from chainrule.plot import initialization


@pytest.mark.parametrize(
    ("init", "activation", "factor"),
    [
        (XavierNormal(), "linear", 1.0),
        (GlorotUniform(), "linear", 1.0),
        (RandomNormal(stddev=0.02), "linear", 300 * 0.02**2),
        (HeNormal(), "relu", 1.0),
        (XavierNormal(), "relu", 0.5),
    ],
    ids=lambda value: str(value),
)
def test_mean_squares_change_by_the_factor_of_theory(
    init: Initializer, activation: str, factor: float
) -> None:
    """E h² is multiplied by m·Var W in a linear layer, and by half of it in one of relus."""
    run = initialization.layer_outputs(init, activation=activation, layers=4, units=300, rows=300)
    found = (run.mean_squares[3] / run.mean_squares[0]) ** (1 / 3)
    assert found == pytest.approx(factor, rel=0.08)


def test_orthogonal_layers_keep_the_signal_exactly() -> None:
    run = initialization.layer_outputs(Orthogonal(), activation="linear", layers=3, units=20)
    np.testing.assert_allclose(run.mean_squares, run.mean_squares[0], rtol=1e-12)


def test_what_the_figure_says_of_each() -> None:
    zero, small, large, xavier, he, normalised = initialization.initialization_runs(units=100)
    assert np.all(zero.mean_squares == 0.0)
    assert small.mean_squares[-1] < 1e-6 * small.mean_squares[0]
    assert np.mean(np.abs(large.outputs[-1]) > 0.99) > 0.5
    for run in (xavier, normalised):
        assert 0.2 < np.sqrt(run.mean_squares[-1]) < np.sqrt(run.mean_squares[0]) < 0.7
    assert 0.5 < np.sqrt(he.mean_squares[-1]) < 2.0


def test_units_that_start_alike_stay_alike() -> None:
    alike, random = initialization.symmetry_runs(epochs=60)
    np.testing.assert_allclose(np.ptp(alike.weights, axis=1), 0.0, atol=1e-12)
    assert np.ptp(random.weights[-1]) > 2
    # One unit is a line: it cannot tell a circle from the one around it, whose loss is log 2.
    assert alike.losses[-1] > 0.95 * np.log(2)
    assert random.losses[-1] < 0.5 * np.log(2)
