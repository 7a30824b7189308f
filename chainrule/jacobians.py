"""Jacobians: one run of the function, then one sweep for each input or each output."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule import modes
from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.errors import ArgumentError, code_line
from chainrule.graph import user_code
from chainrule.running import Quiet, call, dtype_of, is_active, output_leaves
from chainrule.tracing import (
    ArgNums,
    Trace,
    argument_name,
    has_constant_derivative,
    no_dependence,
    resolve,
    unflatten,
)

UNROLLED = 8  # sweeps that are steps of their own in a graph that is compiled


def jacobian(
    f: Callable[..., Any],
    argnums: ArgNums = 0,
    *,
    mode: str = "auto",
    has_aux: bool = False,
) -> Callable[..., Any]:
    """The Jacobian J[i, j] = ∂f(x)[i]/∂x[j], with the shape of the output before the input's.

    f runs once; then the tape is swept once for each input (forward) or each output (reverse).

    Args:
        f: a function of NumPy code that returns an array or a tree of arrays.
        argnums: which argument to differentiate, as in :func:`grad`.
        mode: "forward", "reverse", or "auto": forward unless there are fewer outputs than inputs.
        has_aux: f returns ``(output, extra)``; the result is then ``(Jacobian, extra)``.

    Returns:
        A function of the same arguments. Where output or argument are trees, the result is the
        output's tree, each leaf replaced by a tree like the argument.

    >>> import numpy as np
    >>> jacobian(lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) @ x)(np.ones(2))
    array([[1., 2.],
           [3., 4.]])

    Source: Griewank & Walther (2008), sections 3.1 and 3.2.
    """
    selected, single = resolve(f, argnums)
    if mode not in ("auto", "forward", "reverse"):
        raise ArgumentError(
            "mode is 'forward', 'reverse' or 'auto'", got=repr(mode), line=code_line(*user_code(2))
        )

    @functools.wraps(f)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        with Trace() as trace:
            output, extra, arguments = call(f, trace, args, kwargs, selected, has_aux)
            leaves, spec = output_leaves(f, output)
            inputs = [leaf for argument in arguments for leaf in argument.leaves]
            n_in = sum(int(np.size(value_of(x))) for x in inputs)
            n_out = sum(int(np.size(value_of(y))) for y in leaves)
            forward = mode == "forward" or (mode == "auto" and n_in <= n_out)
            lift = trace.nested and trace.depends_on_outer()
            sweep = _by_columns if forward else _by_rows
            if lift and trace.tape.static and (n_in if forward else n_out) > UNROLLED:
                from chainrule.control.sweeps import columns, rows

                sweep = functools.partial(_by_loops, columns if forward else rows)
            with Quiet():
                blocks = sweep(f, trace, selected, leaves, inputs, lift)
            result = []
            for row in blocks:
                trees = []
                for _, part, tree in arguments:
                    found, row = row[: len(part)], row[len(part) :]
                    done = [trace.constant(_block(b, v)) for b, v in zip(found, part, strict=True)]
                    trees.append(unflatten(tree, done))
                result.append(trees[0] if single else tuple(trees))
        whole = unflatten(spec, result)
        return (whole, extra) if has_aux else whole

    return evaluate


def _block(b: Any, x: Any) -> Any:
    """One block ∂y/∂x; a plain float for two plain numbers."""
    if not is_traced(b) and np.ndim(b) == 0 and type(x) in (int, float):
        return float(b)
    return b


def _basis(x: Any) -> Iterator[Any]:
    """The unit tangents of a number or array, one at a time."""
    shape, dtype = shape_of(x), dtype_of(x)
    for k in range(int(np.prod(shape))):
        e = np.zeros(int(np.prod(shape)), dtype)
        e[k] = 1
        yield e.reshape(shape)[()]


def _stacked(columns: list[Any], shape: tuple[int, ...], axis: int, zero: np.ndarray) -> Any:
    """Derivatives along all unit directions as one array; None stands for zero."""
    if not columns or all(c is None for c in columns):
        return np.zeros(shape, zero.dtype)
    filled = [zero if c is None else c for c in columns]
    if any(is_traced(c) for c in filled):
        return np.stack(filled, axis=axis).reshape(shape)
    return np.stack([np.asarray(c) for c in filled], axis=axis).reshape(shape)


def _by_columns(
    f: Any, trace: Trace, selected: Any, leaves: list[Any], inputs: list[Any], lift: bool
) -> list[list[Any]]:
    """Forward mode: one sweep for each input element gives a column of the Jacobian."""
    cache: modes.Cache = {}
    wanted = [y.index for y in leaves if is_active(y) and y.index >= trace.start]
    needed = modes.ancestors(trace.tape.nodes, trace.start, wanted)
    end = max([trace.start + trace.inputs, *(index + 1 for index in wanted)])
    blocks: list[list[Any]] = [[] for _ in leaves]
    for k, x in enumerate(inputs):
        columns: list[list[Any]] = [[] for _ in leaves]
        for e in _basis(x):
            rows: list[Any] = [None] * len(inputs)
            rows[k] = e
            table = modes.forward(
                trace.tape.nodes, trace.start, trace.inputs, end, rows,
                lift=lift, cache=cache, needed=needed,
            )  # fmt: skip
            for column, y in zip(columns, leaves, strict=True):
                arrives = is_active(y) and y.index >= trace.start
                column.append(table[y.index - trace.start] if arrives else None)
        for block, column, y in zip(blocks, columns, leaves, strict=True):
            shape = shape_of(y) + shape_of(x)
            block.append(column if column and any(c is not None for c in column) else None)
            if block[-1] is not None:
                block[-1] = _stacked(column, shape, -1, np.zeros(shape_of(y), dtype_of(y)))
    return _filled(f, trace, selected, blocks, leaves, inputs)


def _by_rows(
    f: Any, trace: Trace, selected: Any, leaves: list[Any], inputs: list[Any], lift: bool
) -> list[list[Any]]:
    """Reverse mode: one sweep for each output element gives a row of the Jacobian."""
    cache: modes.Cache = {}
    blocks: list[list[Any]] = []
    for y in leaves:
        rows: list[list[Any]] = [[] for _ in inputs]
        if is_active(y) and y.index >= trace.start:
            for e in _basis(y):
                found = modes.reverse(
                    trace.tape.nodes, trace.start, trace.inputs, [(y.index, e)],
                    lift=lift, cache=cache,
                )  # fmt: skip
                for row, c in zip(rows, found, strict=True):
                    row.append(c)
        blocks.append(
            [
                _stacked(row, shape_of(y) + shape_of(x), 0, np.zeros(shape_of(x), dtype_of(x)))
                if any(c is not None for c in row)
                else None
                for row, x in zip(rows, inputs, strict=True)
            ]
        )
    return _filled(f, trace, selected, blocks, leaves, inputs)


def _by_loops(
    sweeps: Callable[..., list[list[Any]]],
    f: Any,
    trace: Trace,
    selected: Any,
    leaves: list[Any],
    inputs: list[Any],
    lift: bool,
) -> list[list[Any]]:
    """In a graph that is compiled the sweeps are a loop, one step of it for all of them."""
    blocks = sweeps(trace, leaves, inputs)
    return _filled(f, trace, selected, blocks, leaves, inputs)


def _filled(
    f: Any,
    trace: Trace,
    selected: Any,
    blocks: list[list[Any]],
    leaves: list[Any],
    inputs: list[Any],
) -> list[list[Any]]:
    """Zeros for the blocks without a dependence; an error if there is none at all."""
    sizes = [sum(math.prod(shape_of(v)) for v in values) for values in (leaves, inputs)]
    nothing = all(b is None for row in blocks for b in row)
    if nothing and all(sizes) and not has_constant_derivative(trace):
        raise no_dependence(
            f,
            trace,
            leaves[-1],
            argument_name(f, selected[0] if isinstance(selected[0], int) else 0),
        )
    return [
        [
            np.zeros(shape_of(y) + shape_of(x), dtype_of(x)) if b is None else b
            for b, x in zip(row, inputs, strict=True)
        ]
        for row, y in zip(blocks, leaves, strict=True)
    ]
