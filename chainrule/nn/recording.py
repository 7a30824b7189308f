"""A network that notes what goes into and comes out of each of its layers, however it is nested."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from chainrule.elementary.shaping import identity
from chainrule.graph import Node
from chainrule.nn.activations import get_activation
from chainrule.nn.layers.base import Layer, Shape, Tree
from chainrule.nn.layers.conv import Conv1D, Conv2D
from chainrule.nn.layers.core import Dense
from chainrule.nn.layers.draws import Rng
from chainrule.records import dataclass


@dataclass
class Note:
    """One call of one layer.

    Attributes:
        path: the names from the network down to the layer, ``("block", "inner")``.
        layer: the layer.
        params, state: its own, as it was given them.
        input, output: of the call, traced if the network was.
        preactivation: for a layer with weights, what its activation gets; else its output.
        after: its state after the call.
        nodes: which nodes of the tape the call has made.
    """

    path: tuple[str, ...]
    layer: Layer
    params: Tree
    state: Tree
    input: Any
    output: Any
    preactivation: Any
    after: Tree
    nodes: range

    @property
    def name(self) -> str:
        return path_name(self.path, self.layer)


def path_name(path: tuple[str, ...], layer: Layer) -> str:
    """The names from a network down to a layer as one; the class where the network is the layer."""
    return ".".join(path) or type(layer).__name__.lower()


class _Wanted(NamedTuple):
    """What is to be noted, and where."""

    notes: list[Note]
    leave: Collection[str]
    containers: bool


def recorded(
    network: Layer, leave: Collection[str] = (), *, containers: bool = False
) -> tuple[Layer, list[Note]]:
    """The network with every layer in it noting its calls, and the list of the notes.

    Containers (Sequential, Residual, Graph, and any layer of the user's that keeps its layers in
    its fields) are gone into; what is noted are the layers that hold no others. The results and
    the keys of the parameters stay the same.

    Args:
        network: a layer.
        leave: the names of layers that are not noted, ``block.inner``.
        containers: note them too, each after the layers within it.

    >>> from chainrule.nn import Dense, Sequential
    >>> network, notes = recorded(Sequential([Dense(2, "relu"), Dense(1)]))
    >>> params, state = network.build(0, (3,))
    >>> y, _ = network(params, state, np.ones((4, 3)), training=False)
    >>> [(note.name, note.output.shape) for note in notes]
    [('dense', (4, 2)), ('dense_1', (4, 1))]
    """
    notes: list[Note] = []
    return _within(network, (), _Wanted(notes, leave, containers)), notes


def _within(layer: Layer, path: tuple[str, ...], wanted: _Wanted) -> Layer:
    changed: dict[str, Any] = {}
    for f in fields(layer):
        value = getattr(layer, f.name)
        if isinstance(value, Layer):
            changed[f.name] = _within(value, (*path, f.name), wanted)
        elif isinstance(value, Mapping) and any(isinstance(v, Layer) for v in value.values()):
            changed[f.name] = {
                k: _within(v, (*path, str(k)), wanted) if isinstance(v, Layer) else v
                for k, v in value.items()
            }
        elif isinstance(value, (list, tuple)) and any(isinstance(v, Layer) for v in value):
            changed[f.name] = _several(value, path, wanted)
    if changed:
        layer = replace(layer, **changed)
        if not wanted.containers:
            return layer
    elif path_name(path, layer) in wanted.leave:
        return layer
    return _Noting(name=layer.name, inner=layer, path=path, notes=wanted.notes)


def _several(layers: Sequence[Any], path: tuple[str, ...], wanted: _Wanted) -> tuple[Any, ...]:
    return tuple(
        _within(v, (*path, str(v.name or k)), wanted) if isinstance(v, Layer) else v
        for k, v in enumerate(layers)
    )


@dataclass(frozen=True)
class _Noting(Layer):
    """A layer that notes its calls."""

    inner: Layer
    path: tuple[str, ...]
    notes: list[Note] = field(hash=False, compare=False)

    @property
    def label(self) -> str:
        return self.inner.label

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        return self.inner.build(rng, input_shape, dtype=dtype)

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.inner.output_shape(input_shape)

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        layer = self.inner
        if isinstance(x, Node):
            x = identity(x)  # what arrives here comes from this layer alone, not from a shortcut
        first = _made((params, x))
        if isinstance(layer, (Dense, Conv1D, Conv2D)):
            # Linear first, and the activation after it, to see what comes between.
            linear = replace(layer, activation=None)
            between, after = linear(params, state, x, training=training, rng=rng)
            output = get_activation(layer.activation)(between)
        else:
            output, after = layer(params, state, x, training=training, rng=rng)
            between = output
        nodes = range(first, max(_made(output), first))
        self.notes.append(Note(self.path, layer, params, state, x, output, between, after, nodes))
        return output, after


def _made(tree: Any) -> int:
    """How many nodes the tape of a tree has; 0 for what is not traced."""
    from chainrule.tracing import flatten

    node = next((leaf for leaf in flatten(tree)[0] if isinstance(leaf, Node)), None)
    return 0 if node is None else len(node.tape.nodes)
