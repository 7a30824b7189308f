"""Checking derivatives against numerical estimates that do not use the graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.derivatives import jvp, vjp
from chainrule.elementary.base import value_of
from chainrule.errors import ArgumentError, GradientCheckError, code_line
from chainrule.graph import user_code
from chainrule.tracing import argument_name, flatten, name_of, paths_of, resolve, unflatten

# The smallest step and the share of it that each stage takes: Ridders' method starts wide, where
# rounding is harmless, and extrapolates the truncation error away.
_SHRINK = 1.6
_STAGES = 12


def extrapolated_difference(f: Callable[[float], Any], h: float) -> tuple[Any, Any, Any]:
    """The derivative at 0 of a function of one number, by extrapolated central differences.

    Ridders' method: D(h) = (f(h) − f(−h))/2h for h, h/1.6, h/1.6², …, with Richardson
    extrapolation of the error terms h², h⁴, …; for each element the entry of the tableau with the
    smallest estimated error is taken.

    Args:
        f: a function of one number that returns an array.
        h: the first, largest step.

    Returns:
        The derivative, its estimated absolute error and the step it was taken at, elementwise.

    >>> value, error, step = extrapolated_difference(np.sin, 0.1)
    >>> bool(abs(value - 1) < 1e-12), bool(error < 1e-10)
    (True, True)

    Source: Ridders, "Accurate computation of F′(x) and F′(x)F″(x)", Adv. Eng. Softw. 4 (1982).
    """
    column: list[Any] = []
    best: Any = None
    error: Any = None
    step: Any = None
    for _ in range(_STAGES):
        with np.errstate(all="ignore"):
            row = [(np.asarray(f(h), float) - np.asarray(f(-h), float)) / (2 * h)]
            factor = _SHRINK**2
            for previous in column:
                row.append((row[-1] * factor - previous) / (factor - 1))
                factor *= _SHRINK**2
            if best is None:
                best, error = row[0], np.full(np.shape(row[0]), np.inf)
                step = np.full(np.shape(row[0]), h)
            for k in range(1, len(row)):
                spread = np.maximum(np.abs(row[k] - row[k - 1]), np.abs(row[k] - column[k - 1]))
                better = spread < error
                best = np.where(better, row[k], best)
                error = np.where(better, spread, error)
                step = np.where(better, h, step)
        column = row
        h /= _SHRINK
    return best, error, step


def check_grads(
    f: Callable[..., Any],
    argnums: Any = None,
    *,
    orders: int | Sequence[int] = (1, 2),
    modes: Sequence[str] = ("forward", "reverse"),
    rtol: float = 1e-6,
    atol: float = 1e-8,
    step: float = 0.05,
) -> Callable[..., None]:
    """Compare the derivatives of f with extrapolated differences, element by element.

    For order 1 every partial derivative ∂f/∂x[i] by forward and by reverse mode is compared with
    Ridders' extrapolated central differences; for order n those of the (n − 1)th derivative along
    a fixed direction.

    Args:
        f: a function of NumPy code that returns an array or a tree of arrays.
        argnums: the arguments to check, by position or name; by default all positional ones that
            are made of floating-point numbers.
        orders: the highest order, or the orders to check.
        modes: "forward", "reverse" or both.
        rtol, atol: an element passes when |exact − numerical| ≤ atol + rtol·size + slack, where
            size is the larger of the two and slack is ten times the estimated error of the
            numerical value, but at most a hundredth of the size.
        step: the first step of the differences, relative to max(1, |x[i]|).

    Returns:
        A function of the arguments of f that returns None, or raises.

    Raises:
        GradientCheckError: an element differs. The message names the argument, the element, the
            order and mode, both values, and the step.

    >>> check_grads(lambda x: (np.sin(x) * x).sum())(np.array([0.3, -2.0]))

    Source: Ridders (1982), as :func:`extrapolated_difference`.
    """
    wanted = range(1, orders + 1) if isinstance(orders, int) else orders
    for mode in modes:
        if mode not in ("forward", "reverse"):
            raise ArgumentError(
                "modes are 'forward' and 'reverse'", got=repr(mode), line=code_line(*user_code(2))
            )

    def check(*args: Any, **kwargs: Any) -> None:
        def g(*values: Any) -> Any:
            return f(*values, **kwargs)

        selected = _selected(f, argnums, args)
        for order in wanted:
            target = g
            for level in range(order - 1):
                target = _along(target, selected, args, seed=level)
            for mode in modes:
                _compare(f, target, selected, args, order, mode, rtol, atol, step)

    return check


def _selected(f: Any, argnums: Any, args: Sequence[Any]) -> list[int]:
    if argnums is not None:
        return [w if isinstance(w, int) else int(w) for w in resolve(f, argnums)[0]]
    found = []
    for position, x in enumerate(args):
        leaves, _ = flatten(x)
        kinds = {"f" if type(leaf) is int else np.asarray(leaf).dtype.kind for leaf in leaves}
        if leaves and kinds == {"f"}:
            found.append(position)
    if not found:
        raise ArgumentError(
            "no argument is made of floating-point numbers",
            got=", ".join(type(x).__name__ for x in args) or "no arguments",
            line=code_line(*user_code(3)),
            remedy="pass floats, or name the arguments with argnums=…",
        )
    return found


def _direction(x: Any, seed: int) -> Any:
    """A fixed direction for each leaf: its elements differ, so that no term cancels."""
    leaves, spec = flatten(x)
    drawn = np.random.default_rng(seed)
    rows = []
    for leaf in leaves:
        value = np.asarray(value_of(leaf))
        direction = drawn.uniform(0.5, 1.5, value.shape) * drawn.choice([-1.0, 1.0], value.shape)
        rows.append(direction.astype(value.dtype if value.dtype.kind == "f" else float))
    return unflatten(spec, rows)


def _along(f: Any, selected: Sequence[int], args: Sequence[Any], seed: int) -> Any:
    """The derivative of f along a fixed direction, as a function of the same arguments."""
    directions = tuple(_direction(args[k], seed) for k in selected)

    def derivative(*values: Any) -> Any:
        return jvp(f, values, directions, argnums=tuple(selected))[1]

    derivative.__name__ = name_of(f)
    return derivative


def _flat(output: Any) -> np.ndarray:
    leaves, _ = flatten(output)
    parts = [np.ravel(np.asarray(value_of(y), float)) for y in leaves]
    return np.concatenate(parts) if parts else np.zeros(0)


def _compare(
    f: Any,
    target: Any,
    selected: Sequence[int],
    args: Sequence[Any],
    order: int,
    mode: str,
    rtol: float,
    atol: float,
    step: float,
) -> None:
    for position in selected:
        leaves, spec = flatten(args[position])
        paths = paths_of(args[position], argument_name(f, position))
        leaves = [np.asarray(leaf, None if hasattr(leaf, "dtype") else float) for leaf in leaves]
        for k, (leaf, path) in enumerate(zip(leaves, paths, strict=True)):
            for index in np.ndindex(leaf.shape):

                def moved(h: float, k: int = k, index: Any = index) -> Any:
                    shifted = [v.copy() for v in leaves]
                    shifted[k][index] += h
                    return _flat(target(*_with(args, position, spec, shifted)))

                h = step * max(1.0, abs(float(leaf[index])))
                single = leaf.dtype.itemsize < 8
                numerical, error, taken = extrapolated_difference(moved, 4 * h if single else h)
                exact = _exact(target, position, args, spec, leaves, k, index, mode)
                size = np.maximum(np.abs(exact), np.abs(numerical))
                # Differences that do not settle (a kink, a jump, noise) prove nothing: their own
                # error may excuse a hundredth of the value and what rounding explains, no more.
                rounding = np.max(np.abs(moved(0.0)), initial=0.0) * 1e-12 / taken
                slack = np.minimum(10 * error, 1e-2 * size + rounding)
                slack = slack + (1e-3 * size if single else 0.0)
                bad = ~(np.abs(exact - numerical) <= atol + rtol * size + slack)
                bad &= ~(np.isnan(exact) & np.isnan(numerical))
                if np.any(bad):
                    where = int(np.argmax(bad))
                    raise _difference(
                        f, path, index, leaf.shape, order, mode, exact, numerical, taken, where
                    )


def _with(args: Sequence[Any], position: int, spec: Any, leaves: list[Any]) -> list[Any]:
    values = list(args)
    values[position] = unflatten(spec, [v[()] if v.ndim == 0 else v for v in leaves])
    return values


def _exact(
    target: Any,
    position: int,
    args: Sequence[Any],
    spec: Any,
    leaves: list[Any],
    k: int,
    index: Any,
    mode: str,
) -> np.ndarray:
    """The derivative of all outputs with respect to one element, by the given mode."""
    values = _with(args, position, spec, leaves)
    if mode == "forward":
        tangents = [np.zeros_like(v) for v in leaves]
        tangents[k][index] = 1
        direction = unflatten(spec, [t[()] if t.ndim == 0 else t for t in tangents])
        return _flat(jvp(target, values, direction, argnums=position)[1])
    value, pullback = vjp(target, *values, argnums=position)
    outputs, tree = flatten(value)
    shapes = [np.shape(y) for y in outputs]
    column = []
    for j, shape in enumerate(shapes):
        for place in np.ndindex(shape):
            seeds = [np.zeros(s) for s in shapes]
            seeds[j][place] = 1
            found = pullback(unflatten(tree, [s[()] for s in seeds]))
            column.append(np.asarray(flatten(found)[0][k])[index])
    return np.array(column, float)


def _difference(
    f: Any,
    path: str,
    index: tuple[int, ...],
    shape: tuple[int, ...],
    order: int,
    mode: str,
    exact: Any,
    numerical: Any,
    taken: Any,
    where: int,
) -> GradientCheckError:
    element = f"{path}[{', '.join(map(str, index))}]" if shape else path
    output = f", output element {where}" if np.size(exact) > 1 else ""
    gap = abs(float(exact[where]) - float(numerical[where]))
    digits = f"a difference of {gap:.3g}" if math.isfinite(gap) else "not comparable"
    return GradientCheckError(
        f"the derivative of {name_of(f)} with respect to {element} differs from its numerical "
        f"estimate (order {order}, {mode} mode{output})",
        got=f"{float(exact[where]):.17g} by {mode} mode, {float(numerical[where]):.17g} by "
        f"differences with step {float(taken[where]):.3g}: {digits}",
        line=code_line(*user_code(3)),
        remedy="at a kink or a jump differences say nothing: move the point away from it; "
        "cr.stop_gradient, and steps such as np.round, cut a derivative on purpose; else a rule is "
        "wrong",
    )
