"""What layers look for in the values of their inputs, before native code takes all for valid."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from chainrule.nn.layers import Embedding, Layer
from chainrule.tracing import flatten, unflatten
from chainrule.train.step import TrainState


def check_values(network: Any, state: TrainState, x: Any) -> None:
    """Let the layers see the smallest and the largest numbers of the inputs, by NumPy.

    An embedding refuses numbers that it has no row for; its code, which does not look, would take
    the nearest row.

    Args:
        network: the layers.
        state: their parameters and state.
        x: all inputs, an array or a tree of them, rows first.

    Raises:
        ArgumentError: what the layers raise.
    """
    if embeds(network):
        leaves, spec = flatten(x)
        rows = unflatten(spec, [_extremes(leaf) for leaf in leaves])
        with np.errstate(all="ignore"):
            network(state.params, state.layers, rows, training=False)


def embeds(layer: Any) -> bool:
    """Is there an embedding among layers?"""
    if layer is None or isinstance(layer, (bool, int, float, str)):
        return False
    if isinstance(layer, Embedding):
        return True
    if isinstance(layer, dict):
        return any(map(embeds, layer.values()))
    if isinstance(layer, (tuple, list)):
        return any(map(embeds, layer))
    if is_dataclass(layer):
        return any(embeds(getattr(layer, f.name)) for f in fields(layer))
    return isinstance(layer, Layer) and any(map(embeds, vars(layer).values()))


def _extremes(x: Any) -> Any:
    """Three rows: the smallest numbers, the largest ones, and those that are least whole."""
    least = x.min(axis=0)
    if x.dtype.kind != "f":
        return np.stack([least, x.max(axis=0), least])
    place = np.argmax(np.abs(x - np.round(x)), axis=0)
    return np.stack([least, x.max(axis=0), np.take_along_axis(x, place[None], axis=0)[0]])


__all__ = ["check_values", "embeds"]
