"""Exact derivatives of Python functions: gradients, products, Jacobians and Hessians.

Every function here follows one line: run f on traced inputs (trace.py), sweep the tape once
forward or backward (modes.py), and give the result the structure of the arguments.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule import modes
from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.elementary.shaping import astype
from chainrule.errors import (
    ArgumentError,
    NotScalarError,
    TreeError,
    ZeroGradientWarning,
    code_line,
)
from chainrule.graph import Node, user_code
from chainrule.trace import (
    ArgNums,
    Trace,
    argument_name,
    flatten,
    has_constant_derivative,
    name_of,
    no_dependence,
    paths_of,
    resolve,
    same_structure,
    strip,
    unflatten,
)

_QUIET = {"divide": "ignore", "over": "ignore", "invalid": "ignore", "under": "ignore"}


class _Run:
    """One run of f with some arguments traced."""

    __slots__ = ("aux", "output", "selected", "trace", "traced")

    def __init__(
        self,
        f: Callable[..., Any],
        trace: Trace,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        selected: tuple[int | str, ...],
        has_aux: bool,
    ) -> None:
        self.trace = trace
        self.selected = selected
        values, keywords = list(args), dict(kwargs)
        self.traced = []
        for which in selected:
            holder: Any = values if isinstance(which, int) else keywords
            try:
                x = holder[which]
            except (IndexError, KeyError):
                raise _missing(f, which, args, kwargs) from None
            name = which if isinstance(which, str) else ""
            if type(which) is int and not (type(x) is np.ndarray or type(x) is float):
                name = argument_name(f, which)
            x = trace.tree(x, name or f"argument {which}")
            holder[which] = x
            self.traced.append(x)
        result = f(*values, **keywords)
        self.aux = None
        if has_aux:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise ArgumentError(
                    f"with has_aux=True {name_of(f)} must return (output, extra)",
                    got=f"{type(result).__name__}",
                    line=code_line(*user_code(3)),
                    remedy="return a pair, or drop has_aux",
                )
            result, self.aux = result
            if not trace.nested:
                self.aux = strip(self.aux)
        self.output = result


def _missing(
    f: Any, which: int | str, args: Sequence[Any], kwargs: dict[str, Any]
) -> ArgumentError:
    return ArgumentError(
        f"{name_of(f)} was called without the argument to differentiate, {which!r}",
        got=f"{len(args)} positional arguments"
        + (f" and the keywords {', '.join(kwargs)}" if kwargs else ""),
        line=code_line(*user_code(3)),
        remedy="pass it, or choose another with argnums=…",
    )


def _finished(c: Any, like: Any, taken: set[int]) -> Any:
    """A derivative in the type, dtype and memory that the caller may keep and change."""
    if is_traced(c):
        dtype = value_of(like).dtype
        return c if c.dtype == dtype else astype(c, dtype=dtype)
    if type(like) is float or type(like) is int:
        return float(c)
    dtype = np.asarray(value_of(like)).dtype
    if not isinstance(value_of(like), np.ndarray):
        return dtype.type(c)
    c = np.asarray(c)
    root: Any = c
    while isinstance(root.base, np.ndarray):
        root = root.base
    if c.dtype != dtype or not c.flags.writeable or root.size != c.size or id(root) in taken:
        c = np.array(c, dtype)
    taken.add(id(root))
    return c


def _gradients(
    f: Any, run: _Run, originals: Sequence[Any], found: list[Any], outputs: Sequence[Any]
) -> list[Any]:
    """The cotangents of the inputs as trees like the arguments; zeros are told, never silent."""
    trace = run.trace
    trees, position = [], 0
    taken: set[int] = set()
    zero_is_true: bool | None = None
    for which, x in zip(run.selected, originals, strict=True):
        leaves, spec = flatten(x)
        part = found[position : position + len(leaves)]
        position += len(leaves)
        if any(c is None for c in part):
            if zero_is_true is None:
                zero_is_true = has_constant_derivative(trace)
            if not zero_is_true:
                name = which if isinstance(which, str) else argument_name(f, which)
                if all(c is None for c in part):
                    raise no_dependence(f, trace, outputs[-1], name)
                unused = [p for p, c in zip(paths_of(x, name), part, strict=True) if c is None]
                warnings.warn(
                    f"the output of {name_of(f)} does not depend on {', '.join(unused)}; "
                    "the gradient there is exactly 0",
                    ZeroGradientWarning,
                    stacklevel=4,
                )
            part = [
                np.zeros(shape_of(x), value_of(x).dtype if hasattr(x, "dtype") else float)
                if c is None
                else c
                for x, c in zip(leaves, part, strict=True)
            ]
        done = [_finished(c, x, taken) for c, x in zip(part, leaves, strict=True)]
        if trace.nested:
            done = [trace.constant(c) for c in done]
        trees.append(unflatten(spec, done))
    return trees


def _scalar(f: Any, run: _Run) -> Node:
    """The output of f as a scalar node, or the error that says what it is instead."""
    y = run.output
    if isinstance(y, Node):
        if type(y.value) is not np.ndarray or y.value.ndim == 0:
            if y.value.dtype.kind == "f":
                return y
            raise no_dependence(f, run.trace, y, argument_name(f, _first(run.selected)))
        raise NotScalarError(
            f"the gradient is defined for a scalar output, and {name_of(f)} returns an array",
            got=f"shape {y.shape}",
            line=y.line,
            remedy="sum or average it (y.sum(), y.mean()), take one element, or use cr.jacobian",
        )
    if isinstance(y, (int, float, np.generic, np.ndarray)) and np.ndim(y) == 0:
        raise no_dependence(f, run.trace, y, argument_name(f, _first(run.selected)))
    raise NotScalarError(
        f"the gradient is defined for one scalar output, and {name_of(f)} returns something else",
        got=f"{type(y).__name__}: {y!r}"[:200],
        line=code_line(*user_code(3)),
        remedy="return a single number; has_aux=True lets the function return (number, extra)",
    )


def _first(selected: tuple[int | str, ...]) -> Any:
    return selected[0] if isinstance(selected[0], int) else 0


def _originals(
    selected: tuple[int | str, ...], args: Sequence[Any], kwargs: dict[str, Any]
) -> list[Any]:
    return [args[w] if isinstance(w, int) else kwargs[w] for w in selected]


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
        with Trace() as trace:
            run = _Run(f, trace, args, kwargs, selected, has_aux)
            y = _scalar(f, run)
            lift = trace.nested and trace.depends_on_outer()
            with np.errstate(**_QUIET):  # type: ignore[arg-type]
                found = modes.reverse(
                    trace.tape.nodes,
                    trace.start,
                    trace.inputs,
                    [(y.index, y.value.dtype.type(1))],
                    lift=lift,
                )
            trees = _gradients(f, run, _originals(selected, args, kwargs), found, [y])
            value = y if trace.nested else y.value
        gradient = trees[0] if single else tuple(trees)
        return ((value, run.aux), gradient) if has_aux else (value, gradient)

    return evaluate


def grad(
    f: Callable[..., Any], argnums: ArgNums = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The gradient ∇f of a function that returns one number, by reverse mode.

    The derivative is exact (no differences) and costs a small multiple of one run of f, whatever
    the number of inputs. It nests: ``grad(grad(f))`` is the second derivative.

    Args, Raises: as :func:`value_and_grad`; with ``has_aux`` the result is ``(gradient, extra)``.

    >>> import numpy as np
    >>> grad(lambda w: -np.log(1 / (1 + np.exp(-3 * w))))(3)
    -0.0003701837279587...
    >>> grad(lambda p: (p["a"] * p["b"]).sum())({"a": np.array([1.0, 2.0]), "b": 3.0})
    {'a': array([3., 3.]), 'b': 3.0}
    >>> grad(grad(grad(np.sin)))(0.0)
    -1.0

    Source: Baydin et al., "Automatic differentiation in machine learning: a survey", JMLR 18
    (2018), section 3.2.
    """
    both = value_and_grad(f, argnums, has_aux=has_aux)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, slope = both(*args, **kwargs)
        return (slope, value[1]) if has_aux else slope

    return gradient


