"""Layers made of layers: one after the other, and around a sum."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.elementary.base import shape_of
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.layers.base import Layer, Shape, Tree
from chainrule.nn.layers.draws import Rng, child, starting
from chainrule.nn.naming import user_line
from chainrule.records import dataclass


def with_names(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers, those without a name named after their class: dense, dense_1, …

    Raises:
        ArgumentError: something is no layer, or two have one name.
    """
    taken: set[str] = set()
    for layer in layers:
        if not isinstance(layer, Layer):
            got = f"{layer.__name__}, a class" if isinstance(layer, type) else repr(layer)
            raise ArgumentError(
                "a container is made of layers",
                got=got,
                line=user_line(),
                remedy="give its layers, *model.layer.layers, and take its weights when the whole "
                "is built: whole.take_weights(model); in nn.Frozen they stay as they are"
                if isinstance(getattr(layer, "layer", None), Layer)
                else "create the layer, such as Dense(16); put a function into Lambda(function)",
            )
        if layer.name in taken:
            raise ArgumentError(
                "two layers of a container have the same name",
                got=f"name={layer.name!r} twice",
                line=user_line(),
                remedy="leave the names out, or make them different",
            )
        if layer.name:
            taken.add(layer.name)
    named = []
    for layer in layers:
        if not layer.name:
            kind = _snake(type(layer).__name__)
            endings = (f"_{i}" if i else "" for i in range(len(layers) + len(taken) + 1))
            name = next(kind + ending for ending in endings if kind + ending not in taken)
            taken.add(name)
            layer = _named(layer, name)
        named.append(layer)
    return tuple(named)


def _named(layer: Layer, name: str) -> Layer:
    try:
        return replace(layer, name=name)
    except TypeError:
        kind = type(layer).__name__
        raise ArgumentError(
            "a layer of one's own is a frozen dataclass of its settings",
            got=f"{kind}, which takes no name",
            line=user_line(),
            remedy=f"write @dataclass(frozen=True) above class {kind}(nn.Layer), and the settings "
            "as its fields instead of __init__",
        ) from None


def applied(layer: Layer, found: Any) -> tuple[Any, Tree]:
    """What a layer returned, checked to be its output and its state.

    Raises:
        ArgumentError: it is not; two rows would be taken for the two.
    """
    if isinstance(found, tuple) and len(found) == 2:
        return found
    raise layer.wrong(
        "a layer returns its output and its state",
        "None" if found is None else f"a {type(found).__name__} alone",
        "end __call__ with: return y, state",
    )


def _snake(name: str) -> str:
    """BatchNormalization → batch_normalization, Conv2D → conv2d, as Keras names layers."""
    return re.sub(r"([a-z0-9])([A-Z][a-z])", r"\1_\2", name).lower()


@dataclass(frozen=True)
class Sequential(Layer):
    """One layer after the other: y = fₙ(… f₂(f₁(x))).

    Args:
        layers: the layers, a list or tuple. A place in the list has its own parameters, even if
            the same record stands in two; `Graph` shares them.

    Parameters and state: those of each layer, under its name; layers without any have no entry.

    >>> from chainrule.nn import Dense
    >>> net = Sequential([Dense(16, "relu"), Dense(1)])
    >>> params, state = net.build(0, (13,))
    >>> {name: p["kernel"].shape for name, p in params.items()}
    {'dense': (13, 16), 'dense_1': (16, 1)}
    >>> net(params, state, np.zeros((5, 13)), training=False)[0].shape
    (5, 1)
    """

    layers: Sequence[Layer] = ()

    def __post_init__(self) -> None:
        if isinstance(self.layers, Layer):
            raise self.wrong(
                "the layers are given in one list",
                f"{self.layers.label} alone",
                "write Sequential([first, second, …])",
            )
        object.__setattr__(self, "layers", with_names(self.layers))

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        rng = starting(rng)
        params: Tree = {}
        state: Tree = {}
        shape: Any = input_shape if isinstance(input_shape, dict) else tuple(input_shape)
        for layer in self.layers:
            try:
                p, s = layer.build(rng, shape, dtype=dtype)
                shape = layer.output_shape(shape)
            except (TypeError, KeyError) as error:
                raise _of_several(layer, shape) or error from None
            keep(params, layer, p)
            keep(state, layer, s)
        return params, state

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        after: Tree = {}
        for i, layer in enumerate(self.layers):
            p, s = params.get(str(layer.name), {}), state.get(str(layer.name), {})
            x, s = applied(layer, layer(p, s, x, training=training, rng=child(rng, i)))
            keep(after, layer, s)
        return x, after

    def output_shape(self, input_shape: Shape) -> Shape:
        shape: Any = input_shape if isinstance(input_shape, dict) else tuple(input_shape)
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape


