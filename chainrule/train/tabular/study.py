"""A table made ready for training: divided, encoded, and measured by what needs no training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.encode import Encoder, column_kinds, fit_encoder
from chainrule.data.frames import as_table
from chainrule.data.split import train_test_split
from chainrule.data.table import Table, listed
from chainrule.data.target import Target, find_target, rows_with_target, standardised
from chainrule.errors import ArgumentError
from chainrule.nn.metrics import evaluate
from chainrule.records import dataclass
from chainrule.train.tabular.settings import Settings

Array = NDArray[np.float64]
Scores = dict[str, float]

# The largest second derivative of each loss with respect to an output.
_CURVATURE = {"binary": 0.25, "multiclass": 0.5, "numeric": 2.0}


@dataclass(frozen=True)
class Part:
    """Some of the rows: the table, and what the network sees of it."""

    table: Table
    x: Array
    y: Array


@dataclass(frozen=True)
class Study:
    """A table made ready for training.

    Attributes:
        settings: how to train.
        target: what to predict.
        encoder: what makes inputs of a table's columns.
        train, test: the rows to train on, and those held out.
        validation: the rows that early stopping and restarts judge by; None where nothing does.
        learning_rate: what `default_learning_rate` finds for plain descent on these data.
        notes: what happened to the rows and columns, in words.
    """

    settings: Settings
    target: Target
    encoder: Encoder
    train: Part
    test: Part
    validation: Part | None
    learning_rate: float
    notes: tuple[str, ...]

    def scores(self, predict: Callable[[Array], Array]) -> tuple[Scores, Scores]:
        """Loss and metrics on the training and on the held-out part."""
        kind, scale = self.target.kind, self.target.std
        parts = (self.train, self.test)
        train, test = (evaluate(kind, predict(p.x), p.y, scale=scale) for p in parts)
        return train, test


@dataclass(frozen=True)
class Baseline:
    """What can be said without any input, and how good it is on both parts."""

    name: str
    train: Scores
    test: Scores


def prepare(table: Table | Any, settings: Settings) -> Study:
    """Divide a table, and encode all parts with the statistics of the training part alone.

    Rows without a target are dropped. Classes keep their shares in all parts.

    Args:
        table: a `Table`, or a data frame as for `from_frame`.
        settings: what to predict, from what, and how to train.

    Raises:
        ArgumentError: a setting that does not fit.
        DataError: a table that cannot be trained on.
    """
    table, dropped = rows_with_target(as_table(table), settings.target)
    target = find_target(table, settings.target, task=settings.task)
    _check_classes(settings, target)
    kinds = column_kinds(
        table,
        settings.target,
        numeric=settings.numeric,
        categorical=settings.categorical,
        drop=settings.drop,
    )
    values = target.values(table)
    split, judged = np.random.default_rng(settings.seed).spawn(2)
    strata = None if target.kind == "numeric" else values
    train, test = train_test_split(
        len(table), test_size=settings.test_size, seed=split, stratify=strata
    )
    held_back = np.empty(0, np.intp)
    if settings.validation_share:
        first, last = train_test_split(
            len(train),
            test_size=settings.validation_share,
            seed=judged,
            stratify=None if strata is None else strata[train],
        )
        train, held_back = train[first], train[last]
    target = standardised(target, values[train])
    training = table.take(train)
    encoder = fit_encoder(training, kinds)

    def part(rows: NDArray[np.intp]) -> Part:
        own = table.take(rows)
        return Part(own, encoder.transform(own), target.encode(values[rows]))

    study = Study(
        settings,
        target,
        encoder,
        part(train),
        part(test),
        part(held_back) if len(held_back) else None,
        default_learning_rate(encoder.transform(training), target.kind),
        (),
    )
    return _noted(study, table, dropped)


def _noted(study: Study, table: Table, dropped: int) -> Study:
    """The study with its notes."""
    notes = list(table.notes)
    if dropped:
        rows = "row" if dropped == 1 else "rows"
        notes.append(f"{study.target.name}: {dropped} {rows} dropped, the target is missing")
    notes += study.encoder.notes(table)
    for name, count in study.encoder.unseen(study.test.table).items():
        rows = "row has" if count == 1 else "rows have"
        notes.append(f"{name}: {count} held-out {rows} a category unseen in training, made zeros")
    return replace(study, notes=tuple(notes))


def _check_classes(settings: Settings, target: Target) -> None:
    weights = settings.class_weight
    if weights == "none":
        return
    if target.kind == "numeric":
        raise ArgumentError(
            "classes are weighted, and the target is a number",
            got=f"class_weight={weights!r} with the target {target.name}",
            remedy="leave out --class-weight, or say --task classification",
        )
    if not isinstance(weights, str):
        unknown = [c for c in weights if c not in target.classes]
        if unknown:
            raise ArgumentError(
                "a class is weighted that the target does not have",
                got=listed(unknown),
                remedy=f"the classes are {listed(target.classes)} (command line: --class-weight)",
            )


def default_learning_rate(x: Array, kind: str) -> float:
    """0.1, or 1/(2 c) where the linear model's loss curves more than that allows.

    c = κ λ_max(XᵀX/n) bounds the second derivative of the loss along any direction, with X the
    inputs and a column of ones, and κ = ¼ for logistic, ½ for softmax, 2 for linear regression.
    Full-batch gradient descent converges below 2/c; the rest is margin for mini-batches.
    Nocedal & Wright (2006), "Numerical Optimization", section 3.3.

    >>> default_learning_rate(np.ones((4, 1)), "binary")
    0.1
    >>> round(default_learning_rate(np.ones((4, 9)), "numeric"), 6)
    0.025
    """
    inputs = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    largest = float(np.linalg.eigvalsh(inputs.T @ inputs / len(x))[-1])
    return min(0.1, 1.0 / (2.0 * _CURVATURE[kind] * largest))


def baseline(study: Study) -> Baseline:
    """The best that can be said without any input, and the least that a model must beat.

    For classes: always the majority class of the training part, with its frequencies as the
    probabilities. For numbers: always the training part's mean.
    """
    y = study.train.y
    if study.target.kind == "numeric":
        name, logits = "training mean", np.zeros(1)
    else:
        p = np.mean(y, axis=0)
        logits = np.log(p / (1.0 - p)) if study.target.kind == "binary" else np.log(p)
        shares = np.array([1.0 - p[0], p[0]]) if study.target.kind == "binary" else p
        name = f"majority class ({study.target.classes[int(np.argmax(shares))]})"
    train, test = study.scores(lambda x: np.tile(logits, (len(x), 1)))
    return Baseline(name, train, test)


__all__ = ["Baseline", "Part", "Scores", "Study", "baseline", "default_learning_rate", "prepare"]
