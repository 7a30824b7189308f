"""Exploding and vanishing: the linear chain, a deep network by layer, and a cliff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.derivatives import grad, value_and_grad
from chainrule.nn import Dense, Sequential
from chainrule.nn.initializers import Initializer, RandomNormal, XavierNormal
from chainrule.optim import SGD, Clipped, global_norm, minimize
from chainrule.plot import style
from chainrule.plot.landscapes import Landscape
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Chain:
    """The linear chain hᵢ = W hᵢ₋₁ with W = diag(a, b) and x = (1, 1), at depths 1, 2, ….

    Attributes:
        a, b: the diagonal of W.
        depths: n, shape (depths,).
        values: the two elements of hₙ, aⁿ and bⁿ, shape (depths, 2).
        gradients: the derivatives of their sum y by a and by b, shape (depths, 2).
    """

    a: float
    b: float
    depths: Array
    values: Array
    gradients: Array


def linear_chain_run(a: float, b: float, depth: int = 60) -> Chain:
    """Values and gradients of the chain, through the graph of each depth.

    >>> run = linear_chain_run(1.0, 2.0, depth=3)
    >>> run.values[-1], run.gradients[-1]
    (array([1., 8.]), array([ 3., 12.]))
    """

    def output(diagonal: Any, n: int) -> tuple[Any, Any]:
        h = np.ones(2)
        for _ in range(n):
            h = diagonal * h
        return np.sum(h), h

    through = value_and_grad(output, has_aux=True)
    found = [through(np.array([a, b]), n) for n in range(1, depth + 1)]
    values = np.array([h for (_, h), _ in found])
    return Chain(a, b, np.arange(1.0, depth + 1), values, np.array([g for _, g in found]))


def linear_chain_runs() -> tuple[Chain, Chain]:
    """The lecture's two cases: a = 1, b = 2 explodes; a = ½, b = 0.9 vanishes."""
    return linear_chain_run(1.0, 2.0), linear_chain_run(0.5, 0.9)


def linear_chain(ax: Any = None, runs: Sequence[Chain] | None = None) -> Panels:
    """The linear chain of n equal layers: gradients that explode, and gradients that vanish.

    Look at the straight lines on the logarithmic axis: every layer multiplies by a or b once more.
    Above 1 both the value and its gradient explode; below 1 they vanish, even for 0.9, though the
    gradient n·bⁿ⁻¹ first rises for ten layers. For a = 1 the gradient is n.

    >>> [ax.get_title() for ax in linear_chain()]
    ['a = 1, b = 2: explodes', 'a = 0.5, b = 0.9: vanishes']

    Source: Goodfellow et al., *Deep Learning*, section 8.2.5.
    """
    axes = style.panels(ax, 1, 2)
    runs = linear_chain_runs() if runs is None else runs
    for ax, run, word in zip(axes, runs, ("explodes", "vanishes"), strict=True):
        for i, (name, entry, color) in enumerate(
            (("a", run.a, style.BLUE), ("b", run.b, style.VERMILION))
        ):
            ax.semilogy(run.depths, run.gradients[:, i], color=color, linewidth=2.5,
                        label=f"∂y/∂{name}, {name} = {entry:g}")  # fmt: skip
            ax.semilogy(run.depths, run.values[:, i], "--", color=color, linewidth=1.5,
                        label=f"h, {name}ⁿ")  # fmt: skip
        style.dress(ax, title=f"a = {run.a:g}, b = {run.b:g}: {word}", x="layers n",
                    legend="upper left" if word == "explodes" else "lower left")  # fmt: skip
    return axes


@dataclass(frozen=True)
class LayerNorms:
    """The gradient of a deep network's loss, layer by layer, before any training.

    Attributes:
        label: the units and how they were initialised.
        signals: ‖∂L/∂h‖ at each layer's output h, the first layer first, shape (layers,).
        kernels: ‖∂L/∂W‖ of each layer's kernel, shape (layers,).
    """

    label: str
    signals: Array
    kernels: Array


def gradient_norms(
    init: Initializer, label: str = "", *, layers: int = 20, units: int = 64,
    activation: str = "tanh", seed: int = 0,
) -> LayerNorms:  # fmt: skip
    """The norms for the loss ½·mean‖out − target‖² on random data of unit variance."""
    rng = np.random.default_rng(seed)
    net = Sequential([Dense(units, activation, kernel_initializer=init) for _ in range(layers)])
    params, _ = net.build(rng, (units,))
    x, target = rng.standard_normal((2, 128, units))

    def loss(params: Any, shifts: Any) -> Any:
        h = x
        for layer, shift in zip(net.layers, shifts, strict=True):
            # The derivative by a shift of 0 is the one by h itself.
            h = layer(params[str(layer.name)], {}, h, training=True)[0] + shift
        return 0.5 * np.mean(np.sum((h - target) ** 2, axis=1))

    shifts = [np.zeros((128, units)) for _ in range(layers)]
    by_params, by_outputs = grad(loss, argnums=(0, 1))(params, shifts)
    kernels = [by_params[str(layer.name)]["kernel"] for layer in net.layers]
    signals, norms = (np.array([float(global_norm(g)) for g in gs]) for gs in (by_outputs, kernels))
    return LayerNorms(label, signals, norms)


def gradients_by_layer_runs() -> list[LayerNorms]:
    """Twenty layers: tanh with small, Xavier's and large weights, and sigmoids with Xavier's."""
    return [
        gradient_norms(RandomNormal(stddev=0.25), "tanh, N(0, 0.25²): too large"),
        gradient_norms(XavierNormal(), "tanh, N(0, 1/m): Xavier"),
        gradient_norms(RandomNormal(stddev=0.06), "tanh, N(0, 0.06²): too small"),
        gradient_norms(XavierNormal(), "sigmoid, N(0, 1/m)", activation="sigmoid"),
    ]


