"""Scores and their uncertainty, against counting pairs, SciPy, and resampling."""

from __future__ import annotations

from itertools import product
from math import sqrt

import numpy as np
import pytest
from scipy.stats import binomtest

from chainrule.report import measures

RNG = np.random.default_rng(0)
Y = RNG.random(60) < 0.4
SCORE = np.round(RNG.normal(size=60) + 0.8 * Y, 1)  # rounded, so that some are equal


def test_area_counts_pairs() -> None:
    """DeLong's error by its definition: the variances of each row's mean over its pairs."""
    pairs = {
        (i, j): 1.0 if SCORE[i] > SCORE[j] else 0.5 if SCORE[i] == SCORE[j] else 0.0
        for i, j in product(np.flatnonzero(Y), np.flatnonzero(~Y))
    }
    found = measures.area(Y, SCORE)
    assert found is not None
    assert found.value == pytest.approx(np.mean(list(pairs.values())), rel=1e-12)
    of_positive = [np.mean([v for (i, _), v in pairs.items() if i == k]) for k in np.flatnonzero(Y)]
    of_negative = [
        np.mean([v for (_, j), v in pairs.items() if j == k]) for k in np.flatnonzero(~Y)
    ]
    variance = np.var(of_positive, ddof=1) / Y.sum() + np.var(of_negative, ddof=1) / (~Y).sum()
    assert found.error == pytest.approx(sqrt(variance), rel=1e-12)
    assert measures.area(np.ones(3), [1, 2, 3]) is None


def test_curve_at_every_threshold() -> None:
    found = measures.curve(Y, SCORE)
    assert (found.false_positive[0], found.true_positive[0], found.precision[0]) == (0.0, 0.0, 1.0)
    assert found.threshold[1:].tolist() == sorted(set(SCORE), reverse=True)
    names = ("threshold", "false_positive", "true_positive", "precision")
    for t, fpr, tpr, p in zip(*(getattr(found, name)[1:] for name in names), strict=True):
        called = t <= SCORE
        assert fpr == pytest.approx(np.sum(called & ~Y) / np.sum(~Y))
        assert tpr == pytest.approx(np.sum(called & Y) / np.sum(Y))
        assert p == pytest.approx(np.sum(called & Y) / np.sum(called))
    auc = measures.area(Y, SCORE)
    assert auc is not None
    assert np.trapezoid(found.true_positive, found.false_positive) == pytest.approx(auc.value)


def test_average_precision_by_hand() -> None:
    """Positives at ranks 1, 3 and 4 of 5: (1/1 + 2/3 + 3/4)/3."""
    found = measures.curve([1, 0, 1, 1, 0], [5, 4, 3, 2, 1])
    assert found.average_precision == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_confusion_has_the_truth_in_lines() -> None:
    truth, found = [0, 0, 1, 2, 2, 2], [0, 1, 1, 0, 2, 2]
    assert measures.confusion(truth, found, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


def test_calibration_by_hand() -> None:
    p = [0.05, 0.15, 0.15, 0.95, 1.0, 0.1]
    came = [0, 1, 0, 1, 1, 0]
    found = measures.calibration(p, came)
    assert [(b.low, b.count, b.observed) for b in found.bins] == [
        (0.0, 1, 0.0), (0.1, 3, pytest.approx(1 / 3)), (0.9, 2, 1.0),
    ]  # fmt: skip
    mean = (0.15 + 0.15 + 0.1) / 3
    assert found.bins[1].predicted == pytest.approx(mean)
    error = (1 * 0.05 + 3 * abs(1 / 3 - mean) + 2 * (1 - 0.975)) / 6
    assert found.error == pytest.approx(error)


def test_error_by_chance_is_that_of_right_probabilities() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(0.0, 1.0, 150)
    errors = [measures.calibration(p, rng.random(150) < p).error for _ in range(400)]
    assert measures.calibration(p, p > 0.5).by_chance == pytest.approx(np.mean(errors), rel=0.05)


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (3, 7), (9, 9), (40, 100)])
def test_wilson_is_scipys(hits: int, n: int) -> None:
    low, high = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert measures.wilson(hits, n) == pytest.approx((low, high), abs=1e-12)


def test_errors_of_numbers_are_those_of_resampling() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(10, 3, 400)
    found = truth + rng.normal(0.3, 1.0, 400)
    draws = [rng.integers(0, 400, 400) for _ in range(1500)]
    for name, value in {
        "rmse": lambda i: sqrt(np.mean((found[i] - truth[i]) ** 2)),
        "r2": lambda i: 1 - np.sum((found[i] - truth[i]) ** 2) / np.sum(
            (truth[i] - truth[i].mean()) ** 2),
        "mean": lambda i: np.mean(truth[i]),
    }.items():  # fmt: skip
        estimate = {
            "rmse": measures.root_mean_square(found - truth),
            "r2": measures.explained(truth, found),
            "mean": measures.mean(truth),
        }[name]
        assert estimate is not None
        assert estimate.value == pytest.approx(value(np.arange(400)), rel=1e-12)
        assert estimate.error == pytest.approx(np.std([value(i) for i in draws]), rel=0.08), name
    assert measures.explained([1.0, 1.0], [1.0, 2.0]) is None
