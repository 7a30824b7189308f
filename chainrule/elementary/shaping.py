"""Functions that move elements without changing them; the adjoint moves the cotangents back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.elementary.base import Linear, drawn, shape_of


def _sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum over the axes that broadcasting from ``shape`` had added or stretched."""
    g = np.asarray(g)
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1
    )
    if axes:
        g = g.sum(axis=axes, keepdims=True)
    return g.reshape(shape) if shape else g.reshape(())[()]


broadcast_to = Linear(
    "broadcast_to",
    lambda a, shape: np.broadcast_to(a, shape),
    lambda g, a, shape: sum_to(g, shape=shape_of(a)),
    symbols=("sum over the broadcast axes of g",),
    examples=drawn(
        ((3,), {"shape": (2, 3)}), ((2, 1), {"shape": (4, 2, 3)}), ((), {"shape": (2,)})
    ),
    view=True,
)

sum_to = Linear(
    "sum_to",
    _sum_to,
    lambda g, a, shape: broadcast_to(g, shape=shape_of(a)),
    symbols=("broadcast g",),
    examples=drawn(
        ((2, 3), {"shape": (3,)}), ((4, 2, 3), {"shape": (2, 1)}), ((2,), {"shape": ()})
    ),
)


def unbroadcast(g: Any, like: Any) -> Any:
    """Give a cotangent the shape of the argument it belongs to."""
    shape = shape_of(like)
    return g if shape_of(g) == shape else sum_to(g, shape=shape)


reshape = Linear(
    "reshape",
    lambda a, shape: np.reshape(a, shape),
    lambda g, a, shape: reshape(g, shape=shape_of(a)),
    symbols=("reshape g back",),
    examples=drawn(
        ((2, 6), {"shape": (3, 4)}), ((4,), {"shape": (2, 2)}), ((0, 3), {"shape": (0,)})
    ),
    view=True,
)


def _inverse(axes: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if axes is None else tuple(int(i) for i in np.argsort(axes))


transpose = Linear(
    "transpose",
    lambda a, axes=None: np.transpose(a, axes),
    lambda g, a, axes=None: transpose(g, axes=_inverse(axes)),
    symbols=("transpose g back",),
    examples=drawn(((2, 3), {}), ((2, 3, 4), {"axes": (2, 0, 1)})),
    view=True,
)


def _concatenate(*parts: Any, axis: int = 0) -> Any:
    return np.concatenate(parts, axis=axis)


def _part(position: int, g: Any, *parts: Any, axis: int = 0) -> Any:
    start = sum(shape_of(p)[axis] for p in parts[:position])
    stop = start + shape_of(parts[position])[axis]
    return g[(slice(None),) * (axis % len(shape_of(g))) + (slice(start, stop),)]


concatenate = Linear(
    "concatenate",
    _concatenate,
    _part,
    formula="concatenate(…)",
    symbols=("the part of g",),
    examples=drawn(((2, 3), (1, 3), {}), ((2, 3), (2, 1), (2, 2), {"axis": 1})),
    joint=True,
    variadic=True,
)

flip = Linear(
    "flip",
    lambda a, axis=None: np.flip(a, axis),
    lambda g, a, axis=None: flip(g, axis=axis),
    symbols=("flip g",),
    examples=drawn(((3,), {}), ((2, 3), {"axis": 1})),
    view=True,
)


def _back(shift: Any) -> Any:
    return tuple(-s for s in shift) if isinstance(shift, tuple) else -shift


roll = Linear(
    "roll",
    lambda a, shift, axis=None: np.roll(a, shift, axis),
    lambda g, a, shift, axis=None: roll(g, shift=_back(shift), axis=axis),
    symbols=("roll g back",),
    examples=drawn(((5,), {"shift": 2}), ((2, 3), {"shift": (1, 2), "axis": (0, 1)})),
)

tril = Linear(
    "tril",
    lambda a, k=0: np.tril(a, k),
    lambda g, a, k=0: tril(g, k=k),
    symbols=("tril(g)",),
    examples=drawn(((3, 3), {}), ((2, 3, 4), {"k": 1})),
)

triu = Linear(
    "triu",
    lambda a, k=0: np.triu(a, k),
    lambda g, a, k=0: triu(g, k=k),
    symbols=("triu(g)",),
    examples=drawn(((3, 3), {}), ((2, 3, 4), {"k": -1})),
)

astype = Linear(
    "astype",
    lambda a, dtype: np.asarray(a).astype(dtype)[()],
    lambda g, a, dtype: astype(g, dtype=a.dtype),
    formula="a",
    symbols=("g",),
    examples=drawn(((2, 3), {"dtype": np.dtype(np.float64)})),
)

identity = Linear(
    "identity",
    lambda a: a,
    lambda g, a: g,
    formula="a",
    symbols=("g",),
    examples=drawn(((3,), {})),
)

# The part of a value that is constant for differentiation: cr.stop_gradient.
stop_gradient = Linear(
    "stop_gradient",
    lambda a: a,
    None,
    formula="stop_gradient(a)",
    symbols=("0",),
    examples=drawn(((3,), {})),
)

where = Linear(
    "where",
    lambda c, a, b: np.where(c, a, b)[()],  # type: ignore[call-overload]
    None,
    lambda g, c, a, b: unbroadcast(where(c, g, 0.0), a),
    lambda g, c, a, b: unbroadcast(where(c, 0.0, g), b),
    symbols=("0", "where(a, g, 0)", "where(a, 0, g)"),
    examples=drawn(
        (np.array([True, False, True]), (3,), (3,), {}),
        (np.array([[True], [False]]), (3,), (2, 1), {}),
    ),
    joint=True,
)

FUNCTIONS = (
    broadcast_to, sum_to, reshape, transpose, concatenate, flip, roll, tril, triu, astype,
    identity, stop_gradient, where,
)  # fmt: skip
