"""Losses under Keras's names that are used now and then; `nn.losses` has them all."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import functions as fn
from chainrule.nn.loss import TINY, Loss, row_means, targets_like
from chainrule.records import dataclass


@dataclass(frozen=True)
class LogCosh(Loss):
    """log cosh(ŷ − y), averaged over the outputs: ½ e² for small errors e, |e| − log 2 for large.

    >>> float(LogCosh()([0.0], [[1000.0]]))
    999.306...
    """

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        size = np.abs(y_pred - targets_like(y_true, y_pred))
        # log cosh e = |e| + log(1 + exp(−2|e|)) − log 2 does not overflow.
        return row_means(size + fn.softplus(-2.0 * size) - np.log(2.0))


@dataclass(frozen=True)
class MeanAbsolutePercentageError(Loss):
    """100 |ŷ − y|/|y|, averaged over the outputs; |y| is taken as 1e-7 where it is less.

    >>> float(MeanAbsolutePercentageError()([2.0, 4.0], [[1.0], [5.0]]))
    37.5
    """

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        y = targets_like(y_true, y_pred)
        return row_means(100.0 * np.abs(y_pred - y) / np.maximum(np.abs(y), TINY))


@dataclass(frozen=True)
class MeanSquaredLogarithmicError(Loss):
    """(log(1 + ŷ) − log(1 + y))², averaged; values below 1e-7 are taken as 1e-7.

    >>> round(float(MeanSquaredLogarithmicError()([1.0], [[3.0]])), 6)
    0.480453
    """

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        y = np.log1p(np.maximum(targets_like(y_true, y_pred), TINY))
        return row_means(np.square(np.log1p(np.maximum(y_pred, TINY)) - y))


@dataclass(frozen=True)
class KLDivergence(Loss):
    """Σ y log(y/p) over the classes, the last axis, of probabilities y and p held from 1e-7 to 1.

    >>> round(float(KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])), 6)
    0.143841

    Source: Kullback & Leibler, "On information and sufficiency", Ann. Math. Stat. 22 (1951).
    """

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        y = np.clip(targets_like(y_true, y_pred), TINY, 1.0)
        return np.sum(y * np.log(y / np.clip(y_pred, TINY, 1.0)), axis=-1)


@dataclass(frozen=True)
class CosineSimilarity(Loss):
    """−y·ŷ/(‖y‖ ‖ŷ‖) along the last axis: −1 where both point the same way; 0 for y or ŷ of 0.

    >>> round(float(CosineSimilarity()([[1.0, 1.0]], [[2.0, 2.0]])), 12)
    -1.0
    """

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        y = targets_like(y_true, y_pred)
        return -np.sum(_unit(y) * _unit(y_pred), axis=-1)


def _unit(x: Any) -> Any:
    """x/‖x‖; Keras takes ‖x‖² as 1e-12 where it is less."""
    return x / np.sqrt(np.maximum(np.sum(np.square(x), axis=-1, keepdims=True), 1e-12))


__all__ = [
    "CosineSimilarity",
    "KLDivergence",
    "LogCosh",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
]
