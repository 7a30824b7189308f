"""Forward mode and reverse mode: one sweep over the tape each.

Both sweeps run the derivative rules of the records, either on values (``lift=False``: the result
is numbers) or on the nodes themselves (``lift=True``: the result is more nodes on the same tape,
which an outer derivative differentiates again). The rules are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.elementary.base import (
    General,
    Linear,
    Pointwise,
    is_step,
    is_traced,
    shape_of,
    value_of,
)
from chainrule.elementary.indexing import Index, add_at, getitem, index_add
from chainrule.elementary.linalg import pick
from chainrule.elementary.shaping import broadcast_to, concatenate, reshape, sum_to
from chainrule.graph import Node

Cache = dict[tuple[int, int], Any]
Pieces = dict[tuple[int, ...], Any]
FEW = 8  # cotangents of elements that are added one by one


def reverse(
    nodes: Sequence[Node],
    start: int,
    inputs: int,
    seeds: Sequence[tuple[int, Any]],
    *,
    lift: bool = False,
    cache: Cache | None = None,
    keep: list[Any] | None = None,
) -> list[Any]:
    """Reverse mode: from the cotangents of some nodes to those of the inputs.

    For every node ξ with cotangent ξ̄ and every argument a: ā ← ā + ξ̄ ∂ξ/∂a. Nodes are visited in
    reverse order of the tape, so that ξ̄ is complete when its turn comes. A cotangent may have fewer
    or shorter axes than its node as long as it broadcasts to it: that of ``x.sum()`` stays a number
    until something needs it as an array.

    Args:
        nodes: the tape. Its nodes start … start + inputs − 1 are the inputs of the function.
        start, inputs: where the function begins on the tape, and its number of inputs.
        seeds: (index, cotangent) pairs to begin with.
        lift: run the rules on nodes instead of values.
        cache: keeps the values of the partials between sweeps over the same tape.
        keep: a list that receives the cotangent of every node, for the tables.

    Returns:
        The cotangent of each input, perhaps yet to be broadcast to its shape; None where no
        derivative arrives.
    """
    if not lift or not nodes:
        return _backward(nodes, start, inputs, seeds, False, cache, keep)
    with nodes[0].tape.sweeping():
        return _backward(nodes, start, inputs, seeds, True, cache, keep)


def _backward(
    nodes: Sequence[Node],
    start: int,
    inputs: int,
    seeds: Sequence[tuple[int, Any]],
    lift: bool,
    cache: Cache | None,
    keep: list[Any] | None,
) -> list[Any]:
    end = start
    for index, _ in seeds:
        end = max(end, index + 1)
    cotangents: list[Any] = [None] * (end - start)
    owned = bytearray(end - start)  # cotangents that may be changed in place
    pieces: dict[int, Pieces] = {}  # of cotangents that arrive one element or row after the other

    def add(i: int, c: Any) -> None:
        present = cotangents[i]
        if present is None:
            cotangents[i] = c
        elif (
            owned[i]
            and type(c) is np.ndarray
            and c.shape == present.shape
            and c.dtype == present.dtype
        ):
            present += c
        else:
            cotangents[i] = present + c
            owned[i] = type(cotangents[i]) is np.ndarray

    for index, g in seeds:
        add(index - start, g)
    for position in range(end - 1, start + inputs - 1, -1):
        if position - start in pieces:
            joined = _joined(pieces.pop(position - start), nodes[position].value)
            add(position - start, joined)
        g = cotangents[position - start]
        if g is None:
            continue
        if keep is None:
            cotangents[position - start] = None
        node = nodes[position]
        fn, args = node.fn, node.args
        p: Any
        if type(fn) is Pointwise:
            y: Any = node if lift else node.value
            if len(args) == 1:
                a = args[0]
                i = a.index - start
                p = fn.partials[0]
                if i < 0 or p is None:
                    continue
                if type(p) is float:
                    c = g if p == 1.0 else -g if p == -1.0 else g * p
                elif cache is None:
                    c = g * p(y, a if lift else a.value)
                else:
                    c = g * _cached(cache, position, p, y, (a if lift else a.value,))
                if cotangents[i] is None:
                    cotangents[i] = c
                else:
                    add(i, c)
                continue
            values: Any = None
            shape = node.value.shape if isinstance(node.value, np.ndarray) else None
            k = 0
            for a in args:
                p = fn.partials[k]
                k += 1
                if p is None or not isinstance(a, Node):
                    continue
                i = a.index - start
                if i < 0:
                    continue
                if type(p) is float:
                    c = g if p == 1.0 else -g if p == -1.0 else g * p
                else:
                    if values is None:
                        values = (
                            args if lift else [x.value if isinstance(x, Node) else x for x in args]
                        )
                    if cache is None:
                        c = g * p(y, *values)
                    else:
                        c = g * _cached(cache, position, p, y, values)
                fresh = c is not g
                if shape is not None and np.shape(a.value) != shape:
                    c = sum_to(_expanded(c, shape), shape=np.shape(a.value))
                    fresh = False
                if cotangents[i] is None:
                    cotangents[i] = c
                    owned[i] = fresh and type(c) is np.ndarray
                else:
                    add(i, c)
            continue
        if fn is None:
            continue
        if fn is getitem and not lift and not is_traced(g):
            if args[0].index >= start:
                _scatter(cotangents, owned, args[0].index - start, args[0], node, g)
            continue
        if isinstance(node.value, np.ndarray):
            g = _expanded(g, node.value.shape)
        if fn is getitem and (place := _place(node)) is not None:
            source = args[0].index - start
            if source >= 0 and args[0].value.dtype.kind == "f":
                rows = pieces.setdefault(source, {})
                rows[place] = rows[place] + g if place in rows else g
            continue
        if fn is pick:
            source = args[0].index - start
            if source >= 0:
                members = cotangents[source] or [None] * len(args[0].value)
                k = node.params["k"]
                members[k] = g if members[k] is None else members[k] + g
                cotangents[source] = members
            continue
        for k, c in _contributions(fn, node, g, lift, cache):
            a = args[k]
            if isinstance(a, Node) and a.index >= start:
                add(a.index - start, c)
    for i, rows in pieces.items():
        add(i, _joined(rows, nodes[start + i].value))
    if keep is not None:
        for node, g in zip(nodes[start:end], cotangents, strict=True):
            whole = isinstance(node.value, np.ndarray) and g is not None
            keep.append(_expanded(g, node.value.shape) if whole else g)
    found = cotangents[:inputs]
    return found + [None] * (inputs - len(found))


def _expanded(g: Any, shape: tuple[int, ...]) -> Any:
    """A cotangent in the full shape of its node."""
    return g if shape_of(g) == shape else broadcast_to(g, shape=shape)


def _cached(cache: Cache, position: int, p: Any, y: Any, values: Sequence[Any]) -> Any:
    """The value of a partial, computed in the first sweep over a tape and kept for the next."""
    key = (position, id(p))
    if key not in cache:
        cache[key] = p(y, *values)
    return cache[key]


def _scatter(
    cotangents: list[Any], owned: bytearray, i: int, source: Node, node: Node, g: Any
) -> None:
    """The adjoint of indexing, added in place: a loop over an array's elements stays linear."""
    if source.value.dtype.kind != "f":  # positions and masks: what arrives there goes nowhere
        return
    present = cotangents[i]
    if not isinstance(source.value, np.ndarray):  # x[()] or x[None] of a scalar
        g = sum_to(g, shape=())
        cotangents[i] = g if present is None else present + g
        return
    if is_traced(present):
        cotangents[i] = present + getitem.adjoint(0, g, (source.value,), node.params)
        return
    index = node.params["index"]
    if present is None:
        present = np.zeros(source.value.shape, source.value.dtype)
        if index.basic:  # nothing to add to yet
            present[index.key] = g
            cotangents[i] = present
            owned[i] = True
            return
    elif not owned[i] or present.shape != source.value.shape:
        present = np.array(np.broadcast_to(present, source.value.shape))
    add_at(present, index, g)
    cotangents[i] = present
    owned[i] = True