def _of_several(layer: Layer, shape: Any) -> ShapeError | None:
    """The error for a layer that was given several arrays and takes one, if that is so."""
    if isinstance(shape, dict):
        got = f"a dict of {len(shape)}: {', '.join(map(str, shape))}"
    elif any(isinstance(n, (tuple, dict)) for n in shape):
        got = f"a tuple of {len(shape)}"
    else:
        return None
    return layer.misfit(
        "the input must be one array",
        f"{got} as inputs",
        "np.concatenate puts columns beside each other; nn.Graph(function, layers) takes several "
        "inputs",
    )


def keep(tree: Tree, layer: Layer, part: Tree) -> None:
    """Put a layer's parameters or state under its name, if it has any."""
    if part:
        tree[str(layer.name)] = part


@dataclass(frozen=True)
class Residual(Layer):
    """y = x + f(x): the inner layer learns what to add to its input.

    Args:
        inner: a layer; Sequential for several.
        shortcut: a layer for x where f changes its shape, such as Dense(units) or a convolution of
            one place; None adds x itself.

    Parameters and state: under ``inner`` and ``shortcut``.

    Raises:
        ShapeError: f(x) has another shape than what it is added to.

    >>> from chainrule.nn import Dense
    >>> block = Residual(Dense(3, kernel_initializer="zeros"))
    >>> params, state = block.build(0, (3,))
    >>> block(params, state, np.array([[1.0, 2.0, 3.0]]), training=False)[0]
    array([[1., 2., 3.]])

    Source: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR (2016),
    eq. 1 and 2.
    """

    inner: Layer
    shortcut: Layer | None = None

    def __post_init__(self) -> None:
        with_names([part for part in (self.inner, self.shortcut) if part is not None])

    def _parts(self) -> list[tuple[str, Layer]]:
        parts = [("inner", self.inner), ("shortcut", self.shortcut)]
        return [(key, layer) for key, layer in parts if layer is not None]

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        self.output_shape(input_shape)
        rng = starting(rng)
        built = {k: layer.build(rng, input_shape, dtype=dtype) for k, layer in self._parts()}
        params = {k: p for k, (p, _) in built.items() if p}
        return params, {k: s for k, (_, s) in built.items() if s}

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        values, after = {"shortcut": x}, {}
        for i, (key, layer) in enumerate(self._parts()):
            p, s = params.get(key, {}), state.get(key, {})
            values[key], s = layer(p, s, x, training=training, rng=child(rng, i))
            if s:
                after[key] = s
        self._equal(shape_of(values["inner"])[1:], shape_of(values["shortcut"])[1:])
        return values["shortcut"] + values["inner"], after

    def output_shape(self, input_shape: Shape) -> Shape:
        inner = self.inner.output_shape(input_shape)
        around = self.shortcut.output_shape(input_shape) if self.shortcut else tuple(input_shape)
        self._equal(inner, around)
        return inner

    def _equal(self, inner: Shape, around: Shape) -> None:
        if inner != around:
            raise self.misfit(
                "the inner layer and the shortcut give examples of different shapes",
                f"{inner} and {around}",
                f"give a shortcut layer that turns the input into shape {inner}",
            )
