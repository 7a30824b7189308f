"""A step with its surroundings: what made its arguments, who reads it, which formula that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.elementary.base import value_of
from chainrule.graph import Node, predecessors

_MOVES = frozenset(
    {"getitem", "take", "take_along_axis", "reshape", "transpose", "astype", "broadcast_to",
     "identity", "concatenate", "diagonal", "flip", "lower_bound", "upper_bound"}
)  # fmt: skip
LOGS = frozenset({"log", "log2", "log10", "log1p", "xlogy"})
EXPONENTIALS = frozenset({"exp", "exp2", "expm1", "sinh", "cosh"})


class Cure(NamedTuple):
    """Why it happened, and what helps; ``specific`` where it is more than "numbers grew"."""

    cause: str
    remedy: str
    specific: bool = True


class Scene(NamedTuple):
    """A step with its surroundings.

    Attributes:
        node: the step.
        readers: the steps that read it.
        bad: the value, or the cotangent handed back, that is not finite.
    """

    node: Node
    readers: Sequence[Node]
    bad: Any

    @property
    def name(self) -> str:
        return str(self.node.name)

    def argument(self, k: int = 0) -> Any:
        return np.asarray(value_of(self.node.args[k]))


def maker(x: Any) -> Node | None:
    """The step that made a value, seen through those that only move, bound or round it."""
    while isinstance(x, Node) and x.fn is not None and x.name in _MOVES:
        x = next((a for _, a in predecessors(x)), None)
    return x if isinstance(x, Node) and x.fn is not None else None


def made_by(x: Any, names: set[str]) -> bool:
    made = maker(x)
    return made is not None and made.name in names


def is_sigmoid(node: Node) -> bool:
    """σ(z), or 1/(1 + exp(−z)) by hand."""
    if node.name == "sigmoid":
        return True
    if node.name not in ("divide", "reciprocal"):
        return False
    below = maker(node.args[-1])
    return (
        below is not None and below.name == "add" and any(made_by(a, {"exp"}) for a in below.args)
    )


def is_quotient_of_exponentials(node: Node) -> bool:
    """exp(z)/sum(exp(z)), or exp(a)/(exp(a) + exp(b))."""
    return (
        node.name == "divide"
        and made_by(node.args[0], {"exp"})
        and made_by(node.args[1], {"sum", "add"})
    )


def inside_sigmoid(readers: Sequence[Node]) -> bool:
    return any(reader.name == "add" for reader in readers)


def alike(one: Node, two: Node) -> bool:
    """The same step on the same nodes."""
    return (
        one.fn is not None
        and one.fn is two.fn
        and len(one.args) == len(two.args)
        and all(isinstance(a, Node) and a is b for a, b in zip(one.args, two.args, strict=True))
    )


def behind_where(scene: Scene, nodes: Sequence[Node]) -> bool:
    """Does the result of a step pass through np.where?"""
    behind = {scene.node}
    for node in nodes:
        if any(a in behind for _, a in predecessors(node)):
            if node.name == "where":
                return True
            behind.add(node)
    return False


def numbers(x: Any) -> np.ndarray:
    value = first(value_of(x))
    array = np.asarray(value)
    return array if array.dtype.kind == "f" else np.zeros(0)


def first(x: Any) -> Any:
    return (
        next((part for part in x if part is not None), 0.0) if isinstance(x, (tuple, list)) else x
    )


def extremes(x: Any) -> str:
    x = np.asarray(x)
    return f"{np.nanmin(x):.6g} to {np.nanmax(x):.6g}" if x.size > 1 else f"{float(x):.6g}"
