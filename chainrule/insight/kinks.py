"""Kinks: places where a step has no derivative but several, and one of them was taken.

The conventions themselves are in the records of the functions, and listed in the documentation;
here is where each function has its kinks, to tell of a derivative that was taken at one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.elementary.base import is_step, value_of
from chainrule.elementary.reductions import axes_of
from chainrule.graph import Node

Mask = Callable[..., Any]


class Place(NamedTuple):
    """Where a function has no derivative: a mask from (y, *args), and what is the matter there."""

    mask: Mask
    words: str


_SIDES = "its slopes on the two sides differ; the one of least norm is taken"


def _at_zero(y: Any, a: Any, *_: Any) -> Any:
    return np.equal(a, 0.0)


def _equal(y: Any, a: Any, b: Any, *_: Any) -> Any:
    return np.equal(a, b)


def _whole(y: Any, a: Any, *_: Any) -> Any:
    return np.equal(a, np.floor(a))


def _multiple(y: Any, a: Any, b: Any) -> Any:
    return np.equal(y, 0.0)


def _steep_power(y: Any, a: Any, b: Any) -> Any:
    return np.equal(a, 0.0) & np.greater(b, 0.0) & np.less(b, 1.0)


def _tied(y: Any, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Where several elements are the extreme."""
    axes = axes_of(axis, np.ndim(a))
    whole = y if keepdims or not axes else np.expand_dims(y, axes)
    return np.sum(np.equal(a, whole), axis=axes or None, keepdims=keepdims) > 1


def _tied_position(y: Any, a: Any, axis: Any = None, keepdims: bool = False, **_: Any) -> Any:
    most = np.max(a, axis=axis, keepdims=True)
    return np.sum(np.equal(a, most), axis=axis, keepdims=keepdims) > 1


def _tied_least(y: Any, a: Any, axis: Any = None, keepdims: bool = False, **_: Any) -> Any:
    return _tied_position(y, np.negative(a), axis, keepdims)


def _tied_order(y: Any, a: Any, axis: Any = -1, **_: Any) -> Any:
    ordered = np.sort(np.ravel(a) if axis is None else a, axis=-1 if axis is None else axis)
    return np.diff(ordered, axis=-1 if axis is None else axis) == 0.0


def _corner(y: Any, a: Any, b: Any) -> Any:
    """leaky_relu and elu have no kink where the slope of the left side is 1 too."""
    return np.equal(a, 0.0) & np.not_equal(b, 1.0)


_JUMP = "it jumps there; its derivative is taken as 0"
_TIE = "several are equal; each gets an equal share of the derivative"
_ORDER = "elements are equal; the derivative follows the order in which they stand"
_STEEP = "its slope there is infinite"
_BRANCH = (
    "it is decided by two numbers that are equal; the derivative is that of the branch that was "
    "chosen"
)

PLACES: dict[str, Place] = {
    **dict.fromkeys(("abs", "relu", "selu", "copysign"), Place(_at_zero, _SIDES)),
    **dict.fromkeys(("leaky_relu", "elu"), Place(_corner, _SIDES)),
    **dict.fromkeys(("lower_bound", "upper_bound"), Place(_equal, _SIDES)),
    **dict.fromkeys(("fmax_constant", "fmin_constant"), Place(_equal, _SIDES)),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), Place(_equal, _TIE)),
    **dict.fromkeys(("max", "min"), Place(_tied, _TIE)),
    "norm": Place(lambda y, *_, **__: np.equal(y, 0.0), "it has a tip there; 0 is taken"),
    "hypot": Place(lambda y, a, b: np.equal(y, 0.0), "it has a tip there; 0 is taken"),
    **dict.fromkeys(("sqrt", "cbrt"), Place(_at_zero, _STEEP)),
    "power": Place(_steep_power, _STEEP),
    "sign": Place(_at_zero, _JUMP),
    "heaviside": Place(_at_zero, _JUMP),
    **dict.fromkeys(("floor", "ceil", "trunc"), Place(_whole, _JUMP)),
    **dict.fromkeys(("mod", "fmod"), Place(_multiple, _JUMP)),
    "argsort": Place(_tied_order, _ORDER),
    "argmax": Place(_tied_position, _ORDER),
    "argmin": Place(_tied_least, _ORDER),
    **dict.fromkeys(("greater", "greater_equal", "less", "less_equal"), Place(_equal, _BRANCH)),
}


class Kink(NamedTuple):
    """A step with elements at a kink: how many, of how many, and what is the matter there."""

    node: Node
    elements: int
    size: int
    words: str


def kinks_of(nodes: Sequence[Node], cotangents: Sequence[Any]) -> list[Kink]:
    """The steps through which a derivative passes at a kink.

    Args:
        nodes: the steps.
        cotangents: of each of them; where it is 0 no derivative passes. Steps without a
            derivative of their own (comparisons, argmax) have None, and always count.
    """
    found = []
    for node, g in zip(nodes, cotangents, strict=True):
        place = PLACES.get(node.name) if node.fn is not None else None
        if place is None or not any(isinstance(a, Node) for a in node.args):
            continue
        has_slope = not is_step(node.fn)
        if has_slope and g is None:
            continue
        mask = np.asarray(place.mask(node.value, *map(value_of, node.args), **node.params))
        if has_slope:
            mask = mask & np.broadcast_to(np.not_equal(g, 0.0), np.shape(node.value))
        if mask.any():
            found.append(Kink(node, int(mask.sum()), mask.size, place.words))
    return found
