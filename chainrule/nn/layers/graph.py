"""Any graph of layers, written as a Python function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.elementary.base import shape_of
from chainrule.nn.layers.base import Layer, Shape, Tree, zeros
from chainrule.nn.layers.containers import applied, with_names
from chainrule.nn.layers.draws import Rng, child, starting
from chainrule.records import dataclass


@dataclass(frozen=True)
class Graph(Layer):
    """y = function(layers, x): any graph of named layers, with branches, skips and shared weights.

    In the function each layer is an attribute that is called with its input alone. A layer that is
    called twice has one set of parameters: its weights are shared. NumPy code may stand between.

    Args:
        function: of (layers, x), or of (layers, x₁, x₂, …) for a tuple of inputs; of a dict of
            inputs x is the dict. It returns one array; several outputs are put into one.
        layers: the layers by their names.

    Parameters and state: those of each layer, under its name. The state of a layer that is called
    twice passes through both calls.

    Raises:
        ArgumentError: the function asks for a layer that is not there, or one is never used; it
            returns something else than one array.

    A skip connection, and weights shared by two calls:

    >>> from chainrule.nn import Dense
    >>> def twice(layers, x):
    ...     h = layers.step(layers.step(x))
    ...     return layers.out(h + x)
    >>> net = Graph(twice, {"step": Dense(3, "relu"), "out": Dense(1)})
    >>> params, state = net.build(0, (3,))
    >>> {name: p["kernel"].shape for name, p in params.items()}
    {'step': (3, 3), 'out': (3, 1)}
    >>> net(params, state, np.ones((4, 3)), training=False)[0].shape
    (4, 1)

    For several inputs, `build` and `output_shape` take a tuple or a dict of shapes:

    >>> pair = Graph(lambda layers, a, b: layers.out(a * b), {"out": Dense(1)})
    >>> pair.output_shape(((3,), (3,)))
    (1,)
    """

    function: Callable[..., Any]
    layers: Mapping[str, Layer] = field(hash=False)

    def __post_init__(self) -> None:
        with_names(list(self.layers.values()))
        named = {name: replace(layer, name=name) for name, layer in self.layers.items()}
        object.__setattr__(self, "layers", named)

    def build(
        self, rng: Rng, input_shape: Any, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        run = self._example(input_shape, starting(rng), dtype)[1]
        unused = [name for name in self.layers if name not in run.used]
        if unused:
            raise self.wrong(
                "a layer is never used by the function",
                f"layers {', '.join(unused)}",
                "call it in the function, or leave it out",
            )
        return run.params, run.before

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        run = _Run(self, params, state, training, rng)
        y = self._apply(run, x)
        return y, run.state

    def output_shape(self, input_shape: Any) -> Shape:
        return self._example(input_shape, np.random.default_rng(0), np.float64)[0]

    def _apply(self, run: _Run, x: Any) -> Any:
        layers = _Layers(run)
        y = self.function(layers, *x) if isinstance(x, tuple) else self.function(layers, x)
        if y is None or isinstance(y, (tuple, list, dict)):
            raise self.wrong(
                "the function returns one array, rows first",
                "None" if y is None else f"{type(y).__name__} of {len(y)}",
                "return what the last layer gave"
                if y is None
                else "put several outputs into one array, np.concatenate([a, b], axis=1), which a "
                "loss of your own, a function of (y_true, y_pred), takes apart again",
            )
        return y

    def _example(
        self, input_shape: Any, rng: np.random.Generator, dtype: DTypeLike
    ) -> tuple[Shape, _Run]:
        """One run with an example of zeros, in which each layer is built at its first call."""
        run = _Run(self, {}, {}, False, None, rng, dtype)
        y = self._apply(run, zeros(input_shape, 1, dtype))
        return tuple(shape_of(y)[1:]), run


class _Run:
    """One run of a graph's function: what its layers need, and the state that they leave."""

    def __init__(
        self,
        graph: Graph,
        params: Tree,
        state: Tree,
        training: bool,
        rng: Rng | None,
        building: np.random.Generator | None = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.graph, self.params, self.before = graph, params, state
        self.state = dict(state)
        self.training, self.rng = training, rng
        self.building, self.dtype = building, dtype
        self.used: list[str] = []

    def apply(self, name: str, x: Any) -> Any:
        layer = self.graph.layers[name]
        if self.building is not None and name not in self.used:
            p, s = layer.build(self.building, tuple(shape_of(x)[1:]), dtype=self.dtype)
            if p:
                self.params[name] = p
            if s:
                self.before[name] = self.state[name] = s
        # The count of calls makes each call's key its own, so that a shared dropout draws anew.
        rng = child(self.rng, len(self.used))
        self.used.append(name)
        p, s = self.params.get(name, {}), self.state.get(name, {})
        y, after = applied(layer, layer(p, s, x, training=self.training, rng=rng))
        if after:
            self.state[name] = after
        return y


class _Layers:
    """What the function sees: each layer as an attribute that takes its input alone."""

    def __init__(self, run: _Run) -> None:
        self._run = run

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        graph = self._run.graph
        if name not in graph.layers:
            raise graph.wrong(
                "the function asks for a layer that is not there",
                f"layers.{name}",
                f"add it to the layers; there are {', '.join(graph.layers) or 'none'}",
            )
        return lambda x: self._run.apply(name, x)
