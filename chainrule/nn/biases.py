"""Starting values of biases: units that are awake, gates that are open, outputs at their prior."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ArgumentError
from chainrule.nn.initializers import Constant
from chainrule.nn.naming import lookup, user_line

# A relu unit starts on the side where it has a slope, for most inputs.
relu_bias = Constant(0.1)
# A gate σ(z) that decides whether another unit takes part starts at σ(1) = 0.73: open.
gate_open = Constant(1.0)


def log_odds(y: ArrayLike) -> Constant:
    """The bias log(p/(1 − p)) of a sigmoid output, with p the share of ones in each column of y.

    A class that does not occur counts as half an example, so that the odds stay finite.

    Args:
        y: 0 or 1, shape (n,) or (n, outputs); the training part alone.

    >>> log_odds([0, 0, 0, 1]).value
    -1.0986122886681098

    Source: Goodfellow et al., *Deep Learning*, section 8.4.
    """
    labels = _rows(y)
    if not np.all((labels == 0) | (labels == 1)):
        raise ArgumentError(
            "log-odds are of labels that are 0 or 1",
            got=f"values from {labels.min():g} to {labels.max():g}",
            line=user_line(),
            remedy="encode the two classes as 0 and 1",
        )
    ones = np.sum(labels, axis=0)
    zeros = len(labels) - ones
    return _constant(np.log(np.maximum(ones, 0.5)) - np.log(np.maximum(zeros, 0.5)))


def class_log_frequencies(y: ArrayLike, classes: int | None = None) -> Constant:
    """The biases log(nᵢ/n) of a softmax output, with nᵢ the number of examples of class i.

    A class that does not occur counts as half an example.

    Args:
        y: whole numbers from 0, shape (n,) or (n, 1), or one-hot rows, shape (n, classes); the
            training part alone.
        classes: how many there are, if labels may miss the last ones.

    >>> np.exp(class_log_frequencies([0, 1, 1, 2]).value)
    array([0.25, 0.5 , 0.25])

    Source: Goodfellow et al., *Deep Learning*, section 8.4.
    """
    rows = _rows(y)
    if rows.ndim == 2 and rows.shape[1] > 1:
        counts = np.sum(rows, axis=0)
    else:
        labels = rows.ravel()
        if np.any(labels < 0) or np.any(labels != np.floor(labels)):
            raise ArgumentError(
                "class labels are whole numbers from 0",
                got=f"values from {labels.min():g} to {labels.max():g}",
                line=user_line(),
                remedy="number the classes 0, 1, 2, …",
            )
        counts = np.bincount(labels.astype(int), minlength=classes or 0).astype(float)
        if classes is not None and len(counts) > classes:
            raise ArgumentError(
                "a label is not a class",
                got=f"a label {len(counts) - 1} for {classes} classes",
                line=user_line(),
                remedy=f"number the classes from 0 to {classes - 1}",
            )
    return _constant(np.log(np.maximum(counts, 0.5) / len(rows)))


def target_mean(y: ArrayLike) -> Constant:
    """The bias mean(y) of a linear output: the best constant for the squared error.

    Args:
        y: shape (n,) or (n, outputs); the training part alone.

    >>> target_mean([[1.0, 10.0], [3.0, 20.0]]).value
    (2.0, 15.0)

    Source: Goodfellow et al., *Deep Learning*, section 8.4.
    """
    return _constant(np.mean(_rows(y), axis=0))


def _log_mean(y: ArrayLike) -> Constant:
    """The bias log mean(y) of an output that is the logarithm of a rate."""
    return _constant(np.log(np.maximum(np.mean(_rows(y), axis=0), 0.5 / len(_rows(y)))))


def _median(y: ArrayLike) -> Constant:
    """The bias median(y): the best constant for the absolute error."""
    return _constant(np.median(_rows(y), axis=0))


_PRIORS = {
    "binary_crossentropy": log_odds,
    "categorical_crossentropy": class_log_frequencies,
    "sparse_categorical_crossentropy": class_log_frequencies,
    "mean_squared_error": target_mean,
    "mse": target_mean,
    "huber": _median,
    "mean_absolute_error": _median,
    "mae": _median,
    "poisson": _log_mean,
}


def output_prior(y: ArrayLike, loss: str) -> Constant:
    """The bias of a last layer that predicts the training target's marginal statistics.

    Training then starts from the best constant prediction and does not spend its first steps on
    finding it: log-odds, class log-frequencies, mean, median (absolute error and Huber) or
    log-mean (Poisson), as the loss has it. The outputs are logits, as the losses take them.

    Args:
        y: the target of the training part alone.
        loss: the name of a loss.

    Returns:
        An initialiser: ``Dense(1, bias_initializer=output_prior(y, "binary_crossentropy"))``.

    Raises:
        ArgumentError: a loss without a prior; labels that do not fit; no rows.

    >>> output_prior([2.0, 4.0], "mean_squared_error")
    Constant(value=3.0)

    Source: Goodfellow et al., *Deep Learning*, section 8.4.
    """
    prior: Any = lookup("loss", loss, _PRIORS)
    found: Constant = prior(y)
    return found


def _rows(y: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(y, float)
    if not rows.size or rows.ndim == 0:
        raise ArgumentError(
            "statistics of a target need at least one row",
            got=f"a target of shape {rows.shape}",
            line=user_line(),
            remedy="give the target of the training part, rows first",
        )
    return rows


def _constant(values: Any) -> Constant:
    """A record of plain numbers: one for a target of one column, or one for each."""
    flat = np.ravel(values).tolist()
    return Constant(flat[0] if len(flat) == 1 else tuple(flat))
