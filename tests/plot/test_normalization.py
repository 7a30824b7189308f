"""Normalisation against the algebra of quadratics and of running averages."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.plot import normalization


def test_condition_numbers_before_and_after() -> None:
    raw, normalised = normalization.feature_normalization_runs(steps=20)
    table = normalization.load_heart()
    x = np.column_stack([table.numbers(name) for name in ("age", "cholesterol")])
    singular = np.linalg.svd(x, compute_uv=False)
    assert raw.condition == pytest.approx((singular[0] / singular[1]) ** 2, rel=1e-9)
    r = abs(np.corrcoef(x.T)[0, 1])
    assert normalised.condition == pytest.approx((1 + r) / (1 - r), rel=1e-9)


def test_at_the_best_rate_both_directions_shrink_alike() -> None:
    for run in normalization.feature_normalization_runs(steps=12):
        rate = (run.condition - 1) / (run.condition + 1)
        far = np.linalg.norm(run.path - run.best, axis=1)
        np.testing.assert_allclose(far, far[0] * rate ** np.arange(13), rtol=1e-4)


def test_normalised_inputs_keep_their_mean_and_width() -> None:
    without, normalised = normalization.batch_normalization_runs(steps=40)
    assert without.seen.shape == normalised.seen.shape == (40, 200, 1)
    # Before any training γ = 1 and β = 0.
    assert abs(normalised.seen[0].mean()) < 1e-12
    assert normalised.seen[0].std() == pytest.approx(1.0, abs=0.01)

    def wandering(run: normalization.Hidden) -> float:
        return float(np.ptp(run.seen.mean(axis=1)) / run.seen[0].std())

    assert wandering(normalised) < 0.3 * wandering(without)
    assert normalised.losses[-10:].mean() < without.losses[-10:].mean()


def test_with_whole_batches_the_running_averages_are_geometric() -> None:
    run = normalization.running_run(0.9, epochs=15, batch_size=270)
    np.testing.assert_allclose(run.means, run.mean * (1 - 0.9 ** np.arange(16)), rtol=1e-12)
    share = (run.variances - run.variance) / (1 - run.variance)
    np.testing.assert_allclose(share, 0.9 ** np.arange(16), rtol=1e-9)


def test_running_averages_approach_the_datas() -> None:
    quick, slow = normalization.running_averages_runs(epochs=6)
    assert len(quick.means) == 61
    assert quick.means[0] == 0.0
    assert quick.means[-1] == pytest.approx(quick.mean, rel=0.02)
    np.testing.assert_allclose(slow.means, slow.expected_means, rtol=0.03, atol=1e-12)
    assert slow.means[-1] < 0.9 * slow.mean
