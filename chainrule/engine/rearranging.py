"""Elements that move: rolled, taken at positions, put into places, cut to a triangle.

What lies at fixed positions is read where it is wanted: a padded array, a mask, or `take` of a flat
array with the positions as a constant, which a loop reads element by element. Only what is added up
at positions that may be repeated goes through memory (`scatter`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.elementary.indexing import Index
from chainrule.engine.algebra import concatenate
from chainrule.engine.building import Builder, Rule, is_known
from chainrule.engine.program import INT, Op, Shape, as_ranges, contiguous

ROWS = 4  # elements of a row, from which on rows are taken as a whole


def _flat(b: Builder, a: Op) -> Any:
    return b.reshape(a, (a.size,))


def _zero(dtype: Any) -> Any:
    return False if dtype.kind == "b" else dtype.type(0)


def _taken(b: Builder, a: Op, at: Any) -> Any:
    """The elements of an array at positions in its order."""
    return b.op("take", (_flat(b, a), at), at.shape, a.dtype)


def _chosen(b: Builder, mask: np.ndarray, x: Any, y: Any, shape: Shape, dtype: Any) -> Any:
    """x where a fixed mask holds, else y."""
    if mask.all() or not mask.any():
        found = x if mask.all() else y
        if isinstance(found, Op):
            return b.broadcast_to(found, shape)
    return b.op("where", (b.table(mask), x, y), shape, dtype)


# Rolled, cut ------------------------------------------------------------------------------------


def roll(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a, shift, axis = args[0], params["shift"], params.get("axis")
    if not is_known(a):
        return None
    if axis is None:
        a, axis = _flat(b, a), 0
        shift = int(np.sum(shift))
    pairs = np.broadcast(shift, axis)
    for by, along in pairs:
        a = _rolled(b, a, int(by), int(along) % len(a.shape))
    return b.reshape(a, shape)


def _rolled(b: Builder, a: Op, by: int, axis: int) -> Any:
    n = a.shape[axis]
    if by % n == 0:
        return a
    parts = []
    for span in (slice(n - by % n, n), slice(0, n - by % n)):
        key = (*[slice(None)] * axis, span)
        part = (*a.shape[:axis], span.stop - span.start, *a.shape[axis + 1 :])
        parts.append(b.part(a, key, part))
    return concatenate(b, parts, {"axis": axis}, a.shape, a.dtype)


def _triangle(made: Any) -> Rule:
    def rule(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
        a = args[0]
        if not is_known(a):
            return None
        mask = made(np.ones(shape[-2:], bool), params.get("k", 0))
        return _chosen(b, mask, a, _zero(dtype), shape, dtype)

    return rule


def diagonal_add(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """The vectors along the second axis of a diagonal, zeros elsewhere."""
    g, offset = args[0], params.get("offset", 0)
    if not is_known(g) or dtype != g.dtype or math.prod(shape) == 0:
        return None
    n = len(shape)
    first, second = params.get("axis1", 0) % n, params.get("axis2", 1) % n
    rest = [k for k in range(n) if k not in (first, second)]
    wide = (*g.shape[:-1], shape[second])
    lows = (*(0 for _ in rest), max(offset, 0))
    g = b.pad(g, wide, lows) if wide != g.shape else g
    axes = tuple(range(len(rest)))
    order = [*axes[: sum(k < second for k in rest)], len(rest)]
    order += [k for k in axes if k not in order]
    g = b.transpose(g, tuple(order))
    lying = tuple(1 if k == first else m for k, m in enumerate(shape))
    g = b.reshape(g, lying)
    rows, columns = (np.arange(shape[k]) for k in (first, second))
    grid = [1] * n
    hits = (rows[:, None] + offset) == columns
    grid[first], grid[second] = shape[first], shape[second]
    mask = (hits if first < second else hits.T).reshape(grid)
    return b.op("where", (b.table(mask), g, _zero(dtype)), shape, dtype)


# Taken and put at fixed positions ---------------------------------------------------------------


def getitem(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a, index = args[0], params["index"]
    if index.basic or not is_known(a) or math.prod(shape) == 0:
        return None
    key = index.key[0] if isinstance(index.key, tuple) and len(index.key) == 1 else index.key
    if not isinstance(key, tuple) and np.asarray(key).dtype.kind in "iu" and len(a.shape) > 1:
        rows = b.table(np.asarray(key, INT))  # of a single row too
        return take(b, (a, rows), {}, shape, dtype)
    places = np.arange(a.size).reshape(a.shape)[index.key]
    return _taken(b, a, b.table(places))


def index_add(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """Numbers put into zeros. At a slice it is a padded array, each element of which is read or 0;
    where no position is repeated each place is known too.
    """
    g, index = args[0], params["index"]
    if not is_known(g) or g.dtype != dtype or math.prod(shape) == 0:
        return None
    if index.basic:
        found = _padded(b, g, index, shape)
        if found is not None:
            return found
    places = np.arange(math.prod(shape)).reshape(shape)[index.key]
    if places.size == 0:
        return None
    if g.shape != places.shape:
        g = b.broadcast_to(g, places.shape)
    if np.unique(places).size == places.size:
        return _placed(b, g, places, shape, _zero(dtype), dtype)
    at = b.table(places.reshape(-1))
    found = b.op("scatter", (_flat(b, g), at), (math.prod(shape),), dtype, rows=math.prod(shape))
    return b.reshape(found, shape)


def _placed(b: Builder, v: Any, places: np.ndarray, shape: Shape, rest: Any, dtype: Any) -> Any:
    """An array with the elements of v at positions, of several for one the last, and the rest."""
    number = np.full(math.prod(shape), -1)
    number[places.reshape(-1)] = np.arange(places.size)
    number = number.reshape(shape)
    return _chosen(b, number >= 0, _taken(b, v, b.table(np.maximum(number, 0))), rest, shape, dtype)


def _padded(b: Builder, g: Op, index: Index, shape: Shape) -> Any:
    """An array within zeros, or None where the index leaves gaps."""
    box = _box(index, shape)
    if box is None:
        return None
    lows, counts = box
    source = b.reshape(g, counts)
    return source if source.shape == shape else b.pad(source, shape, lows)


def _box(index: Index, shape: Shape) -> tuple[Shape, Shape] | None:
    """(first element along each axis, how many there are) at a basic index without gaps."""
    ghost = as_strided(np.empty(1, np.int8), shape, contiguous(shape))
    view = ghost[as_ranges(index.key)]
    start = view.__array_interface__["data"][0] - ghost.__array_interface__["data"][0]
    lows, steps, counts = [], [], []
    taken = [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    for n, stride in zip(shape, contiguous(shape), strict=True):
        low, start = divmod(start, stride)
        count, step = 1, 1
        if (
            taken
            and n > 1
            and taken[0][1] % stride == 0
            and low + (taken[0][1] // stride) * (taken[0][0] - 1) in range(n)
        ):
            count, step = taken[0][0], taken.pop(0)[1] // stride
        lows.append(low)
        steps.append(step)
        counts.append(count)
    if taken or any(step != 1 for step in steps):
        return None
    return tuple(lows), tuple(counts)


def index_set(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """What is written where the index leads, else the array as it was."""
    a, v = args
    index = params["index"]
    if not is_known(a) or a.dtype != dtype:
        return None
    places = np.arange(a.size).reshape(shape)[index.key]
    if places.size == 0:
        return a
    if not isinstance(v, Op) or v.size == 1:
        mask = np.zeros(shape, bool)
        mask[index.key] = True
        value = dtype.type(v) if not isinstance(v, Op) else v
        if isinstance(v, Op):
            value = b.astype(b.reshape(v, ()), dtype)
        return _chosen(b, mask, value, a, shape, dtype)
    if not is_known(v):
        return None
    v = b.astype(v, dtype)
    lead = len(v.shape) - places.ndim
    if lead > 0:  # NumPy drops axes of length one in front
        v = b.reshape(v, v.shape[lead:])
    v = b.broadcast_to(v, places.shape)
    inside = _padded(b, v, index, shape) if index.basic else None
    if inside is None:
        return _placed(b, v, places, shape, a, dtype)
    mask = np.zeros(shape, bool)
    mask[index.key] = True
    return _chosen(b, _thin(mask), inside, a, shape, dtype)


def _thin(mask: np.ndarray) -> np.ndarray:
    """The same mask without the axes along which it does not change, as far as it broadcasts."""
    for axis in range(mask.ndim):
        first = mask.take([0], axis)
        if (mask == first).all():
            mask = first
    return mask


# Positions that are computed ----------------------------------------------------------------------


def _within(b: Builder, index: Op, n: int) -> Any:
    """Positions as int64, those from the end counted from the start, none out of range."""
    if index.dtype != INT:
        index = b.astype(index, INT)
    below = b.like("less", index, 0)
    index = b.like("where", below, b.like("add", index, n), index)
    return b.like("minimum", b.like("maximum", index, 0), n - 1)


def take(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """Rows at positions: short ones element by element, in the loop that reads them."""
    a, index = args
    if not is_known(a) or not isinstance(index, Op) or index.dtype.kind not in "iu":
        return None
    if math.prod(shape) == 0:
        return None
    width = a.size // a.shape[0]
    fixed = index.name == "constant"
    if len(a.shape) == 1 and index.dtype == INT:
        return None  # as it is
    if width >= ROWS and not (fixed and math.prod(shape) < 4096):
        if index.dtype == INT:
            return None
        return b.op("take", (a, b.astype(index, INT)), shape, dtype)
    if fixed:
        places = np.arange(a.size).reshape(a.shape)
        return _taken(b, a, b.table(np.take(places, index.params["value"], 0)))
    at = _within(b, index, a.shape[0])
    if width > 1:
        at = b.reshape(at, (*index.shape, *[1] * (len(a.shape) - 1)))
        inner = b.table(np.arange(width).reshape(a.shape[1:]))
        at = b.like("add", b.like("multiply", at, width), inner)
    return _taken(b, a, b.reshape(at, shape))


def index_put(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """Of one dtype, at positions that are long whole numbers."""
    index = args[2]
    if not all(isinstance(x, Op) and x.size for x in args) or index.dtype.kind not in "iu":
        return None
    wanted = zip(args, (dtype, dtype, INT), strict=True)
    given = [x if x.dtype == d else b.astype(x, d) for x, d in wanted]
    return b.op("index_put", given, shape, dtype)


def scatter(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    g, index = args
    if not isinstance(index, Op) or index.dtype == INT or index.dtype.kind not in "iu":
        return None
    at = b.astype(index, INT)
    return b.op("scatter", (g, at), shape, dtype, **params)


def _along(b: Builder, index: Op, axis: int, whole: Shape) -> Any:
    """Positions in the order of an array of elements given by their positions along one axis."""
    strides = contiguous(whole)
    at = b.like("multiply", _within(b, index, whole[axis]), strides[axis])
    for k, n in enumerate(index.shape):
        if k != axis and n > 1 and whole[k] > 1:
            steps = np.arange(n) * strides[k]
            along = steps.reshape([-1 if j == k else 1 for j in range(len(whole))])
            at = b.like("add", at, b.table(along))
    return at


def take_along_axis(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a, index = args
    if not is_known(a) or not isinstance(index, Op) or index.dtype.kind not in "iu":
        return None
    if math.prod(shape) == 0 or index.shape != shape:
        return None
    axis = params["axis"] % len(shape)
    if any(
        n not in (1, m) for k, (n, m) in enumerate(zip(a.shape, shape, strict=True)) if k != axis
    ):
        return None
    return _taken(b, a, _along(b, index, axis, a.shape))


def add_along_axis(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    g, index = args
    if not is_known(g) or not isinstance(index, Op) or index.dtype.kind not in "iu":
        return None
    if math.prod(shape) == 0 or g.dtype != dtype:
        return None
    if g.shape != index.shape:
        g = b.broadcast_to(g, index.shape)
    at = _flat(b, _along(b, index, params["axis"] % len(shape), shape))
    found = b.op("scatter", (_flat(b, g), at), (math.prod(shape),), dtype, rows=math.prod(shape))
    return b.reshape(found, shape)


RULES: dict[str, Rule] = {
    "roll": roll, "tril": _triangle(np.tril), "triu": _triangle(np.triu),
    "diagonal_add": diagonal_add, "getitem": getitem, "index_add": index_add,
    "index_set": index_set, "index_put": index_put, "take": take, "scatter": scatter,
    "take_along_axis": take_along_axis, "add_along_axis": add_along_axis,
}  # fmt: skip

__all__ = ["RULES"]