def _place(node: Node) -> tuple[int, ...] | None:
    """The position of an element or a row that getitem takes, or None where it takes another."""
    index, shape = node.params["index"], np.shape(value_of(node.args[0]))
    if type(index.key) is int:
        return (index.key % shape[0],)
    parts = index.key if isinstance(index.key, tuple) else (index.key,)
    if not parts or not index.basic or not all(isinstance(k, (int, np.integer)) for k in parts):
        return None
    return tuple(int(k) % n for k, n in zip(parts, shape, strict=False))


def _joined(pieces: Pieces, value: Any) -> Any:
    """The cotangent of an array from those of its elements or rows.

    Many of them become one array in one step: a loop over an array's elements stays linear.
    """
    total, shape = None, np.shape(value)
    for depth in sorted({len(place) for place in pieces}):
        rows = {place: g for place, g in pieces.items() if len(place) == depth}
        for g in _laid_out(rows, shape, depth, value.dtype):
            total = g if total is None else total + g
    return total


def _laid_out(rows: Pieces, shape: tuple[int, ...], depth: int, dtype: Any) -> list[Any]:
    if len(rows) <= FEW:
        return [index_add(g, shape=shape, index=Index(place)) for place, g in rows.items()]
    lead, rest = shape[:depth], shape[depth:]
    count, size = math.prod(lead), math.prod(rest)
    numbers = [int(np.ravel_multi_index(place, lead)) for place in rows]
    flat = dict(
        zip(
            numbers,
            (reshape(_expanded(g, rest), shape=(size,)) for g in rows.values()),
            strict=True,
        )
    )
    if 4 * len(flat) >= count:  # zeros for the others
        zeros = np.zeros(size, dtype)
        joined = concatenate(*(flat.get(k, zeros) for k in range(count)), axis=0)
    else:
        joined = reshape(concatenate(*flat.values(), axis=0), shape=(len(flat), size))
        joined = index_add(joined, shape=(count, size), index=Index(np.array(numbers)))
    return [reshape(joined, shape=shape)]


