"""What trained models say of the held-out rows, row by row."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.target import Target
from chainrule.records import dataclass
from chainrule.train.tabular.study import Part, Study
from chainrule.train.tabular.table_model import probabilities
from chainrule.train.tabular.training import Trained

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """A model's predictions for some rows of which the truth is known.

    Attributes:
        truth: the number of each row's class, or the value in its own unit.
        found: the same as predicted.
        probability: of each class, shape (rows, classes); None where the target is a number.
        loss: of each row; their mean is the model's loss.
    """

    truth: NDArray[Any]
    found: NDArray[Any]
    probability: Array | None
    loss: Array


def predictions(trained: Trained, target: Target, part: Part) -> Predictions:
    """A model's predictions for a part of the rows."""
    outputs = np.asarray(trained.model.predict(part.x, batch_size=1024))
    truth = target.values(part.table)
    if not target.classes:
        found = outputs[:, 0] * target.std + target.mean
        return Predictions(truth, found, None, np.square(outputs[:, 0] - part.y[:, 0]))
    z = np.concatenate([np.zeros_like(outputs), outputs], 1) if target.kind == "binary" else outputs
    loss = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), truth]
    # With one output, class 1 is predicted where the logit is above 0.
    return Predictions(truth, z.argmax(axis=1), probabilities(target.kind, outputs), loss)


def as_csv(study: Study, models: Sequence[Trained]) -> str:
    """One line for each model and held-out row, numbers to their last bit.

    The columns: the model, the line of the data file, truth and prediction, the row's loss, and
    the probability of each class.
    """
    target, part = study.target, study.test
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    shares = [f"p({name})" for name in target.classes]
    writer.writerow(["model", "line", "truth", "predicted", "loss", *shares])
    for trained in models:
        rows = predictions(trained, target, part)
        truth, found = rows.truth.tolist(), rows.found.tolist()
        if target.classes:
            truth, found = ([target.classes[k] for k in values] for values in (truth, found))
        p = [[]] * len(truth) if rows.probability is None else rows.probability.tolist()
        columns = zip(part.table.lines, truth, found, rows.loss.tolist(), p, strict=True)
        writer.writerows([trained.name, *row, *own] for *row, own in columns)
    return text.getvalue()


__all__ = ["Predictions", "as_csv", "predictions"]
