"""One differentiated call: the chosen arguments traced, the function run, the results shaped."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.elementary.shaping import astype, broadcast_to
from chainrule.errors import (
    ArgumentError,
    NotDifferentiableError,
    NotScalarError,
    ZeroGradientWarning,
    code_line,
)
from chainrule.graph import Node, user_code
from chainrule.tracing import (
    Trace,
    argument_name,
    flatten,
    has_constant_derivative,
    leaf_names,
    name_of,
    no_dependence,
    parameter_names,
    paths_of,
    strip,
    takes,
    unflatten,
)

Selected = tuple[int | str, ...]


# What np.errstate(all="ignore") does, without building its state anew for every call: a third of
# the fixed cost of a gradient. Where NumPy does not have these names, np.errstate itself.
try:
    from numpy._core.umath import _extobj_contextvar, _make_extobj

    _IGNORE: Any = _make_extobj(all="ignore")
except ImportError:  # pragma: no cover
    _IGNORE = None


class Quiet:
    """NumPy's floating-point warnings off: an infinite derivative is a result, not an accident."""

    __slots__ = ("_state",)

    def __enter__(self) -> None:
        self._state: Any
        if _IGNORE is not None:
            self._state = _extobj_contextvar.set(_IGNORE)
        else:  # pragma: no cover
            self._state = np.errstate(all="ignore")
            self._state.__enter__()

    def __exit__(self, *error: object) -> None:
        if _IGNORE is not None:
            _extobj_contextvar.reset(self._state)
        else:  # pragma: no cover
            self._state.__exit__(*error)


class Argument(NamedTuple):
    """A differentiated argument: which one it is, its leaves, and their tree."""

    which: int | str
    leaves: list[Any]
    spec: Any


def call(
    f: Callable[..., Any],
    trace: Trace,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    selected: Selected,
    has_aux: bool,
) -> tuple[Any, Any, list[Argument]]:
    """(output, extra, arguments) of f with the selected arguments traced."""
    values, keywords = list(args), dict(kwargs)
    arguments = []
    for which in selected:
        holder: Any = values if type(which) is int else keywords
        key = which
        if type(which) is int and which >= len(values):  # given by its name?
            holder, key = keywords, argument_name(f, which)
        try:
            x = holder[key]
        except (IndexError, KeyError):
            raise _missing(f, which, args, kwargs) from None
        leaves, spec = flatten(x)
        try:
            traced = [trace.input(leaf) for leaf in leaves]
        except NotDifferentiableError:
            for leaf, name in zip(leaves, paths_of(x, _name(f, which)), strict=True):
                trace.input(leaf, name)  # raises again, with the name of the argument
            raise
        holder[key] = unflatten(spec, traced)
        arguments.append(Argument(which, leaves, spec))
    result = f(*values, **keywords)
    if not has_aux:
        return result, None, arguments
    if not (isinstance(result, tuple) and len(result) == 2):
        raise ArgumentError(
            f"with has_aux=True {name_of(f)} must return (output, extra)",
            got=f"{type(result).__name__}",
            line=code_line(*user_code(2)),
            remedy="return a pair, or drop has_aux",
        )
    extra = result[1] if trace.nested else strip(result[1])
    return result[0], extra, arguments


def _name(f: Any, which: int | str) -> str:
    return which if isinstance(which, str) else argument_name(f, which)


def _missing(
    f: Any, which: int | str, args: Sequence[Any], kwargs: dict[str, Any]
) -> ArgumentError:
    if isinstance(which, str) and not takes(f, which):
        return ArgumentError(
            f"{name_of(f)} has no argument of this name",
            got=f"argnums={which!r}",
            line=code_line(*user_code(3)),
            remedy=f"its arguments are {', '.join(parameter_names(f))}",
        )
    keywords = f" and the keywords {', '.join(kwargs)}" if kwargs else ""
    name = which if isinstance(which, str) else f"{argument_name(f, which)} (position {which})"
    return ArgumentError(
        f"{name_of(f)} was called without the argument to differentiate: {name}",
        got=f"{len(args)} positional arguments{keywords}",
        line=code_line(*user_code(3)),
        remedy="pass it, or choose another with argnums=…",
    )