def _contributions(
    fn: Any, node: Node, g: Any, lift: bool, cache: Cache | None
) -> list[tuple[int, Any]]:
    """The cotangents of a linear or general function's arguments, with their positions."""
    if is_step(fn):
        return []
    args = node.args if lift else tuple(value_of(a) for a in node.args)
    if isinstance(fn, Linear):
        rows = []
        for k, a in enumerate(node.args):
            if isinstance(a, Node) and fn.differentiable(k):
                rows.append((k, fn.adjoint(k, g, args, node.params)))
        return rows
    try:
        result = fn.vjp(g, _result(node, lift, cache), *args, **node.params)
    except np.linalg.LinAlgError as error:
        raise _unsolvable(node, error) from error
    return [(k, c) for k, c in enumerate(result) if c is not None]


def _unsolvable(node: Node, error: Exception) -> np.linalg.LinAlgError:
    """A matrix has no inverse that a derivative needs, though its value was found."""
    cause = str(error).partition("\n")[0]
    return np.linalg.LinAlgError(f"the derivative of {node.name}: {cause}\n  at:       {node.line}")


def _result(node: Node, lift: bool, cache: Cache | None) -> Any:
    """What a rule sees of a node; of one with several results each of them."""
    if not lift:
        return node.value
    if not isinstance(node.value, tuple):
        return node
    key = (node.index, -1)
    results = None if cache is None else cache.get(key)
    if results is None:
        results = tuple(pick(node, k=k) for k in range(len(node.value)))
        if cache is not None:  # a loop of sweeps reads arrays from around it, not tuples of them
            cache[key] = results
    return results


