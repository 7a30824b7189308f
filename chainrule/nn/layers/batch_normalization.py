"""Batch normalisation."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.elementary.base import shape_of
from chainrule.functions import floating
from chainrule.nn.initializers import Init, get_initializer
from chainrule.nn.layers.base import Layer, Shape, Tree
from chainrule.nn.layers.draws import Rng, starting
from chainrule.records import dataclass


@dataclass(frozen=True)
class BatchNormalization(Layer):
    """y = γ (x − μ)/σ + β for each unit or channel, with μ and σ of the batch while training.

    In training μ and σ = √(var + ε) are those of the batch, and gradients flow through both; var
    is Σ(x − μ)²/m over the m values of a unit: the rows, and after a convolution the places too.
    Outside training they come from running averages, so that a single example can be evaluated:

        running ← momentum · running + (1 − momentum) · batch.

    Args:
        axis: the axis of the units or channels; all others are averaged over.
        momentum: the share of the old running average that is kept. PyTorch's momentum is
            1 − this, 0.1 by default.
        epsilon: ε (the lecture's δ), inside the root. As in Keras; PyTorch has 1e-5.
        center, scale: whether there are β and γ.
        unbiased: whether the running variance takes Σ(x − μ)²/(m − 1), as in PyTorch; Keras, and
            the default here, takes Σ(x − μ)²/m. The batch itself is always divided by the latter.

    Parameters: ``gamma`` and ``beta``. State: ``moving_mean`` and ``moving_variance``. All of
    shape (units,).

    Raises:
        ArgumentError: a momentum or epsilon out of range; one value a unit in training, whose
            variance would be 0.

    >>> layer = BatchNormalization(epsilon=0.0, momentum=0.5)
    >>> params, state = layer.build(0, (1,))
    >>> y, state = layer(params, state, np.array([[1.0], [3.0]]), training=True)
    >>> y.ravel(), state["moving_mean"], state["moving_variance"]
    (array([-1.,  1.]), array([1.]), array([1.]))
    >>> layer(params, state, np.array([[2.0]]), training=False)[0]
    array([[1.]])

    Source: Ioffe & Szegedy, "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", ICML (2015), algorithms 1 and 2.
    """

    axis: int = -1
    momentum: float = 0.99
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Init = "zeros"
    gamma_initializer: Init = "ones"
    moving_mean_initializer: Init = "zeros"
    moving_variance_initializer: Init = "ones"
    unbiased: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.momentum <= 1.0:
            raise self.wrong(
                "momentum is the share of the old running average that is kept",
                f"momentum={self.momentum}",
                "give a number from 0 to 1, such as 0.99; it is 1 − PyTorch's momentum",
            )
        if not self.epsilon >= 0.0:
            raise self.wrong(
                "epsilon is added to a variance", f"epsilon={self.epsilon}", "give 0 or more"
            )
        for init in (self.beta_initializer, self.gamma_initializer):
            get_initializer(init)
        for init in (self.moving_mean_initializer, self.moving_variance_initializer):
            get_initializer(init)

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        rng = starting(rng)
        units = ((0, *input_shape)[self._axis(len(input_shape) + 1)],)

        def start(init: Init) -> Any:
            return get_initializer(init)(rng, units, dtype)

        params = {"gamma": start(self.gamma_initializer)} if self.scale else {}
        if self.center:
            params["beta"] = start(self.beta_initializer)
        state = {
            "moving_mean": start(self.moving_mean_initializer),
            "moving_variance": start(self.moving_variance_initializer),
        }
        return params, state

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        x = floating(x)
        shape = shape_of(x)
        axis = self._axis(len(shape))
        (units,) = shape_of(state["moving_mean"])
        if shape[axis] != units:
            raise self.misfit(
                f"the input must have {units} units or channels in axis {axis}",
                f"an array of shape {shape}",
                f"build the layer for input_shape={shape[1:]}",
            )
        aligned = tuple(units if i == axis else 1 for i in range(len(shape)))
        if training:
            others = tuple(i for i in range(len(shape)) if i != axis)
            m = prod(shape[i] for i in others)
            self._several(m, shape)
            mean = np.mean(x, axis=others)
            centred = x - np.reshape(mean, aligned)
            variance = np.mean(np.square(centred), axis=others)
            seen = variance * (m / (m - 1)) if self.unbiased else variance
            state = {
                "moving_mean": self._running(state["moving_mean"], mean),
                "moving_variance": self._running(state["moving_variance"], seen),
            }
        else:
            mean, variance = state["moving_mean"], state["moving_variance"]
            centred = x - np.reshape(mean, aligned)
        sigma = np.sqrt(variance + self.epsilon)
        y = centred / np.reshape(sigma, aligned)
        if self.scale:
            y = np.reshape(params["gamma"], aligned) * y
        if self.center:
            y = y + np.reshape(params["beta"], aligned)
        return y, state

    def _running(self, old: Any, new: Any) -> Any:
        return self.momentum * old + (1.0 - self.momentum) * new

    def _axis(self, axes: int) -> int:
        """The axis of the units, counted from the front; the batch axis is 0."""
        axis = self.axis + axes if self.axis < 0 else self.axis
        if not 0 < axis < axes:
            raise self.misfit(
                f"there is no axis {self.axis} of units beside the batch axis",
                f"an input of {axes} axes, the batch axis included",
                "leave axis at -1, the last one",
            )
        return axis

    def _several(self, m: int, shape: Shape) -> None:
        if m < 2:
            raise self.wrong(
                "training needs at least two values of each unit: with one, its variance is 0 and "
                "the output is β whatever the input",
                f"an array of shape {shape}",
                "use another batch_size, since the last batch of an epoch may be short, or "
                "steps_per_epoch=len(x) // batch_size, which leaves it out (each epoch has another "
                "order); training=False predicts with the running averages",
            )
