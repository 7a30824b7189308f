"""Logistic regression of one feature against the flow that its descent follows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from chainrule.plot import classification


def test_a_single_observation_grows_like_the_logarithm() -> None:
    """The flow dw/dt = 1/(1 + e^w) from 0 is e^w + w = 1 + t."""
    run = classification.logistic_run(np.array([1.0]), rate=0.05, steps=1000)
    for step in (20, 200, 1000):
        flow = brentq(lambda w, t=0.05 * step: np.exp(w) + w - 1 - t, 0.0, 20.0)
        assert run.weights[step] == pytest.approx(flow, rel=0.01)


def test_one_turned_label_makes_a_minimum() -> None:
    separable, turned = classification.no_critical_point_runs(steps=400)
    assert np.all(separable.margins > 0)
    assert np.sum(turned.margins < 0) == 1
    assert np.all(np.diff(separable.weights) > 0)
    assert separable.norms[-1] > 1e-3

    def slope(w: float) -> float:
        return float(np.mean(-turned.margins / (1 + np.exp(w * turned.margins))))

    assert turned.weights[-1] == pytest.approx(brentq(slope, 0.0, 20.0), rel=1e-9)
    assert turned.norms[-1] < 1e-9
