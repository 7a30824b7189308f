"""Indices of compiled code that are known only when it runs: x[:, k], y[k] = v, y[mask] = v.

Whole numbers become positions in the flattened array. A mask can choose what is written, since the
shape stays; what it would read has a shape of its own for every mask, and is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary import shaping as sh
from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.elementary.indexing import index_put, scatter, take
from chainrule.errors import BranchError, ShapeError, code_line
from chainrule.graph import Node, user_code
from chainrule.numpy_api.common import array_of, full


def is_late(x: Any) -> bool:
    """Is it traced for compiled code, where other values come later?"""
    return isinstance(x, Node) and x.tape.static


def has_late(key: Any) -> bool:
    """Does an index have a traced part?"""
    return any(map(is_late, key)) if isinstance(key, tuple) else is_late(key)


def _is_mask(x: Any) -> bool:
    return is_late(x) and value_of(x).dtype.kind == "b"


def _refused(key: Any) -> BranchError:
    parts = [k for k in (key if isinstance(key, tuple) else (key,)) if is_late(k)]
    mask = next((k for k in parts if _is_mask(k)), parts[0])
    return BranchError(
        "a compiled function cannot take what a traced mask chooses: its shape depends on values"
        if _is_mask(mask)
        else "a compiled function takes a traced index as whole numbers, with slices beside it",
        got=f"a traced index ('{mask.name}', {value_of(mask).dtype}, shape {shape_of(mask)})",
        line=code_line(*user_code(2)),
        remedy="np.where(mask, x, 0) keeps the shape, np.sum(x, where=mask) and np.mean(…) "
        "reduce what it chooses, y[mask] = value writes there, and "
        "np.where(mask, y + 1, y) stands for y[mask] += 1",
    )


def positions(shape: tuple[int, ...], key: Any) -> Any:
    """The positions of the elements that an index of whole numbers and slices leads to.

    Args:
        shape: of the array.
        key: whole numbers, arrays of them, traced or not, slices and an ellipsis.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = [np.asarray(k) if isinstance(k, list) else k for k in parts]
    known = [k.value if isinstance(k, Node) else k for k in parts]
    if any(k is None or np.asarray(k).dtype.kind == "b" for k in known if not _is_span(k)):
        raise _refused(key)
    whole = np.broadcast_to(np.int8(0), shape)[tuple(known)].shape  # checks the index
    if Ellipsis in [k for k in parts if _is_span(k)]:
        at = next(i for i, k in enumerate(parts) if k is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
    parts += [slice(None)] * (len(shape) - len(parts))
    chosen = [i for i, k in enumerate(parts) if not isinstance(k, slice)]
    rank = len(np.broadcast_shapes(*(shape_of(parts[i]) for i in chosen)))
    together = chosen[-1] - chosen[0] == len(chosen) - 1
    lead = chosen[0] if together else 0  # where NumPy puts the axes of the arrays
    slices = [i for i in range(len(parts)) if i not in chosen]
    found: Any = 0
    for i, part in enumerate(parts):
        step = int(np.prod(shape[i + 1 :]))
        if i in chosen:
            at = _from_start(part, shape[i])
            behind = len(whole) - lead - rank
            at = sh.reshape(at, shape=(*shape_of(at), *(1,) * behind))
        else:
            place = slices.index(i)
            place += rank if place >= lead else 0
            at = np.arange(shape[i])[part].reshape(-1, *(1,) * (len(whole) - place - 1))
        found = found + at * step
    return full(found, whole)


def _is_span(k: Any) -> bool:
    return k is Ellipsis or isinstance(k, slice)


def _from_start(k: Any, n: int) -> Any:
    """Positions from the end as such from the start."""
    k = np.astype(k, np.int64) if is_traced(k) else np.asarray(k, np.int64)
    return np.where(k < 0, k + n, k)


def _flat(a: Any) -> Any:
    return sh.reshape(a, shape=(int(np.prod(shape_of(a))),))


def taken(a: Any, key: Any) -> Any:
    """a[key] for an index with traced parts."""
    if _is_mask(key) or (isinstance(key, tuple) and any(map(_is_mask, key))):
        raise _refused(key)
    if not isinstance(key, tuple) and shape_of(a):
        return take(a, key)
    return take(_flat(a), positions(shape_of(a), key))


def written(y: Any, key: Any, value: Any) -> Any:
    """The array after y[key] = value for an index with traced parts."""
    if isinstance(key, tuple) and len(key) == 1:
        key = key[0]
    if _is_mask(key):
        return _masked(y, key, value)
    at = positions(shape_of(y), key)
    value = full(sh.astype(array_of(value), dtype=value_of(y).dtype), shape_of(at))
    found = index_put(_flat(y), _flat(value), _flat(at))
    return sh.reshape(found, shape=shape_of(y))


def _masked(y: Any, mask: Any, value: Any) -> Any:
    """y[mask] = value: the value may vary along the axes that the mask does not have."""
    rest = len(shape_of(y)) - len(shape_of(mask))
    if len(shape_of(value)) > rest:
        raise ShapeError(
            "a compiled function writes the same value wherever a traced mask holds",
            got=f"a value of shape {shape_of(value)} for a mask of shape {shape_of(mask)}",
            line=code_line(*user_code(2)),
            remedy="np.where(mask, values, y) takes values that vary, of the shape of y",
        )
    mask = sh.reshape(mask, shape=(*shape_of(mask), *(1,) * rest))
    return sh.where(mask, sh.astype(array_of(value), dtype=value_of(y).dtype), y)


def added(y: Any, key: Any, value: Any) -> Any:
    """Zeros of the shape of y with value added at an index with traced parts."""
    if _is_mask(key):
        return sh.where(full(key, shape_of(y)), value, 0.0)
    at = positions(shape_of(y), key)
    value = full(array_of(value), shape_of(at))
    size = int(np.prod(shape_of(y)))
    return sh.reshape(scatter(_flat(value), _flat(at), rows=size), shape=shape_of(y))
