"""`gradient_health`: signals and gradients of a network on data, layer by layer, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.diagnose.data_health import DataHealth, data_health
from chainrule.diagnose.passing import (
    KEY,
    LayerPass,
    NetworkPass,
    batch_of,
    chosen_rows,
    pass_through,
    ready_state,
)
from chainrule.diagnose.predicting import gradient_ratio, mean_square, signal_ratio
from chainrule.diagnose.units import activation_of, copies, dead_share, saturated_share
from chainrule.nn.layers.batch_normalization import BatchNormalization
from chainrule.records import dataclass
from chainrule.running import Quiet
from chainrule.tracing import flatten
from chainrule.train.compiled import Compiled
from chainrule.train.step import Batch, TrainState

if TYPE_CHECKING:
    from chainrule.diagnose.verdicts import Verdict
    from chainrule.train.model import Model


@dataclass(frozen=True)
class NormGap:
    """How far batch norm's running averages are from the statistics of the data.

    Attributes:
        mean: the largest |μ_data − μ_running|/σ_data of a unit.
        variance: the largest ratio of the two variances, 1 or more.
        output: √mean square of (output in training − output in use) over that in training.
    """

    mean: float
    variance: float
    output: float


@dataclass(frozen=True)
class LayerHealth:
    """One layer on some rows of data.

    Derivatives are those of each row's loss, so that they do not depend on the number of rows.

    Attributes:
        name, kind, activation: the layer.
        input_rms: √E[x²] of what it gets.
        input_mean: E[x].
        rms, mean, spread: of the outputs: √E[y²], E[y], √Var[y].
        preactivation_spread: √Var[z] before the activation.
        gradient_rms, gradient_mean, gradient_spread: of the derivatives by the preactivations.
        weight_norm, weight_gradient_norm: of all its parameters; None without any.
        update_ratio: ‖Δθ‖/‖θ‖ of one step; None without parameters, or where ‖θ‖ is 0.
        units: how many outputs a place has.
        dead: the share of units that are flat for every row; None where it has no meaning.
        saturated: the share of outputs on the flat ends; None where it has no meaning.
        copies: units that are equal to another and will stay so.
        signal_ratio, gradient_ratio: E[z²] and E[x̄²], measured over what the initialiser predicts.
        norm_gap: of a batch normalisation.
        finite: whether all of that is.
    """

    name: str
    kind: str
    activation: str
    input_rms: float
    input_mean: float
    rms: float
    mean: float
    spread: float
    preactivation_spread: float
    gradient_rms: float
    gradient_mean: float
    gradient_spread: float
    weight_norm: float | None
    weight_gradient_norm: float | None
    update_ratio: float | None
    units: int
    dead: float | None
    saturated: float | None
    copies: int
    signal_ratio: float | None
    gradient_ratio: float | None
    norm_gap: NormGap | None
    finite: bool


@dataclass(frozen=True)
class GradientHealth:
    """What `gradient_health` found. Print it; Jupyter and Rich show it as a table.

    Attributes:
        layers: from the input to the output.
        loss: on the rows that were looked at.
        rows: how many.
        steps: that the network has been trained for.
        data: what is to be seen of the data.
    """

    layers: tuple[LayerHealth, ...]
    loss: float
    rows: int
    steps: int
    data: DataHealth | None = None

    @property
    def verdicts(self) -> list[Verdict]:
        """What is wrong, the gravest first, each with its cure; empty if nothing is."""
        from chainrule.diagnose.verdicts import verdicts_on

        return verdicts_on(self)

    @property
    def weighted(self) -> list[LayerHealth]:
        """The layers with parameters of their own kernel: those that the signal passes through."""
        return [layer for layer in self.layers if layer.signal_ratio is not None or layer.copies]

    def __getitem__(self, name: str) -> LayerHealth:
        """A layer by its name."""
        return next(layer for layer in self.layers if layer.name == name)

    def __str__(self) -> str:
        from chainrule.diagnose.showing import text

        return text(self)

    def to_html(self) -> str:
        """The table and the verdict for a web page."""
        from chainrule.diagnose.showing import html

        return html(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def __rich__(self) -> Any:
        from chainrule.diagnose.showing import rich_group

        return rich_group(self)

    def plot(self, ax: Any = None) -> Any:
        """Spread of activations and size of gradients over depth; see `plot_health`."""
        from chainrule.diagnose.plotting import plot_health

        return plot_health(self, ax)


def gradient_health(
    model: Model,
    x: Any,
    y: Any,
    *,
    rows: int = 512,
    sample_weight: Any = None,
    seed: int = 0,
) -> GradientHealth:
    """Signals and gradients of a network on data, layer by layer, and a verdict in words.

    One forward and one backward pass in training mode, and one step of the optimizer that is
    thrown away. Works before the training (the model is built if it is not), in its course, and
    after it.

    Args:
        model: compiled.
        x, y, sample_weight: as for `Model.fit`.
        rows: draw so many rows at random, or all if there are fewer.
        seed: of the drawing, and of the parameters if they are made here.

    Returns:
        A :class:`GradientHealth`.

    Raises:
        ArgumentError: a model that was not compiled.

    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> x = np.random.default_rng(0).normal(size=(64, 8))
    >>> model = cr.Model([nn.Dense(16, "relu", kernel_initializer="zeros"), nn.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> print(gradient_health(model, x, x[:, :1]).verdicts[0])
    15 of the 16 units of 'dense' are copies of others, with equal weights and equal gradients: they
    will stay equal for ever
      remedy: draw the kernel at random: kernel_initializer='he_normal'

    Source: Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward
    neural networks", for variances over depth; Goodfellow et al., *Deep Learning*, section 8.4.
    """
    batch = batch_of(model, x, y, rows=rows, sample_weight=sample_weight, seed=seed)
    positions = chosen_rows(len(y), rows, seed)
    return measured(
        model.compiled("gradient_health"), ready_state(model), batch, model.override, positions,
        None if model.labels is None else model.labels.classes,
    )  # fmt: skip


def measured(
    compiled: Compiled,
    state: TrainState,
    batch: Batch,
    learning_rate: Any = None,
    positions: NDArray[Any] | None = None,
    classes: Sequence[Any] | None = None,
) -> GradientHealth:
    """The health of a network in one state on one batch.

    Args:
        compiled, state, batch: the network and the rows.
        learning_rate: in place of the optimizer's own.
        positions: of the rows in the user's data.
        classes: the names of the classes.
    """
    found = pass_through(compiled, state, batch)
    with Quiet():
        after = compiled.step(state, batch, KEY, learning_rate)[0].params
    leaves = flatten(after)[0]
    layers = tuple(
        _health(part, found, [leaves[place] for place in part.places]) for part in found.layers
    )
    with Quiet():
        data = data_health(compiled, batch, found, positions, classes)
    steps = int(getattr(state.optimizer, "step", 0))
    return GradientHealth(layers, found.loss, found.rows, steps, data)


def _health(part: LayerPass, whole: NetworkPass, after: Sequence[Any]) -> LayerHealth:
    output, z = np.asarray(part.output), np.asarray(part.preactivation)
    g = part.d_preactivation
    g = np.zeros(z.shape) if g is None else np.asarray(g, float) * whole.rows
    x = [np.asarray(leaf, float) for leaf in flatten(part.input)[0]]
    with Quiet():
        return LayerHealth(
            part.name,
            type(part.layer).__name__,
            activation_of(part.layer),
            float(np.sqrt(np.mean([mean_square(leaf) for leaf in x]))),
            float(np.mean([leaf.mean() for leaf in x])),
            float(np.sqrt(mean_square(output))),
            float(np.mean(output)),
            float(np.std(output)),
            float(np.std(z)),
            float(np.sqrt(mean_square(g))),
            float(np.mean(g)),
            float(np.std(g)),
            _norm(part.params),
            _norm(part.d_params),
            _update_ratio(part.params, after),
            int(output.shape[-1]) if output.ndim > 1 else 1,
            dead_share(part),
            saturated_share(part),
            copies(part),
            signal_ratio(part),
            gradient_ratio(part),
            _norm_gap(part),
            bool(np.isfinite(output).all() and np.isfinite(g).all()),
        )


def _norm(tree: Any) -> float | None:
    leaves = flatten(tree)[0]
    if not leaves:
        return None
    return float(np.sqrt(sum(np.sum(np.square(np.asarray(p, float))) for p in leaves)))


def _update_ratio(before: Any, new: Sequence[Any]) -> float | None:
    old, size = flatten(before)[0], _norm(before)
    if not size or len(old) != len(new):
        return None
    moved: Sequence[Any] = [np.asarray(b, float) - a for a, b in zip(old, new, strict=True)]
    return float(np.sqrt(sum(np.sum(np.square(d)) for d in moved)) / size)


def _norm_gap(part: LayerPass) -> NormGap | None:
    layer = part.layer
    if not isinstance(layer, BatchNormalization):
        return None
    x = np.asarray(part.input, float)
    axis = layer.axis % x.ndim
    others = tuple(i for i in range(x.ndim) if i != axis)
    mean, variance = x.mean(axis=others), x.var(axis=others)
    spread = np.sqrt(variance + layer.epsilon)
    running = np.asarray(part.state["moving_variance"], float) + layer.epsilon
    ratio = (variance + layer.epsilon) / running
    used, _ = layer(part.params, part.state, part.input, training=False)
    trained = np.asarray(part.output, float)
    size = np.sqrt(mean_square(trained)) or 1.0
    return NormGap(
        float(np.max(np.abs(mean - part.state["moving_mean"]) / spread)),
        float(np.max(np.maximum(ratio, 1.0 / ratio))),
        float(np.sqrt(mean_square(trained - np.asarray(used, float))) / size),
    )
