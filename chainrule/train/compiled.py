"""What `compile` makes of its arguments: the optimizer, the loss on logits, and the metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import ArgumentError
from chainrule.nn.classification import (
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from chainrule.nn.folding import fold_activation, probabilities
from chainrule.nn.layers.base import Layer
from chainrule.nn.loss import Loss
from chainrule.nn.losses import Hinge, get_loss
from chainrule.nn.metric import (
    FunctionMetric,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    RootMeanSquaredError,
)
from chainrule.nn.metrics import get_metric, metric_name
from chainrule.nn.naming import lookup, user_line
from chainrule.optim.names import OPTIMIZERS
from chainrule.train.loop import Report
from chainrule.train.step import Batch, Result, TrainStep, training_step

# Metrics that are means over rows, and so can be averaged batch by batch.
_MEANS = (
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
    MeanSquaredError,
    MeanAbsoluteError,
    FunctionMetric,
)


@dataclass(frozen=True)
class Compiled:
    """How a network is to be trained.

    Attributes:
        optimizer: its ``init`` and ``update``.
        loss: as the user chose it.
        network, objective: the pair that is trained: a last sigmoid or softmax is taken out of the
            network and into the loss, which is exact from logits.
        metrics: by their names in the history.
        step: the pure training step.
    """

    optimizer: Any
    loss: Loss
    network: Layer
    objective: Loss
    metrics: dict[str, Metric]
    step: TrainStep

    def predictions(self, outputs: Any) -> Any:
        """Probabilities (Poisson: rates) from the outputs of the trained network."""
        return probabilities(self.objective, outputs)

    def report(self, batch: Batch, result: Result) -> Report:
        """What a step tells the loop: its loss, and the metrics of its batch."""
        loss = float(result.loss)
        means = {"loss": (loss, self.weight(batch))}
        kept = None
        if self.metrics:
            predicted = self.predictions(result.outputs)
            weight = float(len(batch.y) if batch.weight is None else np.sum(batch.weight))
            for name, metric in self.metrics.items():
                if _is_mean(metric):
                    value = metric(batch.y, predicted, batch.weight) if weight else 0.0
                    means[name] = (value, weight)
                else:
                    kept = (batch.y, predicted, batch.weight)
        return Report(loss, means, float(result.gradient_norm), kept)

    def weight(self, batch: Batch) -> float:
        """How much a batch's loss counts in the epoch's: by its rows, or by their weights."""
        if self.objective.reduction == "mean_with_sample_weight" and batch.weight is not None:
            return float(np.sum(batch.weight))
        return float(len(batch.y))

    def finish(self, kept: Sequence[Any]) -> dict[str, float]:
        """The metrics that are no means over rows, from all rows of an epoch."""
        names = [name for name, metric in self.metrics.items() if not _is_mean(metric)]
        if not names or not kept:
            return {}
        y, predicted = (np.concatenate([k[i] for k in kept]) for i in (0, 1))
        weight = None if kept[0][2] is None else np.concatenate([k[2] for k in kept])
        return {name: self.metrics[name](y, predicted, weight) for name in names}


def _is_mean(metric: Metric) -> bool:
    return isinstance(metric, _MEANS) and not isinstance(metric, RootMeanSquaredError)


def compiled(
    layer: Layer, optimizer: Any, loss: Any, metrics: Sequence[Any], outputs: int | None = None
) -> Compiled:
    """Resolve the names that `Model.compile` was given.

    Raises:
        ArgumentError: a name that does not exist, with the nearest one that does.
    """
    if loss is None:
        raise ArgumentError(
            "compile needs a loss",
            got="loss=None",
            line=user_line(),
            remedy="loss='mse' for numbers, 'binary_crossentropy' for two classes, "
            "'sparse_categorical_crossentropy' for more",
        )
    chosen = get_loss(loss)
    network, objective = fold_activation(layer, chosen)
    rule = find_optimizer(optimizer)
    if isinstance(metrics, (str, Metric)) or callable(metrics):
        metrics = [metrics]
    table = {metric_name(m): get_metric(m, chosen, outputs) for m in metrics}
    if isinstance(chosen, Hinge):  # its scores are no probabilities: they change class at 0
        accuracies = {"accuracy", "acc", "binary_accuracy"}.intersection(table)
        table |= dict.fromkeys(accuracies, BinaryAccuracy(0.0))
    step = training_step(network, objective, rule)
    return Compiled(rule, chosen, network, objective, table, step)


def find_optimizer(optimizer: Any) -> Any:
    """An optimizer from its name, in any case, or as it is.

    >>> find_optimizer("Adam").learning_rate
    0.001
    """
    if hasattr(optimizer, "init") and hasattr(optimizer, "update"):
        return optimizer() if isinstance(optimizer, type) else optimizer
    made: Callable[[], Any] = lookup(
        "optimizer", optimizer, OPTIMIZERS, "one of cr.optim such as cr.optim.Adam(0.001)"
    )
    return made()
