"""A network and its parameters: made, looked at, taken over from another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.elsewhere import missing
from chainrule.errors import ArgumentError
from chainrule.nn.layers.base import Layer
from chainrule.nn.layers.containers import Sequential
from chainrule.nn.naming import user_line
from chainrule.tracing import flatten, paths_of, unflatten
from chainrule.train.feed import START
from chainrule.train.loop import Run
from chainrule.train.step import TrainState

Array = NDArray[Any]


class Network:
    """What a `Model` is before it is trained: layers, and their parameters when there are some.

    Args:
        layers: the layers one after the other, or one layer.
        dtype: of the parameters, where it shall not follow the inputs.
        name: in the summary.

    Attributes:
        layer: the network, a record without arrays.
        input_shape: the shape of one example, once it is built.
        run: the state, and how far a training has got.
    """

    # Whether somebody outside has the parameters, and may put other arrays into their dicts.
    shared = False

    def __init__(
        self, layers: Layer | Sequence[Layer], *, dtype: DTypeLike | None, name: str
    ) -> None:
        self.layer = layers if isinstance(layers, Layer) else Sequential(layers)
        if not isinstance(layers, Layer):
            self._need_layers("a model")
        self.name = name
        self.dtype = None if dtype is None else np.dtype(dtype)
        self.input_shape: Any = None
        self.run = Run(None)

    def __repr__(self) -> str:
        size = "no parameters yet"
        if self.built:
            leaves = flatten(self.run.state.params)[0]
            size = f"{sum(np.size(leaf) for leaf in leaves):,} parameters"
        return f"<{type(self).__name__} {self.name!r}: {size}>"

    if not TYPE_CHECKING:  # who would take every name to exist

        def __getattr__(self, name: str) -> object:
            """Say what a name of another library is called here."""
            if hasattr(type(self), name):  # a property has raised the error
                return object.__getattribute__(self, name)
            raise missing(self, name)

    def build(self, input_shape: Any, *, seed: int = 0) -> Self:
        """Draw the parameters.

        Args:
            input_shape: the shape of one example, without the batch axis.
            seed: of the random numbers; the same seed draws the same.

        Returns:
            The model itself.
        """
        self._need_layers("build")
        rng = np.random.default_rng((seed, START))
        with np.errstate(all="ignore"):  # shapes are found with zeros, whose logarithm is no matter
            params, state = self.layer.build(rng, input_shape, dtype=self.dtype or np.float64)
        self.input_shape = input_shape
        self.run = Run(TrainState(params, None, state))
        return self

    @property
    def built(self) -> bool:
        """Are there parameters?"""
        return self.run.latest is not None

    @property
    def params(self) -> Any:
        """The parameters, a dict of each layer's. Others of the same shapes can be put in.

        >>> from chainrule import Model, nn
        >>> model = Model([nn.Dense(1, kernel_initializer="ones")]).build((2,))
        >>> model.params = {"dense": {"kernel": 2 * np.ones((2, 1)), "bias": np.zeros(1)}}
        >>> model.predict([[1.0, 1.0]])
        array([[4.]])
        """
        self.shared = True
        return self.training_state("params").params

    @params.setter
    def params(self, params: Any) -> None:
        state = self.training_state("params")
        leaves, spec = flatten(state.params)
        new, shape = flatten(params)
        if shape != spec or [np.shape(p) for p in new] != [np.shape(p) for p in leaves]:
            paths = paths_of(state.params, "params")
            wanted = ", ".join(f"{p} {np.shape(v)}" for p, v in zip(paths, leaves, strict=True))
            raise ArgumentError(
                "the parameters are not those of this model",
                got=", ".join(
                    f"{p} {np.shape(v)}"
                    for p, v in zip(paths_of(params, "params"), new, strict=True)
                ),
                line=user_line(),
                remedy=f"give a tree such as model.params: {wanted}",
            )
        cast = [np.array(p, old.dtype) for p, old in zip(new, leaves, strict=True)]
        self.run.state = state._replace(params=unflatten(spec, cast))

    @property
    def state(self) -> Any:
        """What layers keep beside the parameters, such as running averages."""
        self.shared = True
        return self.training_state("state").layers

    def training_state(self, wanted: str) -> TrainState:
        """Parameters, optimizer state and layers' state.

        Raises:
            ArgumentError: nothing has been built.
        """
        if self.run.state is None:
            raise ArgumentError(
                f"the model has no parameters yet, which {wanted} needs",
                got="a model that was neither trained nor built",
                line=user_line(),
                remedy="call fit, or build(input_shape), first",
            )
        state: TrainState = self.run.state
        return state

    def get_weights(self) -> list[Array]:
        """Copies of all parameters and of the layers' state, in Keras's order.

        Layer by layer, in each of them the kernel before the bias, gamma and beta before the
        running averages: what Keras's ``get_weights`` gives for the same layers fits
        `set_weights`.

        >>> from chainrule import Model, nn
        >>> model = Model([nn.LSTM(2), nn.Dense(1)]).build((5, 3))
        >>> [w.shape for w in model.get_weights()]
        [(3, 8), (2, 8), (8,), (2, 1), (1,)]
        """
        state = self.training_state("get_weights")
        leaves, spec = flatten((state.params, state.layers))
        return [np.array(leaves[k]) for k in self._order(spec, len(leaves))]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Put in what `get_weights` had given, or that of Keras for the same layers.

        Raises:
            ArgumentError: another number of arrays, or other shapes.
        """
        state = self.training_state("set_weights")
        leaves, spec = flatten((state.params, state.layers))
        order = self._order(spec, len(leaves))
        shapes = [np.shape(leaves[k]) for k in order]
        if [np.shape(w) for w in weights] != shapes:
            raise ArgumentError(
                "the weights are not those of this model",
                got=f"arrays of shapes {[np.shape(w) for w in weights]}",
                line=user_line(),
                remedy=f"give arrays of shapes {shapes}",
            )
        for k, w in zip(order, weights, strict=True):
            leaves[k] = np.array(w, leaves[k].dtype)
        params, layers = unflatten(spec, leaves)
        self.run.state = state._replace(params=params, layers=layers)

    def _order(self, spec: Any, count: int) -> list[int]:
        """The numbers of the arrays of parameters and state in the order of the layers."""
        names = (
            [each.name for each in self.layer.layers] if isinstance(self.layer, Sequential) else []
        )
        return list(_numbers(unflatten(spec, range(count)), names))

    def take_weights(self, other: Network) -> list[str]:
        """Copy the weights of each layer that has the same name in another model.

        Layers in `cr.nn.Frozen`, here or there, take part under the names that they have outside.
        The optimizer starts anew.

        Returns:
            The names of the layers that were taken.

        Raises:
            ArgumentError: there is no such layer, or one has another shape there; one of the models
                has no parameters yet.

        >>> from chainrule import Model, nn
        >>> first = Model([nn.Dense(8, "relu", name="body"), nn.Dense(1)]).build((4,), seed=1)
        >>> second = Model([nn.Frozen(nn.Dense(8, "relu", name="body")), nn.Dense(3, name="head")])
        >>> second.build((4,)).take_weights(first)
        ['body']
        """
        from chainrule.train.transfer import take_weights

        return take_weights(self, other)

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print the layers: output shapes, numbers of parameters, initialisers, their variance."""
        from chainrule.train.summary import summary

        print_fn(summary(self))

    def _need_layers(self, what: str) -> None:
        """Refuse a network without a layer."""
        if isinstance(self.layer, Sequential) and not self.layer.layers:
            raise ArgumentError(
                f"{what} needs at least one layer",
                got="none",
                line=user_line(),
                remedy="give layers, such as cr.Model([nn.Dense(16, 'relu'), nn.Dense(1)]), or "
                "add them to a cr.Sequential before it is compiled or built",
            )


def _numbers(trees: Sequence[Any], names: Sequence[Any] = ()) -> Iterator[int]:
    """The numbers in trees of dicts, those under one name together, in the order of the names."""
    inner: dict[Any, list[Any]] = {name: [] for name in names}
    for tree in trees:
        for name, part in tree.items() if isinstance(tree, dict) else [("", tree)]:
            if isinstance(part, dict):
                inner.setdefault(name, []).append(part)
            else:
                yield from flatten(part)[0]
    for parts in inner.values():
        yield from _numbers(parts)


__all__ = ["Network"]
