"""NumPy functions that shape, join, split, repeat, select and move elements."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from chainrule.elementary import indexing as ix
from chainrule.elementary import shaping as sh
from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.elementary.indexing import Index, getitem
from chainrule.errors import ShapeError, code_line
from chainrule.graph import user_code
from chainrule.numpy_api.common import array_of, arrays, full, plain, refuse, stored


def _size(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


def reshape(a: Any, /, shape: Any = None, order: str = "C", *, copy: Any = None) -> Any:
    a = array_of(a)
    shape = plain(shape)
    wanted = tuple(int(n) for n in np.ravel(shape))
    old = shape_of(a)
    if builtins.sum(n == -1 for n in wanted) == 1:
        rest = math.prod(n for n in wanted if n != -1)
        wanted = tuple((_size(old) // rest if rest else 0) if n == -1 else n for n in wanted)
    if _size(wanted) != _size(old):
        raise ShapeError(
            f"cannot reshape {_size(old)} elements into shape {wanted}",
            got=f"shape {old}",
            line=code_line(*user_code(2)),
            remedy="the product of the new shape must be the number of elements; -1 fills in one",
        )
    if order == "F":
        return transpose(sh.reshape(transpose(a), shape=wanted[::-1]))
    if order not in ("C", "A"):
        raise refuse("reshape", "order", order, "use order='C' or 'F'")
    return sh.reshape(a, shape=wanted)


def ravel(a: Any, order: str = "C") -> Any:
    return reshape(a, (-1,) if _size(shape_of(array_of(a))) else (0,), order)


def transpose(a: Any, axes: Any = None) -> Any:
    a = array_of(a)
    n = len(shape_of(a))
    return sh.transpose(a, axes=None if axes is None else tuple(int(i) % n for i in axes))


def matrix_transpose(a: Any) -> Any:
    return swapaxes(a, -1, -2)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    axes = list(range(len(shape_of(a))))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return sh.transpose(a, axes=tuple(axes))


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    places = np.arange(len(shape_of(a)))
    order = np.moveaxis(np.empty((0,) * len(places)), source, destination)  # checks the axes
    n = order.ndim
    from_ = [int(i) % n for i in np.ravel(source)]
    to = [int(i) % n for i in np.ravel(destination)]
    axes = [int(i) for i in places if i not in from_]
    for target, origin in sorted(zip(to, from_, strict=True)):
        axes.insert(target, origin)
    return sh.transpose(a, axes=tuple(axes))


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    n = len(shape_of(a))
    axis, start = axis % n, start + n if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


def expand_dims(a: Any, axis: Any) -> Any:
    a = array_of(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    n = len(shape_of(a)) + len(axes)
    added = {int(i) % n for i in axes}
    sizes = iter(shape_of(a))
    return sh.reshape(a, shape=tuple(1 if i in added else next(sizes) for i in range(n)))


def squeeze(a: Any, axis: Any = None) -> Any:
    shape = shape_of(a)
    value = np.squeeze(np.broadcast_to(0, shape), axis)  # checks the axes
    return sh.reshape(a, shape=value.shape)


def broadcast_to(a: Any, shape: Any, subok: bool = False) -> Any:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return full(array_of(a), shape)


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    args = tuple(arrays(args))
    shape = np.broadcast_shapes(*(shape_of(a) for a in args))
    return tuple(full(a, shape) for a in args)


def atleast_1d(*args: Any) -> Any:
    out = tuple(sh.reshape(a, shape=(1,)) if not shape_of(a) else a for a in arrays(args))
    return out[0] if len(out) == 1 else out


def atleast_2d(*args: Any) -> Any:
    out = tuple(
        sh.reshape(a, shape=(1,) * (2 - len(shape_of(a))) + shape_of(a))
        if len(shape_of(a)) < 2
        else a
        for a in arrays(args)
    )
    return out[0] if len(out) == 1 else out


def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """A copy: the same value, no longer a view of the same memory."""
    return sh.identity(a)


def astype(a: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    from chainrule.elementary.logic import as_integer
    from chainrule.errors import NotDifferentiableError

    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        raise NotDifferentiableError(
            "complex numbers cannot be differentiated",
            got=f"astype({dtype})",
            line=code_line(*user_code(2)),
            remedy="keep real and imaginary parts in two real arrays",
        )
    return sh.astype(a, dtype=dtype) if dtype.kind == "f" else as_integer(a, dtype=dtype)


# Joining and splitting -----------------------------------------------------------------------


def concatenate(
    arrays_: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None
) -> Any:
    parts = arrays(arrays_)
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    result = sh.concatenate(*parts, axis=int(axis))
    return stored(astype(result, dtype) if dtype is not None else result, out)


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


def array_split(a: Any, sections: Any, axis: int = 0) -> list[Any]:
    places = np.arange(shape_of(a)[axis])
    parts = np.array_split(places, plain(sections))
    lead = (slice(None),) * (axis % len(shape_of(a)))
    return [_slice(a, lead, p, len(places)) for p in parts]


def _slice(a: Any, lead: tuple[slice, ...], places: np.ndarray, n: int) -> Any:
    span = slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(n, n)
    return getitem(a, index=Index((*lead, span)))


def split(a: Any, sections: Any, axis: int = 0) -> list[Any]:
    np.split(np.empty(shape_of(a)[axis]), plain(sections))  # refuses an uneven division
    return array_split(a, sections, axis)


def hsplit(a: Any, sections: Any) -> list[Any]:
    return split(a, sections, 0 if len(shape_of(a)) == 1 else 1)


def vsplit(a: Any, sections: Any) -> list[Any]:
    return split(a, sections, 0)


# Moving and repeating -----------------------------------------------------------------------


def gather(a: Any, places: np.ndarray) -> Any:
    """The elements of a at positions in its flattened order."""
    return getitem(ravel(a), index=Index(places))


def _places(a: Any) -> np.ndarray:
    shape = shape_of(a)
    return np.arange(_size(shape)).reshape(shape)


def pad(a: Any, pad_width: Any, mode: Any = "constant", **kw: Any) -> Any:
    shape = shape_of(a)
    if mode == "constant":
        fill = kw.pop("constant_values", 0)
        border = np.pad(np.zeros(shape, bool), plain(pad_width), constant_values=True)
        inside = np.pad(_places(a), plain(pad_width))
        inner = gather(a, inside) if _size(shape) else np.zeros(inside.shape)
        if is_traced(fill):
            return sh.where(border, fill, inner)
        edge = np.pad(np.zeros(shape), plain(pad_width), constant_values=fill)
        return sh.where(border, edge.astype(value_of(a).dtype), inner)
    if mode in ("edge", "reflect", "symmetric", "wrap"):
        if kw.get("reflect_type", "even") != "even":
            raise refuse("pad", "reflect_type", kw["reflect_type"], "use reflect_type='even'")
        return gather(a, np.pad(_places(a), plain(pad_width), mode=mode))
    raise refuse("pad", "mode", mode, "use constant, edge, reflect, symmetric or wrap")


def flip(a: Any, axis: Any = None) -> Any:
    return sh.flip(a, axis=tuple(axis) if isinstance(axis, list) else axis)


def fliplr(a: Any) -> Any:
    return flip(a, 1)


def flipud(a: Any) -> Any:
    return flip(a, 0)


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    shift = tuple(shift) if isinstance(shift, (list, tuple)) else shift
    return sh.roll(a, shift=shift, axis=tuple(axis) if isinstance(axis, list) else axis)


def rot90(a: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    k %= 4
    if k == 0:
        return sh.identity(a)
    if k == 2:
        return flip(flip(a, axes[0]), axes[1])
    return swapaxes(flip(a, axes[1]), *axes) if k == 1 else flip(swapaxes(a, *axes), axes[1])


def tile(a: Any, reps: Any) -> Any:
    return gather(a, np.tile(_places(a), reps))


def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    return gather(a, np.repeat(_places(a), plain(repeats), axis))


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    return stored(gather(a, np.take(_places(a), plain(indices), axis, mode=mode)), out)


def take_along_axis(a: Any, indices: Any, axis: Any = -1) -> Any:
    if axis is None:
        return getitem(ravel(a), index=Index(np.array(plain(indices))))
    return ix.take_along_axis(a, np.array(plain(indices)), axis=axis % len(shape_of(a)))


def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    return stored(gather(a, np.compress(plain(condition), _places(a), axis)), out)


def extract(condition: Any, a: Any) -> Any:
    return compress(np.ravel(plain(condition)), a)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return ix.diagonal(a, offset=offset, axis1=axis1, axis2=axis2)


def diag(a: Any, k: int = 0) -> Any:
    shape = shape_of(a)
    if len(shape) == 2:
        return diagonal(a, k)
    n = shape[0] + abs(k)
    return ix.diagonal_add(a, shape=(n, n), offset=k, axis1=0, axis2=1)


def diagflat(a: Any, k: int = 0) -> Any:
    return diag(ravel(a), k)


def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    from chainrule.elementary.reductions import sum_

    return stored(sum_(diagonal(a, offset, axis1, axis2), axis=-1), out)


def tril(a: Any, k: int = 0) -> Any:
    return sh.tril(a, k=k)


def triu(a: Any, k: int = 0) -> Any:
    return sh.triu(a, k=k)


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


# Selection ----------------------------------------------------------------------------------


def where(condition: Any, *choices: Any) -> Any:
    """np.where. The condition may be traced: it has no derivative of its own."""
    if not choices:
        return np.where(plain(condition))
    a, b = arrays(choices)
    if is_traced(condition) or is_traced(a) or is_traced(b):
        return sh.where(condition, a, b)
    return np.where(condition, a, b)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    return result


def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    choices = arrays(choices)
    index = np.asarray(plain(a))
    np.choose(index, [0] * len(choices), mode=mode)  # checks the range
    if mode != "raise":
        limit = len(choices)
        index = index % limit if mode == "wrap" else np.clip(index, 0, limit - 1)
    result = choices[-1]
    for k in range(len(choices) - 2, -1, -1):
        result = where(index == k, choices[k], result)
    return stored(result, out)


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    conditions = [plain(c) for c in condlist]
    functions = list(funclist)
    if len(functions) == len(conditions) + 1:
        conditions.append(~np.any(conditions, axis=0))
    result: Any = np.zeros(shape_of(x))
    for condition, f in zip(conditions, functions, strict=True):
        value = f(where(condition, x, 1.0), *args, **kw) if callable(f) else f
        result = where(condition, value, result)
    return result


def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Piecewise linear interpolation: y₀ + (x − x₀)·(y₁ − y₀)/(x₁ − x₀)."""
    if period is not None:
        raise refuse("interp", "period", period, "extend xp and fp by one period on both sides")
    x, xp, fp = array_of(x), array_of(xp), array_of(fp)
    at, knots = np.asarray(value_of(x)), np.asarray(value_of(xp))
    k = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    x0, x1 = xp[k], xp[k + 1]
    y0, y1 = fp[k], fp[k + 1]
    inside = (at >= knots[0]) & (at <= knots[-1])
    line = y0 + (where(inside, x, x0) - x0) * ((y1 - y0) / (x1 - x0))
    line = where(at > knots[-1], fp[-1] if right is None else right, line)
    return where(at < knots[0], fp[0] if left is None else left, line)
