"""Losses: frozen records that compare targets with a network's outputs, row by row, and average.

As in Keras a loss is called as ``loss(y_true, y_pred, sample_weight)``. Unlike Keras's, those that
can start from logits take logits unless told: there they are exact however sure the model is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import functions as fn
from chainrule.errors import ArgumentError
from chainrule.nn.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from chainrule.nn.loss import TINY, FunctionLoss, Loss, row_means, targets_like
from chainrule.nn.naming import lookup, user_line
from chainrule.records import dataclass

if TYPE_CHECKING:
    from chainrule.nn.further_losses import (
        CosineSimilarity,
        KLDivergence,
        LogCosh,
        MeanAbsolutePercentageError,
        MeanSquaredLogarithmicError,
    )

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CosineSimilarity",
    "FunctionLoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "get_loss",
    "loss_for",
]


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """(ŷ − y)², averaged over the outputs.

    >>> float(MeanSquaredError()([1.0, 4.0], [[1.0], [2.0]]))
    2.0

    Source: Goodfellow et al., *Deep Learning*, section 5.1.4.
    """

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        return row_means(np.square(y_pred - targets_like(y_true, y_pred)))


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """|ŷ − y|, averaged over the outputs; the slope at ŷ = y is 0.

    >>> float(MeanAbsoluteError()([1.0, 4.0], [[1.0], [2.0]]))
    1.0

    Source: Hastie, Tibshirani & Friedman, *The Elements of Statistical Learning* (2nd ed., Springer
    2009), section 10.6.
    """

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        return row_means(np.abs(y_pred - targets_like(y_true, y_pred)))


@dataclass(frozen=True)
class Huber(Loss):
    """½ e² for |e| ≤ δ, δ |e| − ½ δ² beyond, with e = ŷ − y; averaged over the outputs.

    >>> float(Huber(delta=1.0)([0.0, 0.0], [[0.5], [3.0]]))
    1.3125

    Source: Huber, "Robust estimation of a location parameter", Ann. Math. Stat. 35 (1964).
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.delta > 0.0:
            raise ArgumentError(
                "Huber's delta is the error at which the loss becomes linear",
                got=f"delta={self.delta}",
                line=user_line(),
                remedy="give a positive number, such as 1.0",
            )

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        size = np.abs(y_pred - targets_like(y_true, y_pred))
        # With c = min(|e|, δ) both branches are c (|e| − c/2).
        near = np.minimum(size, self.delta)
        return row_means(near * (size - 0.5 * near))


@dataclass(frozen=True)
class Hinge(Loss):
    """max(0, 1 − y ŷ), averaged over the outputs, with y = ±1; labels 0 and 1 are taken as ±1.

    >>> float(Hinge()([0, 1], [[0.5], [0.25]]))
    1.125

    Source: Cortes & Vapnik, "Support-vector networks", Machine Learning 20 (1995).
    """

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        y = targets_like(y_true, y_pred)
        return row_means(fn.relu(1.0 - np.where(y == 0, -1.0, y) * y_pred))


@dataclass(frozen=True)
class Poisson(Loss):
    """e^z − y z from the logarithm z of the rate λ, averaged: −log P(y) without log y!.

    Args:
        from_logits: the outputs are log λ, as in PyTorch. Keras takes λ itself, which gives
            λ − y log λ; False does that.

    >>> float(Poisson()([3.0], [[0.0]])), float(Poisson(from_logits=False)([3.0], [[1.0]]))
    (1.0, 1.0)

    Source: McCullagh & Nelder, *Generalized Linear Models* (2nd ed., Chapman & Hall 1989), ch. 6.
    """

    from_logits: bool = True

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        y = targets_like(y_true, y_pred)
        if self.from_logits:
            return row_means(np.exp(y_pred) - y * y_pred)
        return row_means(y_pred - y * np.log(np.maximum(y_pred, TINY)))


LOSSES: dict[str, Callable[[], Loss]] = {
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "hinge": Hinge,
    "poisson": Poisson,
    "log_cosh": lambda: _later("LogCosh"),
    "mean_absolute_percentage_error": lambda: _later("MeanAbsolutePercentageError"),
    "mape": lambda: _later("MeanAbsolutePercentageError"),
    "mean_squared_logarithmic_error": lambda: _later("MeanSquaredLogarithmicError"),
    "msle": lambda: _later("MeanSquaredLogarithmicError"),
    "kl_divergence": lambda: _later("KLDivergence"),
    "cosine_similarity": lambda: _later("CosineSimilarity"),
}


def _later(name: str) -> Any:
    """A loss of the module that is imported when one of its losses is used."""
    return __getattr__(name)()


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("chainrule.nn.further_losses"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get_loss(loss: str | Loss | Callable[[Any, Any], Any]) -> Loss:
    """The loss for a Keras-style name, a record, or a function of (y_true, y_pred).

    Raises:
        ArgumentError: there is no loss of that name.

    >>> get_loss("mse")
    MeanSquaredError(reduction='sum_over_batch_size')
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, type) and issubclass(loss, Loss):
        return loss()
    if callable(loss):
        return FunctionLoss(loss)
    made: Callable[[], Loss] = lookup("loss", loss, LOSSES, "a function of (y_true, y_pred)")
    return made()


_KINDS = {
    "binary": BinaryCrossentropy(),
    "multiclass": CategoricalCrossentropy(),
    "numeric": MeanSquaredError(),
}


def loss_for(kind: str) -> Callable[[Any, Any], Any]:
    """The loss that fits a kind of target, as a function of (outputs, targets).

    Args:
        kind: binary, multiclass or numeric.

    >>> float(loss_for("numeric")(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])))
    2.0
    """
    if kind not in _KINDS:
        raise ArgumentError(
            "unknown kind of target", got=repr(kind), remedy=f"use one of {', '.join(_KINDS)}"
        )
    loss = _KINDS[kind]
    return lambda outputs, targets: loss(targets, outputs)
