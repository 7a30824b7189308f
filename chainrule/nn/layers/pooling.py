"""Pooling over windows of one or two spatial axes, or over all places; channels last."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.layers.base import Layer, Shape, Tree
from chainrule.nn.layers.conv import Size, check_padding, sizes
from chainrule.nn.layers.draws import Rng
from chainrule.records import dataclass
from chainrule.spatial import average_pool, max_pool

_MEANING = ("length, channels", "height, width, channels")


@dataclass(frozen=True)
class _Pooling(Layer):
    """What pooling over windows shares; names and defaults are Keras's.

    Args:
        pool_size: the window: a number for every axis, or one for each.
        strides: the step between windows; pool_size by default.
        padding: "valid" or "same"; padded places are never the maximum and don't count in a mean
            (in PyTorch's average they do).
    """

    pool_size: Size = 2
    strides: Size | None = None
    padding: str = "valid"

    def __post_init__(self) -> None:
        sizes(self, "pool_size", self.pool_size, self._axes())
        if self.strides is not None:
            sizes(self, "strides", self.strides, self._axes())
        check_padding(self, self.padding, ("valid", "same"))

    @abstractmethod
    def _axes(self) -> int: ...

    @abstractmethod
    def _pool(self, x: Any, window: Any, stride: Any) -> Any: ...

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        axes = self._axes()
        x = self.batch(x, axes + 2, f"(batch, {_MEANING[axes - 1]})")
        window = sizes(self, "pool_size", self.pool_size, axes)
        stride = window if self.strides is None else sizes(self, "strides", self.strides, axes)
        try:
            return self._pool(x, window, stride), state
        except (ShapeError, ArgumentError) as error:
            raise self.misfit(error.cause, error.got, error.remedy) from None

    def output_shape(self, input_shape: Shape) -> Shape:
        axes = self._axes()
        shape = self.example(input_shape, axes + 1, f"({_MEANING[axes - 1]})")
        # No example is enough to learn the shape from the pooling itself.
        pooled, _ = self({}, {}, np.zeros((0, *shape)), training=False)
        return tuple(pooled.shape[1:])


@dataclass(frozen=True)
class _MaxPooling(_Pooling):
    def _pool(self, x: Any, window: Any, stride: Any) -> Any:
        return max_pool(x, window, stride=stride, padding=self.padding)


@dataclass(frozen=True)
class _AveragePooling(_Pooling):
    def _pool(self, x: Any, window: Any, stride: Any) -> Any:
        return average_pool(x, window, stride=stride, padding=self.padding)


@dataclass(frozen=True)
class MaxPooling1D(_MaxPooling):
    """The maximum over windows of one axis: (batch, length, channels).

    Args: as `MaxPooling2D`.

    >>> MaxPooling1D(2)({}, {}, np.array([[[1.0], [3.0], [2.0]]]), training=False)[0].ravel()
    array([3.])
    """

    def _axes(self) -> int:
        return 1


@dataclass(frozen=True)
class MaxPooling2D(_MaxPooling):
    """The maximum over windows of two axes: (batch, height, width, channels).

    Args:
        pool_size: the window, one number for both axes or a pair; 2 by default.
        strides: the step between windows; pool_size by default.
        padding: "valid" or "same".

    k equal maxima of a window share the slope, 1/k each; Keras and PyTorch give it to the first.

    >>> MaxPooling2D().output_shape((28, 28, 16))
    (14, 14, 16)

    Source: Goodfellow et al., *Deep Learning*, section 9.3.
    """

    def _axes(self) -> int:
        return 2


@dataclass(frozen=True)
class AveragePooling1D(_AveragePooling):
    """The mean over windows of one axis: (batch, length, channels).

    Args: as `AveragePooling2D`.

    >>> AveragePooling1D(2)({}, {}, np.array([[[1.0], [3.0]]]), training=False)[0].ravel()
    array([2.])
    """

    def _axes(self) -> int:
        return 1


@dataclass(frozen=True)
class AveragePooling2D(_AveragePooling):
    """The mean over windows of two axes: (batch, height, width, channels).

    Args: as `MaxPooling2D`. Padded places don't count, as in Keras; in PyTorch they do, unless
    ``count_include_pad=False``.

    >>> AveragePooling2D(3, 2, "same").output_shape((7, 7, 4))
    (4, 4, 4)

    Source: Goodfellow et al., *Deep Learning*, section 9.3.
    """

    def _axes(self) -> int:
        return 2


@dataclass(frozen=True)
class _GlobalPooling(Layer):
    """One number for each channel; keepdims leaves axes of length one."""

    keepdims: bool = False

    @abstractmethod
    def _axes(self) -> int: ...

    @abstractmethod
    def _reduce(self, x: Any, axes: tuple[int, ...]) -> Any: ...

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        axes = self._axes()
        x = self.batch(x, axes + 2, f"(batch, {_MEANING[axes - 1]})")
        return self._reduce(x, tuple(range(1, axes + 1))), state

    def output_shape(self, input_shape: Shape) -> Shape:
        axes = self._axes()
        shape = self.example(input_shape, axes + 1, f"({_MEANING[axes - 1]})")
        return (*(1,) * axes, shape[-1]) if self.keepdims else shape[-1:]


@dataclass(frozen=True)
class _GlobalMax(_GlobalPooling):
    def _reduce(self, x: Any, axes: tuple[int, ...]) -> Any:
        return np.max(x, axis=axes, keepdims=self.keepdims)


@dataclass(frozen=True)
class _GlobalAverage(_GlobalPooling):
    def _reduce(self, x: Any, axes: tuple[int, ...]) -> Any:
        return np.mean(x, axis=axes, keepdims=self.keepdims)


@dataclass(frozen=True)
class GlobalMaxPooling1D(_GlobalMax):
    """The maximum of each channel over the length.

    >>> GlobalMaxPooling1D().output_shape((10, 3))
    (3,)
    """

    def _axes(self) -> int:
        return 1


@dataclass(frozen=True)
class GlobalMaxPooling2D(_GlobalMax):
    """The maximum of each channel over height and width.

    >>> GlobalMaxPooling2D(keepdims=True).output_shape((7, 7, 3))
    (1, 1, 3)
    """

    def _axes(self) -> int:
        return 2


@dataclass(frozen=True)
class GlobalAveragePooling1D(_GlobalAverage):
    """The mean of each channel over the length.

    >>> GlobalAveragePooling1D().output_shape((10, 3))
    (3,)
    """

    def _axes(self) -> int:
        return 1


@dataclass(frozen=True)
class GlobalAveragePooling2D(_GlobalAverage):
    """The mean of each channel over height and width.

    >>> GlobalAveragePooling2D().output_shape((7, 7, 3))
    (3,)

    Source: Lin, Chen & Yan, "Network in network", ICLR (2014), section 3.2.
    """

    def _axes(self) -> int:
        return 2
