"""Metrics by direct counts, with ties, weights and degenerate rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import nn
from chainrule.errors import ArgumentError
from chainrule.nn.metrics import (
    AUC,
    BinaryAccuracy,
    CategoricalAccuracy,
    F1Score,
    FunctionMetric,
    Precision,
    R2Score,
    Recall,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
    accuracy,
    metric_name,
)

ROW = st.tuples(st.booleans(), st.integers(0, 4), st.integers(1, 3))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(ROW, min_size=2, max_size=25))
def test_auc_counts_the_pairs(rows: list[tuple[bool, int, int]]) -> None:
    y, score, w = (np.array(column, float) for column in zip(*rows, strict=True))
    wins = total = 0.0
    for i in np.flatnonzero(y == 1):
        for j in np.flatnonzero(y == 0):
            total += w[i] * w[j]
            wins += w[i] * w[j] * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
    if total:
        assert AUC()(y, score, w) == pytest.approx(wins / total, rel=1e-12)
        # A whole weight is as many copies of the row.
        copies = np.repeat(np.arange(len(y)), w.astype(int))
        assert AUC()(y[copies], score[copies]) == pytest.approx(wins / total, rel=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_precision_recall_and_f1_are_ratios_of_counts(rows: list[tuple[bool, bool]]) -> None:
    y, p = (np.array(column, float) for column in zip(*rows, strict=True))
    tp = sum(a and b for a, b in rows)
    fp = sum(b and not a for a, b in rows)
    fn = sum(a and not b for a, b in rows)
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn) if tp + fn else 0.0
    f1 = 2 * precision * recall / (precision + recall) if tp else 0.0
    assert Precision()(y, p) == precision
    assert Recall()(y, p) == recall
    assert F1Score()(y, p) == pytest.approx(f1, rel=1e-12)


def test_thresholds() -> None:
    y, z = np.array([1, 0, 1, 0]), np.array([0.2, -0.3, -0.1, 0.4])
    assert BinaryAccuracy(0.0)(y, z) == 0.5
    assert BinaryAccuracy()(y, z) == 0.5
    assert BinaryAccuracy(0.3)(y, z) == 0.25
    assert Recall(0.0)(y, z) == 0.5


def test_top_k() -> None:
    p = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    y = np.array([1, 2, 0])
    assert [TopKCategoricalAccuracy(k)(y, p) for k in (1, 2, 3)] == [0.0, 2 / 3, 1.0]
    assert TopKCategoricalAccuracy(2)(np.eye(3)[y], p, [1, 2, 1]) == 0.5
    assert SparseCategoricalAccuracy()(np.array([[2], [0], [0]]), p) == 2 / 3


def test_r2() -> None:
    y = np.array([1.0, 2.0, 3.0, 6.0])
    assert R2Score()(y, y) == 1.0
    assert R2Score()(y, np.full(4, 3.0)) == 0.0
    assert R2Score()(y, y[::-1]) == pytest.approx(1 - (25 + 1 + 1 + 25) / 14)
    assert R2Score()(np.ones(3), np.ones(3)) == 1.0
    assert R2Score()(np.ones(3), np.zeros(3)) == 0.0
    two = R2Score()(np.stack([y, y], 1), np.stack([y, np.full(4, 3.0)], 1))
    assert two == 0.5


def test_accuracy_fits_the_loss_and_the_shapes() -> None:
    kind = {
        "binary_crossentropy": "BinaryAccuracy",
        "categorical_crossentropy": "CategoricalAccuracy",
        "sparse_categorical_crossentropy": "SparseCategoricalAccuracy",
    }
    for loss, name in kind.items():
        assert type(nn.get_metric("accuracy", loss=loss)).__name__ == name
    assert nn.get_metric("accuracy", outputs=1) == BinaryAccuracy()
    p = np.array([[0.1, 0.9], [0.8, 0.2]])
    assert nn.get_metric("accuracy")(np.eye(2), p) == 0.0
    assert accuracy([1, 0], p) == 1.0
    assert accuracy([-1, 1], [[-0.2], [0.3]]) == 1.0


def test_names_and_functions() -> None:
    assert nn.get_metric("f1") == F1Score()
    assert nn.get_metric(AUC) == AUC()
    by_row = nn.get_metric(lambda y, p: np.abs(p - y))
    assert by_row([0.0, 0.0], [1.0, 3.0], [3.0, 1.0]) == 1.5
    assert [metric_name(m) for m in ("acc", Precision(), FunctionMetric(np.max))] == [
        "acc", "precision", "max",
    ]  # fmt: skip


def test_classes_by_number_are_classes_one_hot() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.random((40, 3)), rng.integers(0, 3, 40)
    for metric in (AUC(), Precision(0.3), Recall(0.3), F1Score(0.3)):
        assert metric(labels, scores) == metric(np.eye(3)[labels], scores)
    with pytest.raises(ArgumentError, match="a label is not a class"):
        F1Score()(np.full(40, 3), scores)


def test_an_area_without_both_classes_is_none_and_said() -> None:
    with pytest.warns(UserWarning, match="there are 2 positive and 0 negative ones: it is NaN"):
        assert np.isnan(AUC()([1, 1], [0.1, 0.2]))
    truth, scores = np.array([[0, 0], [1, 0]]), np.array([[0.1, 0.2], [0.3, 0.4]])
    with pytest.warns(UserWarning, match="output 1 has 0 positive") as caught:
        assert AUC()(truth, scores) == 1.0
    assert caught[0].filename == __file__


def test_accuracies_of_classes_along_a_sequence() -> None:
    rng = np.random.default_rng(5)
    scores, labels = rng.normal(size=(4, 3, 5)), rng.integers(0, 5, (4, 3))
    right = np.mean(np.argmax(scores, axis=-1) == labels)
    assert SparseCategoricalAccuracy()(labels, scores) == pytest.approx(right)
    assert CategoricalAccuracy()(np.eye(5)[labels], scores) == pytest.approx(right)
    assert TopKCategoricalAccuracy(1)(labels, scores) == pytest.approx(right)
    assert TopKCategoricalAccuracy(1)(np.eye(5)[labels], scores) == pytest.approx(right)
    with pytest.raises(ArgumentError, match="one label for each set of scores"):
        SparseCategoricalAccuracy()(labels[:, :2], scores)
