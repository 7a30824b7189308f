"""Critical points against the eigenvalues that their quadratics were made of."""

from __future__ import annotations

import numpy as np

from chainrule.plot import critical_points


def test_curvatures_and_directions_of_the_three_kinds() -> None:
    found = [place.point for place in critical_points.critical_point_runs()]
    assert [point.kind for point in found] == ["minimum", "maximum", "saddle"]
    expected = [(1.0, 2.0), (-2.0, -1.0), (-2.0, 1.0)]
    first_axis = np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])
    for point, values in zip(found, expected, strict=True):
        np.testing.assert_allclose(point.eigenvalues, values, rtol=1e-12)
        np.testing.assert_array_equal(point.gradient, 0.0)
        # The first axis of the quadratic has the larger curvature.
        assert abs(point.eigenvectors[:, 1] @ first_axis) > 1 - 1e-12


def test_who_leaves_the_saddle() -> None:
    run = critical_points.saddle_escape_runs()
    np.testing.assert_allclose(run.newton[-1], 0.0, atol=1e-8)
    # On the ridge descent is (1 − 0.2)^k · 1.2 along x and nothing across.
    np.testing.assert_allclose(run.exact[:, 0], 1.2 * 0.8 ** np.arange(81), rtol=1e-12)
    np.testing.assert_array_equal(run.exact[:, 1], 0.0)
    assert abs(abs(run.noisy[-1, 1]) - 1.0) < 0.1
    assert abs(run.noisy[-1, 0]) < 0.1


def test_without_noise_nothing_leaves_the_ridge() -> None:
    run = critical_points.saddle_escape_runs(noise=0.0)
    np.testing.assert_array_equal(run.noisy, run.exact)
