"""A metric: a frozen record called as ``metric(y_true, y_pred, sample_weight)`` on all rows.

Classification metrics take probabilities (`probabilities` makes them from logits), or any scores
with the threshold that goes with them. They are numbers, not derivatives: no metric is traced.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.naming import user_line
from chainrule.records import dataclass

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Metric(ABC):
    """How good predictions are, as one number."""

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """The metric over all rows.

        Args:
            y_true: the targets, rows first.
            y_pred: the predictions, shape (n, outputs) or (n,).
            sample_weight: a weight for each row, shape (n,).

        Raises:
            ShapeError: the numbers of rows or columns differ, or there are no rows.
        """
        truth, predicted = np.asarray(y_true), np.asarray(y_pred)
        rows = predicted.shape[0] if predicted.ndim else 0
        weight = np.ones(rows) if sample_weight is None else np.asarray(sample_weight, float)
        counts = {truth.shape[:1], predicted.shape[:1], (weight.size,)}
        if not rows or len(counts) > 1:
            raise ShapeError(
                "a metric compares the same number of rows, at least one",
                got=f"targets of shape {truth.shape}, predictions of {predicted.shape}, weights of "
                f"{weight.shape}",
                line=user_line(),
                remedy="give y_true and y_pred of the same rows",
            )
        return float(self.compute(truth, predicted, weight.ravel()))

    @abstractmethod
    def compute(self, truth: Any, predicted: Any, weight: Array) -> float:
        """The metric from arrays of the same number of rows."""


@dataclass(frozen=True)
class RowMetric(Metric):
    """A metric that is a mean over rows, Σ wᵢ rᵢ/Σ wᵢ, and so can be averaged batch by batch."""

    @abstractmethod
    def rows(self, truth: Any, predicted: Any) -> Array:
        """What each row counts for, shape (n,)."""

    def compute(self, truth: Any, predicted: Any, weight: Array) -> float:
        return float(weighted_means(self.rows(truth, predicted), weight))


def weighted_means(values: Any, weight: Array) -> Array:
    """The weighted means over the last axis. Weights that sum to 0 give NaN.

    The mean of a row of a matrix is that of the row alone to the last bit, so that batches may be
    looked at one by one or many together.

    >>> float(weighted_means(np.array([1.0, 5.0]), np.array([3.0, 1.0])))
    2.0
    """
    with np.errstate(invalid="ignore"):
        found = np.sum(weight * values, axis=-1) / np.sum(weight, axis=-1)
    return np.asarray(found)


def row_means(values: Any) -> Array:
    """The mean of each row's numbers."""
    return np.asarray(np.mean(np.asarray(values, float).reshape(len(values), -1), axis=1))


def columns(truth: Any, predicted: Any) -> tuple[Array, Array]:
    """Both as (n, outputs); (n,) serves for one output.

    Raises:
        ShapeError: the outputs differ.
    """
    y, p = (np.asarray(v, float).reshape(len(v), -1) for v in (truth, predicted))
    if y.shape != p.shape:
        raise ShapeError(
            "targets and predictions have different shapes",
            got=f"targets of shape {np.shape(truth)}, predictions of shape {np.shape(predicted)}",
            line=user_line(),
            remedy="give one target for each output",
        )
    return y, p


@dataclass(frozen=True)
class MeanSquaredError(RowMetric):
    """Σ(ŷ − y)²/n.

    >>> MeanSquaredError()([1.0, 4.0], [1.0, 2.0])
    2.0
    """

    def rows(self, truth: Any, predicted: Any) -> Array:
        y, p = columns(truth, predicted)
        return row_means((p - y) ** 2)


@dataclass(frozen=True)
class RootMeanSquaredError(Metric):
    """√(Σ(ŷ − y)²/n), in the unit of the target.

    >>> RootMeanSquaredError()([0.0, 0.0], [3.0, 3.0])
    3.0
    """

    def compute(self, truth: Any, predicted: Any, weight: Array) -> float:
        return float(np.sqrt(MeanSquaredError().compute(truth, predicted, weight)))


@dataclass(frozen=True)
class MeanAbsoluteError(RowMetric):
    """Σ|ŷ − y|/n, in the unit of the target.

    >>> MeanAbsoluteError()([1.0, 4.0], [1.0, 2.0])
    1.0
    """

    def rows(self, truth: Any, predicted: Any) -> Array:
        y, p = columns(truth, predicted)
        return row_means(np.abs(p - y))


@dataclass(frozen=True)
class R2Score(Metric):
    """R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)², averaged over the outputs; 1 is perfect, 0 the mean's.

    A target that never varies gives 1 for exact predictions and 0 otherwise, as in scikit-learn.

    >>> R2Score()([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
    0.5

    Source: Hastie, Tibshirani & Friedman (2009), section 3.2.
    """

    def compute(self, truth: Any, predicted: Any, weight: Array) -> float:
        y, p = columns(truth, predicted)
        w = weight[:, None]
        left = np.sum(w * (y - p) ** 2, axis=0)
        spread = np.sum(w * (y - np.sum(w * y, axis=0) / np.sum(w)) ** 2, axis=0)
        share = np.where(spread > 0, left / np.where(spread > 0, spread, 1.0), left > 0)
        return float(np.mean(1.0 - share))


@dataclass(frozen=True)
class FunctionMetric(Metric):
    """Any function of (y_true, y_pred) that returns one number, or one for each row.

    A training calls it for each batch, and averages over an epoch's batches by their rows.

    >>> FunctionMetric(lambda y, p: np.max(np.abs(p - y)))([1.0, 4.0], [1.0, 2.0])
    2.0
    """

    function: Callable[[Any, Any], Any]

    def compute(self, truth: Any, predicted: Any, weight: Array) -> float:
        said = self.function(truth, predicted)
        if said is None:
            name = getattr(self.function, "__name__", "the metric")
            raise wrong_metric(
                "a metric returns one number, or one for each row",
                f"None from {name}",
                "end it with return",
            )
        found = np.asarray(said, float)
        if found.shape == ():
            return float(found)
        if found.shape[0] == len(weight):
            return float(weighted_means(row_means(found), weight))
        name = getattr(self.function, "__name__", "the metric")
        raise ShapeError(
            "a metric returns one number, or one for each row",
            got=f"an array of shape {found.shape} from {name} for {len(weight)} rows",
            line=user_line(),
            remedy="average over the other axes: np.mean(…, axis=-1)",
        )


def wrong_metric(cause: str, got: str, remedy: str) -> ArgumentError:
    """The error for targets or settings that a metric cannot take."""
    return ArgumentError(cause, got=got, line=user_line(), remedy=remedy)
