"""What a layer is: a small frozen record that builds its arrays and applies them.

A layer owns no arrays. `build` makes its parameters (which training changes) and its state (which
a call in training returns anew, such as running averages); both are dicts of arrays, nested for
containers. A call is a pure function of them and of the input, and so can be traced.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from chainrule.elementary.base import shape_of
from chainrule.errors import ArgumentError, ShapeError
from chainrule.functions import floating
from chainrule.nn.layers.draws import Rng, starting
from chainrule.nn.naming import user_line
from chainrule.records import dataclass

if TYPE_CHECKING:
    from chainrule.insight.drawing import Drawing

Shape = tuple[int, ...]
Tree = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Layer(ABC):
    """One step of a network. Subclass it and write `__call__`, and `build` if it has parameters.

    A subclass is a frozen dataclass of its settings. The batch is the first axis of every input;
    shapes that are given to `build` and `output_shape` leave it out.

    Args:
        name: what errors, summaries and the keys of parameters call the layer. A container names
            those without a name after their class: dense, dense_1, …

    A layer of the user's, with one parameter:

    >>> from chainrule import nn
    >>> @dataclass(frozen=True)
    ... class Scale(nn.Layer):
    ...     def build(self, rng, input_shape, *, dtype=np.float64):
    ...         return {"factor": np.full(input_shape, 2.0, dtype)}, {}
    ...
    ...     def __call__(self, params, state, x, *, training, rng=None):
    ...         return params["factor"] * x, state
    >>> net = nn.Sequential([Scale(), nn.Dense(1, kernel_initializer="ones")])
    >>> params, state = net.build(0, (3,))
    >>> net(params, state, np.array([[1.0, 2.0, 3.0]]), training=False)[0]
    array([[12.]])
    """

    name: str | None = None

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        """Starting values.

        Args:
            rng: a seed or a NumPy generator; the same seed gives the same values.
            input_shape: the shape of one example, without the batch axis.
            dtype: of all arrays made; float64 unless told (Keras and PyTorch: float32).

        Returns:
            (params, state), each a dict of arrays, empty where there are none.
        """
        self.output_shape(input_shape)
        return {}, {}

    @abstractmethod
    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        """Apply the layer.

        Args:
            params, state: as `build` made them, plain or traced.
            x: the input, with the batch as its first axis.
            training: whether this is a step of training or a use of the network.
            rng: for layers that draw in training: a seed, a key or a generator. The same seed or
                key draws the same.

        Returns:
            (output, state after the call); outside training the state is unchanged.
        """

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of one output for the shape of one input, both without the batch axis.

        A layer of the user's that does not say it is built and called once, with zeros.
        """
        if not type(self).__module__.startswith("chainrule."):
            with np.errstate(all="ignore"), contextlib.suppress(Exception):
                own = type(self).build is not Layer.build
                params, state = self.build(starting(0), input_shape) if own else ({}, {})
                y, _ = self(params, state, zeros(input_shape, 1), training=False)
                return tuple(shape_of(y)[1:])
        return tuple(input_shape)

    def draw(
        self,
        input_shape: Any,
        *,
        unfold: bool | str | Sequence[str] = False,
        direction: Literal["auto", "right", "down"] = "auto",
        theme: Literal["auto", "light", "dark"] = "auto",
    ) -> Drawing:
        """Draw the layer, or the network that it is: shapes and numbers of parameters.

        Args:
            input_shape: the shape of one example, without the batch axis.
            unfold: True for the elementary functions of every layer, or the names of some layers.
            direction, theme: as for `cr.Model.draw`, which shows values and gradients too.
        """
        from chainrule.nn.drawing import draw_network

        params, state = self.build(0, input_shape)
        name = self.name or type(self).__name__
        return draw_network(
            self, params, state, input_shape,
            unfold=unfold, direction=direction, theme=theme, title=name,
        )  # fmt: skip

    @property
    def label(self) -> str:
        """How errors name the layer: its class, and its name if it has one."""
        kind = type(self).__name__
        return f"{kind} '{self.name}'" if self.name else kind

    def wrong(self, cause: str, got: str, remedy: str) -> ArgumentError:
        """The error for a setting or an argument of this layer."""
        return ArgumentError(f"{self.label}: {cause}", got=got, line=user_line(), remedy=remedy)

    def misfit(self, cause: str, got: str, remedy: str) -> ShapeError:
        """The error for an input of a shape that this layer cannot take."""
        return ShapeError(f"{self.label}: {cause}", got=got, line=user_line(), remedy=remedy)

    def whole(self, setting: str, value: Any, least: int = 1) -> None:
        """Check that a setting is a whole number, and large enough."""
        good = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not (good and value >= least):
            raise self.wrong(
                f"{setting} must be a whole number of {least} or more",
                f"{setting}={value!r}",
                f"give one, such as {setting}={max(least, 16)}",
            )

    def batch(self, x: Any, axes: int, meaning: str) -> Any:
        """The input as floating-point numbers, checked to have that many axes."""
        x = floating(x)
        shape = shape_of(x)
        if len(shape) != axes:
            hint = "x[None] makes a batch of one example" if len(shape) == axes - 1 else ""
            if len(shape) == axes - 1 and axes > 2:
                hint += ", x[..., None] adds a channel axis"
            raise self.misfit(
                f"the input must have {axes} axes, {meaning}",
                f"an array of shape {shape}",
                hint or "reshape it, or put a layer such as Flatten before",
            )
        return x

    def example(self, input_shape: Shape, axes: int, meaning: str) -> Shape:
        """The shape of one example, checked to have that many axes."""
        shape = tuple(input_shape)
        if len(shape) != axes:
            hint = "reshape the data, or put a layer such as Flatten or Reshape before"
            if len(shape) == axes - 1 >= 1:
                hint = f"x[..., None] adds a channel axis, nn.Reshape({(*shape, 1)}) too"
            raise self.misfit(
                f"one example must have {axes} {'axis' if axes == 1 else 'axes'}, {meaning}",
                f"an input shape of {shape} (without the batch axis)",
                hint,
            )
        return shape


def zeros(shape: Any, rows: int, dtype: Any = np.float64) -> Any:
    """Zeros for the shape of one example, or a tree of them for a tree of shapes.

    >>> zeros({"a": (2,), "b": ()}, 1)
    {'a': array([[0., 0.]]), 'b': array([0.])}
    """
    if isinstance(shape, dict):
        return {key: zeros(part, rows, dtype) for key, part in shape.items()}
    if all(isinstance(n, (int, np.integer)) for n in shape):
        return np.zeros((rows, *shape), dtype)
    return tuple(zeros(part, rows, dtype) for part in shape)
