"""Starting values of weights, drawn so that signals neither grow nor fade from layer to layer.

Each is a frozen record, called as ``init(rng, shape, dtype)``. The same generator state gives the
same numbers; float32 gives the same numbers rounded. `get_initializer` finds one by its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.naming import lookup, user_line

Shape = Sequence[int]
Array = NDArray[Any]

# The standard deviation of a standard normal cut off at ±2; dividing by it restores the variance.
_CUT_AT_TWO = 0.87962566103423978


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
        _not_negative(self, "stddev", self.stddev)

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
        return self.mean + self.stddev * _truncated(rng, shape)

    def variance(self, shape: Shape) -> float:
        return (_CUT_AT_TWO * self.stddev) ** 2


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


@dataclass(frozen=True)
class VarianceScaling(Initializer):
    """Mean 0 and variance scale/k, where k is the number of inputs, outputs, or their mean.

    Args:
        scale: 1 keeps the variance through linear units, 2 through relus.
        mode: "fan_in" (k = m), "fan_out" (k = n) or "fan_avg" (k = (m + n)/2).
        distribution: "truncated_normal" (cut at two standard deviations, then widened to have the
            full variance), "untruncated_normal" or "uniform".

    >>> VarianceScaling(2.0, "fan_in").variance((8, 4))
    0.25

    Source: He, Zhang, Ren & Sun (2015), section 2.2.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"

    def __post_init__(self) -> None:
        _not_negative(self, "scale", self.scale)
        lookup("mode", self.mode, dict.fromkeys(("fan_in", "fan_out", "fan_avg")))
        distributions = ("truncated_normal", "untruncated_normal", "uniform")
        lookup("distribution", self.distribution, dict.fromkeys(distributions))

    def variance(self, shape: Shape) -> float:
        m, n = fans(shape)
        return self.scale / max({"fan_in": m, "fan_out": n, "fan_avg": (m + n) / 2}[self.mode], 1)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        if self.distribution == "uniform":
            limit = sqrt(3.0 * self.variance(shape))
            return rng.uniform(-limit, limit, shape)
        stddev = sqrt(self.variance(shape))
        if self.distribution == "untruncated_normal":
            return rng.normal(0.0, stddev, shape)
        return stddev / _CUT_AT_TWO * _truncated(rng, shape)


@dataclass(frozen=True)
class XavierNormal(VarianceScaling):
    """Xavier: N(0, 1/m), for units whose slope is 1 around 0; the same as `lecun_normal`.

    Keras's ``LecunNormal`` is cut off at two standard deviations and has the same variance;
    PyTorch's ``xavier_normal_`` is `GlorotNormal` here.

    >>> XavierNormal().variance((50, 20))
    0.02

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp" (1998), section 4.6.
    """

    distribution: str = "untruncated_normal"


@dataclass(frozen=True)
class LecunUniform(VarianceScaling):
    """U(±√(3/m)): the variance 1/m of `XavierNormal`.

    >>> LecunUniform().variance((50, 20))
    0.02
    """

    distribution: str = "uniform"


@dataclass(frozen=True)
class HeNormal(VarianceScaling):
    """N(0, 2/m), for a layer that relu follows, which lets half of the variance through.

    Keras cuts the distribution off at two standard deviations, with the same variance.

    >>> HeNormal().variance((8, 3))
    0.25

    Source: He, Zhang, Ren & Sun (2015), "Delving deep into rectifiers", eq. 10.
    """

    scale: float = 2.0
    distribution: str = "untruncated_normal"


@dataclass(frozen=True)
class HeUniform(VarianceScaling):
    """U(±√(6/m)): the variance 2/m of `HeNormal`.

    >>> HeUniform().variance((8, 3))
    0.25

    Source: He, Zhang, Ren & Sun (2015), section 2.2.
    """

    scale: float = 2.0
    distribution: str = "uniform"


@dataclass(frozen=True)
class GlorotUniform(VarianceScaling):
    """Normalised: U(±√(6/(m + n))), between keeping activations (1/m) and gradients (1/n).

    The default of Dense and convolutions, as in Keras; PyTorch draws from U(±1/√m).

    >>> GlorotUniform().variance((3, 5))
    0.25

    Source: Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward
    neural networks", eq. 16.
    """

    mode: str = "fan_avg"
    distribution: str = "uniform"


@dataclass(frozen=True)
class GlorotNormal(VarianceScaling):
    """N(0, 2/(m + n)): the normal form of `GlorotUniform`. Keras cuts it off at two stddev.

    >>> GlorotNormal().variance((3, 5))
    0.25

    Source: Glorot & Bengio (2010), eq. 12.
    """

    mode: str = "fan_avg"
    distribution: str = "untruncated_normal"


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """gain · Q, with Q uniform among the matrices of orthonormal columns (or rows, if wide).

    Q R of a normal matrix, where each column takes the sign of R's diagonal; a convolution's
    kernel is the matrix of shape (*space · in, out).

    >>> w = Orthogonal()(np.random.default_rng(0), (5, 3))
    >>> bool(np.allclose(w.T @ w, np.eye(3)))
    True

    Source: Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks", ICLR (2014); Mezzadri, Notices of the AMS 54 (2007), for the sign.
    """

    gain: float = 1.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        rows, columns = _matrix(self, shape)
        q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
        return self.gain * (q if rows >= columns else q.T).reshape(shape)

    def variance(self, shape: Shape) -> float:
        return self.gain**2 / max(_matrix(self, shape))


