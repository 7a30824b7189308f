"""Cross-entropies: −log of the probability that the network gives to the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import functions as fn
from chainrule.elementary.base import shape_of, value_of
from chainrule.errors import ArgumentError
from chainrule.graph import Node
from chainrule.nn.loss import TINY, Loss, misfit, row_means, targets_like
from chainrule.nn.naming import user_line
from chainrule.numpy_api.common import array_of
from chainrule.records import dataclass


@dataclass(frozen=True)
class BinaryCrossentropy(Loss):
    """−[y log p + (1 − y) log(1 − p)], averaged over the outputs, with p = σ(z) of the logits z.

    Args:
        from_logits: the outputs are logits. True here; Keras's default is False.
        label_smoothing: s moves the labels towards ½: y (1 − s) + s/2.

    >>> round(float(BinaryCrossentropy()([1], [[0.0]])), 6)
    0.693147
    >>> float(BinaryCrossentropy()([0], [[800.0]]))
    800.0

    Source: Bishop, *Pattern Recognition and Machine Learning* (Springer 2006), section 4.3.2.
    """

    from_logits: bool = True
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _smoothing(self.label_smoothing)

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        y = targets_like(y_true, y_pred)
        values = np.asarray(value_of(y))
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            raise ArgumentError(
                "the labels of binary_crossentropy lie between 0 and 1",
                got=f"labels from {values.min():g} to {values.max():g}",
                line=user_line(),
                remedy="encode the classes as 0 and 1; for more classes use "
                "sparse_categorical_crossentropy",
            )
        if self.label_smoothing:
            y = y * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        if self.from_logits:
            return row_means(fn.sigmoid_cross_entropy(y_pred, y))
        p = np.clip(y_pred, TINY, 1.0 - TINY)
        return row_means(-(y * np.log(p) + (1.0 - y) * np.log1p(-p)))


@dataclass(frozen=True)
class CategoricalCrossentropy(Loss):
    """−Σ y log p over the classes, the last axis, with p = softmax(z) of the logits z.

    Args:
        from_logits: the outputs are logits. True here; Keras's default is False.
        label_smoothing: s moves the labels towards equal ones: y (1 − s) + s/classes.

    Targets are one-hot rows or probabilities, in the shape of the outputs.

    >>> round(float(CategoricalCrossentropy()([[1, 0, 0]], [[0.0, 0.0, 0.0]])), 6)
    1.098612

    Source: Bishop (2006), section 4.3.4.
    """

    from_logits: bool = True
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _smoothing(self.label_smoothing)

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        classes = _classes(y_pred)
        y_true = array_of(y_true)
        if np.shape(value_of(y_true)) != shape_of(y_pred):
            raise misfit(
                "categorical_crossentropy takes one-hot targets in the shape of the outputs",
                f"targets of shape {np.shape(value_of(y_true))}, outputs of {shape_of(y_pred)}",
                "for labels 0, 1, 2, … use sparse_categorical_crossentropy",
            )
        y = targets_like(y_true, y_pred)
        if self.label_smoothing:
            y = y * (1.0 - self.label_smoothing) + self.label_smoothing / classes
        return _cross_entropy(y, y_pred, self.from_logits)


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(Loss):
    """−log p of the class that the label names, with p = softmax(z) of the logits z.

    Args:
        from_logits: the outputs are logits. True here; Keras's default is False.

    Targets are whole numbers from 0 to classes − 1, shape (n,) or (n, 1).

    >>> round(float(SparseCategoricalCrossentropy()([2], [[0.0, 0.0, 0.0]])), 6)
    1.098612

    Source: Bishop (2006), section 4.3.4.
    """

    from_logits: bool = True

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        classes = _classes(y_pred)
        if isinstance(y_true, Node) and y_true.tape.static:  # the values come later
            return self._later(y_true, y_pred, classes)
        labels = np.asarray(value_of(array_of(y_true)))
        rows = shape_of(y_pred)[:-1]
        if labels.shape == (*rows, 1):
            labels = labels[..., 0]
        if labels.shape != rows:
            raise misfit(
                "sparse_categorical_crossentropy takes one label for each row",
                f"targets of shape {labels.shape}, outputs of {shape_of(y_pred)}",
                "for one-hot targets use categorical_crossentropy",
            )
        number = labels.dtype.kind in "iufb"
        if not number or not np.all((labels == np.floor(labels)) & (labels >= 0)) or (
            labels.size and labels.max() >= classes
        ):  # fmt: skip
            some = f"labels from {labels.min()} to {labels.max()}" if number else "no numbers"
            raise ArgumentError(
                "a label is not a class",
                got=f"{some} for {classes} classes",
                line=user_line(),
                remedy=f"number the classes from 0 to {classes - 1}, as whole numbers",
            )
        hot = np.eye(classes, dtype=value_of(y_pred).dtype)[labels.astype(np.intp)]
        return _cross_entropy(hot, y_pred, self.from_logits)

    def _later(self, labels: Any, y_pred: Any, classes: int) -> Any:
        hot = np.reshape(labels, (*shape_of(y_pred)[:-1], 1)) == np.arange(classes)
        return _cross_entropy(hot.astype(value_of(y_pred).dtype), y_pred, self.from_logits)


def _cross_entropy(y: Any, y_pred: Any, from_logits: bool) -> Any:
    if from_logits:
        return fn.softmax_cross_entropy(y_pred, y)
    p = y_pred / np.sum(y_pred, axis=-1, keepdims=True)
    return -np.sum(y * np.log(np.clip(p, TINY, 1.0 - TINY)), axis=-1)


def _classes(y_pred: Any) -> int:
    shape = shape_of(y_pred)
    if len(shape) < 2 or shape[-1] < 2:
        raise misfit(
            "a categorical cross-entropy needs one output for each class, two or more",
            f"outputs of shape {shape}",
            "use binary_crossentropy for one output, or a last layer with a unit for each class",
        )
    return int(shape[-1])


def _smoothing(value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ArgumentError(
            "label_smoothing is a share, from 0 to 1",
            got=f"label_smoothing={value}",
            line=user_line(),
            remedy="give a small number, such as 0.1",
        )
