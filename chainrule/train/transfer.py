"""Weights of one model put into another, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.errors import ArgumentError
from chainrule.nn.layers.frozen import PARAMS, STATE
from chainrule.nn.naming import user_line
from chainrule.train.loop import Run

if TYPE_CHECKING:
    from chainrule.train.network import Network

Path = tuple[str, ...]


def take_weights(model: Network, other: Network) -> list[str]:
    """See `Model.take_weights`."""
    mine, theirs = model.training_state("take_weights"), other.training_state("take_weights")
    given = {**_leaves(theirs.params), **_leaves(theirs.layers)}
    taken: dict[str, None] = {}  # a set in order

    def replaced(tree: Any, path: Path = ()) -> Any:
        if isinstance(tree, dict):
            return {key: replaced(part, (*path, key)) for key, part in tree.items()}
        place = _plain(path)
        if place not in given:
            return tree
        new = given[place]
        if np.shape(new) != np.shape(tree):
            raise ArgumentError(
                f"the layer {'.'.join(place[:-1])} has another shape in the other model",
                got=f"{place[-1]} of shape {np.shape(new)} instead of {np.shape(tree)}",
                line=user_line(),
                remedy="give the two layers different names if they are not the same",
            )
        taken[".".join(place[:-1])] = None
        return np.array(new, np.asarray(tree).dtype)

    params, layers = replaced(mine.params), replaced(mine.layers)
    if not taken:
        names = [
            sorted({place[0] for place in (*_leaves(s.params), *_leaves(s.layers))})
            for s in (mine, theirs)
        ]
        raise ArgumentError(
            "the two models have no layer of one name",
            got=f"{', '.join(names[0])} here, {', '.join(names[1])} there",
            line=user_line(),
            remedy="name the layers alike: Dense(16, name='body')",
        )
    model.run = Run(mine._replace(params=params, layers=layers, optimizer=None))
    return list(taken)


def _leaves(tree: Any, path: Path = ()) -> dict[Path, Any]:
    """The arrays by their places, whether the layers are frozen or not."""
    if isinstance(tree, dict):
        return {
            place: leaf
            for key, part in tree.items()
            for place, leaf in _leaves(part, (*path, key)).items()
        }
    return {_plain(path): tree}


def _plain(path: Path) -> Path:
    return tuple(key for key in path if key not in (PARAMS, STATE))


__all__ = ["take_weights"]