def _output_leaves(f: Any, run: _Run) -> tuple[list[Any], Any]:
    """The leaves of the output of f; every one of them a number or an array."""
    leaves, spec = flatten(run.output)
    for y in leaves:
        if not isinstance(y, (Node, int, float, np.generic, np.ndarray)):
            raise NotScalarError(
                f"{name_of(f)} returns something that is not made of numbers",
                got=f"{type(y).__name__}: {y!r}"[:200],
                line=code_line(*user_code(3)),
                remedy="return arrays or containers of them; has_aux=True allows extra results",
            )
    return leaves, spec


def _is_active(y: Any) -> bool:
    return isinstance(y, Node) and value_of(y).dtype.kind == "f"


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
        run = _Run(f, trace, primals, {}, selected, has_aux)
        rows: list[Any] = []
        for which, direction in zip(selected, directions, strict=True):
            x = primals[which]  # type: ignore[index]
            same_structure(x, direction, "the tangent")
            for leaf, t in zip(flatten(x)[0], flatten(direction)[0], strict=True):
                rows.append(t if is_traced(t) else np.asarray(t, _dtype(leaf))[()])
        leaves, spec = _output_leaves(f, run)
        lift = trace.nested and trace.depends_on_outer()
        with np.errstate(**_QUIET):  # type: ignore[arg-type]
            moved = _push(f, trace, leaves, rows, selected, lift)
        taken = {id(r) for r in rows}
        out = [_out(trace, t, y, taken) for t, y in zip(moved, leaves, strict=True)]
        value = run.output if trace.nested else strip(run.output)
    tangent = unflatten(spec, out)
    return (value, tangent, run.aux) if has_aux else (value, tangent)


