"""Starting values of weights, drawn so that signals neither grow nor fade from layer to layer.

Each is a frozen record, called as ``init(rng, shape, dtype)``. The same generator state gives the
same numbers; float32 gives the same numbers rounded. `get_initializer` finds one by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np

from chainrule.nn.initializer import (
    CUT_AT_TWO,
    Array,
    Constant,
    Initializer,
    Ones,
    RandomNormal,
    RandomUniform,
    Shape,
    TruncatedNormal,
    Zeros,
    fans,
    not_negative,
    truncated,
)
from chainrule.nn.naming import lookup
from chainrule.nn.structured import Identity, Orthogonal, Sparse
from chainrule.records import dataclass

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "Sparse",
    "TruncatedNormal",
    "VarianceScaling",
    "XavierNormal",
    "Zeros",
    "fans",
    "get_initializer",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "xavier",
    "zeros",
]


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
        not_negative(self, "scale", self.scale)
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
        return stddev / CUT_AT_TWO * truncated(rng, shape)


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
