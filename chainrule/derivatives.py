"""Exact derivatives of Python functions: gradients, products, Jacobians and Hessians.

Every function here follows one line: run f on traced inputs (tracing.py), sweep the tape once
forward or backward (modes.py), and give the result the structure of the arguments.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule import modes
from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.errors import TreeError, code_line
from chainrule.graph import user_code
from chainrule.jacobians import jacobian
from chainrule.running import (
    Quiet,
    Selected,
    call,
    dtype_of,
    finished,
    gradients,
    is_active,
    output_leaves,
    scalar,
)
from chainrule.tracing import (
    ArgNums,
    Trace,
    argument_name,
    flatten,
    has_constant_derivative,
    no_dependence,
    resolve,
    same_structure,
    strip,
    unflatten,
)


def value_and_grad(
    f: Callable[..., Any], argnums: ArgNums = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that returns ``(f(…), ∇f(…))`` in one reverse sweep.

    Args:
        f: a function of NumPy code that returns one number.
        argnums: which argument to differentiate: a position, a name, or a sequence of them (the
            gradient is then a tuple). An argument may be any tree of containers of arrays; its
            gradient is the same tree.
        has_aux: f returns ``(number, extra)``; the result is then ``((number, extra), gradient)``.

    Returns:
        A function of the same arguments. Gradients have the shape and dtype of what they belong
        to; a Python number has a Python float as its gradient.

    Raises:
        NotScalarError: f returns something other than one number.
        NoDependenceError: the output does not depend on the argument.
        NotDifferentiableError: the argument is made of integers, booleans or complex numbers.

    >>> import numpy as np
    >>> value, slope = value_and_grad(lambda w: np.log(1 + np.exp(-3 * w)))(0.0)
    >>> print(f"{value:.4f} {slope}")
    0.6931 -1.5

    Source: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), chapter 3.
    """
    selected, single = resolve(f, argnums)

    @functools.wraps(f)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        value, extra, trees = _pull(f, args, kwargs, selected, has_aux)
        gradient = trees[0] if single else tuple(trees)
        return ((value, extra), gradient) if has_aux else (value, gradient)

    return evaluate


def _pull(
    f: Callable[..., Any], args: Any, kwargs: Any, selected: Selected, has_aux: bool
) -> tuple[Any, Any, list[Any]]:
    """(value, extra, gradients): the run of f and one reverse sweep from its output."""
    with Trace() as trace:
        output, extra, arguments = call(f, trace, args, kwargs, selected, has_aux)
        y = scalar(f, trace, output, selected)
        tape, one = trace.tape, y.value.dtype.type(1)
        lift = trace.nested and trace.depends_on_outer()
        with Quiet():
            if lift and tape.depth == 1 and tape.sweeps is not None:
                found = tape.sweeps.reverse(tape, trace.start, trace.inputs, y.index, one)
            else:
                seeds = [(y.index, one)]
                found = modes.reverse(tape.nodes, trace.start, trace.inputs, seeds, lift=lift)
        trees = gradients(f, trace, arguments, found, y)
        return (y if trace.nested else y.value), extra, trees


