"""Training on a study: a linear model, and a network from one or several starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import nn, optim
from chainrule.optim.base import kernels_only
from chainrule.records import dataclass
from chainrule.train.callbacks import (
    Callback,
    EarlyStopping,
    LambdaCallback,
    ReduceLROnPlateau,
)
from chainrule.train.compiled import find_optimizer
from chainrule.train.model import Model
from chainrule.train.tabular.checkpoints import Checkpoints
from chainrule.train.tabular.settings import Settings
from chainrule.train.tabular.study import Scores, Study

LINEAR = {
    "binary": "logistic regression",
    "multiclass": "softmax regression",
    "numeric": "linear regression",
}
_LOSSES = {
    "binary": "binary_crossentropy",
    "multiclass": "categorical_crossentropy",
    "numeric": "mse",
}
OnEpoch = Callable[[str, Scores], None]
Watch = Callable[[str], Sequence[Callback]]


@dataclass(frozen=True)
class Trained:
    """A trained model, and how good it is.

    Attributes:
        name: "logistic regression", "network 25-16-1".
        model: the model.
        history: one record for each epoch.
        train, test: its scores on the training and on the held-out rows.
        interrupted: Ctrl-C ended it.
        starts: of each start its last record; one where there were no restarts.
        watchers: the callbacks that `train_models` was asked to watch it with.
    """

    name: str
    model: Model
    history: list[Scores]
    train: Scores
    test: Scores
    interrupted: bool = False
    starts: list[Scores] = field(default_factory=list)
    watchers: tuple[Callback, ...] = ()


def architectures(study: Study) -> dict[str, tuple[int, ...]]:
    """The hidden layers of each model to train, by its name: the linear one, then the network."""
    models: dict[str, tuple[int, ...]] = {LINEAR[study.target.kind]: ()}
    if study.settings.layers:
        sizes = [study.train.x.shape[1], *study.settings.layers, study.target.outputs]
        models[f"network {'-'.join(map(str, sizes))}"] = study.settings.layers
    return models


def train_models(
    study: Study,
    on_epoch: OnEpoch | None = None,
    checkpoints: Path | None = None,
    watch: Watch | None = None,
) -> Iterator[Trained]:
    """Train each of `architectures` in turn.

    Args:
        study: from `prepare`.
        on_epoch: is given the model's name and each epoch's record, to show progress.
        checkpoints: a folder for what a training needs to go on after it was killed.
        watch: gives callbacks for a training of a model, such as a monitor of its gradients.

    Yields:
        Each model when it is ready. After an interruption the one interrupted is the last.

    Raises:
        DivergenceError: a loss became infinite or not a number.
    """
    for i, (name, hidden) in enumerate(architectures(study).items()):
        starts = study.settings.restarts if hidden else 1
        best: Trained | None = None
        records: list[Scores] = []
        for start in range(starts):
            seed = int(np.random.SeedSequence((study.settings.seed, i, start)).generate_state(1)[0])
            folder = None if checkpoints is None else checkpoints / f"model-{i}-start-{start}"
            watchers = () if watch is None else tuple(watch(name))
            found = _train(study, name, hidden, seed, on_epoch, folder, watchers)
            if found.history:
                records.append({**found.history[-1], "epochs": len(found.history)})
            if best is None or _judged(found) < _judged(best):
                best = found
            if found.interrupted:
                yield Trained(**{**vars(best), "starts": records, "interrupted": True})
                return
        assert best is not None
        yield Trained(**{**vars(best), "starts": records})


def _judged(trained: Trained) -> float:
    """What starts are compared by: the best validation loss, or the training loss."""
    key = "val_loss" if trained.history and "val_loss" in trained.history[-1] else "loss"
    return min((record[key] for record in trained.history), default=math.inf)


def _train(
    study: Study,
    name: str,
    hidden: tuple[int, ...],
    seed: int,
    on_epoch: OnEpoch | None,
    folder: Path | None,
    watchers: tuple[Callback, ...],
) -> Trained:
    settings, target = study.settings, study.target
    model = Model(_layers(settings, hidden, target.outputs), name=name)
    metrics = ["accuracy"] if target.classes else []
    model.compile(optimizer(study), _LOSSES[target.kind], metrics)
    judged = study.validation or study.test
    callbacks = [*_callbacks(settings, folder), *watchers]

    def note(epoch: int, logs: Any) -> None:
        if on_epoch is not None:
            on_epoch(name, {"epoch": epoch + 1, **logs})

    callbacks.append(LambdaCallback(on_epoch_end=note))
    history = model.fit(
        study.train.x, study.train.y, batch_size=_batch_size(settings), epochs=settings.epochs,
        validation_data=(judged.x, judged.y), class_weight=_class_weight(study),
        callbacks=callbacks, verbose=0, seed=seed,
    )  # fmt: skip
    train, test = study.scores(lambda x: np.asarray(model.predict(x, batch_size=1024)))
    return Trained(
        name, model, list(model.run.history), train, test, history.interrupted, watchers=watchers
    )


def _layers(settings: Settings, hidden: tuple[int, ...], outputs: int) -> list[nn.Layer]:
    """Dense, batch normalisation, activation, dropout for each hidden layer; a linear last one."""
    start = "he_normal" if settings.activation in ("relu", "elu", "gelu", "silu") else None
    layers: list[nn.Layer] = []
    for units in hidden:
        init = start or "glorot_uniform"
        if settings.batch_norm:
            layers.append(nn.Dense(units, use_bias=False, kernel_initializer=init))
            layers += [nn.BatchNormalization(momentum=0.9), nn.Activation(settings.activation)]
        else:
            layers.append(nn.Dense(units, settings.activation, kernel_initializer=init))
        if settings.dropout:
            layers.append(nn.Dropout(settings.dropout))
    return [*layers, nn.Dense(outputs)]


def optimizer(study: Study) -> Any:
    """The optimizer that the settings ask for, its rate scheduled, its gradients clipped."""
    settings = study.settings
    kind = optim.names.OPTIMIZERS[settings.optimizer]
    rate = settings.learning_rate
    if rate is None:
        plain = settings.optimizer == "sgd"
        usual: Any = find_optimizer(settings.optimizer).learning_rate
        rate = study.learning_rate if plain else float(usual)
    made: Any = kind(
        _schedule(settings, rate, len(study.train.x)),
        l2=settings.weight_decay, penalize=kernels_only,
    )  # fmt: skip
    if settings.clip_norm is not None:
        return optim.Clipped(made, by_global_norm=settings.clip_norm)
    return made


def _schedule(settings: Settings, rate: float, rows: int) -> Any:
    """The learning rate over the steps of all epochs."""
    size, epochs = _batch_size(settings), settings.epochs
    steps = sum(-(-rows // (size(e) if callable(size) else size)) for e in range(epochs))
    third = max(steps // 3, 1)
    return {
        "constant": lambda: rate,
        "plateau": lambda: rate,
        "step": lambda: optim.StepDecay(rate, factor=0.1, every=third),
        "exponential": lambda: optim.Exponential(rate, factor=0.01, every=steps),
        "linear": lambda: optim.Polynomial(rate, steps=steps),
        "cosine": lambda: optim.Cosine(rate, steps=steps),
        "warmup-cosine": lambda: optim.WarmUp(
            optim.Cosine(rate, steps=max(steps - steps // 20, 1)), steps=max(steps // 20, 1)
        ),
        "one-cycle": lambda: optim.OneCycle(rate, steps=max(steps, 2)),
    }[settings.schedule]()


def _batch_size(settings: Settings) -> Any:
    if settings.batch_growth == 1.0:
        return settings.batch_size
    return optim.BatchGrowth(
        settings.batch_size, factor=settings.batch_growth, every=settings.growth_every
    )


def _class_weight(study: Study) -> Any:
    """What `Model.fit` takes: classes by their number."""
    given, classes = study.settings.class_weight, study.target.classes
    if isinstance(given, str):
        return None if given == "none" else given
    return {k: given.get(name, 1.0) for k, name in enumerate(classes)}


def _callbacks(settings: Settings, folder: Path | None) -> list[Callback]:
    callbacks: list[Callback] = []
    if settings.early_stopping is not None:
        callbacks.append(EarlyStopping(patience=settings.early_stopping))
    if settings.schedule == "plateau":
        callbacks.append(ReduceLROnPlateau(factor=0.3, patience=5))
    if folder is not None:
        callbacks.append(Checkpoints(folder))
    return callbacks


__all__ = ["LINEAR", "Trained", "architectures", "optimizer", "train_models"]
