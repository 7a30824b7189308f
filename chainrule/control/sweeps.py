"""The sweeps of a Jacobian as a loop: in a graph that is compiled they are one step.

Each sweep has another unit vector for a seed. What does not depend on the seed, the values of the
partial derivatives above all, is computed once, before the loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule import modes
from chainrule.control.history import History
from chainrule.control.loops import repeated
from chainrule.control.parts import Part, chosen, fitted, zeros
from chainrule.elementary.arithmetic import add
from chainrule.elementary.base import shape_of
from chainrule.elementary.logic import equal
from chainrule.elementary.shaping import astype, reshape, transpose
from chainrule.running import dtype_of, is_active
from chainrule.tracing import Trace

Sweep = Callable[[Any, modes.Cache], Sequence[Any]]


def columns(trace: Trace, leaves: Sequence[Any], inputs: Sequence[Any]) -> list[list[Any]]:
    """Forward mode: the blocks ∂y/∂x, a row of them for each leaf y; None for zero."""
    nodes, start = trace.tape.nodes, trace.start
    wanted = [y.index for y in leaves if is_active(y) and y.index >= start]
    needed = modes.ancestors(nodes, start, wanted)
    end = max([start + trace.inputs, *(index + 1 for index in wanted)])
    blocks: list[list[Any]] = [[] for _ in leaves]
    for k, x in enumerate(inputs):

        def sweep(seed: Any, cache: modes.Cache, k: int = k) -> list[Any]:
            moved = [seed if j == k else None for j in range(len(inputs))]
            table = modes.forward(
                nodes, start, trace.inputs, end, moved, lift=True, cache=cache, needed=needed
            )
            return [
                table[y.index - start] if is_active(y) and y.index >= start else None
                for y in leaves
            ]

        for block, y, made in zip(blocks, leaves, _swept(sweep, x, leaves), strict=True):
            block.append(None if made is None else _turned(made, shape_of(y), shape_of(x)))
    return blocks


def rows(trace: Trace, leaves: Sequence[Any], inputs: Sequence[Any]) -> list[list[Any]]:
    """Reverse mode: the same blocks."""
    nodes, start = trace.tape.nodes, trace.start
    blocks: list[list[Any]] = []
    for y in leaves:
        if not (is_active(y) and y.index >= start):
            blocks.append([None] * len(inputs))
            continue
        index = y.index

        def sweep(seed: Any, cache: modes.Cache, index: int = index) -> list[Any]:
            return modes.reverse(
                nodes, start, trace.inputs, [(index, seed)], lift=True, cache=cache
            )

        made = _swept(sweep, y, inputs)
        blocks.append([
            None if found is None else reshape(found, shape=shape_of(y) + shape_of(x))
            for found, x in zip(made, inputs, strict=True)
        ])  # fmt: skip
    return blocks


def _swept(sweep: Sweep, seeded: Any, like: Sequence[Any]) -> list[Any]:
    """What the sweep makes of all unit vectors of the shape of ``seeded``, one after the other.

    Each result has them along its first axis, and is as long as what it is like; None for zero.
    """
    shape, dtype = shape_of(seeded), dtype_of(seeded)
    count = math.prod(shape)
    positions = np.arange(count).reshape(shape)[()]
    cache: modes.Cache = {}
    first = sweep(np.asarray(positions == 0, dtype)[()], cache)  # it leaves the partials behind
    arrives = [c is not None for c in first]
    if not any(arrives):
        return [None] * len(like)
    with Part() as part:
        k = part.input(np.int64(0))
        seed = astype(equal(positions, k), dtype=dtype)
        made = sweep(seed, dict(cache))
        given = [
            zeros(x) if c is None else fitted(c, x)
            for c, x, there in zip(made, like, arrives, strict=True)
            if there
        ]
        body, around = part.graph(1, [add(k, 1), *given])
    if any(isinstance(node.value, History) for node in around):
        # What a loop of any length leaves behind has no shape: no loop is given it from around.
        others = [sweep(np.asarray(positions == j, dtype)[()], cache) for j in range(1, count)]
        return [_stacked(c, x) for c, x in zip(zip(first, *others, strict=True), like, strict=True)]
    body = chosen(body, range(len(body.inputs)), range(len(body.outputs)))
    _, ys = repeated(body, 1, len(around), length=count)([np.int64(0), *around])
    rest = iter(ys)
    return [next(rest) if there else None for there in arrives]


def _stacked(made: Sequence[Any], like: Any) -> Any:
    """What each sweep made, along a first axis; None for zero."""
    if all(c is None for c in made):
        return None
    return np.stack([zeros(like) if c is None else fitted(c, like) for c in made])


def _turned(made: Any, y: tuple[int, ...], x: tuple[int, ...]) -> Any:
    """The axes of the output before those of the input."""
    size = math.prod(y)
    flat = reshape(made, shape=(math.prod(x), size))
    return reshape(transpose(flat, axes=(1, 0)), shape=y + x)


__all__ = ["columns", "rows"]
