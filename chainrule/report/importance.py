"""Which columns a trained model listens to, by its gradient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chainrule import functions as f
from chainrule.data.encode import Encoder, NumericInput
from chainrule.data.target import Target
from chainrule.derivatives import vjp
from chainrule.records import dataclass
from chainrule.train.model import Model

Array = NDArray[np.float64]
MOST_ROWS, MOST_CLASSES = 512, 20


@dataclass(frozen=True)
class Importance:
    """How much a model's output moves with one column.

    Attributes:
        column: its name.
        value: Σ over the column's inputs of mean |∂output/∂input| × spread of the input: in
            probability for classes, in the target's unit for a number.
        raises: for a numeric column and one output, the share of rows in which a larger value
            raises the output; None otherwise.
    """

    column: str
    value: float
    raises: float | None


def importances(
    model: Model, encoder: Encoder, target: Target, x: Array, spread: Array
) -> list[Importance]:
    """The columns by the mean size of the output's derivative by them, the largest first.

    The output is the probability of the second class; with more classes, half the sum of what the
    probabilities of all classes move by (the distance in total variation, which is the same for
    two classes); or the number, in its unit.

    Args:
        model: its outputs are logits, or a standardised number.
        encoder, target: of its table.
        x: encoded rows to take the mean over.
        spread: of each input, its standard deviation over the training rows.
    """
    if len(x) > MOST_ROWS:
        x = x[np.linspace(0, len(x) - 1, MOST_ROWS).astype(int)]
    state = model.training_state("the importance of columns")

    def output(rows: Array) -> Array:
        z = model.layer(state.params, state.layers, rows, training=False)[0]
        if target.kind == "binary":
            return f.sigmoid(z)
        return f.softmax(z, axis=-1) if target.classes else z * target.std

    result, pull = vjp(output, x, argnums=0)
    size = np.zeros_like(x)
    slopes = np.zeros_like(x)
    for k in _outputs(np.asarray(result)):
        seed = np.zeros(result.shape)
        seed[:, k] = 1.0
        slopes = np.asarray(pull(seed))
        size += np.abs(slopes)
    if target.kind == "multiclass":
        size *= 0.5
    mean = size.mean(axis=0) * spread
    found, start = [], 0
    for column in encoder.inputs:
        own = slice(start, start + len(column.names))
        start = own.stop
        numeric = isinstance(column, NumericInput) and target.kind != "multiclass"
        raises = float(np.mean(slopes[:, own.start] > 0)) if numeric else None
        found.append(Importance(column.name, float(mean[own].sum()), raises))
    return sorted(found, key=lambda i: -i.value)


def _outputs(result: Array) -> Sequence[int]:
    """The outputs to differentiate: of many classes the most frequent in these predictions."""
    count = result.shape[1]
    if count <= MOST_CLASSES:
        return range(count)
    return [int(k) for k in np.argsort(-result.mean(axis=0), kind="stable")[:MOST_CLASSES]]


__all__ = ["Importance", "importances"]
