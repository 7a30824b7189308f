"""The convolutional run: small here, with the full one's claim on its first epochs."""

from __future__ import annotations

import numpy as np

from chainrule.plot import convolutional


def test_the_gradient_grows_while_the_error_falls() -> None:
    run = convolutional.gradient_norm_run(rows=960, epochs=4, rate=0.02)
    assert run.norms.shape == (4 * 30,)
    assert run.steps == 30
    assert run.errors.shape == (4,)
    np.testing.assert_allclose(run.mean_norms[1], np.mean(run.norms[30:60]))
    assert run.mean_norms[-1] > 1.5 * run.mean_norms[0]
    assert run.errors[-1] < run.errors[0] - 0.2
