"""Fits of a line against linear algebra: the loss is quadratic, so each step is known."""

from __future__ import annotations

import numpy as np

from chainrule.optim import BatchGrowth
from chainrule.plot import minibatches


def test_the_full_batch_follows_the_quadratics_own_recurrence() -> None:
    run = minibatches.fit_line(64, rate=0.05, epochs=6)
    design = np.hstack([run.x, np.ones_like(run.x)])
    curvature, pull = 2 * design.T @ design / 64, 2 * design.T @ run.y[:, 0] / 64
    w = np.array([-1.0, -1.5])
    for at in run.path:
        np.testing.assert_allclose(at, w, rtol=1e-12)
        w = w - 0.05 * (curvature @ w - pull)


def test_one_epoch_of_ordered_batches_is_each_batchs_own_descent() -> None:
    run = minibatches.batch_contour_runs(8)
    for k in range(8):
        x, y = run.x[8 * k : 8 * k + 8, 0], run.y[8 * k : 8 * k + 8, 0]
        error = run.path[k, 0] * x + run.path[k, 1] - y
        np.testing.assert_allclose(run.batch_losses[k], np.mean(error**2), rtol=1e-12)
        step = -0.15 * np.array([np.mean(2 * error * x), np.mean(2 * error)])
        np.testing.assert_allclose(run.path[k + 1] - run.path[k], step, rtol=1e-9)


def test_steps_epochs_and_losses_belong_together() -> None:
    small, full = minibatches.loss_curve_runs()
    assert (len(small.path), len(full.path)) == (81, 11)
    assert small.epochs[-1] == full.epochs[-1] == 10
    errors = small.path[:, :1] * small.x.T + small.path[:, 1:] - small.y.T
    np.testing.assert_allclose(small.losses, np.mean(errors**2, axis=1), rtol=1e-12)
    np.testing.assert_allclose(full.batch_losses, full.losses[:-1], rtol=1e-12)
    assert small.losses.min() >= small.least
    assert small.losses[-1] < full.losses[-1]


def test_growing_batches_see_each_row_once_an_epoch_and_get_below_the_noise() -> None:
    small, full, growing = minibatches.batch_growth_runs(epochs=14)
    assert isinstance(growing.batch_size, BatchGrowth)
    assert len(small.path) - 1 == 14 * 128
    assert len(growing.path) - 1 == 4 * (128 + 64 + 32) + 2 * 16
    assert small.rows_seen[-1] == full.rows_seen[-1] == growing.rows_seen[-1] == 14 * 512

    def last(run: minibatches.LineFit) -> float:
        return float(np.mean(run.losses[-2:])) - run.least

    assert last(growing) < 0.3 * last(small)