def _sequence(x: Any, what: str) -> Sequence[Any]:
    if isinstance(x, (tuple, list)):
        return x
    raise TreeError(
        f"{what} must be a tuple with one entry for each argument",
        got=f"{type(x).__name__}",
        line=code_line(*user_code(3)),
        remedy=f"write ({what[:-1]},) for a single argument",
    )


def _dtype(x: Any) -> Any:
    return value_of(x).dtype if hasattr(value_of(x), "dtype") else np.float64


def _push(
    f: Any,
    trace: Trace,
    leaves: list[Any],
    rows: Sequence[Any],
    selected: tuple[int | str, ...],
    lift: bool,
    cache: modes.Cache | None = None,
) -> list[Any]:
    """The tangents of the output leaves; an error if no derivative arrives at any of them."""
    active = [y for y in leaves if _is_active(y)]
    end = max((y.index for y in active), default=-1) + 1
    moved: list[Any] = [None] * len(leaves)
    if end > trace.start:
        table = modes.forward(
            trace.tape.nodes, trace.start, trace.inputs, end, rows, lift=lift, cache=cache
        )
        moved = [
            table[y.index - trace.start] if _is_active(y) and y.index >= trace.start else None
            for y in leaves
        ]
    if all(t is None for t in moved) and not has_constant_derivative(trace):
        raise no_dependence(
            f, trace, leaves[-1] if leaves else None, argument_name(f, _first(selected))
        )
    return moved


def _out(trace: Trace, t: Any, y: Any, taken: set[int]) -> Any:
    """The tangent of one output leaf, in its shape; zeros where nothing arrives."""
    if t is None:
        t = np.zeros(shape_of(y), _dtype(y))
    return trace.constant(_finished(t, value_of(y) if not is_traced(t) else y, taken))


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
        run = _Run(f, trace, primals, {}, selected, has_aux)
        leaves, spec = _output_leaves(f, run)
        nodes = trace.tape.nodes
        lift = trace.nested and trace.depends_on_outer()
        if not any(_is_active(y) for y in leaves) and not has_constant_derivative(trace):
            raise no_dependence(f, trace, leaves[-1], argument_name(f, _first(selected)))
        value = run.output if trace.nested else strip(run.output)

    def pullback(cotangent: Any) -> Any:
        same_structure(run.output, cotangent, "the cotangent")
        seeds = [
            (y.index, g if is_traced(g) else np.asarray(g, _dtype(y))[()])
            for y, g in zip(leaves, flatten(cotangent)[0], strict=True)
            if _is_active(y) and y.index >= trace.start
        ]
        with np.errstate(**_QUIET):  # type: ignore[arg-type]
            found = modes.reverse(nodes, trace.start, trace.inputs, seeds, lift=lift)
        trees, position = [], 0
        taken: set[int] = {id(g) for _, g in seeds}
        for x in _originals(selected, primals, {}):
            inputs, tree = flatten(x)
            part = found[position : position + len(inputs)]
            position += len(inputs)
            done = [
                _finished(np.zeros(shape_of(v), _dtype(v)) if c is None else c, v, taken)
                for c, v in zip(part, inputs, strict=True)
            ]
            trees.append(unflatten(tree, [trace.constant(c) for c in done]))
        return trees[0] if single else tuple(trees)

    return (value, pullback, run.aux) if has_aux else (value, pullback)


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
            run = _Run(f, trace, args, kwargs, selected, has_aux)
            leaves, spec = _output_leaves(f, run)
            originals = _originals(selected, args, kwargs)
            inputs = [leaf for x in originals for leaf in flatten(x)[0]]
            n_in = sum(int(np.size(value_of(x))) for x in inputs)
            n_out = sum(int(np.size(value_of(y))) for y in leaves)
            forward = mode == "forward" or (mode == "auto" and n_in <= n_out)
            lift = trace.nested and trace.depends_on_outer()
            sweep = _by_columns if forward else _by_rows
            with np.errstate(**_QUIET):  # type: ignore[arg-type]
                blocks = sweep(f, trace, selected, leaves, inputs, lift)
            result = []
            for y, row in zip(leaves, blocks, strict=True):
                trees, position = [], 0
                for x in originals:
                    part, tree = flatten(x)
                    done = [
                        trace.constant(_block(b, y, v))
                        for b, v in zip(row[position : position + len(part)], part, strict=True)
                    ]
                    position += len(part)
                    trees.append(unflatten(tree, done))
                result.append(trees[0] if single else tuple(trees))
        whole = unflatten(spec, result)
        return (whole, run.aux) if has_aux else whole

    return evaluate


