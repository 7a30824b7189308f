"""Metrics of classification: accuracies, precision, recall, F1 and the area under the ROC curve."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.nn.metric import (
    Array,
    Metric,
    RowMetric,
    columns,
    row_means,
    wrong_metric,
)
from chainrule.nn.naming import warn
from chainrule.records import dataclass


def _labels(truth: Any, scores: Array) -> NDArray[np.intp]:
    """Class numbers, checked to be one for each set of scores."""
    flat, classes = np.ravel(truth), scores.shape[-1]
    number = flat.dtype.kind in "iufb"
    whole = number and bool(np.all((flat == np.floor(flat)) & (flat >= 0) & (flat < classes)))
    if not whole:
        got = f"labels from {flat.min()} to {flat.max()}" if number else f"labels of {flat.dtype}"
        raise wrong_metric(
            "a label is not a class",
            f"{got} for {classes} classes",
            f"number the classes from 0 to {classes - 1}, as whole numbers",
        )
    if flat.size * classes != scores.size:
        raise wrong_metric(
            "this metric needs one label for each set of scores",
            f"labels of shape {np.shape(truth)} for predictions of shape {scores.shape}",
            "give labels of the predictions' shape without its last axis",
        )
    return flat.astype(np.intp).reshape(scores.shape[:-1])


def _class_scores(predicted: Any) -> Array:
    if predicted.ndim < 2 or predicted.shape[-1] < 2:
        raise wrong_metric(
            "this metric needs a column of predictions for each class, two or more",
            f"predictions of shape {predicted.shape}",
            "use binary_accuracy for one output",
        )
    return np.asarray(predicted, float)


def _by_class(truth: Any, predicted: Any) -> tuple[Array, Array]:
    """As `columns`; where there is a column for each class, labels from 0 become one-hot rows."""
    if predicted.ndim == 2 and predicted.shape[1] > 1 and truth.size == len(truth):
        truth = np.eye(predicted.shape[1])[_labels(truth, predicted)]
    return columns(truth, predicted)


@dataclass(frozen=True)
class BinaryAccuracy(RowMetric):
    """The share of outputs on the right side of the threshold: above it means class 1.

    Args:
        threshold: 0.5 for probabilities, 0 for logits.

    >>> BinaryAccuracy()([1, 0, 0], [0.9, 0.2, 0.7])
    0.6666666666666666
    """

    threshold: float = 0.5

    def rows(self, truth: Any, predicted: Any) -> Array:
        y, p = columns(truth, predicted)
        return row_means((p > self.threshold) == (y > 0.5))


@dataclass(frozen=True)
class CategoricalAccuracy(RowMetric):
    """The share of rows whose largest prediction is at the 1 of the one-hot target.

    Of sequences, shape (rows, time, classes), the share of the times.

    >>> CategoricalAccuracy()([[0, 1], [1, 0]], [[0.2, 0.8], [0.4, 0.6]])
    0.5
    """

    def rows(self, truth: Any, predicted: Any) -> Array:
        p = _class_scores(predicted)
        y = columns(truth, p)[0].reshape(p.shape)
        return row_means(np.argmax(y, axis=-1) == np.argmax(p, axis=-1))


@dataclass(frozen=True)
class SparseCategoricalAccuracy(RowMetric):
    """The share of rows whose largest prediction is at the label, a number from 0.

    Of sequences, labels of shape (rows, time), the share of the times.

    >>> SparseCategoricalAccuracy()([1, 0], [[0.2, 0.8], [0.4, 0.6]])
    0.5
    """

    def rows(self, truth: Any, predicted: Any) -> Array:
        p = _class_scores(predicted)
        return row_means(_labels(truth, p) == np.argmax(p, axis=-1))


@dataclass(frozen=True)
class TopKCategoricalAccuracy(RowMetric):
    """The share of rows whose right class has fewer than k classes predicted above it.

    Args:
        k: how many guesses each row has.

    Targets are labels from 0, or one-hot rows. Equal predictions count in favour, as in Keras.

    >>> TopKCategoricalAccuracy(2)([0, 0], [[0.3, 0.6, 0.1], [0.1, 0.6, 0.3]])
    0.5

    Source: Russakovsky et al., "ImageNet large scale visual recognition challenge", IJCV 115
    (2015), section 4.1.
    """

    k: int = 5

    def __post_init__(self) -> None:
        if self.k < 1:
            raise wrong_metric("top-k accuracy needs k of 1 or more", f"k={self.k}", "give k=5")

    def rows(self, truth: Any, predicted: Any) -> Array:
        p = _class_scores(predicted)
        labels = np.argmax(truth, axis=-1) if truth.shape == p.shape else _labels(truth, p)
        right = np.take_along_axis(p, labels[..., None], axis=-1)
        return row_means(np.sum(p > right, axis=-1) < self.k)


@dataclass(frozen=True)
class _Confusion(Metric):
    """Counts of true and false positives and false negatives, over all outputs or classes."""

    threshold: float = 0.5

    def compute(self, truth: Any, predicted: Any, weight: Array) -> float:
        y, p = _by_class(truth, predicted)
        real, found, w = y > 0.5, p > self.threshold, weight[:, None]
        hits = float(np.sum(w * (real & found)))
        return self._score(hits, float(np.sum(w * found)), float(np.sum(w * real)))

    @abstractmethod
    def _score(self, hits: float, found: float, real: float) -> float: ...


@dataclass(frozen=True)
class Precision(_Confusion):
    """Of the rows predicted positive, the share that is: TP/(TP + FP); 0 where none is predicted.

    Args:
        threshold: predictions above it are positive; 0.5 for probabilities, 0 for logits.

    >>> Precision()([1, 0, 0], [0.9, 0.2, 0.7])
    0.5

    Source: Manning, Raghavan & Schütze, *Introduction to Information Retrieval* (Cambridge 2008),
    section 8.3.
    """

    def _score(self, hits: float, found: float, real: float) -> float:
        return hits / found if found else 0.0


@dataclass(frozen=True)
class Recall(_Confusion):
    """Of the positive rows, the share predicted so: TP/(TP + FN); 0 where there is none.

    Args: as `Precision`.

    >>> Recall()([1, 1, 0], [0.9, 0.2, 0.7])
    0.5

    Source: Manning, Raghavan & Schütze (2008), section 8.3.
    """

    def _score(self, hits: float, found: float, real: float) -> float:
        return hits / real if real else 0.0


@dataclass(frozen=True)
class F1Score(_Confusion):
    """2 TP/(2 TP + FP + FN), the harmonic mean of precision and recall; 0 without positives.

    Args: as `Precision`. Keras's F1Score is one number for each class by default; several outputs
    are counted together here.

    >>> F1Score()([1, 0, 0], [0.9, 0.2, 0.7])
    0.6666666666666666

    Source: Manning, Raghavan & Schütze (2008), section 8.3.
    """

    def _score(self, hits: float, found: float, real: float) -> float:
        return 2.0 * hits / (found + real) if found + real else 0.0


@dataclass(frozen=True)
class AUC(Metric):
    """P(the score of a positive > that of a negative) + ½ P(equal): the area under the ROC curve.

    Exact, by ranks in O(n log n), with ties averaged; Keras interpolates between 200 thresholds.
    Any scores serve, since only their order counts. Several outputs are averaged; of classes, each
    against all others. An output with rows of one class only has no area and is left out; where
    none has one, it is NaN. A warning says so.

    >>> AUC()([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875

    Source: Hanley & McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143 (1982).
    """

    def compute(self, truth: Any, predicted: Any, weight: Array) -> float:
        y, p = _by_class(truth, predicted)
        areas = [self._area(y[:, j] > 0.5, p[:, j], weight) for j in range(y.shape[1])]
        found = [area for area in areas if area is not None]
        if len(found) < len(areas):
            real = np.count_nonzero(y[:, areas.index(None)] > 0.5)
            which = f"output {areas.index(None)} has" if len(areas) > 1 else "there are"
            warn(
                f"AUC needs rows of both classes, and {which} {real} positive and {len(y) - real} "
                f"negative ones: it is {'the mean of the others' if found else 'NaN'}; evaluate on "
                "more rows, or divide them with stratify="
            )
        return float(np.mean(found)) if found else float("nan")

    def _area(self, real: Any, score: Array, weight: Array) -> float | None:
        positive, negative = weight * real, weight * ~real
        if not (np.sum(positive) > 0 and np.sum(negative) > 0):
            return None
        _, place = np.unique(score, return_inverse=True)
        above = np.bincount(place, weights=positive)
        equal = np.bincount(place, weights=negative)
        below = np.cumsum(equal) - equal
        pairs = np.sum(above * (below + 0.5 * equal))
        return float(pairs / (np.sum(positive) * np.sum(negative)))
