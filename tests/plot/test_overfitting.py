"""A network on few rows: three losses, and the noise below which only memory gets."""

from __future__ import annotations

import numpy as np

from chainrule.plot import overfitting


def test_losses_of_batches_rows_and_fresh_rows() -> None:
    run = overfitting.generalization_run(epochs=250)
    assert run.steps == 2
    means = run.batches.reshape(250, 2).mean(axis=1)
    np.testing.assert_allclose(run.training, means, rtol=1e-9)
    # The curves on a grid tell the error beside the noise, of which N(0, 0.35²) is a sample.
    beside = np.mean((run.curves - overfitting.truth(run.grid[:, 0])) ** 2, axis=1)
    np.testing.assert_allclose(run.population[50:], 0.35**2 + beside[50:], rtol=0.25)
    # What is meant turns upwards while what is minimised goes below the noise.
    assert run.training[-1] < 0.7 * 0.35**2
    assert run.population.min() > 0.8 * 0.35**2
    assert run.population[-1] > 1.15 * run.population[run.best]
    assert run.best < 125
