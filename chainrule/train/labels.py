"""Targets as the loss wants them: classes as strings, integers or one-hot rows, and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from chainrule.errors import ArgumentError, DataError, ShapeError
from chainrule.nn.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from chainrule.nn.loss import FunctionLoss, Loss
from chainrule.nn.losses import Hinge
from chainrule.nn.naming import user_line
from chainrule.records import dataclass
from chainrule.train.inputs import as_array, as_inputs, is_frame

_SHOWN = 8


@dataclass(frozen=True)
class Labels:
    """How targets are encoded, learnt from the training targets and kept with the model.

    Attributes:
        kind: "numeric" (one number for each output), "binary" (0 and 1), "onehot", "sparse" (0, 1,
            2, …), or "own" (what a loss of the user's makes of them is its own matter).
        classes: the labels in the order of their codes, where they are not the codes themselves.
        outputs: the shape of one target.
    """

    kind: str
    classes: tuple[Any, ...] | None
    outputs: tuple[int, ...]

    @property
    def several(self) -> bool:
        """Has each row several labels, each of them 0 or 1?"""
        return self.kind == "binary" and prod(self.outputs) > 1

    def encode(self, y: Any, name: str = "y", dtype: Any = np.float64) -> Any:
        """Targets for the loss, rows first.

        Raises:
            DataError: an unknown class, or something that is no target of this kind.
            ShapeError: another number of targets in a row than the model has outputs.
        """
        y = _array(y, name)
        if self.kind not in ("numeric", "own") and y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if self.classes is not None and y.ndim == 1:
            y = self._codes(y, name)
        if y.dtype.kind not in "fiub" and self.kind not in ("numeric", "own"):
            count = 2 if self.kind == "binary" else self.outputs[-1]
            raise DataError(
                f"{name} has classes by name, and the model knows them by number",
                got=f"{_shown(y)}",
                line=user_line(),
                remedy=f"give the numbers from 0 to {count - 1} that it was trained with, or train "
                "a new model; in a generator give numbers from the first batch on",
            )
        if y.dtype.kind not in "fiub":
            raise DataError(
                f"{name} holds text where numbers are wanted",
                got=f"{_shown(y)}",
                line=user_line(),
                remedy="use a loss for classes, such as binary_crossentropy or "
                "sparse_categorical_crossentropy",
            )
        if self.kind == "own":
            return self._as_trained(y, name, dtype)
        if self.kind == "onehot" and y.ndim == 1:
            y = np.eye(self.outputs[-1])[self._whole(y, name)]
        if self.kind == "sparse":
            hot = y.ndim == len(self.outputs) + 1 and y.shape[1:] == self.outputs
            return np.argmax(y, axis=-1) if hot else self._whole(y, name)
        if y.shape[1:] != self.outputs:
            if (*y.shape[1:], 1) != self.outputs:
                raise self._misfit(y, name)
            y = y.reshape(len(y), *self.outputs)
        return y.astype(dtype)

    def _misfit(self, y: np.ndarray, name: str) -> ShapeError:
        """The error for targets of another shape than the outputs."""
        whole = y.dtype.kind != "f" or bool(np.all(y == np.floor(y)))
        if self.kind == "binary" and y.ndim == 1:
            remedy = (
                "two classes need one unit: nn.Dense(1, 'sigmoid'); or a unit for each class: "
                "'softmax' and the loss sparse_categorical_crossentropy"
            )
        elif y.ndim == 1 and whole:
            remedy = (
                "for numbers give the last layer one unit; for classes use the loss "
                "sparse_categorical_crossentropy"
            )
        elif y.ndim == 2 and self.outputs == (1,) and np.all(np.sum(y == 1, axis=1) == 1):
            remedy = (
                "the rows are one-hot: give np.argmax(y, axis=1), or the last layer "
                f"{y.shape[1]} units, 'softmax' and the loss categorical_crossentropy"
            )
        else:
            remedy = (
                "give the last layer one unit for each target, or the model one target for each "
                "unit"
            )
        outputs = ", ".join(map(str, self.outputs))
        return ShapeError(
            f"{name} does not fit the outputs of the model",
            got=f"{name} of shape {y.shape}, outputs of shape (rows, {outputs})",
            line=user_line(),
            remedy=remedy,
        )

    def _as_trained(self, y: np.ndarray, name: str, dtype: Any) -> np.ndarray:
        """Targets for a loss of the user's; whole numbers stay, as they may be used to index."""
        if y.shape[1:] != self.outputs:
            raise ShapeError(
                f"{name} has targets of another shape than those that the model was trained with",
                got=f"{name} of shape {y.shape}",
                line=user_line(),
                remedy=f"give an array of shape ({', '.join(map(str, ('rows', *self.outputs)))})",
            )
        return y.astype(dtype if y.dtype.kind == "f" else np.int64)

    def decode(self, scores: Any, threshold: float) -> Any:
        """The class of each row, in the labels that the targets had; of several labels 0 or 1 each.

        Args:
            scores: one for each class; or one, which is above the threshold for the second class.

        Raises:
            DataError: scores are NaN.
        """
        bad = np.flatnonzero(np.isnan(scores).reshape(len(scores), -1).any(axis=1))
        if bad.size:
            raise DataError(
                "a row has no class: what the network says of it is not a number",
                got=f"NaN for row {bad[0]}; {len(bad):,} of {len(scores):,} rows are so",
                line=user_line(),
                remedy="look at those rows of the inputs, np.isnan(x).any(axis=1)",
            )
        if self.kind == "binary":
            codes = (scores > threshold).astype(np.intp)
            codes = codes if self.several else codes[:, 0]
        else:
            codes = np.argmax(scores, axis=-1)
        return codes if self.classes is None else np.asarray(self.classes)[codes]

    def weights(self, encoded: Any, class_weight: Mapping[Any, float]) -> Any:
        """A weight for each row by its class; 1 for the classes that are not named.

        Raises:
            ArgumentError: there are no classes, or not this one.
        """
        codes = self._class_of(encoded, class_weight)
        count = 2 if self.kind == "binary" else self.outputs[-1]
        names = list(self.classes) if self.classes is not None else list(range(count))
        unknown = [label for label in class_weight if label not in names]
        if unknown:
            raise ArgumentError(
                "class_weight names a class that there is not",
                got=repr(unknown[0]),
                line=user_line(),
                remedy=f"the classes are {', '.join(map(repr, names[:_SHOWN]))}",
            )
        return np.array([float(class_weight.get(name, 1.0)) for name in names])[codes]

    def balanced(self, encoded: Any) -> dict[Any, float]:
        """class_weight="balanced": n/(k nᵢ) for each of the k classes that occur."""
        codes = self._class_of(encoded, "balanced")
        present, counts = np.unique(codes, return_counts=True)
        names = [self.classes[c] if self.classes is not None else int(c) for c in present]
        shares = len(codes) / (len(present) * counts)
        return dict(zip(names, shares.tolist(), strict=True))

    def present(self, encoded: Any) -> set[Any]:
        """The classes that occur, by name; none of numbers, and of several labels."""
        if self.kind in ("numeric", "own") or self.several:
            return set()
        codes = np.unique(self._class_of(encoded, None)).tolist()
        return {self.classes[c] if self.classes is not None else c for c in codes}

    def _class_of(self, encoded: Any, class_weight: Any) -> Any:
        """The code of each row's class."""
        if self.kind in ("numeric", "own"):
            raise ArgumentError(
                "class_weight needs a loss for classes",
                got=f"class_weight={class_weight!r}",
                line=user_line(),
                remedy="give sample_weight, one number for each row",
            )
        if self.several:
            raise ArgumentError(
                "class_weight needs one class for each row, and the targets have several labels",
                got=f"class_weight={class_weight!r} with targets of shape {encoded.shape}",
                line=user_line(),
                remedy="give sample_weight, one number for each row; labels are weighed by a loss "
                "of your own: np.mean(w * cr.sigmoid_cross_entropy(z, y), axis=-1) of logits z",
            )
        if self.kind == "binary":
            return (encoded.reshape(len(encoded), -1)[:, 0] > 0.5).astype(np.intp)
        return np.argmax(encoded, axis=-1) if self.kind == "onehot" else encoded

    def _codes(self, y: np.ndarray, name: str) -> np.ndarray:
        table = {label: code for code, label in enumerate(self.classes or ())}
        try:
            return np.array([table[label] for label in y.tolist()], np.intp)
        except KeyError as error:
            unknown = error.args[0]
        from chainrule.data.table import nearest

        raise DataError(
            f"{name} has a class that the training targets did not have",
            got=repr(unknown),
            line=user_line(),
            remedy=nearest(str(unknown), [str(c) for c in table])
            or f"the classes are {', '.join(map(repr, list(table)[:_SHOWN]))}",
        ) from None

    def _whole(self, y: np.ndarray, name: str) -> np.ndarray:
        codes = y.astype(np.intp)
        count = self.outputs[-1]
        if np.any(codes != y) or codes.min(initial=0) < 0 or codes.max(initial=0) >= count:
            raise DataError(
                f"the labels in {name} do not fit the {count} outputs of the model",
                got=f"{_shown(y)}",
                line=user_line(),
                remedy=f"give the classes from 0 to {count - 1} as whole numbers or {count} "
                "different strings, or the last layer a unit for each class",
            )
        return codes


def find_labels(y: Any, loss: Loss, outputs: tuple[int, ...], name: str = "y") -> Labels:
    """How the training targets are to be encoded for a loss.

    Args:
        y: the training targets.
        loss: which decides whether they are classes.
        outputs: the shape of one output of the model.

    Raises:
        DataError: the labels do not fit the loss or the number of outputs.

    >>> from chainrule.nn.losses import get_loss
    >>> labels = find_labels(["no", "yes", "no"], get_loss("binary_crossentropy"), (1,))
    >>> labels.classes, labels.encode(["yes", "no"]).ravel()
    (('no', 'yes'), array([1., 0.]))
    """
    kind = _kind(loss)
    y = _array(y, name)
    if _is_own(loss) and y.shape[1:] != outputs and (*y.shape[1:], 1) != outputs:
        return Labels("own", None, y.shape[1:])
    if kind == "numeric" or y.ndim > 2 or (y.ndim == 2 and y.shape[1] > 1):
        if kind != "numeric" and y.dtype.kind not in "fiub":
            raise DataError(
                f"{name} has several labels for each row, as text",
                got=f"{_shown(y)}",
                line=user_line(),
                remedy="make a column of 0 and 1 for each label, and give the last layer a unit "
                "for each: np.array([[label in row for label in labels] for row in y])",
            )
        return Labels(kind, None, outputs)
    flat = y.reshape(len(y))
    binary = kind == "binary"
    if binary and outputs != (1,):
        raise Labels(kind, None, outputs)._misfit(flat, name)
    if flat.dtype.kind in "fiub" and not _needs_codes(flat, loss, outputs[-1]):
        return Labels(kind, None, outputs)
    found = sorted(set(flat.tolist()))
    count = 2 if binary else outputs[-1]
    if len(found) != count:
        raise DataError(
            f"the labels in {name} do not fit the loss and the last layer",
            got=f"{len(found)} different label{'s' * (len(found) != 1)} "
            f"({_shown(np.array(found))}) for "
            + ("binary_crossentropy" if binary else f"{count} output{'s' * (count != 1)}"),
            line=user_line(),
            remedy=_other_count(len(found), count, binary),
        )
    return Labels(kind, tuple(found), outputs)


def _other_count(found: int, count: int, binary: bool) -> str:
    """What to do about another number of labels than that of classes."""
    if found < count:
        first = f"the first targets must have all {count} classes, by which the labels are known; "
        return first + f"or give the numbers from 0 to {count - 1}"
    if binary:
        return (
            "binary_crossentropy separates two classes; for more use "
            "sparse_categorical_crossentropy and a last layer with a unit for each class"
        )
    units = f"give the last layer {found} units, one for each class"
    return units + (", or one unit, 'sigmoid' and binary_crossentropy" if found == 2 else "")


def _kind(loss: Loss) -> str:
    if isinstance(loss, (BinaryCrossentropy, Hinge)):
        return "binary"
    if isinstance(loss, CategoricalCrossentropy):
        return "onehot"
    return "sparse" if isinstance(loss, SparseCategoricalCrossentropy) else "numeric"


def _is_own(loss: Loss) -> bool:
    """Is it the user's? Then it may want targets of another shape than the outputs."""
    return isinstance(loss, FunctionLoss) or not type(loss).__module__.startswith("chainrule.")


def _needs_codes(flat: np.ndarray, loss: Loss, count: int) -> bool:
    """Are numeric labels something else than the codes that the loss takes?"""
    if isinstance(loss, BinaryCrossentropy):
        return bool(flat.min(initial=0) < 0 or flat.max(initial=0) > 1)  # between: soft labels
    if isinstance(loss, Hinge):
        return not set(np.unique(flat).tolist()) <= {0, 1}  # −1 and 1 are two classes as well
    whole = np.all(flat == np.floor(flat))
    return not (whole and flat.min(initial=0) >= 0 and flat.max(initial=0) < count)


def _array(y: Any, name: str) -> np.ndarray:
    if is_frame(y):
        series = getattr(y, "to_numpy", None)
        values = series() if series is not None else as_inputs(y, name)[0]
        return _plain(np.asarray(values), name)
    return _plain(as_array(y, name), name)


def _plain(y: np.ndarray, name: str) -> np.ndarray:
    if y.dtype.kind == "O":
        missing = [v for v in y.ravel().tolist() if v is None or v != v]
        if missing:
            raise _missing(name, len(missing), y.size)
        kinds = {type(v) for v in y.ravel().tolist()}
        if kinds == {str}:
            return y.astype(str)
        return np.array(y.tolist())
    if y.dtype.kind == "f" and np.isnan(y).any():
        raise _missing(name, int(np.isnan(y).sum()), y.size)
    if not y.ndim:
        raise ShapeError(
            f"{name} must have one target for each row",
            got=repr(y[()]),
            line=user_line(),
            remedy="give an array with rows first",
        )
    return y


def _missing(name: str, count: int, targets: int) -> DataError:
    return DataError(
        f"{name} has missing values",
        got=f"{count} of {targets} targets are missing",
        line=user_line(),
        remedy="drop those rows",
    )


def _shown(y: np.ndarray) -> str:
    values = sorted(set(y.ravel().tolist()))
    more = f", … ({len(values)} different ones)" if len(values) > _SHOWN else ""
    return ", ".join(map(repr, values[:_SHOWN])) + more
