"""Losses of a batch, from a network's outputs: the mean over the rows.

The two cross-entropies take logits, and are exact where the model is very sure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.elementary.network import sigmoid_cross_entropy
from chainrule.elementary.softmax import softmax_cross_entropy
from chainrule.errors import ArgumentError


def binary_crossentropy(logits: Any, targets: Any) -> Any:
    """−[y log p + (1 − y) log(1 − p)], p = 1/(1 + e^(−logit)), averaged.

    Args:
        logits: shape (rows, 1).
        targets: 0 or 1, shape (rows, 1).

    >>> round(float(binary_crossentropy(np.array([[0.0]]), np.array([[1.0]]))), 6)
    0.693147
    """
    return np.mean(sigmoid_cross_entropy(logits, targets))


def categorical_crossentropy(logits: Any, targets: Any) -> Any:
    """−Σ y log p over the classes, p = softmax(logits), averaged over the rows.

    Args:
        logits: shape (rows, classes).
        targets: one-hot, shape (rows, classes).

    >>> round(float(categorical_crossentropy(np.zeros((1, 3)), np.eye(3)[:1])), 6)
    1.098612
    """
    return np.mean(softmax_cross_entropy(logits, targets))


def mean_squared_error(outputs: Any, targets: Any) -> Any:
    """(output − target)², averaged.

    >>> float(mean_squared_error(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])))
    2.0
    """
    return np.mean(np.square(outputs - targets))


_LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "binary": binary_crossentropy,
    "multiclass": categorical_crossentropy,
    "numeric": mean_squared_error,
}


def loss_for(kind: str) -> Callable[[Any, Any], Any]:
    """The loss that fits a kind of target: binary, multiclass or numeric.

    >>> loss_for("numeric").__name__
    'mean_squared_error'
    """
    try:
        return _LOSSES[kind]
    except KeyError:
        raise ArgumentError(
            "unknown kind of target", got=repr(kind), remedy=f"use one of {', '.join(_LOSSES)}"
        ) from None
