"""Normalisation of each example over its own units, and of features by training statistics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from chainrule.elementary.base import shape_of
from chainrule.functions import floating
from chainrule.nn.initializers import Init, get_initializer
from chainrule.nn.layers.base import Layer, Shape, Tree
from chainrule.nn.layers.draws import Rng, starting
from chainrule.records import dataclass


def _from_front(layer: Layer, axis: int, axes: int) -> int:
    """An axis counted from the front; the batch axis 0 is none."""
    place = axis + axes if axis < 0 else axis
    if not 0 < place < axes:
        raise layer.misfit(
            f"there is no axis {axis} beside the batch axis",
            f"an input of {axes} axes, the batch axis included",
            "leave axis at -1, the last one",
        )
    return place


@dataclass(frozen=True)
class LayerNormalization(Layer):
    """y = γ (x − μ)/√(var + ε) + β, with μ and var of each example over the given axes.

    It is the same in training and outside, and for any batch.

    Args:
        axis: the axis or axes to normalise over.
        epsilon: ε, 0.001 as in Keras; PyTorch has 1e-5.
        center, scale: whether there are β and γ.

    Parameters: ``gamma`` and ``beta``, of the shape of the normalised axes.

    >>> layer = LayerNormalization(epsilon=0.0)
    >>> params, state = layer.build(0, (2,))
    >>> layer(params, state, np.array([[1.0, 3.0], [50.0, 10.0]]), training=False)[0]
    array([[-1.,  1.],
           [ 1., -1.]])

    Source: Ba, Kiros & Hinton, "Layer normalization", arXiv:1607.06450 (2016), eq. 3 and 4.
    """

    axis: int | tuple[int, ...] = -1
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Init = "zeros"
    gamma_initializer: Init = "ones"

    def __post_init__(self) -> None:
        if not self.epsilon >= 0.0:
            raise self.wrong(
                "epsilon is added to a variance", f"epsilon={self.epsilon}", "give 0 or more"
            )
        get_initializer(self.beta_initializer)
        get_initializer(self.gamma_initializer)

    def _places(self, axes: int) -> tuple[int, ...]:
        wanted = (self.axis,) if isinstance(self.axis, int) else self.axis
        return tuple(sorted(_from_front(self, axis, axes) for axis in wanted))

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        rng = starting(rng)
        full = (0, *input_shape)
        shape = tuple(full[i] for i in self._places(len(full)))
        params: Tree = {}
        if self.scale:
            params["gamma"] = get_initializer(self.gamma_initializer)(rng, shape, dtype)
        if self.center:
            params["beta"] = get_initializer(self.beta_initializer)(rng, shape, dtype)
        return params, {}

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        x = floating(x)
        shape = shape_of(x)
        places = self._places(len(shape))
        normalised = tuple(shape[i] for i in places)
        for array in params.values():
            if shape_of(array) != normalised:
                raise self.misfit(
                    f"the layer was built for {shape_of(array)} values to normalise over",
                    f"an array of shape {shape}",
                    f"build the layer for input_shape={shape[1:]}",
                )
        centred = x - np.mean(x, axis=places, keepdims=True)
        variance = np.mean(np.square(centred), axis=places, keepdims=True)
        y = centred / np.sqrt(variance + self.epsilon)
        aligned = tuple(n if i in places else 1 for i, n in enumerate(shape))
        if self.scale:
            y = np.reshape(params["gamma"], aligned) * y
        if self.center:
            y = y + np.reshape(params["beta"], aligned)
        return y, state


@dataclass(frozen=True)
class Normalization(Layer):
    """x′ = (x − μ)/σ for each feature, with μ and σ² of the training data, which never change.

    Call `adapt` with the training part alone: statistics of held-out rows would leak into the
    model. A feature that never varies is only centred; Keras divides it by 10⁻⁷.

    Args:
        axis: the axis of the features; None takes one mean and variance over everything.
        mean, variance: known ones instead of `adapt`; the variance is Σ(x − μ)²/n.
        invert: undo instead: x = σ x′ + μ.

    State: ``mean`` and ``variance``; there are no parameters.

    Raises:
        ArgumentError: built without statistics; a variance below 0.

    >>> x = np.array([[1.0, 100.0], [3.0, 300.0]])
    >>> layer = Normalization().adapt(x)
    >>> params, state = layer.build(0, (2,))
    >>> layer(params, state, x, training=False)[0]
    array([[-1., -1.],
           [ 1.,  1.]])

    Source: Bishop, *Neural Networks for Pattern Recognition* (Oxford 1995), section 8.2.
    """

    axis: int | None = -1
    mean: float | tuple[float, ...] | None = None
    variance: float | tuple[float, ...] | None = None
    invert: bool = False

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.variance is None):
            raise self.wrong(
                "mean and variance are given together",
                f"mean={self.mean}, variance={self.variance}",
                "give both, or none and call adapt(x_train)",
            )
        for field in ("mean", "variance"):
            value = getattr(self, field)
            if value is not None:  # a record compares and prints plain numbers
                values = np.asarray(value, float)
                plain = tuple(values.ravel().tolist()) if values.ndim else float(values)
                object.__setattr__(self, field, plain)
        if self.variance is not None and not np.all(np.asarray(self.variance) >= 0.0):
            raise self.wrong(
                "a variance is below 0", f"variance={self.variance}", "check the statistics"
            )

    def adapt(self, x: ArrayLike) -> Normalization:
        """This layer with the mean and variance of the training data x, rows first.

        Raises:
            ArgumentError: no rows, values that are not finite, or no numbers.
        """
        data = np.asarray(x)
        if data.dtype == object:  # what NumPy makes of a data frame of numbers and of truths
            try:
                data = data.astype(float)
            except (TypeError, ValueError) as error:
                raise self.wrong(
                    "the statistics are those of numbers", str(error), "encode or drop the rest"
                ) from None
        data = np.asarray(floating(data), float)
        axis = None if self.axis is None else _from_front(self, self.axis, data.ndim)
        others = tuple(i for i in range(data.ndim) if i != axis)
        if not data.size or not np.all(np.isfinite(data)):
            bad = data.size - np.count_nonzero(np.isfinite(data))
            raise self.wrong(
                "the statistics need at least one row and finite numbers",
                f"an array of shape {data.shape} with {bad} values that are not finite",
                "fill in or drop missing values first",
            )
        mean, variance = np.mean(data, axis=others), np.var(data, axis=others)
        return replace(self, mean=mean.tolist(), variance=variance.tolist())

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        if self.mean is None:
            raise self.wrong(
                "it has no statistics yet",
                "mean=None, variance=None",
                "layer = layer.adapt(x_train), with the training part alone",
            )
        state = {"mean": np.array(self.mean, dtype), "variance": np.array(self.variance, dtype)}
        self._aligned(state["mean"], (0, *input_shape))
        return {}, state

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        x = floating(x)
        mean = self._aligned(state["mean"], shape_of(x))
        variance = self._aligned(state["variance"], shape_of(x))
        sigma = np.sqrt(np.where(variance > 0.0, variance, 1.0)).astype(state["mean"].dtype)
        return (sigma * x + mean if self.invert else (x - mean) / sigma), state

    def _aligned(self, statistic: Any, shape: Shape) -> Any:
        """A statistic in a shape that broadcasts with an input of the given shape."""
        if self.axis is None or not shape_of(statistic):
            return statistic
        axis = _from_front(self, self.axis, len(shape))
        (features,) = shape_of(statistic)
        if shape[axis] != features:
            raise self.misfit(
                f"the statistics are of {features} features",
                f"an input of {shape[axis]} in axis {self.axis} (shape {shape[1:]} without the "
                "batch axis)",
                "adapt the layer to data with the same columns",
            )
        return np.reshape(statistic, tuple(features if i == axis else 1 for i in range(len(shape))))
