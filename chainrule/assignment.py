"""Assignment into a traced array, as NumPy users write it: ``y[i] = v``, ``y += v``, through views.

A node never changes; the Python object that the user holds does. The object takes the place of a
new node (``index_set``) at the end of the tape, and a clone takes over its old place: earlier
nodes are made to point to the clone. Views that are still held are read anew from the changed
array, so what NumPy shares stays shared.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from chainrule.elementary.base import Linear, shape_of, value_of
from chainrule.elementary.indexing import Index, index_set
from chainrule.errors import AssignmentError, ShapeError, code_line
from chainrule.graph import Node, leaked, user_code
from chainrule.numpy_api.common import array_of, plain_key
from chainrule.numpy_api.positions import has_late, written


def in_place(fn: Any, y: Any, other: Any) -> Any:
    """``y op= other``: in place for an array, as NumPy does it; a rebinding for a number."""
    if not isinstance(y.value, np.ndarray):
        return fn(y, other)
    result = fn(y, other)
    if result.shape != y.shape:
        raise ShapeError(
            "an in-place operation cannot change the shape of the array",
            got=f"shape {y.shape}, which would become {result.shape}",
            line=code_line(*user_code(2)),
            remedy="write y = y + … instead of y += …",
        )
    assign(y, Ellipsis, result)
    return y


def assign(y: Any, key: Any, value: Any) -> None:
    """``y[key] = value``, seen by every view of the same memory."""
    code, lasti = user_code(2)
    if y.tape.closed:
        raise leaked((y,), code, lasti)
    if not isinstance(y.value, np.ndarray):
        raise AssignmentError(
            "a single number cannot be assigned to by index",
            got=f"a traced value of shape {y.shape}",
            line=code_line(code, lasti),
            remedy="write y = … instead of y[...] = …",
        )
    if isinstance(value, (list, tuple)):
        value = array_of(value)
    if has_late(key):
        key, value = Ellipsis, written(y, key, value)
    index = Index(plain_key(key))
    owner, places = _owner(y)
    if owner is not y:  # the elements of y that are written, as positions in the owner
        index = Index(np.unravel_index(places[index.key], owner.shape))
    views = _views(owner)
    parents = [view.args[0] for view in views]
    before = _leave(owner)
    clones = [_leave(view) for view in views]
    held = _held(views, parents)
    value = before if value is owner else value
    for view, clone in zip(views, clones, strict=True):
        value = clone if value is view else value
    if isinstance(value, np.ndarray):
        owner.tape.hold(value)
    _move(owner, index_set, (before, value), {"index": index}, code, lasti)
    for view, parent, keep in zip(views, parents, held, strict=True):
        if keep:
            _move(view, view.fn, (parent,), view.params, code, lasti)


def _is_view(node: Node) -> bool:
    return (
        isinstance(node.fn, Linear)
        and node.fn.view
        and isinstance(node.value, np.ndarray)
        and isinstance(node.args[0], Node)
        and np.may_share_memory(node.value, node.args[0].value)
    )


def _owner(y: Any) -> tuple[Any, np.ndarray]:
    """The traced array of which y is (a view of a view of …) a view, and where y's elements lie."""
    chain = []
    while _is_view(y):
        chain.append(y)
        y = y.args[0]
    places = np.arange(y.size).reshape(y.shape)
    for view in reversed(chain):
        places = view.fn.value(places, **view.params)
    return y, places


def _views(owner: Any) -> list[Any]:
    """The views of ``owner``, direct and indirect, in tape order."""
    family = {id(owner)}
    views = []
    nodes = owner.tape.nodes
    for position in range(owner.index + 1, len(nodes)):
        node = nodes[position]
        if _is_view(node) and id(node.args[0]) in family:
            family.add(id(node))
            views.append(node)
    return views


def _leave(node: Any) -> Any:
    """Put a clone in the node's place on the tape and in the arguments of all later nodes."""
    tape = node.tape
    nodes = tape.nodes
    clone = tape.node_type(
        node.fn, node.args, node.params, node.value, node.index, tape, node.code, node.lasti
    )
    nodes[node.index] = clone
    for position in range(node.index + 1, len(nodes)):
        later = nodes[position]
        if any(a is node for a in later.args):
            later.args = tuple(clone if a is node else a for a in later.args)
    return clone


# What getrefcount says of an object that a list alone holds; interpreters count differently.
_PROBE = [object()]
_ALONE = sys.getrefcount(_PROBE[0])


def _held(views: list[Any], parents: list[Any]) -> list[bool]:
    """Which views the user still holds, or which a held view is a view of.

    A view that nobody holds any more (``y[i - 1]`` in a loop) need not be read anew. Its clone has
    replaced it everywhere, so what is left are the references counted here; one more is the
    user's. Counting too many only costs time.
    """
    held = [False] * len(views)
    for i in range(len(views) - 1, -1, -1):
        own = _ALONE + sum(parent is views[i] for parent in parents)
        children = (held[j] for j, parent in enumerate(parents) if parent is views[i])
        held[i] = sys.getrefcount(views[i]) > own or any(children)
    return held


def _move(node: Any, fn: Any, args: Any, params: Any, code: Any, lasti: int) -> None:
    """Make the object ``node`` the newest node of the tape, with another function and value."""
    try:
        value = fn.value(*(value_of(a) for a in args), **params)
    except (ValueError, IndexError) as error:
        raise ShapeError(
            f"the assigned value does not fit: {error}",
            got=f"a value of shape {shape_of(args[1])} for an array of shape {node.shape}",
            line=code_line(code, lasti),
            remedy="give the value the shape of the elements it replaces",
        ) from error
    node.fn, node.args, node.params, node.value = fn, args, params, value
    node.code, node.lasti, node.index = code, lasti, len(node.tape.nodes)
    node.tape.nodes.append(node)
