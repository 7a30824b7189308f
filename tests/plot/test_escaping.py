"""Batches on a wavy loss: means of shifted waves, and who leaves the valley."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.plot import escaping


def test_the_mean_over_rows_is_a_wave_of_less_height() -> None:
    """mean cos 2(w − a) = C cos 2w + S sin 2w with the means of cos 2a and sin 2a."""
    a, w = escaping.row_shifts(), 1.3
    c, s = np.mean(np.cos(2 * a)), np.mean(np.sin(2 * a))
    expected = (w**2 + np.var(a)) / 20 - c * np.cos(2 * w) - s * np.sin(2 * w)
    assert escaping.mean_loss(a)(w) == pytest.approx(expected, rel=1e-12)


def test_all_rows_descend_their_mean() -> None:
    run = escaping.bouncing_run(64, rate=0.3, epochs=8)
    a, w = escaping.row_shifts(), -6.0
    for at in run.path:
        assert at == pytest.approx(w, rel=1e-10)
        w -= 0.3 * np.mean((w - a) / 10 + 2 * np.sin(2 * (w - a)))
    np.testing.assert_allclose(run.epochs, np.arange(9.0))


def test_single_rows_get_out_and_large_batches_do_not() -> None:
    full, half, _, single, growing = escaping.minibatch_escape_runs(repeats=2, epochs=12)
    for run in (*full, *half):
        assert run.path[-1] == pytest.approx(-6, abs=0.3)
    assert len(single[0].path) == 12 * 64 + 1
    assert len(growing[0].path) == 3 * (64 + 16 + 4 + 1) + 1
    for run in (*single, *growing):
        assert run.path[-1] > -4.5
        assert run.end < full[0].end - 1
