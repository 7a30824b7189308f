"""Ends of networks, and critical points of functions whose curvatures are known."""

from __future__ import annotations

import numpy as np

from chainrule.plot import minima


def test_two_units_cannot_close_a_circle_and_eight_can() -> None:
    narrow, wide = minima.network_minima_runs(widths=(2, 8), starts=4)
    assert narrow.losses.min() > 0.3
    assert wide.losses.max() < 0.1
    assert np.ptp(wide.losses) < np.ptp(narrow.losses)
    x, y = minima.circles_data()
    for k, loss in enumerate(wide.losses):
        np.testing.assert_allclose(np.mean((wide.output(k, x) - y) ** 2), loss, rtol=1e-9)
    assert len(np.unique(wide.losses)) == 4


def test_critical_points_of_a_sum_of_cosines() -> None:
    """At x = kπ; each even k is one direction that curves downwards, and adds 1 to f, not −1."""
    found = minima.critical_points_of(lambda x: np.sum(np.cos(x)), 4, starts=25)
    np.testing.assert_allclose(found.heights, 2 * found.downwards - 4, atol=1e-12)
    assert found.minima == np.mean(found.downwards == 0)
    assert found.saddles == np.mean((found.downwards % 4) != 0)


def test_random_waves_have_unit_variance_and_high_points_lead_down() -> None:
    rng = np.random.default_rng(0)
    f = minima.random_waves(3, waves=400)
    values = [f(x) for x in 30 * rng.standard_normal((2000, 3))]
    np.testing.assert_allclose(np.var(values), 1.0, rtol=0.1)
    few, many = minima.saddles_by_dimension_runs(dimensions=(1, 6), starts=25)
    assert few.saddles == 0.0
    assert many.saddles > 0.9
    assert np.corrcoef(many.heights, many.downwards)[0, 1] > 0.7
