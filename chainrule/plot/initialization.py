"""Starting values of weights: what becomes of a signal, and why units must not start alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.data import make_circles
from chainrule.nn import Dense, Sequential
from chainrule.nn.initializers import (
    Constant,
    GlorotUniform,
    HeNormal,
    Initializer,
    RandomNormal,
    XavierNormal,
    Zeros,
)
from chainrule.optim import SGD
from chainrule.plot import style
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass
from chainrule.train import Callback, Model

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class LayerOutputs:
    """What each layer of a deep network puts out, before any training.

    Attributes:
        label: the name of the initialisation.
        activation: of the units.
        outputs: one array of shape (rows, units) for each layer.
    """

    label: str
    activation: str
    outputs: list[Array]

    @property
    def mean_squares(self) -> Array:
        """The mean of h² in each layer, shape (layers,)."""
        return np.array([np.mean(h**2) for h in self.outputs])


def layer_outputs(
    init: Initializer, label: str = "", *, activation: str = "tanh", layers: int = 8,
    units: int = 200, rows: int = 200, seed: int = 0,
) -> LayerOutputs:  # fmt: skip
    """Send random data of unit variance through layers of equal size.

    >>> layer_outputs(Zeros(), layers=2, units=5, rows=3).mean_squares
    array([0., 0.])
    """
    rng = np.random.default_rng(seed)
    net = Sequential([Dense(units, activation, kernel_initializer=init) for _ in range(layers)])
    params, _ = net.build(rng, (units,))
    h: Any = rng.standard_normal((rows, units))
    outputs = []
    for layer in net.layers:
        h, _ = layer(params[str(layer.name)], {}, h, training=False)
        outputs.append(h)
    return LayerOutputs(label, activation, outputs)


def initialization_runs(layers: int = 8, units: int = 200) -> list[LayerOutputs]:
    """Zero, small, large, Xavier, He and normalised initialisation; relu units for He's."""
    size: Any = {"layers": layers, "units": units}
    return [
        layer_outputs(Zeros(), "zero", **size),
        layer_outputs(RandomNormal(stddev=0.02), "small, N(0, 0.02²)", **size),
        layer_outputs(RandomNormal(stddev=0.5), "large, N(0, 0.5²)", **size),
        layer_outputs(XavierNormal(), "Xavier, N(0, 1/m)", **size),
        layer_outputs(HeNormal(), "He, N(0, 2/m), relu", activation="relu", **size),
        layer_outputs(GlorotUniform(), "normalised, uniform", **size),
    ]


def initializations(ax: Any = None, runs: Sequence[LayerOutputs] | None = None) -> Panels:
    """Activations by layer for zero, small, large, Xavier, He and normalised initialisation.

    Look at how the outlines, one for each layer, change from left to right: how many units have
    which output. From zero all outputs are zero; small weights squeeze the signal to nothing,
    large ones drive every unit to ±1, where tanh is flat. Xavier's keep a spread through all
    layers, and so does the normalised U(±√(6/(m + n))), which has the same variance where a layer
    has as many inputs m as outputs n. For relus, which let half through, He's double variance does.

    >>> few = initialization_runs(layers=2, units=20)
    >>> [ax.get_title() for ax in initializations(runs=few)][3]
    'Xavier, N(0, 1/m)'

    Source: Glorot & Bengio (2010), section 4.2.1; He, Zhang, Ren & Sun (2015), section 2.2.
    """
    axes = style.panels(ax, 2, 3)
    runs = initialization_runs() if runs is None else runs
    for k, (panel, run) in enumerate(zip(axes, runs, strict=True)):
        low, high = (-0.25, 4.0) if run.activation == "relu" else (-1.05, 1.05)
        edges = np.linspace(low, high, 64)  # an odd number of bins: 0 is in the middle of one
        middle = (edges[1:] + edges[:-1]) / 2
        for i, h in enumerate(run.outputs, start=1):
            share = np.histogram(h, edges)[0] / h.size
            # Square roots, so that the few in the tails are seen beside the many.
            half = 0.45 * np.sqrt(share / share.max())
            panel.fill_betweenx(middle, i - half, i + half, color=style.BLUE, linewidth=0,
                                alpha=0.75, step="mid")  # fmt: skip
        size = np.sqrt(run.mean_squares)
        panel.plot(np.arange(1, len(size) + 1), size, "o-", color=style.VERMILION, markersize=4,
                   label="√(mean of h²)")  # fmt: skip
        panel.set(ylim=(low, high), xticks=range(1, len(size) + 1))
        panel.grid(color=style.FAINT, linewidth=0.6)
        style.dress(panel, title=run.label, x="layer" if k > 2 else "",
                    y="activation" if k % 3 == 0 else "")  # fmt: skip
    axes[0].legend(loc="lower left", fontsize=style.TEXT, framealpha=0.9, edgecolor="none")
    return axes


