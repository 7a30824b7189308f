"""Embedding of whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.elementary.base import value_of
from chainrule.graph import Node
from chainrule.nn.initializers import Init, get_initializer
from chainrule.nn.layers.base import Layer, Shape, Tree
from chainrule.nn.layers.draws import Rng, starting
from chainrule.records import dataclass


@dataclass(frozen=True)
class Embedding(Layer):
    """y = embeddings[x]: each whole number from 0 to input_dim − 1 has a learned vector.

    The gradient of a row is the sum over the places where its number stands.

    Args:
        input_dim: how many numbers there are.
        output_dim: the length of each vector.
        embeddings_initializer: U(−0.05, 0.05) by default, as in Keras; PyTorch draws N(0, 1).

    Parameters: ``embeddings`` of shape (input_dim, output_dim).

    Raises:
        ArgumentError: an input that is no whole number, or out of range; a negative number is
            not counted from the end.

    >>> layer = Embedding(3, 2, embeddings_initializer="identity")
    >>> params, state = layer.build(0, (2,))
    >>> layer(params, state, np.array([[1, 2]]), training=False)[0]
    array([[[0., 1.],
            [0., 0.]]])

    Source: Bengio, Ducharme, Vincent & Jauvin, "A neural probabilistic language model", JMLR 3
    (2003), section 2.
    """

    input_dim: int
    output_dim: int
    embeddings_initializer: Init = "uniform"

    def __post_init__(self) -> None:
        self.whole("input_dim", self.input_dim)
        self.whole("output_dim", self.output_dim)
        get_initializer(self.embeddings_initializer)

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        shape = (self.input_dim, self.output_dim)
        init = get_initializer(self.embeddings_initializer)
        return {"embeddings": init(starting(rng), shape, dtype)}, {}

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        return params["embeddings"][self._indices(x)], state

    def _indices(self, x: Any) -> Any:
        if isinstance(x, Node) and x.tape.static:  # the values come later
            return x if x.dtype.kind == "i" else x.astype(np.int64)  # type: ignore[attr-defined]
        index = np.asarray(value_of(x))
        whole = index.dtype.kind in "iu" or (
            index.dtype.kind == "f" and bool(np.all(index == np.floor(index)))
        )
        if not whole:
            raise self.wrong(
                "the input must be whole numbers",
                f"an array of {index.dtype}, with fractions" if index.dtype.kind == "f"
                else f"an array of {index.dtype}",
                "encode categories as numbers from 0 up",
            )  # fmt: skip
        if index.size and not (index.min() >= 0 and index.max() < self.input_dim):
            raise self.wrong(
                f"a number is outside 0 to {self.input_dim - 1}",
                f"numbers from {index.min():.0f} to {index.max():.0f}",
                f"make input_dim larger than the largest number (now {self.input_dim})",
            )
        return index.astype(np.intp)

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)
