"""A model that grows layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import DTypeLike

from chainrule.errors import ArgumentError
from chainrule.nn.layers import containers
from chainrule.nn.layers.base import Layer
from chainrule.nn.naming import user_line
from chainrule.train.loop import Run
from chainrule.train.model import Model


class Sequential(Model):
    """A `Model` of layers one after the other, to which layers can be added, as in Keras.

    Adding or removing a layer makes another network: its parameters are drawn anew when it is
    trained or built. `cr.nn.Sequential` is the layer of the same name, for use inside others.

    Args:
        layers: the first layers.
        dtype, name: as for `Model`.

    >>> from chainrule import nn
    >>> model = Sequential()
    >>> model.add(nn.Dense(16, "relu"))
    >>> model.add(nn.Dense(1))
    >>> [layer.units for layer in model.layers], model.pop().units
    ([16, 1], 1)
    """

    def __init__(
        self,
        layers: Sequence[Layer] = (),
        *,
        dtype: DTypeLike | None = None,
        name: str = "sequential",
    ) -> None:
        super().__init__(containers.Sequential(tuple(layers)), dtype=dtype, name=name)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, in order."""
        assert isinstance(self.layer, containers.Sequential)
        return tuple(self.layer.layers)

    def add(self, layer: Layer) -> None:
        """Put a layer after the last one."""
        self._become((*self.layers, layer))

    def pop(self) -> Layer:
        """Take the last layer away.

        Raises:
            ArgumentError: there is none.
        """
        if not self.layers:
            raise ArgumentError(
                "there is no layer to take away",
                got="a model without layers",
                line=user_line(),
                remedy="add one first: model.add(nn.Dense(1))",
            )
        *others, last = self.layers
        self._become(others)
        return last

    def _become(self, layers: Sequence[Layer]) -> None:
        self.layer = containers.Sequential(tuple(layers))
        self.run, self.labels, self.columns = Run(None), None, None
        self._compiled = None


__all__ = ["Sequential"]
