"""A layer whose parameters stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.nn.layers.base import Layer, Shape, Tree
from chainrule.nn.layers.draws import Rng
from chainrule.records import dataclass

# What the inner layer's parameters and state are called in the state of the frozen one.
PARAMS, STATE = "frozen_params", "frozen_state"


@dataclass(frozen=True)
class Frozen(Layer):
    """y = f(x), with the parameters of f as they are: for what was learnt elsewhere.

    They are kept with the layer's state, where no optimizer, penalty or clipping sees them, and no
    gradient is computed for them. f always works as outside training: batch normalisation uses its
    running averages, as in Keras with ``trainable=False``; dropout drops nothing, which it does in
    Keras. `Model.take_weights` puts the parameters of another model in.

    Args:
        inner: a layer; Sequential for several. Its name is the name of the frozen layer too, where
            that has none of its own.

    State: ``frozen_params`` and ``frozen_state``, those of the inner layer.

    >>> from chainrule.nn import Dense
    >>> layer = Frozen(Dense(2, kernel_initializer="ones", name="body"))
    >>> params, state = layer.build(0, (3,))
    >>> layer.name, params, state["frozen_params"]["kernel"].shape
    ('body', {}, (3, 2))
    >>> layer(params, state, np.ones((1, 3)), training=True)[0]
    array([[3., 3.]])

    Source: Yosinski, Clune, Bengio & Lipson, "How transferable are features in deep neural
    networks?", NeurIPS (2014), section 2.
    """

    inner: Layer

    def __post_init__(self) -> None:
        if not isinstance(self.inner, Layer):
            raise self.wrong(
                "a layer is frozen",
                repr(self.inner)[:200],
                "create the layer, such as Frozen(Dense(16)); put several into Sequential",
            )
        if self.name is None:
            object.__setattr__(self, "name", self.inner.name)

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        params, state = self.inner.build(rng, input_shape, dtype=dtype)
        return {}, {name: part for name, part in ((PARAMS, params), (STATE, state)) if part}

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        own, kept = state.get(PARAMS, {}), state.get(STATE, {})
        return self.inner(own, kept, x, training=False)[0], state

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.inner.output_shape(input_shape)