def grad(
    f: Callable[..., Any], argnums: ArgNums = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The gradient ∇f of a function that returns one number, by reverse mode.

    The derivative is exact (no differences) and costs a small multiple of one run of f, whatever
    the number of inputs. It nests: ``grad(grad(f))`` is the second derivative.

    Args, Raises: as :func:`value_and_grad`; with ``has_aux`` the result is ``(gradient, extra)``.

    >>> import numpy as np
    >>> grad(lambda w: -np.log(1 / (1 + np.exp(-3 * w))))(3)
    -0.00037018372795869...
    >>> grad(lambda p: (p["a"] * p["b"]).sum())({"a": np.array([1.0, 2.0]), "b": 3.0})
    {'a': array([3., 3.]), 'b': 3.0}
    >>> grad(grad(grad(np.sin)))(0.0)
    -1.0

    Source: Baydin et al., "Automatic differentiation in machine learning: a survey", JMLR 18
    (2018), section 3.2.
    """
    selected, single = resolve(f, argnums)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        _, extra, trees = _pull(f, args, kwargs, selected, has_aux)
        slope = trees[0] if single else tuple(trees)
        return (slope, extra) if has_aux else slope

    return gradient


def _all(f: Any, count: int, argnums: ArgNums | None) -> tuple[tuple[int | str, ...], bool]:
    return (tuple(range(count)), False) if argnums is None else resolve(f, argnums)


def jvp(
    f: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    argnums: ArgNums | None = None,
    has_aux: bool = False,
) -> Any:
    """Value and directional derivative: ``(f(x), J(x) ẋ)`` by forward mode.

    Args:
        f: a function of NumPy code that returns an array or a tree of arrays.
        primals: its positional arguments.
        tangents: one tangent for each differentiated argument, with its structure and shapes.
        argnums: the differentiated arguments; all of them by default.
        has_aux: f returns ``(output, extra)``; the result is then ``(value, tangent, extra)``.

    Raises:
        TreeError: a tangent differs from its argument in structure or shape.
        NoDependenceError: no output depends on the differentiated arguments.

    >>> import numpy as np
    >>> value, tangent = jvp(np.sin, (0.0,), (2.0,))
    >>> print(value, tangent)
    0.0 2.0

    Source: Griewank & Walther (2008), section 3.1.
    """
    primals = _sequence(primals, "primals")
    selected, single = _all(f, len(primals), argnums)
    directions = [tangents] if single else list(_sequence(tangents, "tangents"))
    if single and isinstance(tangents, (tuple, list)) and len(tangents) == 1:
        directions = list(tangents)
    if len(directions) != len(selected):
        raise TreeError(
            "jvp takes one tangent for each differentiated argument",
            got=f"{len(directions)} tangents for {len(selected)} arguments",
            line=code_line(*user_code(2)),
            remedy="pass both as tuples: jvp(f, (x, y), (dx, dy)); argnums=… leaves some out",
        )
    with Trace() as trace:
        output, extra, arguments = call(f, trace, primals, {}, selected, has_aux)
        rows: list[Any] = []
        for (which, inputs, _), direction in zip(arguments, directions, strict=True):
            same_structure(primals[which], direction, "the tangent")  # type: ignore[index]
            for leaf, t in zip(inputs, flatten(direction)[0], strict=True):
                rows.append(t if is_traced(t) else np.asarray(t, dtype_of(leaf))[()])
        leaves, spec = output_leaves(f, output)
        with Quiet():
            moved = _push(f, trace, leaves, rows, selected)
        taken = {id(r) for r in rows}
        out = [_out(trace, t, y, taken) for t, y in zip(moved, leaves, strict=True)]
        value = output if trace.nested else strip(output)
    tangent = unflatten(spec, out)
    return (value, tangent, extra) if has_aux else (value, tangent)


def _sequence(x: Any, what: str) -> Sequence[Any]:
    if isinstance(x, (tuple, list)):
        return x
    raise TreeError(
        f"{what} must be a tuple with one entry for each argument",
        got=f"{type(x).__name__}",
        line=code_line(*user_code(3)),
        remedy=f"write ({what[:-1]},) for a single argument",
    )


def _push(
    f: Any, trace: Trace, leaves: list[Any], rows: Sequence[Any], selected: Selected
) -> list[Any]:
    """The tangents of the output leaves; an error if no derivative arrives at any of them."""
    start = trace.start
    wanted = [y.index for y in leaves if is_active(y) and y.index >= start]
    end = max(wanted, default=-1) + 1
    moved: list[Any] = [None] * len(leaves)
    if end > start:
        nodes = trace.tape.nodes
        table = modes.forward(
            nodes, start, trace.inputs, max(end, start + trace.inputs), rows,
            lift=trace.nested and trace.depends_on_outer(),
            needed=modes.ancestors(nodes, start, wanted),
        )  # fmt: skip
        moved = [
            table[y.index - start] if is_active(y) and y.index >= start else None for y in leaves
        ]
    if all(t is None for t in moved) and not has_constant_derivative(trace):
        name = argument_name(f, selected[0] if isinstance(selected[0], int) else 0)
        raise no_dependence(f, trace, leaves[-1] if leaves else None, name)
    return moved


def _out(trace: Trace, t: Any, y: Any, taken: set[int]) -> Any:
    """The tangent of one output leaf, in its shape; zeros where nothing arrives."""
    if t is None:
        t = np.zeros(shape_of(y), dtype_of(y))
    return trace.constant(finished(t, y if is_traced(t) else value_of(y), taken))


def vjp(
    f: Callable[..., Any],
    *primals: Any,
    argnums: ArgNums | None = None,
    has_aux: bool = False,
) -> Any:
    """Value and pullback: ``(f(x), ȳ ↦ J(x)ᵀ ȳ)`` by reverse mode.

    Args:
        f: a function of NumPy code that returns an array or a tree of arrays.
        primals: its positional arguments.
        argnums: the differentiated arguments; all of them by default (the pullback then returns a
            tuple).
        has_aux: f returns ``(output, extra)``; the result is then ``(value, pullback, extra)``.

    Returns:
        The value, and a function from a cotangent in the structure and shapes of the output to
        the cotangents of the arguments. It may be called any number of times.

    >>> import numpy as np
    >>> value, pullback = vjp(lambda x: x**2, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)

    Source: Griewank & Walther (2008), section 3.2.
    """
    selected, single = _all(f, len(primals), argnums)
    with Trace() as trace:
        output, extra, arguments = call(f, trace, primals, {}, selected, has_aux)
        leaves, spec = output_leaves(f, output)
        nodes = trace.tape.nodes
        lift = trace.nested and trace.depends_on_outer()
        if not any(is_active(y) for y in leaves) and not has_constant_derivative(trace):
            name = argument_name(f, selected[0] if isinstance(selected[0], int) else 0)
            raise no_dependence(f, trace, leaves[-1], name)
        value = output
        if not trace.nested:
            trace.tape.own()  # the pullback reads the tape when the caller may have changed both
            value = unflatten(spec, [np.array(value_of(y))[()] for y in leaves])

    def pullback(cotangent: Any) -> Any:
        same_structure(output, cotangent, "the cotangent")
        seeds = [
            (y.index, g if is_traced(g) else np.asarray(g, dtype_of(y))[()])
            for y, g in zip(leaves, flatten(cotangent)[0], strict=True)
            if is_active(y) and y.index >= trace.start
        ]
        with Quiet():
            found = modes.reverse(nodes, trace.start, trace.inputs, seeds, lift=lift)
        taken: set[int] = {id(g) for _, g in seeds}
        trees = []
        for _, inputs, tree in arguments:
            part, found = found[: len(inputs)], found[len(inputs) :]
            done = [
                finished(np.zeros(shape_of(v), dtype_of(v)) if c is None else c, v, taken)
                for c, v in zip(part, inputs, strict=True)
            ]
            trees.append(unflatten(tree, [trace.constant(c) for c in done]))
        return trees[0] if single else tuple(trees)

    return (value, pullback, extra) if has_aux else (value, pullback)


def hessian(
    f: Callable[..., Any], argnums: ArgNums = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The Hessian H[i, j] = ∂²f/∂x[i]∂x[j] of a function that returns one number.

    Forward mode over reverse mode: the gradient is traced once and swept once for each input.

    Args, Raises: as :func:`grad`. Where the argument is a tree, the result is a tree of trees.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])

    Source: Griewank & Walther (2008), section 5.1.
    """
    return jacobian(grad(f, argnums, has_aux=has_aux), argnums, mode="forward", has_aux=has_aux)


def hvp(
    f: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    argnums: ArgNums | None = None,
    has_aux: bool = False,
) -> Any:
    """The Hessian-vector product ∇²f(x) v of a function that returns one number.

    Forward mode over reverse mode: its cost is a small multiple of one gradient's, and the
    Hessian is never formed.

    Args:
        f, primals, tangents, argnums: as :func:`jvp`; v is the tangent.
        has_aux: f returns ``(number, extra)``; the result is then ``(product, extra)``.

    Returns:
        The product in the structure of the differentiated argument; a tuple of them for several.

    >>> import numpy as np
    >>> hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([6., 0.])

    Source: Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6 (1994).
    """
    primals = _sequence(primals, "primals")
    selected, single = _all(f, len(primals), argnums)
    if len(selected) == 1:
        selected, single = selected, True
    which: Any = selected[0] if single else selected
    gradient = grad(f, which, has_aux=has_aux)
    result = jvp(gradient, primals, tangents, argnums=which, has_aux=has_aux)
    return (result[1], result[2]) if has_aux else result[1]