def scalar(f: Any, trace: Trace, output: Any, selected: Selected) -> Node:
    """The output of f as a scalar node, or the error that says what it is instead."""
    if isinstance(output, Node):
        value = output.value
        if isinstance(value, np.floating) or (np.ndim(value) == 0 and value.dtype.kind == "f"):
            return output
        if np.ndim(value) == 0:
            raise no_dependence(f, trace, output, _name(f, selected[0]))
        raise NotScalarError(
            f"the gradient is defined for a scalar output, and {name_of(f)} returns an array",
            got=f"shape {np.shape(value)}",
            line=output.line,
            remedy="sum or average it (y.sum(), y.mean()), take one element, or use cr.jacobian",
        )
    if isinstance(output, (int, float, np.generic, np.ndarray)) and np.ndim(output) == 0:
        raise no_dependence(f, trace, output, _name(f, selected[0]))
    raise NotScalarError(
        f"the gradient is defined for one scalar output, and {name_of(f)} returns something else",
        got=f"{type(output).__name__}: {output!r}"[:200],
        line=code_line(*user_code(3)),
        remedy="return a single number; has_aux=True lets the function return (number, extra)",
    )


def output_leaves(f: Any, output: Any) -> tuple[list[Any], Any]:
    """The leaves of the output of f; every one of them a number or an array."""
    leaves, spec = flatten(output)
    for y in leaves:
        if not isinstance(y, (Node, int, float, np.generic, np.ndarray)):
            raise NotScalarError(
                f"{name_of(f)} returns something that is not made of numbers",
                got=f"{type(y).__name__}: {y!r}"[:200],
                line=code_line(*user_code(3)),
                remedy="return arrays or containers of them; has_aux=True allows extra results",
            )
    return leaves, spec


def is_active(y: Any) -> bool:
    """Can a derivative arrive at this output?"""
    return isinstance(y, Node) and value_of(y).dtype.kind == "f"


def dtype_of(x: Any) -> Any:
    value = value_of(x)
    if not hasattr(value, "dtype") or (isinstance(x, Node) and x.params.get("whole")):
        return np.dtype(np.float64)  # a Python number
    return value.dtype


def finished(c: Any, like: Any, taken: set[int]) -> Any:
    """A derivative in the type, dtype and memory that the caller may keep and change.

    Args:
        c: the derivative.
        like: the argument that it belongs to.
        taken: the memory that other results already have; extended.
    """
    kind = type(like)
    if is_traced(c):
        dtype = dtype_of(like)
        if shape_of(c) != shape_of(like):
            c = broadcast_to(c, shape=shape_of(like))
        return c if c.dtype == dtype else astype(c, dtype=dtype)
    if kind is float or kind is int:
        return float(c)
    value = value_of(like)
    if not isinstance(value, np.ndarray):
        return dtype_of(like).type(c)
    c = np.asarray(c)
    if c.shape != value.shape:
        c = np.broadcast_to(c, value.shape)
    root: Any = c
    while isinstance(root.base, np.ndarray):
        root = root.base
    shared = root.size != c.size or id(root) in taken or not c.flags.writeable
    if shared or c.dtype != value.dtype:
        c = np.array(c, value.dtype)
    taken.add(id(root))
    return c


def gradients(
    f: Any, trace: Trace, arguments: Sequence[Argument], found: list[Any], output: Any
) -> list[Any]:
    """The cotangents of the inputs as trees like the arguments; zeros are told, never silent."""
    taken: set[int] = set()
    trees: list[Any] = []
    for argument in arguments:
        leaves = argument.leaves
        part, found = found[: len(leaves)], found[len(leaves) :]
        if [c for c in part if c is None]:
            part = _zeros(f, trace, argument, part, output)
        part = [finished(c, leaf, taken) for c, leaf in zip(part, leaves, strict=True)]
        if trace.nested:
            part = [trace.constant(c) for c in part]
        trees.append(unflatten(argument.spec, part))
    return trees


def _zeros(f: Any, trace: Trace, argument: Argument, part: list[Any], output: Any) -> list[Any]:
    """Zeros for leaves where no derivative arrives: with a warning, or an error if it is none."""
    if not has_constant_derivative(trace):
        name = _name(f, argument.which)
        if all(c is None for c in part):
            raise no_dependence(f, trace, output, name)
        names = leaf_names(argument.spec, name)
        unused = [path for path, c in zip(names, part, strict=True) if c is None]
        warnings.warn(
            f"the output of {name_of(f)} does not depend on {', '.join(unused)}; "
            "the gradient there is exactly 0",
            ZeroGradientWarning,
            stacklevel=5,
        )
    return [
        np.zeros(shape_of(leaf), dtype_of(leaf)) if c is None else c
        for leaf, c in zip(argument.leaves, part, strict=True)
    ]
