"""What a loss is: rows compared with targets, weighted, and reduced to one number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import functions as fn
from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.naming import lookup, user_line
from chainrule.numpy_api.common import array_of
from chainrule.records import dataclass

# Probabilities are held this far from 0 and 1 before a logarithm, as in Keras.
TINY = 1e-7
_REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none")


@dataclass(frozen=True, kw_only=True)
class Loss(ABC):
    """A number to minimise: the rows' losses Lᵢ, weighted by wᵢ and reduced.

    Args:
        reduction: "sum_over_batch_size" (or "mean"), Σ wᵢ Lᵢ / n, as in Keras;
            "mean_with_sample_weight", Σ wᵢ Lᵢ / Σ wᵢ, as PyTorch does with class weights;
            "sum", Σ wᵢ Lᵢ; or "none", the wᵢ Lᵢ themselves.
    """

    reduction: str = "sum_over_batch_size"

    def __post_init__(self) -> None:
        lookup("reduction", self.reduction, dict.fromkeys(_REDUCTIONS))

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of a batch.

        Args:
            y_true: the targets, rows first; shape (n,) serves for one output.
            y_pred: the outputs, shape (n, outputs).
            sample_weight: a weight for each row, shape (n,); 1 by default.

        Returns:
            A number, or shape (n,) for the reduction "none".

        Raises:
            ShapeError: shapes that don't fit; they are never broadcast.
        """
        y_pred = fn.floating(y_pred)
        losses = self.rows(y_true, y_pred)
        total: Any = float(shape_of(losses)[0])
        if sample_weight is not None:
            weight = sample_weight if is_traced(sample_weight) else np.asarray(sample_weight)
            weight = weight.astype(value_of(losses).dtype)
            if len(shape_of(weight)) == 2 and shape_of(weight)[1] == 1:
                weight = np.reshape(weight, shape_of(weight)[:1])
            if shape_of(weight) != shape_of(losses)[:1]:
                raise misfit(
                    "sample_weight has one number for each row",
                    f"weights of shape {shape_of(weight)} for {shape_of(losses)[:1]} rows",
                    "give an array of shape (n,)",
                )
            more = len(shape_of(losses)) - 1
            losses = losses * np.reshape(weight, shape_of(weight) + (1,) * more)
            if self.reduction == "mean_with_sample_weight":
                total = np.sum(weight)
                total = np.where(total > 0.0, total, np.ones_like(total))  # all 0: the loss is 0
        if self.reduction == "none":
            return losses
        if self.reduction == "sum":
            return np.sum(losses)
        if sample_weight is None:
            return np.mean(losses)
        return np.sum(row_means(losses)) / total

    @abstractmethod
    def rows(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, before weights and reduction."""


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """Any function of (y_true, y_pred): a number for each row, for each output, or for all.

    >>> cubic = FunctionLoss(lambda y, p: np.abs(p - y) ** 3)
    >>> float(cubic(np.array([[0.0], [0.0]]), np.array([[1.0], [2.0]])))
    4.5
    """

    function: Callable[[Any, Any], Any]

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        y = array_of(y_true)
        y = y if is_traced(y) else np.asarray(y)
        if value_of(y).dtype.kind == "f":  # whole numbers stay: they may be used to index
            y = y.astype(value_of(y_pred).dtype)
        if (*shape_of(y), 1) == shape_of(y_pred):
            y = np.reshape(y, shape_of(y_pred))  # (n,) with (n, 1) would broadcast to (n, n)
        found = self.function(y, y_pred)
        if found is None:
            raise ArgumentError(
                "a loss returns one number, or one for each row",
                got=f"None from {getattr(self.function, '__name__', 'the loss')}",
                line=user_line(),
                remedy="end it with return",
            )
        shape, rows = shape_of(found), shape_of(y_pred)[:1]
        if shape[:1] == rows:
            return row_means(found) if len(shape) > 1 else found
        if not shape:
            # One number for the whole batch is the mean of rows that all have it.
            return found * np.ones(rows, value_of(y_pred).dtype)
        raise misfit(
            "a loss returns one number, or one for each row",
            f"an array of shape {shape} from {getattr(self.function, '__name__', 'the loss')} for "
            f"{rows[0]} rows",
            "average over the other axes: np.mean(…, axis=-1)",
        )


def targets_like(y_true: Any, y_pred: Any) -> Any:
    """The targets in the shape and precision of the outputs; (n,) serves for (n, 1).

    Raises:
        ShapeError: any other difference. Broadcasting (n,) with (n, 1) would give (n, n).

    >>> targets_like([1, 0], np.zeros((2, 1)))
    array([[1.],
           [0.]])
    """
    y = array_of(y_true)
    y = y if is_traced(y) else np.asarray(y)
    want, have = shape_of(y_pred), shape_of(y)
    if have != want:
        if (*have, 1) != want and have != (*want, 1):
            raise misfit(
                "targets and outputs have different shapes",
                f"targets of shape {have}, outputs of shape {want}",
                "give one target for each output, or a last layer with as many units",
            )
        y = np.reshape(y, want)
    if value_of(y).dtype.kind not in "fbiu":
        raise ArgumentError(
            "targets must be numbers",
            got=f"an array of {value_of(y).dtype}",
            line=user_line(),
            remedy="encode classes as 0, 1, 2, … or as one-hot rows",
        )
    return y.astype(value_of(y_pred).dtype)


def row_means(values: Any) -> Any:
    """The mean of each row over all other axes."""
    axes = tuple(range(1, len(shape_of(values))))
    return np.mean(values, axis=axes) if axes else values


def misfit(cause: str, got: str, remedy: str) -> ShapeError:
    """The error for shapes that do not fit, with the user's line."""
    return ShapeError(cause, got=got, line=user_line(), remedy=remedy)
