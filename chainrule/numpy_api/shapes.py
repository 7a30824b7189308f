"""NumPy functions that shape, turn, repeat and take elements of one array."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from chainrule.elementary import indexing as ix
from chainrule.elementary import shaping as sh
from chainrule.elementary.base import shape_of
from chainrule.elementary.indexing import Index, getitem
from chainrule.errors import ShapeError, code_line
from chainrule.graph import user_code
from chainrule.numpy_api.common import array_of, arrays, full, plain, refuse, stored
from chainrule.numpy_api.positions import is_late, taken


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
    numbers = range(len(shape_of(a)))
    order = np.moveaxis(np.empty((0,) * len(numbers)), source, destination)  # checks the axes
    n = order.ndim
    from_ = [int(i) % n for i in np.ravel(source)]
    to = [int(i) % n for i in np.ravel(destination)]
    axes = [i for i in numbers if i not in from_]
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


def atleast_3d(*args: Any) -> Any:
    def deep(a: Any) -> Any:
        n = len(shape_of(a))
        return expand_dims(a, ((0, 1, 2), (0, 2), (2,))[n]) if n < 3 else a

    out = tuple(deep(a) for a in arrays(args))
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


# Moving and repeating -----------------------------------------------------------------------


def gather(a: Any, at: np.ndarray) -> Any:
    """The elements of a at positions in its flattened order."""
    return getitem(ravel(a), index=Index(at))


def places(a: Any) -> np.ndarray:
    """The position of each element of a in its flattened order."""
    shape = shape_of(a)
    return np.arange(_size(shape)).reshape(shape)


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
    """Copies side by side: an axis in front of each of a's, stretched."""
    a = array_of(a)
    times = tuple(int(n) for n in np.ravel(plain(reps)))
    rank = builtins.max(len(times), len(shape_of(a)))
    times = (1,) * (rank - len(times)) + times
    shape = (1,) * (rank - len(shape_of(a))) + shape_of(a)
    a = sh.reshape(a, shape=tuple(m for n in shape for m in (1, n)))
    a = full(a, tuple(m for pair in zip(times, shape, strict=True) for m in pair))
    return sh.reshape(a, shape=tuple(m * n for m, n in zip(times, shape, strict=True)))


def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Each element several times: an axis behind its own, stretched, where all have one number."""
    times = np.asarray(plain(repeats))
    a = ravel(a) if axis is None else array_of(a)
    axis = 0 if axis is None else axis % len(shape_of(a))
    if times.size != 1:
        return gather(a, np.repeat(places(a), times, axis))
    before, n, behind = shape_of(a)[:axis], shape_of(a)[axis], shape_of(a)[axis + 1 :]
    a = full(sh.reshape(a, shape=(*before, n, 1, *behind)), (*before, n, times.item(), *behind))
    return sh.reshape(a, shape=(*before, n * times.item(), *behind))


def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """All windows of a shape, as an array of its own."""
    windows = np.lib.stride_tricks.sliding_window_view
    return gather(x, windows(places(x), plain(window_shape), axis))  # type: ignore[call-overload]


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    if is_late(indices):
        a = ravel(a) if axis is None else a
        axis = 0 if axis is None else axis % len(shape_of(a))
        n = shape_of(a)[axis]
        if mode != "raise":
            indices = indices % n if mode == "wrap" else np.clip(indices, 0, n - 1)
        key = (*[slice(None)] * axis, indices)
        return stored(taken(a, key if axis else indices), out)
    chosen = np.take(places(a), plain(indices), axis, mode=mode)  # type: ignore[call-overload]
    return stored(gather(a, chosen), out)


def take_along_axis(a: Any, indices: Any, axis: Any = -1) -> Any:
    a = array_of(a)
    late = is_late(indices)
    if axis is None:
        return ix.take(ravel(a), indices) if late else gather(a, np.array(plain(indices)))
    indices = indices if late else np.array(plain(indices))
    return ix.take_along_axis(a, indices, axis=axis % len(shape_of(a)))


def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    return stored(gather(a, np.compress(plain(condition), places(a), axis)), out)


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


def _square(a: Any) -> Any:
    """A vector as the matrix with that vector in every row, as NumPy reads it."""
    n = shape_of(a)
    return full(a, n + n) if len(n) == 1 else a


def tril(a: Any, k: int = 0) -> Any:
    return sh.tril(_square(a), k=k)


def triu(a: Any, k: int = 0) -> Any:
    return sh.triu(_square(a), k=k)
