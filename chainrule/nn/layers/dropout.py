"""Dropout, with masks that a seed or key reproduces."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary.base import shape_of
from chainrule.functions import floating
from chainrule.nn.layers.base import Layer, Tree
from chainrule.nn.layers.draws import Rng, generator
from chainrule.records import dataclass


@dataclass(frozen=True)
class Dropout(Layer):
    """In training y = x · mask/(1 − rate), with each mask element 0 with probability rate, else 1.

    The division keeps the expected value ("inverted" dropout), so that outside training y = x.

    Args:
        rate: the share of values to drop, in [0, 1).
        noise_shape: the shape of the mask, which broadcasts with x, None for x's own length of an
            axis: (None, 1, None) drops whole features over time.

    The mask depends on nothing but ``rng`` and the shape: a key such as (seed, step) gives every
    step its own and repeats it exactly, in compiled code too. In a container each layer gets its
    own key.

    Raises:
        ArgumentError: a rate outside [0, 1); a call in training without rng.

    >>> layer = Dropout(0.5)
    >>> layer({}, {}, np.ones((1, 8)), training=True, rng=(0, 1))[0]
    array([[0., 2., 2., 2., 2., 0., 2., 2.]])
    >>> layer({}, {}, np.ones((1, 3)), training=False)[0]
    array([[1., 1., 1.]])

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 15 (2014), sections 4 and 10.
    """

    rate: float
    noise_shape: tuple[int | None, ...] | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate < 1.0:
            raise self.wrong(
                "rate is the share of values to drop, at least 0 and below 1",
                f"rate={self.rate}",
                "give a number such as 0.5; 0 drops nothing",
            )

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        x = floating(x)
        if not training or self.rate == 0.0:
            return x, state
        if rng is None:
            raise self.wrong(
                "training draws a mask and needs random numbers",
                "rng=None",
                "pass rng=(seed, step), new for every step, or rng=np.random.default_rng(seed)",
            )
        shape = shape_of(x)
        if self.noise_shape is not None:
            if len(self.noise_shape) != len(shape):
                raise self.misfit(
                    "noise_shape must have as many axes as the input",
                    f"noise_shape={self.noise_shape} for an array of shape {shape}",
                    "use None for axes that are masked one by one, 1 for those masked together",
                )
            shape = tuple(
                n if m is None else m for m, n in zip(self.noise_shape, shape, strict=True)
            )
        kept = generator(rng).random(shape, np.float32) >= self.rate
        # Truth values are all that the backward pass needs to know of the mask.
        return x * x.dtype.type(1.0 / (1.0 - self.rate)) * kept, state
