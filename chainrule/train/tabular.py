"""From a table to trained models: divide, encode, train a linear model and a network, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.encode import Encoder, column_kinds, fit_encoder
from chainrule.data.split import train_test_split
from chainrule.data.table import Table
from chainrule.data.target import Target, find_target, rows_with_target, standardised
from chainrule.errors import ArgumentError
from chainrule.nn.losses import loss_for
from chainrule.nn.metrics import evaluate
from chainrule.nn.mlp import forward, init_mlp
from chainrule.train.loop import Fit, fit
from chainrule.train.step import sgd_step

Array = NDArray[np.float64]
Scores = dict[str, float]

LINEAR = {
    "binary": "logistic regression",
    "multiclass": "softmax regression",
    "numeric": "linear regression",
}
# The largest second derivative of each loss with respect to an output.
_CURVATURE = {"binary": 0.25, "multiclass": 0.5, "numeric": 2.0}


@dataclass(frozen=True)
class Settings:
    """What a training run depends on, beside the table. The same settings give the same result."""

    target: str
    task: str = "auto"
    hidden: tuple[int, ...] = (16,)
    epochs: int = 100
    batch_size: int = 32
    learning_rate: float | None = None
    weight_decay: float = 0.03
    test_size: float = 0.25
    seed: int = 0
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """The training or the held-out rows: the table, and what the network sees of it."""

    table: Table
    x: Array
    y: Array


@dataclass(frozen=True)
class Study:
    """A table made ready for training."""

    settings: Settings
    target: Target
    encoder: Encoder
    train: Part
    test: Part
    learning_rate: float
    notes: tuple[str, ...]

    def scores(self, predict: Callable[[Array], Array]) -> tuple[Scores, Scores]:
        """Loss and metrics on the training and on the held-out part."""
        kind, scale = self.target.kind, self.target.std
        parts = (self.train, self.test)
        train, test = (evaluate(kind, predict(p.x), p.y, scale=scale) for p in parts)
        return train, test


@dataclass(frozen=True)
class Model:
    """A trained model, and how good it is on both parts."""

    name: str
    fit: Fit
    train: Scores
    test: Scores


def prepare(table: Table, settings: Settings) -> Study:
    """Divide a table, and encode both parts with the statistics of the training part alone.

    Rows without a target are dropped. Classes keep their shares in both parts.

    Raises:
        ArgumentError: a setting that does not fit.
        DataError: a table that cannot be trained on.
    """
    _check(settings)
    table, dropped = rows_with_target(table, settings.target)
    target = find_target(table, settings.target, task=settings.task)
    kinds = column_kinds(
        table,
        settings.target,
        numeric=settings.numeric,
        categorical=settings.categorical,
        drop=settings.drop,
    )
    values = target.values(table)
    train, test = train_test_split(
        len(table),
        test_size=settings.test_size,
        seed=_generators(settings.seed)[0],
        stratify=None if target.kind == "numeric" else values,
    )
    target = standardised(target, values[train])
    training, held_out = table.take(train), table.take(test)
    encoder = fit_encoder(training, kinds)
    x = encoder.transform(training)
    notes = list(table.notes)
    if dropped:
        rows = "row" if dropped == 1 else "rows"
        notes.append(f"{settings.target}: {dropped} {rows} dropped, the target is missing")
    notes += encoder.notes(table)
    for name, count in encoder.unseen(held_out).items():
        rows = "row has" if count == 1 else "rows have"
        notes.append(f"{name}: {count} held-out {rows} a category unseen in training, made zeros")
    return Study(
        settings,
        target,
        encoder,
        Part(training, x, target.encode(values[train])),
        Part(held_out, encoder.transform(held_out), target.encode(values[test])),
        settings.learning_rate or default_learning_rate(x, target.kind),
        tuple(notes),
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


def baseline(study: Study) -> Model:
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
    return Model(name, Fit(None), train, test)


def architectures(study: Study) -> dict[str, list[int]]:
    """The layer sizes of each model to train, by its name: the linear one, then the network."""
    inputs, outputs = study.train.x.shape[1], study.target.outputs
    sizes = [inputs, *study.settings.hidden, outputs]
    models = {LINEAR[study.target.kind]: [inputs, outputs]}
    if study.settings.hidden:
        models[f"network {'-'.join(map(str, sizes))}"] = sizes
    return models


def train_models(
    study: Study, on_epoch: Callable[[str, Scores], None] | None = None
) -> Iterator[Model]:
    """Train each of `architectures` in turn, by the same loop.

    Args:
        study: from `prepare`.
        on_epoch: is given the model's name and each epoch's record, to show progress.

    Yields:
        Each model when it is ready. After an interruption the one interrupted is the last.

    Raises:
        DivergenceError: a loss became infinite or not a number.
    """
    settings = study.settings
    loss = loss_for(study.target.kind)
    step = sgd_step(
        lambda params, x, y: loss(forward(params, x), y),
        study.learning_rate,
        settings.weight_decay,
    )
    test = study.test

    def held_out(params: Any) -> Scores:
        scores = evaluate(
            study.target.kind, forward(params, test.x), test.y, scale=study.target.std
        )
        return {f"val_{name}": value for name, value in scores.items()}

    for i, (name, sizes) in enumerate(architectures(study).items()):
        init, order = _generators(settings.seed)[1 + 2 * i : 3 + 2 * i]
        result = fit(
            init_mlp(sizes, init),
            step,
            study.train.x,
            study.train.y,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            seed=order,
            evaluate=held_out,
            on_epoch=partial(on_epoch, name) if on_epoch else None,
        )
        params = result.params
        yield Model(name, result, *study.scores(lambda x: forward(params, x)))
        if result.interrupted:
            return


def _generators(seed: int) -> list[np.random.Generator]:
    """Independent streams: for the split, then the start and the row order of each model."""
    return np.random.default_rng(seed).spawn(5)


def _check(settings: Settings) -> None:
    rate = settings.learning_rate
    if rate is not None and not 0.0 < rate < float("inf"):
        raise ArgumentError(
            "the learning rate must be a positive number",
            got=f"learning_rate={rate}",
            remedy="choose one such as 0.1, or leave it out (command line: --learning-rate)",
        )
    if not 0.0 <= settings.weight_decay < float("inf"):
        raise ArgumentError(
            "the weight decay must be 0 or a positive number",
            got=f"weight_decay={settings.weight_decay}",
            remedy="choose one such as 0.03, or 0 for none (command line: --weight-decay)",
        )
    if settings.seed < 0:
        raise ArgumentError(
            "the seed must be 0 or a positive whole number",
            got=f"seed={settings.seed}",
            remedy="choose another (command line: --seed)",
        )
