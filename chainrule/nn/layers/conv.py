"""Convolutions with parameters, channels last."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.elementary.base import shape_of
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.activations import Activation, get_activation
from chainrule.nn.initializers import Init, get_initializer
from chainrule.nn.layers.base import Layer, Shape, Tree
from chainrule.nn.layers.draws import Rng, starting
from chainrule.records import dataclass
from chainrule.spatial import conv1d, conv2d

Size = int | tuple[int, ...]


def sizes(layer: Layer, setting: str, value: Any, axes: int) -> tuple[int, ...]:
    """A setting as one whole number of 1 or more for each spatial axis."""
    values = (value,) * axes if isinstance(value, (int, np.integer)) else value
    good = isinstance(values, (tuple, list)) and len(values) == axes
    if not good or any(not isinstance(v, (int, np.integer)) or v < 1 for v in values):
        each = "" if axes == 1 else f", or {axes} of them, one for each spatial axis"
        raise layer.wrong(
            f"{setting} must be a whole number of 1 or more{each}",
            f"{setting}={value!r}",
            f"give one, such as {setting}={2 if axes == 1 else (2,) * axes}",
        )
    return tuple(int(v) for v in values)


def check_padding(layer: Layer, padding: Any, allowed: tuple[str, ...]) -> None:
    """Check that a padding is one of those that the layer knows."""
    if padding not in allowed:
        names = " or ".join(map(repr, allowed))
        raise layer.wrong(f"padding must be {names}", f"padding={padding!r}", "use one of them")


@dataclass(frozen=True)
class _Conv(Layer):
    """What both convolutions share; they differ in the number of spatial axes."""

    filters: int
    kernel_size: Size
    strides: Size = 1
    padding: str = "valid"
    dilation_rate: Size = 1
    groups: int = 1
    activation: Activation = None
    use_bias: bool = True
    kernel_initializer: Init = "glorot_uniform"
    bias_initializer: Init = "zeros"

    def __post_init__(self) -> None:
        axes = self._axes()
        self.whole("filters", self.filters)
        self.whole("groups", self.groups)
        if self.filters % self.groups:
            raise self.wrong(
                "every group has the same number of filters",
                f"filters={self.filters}, groups={self.groups}",
                "choose filters that the groups divide",
            )
        for setting in ("kernel_size", "strides", "dilation_rate"):
            sizes(self, setting, getattr(self, setting), axes)
        check_padding(self, self.padding, ("valid", "same", "causal")[: 4 - axes])
        get_activation(self.activation)
        get_initializer(self.kernel_initializer)
        get_initializer(self.bias_initializer)

    @abstractmethod
    def _axes(self) -> int: ...

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        self.output_shape(input_shape)
        rng = starting(rng)
        window = sizes(self, "kernel_size", self.kernel_size, self._axes())
        shape = (*window, int(input_shape[-1]) // self.groups, self.filters)
        params = {"kernel": get_initializer(self.kernel_initializer)(rng, shape, dtype)}
        if self.use_bias:
            params["bias"] = get_initializer(self.bias_initializer)(rng, (self.filters,), dtype)
        return params, {}

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        axes = self._axes()
        x = self.batch(x, axes + 2, f"(batch, {self._meaning()})")
        channels = shape_of(params["kernel"])[-2] * self.groups
        if shape_of(x)[-1] != channels:
            raise self.misfit(
                f"the input must have {channels} channels in its last axis",
                f"an array of shape {shape_of(x)}",
                "put the channels last, or build the layer for "
                f"input_shape={tuple(shape_of(x)[1:])}",
            )
        z = self._convolve(x, params["kernel"])
        if self.use_bias:
            z = z + params["bias"]
        return get_activation(self.activation)(z), state

    def _meaning(self) -> str:
        return ("length", "height, width")[self._axes() - 1] + ", channels"

    def _convolve(self, x: Any, kernel: Any) -> Any:
        axes = self._axes()
        padding: Any = self.padding
        gaps = sizes(self, "dilation_rate", self.dilation_rate, axes)
        if padding == "causal":
            padding = [((shape_of(kernel)[0] - 1) * gaps[0], 0)]
        strides = sizes(self, "strides", self.strides, axes)
        convolution = (conv1d, conv2d)[axes - 1]
        try:
            parts = [
                convolution(own, weights, stride=strides, padding=padding, dilation=gaps)
                for own, weights in self._groups(x, kernel)
            ]
            return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
        except (ShapeError, ArgumentError) as error:
            raise self.misfit(error.cause, error.got, error.remedy) from None

    def _groups(self, x: Any, kernel: Any) -> list[tuple[Any, Any]]:
        """Each group's channels, and the kernel of its filters."""
        if self.groups == 1:
            return [(x, kernel)]
        m, n = shape_of(kernel)[-2], self.filters // self.groups
        return [
            (x[..., k * m : (k + 1) * m], kernel[..., k * n : (k + 1) * n])
            for k in range(self.groups)
        ]

    def output_shape(self, input_shape: Shape) -> Shape:
        axes = self._axes()
        shape = self.example(input_shape, axes + 1, f"({self._meaning()})")
        window = sizes(self, "kernel_size", self.kernel_size, axes)
        # No example is enough to learn the shape from the convolution itself.
        if shape[-1] % self.groups:
            raise self.misfit(
                f"the input's channels are divided among {self.groups} groups",
                f"{shape[-1]} channels",
                "choose groups that divide them",
            )
        kernel = np.zeros((*window, shape[-1] // self.groups, self.filters))
        return tuple(self._convolve(np.zeros((0, *shape)), kernel).shape[1:])


@dataclass(frozen=True)
class Conv1D(_Conv):
    """y[b, t, o] = activation(bias[o] + Σₖ꜀ x[b, t·stride + k·dilation, c] kernel[k, c, o]).

    Names and defaults are Keras's; channels are last. PyTorch has channels first and draws
    kernel and bias from U(±1/√m).

    Args:
        filters: the number of output channels.
        kernel_size, strides, dilation_rate: whole numbers.
        padding: "valid" (none), "same" (⌈length/stride⌉ places; zeros on both sides) or "causal"
            (zeros before, so that no output sees later inputs).
        groups: so many times the input's channels and the filters are divided: the filters of a
            group see its channels only.
        activation, use_bias, kernel_initializer, bias_initializer: as in Dense.

    Parameters: ``kernel`` of shape (kernel_size, in/groups, filters), ``bias`` of shape (filters,).

    Raises:
        ArgumentError: a setting that is out of range or does not exist.
        ShapeError: an input that is not (batch, length, channels), or too short.

    >>> Conv1D(4, 3).output_shape((10, 2)), Conv1D(4, 3, 2, "same").output_shape((10, 2))
    ((8, 4), (5, 4))

    Source: Goodfellow et al., *Deep Learning*, chapter 9.
    """

    def _axes(self) -> int:
        return 1


@dataclass(frozen=True)
class Conv2D(_Conv):
    """y[b, i, j, o] = activation(bias[o] + Σ x[b, i·s + k, j·s + l, c] kernel[k, l, c, o]).

    Names and defaults are Keras's; channels are last. PyTorch has channels first and draws
    kernel and bias from U(±1/√m).

    Args:
        filters: the number of output channels.
        kernel_size, strides, dilation_rate: a number for both axes, or a pair.
        padding: "valid" (none) or "same" (⌈size/stride⌉ places; an odd zero stands at the end).
        groups: as in `Conv1D`; as many as channels make it a depthwise convolution.
        activation, use_bias, kernel_initializer, bias_initializer: as in Dense.

    Parameters: ``kernel`` of shape (height, width, in/groups, filters), ``bias`` of
    shape (filters,).

    Raises:
        ArgumentError: a setting that is out of range or does not exist.
        ShapeError: an input that is not (batch, height, width, channels), or too small.

    >>> Conv2D(16, 3, padding="same").output_shape((28, 28, 1))
    (28, 28, 16)

    Source: Goodfellow et al., *Deep Learning*, chapter 9.
    """

    def _axes(self) -> int:
        return 2
