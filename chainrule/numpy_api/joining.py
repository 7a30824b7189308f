"""NumPy functions that join, split, pad and extend arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary import shaping as sh
from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.elementary.indexing import Index, getitem, index_add
from chainrule.errors import ShapeError, code_line
from chainrule.graph import user_code
from chainrule.numpy_api.common import array_of, arrays, plain, refuse, stored
from chainrule.numpy_api.shapes import (
    astype,
    atleast_1d,
    atleast_2d,
    broadcast_arrays,
    expand_dims,
    gather,
    moveaxis,
    places,
    ravel,
    reshape,
)


def concatenate(
    arrays_: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None
) -> Any:
    parts = arrays(arrays_)
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    result = sh.concatenate(*parts, axis=int(axis))
    return stored(astype(result, dtype) if dtype is not None else result, out)


def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of vectors for every vector along an axis."""
    arr = array_of(arr)
    rows = moveaxis(arr, axis, -1)
    outer = shape_of(rows)[:-1]
    rows = reshape(rows, (-1, shape_of(rows)[-1]))
    made = stack([func1d(rows[k], *args, **kwargs) for k in range(shape_of(rows)[0])])
    inner = shape_of(made)[1:]
    whole = reshape(made, (*outer, *inner))
    axis = axis % (len(outer) + 1)
    return moveaxis(
        whole, range(len(outer), len(outer) + len(inner)), range(axis, axis + len(inner))
    )


def stack(arrays_: Any, axis: int = 0, out: Any = None, **kw: Any) -> Any:
    parts = arrays(arrays_)
    shapes = {shape_of(p) for p in parts}
    if len(shapes) > 1:
        raise ShapeError(
            "all arrays given to stack must have the same shape",
            got=f"shapes {', '.join(map(str, sorted(shapes)))}",
            line=code_line(*user_code(2)),
            remedy="np.concatenate joins arrays of different lengths along an axis",
        )
    return concatenate([expand_dims(p, axis) for p in parts], axis, out)


def hstack(tup: Any, **kw: Any) -> Any:
    parts = [atleast_1d(p) for p in arrays(tup)]
    return concatenate(parts, 0 if len(shape_of(parts[0])) == 1 else 1)


def vstack(tup: Any, **kw: Any) -> Any:
    return concatenate([atleast_2d(p) for p in arrays(tup)], 0)


def dstack(tup: Any) -> Any:
    parts = [atleast_2d(p) for p in arrays(tup)]
    return concatenate([expand_dims(p, 2) if len(shape_of(p)) == 2 else p for p in parts], 2)


def column_stack(tup: Any) -> Any:
    parts = arrays(tup)
    return concatenate([expand_dims(p, 1) if len(shape_of(p)) == 1 else p for p in parts], 1)


def append(arr: Any, values: Any, axis: Any = None) -> Any:
    return concatenate((arr, values), axis)


def block(blocks: Any) -> Any:
    """Nested lists of blocks, the innermost joined along the last axis."""
    if not isinstance(blocks, list):
        return blocks

    def depth(b: Any) -> int:
        return 1 + max(depth(part) for part in b) if isinstance(b, list) else 0

    def deepest(b: Any) -> int:
        return max(deepest(part) for part in b) if isinstance(b, list) else len(shape_of(b))

    levels = depth(blocks)
    rank = max(levels, deepest(blocks))

    def joined(b: Any, level: int) -> Any:
        if isinstance(b, list):
            return concatenate([joined(part, level - 1) for part in b], -level)
        return reshape(b, (1,) * (rank - len(shape_of(b))) + shape_of(b))

    return joined(blocks, levels)


def array_split(a: Any, sections: Any, axis: int = 0) -> list[Any]:
    n = shape_of(a)[axis]
    lead = (slice(None),) * (axis % len(shape_of(a)))
    parts = np.array_split(np.arange(n), plain(sections))
    spans = [slice(int(p[0]), int(p[-1]) + 1) if len(p) else slice(n, n) for p in parts]
    return [getitem(a, index=Index((*lead, span))) for span in spans]


def split(a: Any, sections: Any, axis: int = 0) -> list[Any]:
    np.split(np.empty(shape_of(a)[axis]), plain(sections))  # refuses an uneven division
    return array_split(a, sections, axis)


def hsplit(a: Any, sections: Any) -> list[Any]:
    return split(a, sections, 0 if len(shape_of(a)) == 1 else 1)


def vsplit(a: Any, sections: Any) -> list[Any]:
    return split(a, sections, 0)


def dsplit(a: Any, sections: Any) -> list[Any]:
    return split(a, sections, 2)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    return tuple(moveaxis(x, axis, 0))


def pad(a: Any, pad_width: Any, mode: Any = "constant", **kw: Any) -> Any:
    shape = shape_of(a)
    if mode == "constant":
        fill = kw.pop("constant_values", 0)
        border = np.pad(np.zeros(shape, bool), plain(pad_width), constant_values=True)
        widths = np.broadcast_to(plain(pad_width), (len(shape), 2)) if shape else np.zeros((0, 2))
        spans = tuple(slice(int(w), int(w) + n) for (w, _), n in zip(widths, shape, strict=True))
        inner = index_add(a, shape=border.shape, index=Index(spans)) if shape else a
        if is_traced(fill):
            return sh.where(border, fill, inner)
        edge = np.pad(np.zeros(shape), plain(pad_width), constant_values=fill)
        if not edge.any():
            return inner
        return sh.where(border, edge.astype(value_of(a).dtype), inner)
    if mode in ("edge", "reflect", "symmetric", "wrap"):
        if kw.get("reflect_type", "even") != "even":
            raise refuse("pad", "reflect_type", kw["reflect_type"], "use reflect_type='even'")
        return gather(a, np.pad(places(a), plain(pad_width), mode=mode))
    raise refuse("pad", "mode", mode, "use constant, edge, reflect, symmetric or wrap")


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    parts = [ravel(x) for x in arrays(xi)]
    n = len(parts)
    axes = list(range(n))
    if indexing == "xy" and n > 1:
        axes[0], axes[1] = 1, 0
    grids = [
        sh.reshape(p, shape=tuple(-1 if i == axes[k] else 1 for i in range(n)))
        if not is_traced(p)
        else reshape(p, tuple(shape_of(p)[0] if i == axes[k] else 1 for i in range(n)))
        for k, p in enumerate(parts)
    ]
    return tuple(grids) if sparse else broadcast_arrays(*grids)


def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    return gather(arr, np.delete(places(arr), plain(obj), axis))


def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """np.insert: the old elements are gathered to their new places, the new ones written."""
    values = array_of(values)
    marks = np.insert(places(arr), plain(obj), -1 - places(values), axis)
    old = gather(arr, np.maximum(marks, 0))
    new = gather(values, np.maximum(-1 - marks, 0))
    return sh.where(marks < 0, new, old)


def resize(a: Any, new_shape: Any) -> Any:
    return gather(a, np.resize(places(a), new_shape))
