"""What an initialiser is, and those that draw alike whatever the shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.naming import user_line
from chainrule.records import dataclass

Shape = Sequence[int]
Array = NDArray[Any]

# The standard deviation of a standard normal cut off at ±2; dividing by it restores the variance.
CUT_AT_TWO = 0.87962566103423978


def fans(shape: Shape) -> tuple[int, int]:
    """(m, n): how many inputs feed one unit of a kernel, and how many units one input feeds.

    A kernel has shape (*space, in, out); both numbers count every position of the window.

    >>> fans((13, 16)), fans((3, 3, 8, 4))
    ((13, 16), (72, 36))

    Source: He, Zhang, Ren & Sun (2015), section 2.2.
    """
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    window = prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


@dataclass(frozen=True)
class Initializer(ABC):
    """Draws an array of starting values."""

    def __call__(
        self, rng: np.random.Generator, shape: Shape, dtype: DTypeLike = np.float64
    ) -> Array:
        """Starting values of a shape, drawn from rng and then rounded to dtype."""
        return np.asarray(self.draw(rng, tuple(shape)), dtype)

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Starting values of a shape, in float64."""

    @abstractmethod
    def variance(self, shape: Shape) -> float:
        """The variance of each element that the distribution predicts; 0 where nothing is drawn."""


@dataclass(frozen=True)
class Constant(Initializer):
    """The same value everywhere, or given values broadcast to the shape. For biases.

    Equal kernels keep all units of a layer equal for ever: they get the same gradients.

    >>> Constant(0.1)(np.random.default_rng(0), (3,))
    array([0.1, 0.1, 0.1])

    Source: Goodfellow et al., *Deep Learning*, section 8.4.
    """

    value: float | tuple[float, ...] = 0.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        try:
            return np.broadcast_to(np.array(self.value, float), shape).copy()
        except ValueError:
            raise ShapeError(
                "the constant does not fit what it is to fill",
                got=f"values of shape {np.shape(self.value)} for an array of shape {shape}",
                line=user_line(),
                remedy="give one number, or one for each unit",
            ) from None

    def variance(self, shape: Shape) -> float:
        return 0.0


@dataclass(frozen=True)
class Zeros(Constant):
    """Zero everywhere."""


@dataclass(frozen=True)
class Ones(Constant):
    """One everywhere."""

    value: float | tuple[float, ...] = 1.0


@dataclass(frozen=True)
class RandomNormal(Initializer):
    """N(mean, stddev²), whatever the shape.

    >>> RandomNormal(stddev=2.0).variance((5, 5))
    4.0
    """

    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        not_negative(self, "stddev", self.stddev)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.normal(self.mean, self.stddev, shape)

    def variance(self, shape: Shape) -> float:
        return self.stddev**2


@dataclass(frozen=True)
class TruncatedNormal(RandomNormal):
    """N(mean, stddev²) without what lies more than two stddev from the mean, which is redrawn.

    The cut leaves 0.774 of the variance, as in Keras.

    >>> float(np.abs(TruncatedNormal(stddev=1.0)(np.random.default_rng(0), (1000,))).max()) <= 2.0
    True
    """

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return self.mean + self.stddev * truncated(rng, shape)

    def variance(self, shape: Shape) -> float:
        return (CUT_AT_TWO * self.stddev) ** 2


@dataclass(frozen=True)
class RandomUniform(Initializer):
    """U(minval, maxval), whatever the shape.

    >>> round(RandomUniform(-1.0, 1.0).variance((5, 5)), 4)
    0.3333
    """

    minval: float = -0.05
    maxval: float = 0.05

    def __post_init__(self) -> None:
        if not self.minval <= self.maxval:
            raise ArgumentError(
                "the lower end of a uniform distribution is above the upper",
                got=f"minval={self.minval}, maxval={self.maxval}",
                line=user_line(),
                remedy="exchange them",
            )

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.uniform(self.minval, self.maxval, shape)

    def variance(self, shape: Shape) -> float:
        return (self.maxval - self.minval) ** 2 / 12.0


def truncated(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Standard normal numbers, those beyond ±2 drawn again."""
    values = rng.normal(size=shape)
    while np.any(outside := np.abs(values) > 2.0):
        values[outside] = rng.normal(size=np.count_nonzero(outside))
    return values


def not_negative(init: Initializer, name: str, value: float) -> None:
    """Check a setting of an initialiser."""
    if not value >= 0:
        raise ArgumentError(
            f"{type(init).__name__} needs a {name} of 0 or more",
            got=f"{name}={value}",
            line=user_line(),
            remedy=f"give a positive {name}",
        )
