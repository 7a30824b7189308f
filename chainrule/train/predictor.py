"""Predictions by native code, for batches of a shape that is asked for again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import getitem, is_
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.tracing import flatten, unflatten
from chainrule.train.extremes import embeds

if TYPE_CHECKING:
    from chainrule.train.model import Model

AFTER = 20  # predictions of a shape that are run layer by layer, before it is compiled
SHAPES = 8  # compiled for one model
LARGEST = 2**25  # numbers in the input


class Predictor:
    """What a model's `predict` uses in place of the layers.

    A shape is compiled at its 21st prediction, with ``jit_compile=True`` at its second, with False
    never: compiling takes some hundredths of a second. The number of predictions decides, not the
    clock, so that a program repeats itself to the last bit.
    """

    def __init__(self) -> None:
        self.counts: dict[Any, int] = {}
        self.functions: dict[Any, tuple[Any, Any]] = {}  # with the network, so that it lives
        self._state: Any = None
        self._leaves: list[Any] = []
        self._places: list[Any] = [(), (), ()]  # containers, keys, and what was there
        self._spec: Any = None

    def __reduce__(self) -> Any:
        """Code is not copied: a copy of the model makes its own."""
        return Predictor, ()

    def __call__(self, model: Model, network: Any, x: Any) -> Any:
        """The outputs, or None where the layers are to be run."""
        choice = model.jit_compile
        if type(x) is not np.ndarray or x.dtype != model.dtype or choice is False:
            return None
        if model.run.state is not self._state or (model.shared and self._changed()):
            self._read(model.run.state)
        key = (id(network), x.shape, model.columns)
        found = self.functions.get(key)
        if found is not None:
            return found[1](x, *self._leaves)
        # Until then the layers themselves have accepted the shape, or refused it.
        seen = self.counts[key] = self.counts.get(key, 0) + 1
        wanted = seen == (2 if choice is True else AFTER + 1)
        if not wanted or not 0 < x.size <= LARGEST or len(self.functions) >= SHAPES:
            return None
        if embeds(network):  # which looks at its numbers, as code does not
            return None
        from chainrule.engine.compiling import compile

        function = compile(_of_leaves(network, self._spec))
        try:
            outputs = function(x, *self._leaves)
        except Exception:  # layers that cannot be traced go on as they are
            return None
        self.functions[key] = network, function
        return outputs

    def _changed(self) -> bool:
        """Did somebody put other arrays into the dicts of the parameters or the state?"""
        try:
            containers, keys, values = self._places
            return not all(map(is_, map(getitem, containers, keys), values))
        except LookupError:
            return True

    def _read(self, state: Any) -> None:
        leaves, spec = flatten((state.params, state.layers))
        places = [*_places(state.params), *_places(state.layers)]
        self._places = [[row[k] for row in places] for k in range(3)]
        if spec != self._spec:
            self.functions.clear()
            self.counts.clear()
        self._state, self._leaves, self._spec = state, leaves, spec


def _places(tree: Any) -> Iterator[tuple[Any, Any, Any]]:
    """(container, key, value) of all that can be put into a tree in place of something else."""
    if isinstance(tree, (dict, list)):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield tree, key, value
            yield from _places(value)
    elif isinstance(tree, tuple):
        for value in tree:
            yield from _places(value)


def _of_leaves(network: Any, spec: Any) -> Callable[..., Any]:
    """The network as a function of arrays alone, the parameters and the layers' state in order."""

    def outputs(x: Any, *leaves: Any) -> Any:
        params, layers = unflatten(spec, leaves)
        return network(params, layers, x, training=False)[0]

    return outputs


__all__ = ["Predictor"]
