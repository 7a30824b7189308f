"""What a report is made from: one run of ``chainrule train``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from chainrule.records import dataclass
from chainrule.report.measures import Estimate, area, explained, mean, root_mean_square
from chainrule.train.tabular import Study, Trained
from chainrule.train.tabular.held_out import Predictions, predictions
from chainrule.train.tabular.study import Baseline

Estimates = dict[str, Estimate]


@dataclass(frozen=True)
class Work:
    """A run: its data, its models, and what they say of the held-out rows.

    Attributes:
        study, baseline, models: as `chainrule.train.tabular` makes them; the last model is the one
            that the report is about.
        title: what the data are called.
        noun: what one of its rows is.
    """

    study: Study
    baseline: Baseline
    models: Sequence[Trained]
    title: str
    noun: str

    @property
    def main(self) -> Trained:
        """The model that the report is about: the network, or the linear model if it is alone."""
        return self.models[-1]

    @cached_property
    def predictions(self) -> dict[str, Predictions]:
        """By the model's name, for the held-out rows."""
        target, part = self.study.target, self.study.test
        return {trained.name: predictions(trained, target, part) for trained in self.models}

    @property
    def judged(self) -> str:
        """Which rows the curves are judged by."""
        return "validation" if self.study.validation else "held-out"


def estimates(kind: str, rows: Predictions) -> Estimates:
    """The scores of some predictions with their standard errors.

    Args:
        kind: binary, multiclass or numeric.
        rows: the predictions.

    Returns:
        loss, accuracy, and auc for two classes; or rmse, mae and r2, in the target's unit.
    """
    if rows.probability is None:
        errors = rows.found - rows.truth
        found = {"rmse": root_mean_square(errors), "mae": mean(np.abs(errors))}
        r2 = explained(rows.truth, rows.found)
        return found if r2 is None else {**found, "r2": r2}
    found = {"loss": mean(rows.loss), "accuracy": mean(rows.found == rows.truth)}
    auc = area(rows.truth == 1, rows.probability[:, 1]) if kind == "binary" else None
    return found if auc is None else {**found, "auc": auc}


def better_by(kind: str, one: Predictions, other: Predictions) -> Estimate:
    """How much better one model is than another on the same rows, by pairs of rows.

    Returns:
        The difference of the accuracies, or for numbers of the mean squared errors (the other's
        minus the one's), with the standard error of the mean difference.
    """
    if kind == "numeric":
        return mean(np.square(other.found - other.truth) - np.square(one.found - one.truth))
    right = (one.found == one.truth).astype(float) - (other.found == other.truth)
    return mean(right)


__all__ = ["Estimates", "Work", "better_by", "estimates"]
