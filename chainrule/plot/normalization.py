"""Normalised features, batch normalisation, and its running averages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.data import fit_encoder, load_digits5k, load_heart
from chainrule.derivatives import hessian
from chainrule.nn import Activation, BatchNormalization, Dense, Flatten, Layer
from chainrule.optim import SGD, minimize
from chainrule.plot import style
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass
from chainrule.train import Callback, History, Model

if TYPE_CHECKING:
    pass

FEATURES = ("age", "cholesterol")
TARGET = "max_heart_rate"


@dataclass(frozen=True)
class Fit:
    """A linear regression by gradient descent.

    Attributes:
        label: of the features.
        loss: the function of the weights.
        curvatures: the eigenvalues of its Hessian, ascending, shape (2,).
        rate: α, 2/(λ₁ + λ₂).
        path: the weights, from 0, shape (steps + 1, 2).
        losses: along the path, shape (steps + 1,).
        best: the weights with the least loss, shape (2,).
        least: that loss.
    """

    label: str
    loss: Callable[[Any], Any]
    curvatures: Array
    rate: float
    path: Array
    losses: Array
    best: Array
    least: float

    @property
    def condition(self) -> float:
        """κ = λ₂/λ₁."""
        return float(self.curvatures[1] / self.curvatures[0])


def fit(x: Array, y: Array, label: str = "", steps: int = 60) -> Fit:
    """Minimise ½·mean (Xw − y)² from w = 0 at the best rate for its curvatures."""

    def loss(w: Any) -> Any:
        return 0.5 * np.mean((x @ w - y) ** 2)

    start = np.zeros(2)
    curvatures = np.linalg.eigvalsh(hessian(loss)(start))
    rate = 2.0 / float(curvatures.sum())
    run = minimize(loss, start, optimizer=SGD(rate), steps=steps, tolerance=0.0, record=True)
    assert run.values is not None
    best = np.asarray(np.linalg.lstsq(x, y)[0], np.float64)
    return Fit(label, loss, curvatures, rate, run.path, run.values, best, float(loss(best)))


def feature_normalization_runs(steps: int = 60) -> tuple[Fit, Fit]:
    """The highest heart rate of 270 patients from their age and cholesterol, raw and normalised.

    The target is taken from its mean, in tens of beats, so that no intercept is needed.
    """
    table = load_heart()
    y = (table.numbers(TARGET) - table.numbers(TARGET).mean()) / 10
    raw = np.column_stack([table.numbers(name) for name in FEATURES])
    normalised = fit_encoder(table, dict.fromkeys(FEATURES, "numeric")).transform(table)
    return fit(raw, y, "raw", steps), fit(normalised, y, "normalised", steps)


def feature_normalization(ax: Any = None, runs: tuple[Fit, Fit] | None = None) -> Panels:
    """Contours and condition number before and after the features are normalised.

    Look at the shape of the contours: raw features lie far from 0 and on different scales, so the
    loss is a narrow ravine: the rate that its walls allow is tiny for its floor, and descent
    creeps. With mean 0 and variance 1 it is nearly a round bowl, κ = (1 + |r|)/(1 − |r|) for the
    correlation r, and a few steps are enough. Each run has the best rate for its curvatures.

    >>> [ax.get_title() for ax in feature_normalization()][:2]
    ['raw: κ = 441', 'normalised: κ = 1.56']

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp" (1998), section 4.3.
    """
    axes = style.panels(ax, 1, 3)
    runs = feature_normalization_runs() if runs is None else runs
    for panel, run, color in zip(axes, runs, (style.VERMILION, style.BLUE), strict=False):
        reach = 1.5 * max(np.abs(run.path - run.best).max(), np.abs(run.best).max())
        x, y = (sorted((c - reach, c + reach)) for c in run.best)
        grid = style.surface(run.loss, (x[0], x[1]), (y[0], y[1]), points=120)
        steep = run.curvatures[1] * reach**2
        style.contours(panel, grid, run.least + steep * np.geomspace(1.5e-3, 0.6, 9))
        style.trail(panel, run.path, color, markersize=3)
        panel.plot(*run.best, "*", color=style.BLACK, markersize=13, zorder=4)
        style.dress(panel, title=f"{run.label}: κ = {run.condition:.3g}", grid=False,
                    x=f"weight of {FEATURES[0]}", y=f"weight of {FEATURES[1]}")  # fmt: skip
        panel.locator_params(nbins=4)
        first = run.losses[0] - run.least
        gap = np.maximum((run.losses - run.least) / first, 1e-14)
        axes[2].semilogy(gap, "o-", color=color, markersize=3, label=run.label)
    axes[2].set_ylim(1e-10, 3)
    style.dress(axes[2], title="Loss above the least", x="step", y="share of the first",
                legend="center right")  # fmt: skip
    return axes


class _Hidden(Callback):
    """Notes before each step what some units of a layer get to see on some rows."""

    def __init__(self, rows: Array, layers: int, units: Sequence[int]) -> None:
        self.rows, self.layers, self.units = rows, layers, list(units)
        self.seen: list[Array] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        h: Any = self.rows
        params, state = self.model.params, self.model.state
        for layer in self.model.layer.layers[: self.layers]:
            name = str(layer.name)
            h, _ = layer(params.get(name, {}), state.get(name, {}), h, training=True)
        self.seen.append(h[:, self.units])


@dataclass(frozen=True)
class Hidden:
    """What reaches the activations of a hidden layer, batch after batch.

    Attributes:
        label: with or without batch normalisation.
        seen: before each step, for the same rows, shape (steps, rows, units).
        losses: of each step's batch, shape (steps,).
    """

    label: str
    seen: Array
    losses: Array


def hidden_run(
    normalised: bool, *, steps: int = 120, batch_size: int = 32, rate: float = 0.1,
    units: Sequence[int] = (1,),
) -> Hidden:  # fmt: skip
    """Train a network of three hidden layers on every other pixel of digits, and watch the third.

    The rows that are watched are 200 others; they are normalised by their own mean and variance, as
    a batch of them would be.
    """
    images, labels = load_digits5k()
    order = np.random.default_rng(0).permutation(len(images))
    x, y = images[order, ::2, ::2] / 255.0, labels[order]
    layers: list[Layer] = [Flatten()]
    for _ in range(3):
        layers += [Dense(32), *([BatchNormalization()] if normalised else []), Activation("tanh")]
    model = Model([*layers, Dense(10, "softmax")])
    model.compile(SGD(rate), "sparse_categorical_crossentropy", jit_compile=False)
    # All layers but the last activation and the softmax.
    hidden, history = _Hidden(x[-200:], len(layers) - 1, units), History(per_step=True)
    rows = steps * batch_size
    model.fit(x[:rows], y[:rows], batch_size, 1, verbose=0, callbacks=[hidden, history])
    label = "with batch norm" if normalised else "without"
    return Hidden(label, np.array(hidden.seen), np.array(history.steps["loss"]))


def batch_normalization_runs(steps: int = 120) -> tuple[Hidden, Hidden]:
    """The same network without and with batch normalisation, at the same rate."""
    return hidden_run(False, steps=steps), hidden_run(True, steps=steps)


def batch_normalization(ax: Any = None, runs: tuple[Hidden, Hidden] | None = None) -> Panels:
    """Hidden activations over batches, with and without batch normalisation.

    Look at the bands, the middle 80 % of what the activation of a unit in the third hidden layer
    sees: as the layers before it learn, it wanders and spreads, and what the unit has learned must
    be learned anew. Normalised by each batch it has the mean β and the standard deviation γ, which
    the training moves slowly. The loss falls sooner at the same rate.

    >>> few = batch_normalization_runs(steps=12)
    >>> [ax.get_title() for ax in batch_normalization(runs=few)][:2]
    ['without', 'with batch norm']

    Source: Ioffe & Szegedy, "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", ICML 2015.
    """
    axes = style.panels(ax, 1, 3)
    runs = batch_normalization_runs() if runs is None else runs
    bands = [np.quantile(run.seen[:, :, 0], (0.1, 0.5, 0.9), axis=1) for run in runs]
    reach = 1.1 * max(float(np.abs(band).max()) for band in bands)
    colors = (style.VERMILION, style.BLUE)
    for panel, run, (low, middle, high), tint in zip(axes, runs, bands, colors, strict=False):
        steps = np.arange(len(middle))
        panel.fill_between(steps, low, high, color=tint, alpha=0.25, linewidth=0,
                           label="middle 80 %")  # fmt: skip
        panel.plot(steps, middle, color=tint, linewidth=2.5, label="median")
        panel.set_ylim(-reach, reach)
        style.dress(panel, title=run.label, x="batch",
                    y="what the unit sees" if panel is axes[0] else "")  # fmt: skip
        window = max(len(run.losses) // 12, 1)
        mean = np.convolve(run.losses, np.ones(window) / window, mode="valid")
        axes[2].plot(run.losses, color=tint, linewidth=0.8, alpha=0.4)
        axes[2].plot(np.arange(len(mean)) + window - 1, mean, color=tint, linewidth=2.5,
                     label=run.label)  # fmt: skip
    axes[0].legend(loc="lower left", fontsize=style.TEXT, framealpha=0.9, edgecolor="none")
    axes[2].set_ylim(0.0)
    style.dress(axes[2], title="Loss of the batches", x="batch", y="cross-entropy",
                legend="upper right")  # fmt: skip
    return axes


class _Running(Callback):
    """Notes the running averages of the first layer before each step and after the last."""

    def __init__(self) -> None:
        self.means: list[Array] = []
        self.variances: list[Array] = []

    def _note(self) -> None:
        (state,) = self.model.state.values()
        self.means.append(np.array(state["moving_mean"]))
        self.variances.append(np.array(state["moving_variance"]))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._note()

    def on_train_end(self, logs: Any = None) -> None:
        self._note()


@dataclass(frozen=True)
class Running:
    """Running averages of a feature while a network learns.

    Attributes:
        momentum: the share of the old average that is kept in a step.
        means, variances: after 0, 1, … steps, shape (steps + 1,).
        mean, variance: the data's.
    """

    momentum: float
    means: Array
    variances: Array
    mean: float
    variance: float

    @property
    def expected_means(self) -> Array:
        """What the mean would be if each batch had the data's: from 0, μ (1 − momentumᵏ)."""
        return self.mean * (1 - self.momentum ** np.arange(float(len(self.means))))

    @property
    def expected_variances(self) -> Array:
        """The same for the variance, which starts from 1."""
        return self.variance + (1 - self.variance) * self.momentum ** np.arange(
            float(len(self.means))
        )