def _block(b: Any, y: Any, x: Any) -> Any:
    """One block ∂y/∂x; a plain float for two plain numbers."""
    if not is_traced(b) and np.ndim(b) == 0 and type(x) in (int, float):
        return float(b)
    return b


def _basis(x: Any) -> Any:
    """The unit tangents of a number or array, one at a time."""
    shape, dtype = shape_of(x), _dtype(x)
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
    blocks: list[list[Any]] = [[] for _ in leaves]
    for k, x in enumerate(inputs):
        columns: list[list[Any]] = [[] for _ in leaves]
        for e in _basis(x):
            rows: list[Any] = [None] * len(inputs)
            rows[k] = e
            active = [y for y in leaves if _is_active(y)]
            end = max((y.index for y in active), default=-1) + 1
            table = modes.forward(
                trace.tape.nodes[:], trace.start, trace.inputs, max(end, trace.start + trace.inputs),
                rows, lift=lift, cache=cache,
            )  # fmt: skip
            for column, y in zip(columns, leaves, strict=True):
                arrives = _is_active(y) and y.index >= trace.start
                column.append(table[y.index - trace.start] if arrives else None)
        for block, column, y in zip(blocks, columns, leaves, strict=True):
            shape = shape_of(y) + shape_of(x)
            block.append(column if column and any(c is not None for c in column) else None)
            if block[-1] is not None:
                block[-1] = _stacked(column, shape, -1, np.zeros(shape_of(y), _dtype(y)))
    return _filled(f, trace, selected, blocks, leaves, inputs)


def _by_rows(
    f: Any, trace: Trace, selected: Any, leaves: list[Any], inputs: list[Any], lift: bool
) -> list[list[Any]]:
    """Reverse mode: one sweep for each output element gives a row of the Jacobian."""
    cache: modes.Cache = {}
    blocks: list[list[Any]] = []
    for y in leaves:
        rows: list[list[Any]] = [[] for _ in inputs]
        if _is_active(y) and y.index >= trace.start:
            for e in _basis(y):
                found = modes.reverse(
                    trace.tape.nodes, trace.start, trace.inputs, [(y.index, e)],
                    lift=lift, cache=cache,
                )  # fmt: skip
                for row, c in zip(rows, found, strict=True):
                    row.append(c)
        blocks.append(
            [
                _stacked(row, shape_of(y) + shape_of(x), 0, np.zeros(shape_of(x), _dtype(x)))
                if any(c is not None for c in row)
                else None
                for row, x in zip(rows, inputs, strict=True)
            ]
        )
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
    if all(b is None for row in blocks for b in row) and not has_constant_derivative(trace):
        raise no_dependence(f, trace, leaves[-1], argument_name(f, _first(selected)))
    return [
        [
            np.zeros(shape_of(y) + shape_of(x), _dtype(x)) if b is None else b
            for b, x in zip(row, inputs, strict=True)
        ]
        for row, y in zip(blocks, leaves, strict=True)
    ]


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