def gradients_by_layer(ax: Any = None, runs: Sequence[LayerNorms] | None = None) -> Panels:
    """The gradient's norm in each layer of a deep network, for several weights and units.

    Look at both panels from right to left, the way that the gradient goes: each layer multiplies
    it by about the same factor, above 1 for large weights, below 1 for small ones and for
    sigmoids, whose slope is ¼ at most. A kernel's gradient also has its input as a factor: with
    small weights that vanishes the other way, so that all layers learn equally little; under
    sigmoids, whose output stays near ½, the first layers learn nothing and the last ones do.

    >>> small = gradient_norms(XavierNormal(), "Xavier", layers=3, units=8)
    >>> gradients_by_layer(runs=[small])[1].get_title()
    'What the weights get'

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010.
    """
    axes = style.panels(ax, 1, 2)
    runs = gradients_by_layer_runs() if runs is None else runs
    titles = {"∂L/∂h": "The signal that goes back", "∂L/∂W": "What the weights get"}
    for ax, (name, title) in zip(axes, titles.items(), strict=True):
        for run, color in zip(runs, style.CYCLE, strict=False):
            norms = run.signals if name == "∂L/∂h" else run.kernels
            layers = np.arange(1, len(norms) + 1)
            ax.semilogy(layers, norms, "o-", color=color, markersize=4, label=run.label)
        ax.set_xticks((1, 5, 10, 15, 20))
        style.dress(ax, title=title, x="layer", y=f"‖{name}‖")
    axes[1].set_ylim(1e-16)
    axes[1].legend(loc="lower right", fontsize=style.TEXT, framealpha=0.9, edgecolor="none")
    return axes


def chain_loss(layers: int = 8, first: float = 3.0) -> Landscape:
    """(b wⁿ − 1)²: a linear chain of n equal weights w after a first one, b, that should give 1.

    >>> chain_loss(3, first=0.5)(2.0)
    9.0
    """

    def loss(w: Any) -> Any:
        h = first
        for _ in range(layers):
            h = w * h
        return (h - 1.0) ** 2

    return loss


@dataclass(frozen=True)
class Cliff:
    """Descent from the top of the cliff of `chain_loss`, with and without clipping.

    Attributes:
        threshold: u.
        plain, clipped: w after each step, shape (steps + 1,).
        plain_norms, clipped_norms: |g| along them, before clipping, shape (steps + 1,).
    """

    threshold: float
    plain: Array
    clipped: Array
    plain_norms: Array
    clipped_norms: Array


def clipping_runs(rate: float = 0.01, threshold: float = 2.0, steps: int = 30) -> Cliff:
    """Both from w = 1: g ← g u/‖g‖ where ‖g‖ > u, or the gradient as it is."""
    options: Any = {"steps": steps, "tolerance": 0.0, "record": True}
    plain = minimize(chain_loss(), 1.0, optimizer=SGD(rate), **options)
    clipped = minimize(chain_loss(), 1.0, optimizer=Clipped(SGD(rate), threshold), **options)
    assert plain.gradient_norms is not None
    assert clipped.gradient_norms is not None
    return Cliff(threshold, plain.path, clipped.path, plain.gradient_norms, clipped.gradient_norms)


def clipping(ax: Any = None, run: Cliff | None = None) -> Panels:
    """A cliff with and without clipping of the gradient.

    Look at the first step of each: on the cliff the slope is so steep that plain descent is flung
    over the valley onto the plateau beyond it, where the gradient is nothing and the run is stuck.
    Clipped, a step has length α·u at most: the run climbs down the cliff, and once the gradient
    is below the threshold it is the very same method and comes to rest.

    >>> [line.get_label() for line in clipping()[0].lines][1]
    'without clipping'

    Source: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks",
    ICML 2013.
    """
    axes = style.panels(ax, 1, 2)
    run = clipping_runs() if run is None else run
    left, right = axes
    loss, w = chain_loss(), np.linspace(-0.4, 1.03, 300)
    left.plot(w, loss(w), color=style.GREY)
    for path, color, label in (
        (run.plain, style.VERMILION, "without clipping"),
        (run.clipped, style.GREEN, f"clipped at u = {run.threshold:g}"),
    ):
        style.trail(left, np.column_stack([path, loss(path)]), color, label)
    style.note(left, "plateau", (0.35, 1.1), ha="center", va="bottom")
    style.note(left, "cliff", (0.9, 1.9), ha="right")
    style.note(left, "start", (0.96, 4.1), ha="right", va="bottom")
    left.set(xlim=(-0.4, 1.1), ylim=(-0.2, 5.4))
    style.dress(left, title="(3w⁸ − 1)², a chain of eight layers", x="w", y="loss",
                legend="upper left")  # fmt: skip
    steps = np.arange(len(run.plain_norms))
    right.semilogy(steps, run.plain_norms, "o-", color=style.VERMILION, markersize=4)
    right.semilogy(steps, run.clipped_norms, "o-", color=style.GREEN, markersize=4)
    right.axhline(run.threshold, color=style.GREY, linestyle="--")
    style.note(right, "threshold u", (steps[-1], run.threshold), color=style.GREY, ha="right",
               va="bottom")  # fmt: skip
    style.dress(right, title="Gradient before clipping", x="step", y="|g|")
    return axes
