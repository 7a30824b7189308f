"""How good outputs are: accuracy for classes; RMSE, MAE and R² for numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chainrule.nn.losses import loss_for

Array = NDArray[np.float64]


def accuracy(logits: Array, targets: Array) -> float:
    """The fraction of rows whose most probable class is the right one.

    With one output, class 1 is predicted where the logit is above 0 (p above ½).

    >>> accuracy(np.array([[2.0], [-1.0]]), np.array([[1.0], [1.0]]))
    0.5
    """
    if logits.shape[1] == 1:
        return float(np.mean((logits > 0) == (targets > 0.5)))
    return float(np.mean(np.argmax(logits, axis=1) == np.argmax(targets, axis=1)))


def evaluate(kind: str, outputs: Array, targets: Array, *, scale: float = 1.0) -> dict[str, float]:
    """The loss, and the metrics that fit the kind of target.

    Args:
        kind: binary, multiclass or numeric.
        outputs: what the network gave, shape (rows, outputs).
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
        return {"loss": loss, "accuracy": accuracy(outputs, targets)}
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