class _Kernels(Callback):
    """Notes the first layer's kernel before each step and after the last."""

    def __init__(self) -> None:
        self.kernels: list[Array] = []

    def _note(self) -> None:
        self.kernels.append(np.array(self.model.params["dense"]["kernel"]))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._note()

    def on_train_end(self, logs: Any = None) -> None:
        self._note()


@dataclass(frozen=True)
class Training:
    """A small network under way, from one start.

    Attributes:
        label: how it was initialised.
        weights: of each hidden unit, for the first input, before each step and after the last,
            shape (steps + 1, units).
        losses: of each epoch, shape (epochs,).
    """

    label: str
    weights: Array
    losses: Array


def symmetry_run(
    init: Initializer, label: str = "", *, units: int = 6, epochs: int = 100, rate: float = 1.0
) -> Training:
    """Train a network with one hidden layer on two circles by plain descent, in batches of 50."""
    x, y = make_circles(200, seed=0)
    hidden = Dense(units, "tanh", kernel_initializer=init)
    model = Model([hidden, Dense(1, "sigmoid", kernel_initializer=init)])
    model.compile(SGD(rate), "binary_crossentropy", jit_compile=False)
    kernels = _Kernels()
    history = model.fit(x, y, 50, epochs, verbose=0, callbacks=kernels)
    weights = np.array(kernels.kernels)[:, 0, :]
    return Training(label, weights, np.array(history.history["loss"]))


def symmetry_runs(epochs: int = 100) -> list[Training]:
    """The same network with all weights ½, and with random ones of Xavier's size."""
    return [
        symmetry_run(Constant(0.5), "all weights ½", epochs=epochs),
        symmetry_run(XavierNormal(), "random weights", epochs=epochs),
    ]


def symmetry(ax: Any = None, runs: Sequence[Training] | None = None) -> Panels:
    """Breaking symmetry: hidden units that start alike stay alike.

    Look at the first panel: there are six lines, one upon the other. Equal units get equal
    gradients in every step, so the layer is worth a single unit and the loss stays high. Random
    weights let each become another.

    >>> [ax.get_title() for ax in symmetry(runs=symmetry_runs(epochs=2))]
    ['all weights ½', 'random weights', 'The loss']

    Source: Goodfellow et al., *Deep Learning*, section 8.4.
    """
    axes = style.panels(ax, 1, 3)
    runs = symmetry_runs() if runs is None else runs
    for panel, run, color in zip(axes, runs, (style.VERMILION, style.BLUE), strict=False):
        panel.plot(run.weights, color=color, linewidth=2, alpha=0.8)
        units = run.weights.shape[1]
        style.dress(panel, title=run.label, x="step",
                    y=f"weights of {units} units" if panel is axes[0] else "")  # fmt: skip
        panel.set_ylim(-4, 4)
        axes[2].plot(np.arange(1, len(run.losses) + 1), run.losses, color=color, linewidth=2.5,
                     label=run.label)  # fmt: skip
    axes[2].set_ylim(0.0, 1.0)
    style.dress(axes[2], title="The loss", x="epoch", y="cross-entropy", legend="upper right")
    return axes