@dataclass(frozen=True)
class Sparse(Initializer):
    """k random inputs of each unit get weights from N(0, stddev²), all others 0.

    The sum over many inputs m keeps its scale without each weight becoming tiny, and the units
    differ more. stddev is 1/√k by default, which keeps the variance of the inputs.

    >>> np.count_nonzero(Sparse(2)(np.random.default_rng(0), (9, 3)), axis=0)
    array([2, 2, 2])

    Source: Martens, "Deep learning via Hessian-free optimization", ICML (2010), section 5;
    *Deep Learning*, section 8.4.
    """

    k: int = 15
    stddev: float | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ArgumentError(
                "a unit needs at least one weight that is not zero",
                got=f"k={self.k}",
                line=user_line(),
                remedy="choose k of 1 or more, such as 15",
            )

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        rows, columns = _matrix(self, shape)
        k = min(self.k, rows)
        # The k smallest of random numbers stand in k random places, anew for each unit.
        places = np.argsort(rng.random((rows, columns)), axis=0)[:k]
        weights = np.zeros((rows, columns))
        values = rng.normal(0.0, self._stddev(rows), (k, columns))
        np.put_along_axis(weights, places, values, axis=0)
        return weights.reshape(shape)

    def _stddev(self, rows: int) -> float:
        return 1.0 / sqrt(min(self.k, rows)) if self.stddev is None else self.stddev

    def variance(self, shape: Shape) -> float:
        rows, _ = _matrix(self, shape)
        return min(self.k, rows) / rows * self._stddev(rows) ** 2


@dataclass(frozen=True)
class Identity(Initializer):
    """gain · I: each unit passes one input on; a convolution's kernel does so at its middle.

    >>> Identity()(np.random.default_rng(0), (2, 3))
    array([[1., 0., 0.],
           [0., 1., 0.]])

    Source: Le, Jaitly & Hinton, "A simple way to initialize recurrent networks of rectified
    linear units", arXiv:1504.00941 (2015).
    """

    gain: float = 1.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        _matrix(self, shape)
        weights = np.zeros(shape)
        middle = tuple((size - 1) // 2 for size in shape[:-2])
        weights[middle] = self.gain * np.eye(shape[-2], shape[-1])
        return weights

    def variance(self, shape: Shape) -> float:
        return 0.0


def _truncated(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Standard normal numbers, those beyond ±2 drawn again."""
    values = rng.normal(size=shape)
    while np.any(outside := np.abs(values) > 2.0):
        values[outside] = rng.normal(size=np.count_nonzero(outside))
    return values


def _matrix(init: Initializer, shape: Shape) -> tuple[int, int]:
    """A kernel as a matrix: all that feeds one unit, by the units."""
    if len(shape) < 2:
        raise ShapeError(
            f"{type(init).__name__} fills kernels, which have two axes or more",
            got=f"shape {tuple(shape)}",
            line=user_line(),
            remedy="use Zeros or Constant for biases",
        )
    return prod(shape[:-1]), shape[-1]


def _not_negative(init: Initializer, name: str, value: float) -> None:
    if not value >= 0:
        raise ArgumentError(
            f"{type(init).__name__} needs a {name} of 0 or more",
            got=f"{name}={value}",
            line=user_line(),
            remedy=f"give a positive {name}",
        )


# The ones without options, ready to call.
zeros, ones = Zeros(), Ones()
xavier = lecun_normal = XavierNormal()
lecun_uniform, he_normal, he_uniform = LecunUniform(), HeNormal(), HeUniform()
glorot_uniform, glorot_normal = GlorotUniform(), GlorotNormal()

INITIALIZERS: dict[str, Initializer] = {
    "zeros": zeros,
    "ones": ones,
    "random_normal": RandomNormal(),
    "normal": RandomNormal(),
    "random_uniform": RandomUniform(),
    "uniform": RandomUniform(),
    "truncated_normal": TruncatedNormal(),
    "variance_scaling": VarianceScaling(),
    "xavier": xavier,
    "lecun_normal": lecun_normal,
    "lecun_uniform": lecun_uniform,
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "glorot_uniform": glorot_uniform,
    "normalized": glorot_uniform,
    "glorot_normal": glorot_normal,
    "orthogonal": Orthogonal(),
    "sparse": Sparse(),
    "identity": Identity(),
}

Init = str | Initializer | Callable[..., Array]


def get_initializer(init: Init) -> Callable[..., Array]:
    """The initialiser for a Keras-style name, a record, or any ``init(rng, shape, dtype)``.

    Raises:
        ArgumentError: there is no initialiser of that name.

    >>> get_initializer("he_normal")
    HeNormal(scale=2.0, mode='fan_in', distribution='untruncated_normal')
    """
    if callable(init):
        return init
    found: Initializer = lookup("initializer", init, INITIALIZERS, "init(rng, shape, dtype)")
    return found
