"""Losses and its metrics against formulas written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.errors import ArgumentError
from chainrule.nn import evaluate, loss_for
from chainrule.nn.initializers import glorot_uniform, he_normal


def test_initial_kernels_have_the_variance_of_their_papers() -> None:
    rng = np.random.default_rng(0)
    he, glorot = he_normal(rng, (400, 300)), glorot_uniform(rng, (400, 300))
    assert np.var(he) == pytest.approx(2 / 400, rel=0.02)
    assert np.var(glorot) == pytest.approx(2 / 700, rel=0.02)
    assert np.max(np.abs(glorot)) <= (6 / 700) ** 0.5


def test_losses() -> None:
    z, y = np.array([[0.3], [-2.0]]), np.array([[1.0], [0.0]])
    p = 1 / (1 + np.exp(-z))
    by_hand = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert float(loss_for("binary")(z, y)) == pytest.approx(by_hand, rel=1e-14)
    logits, onehot = np.array([[1.0, 2.0, -1.0]]), np.array([[0.0, 0.0, 1.0]])
    by_hand = -np.log(np.exp(-1) / (np.exp(1) + np.exp(2) + np.exp(-1)))
    assert float(loss_for("multiclass")(logits, onehot)) == pytest.approx(by_hand, rel=1e-14)
    assert float(loss_for("numeric")(z, y)) == pytest.approx((0.7**2 + 2**2) / 2, rel=1e-14)
    # A very sure and wrong model: the loss is the logit, not infinity.
    assert float(loss_for("binary")(np.array([[800.0]]), np.array([[0.0]]))) == 800.0
    with pytest.raises(ArgumentError, match="binary, multiclass, numeric"):
        loss_for("ordinal")


def test_accuracy() -> None:
    z, y = np.array([[0.1], [-0.1], [3.0], [0.0]]), np.array([[1.0], [1.0], [1.0], [0.0]])
    assert evaluate("binary", z, y)["accuracy"] == 0.75
    logits, onehot = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    assert evaluate("multiclass", logits, onehot)["accuracy"] == 0.5


def test_regression_metrics_are_in_the_target_unit() -> None:
    outputs, targets = np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [1.0], [4.0]])
    scores = evaluate("numeric", outputs, targets, scale=3.0)
    assert scores == {
        "loss": pytest.approx(5 / 3),
        "rmse": pytest.approx(3 * (5 / 3) ** 0.5),
        "mae": pytest.approx(3.0),
        "r2": pytest.approx(1 - 5 / 6),  # Σ(y − 2)² = 1 + 1 + 4
    }
