"""Metrics by name, the accuracy that fits, and the scores of a table's models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.nn.classification import (
    AUC,
    BinaryAccuracy,
    CategoricalAccuracy,
    F1Score,
    Precision,
    Recall,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from chainrule.nn.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from chainrule.nn.losses import LOSSES, Loss, get_loss, loss_for
from chainrule.nn.metric import (
    Array,
    FunctionMetric,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    R2Score,
    RootMeanSquaredError,
    RowMetric,
)
from chainrule.nn.naming import lookup
from chainrule.records import dataclass

__all__ = [
    "AUC",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "F1Score",
    "FunctionMetric",
    "LossMetric",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "accuracy",
    "accuracy_for",
    "evaluate",
    "get_metric",
    "metric_name",
]

METRICS: dict[str, Callable[[], Metric] | None] = {
    "accuracy": None,  # the one that fits the loss
    "acc": None,
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "auc": AUC,
    "precision": Precision,
    "recall": Recall,
    "f1_score": F1Score,
    "f1": F1Score,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "root_mean_squared_error": RootMeanSquaredError,
    "rmse": RootMeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "r2_score": R2Score,
    "r2": R2Score,
}

_ACCURACIES: tuple[tuple[Any, Callable[[], Metric]], ...] = (
    (BinaryCrossentropy, BinaryAccuracy),
    (CategoricalCrossentropy, CategoricalAccuracy),
    (SparseCategoricalCrossentropy, SparseCategoricalAccuracy),
)


@dataclass(frozen=True)
class LossMetric(RowMetric):
    """A loss as a metric, its mean over the rows; of probabilities or rates, not of logits.

    >>> LossMetric(get_loss("binary_crossentropy"))([1], [[0.5]])
    0.693147...
    """

    loss: Loss

    def rows(self, truth: Any, predicted: Any) -> Array:
        loss: Any = self.loss
        if getattr(loss, "from_logits", False):
            loss = replace(loss, from_logits=False)
        return np.asarray(loss.rows(truth, predicted), float)


def accuracy_for(loss: Any, outputs: int | None = None) -> Metric:
    """The accuracy that fits a loss, else the number of outputs, else what the arrays look like.

    >>> accuracy_for("binary_crossentropy")
    BinaryAccuracy(threshold=0.5)
    """
    found = get_loss(loss) if loss is not None else None
    for kind, made in _ACCURACIES:
        if isinstance(found, kind):
            return made()
    if outputs == 1:
        return BinaryAccuracy()
    return FunctionMetric(accuracy)


def accuracy(y_true: Any, y_pred: Any) -> float:
    """The accuracy that fits the shapes: one output, one-hot targets, or labels from 0.

    One output means class 1 above ½, or above 0 where there are negative targets: −1 and 1.

    >>> accuracy([1, 0], [[0.2, 0.8], [0.4, 0.6]]), accuracy([1, 0], [0.8, 0.6])
    (0.5, 0.5)
    """
    truth, predicted = np.asarray(y_true), np.asarray(y_pred)
    if predicted.ndim < 2 or predicted.shape[1] == 1:
        return BinaryAccuracy(0.0 if np.any(truth < 0) else 0.5)(truth, predicted)
    one_hot = truth.shape == predicted.shape
    return (CategoricalAccuracy() if one_hot else SparseCategoricalAccuracy())(truth, predicted)


def get_metric(
    metric: str | Metric | Callable[[Any, Any], Any], loss: Any = None, outputs: int | None = None
) -> Metric:
    """The metric for a Keras-style name, a record, or a function of (y_true, y_pred).

    Args:
        metric: "accuracy" becomes the accuracy that fits the loss, or else the outputs; the names
            of losses are metrics too.
        loss: the loss in use, for "accuracy".
        outputs: how many outputs the network has, for "accuracy" where the loss does not tell.

    Raises:
        ArgumentError: there is no metric of that name.

    >>> get_metric("accuracy", loss="sparse_categorical_crossentropy")
    SparseCategoricalAccuracy()
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, type) and issubclass(metric, (Metric, Loss)):
        metric = metric()
    if isinstance(metric, Loss):
        return LossMetric(metric)
    if callable(metric):
        return metric if isinstance(metric, Metric) else FunctionMetric(metric)
    table = LOSSES | METRICS
    found: Any = lookup("metric", metric, table, "a function of (y_true, y_pred)")
    return accuracy_for(loss, outputs) if found is None else get_metric(found())


def metric_name(metric: Any) -> str:
    """The name under which a history keeps a metric: as given, or the class's in Keras's style.

    >>> metric_name("mae"), metric_name(AUC()), metric_name(np.max)
    ('mae', 'auc', 'max')
    """
    if isinstance(metric, str):
        return metric
    if isinstance(metric, FunctionMetric):
        metric = metric.function
    if isinstance(metric, Metric):
        kind = type(metric)
        return next((name for name, made in METRICS.items() if made is kind), kind.__name__)
    return str(getattr(metric, "__name__", type(metric).__name__))


def evaluate(kind: str, outputs: Array, targets: Array, *, scale: float = 1.0) -> dict[str, float]:
    """The loss, and the metrics that fit the kind of target.

    Args:
        kind: binary, multiclass or numeric.
        outputs: what the network gave (logits, for classes), shape (rows, outputs).
        targets: as encoded for it, of the same shape.
        scale: the unit of a standardised numeric target (its standard deviation); RMSE and MAE
            are multiplied by it and so are in the target's own unit.

    Returns:
        ``loss`` and ``accuracy``; or ``loss``, ``rmse``, ``mae`` and
        ``r2`` = 1 − Σ(y − ŷ)²/Σ(y − ȳ)².

    >>> evaluate("numeric", np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]), scale=10.0)
    {'loss': 2.0, 'rmse': 14.14..., 'mae': 10.0, 'r2': 0.11...}
    """
    loss = float(loss_for(kind)(outputs, targets))
    if kind != "numeric":
        return {"loss": loss, "accuracy": _accuracy_of_logits(outputs, targets)}
    errors = outputs - targets
    spread = float(np.mean(np.square(targets - np.mean(targets))))
    mean_square = float(np.mean(np.square(errors)))
    return {
        "loss": loss,
        "rmse": scale * mean_square**0.5,
        "mae": scale * float(np.mean(np.abs(errors))),
        # The same value in every row cannot be explained any better than by itself.
        "r2": 1.0 - mean_square / spread if spread else 0.0,
    }


def _accuracy_of_logits(logits: Array, targets: Array) -> float:
    """With one output, class 1 is predicted where the logit is above 0 (p above ½)."""
    metric = BinaryAccuracy(0.0) if logits.shape[1] == 1 else CategoricalAccuracy()
    return metric(targets, logits)
