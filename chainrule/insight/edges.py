"""One step of a graph by itself: its partial derivatives, what it hands back, what it must keep.

The numbers come from the records' own rules, run by the same sweeps as every derivative: a table
made of them cannot disagree with a gradient.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule import modes
from chainrule.elementary.base import General, Linear, Pointwise, is_step
from chainrule.elementary.linalg import pick
from chainrule.graph import Node, Tape, predecessors

LARGEST_JACOBIAN = 64  # entries that are worked out and shown

# What tells shapes and types only, and so needs no value to be kept.
_SHAPE_ONLY = frozenset(
    {np.shape, np.ndim, np.size, np.result_type, np.zeros_like, np.ones_like, np.empty_like}
)
# What moves elements only: its result is read or not.
_VIEWS = frozenset({np.reshape, np.transpose, np.swapaxes, np.squeeze, np.expand_dims, np.flip})


def handed_back(node: Node, g: Any) -> dict[int, Any]:
    """The contribution of a step to the cotangent of each argument, by its position.

    Args:
        node: a step.
        g: its complete cotangent; a list with one for each output where it has several.
    """
    if node.fn is pick:
        source = node.args[0].value
        return {0: [g if k == node.params["k"] else None for k in range(len(source))]}
    tape = Tape(Node)
    places = {k: tape.input(a.value, a.name) for k, a in predecessors(node)}
    args = tuple(places.get(k, a) for k, a in enumerate(node.args))
    alone = tape.append(node.fn, args, node.params, node.value, None, 0)
    found = modes.reverse(tape.nodes, 0, len(places), [(alone.index, g)])
    return {
        k: np.broadcast_to(c, np.shape(place.value))[()]
        for (k, place), c in zip(places.items(), found, strict=True)
        if c is not None
    }


def partial_value(node: Node, position: int) -> Any:
    """∂ξ/∂argument: elementwise for a pointwise step, else the Jacobian where it is small.

    Returns:
        A number or an array; a text where the Jacobian is too large to show.
    """
    fn, argument = node.fn, node.args[position]
    if is_step(fn):
        return 0.0
    if isinstance(fn, Pointwise):
        rule = fn.partials[position]
        if not callable(rule):
            return rule or 0.0
        value = rule(node.value, *(a.value if isinstance(a, Node) else a for a in node.args))
        return value * 1.0 if np.asarray(value).dtype.kind == "b" else value
    if fn is pick or isinstance(node.value, tuple):
        return "picks one of several outputs" if fn is pick else "has several outputs"
    shape, inner = np.shape(node.value), np.shape(argument.value)
    if np.asarray(argument.value).dtype.kind != "f":
        return 0.0
    size = math.prod(shape) * math.prod(inner)
    if size > LARGEST_JACOBIAN:
        return f"{shape + inner} Jacobian, {size} entries"
    dtype = np.asarray(node.value).dtype
    rows = []
    for seed in np.eye(math.prod(shape), dtype=dtype):
        c = handed_back(node, seed.reshape(shape)[()]).get(position, 0.0)
        rows.append(np.broadcast_to(c, inner))
    return np.reshape(np.array(rows, dtype), shape + inner)[()]


def read_back(node: Node, g: Any, positions: set[int]) -> set[Node]:
    """Which values the derivative rules of a step read: its own, or those of its arguments.

    Args:
        node: a step.
        g: its cotangent.
        positions: the arguments whose cotangent is wanted.
    """
    if node.fn.kind == "control":  # a loop or a branch runs its steps again
        return {a for _, a in predecessors(node)}
    own = _watched(node.value)
    watched = {k: _watched(a.value) for k, a in predecessors(node)}
    args = tuple(watched.get(k, a) for k, a in enumerate(node.args))
    fn = node.fn
    if isinstance(fn, Pointwise):
        rules = [fn.partials[k] for k in positions]
        results = [rule(own, *args) for rule in rules if callable(rule)]
    elif isinstance(fn, Linear):
        results = [fn.adjoint(k, g, args, node.params) for k in positions]
    elif isinstance(fn, General):
        results = list(fn.vjp(g, own, *args, **node.params))
    else:
        results = []
    for result in results:  # a rule that returns a value as it is has read it
        _seen(result)
    found = {node} if _is_read(own) else set()
    return found | {a for k, a in predecessors(node) if _is_read(watched[k])}


class _Watched(np.lib.mixins.NDArrayOperatorsMixin):
    """A value that notices whether it is read, beyond its shape and dtype."""

    __slots__ = ("read", "source", "value")

    def __init__(self, value: Any, source: _Watched | None = None) -> None:
        self.value = value
        self.source = source  # what this is a view of
        self.read = False

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        return np.ndim(self.value)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.asarray(self.value).dtype

    def __len__(self) -> int:
        return len(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(_seen(self), dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*map(_seen, inputs), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in _VIEWS and isinstance(args[0], _Watched):
            return _Watched(function(args[0].value, *args[1:], **kwargs), args[0])
        unwrap = _plain if function in _SHAPE_ONLY else _seen
        return function(*map(unwrap, args), **{k: unwrap(v) for k, v in kwargs.items()})

    def __getattr__(self, name: str) -> Any:
        return getattr(_seen(self), name)

    def __getitem__(self, key: Any) -> Any:
        return _Watched(self.value[key], self)

    def __bool__(self) -> bool:
        return bool(_seen(self))

    def __float__(self) -> float:
        return float(_seen(self))

    def __round__(self, digits: int = 0) -> Any:
        return np.round(_seen(self), digits)


def _watched(value: Any) -> Any:
    return tuple(map(_Watched, value)) if isinstance(value, tuple) else _Watched(value)


def _is_read(x: Any) -> bool:
    return any(part.read for part in x) if isinstance(x, tuple) else x.read


def _seen(x: Any) -> Any:
    """The plain value, noted as read."""
    if isinstance(x, _Watched):
        source: _Watched | None = x
        while source is not None:
            source.read = True
            source = source.source
        return x.value
    return type(x)(map(_seen, x)) if isinstance(x, (list, tuple)) else x


def _plain(x: Any) -> Any:
    return x.value if isinstance(x, _Watched) else x