def forward(
    nodes: Sequence[Node],
    start: int,
    inputs: int,
    end: int,
    tangents: Sequence[Any],
    *,
    lift: bool = False,
    cache: Cache | None = None,
    needed: bytearray | None = None,
) -> list[Any]:
    """Forward mode: from the tangents of the inputs to those of all nodes up to ``end``.

    For every node ξ = f(a, b, …): ξ̇ = ∂f/∂a · ȧ + ∂f/∂b · ḃ + … A tangent is None where it is zero
    because nothing arrives, and, where ``needed`` (of :func:`ancestors`) is given, for nodes that
    no wanted output depends on.
    """
    if not lift or not nodes:
        return _ahead(nodes, start, inputs, end, tangents, False, cache, needed)
    with nodes[0].tape.sweeping():
        return _ahead(nodes, start, inputs, end, tangents, True, cache, needed)


def _ahead(
    nodes: Sequence[Node],
    start: int,
    inputs: int,
    end: int,
    tangents: Sequence[Any],
    lift: bool,
    cache: Cache | None,
    needed: bytearray | None,
) -> list[Any]:
    rows: list[Any] = [None] * (end - start)
    rows[:inputs] = tangents
    for position in range(start + inputs, end):
        node = nodes[position]
        fn = node.fn
        if fn is None or (needed is not None and not needed[position - start]):
            continue
        incoming = [
            rows[a.index - start] if isinstance(a, Node) and a.index >= start else None
            for a in node.args
        ]
        if all(t is None for t in incoming):
            continue
        if type(fn) is Pointwise:
            rows[position - start] = _pointwise(node, incoming, lift, cache, position)
        elif fn is pick:
            members: Any = incoming[0]
            rows[position - start] = members[node.params["k"]]
        elif isinstance(fn, Linear):
            rows[position - start] = _linear(node, incoming, lift)
        elif isinstance(fn, General):
            args = node.args if lift else tuple(value_of(a) for a in node.args)
            y = _result(node, lift, cache)
            try:
                rows[position - start] = fn.jvp(tuple(incoming), y, *args, **node.params)
            except np.linalg.LinAlgError as error:
                raise _unsolvable(node, error) from error
    return rows


def ancestors(nodes: Sequence[Node], start: int, outputs: Sequence[int]) -> bytearray:
    """For each node from ``start`` on: does one of the outputs depend on it?"""
    needed = bytearray(max(outputs, default=start - 1) + 1 - start)
    for index in outputs:
        needed[index - start] = 1
    for i in range(len(needed) - 1, -1, -1):
        if needed[i]:
            for a in nodes[start + i].args:
                if isinstance(a, Node) and a.index >= start:
                    needed[a.index - start] = 1
    return needed


def _pointwise(
    node: Node, incoming: list[Any], lift: bool, cache: Cache | None, position: int
) -> Any:
    args = node.args
    p: Any
    y: Any = node if lift else node.value
    values = args if lift else [a.value if isinstance(a, Node) else a for a in args]
    total = None
    for p, t in zip(node.fn.partials, incoming, strict=True):
        if p is None or t is None:
            continue
        if type(p) is float:
            c = t if p == 1.0 else -t if p == -1.0 else t * p
        elif cache is None:
            c = t * p(y, *values)
        else:
            c = t * _cached(cache, position, p, y, values)
        total = c if total is None else total + c
    shape = shape_of(node.value)
    if total is not None and shape_of(total) != shape:
        total = broadcast_to(total, shape=shape)
    return total


def _linear(node: Node, incoming: list[Any], lift: bool) -> Any:
    fn, params = node.fn, node.params
    args = list(node.args) if lift else [value_of(a) for a in node.args]
    moving = [k for k, t in enumerate(incoming) if t is not None and fn.differentiable(k)]
    if not moving:
        return None
    if fn.joint:
        for k in range(len(args)):
            if fn.differentiable(k):
                a = node.args[k]
                t = incoming[k]
                args[k] = (
                    np.zeros(shape_of(a), value_of(a).dtype if isinstance(a, Node) else float)
                    if t is None
                    else t
                )
        return fn(*args, **params)
    total = None
    for k in moving:
        varied = args.copy()
        varied[k] = incoming[k]
        c = fn(*varied, **params)
        total = c if total is None else total + c
    return total
