"""Reading and writing elements: indexing, assignment, gathering along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary.base import Linear, drawn, shape_of, value_of
from chainrule.elementary.shaping import unbroadcast, where


class Index:
    """A static index (what stands between the brackets), hashable by identity and printable."""

    __slots__ = ("basic", "key")

    def __init__(self, key: Any, basic: bool = False) -> None:
        self.key = key
        parts = key if isinstance(key, tuple) else (key,)
        self.basic = basic or all(
            p is None
            or p is Ellipsis
            or (isinstance(p, (slice, int, np.integer)) and not isinstance(p, (bool, np.bool_)))
            for p in parts
        )

    def __repr__(self) -> str:
        parts = self.key if isinstance(self.key, tuple) else (self.key,)
        return ", ".join(_part(p) for p in parts)


def _part(p: Any) -> str:
    if isinstance(p, slice):
        text = ":".join("" if v is None else str(v) for v in (p.start, p.stop))
        return (text or ":") + (f":{p.step}" if p.step is not None else "")
    if p is Ellipsis:
        return "…"
    if np.ndim(p):
        return f"[{np.size(p)} indices]"
    return str(p)


def _index_add(g: Any, shape: tuple[int, ...], index: Index) -> Any:
    """Zeros of the given shape with g added at the index, repeated positions added up."""
    out = np.zeros(shape, np.result_type(g, np.float32) if np.ndim(g) else np.asarray(g).dtype)
    add_at(out, index, g)
    return out


def add_at(out: Any, index: Index, g: Any) -> None:
    """out[index] += g, with repeated positions added up."""
    if index.basic:
        out[index.key] += g
    else:
        np.add.at(out, index.key, g)


getitem = Linear(
    "getitem",
    lambda a, index: a[index.key],
    lambda g, a, index: index_add(g, shape=shape_of(a), index=index),
    formula="a[…]",
    symbols=("g at the index, 0 elsewhere",),
    examples=drawn(
        ((4,), {"index": Index(slice(1, 3))}),
        ((3, 4), {"index": Index((slice(None), 2))}),
        ((3, 4), {"index": Index(([0, 2, 0], [1, 1, 1]))}),
        ((4,), {"index": Index(np.array([True, False, True, False]))}),
    ),
    view=True,
)

# The adjoint of getitem.
index_add = Linear(
    "index_add",
    _index_add,
    lambda g, a, shape, index: getitem(g, index=index),
    symbols=("g[…]",),
    examples=drawn(
        ((2,), {"shape": (4,), "index": Index(slice(1, 3))}),
        ((3,), {"shape": (3, 4), "index": Index(([0, 2, 0], [1, 1, 1]))}),
    ),
)


def _index_set(a: Any, v: Any, index: Index) -> Any:
    out = np.array(a)
    out[index.key] = v
    return out


def _kept(g: Any, a: Any, v: Any, index: Index) -> Any:
    return index_set(g, 0.0, index=index)


def _written(g: Any, a: Any, v: Any, index: Index) -> Any:
    """The cotangent of the assigned value; where a position is repeated the last writer has it."""
    part = getitem(g, index=index)
    if not index.basic:
        place = np.zeros(shape_of(a), int)
        number = np.arange(np.size(value_of(part))).reshape(shape_of(part))
        place[index.key] = number
        won = place[index.key] == number
        if not np.all(won):
            part = part * won
    return unbroadcast(part, v)


# The array a after a[index] = v; linear in a and v together.
index_set = Linear(
    "index_set",
    _index_set,
    _kept,
    _written,
    formula="a with a[…] = b",
    symbols=("g, 0 at the index", "g[…]"),
    examples=drawn(
        ((4,), (2,), {"index": Index(slice(1, 3))}),
        ((3, 4), (), {"index": Index((slice(None), 2))}),
        ((4,), (3,), {"index": Index([0, 2, 0])}),
    ),
    joint=True,
)


def _put_along_axis(g: Any, index: Any, axis: int, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape, np.asarray(g).dtype)
    grid = list(np.ogrid[tuple(slice(n) for n in np.shape(index))])
    grid[axis] = index
    np.add.at(out, tuple(grid), g)
    return out


take_along_axis = Linear(
    "take_along_axis",
    lambda a, index, axis: np.take_along_axis(a, index, axis),
    lambda g, a, index, axis: add_along_axis(g, index, axis=axis, shape=shape_of(a)),
    None,
    symbols=("g at the indices, 0 elsewhere", "0"),
    examples=drawn(((3, 4), np.array([[2, 0, 0]] * 3), {"axis": 1})),
)
# The adjoint of take_along_axis.
add_along_axis = Linear(
    "add_along_axis",
    _put_along_axis,
    lambda g, a, index, axis, shape: take_along_axis(g, index, axis=axis),
    None,
    symbols=("take_along_axis(g)", "0"),
    examples=drawn(((3, 3), np.array([[2, 0, 0]] * 3), {"axis": 1, "shape": (3, 4)})),
)


def _scatter(g: Any, index: Any, rows: int) -> Any:
    g = np.asarray(g)
    out = np.zeros((rows, *g.shape[np.ndim(index) :]), g.dtype)
    np.add.at(out, index, g)
    return out


# Rows of the first axis at positions that are an argument of the graph; getitem has a fixed index.
take = Linear(
    "take",
    lambda a, index: np.take(a, index, 0),
    lambda g, a, index: scatter(g, index, rows=shape_of(a)[0]),
    None,
    formula="a[b]",
    symbols=("g added at the rows b, 0 elsewhere", "0"),
    examples=drawn(((4, 2), np.array([2, 0, 2]), {}), ((5,), np.array([[1, -1]]), {})),
)
# The adjoint of take.
scatter = Linear(
    "scatter",
    _scatter,
    lambda h, g, index, rows: take(h, index),
    None,
    symbols=("g[b]", "0"),
    examples=drawn(
        ((3, 2), np.array([2, 0, 2]), {"rows": 4}), ((1, 2), np.array([[1, -1]]), {"rows": 5})
    ),
)


def _index_put(a: Any, v: Any, index: Any) -> Any:
    out = np.array(a)
    out[index] = v
    return out


def _put_values(g: Any, a: Any, v: Any, index: Any) -> Any:
    """The cotangent of what is put; where a position is repeated the last writer has it."""
    numbers = np.arange(shape_of(index)[0])
    writers = index_put(np.zeros(shape_of(a), int), numbers, index)
    return where(take(writers, index) == numbers, take(g, index), 0.0)


# A vector with other numbers at positions that are an argument of the graph; index_set has a fixed
# index.
index_put = Linear(
    "index_put",
    _index_put,
    lambda g, a, v, index: index_put(g, np.zeros(shape_of(v), value_of(g).dtype), index),
    _put_values,
    None,
    formula="a with a[c] = b",
    symbols=("g, 0 at the index", "g[c] of the last writer", "0"),
    examples=drawn(((4,), (3,), np.array([2, 0, 2]), {}), ((5,), (2,), np.array([-1, 1]), {})),
    joint=True,
)


def _diagonal_add(g: Any, shape: tuple[int, ...], offset: int, axis1: int, axis2: int) -> Any:
    out = np.zeros(shape, np.asarray(g).dtype)
    moved = np.moveaxis(out, (axis1, axis2), (-2, -1))
    n = np.shape(g)[-1]
    rows = np.arange(n) + max(-offset, 0)
    moved[..., rows, np.arange(n) + max(offset, 0)] = g
    return out


diagonal = Linear(
    "diagonal",
    lambda a, offset=0, axis1=0, axis2=1: np.diagonal(a, offset, axis1, axis2),
    lambda g, a, offset=0, axis1=0, axis2=1: diagonal_add(
        g, shape=shape_of(a), offset=offset, axis1=axis1, axis2=axis2
    ),
    symbols=("g on the diagonal, 0 elsewhere",),
    examples=drawn(((3, 3), {}), ((3, 4), {"offset": 1}), ((2, 3, 3), {"axis1": 1, "axis2": 2})),
)
# The adjoint of diagonal.
diagonal_add = Linear(
    "diagonal_add",
    _diagonal_add,
    lambda g, a, shape, offset=0, axis1=0, axis2=1: diagonal(
        g, offset=offset, axis1=axis1, axis2=axis2
    ),
    symbols=("diagonal(g)",),
    examples=drawn(((3,), {"shape": (4, 3), "offset": -1, "axis1": 0, "axis2": 1})),
)

FUNCTIONS = (
    getitem, index_add, index_set, index_put, take_along_axis, add_along_axis, take, scatter,
    diagonal, diagonal_add,
)  # fmt: skip
