"""The convolutional run: small here, with the full one's claim on its first epochs."""

from __future__ import annotations

import numpy as np

from chainrule.plot import convolutional


def test_the_gradient_grows_while_the_error_falls() -> None:
    run = convolutional.gradient_norm_run(rows=1280, epochs=5, rate=0.01)
    assert run.norms.shape == (5 * 40,)
    assert run.steps == 40
    assert run.errors.shape == (5,)
    np.testing.assert_allclose(run.mean_norms[1], np.mean(run.norms[40:80]))
    assert run.mean_norms[-1] > 1.5 * run.mean_norms[0]
    assert run.errors[-1] < run.errors[0] - 0.2