def running_run(momentum: float, *, epochs: int = 12, batch_size: int = 27) -> Running:
    """Train a logistic regression behind batch normalisation on the age of 270 patients.

    >>> run = running_run(0.9, epochs=1, batch_size=270)
    >>> float(round(run.means[1] / run.mean, 12))
    0.1
    """
    table = load_heart()
    x = table.numbers("age")[:, None]
    y = np.array([float(word == "yes") for word in table.categories("disease")])
    model = Model([BatchNormalization(momentum=momentum), Dense(1, "sigmoid")])
    model.compile(SGD(0.1), "binary_crossentropy", jit_compile=False)
    running = _Running()
    model.fit(x, y, batch_size, epochs, verbose=0, callbacks=running)
    means, variances = np.array(running.means)[:, 0], np.array(running.variances)[:, 0]
    return Running(momentum, means, variances, float(x.mean()), float(x.var()))


def running_averages_runs(epochs: int = 12) -> tuple[Running, Running]:
    """With the momentum 0.9 and 0.97."""
    return running_run(0.9, epochs=epochs), running_run(0.97, epochs=epochs)


def running_averages(ax: Any = None, runs: Sequence[Running] | None = None) -> Panels:
    """The running averages of batch normalisation approaching the data's mean and variance.

    Look at how they come: from 0 and 1, where they start, a share of 1 − momentum nearer in each
    step, as the dashed lines say. A large momentum takes long and is then quiet; a small one is
    there at once and follows every batch. A network that is evaluated too early uses averages that
    are still on their way. (The variance stays a little low: that of 27 rows around their own mean
    is 1/27 less than that of all, more or less.)

    >>> running_averages(runs=running_averages_runs(epochs=1))[0].get_ylabel()
    'years'

    Source: Ioffe & Szegedy (2015), algorithm 2.
    """
    axes = style.panels(ax, 1, 2)
    runs = running_averages_runs() if runs is None else runs
    for run, color in zip(runs, (style.ORANGE, style.BLUE), strict=False):
        label = f"momentum {run.momentum:g}"
        axes[0].plot(run.means, color=color, linewidth=2.5, label=label)
        axes[0].plot(run.expected_means, "--", color=style.INK, linewidth=1)
        axes[1].plot(run.variances, color=color, linewidth=2.5, label=label)
        axes[1].plot(run.expected_variances, "--", color=style.INK, linewidth=1)
    for panel, value in zip(axes, (runs[0].mean, runs[0].variance), strict=True):
        panel.axhline(value, color=style.GREEN, linewidth=2, zorder=1, label="of all the data")
        panel.plot([], [], "--", color=style.INK, linewidth=1, label="if all batches were alike")
        panel.set_ylim(0.0, 1.15 * value)
    style.dress(axes[0], title="Running mean of the age", x="step", y="years", legend="lower right")
    style.dress(axes[1], title="Running variance", x="step", y="years²", legend="lower right")
    return axes
