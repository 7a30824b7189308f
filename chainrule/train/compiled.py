"""What `compile` makes of its arguments: the optimizer, the loss on logits, and the metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import ArgumentError
from chainrule.nn.classification import BinaryAccuracy
from chainrule.nn.folding import fold_activation, last_activation, probabilities
from chainrule.nn.layers import Dense, Sequential
from chainrule.nn.layers.base import Layer
from chainrule.nn.loss import Loss
from chainrule.nn.losses import Hinge, get_loss
from chainrule.nn.metric import FunctionMetric, Metric, RowMetric, weighted_means
from chainrule.nn.metrics import get_metric, metric_name
from chainrule.nn.naming import lookup, user_line, warn
from chainrule.optim.clipping import Clipped
from chainrule.optim.names import OPTIMIZERS
from chainrule.records import dataclass
from chainrule.train.loop import Means, Report
from chainrule.train.step import Batch, Result, TrainState, TrainStep, training_step


@dataclass(frozen=True)
class Compiled:
    """How a network is to be trained.

    Attributes:
        optimizer: its ``init`` and ``update``.
        loss: as the user chose it.
        network, objective: the pair that is trained: a last sigmoid or softmax is taken out of the
            network and into the loss, which is exact from logits.
        metrics: by their names in the history.
        weighted: the names of those that take the weights of rows and classes into account.
    """

    optimizer: Any
    loss: Loss
    network: Layer
    objective: Loss
    metrics: dict[str, Metric]
    weighted: frozenset[str]

    @property
    def step(self) -> TrainStep:
        """The pure training step. It is made anew each time, so that a pickle has no functions."""
        return training_step(self.network, self.objective, self.optimizer)

    @property
    def learning_rate(self) -> Any:
        """The optimizer's own, a number or a schedule, also where it is clipped."""
        optimizer = self.optimizer
        while not hasattr(optimizer, "learning_rate"):
            optimizer = optimizer.optimizer
        return optimizer.learning_rate

    def predictions(self, outputs: Any) -> Any:
        """Probabilities (Poisson: rates) from the outputs of the trained network."""
        return probabilities(self.objective, outputs)

    def report(self, batch: Batch, result: Result, steps: int = 1, clipped: Any = None) -> Report:
        """What a step tells the loop: its loss, and the metrics of its batch.

        Args:
            batch, result: of one step; or of several done together: all their rows in one batch,
                as many for each step, and the losses and norms of the steps in arrays.
            steps: how many.
            clipped: of each step in training, whether its gradient was clipped; see `clipped`.

        Whether steps are done one by one or together, the same numbers come out to the last bit.
        """
        losses, norms = (np.reshape(r, steps).tolist() for r in (result.loss, result.gradient_norm))
        means: Means = {"loss": (losses, self.weights(batch, steps))}
        if clipped is not None:
            ones = [1.0] * steps
            means["gradient_norm"] = norms, ones
            means["clipped_share"] = np.reshape(clipped, steps).astype(float).tolist(), ones
        kept: list[Any] = []
        if self.metrics:
            predicted = self.predictions(result.outputs)
            for name, metric in self.metrics.items():
                weight = batch.weight if name in self.weighted else None
                if isinstance(metric, (RowMetric, FunctionMetric)):
                    means[name] = _by_step(metric, batch.y, predicted, weight, steps)
                elif not kept:
                    kept = _by_steps(batch.y, predicted, batch.weight, steps)
        return Report(losses, norms, means, kept)

    def clipped(self, before: TrainState, after: TrainState) -> Any:
        """1 where a step's gradient was clipped and 0 where not; None without clipping."""
        if not isinstance(self.optimizer, Clipped):
            return None
        return after.optimizer.clipped - before.optimizer.clipped

    def weights(self, batch: Batch, steps: int = 1) -> list[float]:
        """How much each step's loss counts in the epoch's: by its rows, or by their weights."""
        if self.objective.reduction == "mean_with_sample_weight" and batch.weight is not None:
            return np.sum(np.reshape(batch.weight, (steps, -1)), axis=1).astype(float).tolist()
        return [float(len(batch.y) // steps)] * steps

    def finish(self, kept: Sequence[Any]) -> dict[str, float]:
        """The metrics that are no means over rows, from all rows of an epoch."""
        others = {
            name: metric
            for name, metric in self.metrics.items()
            if not isinstance(metric, (RowMetric, FunctionMetric))
        }
        if not others or not kept:
            return {}
        y, predicted = (np.concatenate([k[i] for k in kept]) for i in (0, 1))
        weight = None if kept[0][2] is None else np.concatenate([k[2] for k in kept])
        return {
            name: metric(y, predicted, weight if name in self.weighted else None)
            for name, metric in others.items()
        }


def _by_steps(y: Any, predicted: Any, weight: Any, steps: int) -> list[Any]:
    """The rows of each step."""
    rows = len(y) // steps
    parts = (slice(k * rows, (k + 1) * rows) for k in range(steps))
    return [(y[part], predicted[part], None if weight is None else weight[part]) for part in parts]


def _by_step(
    metric: Metric, y: Any, predicted: Any, weight: Any, steps: int
) -> tuple[list[float], list[float]]:
    """The metric of each step's rows, and how much it counts."""
    parts = np.ones((steps, len(y) // steps))
    if weight is not None:
        parts = np.reshape(weight, parts.shape).astype(float)
    counts = np.sum(parts, axis=1)
    if isinstance(metric, RowMetric):
        values = weighted_means(np.reshape(metric.rows(y, predicted), parts.shape), parts)
    else:
        rows = parts.shape[1]
        with np.errstate(invalid="ignore"):
            values = np.array([
                metric(y[k * rows : (k + 1) * rows], predicted[k * rows : (k + 1) * rows], part)
                for k, part in enumerate(parts)
            ])  # fmt: skip
    return np.where(counts > 0.0, values, 0.0).tolist(), counts.tolist()


def compiled(
    layer: Layer, optimizer: Any, loss: Any, metrics: Any, weighted_metrics: Any = ()
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
    _warn_of_one_class(layer)
    network, objective = fold_activation(layer, chosen)
    rule = find_optimizer(optimizer)
    table, weighted = {}, set()
    for given, prefix in ((metrics, ""), (weighted_metrics, "weighted_")):
        several = given or ()
        if isinstance(several, (str, Metric)) or callable(several):
            several = [several]
        for m in several:
            name = metric_name(m)
            if name in table:
                name = f"{prefix}{name}"
            table[name] = get_metric(m, chosen)
            if prefix:
                weighted.add(name)
            # The scores of a hinge loss are no probabilities: they change class at 0.
            if isinstance(chosen, Hinge) and m in ("accuracy", "acc", "binary_accuracy"):
                table[name] = BinaryAccuracy(0.0)
    return Compiled(rule, chosen, network, objective, table, frozenset(weighted))


def _warn_of_one_class(layer: Layer) -> None:
    """The softmax of one number is 1, whatever it is, and learns nothing."""
    last = layer
    while isinstance(last, Sequential) and last.layers:
        last = last.layers[-1]
    if isinstance(last, Dense) and last.units == 1 and last_activation(last) == "softmax":
        warn(
            f"{last.label} has one unit and softmax, which is always 1: use 'sigmoid', or a unit "
            "for each class"
        )


def find_optimizer(optimizer: Any) -> Any:
    """An optimizer from its name, in any case, or as it is.

    >>> find_optimizer("Adam").learning_rate
    0.001
    """
    if hasattr(optimizer, "init") and hasattr(optimizer, "update"):
        own = optimizer() if isinstance(optimizer, type) else optimizer
        lacking = [name for name in ("lookahead", "learning_rate") if not hasattr(own, name)]
        if lacking and not hasattr(own, "optimizer"):  # one around another
            raise ArgumentError(
                "an optimizer of one's own has init, update, lookahead and learning_rate",
                got=f"{type(own).__name__} without {' and '.join(lacking)}",
                line=user_line(),
                remedy="make it a subclass of cr.optim.Optimizer, a frozen dataclass that has them "
                "all; it needs only a rule(p, g, rate, step, *memory) → (new p, *new memory)",
            )
        return own
    made: Callable[[], Any] = lookup(
        "optimizer", optimizer, OPTIMIZERS, "one of cr.optim such as cr.optim.Adam(0.001)"
    )
    return made()
