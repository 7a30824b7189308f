"""Weights of rows from weights of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.naming import user_line


def row_weights(
    y: ArrayLike,
    class_weight: Mapping[int, float] | str | None = None,
    sample_weight: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """The weight of each row: its class's times its own.

    Args:
        y: labels from 0, shape (n,) or (n, 1), or one-hot rows.
        class_weight: {class: weight}, 1 for classes that are not named, as in Keras; or
            "balanced", n/(k nᵢ) for each of the k classes that occur, as in scikit-learn.
        sample_weight: a number of 0 or more for each row.

    Returns:
        Shape (n,), for the losses' ``sample_weight``.

    Raises:
        ArgumentError: a class that does not occur, or a weight below 0.
        ShapeError: not one sample weight for each row.

    >>> row_weights([0, 0, 0, 1], {1: 3.0})
    array([1., 1., 1., 3.])
    >>> row_weights([0, 0, 0, 1], "balanced")
    array([0.66666667, 0.66666667, 0.66666667, 2.        ])

    Source: King & Zeng, "Logistic regression in rare events data", Political Analysis 9 (2001),
    section 4.
    """
    labels = np.asarray(y)
    if labels.ndim == 2:
        labels = labels[:, 0] if labels.shape[1] == 1 else np.argmax(labels, axis=1)
    weights = np.ones(len(labels))
    if class_weight is not None:
        present, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
        if isinstance(class_weight, str):
            if class_weight != "balanced":
                raise _wrong("unknown class_weight", repr(class_weight), "'balanced' or a dict")
            weights = (len(labels) / (len(present) * counts))[place]
        else:
            unknown = [c for c in class_weight if c not in present.tolist()]
            if unknown:
                raise _wrong(
                    "class_weight names a class that does not occur in the target",
                    f"class {unknown[0]!r}; the target has {present.tolist()[:10]}",
                    "use the labels of the target as keys",
                )
            weights = np.array([float(class_weight.get(c, 1.0)) for c in present.tolist()])[place]
    if sample_weight is not None:
        own: Any = np.asarray(sample_weight, float)
        if own.shape not in ((len(labels),), (len(labels), 1)):
            raise ShapeError(
                "sample_weight has one number for each row",
                got=f"weights of shape {own.shape} for {len(labels)} rows",
                line=user_line(),
                remedy="give an array of shape (n,)",
            )
        weights = weights * own.ravel()
    if not np.all(weights >= 0.0):
        raise _wrong("weights must be 0 or more", f"a weight of {weights.min()}", "check them")
    return weights


def _wrong(cause: str, got: str, remedy: str) -> ArgumentError:
    return ArgumentError(cause, got=got, line=user_line(), remedy=remedy)
