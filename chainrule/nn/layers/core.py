"""Dense, and the layers without parameters that change values or shapes one by one."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import optree
from numpy.typing import DTypeLike

from chainrule.elementary.base import shape_of
from chainrule.functions import floating
from chainrule.nn.activations import Activation as ActivationLike
from chainrule.nn.activations import get_activation
from chainrule.nn.initializers import Init, get_initializer
from chainrule.nn.layers.base import Layer, Shape, Tree, zeros
from chainrule.nn.layers.draws import Rng, starting
from chainrule.records import dataclass


@dataclass(frozen=True)
class Dense(Layer):
    """y = activation(x · kernel + bias), over the last axis of x.

    Names and defaults are Keras's. PyTorch's ``Linear`` keeps the kernel transposed, draws it from
    U(±1/√m) and the bias too.

    Args:
        units: the number n of outputs.
        activation: a name, a function, or None for a linear layer.
        use_bias: whether to add a bias.
        kernel_initializer, bias_initializer: a name, a record, or a function of (rng, shape,
            dtype).

    Parameters: ``kernel`` of shape (m, n), ``bias`` of shape (n,).

    Raises:
        ArgumentError: fewer than one unit; an activation or initialiser that does not exist.
        ShapeError: an input of another width than the layer was built for.

    >>> layer = Dense(2, kernel_initializer="ones")
    >>> params, state = layer.build(0, (3,))
    >>> layer(params, state, np.array([[1.0, 2.0, 3.0]]), training=False)[0]
    array([[6., 6.]])

    Source: Goodfellow, Bengio & Courville, *Deep Learning* (MIT Press 2016), section 6.1.
    """

    units: int
    activation: ActivationLike = None
    use_bias: bool = True
    kernel_initializer: Init = "glorot_uniform"
    bias_initializer: Init = "zeros"

    def __post_init__(self) -> None:
        self.whole("units", self.units)
        get_activation(self.activation)
        get_initializer(self.kernel_initializer)
        get_initializer(self.bias_initializer)

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        self.output_shape(input_shape)
        rng = starting(rng)
        shape = (int(input_shape[-1]), self.units)
        params = {"kernel": get_initializer(self.kernel_initializer)(rng, shape, dtype)}
        if self.use_bias:
            params["bias"] = get_initializer(self.bias_initializer)(rng, (self.units,), dtype)
        return params, {}

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        x = floating(x)
        width = shape_of(params["kernel"])[0]
        shape = shape_of(x)
        if len(shape) < 2 or shape[-1] != width:
            single = len(shape) == 1 and shape[0] == width
            raise self.misfit(
                f"the input must have {width} features in its last axis, after the batch axis",
                f"an array of shape {shape}",
                "x[None] makes a batch of one example"
                if single
                else f"give an array of shape (batch, {width}), or build the layer for "
                f"input_shape={shape[1:]}",
            )
        z = x @ params["kernel"]
        if self.use_bias:
            z = z + params["bias"]
        return get_activation(self.activation)(z), state

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise self.misfit(
                "one example must have at least one feature in its last axis",
                "an input shape of (): each example is a single number",
                "x[:, None] makes them rows of one feature: shape (rows, 1)",
            )
        if input_shape[-1] < 1:
            raise self.misfit(
                "one example must have at least one feature in its last axis",
                f"an input shape of {tuple(input_shape)} (without the batch axis)",
                "build it for a shape such as (features,)",
            )
        return (*input_shape[:-1], self.units)


@dataclass(frozen=True)
class Activation(Layer):
    """y = activation(x), element by element (softmax: along the last axis).

    Args:
        activation: a name, or a function of one array.

    >>> Activation("relu")({}, {}, np.array([[-1.0, 2.0]]), training=False)[0]
    array([[0., 2.]])
    """

    activation: ActivationLike

    def __post_init__(self) -> None:
        get_activation(self.activation)

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        return get_activation(self.activation)(x), state


@dataclass(frozen=True)
class Lambda(Layer):
    """y = function(x): any function of NumPy code without parameters, on the whole batch.

    Of a network with several inputs x is the dict or tuple of them.

    >>> Lambda(np.square)({}, {}, np.array([[-1.0, 2.0]]), training=False)[0]
    array([[1., 4.]])
    """

    function: Callable[[Any], Any]

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        return self.function(optree.tree_map(floating, x)), state

    def output_shape(self, input_shape: Shape) -> Shape:
        found = self.function(zeros(input_shape, 1))
        return tuple(np.shape(found)[1:])


@dataclass(frozen=True)
class Flatten(Layer):
    """All axes but the first as one: (batch, height, width, channels) → (batch, features).

    >>> Flatten().output_shape((28, 28, 1))
    (784,)
    """

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        x = floating(x)
        rows, *rest = shape_of(x)
        return np.reshape(x, (rows, prod(rest))), state

    def output_shape(self, input_shape: Shape) -> Shape:
        return (prod(input_shape),)


@dataclass(frozen=True)
class Reshape(Layer):
    """Each example in another shape; one number of it may be −1, whatever is left.

    >>> Reshape((28, 28, -1)).output_shape((784,))
    (28, 28, 1)
    """

    target_shape: Shape

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        x = floating(x)
        shape = shape_of(x)
        return np.reshape(x, (shape[0], *self.output_shape(shape[1:]))), state

    def output_shape(self, input_shape: Shape) -> Shape:
        try:
            return np.empty((0, *input_shape)).reshape(0, *self._full(input_shape)).shape[1:]
        except (ValueError, ZeroDivisionError):
            raise self.misfit(
                f"{prod(input_shape)} numbers do not fill the target shape",
                f"examples of shape {tuple(input_shape)} for the shape {self.target_shape}",
                "give a target_shape with as many elements, or -1 for one of its axes",
            ) from None

    def _full(self, input_shape: Shape) -> Shape:
        known = prod(n for n in self.target_shape if n != -1)
        rest, left_over = divmod(prod(input_shape), known)
        full = tuple(rest if n == -1 else n for n in self.target_shape)
        if left_over or prod(full) != prod(input_shape) or min(full, default=1) < 0:
            raise ValueError
        return full
