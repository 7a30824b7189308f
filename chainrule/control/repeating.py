"""`while_loop` and `scan`: a function again and again on what it has made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.control.loops import repeated
from chainrule.control.parts import Part, chosen, together
from chainrule.control.trees import block_size, leaves_of, length_of, same_carry, truth
from chainrule.elementary.arithmetic import add
from chainrule.elementary.base import shape_of, value_of
from chainrule.elementary.logic import less, logical_and
from chainrule.errors import TreeError, code_line
from chainrule.graph import Graph, user_code
from chainrule.tracing import in_static_trace, name_of, unflatten


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    *,
    checkpoint: int | None = None,
) -> Any:
    """Repeat ``val = body_fun(val)`` while ``cond_fun(val)`` holds, from init_val on.

    The derivative is that of the steps that are done, in both modes and to any order; the number
    of steps has none. Forward mode carries the tangent along. Reverse mode keeps the value before
    every step and what its products have made, so its memory grows with the number of steps. In a
    compiled function the loop is one step of the graph, however often it repeats.

    Args:
        cond_fun: val → a single truth value.
        body_fun: val → a tree of the same structure, shapes and dtypes.
        init_val: a tree of numbers and arrays. A Python float counts as float64, an int as int64.
        checkpoint: keep the value before every so many steps only, and compute those in between
            once more in reverse mode; best is about the root of the number of steps. The
            functions are then traced once, so they may not decide by a value (``if x > 0``).

    Returns:
        The last val: init_val itself where the condition does not hold at first.

    Raises:
        ShapeError: cond_fun returns several values, or body_fun changes a shape or dtype.
        TreeError: body_fun changes the structure.
        ArgumentError: checkpoint is no whole number of 1 or more.

    >>> import numpy as np, chainrule as cr
    >>> def root(a):
    ...     far = lambda x: np.abs(x * x - a) > 1e-12 * a
    ...     return cr.while_loop(far, lambda x: (x + a / x) / 2, 1.0 + 0 * a)
    >>> print(cr.compile(root)(9.0), round(cr.compile(cr.grad(root))(9.0), 12))
    3.0 0.166666666667

    Source: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), section 3.2, and
    chapter 12 (checkpoints).
    """
    val, spec = leaves_of(init_val, "init_val")
    size = block_size(checkpoint)
    if size is None and not in_static_trace():
        return _while_by_python(cond_fun, body_fun, val, spec)
    with Part() as part:
        inputs = part.inputs([value_of(x) for x in val])
        pred = truth(cond_fun(unflatten(spec, inputs)), f"what {name_of(cond_fun)} returns")
        condition = part.graph(len(val), [pred])
    with Part() as part:
        inputs = part.inputs([value_of(x) for x in val])
        made = leaves_of(body_fun(unflatten(spec, inputs)), "the carry")
        same_carry(body_fun, (val, spec), made)
        body = part.graph(len(val), made[0])
    around, (test, step) = together([condition, body], val)
    if size is not None:
        step = _block(test, step, len(val), size)
    last, _ = repeated(step, len(val), len(around), condition=test)([*val, *around])
    return unflatten(spec, last)


def _block(test: Graph, step: Graph, carries: int, size: int) -> Graph:
    """Up to ``size`` steps as one: (carry, consts) → carry, counted in the inner carry."""
    with Part() as part:
        inputs = part.inputs([*step.inputs[:carries], np.int64(0), *step.inputs[carries:]])
        carry, done, consts = inputs[:carries], inputs[carries], inputs[carries + 1 :]
        [holds] = part.copy(test, [*carry, *consts])
        goes_on = Graph(inputs, [logical_and(holds, less(done, size))])
        counted = Graph(inputs, [*part.copy(step, [*carry, *consts]), add(done, 1)])
    with Part() as part:
        outer = part.inputs(step.inputs)
        run = repeated(counted, carries + 1, len(consts), condition=goes_on)
        last, _ = run([*outer[:carries], np.int64(0), *outer[carries:]])
        return Graph(outer, last[:carries])


def _while_by_python(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], val: list[Any], spec: Any
) -> Any:
    what = f"what {name_of(cond_fun)} returns"
    val = [np.array(x) if isinstance(x, np.ndarray) else x for x in val]  # it may be assigned to
    while value_of(truth(cond_fun(unflatten(spec, val)), what)):
        made = leaves_of(body_fun(unflatten(spec, val)), "the carry")
        same_carry(body_fun, (val, spec), made)
        val = made[0]
    return unflatten(spec, val)


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    *,
    checkpoint: bool = False,
) -> tuple[Any, Any]:
    """Repeat ``carry, y = f(carry, x)`` for the x of xs in order; ``(last carry, all y)``.

    The derivative is that of the unrolled steps, in both modes and to any order. In a compiled
    function the scan is one step of the graph, so that compiling takes the same time for any
    number of steps, and reverse mode keeps the carry before every step, and what the step's
    products and linear algebra have made.

    Args:
        f: (carry, x) → (carry of the same structure, shapes and dtypes, y of any structure).
        init: the first carry, a tree of numbers and arrays. A Python float counts as float64, an
            int as int64.
        xs: a tree of arrays with the steps along the first axis; None for steps without an x.
        length: the number of steps, where xs does not say it.
        reverse: from the last x to the first; y[k] still belongs to x[k].
        checkpoint: keep the carry of every √n-th of n steps only, and compute those in between
            once more in reverse mode: the memory of √n steps for the time of one more run. f is
            then traced once, so it may not decide by a value (``if x > 0``).

    Returns:
        The last carry, and the tree of y with the steps along a new first axis.

    Raises:
        ShapeError: xs has leaves of different lengths, or f changes a shape or dtype.
        TreeError: f changes the structure of the carry, or does not return a pair.
        ArgumentError: nothing says how many steps there are.

    >>> import numpy as np, chainrule as cr
    >>> decay = lambda c, x: (0.5 * c + x, c)
    >>> cr.scan(decay, 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(4.25), array([0. , 1. , 2.5]))
    >>> cr.grad(lambda xs: cr.scan(decay, 0.0, xs)[0])(np.ones(3))
    array([0.25, 0.5 , 1.  ])

    Source: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), section 3.2, and
    chapter 12 (checkpoints).
    """
    carry = leaves_of(init, "init")
    leaves, spec = leaves_of(xs, "xs")
    n = length_of(leaves, spec, length)
    if n and not checkpoint and not in_static_trace():
        return _scan_by_python(f, carry, leaves, spec, n, reverse)
    with Part() as part:
        first = n - 1 if reverse else 0
        inputs = part.inputs([value_of(x) for x in carry[0]])
        given = part.inputs([_element(value_of(x), first) for x in leaves])
        made, y, y_spec = _step(f, carry, unflatten(carry[1], inputs), unflatten(spec, given))
        body, around = part.graph(len(inputs) + len(given), [*made, *y])
    count, several = len(carry[0]), len(carry[0]) + len(leaves)
    order = [*range(count), *range(several, several + len(around)), *range(count, several)]
    body = chosen(body, order, range(len(body.outputs)))
    run = _checkpointed if checkpoint and n > 3 else _plain
    last, ys = run(body, carry[0], around, leaves, n, reverse)
    return unflatten(carry[1], last), unflatten(y_spec, ys)


def _scan_by_python(
    f: Callable[[Any, Any], Any],
    carry: tuple[list[Any], Any],
    xs: Sequence[Any],
    spec: Any,
    n: int,
    reverse: bool,
) -> tuple[Any, Any]:
    rows: list[list[Any]] = []
    structure = carry[1]
    leaves = [np.array(x) if isinstance(x, np.ndarray) else x for x in carry[0]]
    y_spec: Any = None
    for k in reversed(range(n)) if reverse else range(n):
        x = unflatten(spec, [leaf[k] for leaf in xs])
        leaves, y, y_spec = _step(f, (leaves, structure), unflatten(structure, leaves), x)
        rows.append([_apart(leaf, leaves) for leaf in y])
    if reverse:
        rows.reverse()
    ys = [np.stack(column) for column in zip(*rows, strict=True)]
    return unflatten(structure, leaves), unflatten(y_spec, ys)


def _apart(y: Any, carry: Sequence[Any]) -> Any:
    """A result of a step that stays as it is when the next step assigns to the carry."""
    shared = isinstance(y, np.ndarray) and y.base is not None
    return y.copy() if shared or any(y is c for c in carry) else y


def _step(
    f: Callable[[Any, Any], Any], carry: tuple[list[Any], Any], given: Any, x: Any
) -> tuple[list[Any], list[Any], Any]:
    """(leaves of the new carry, leaves of y, structure of y)"""
    made = f(given, x)
    if not isinstance(made, tuple) or len(made) != 2:
        raise TreeError(
            f"{name_of(f)} must return the pair (new carry, y)",
            got=f"{type(made).__name__}: {made!r}"[:200],
            line=code_line(*user_code(2)),
            remedy="return (carry, None) where there is no y",
        )
    after = leaves_of(made[0], "the carry")
    same_carry(f, carry, after)
    return after[0], *leaves_of(made[1], "y")


def _element(value: Any, k: int) -> Any:
    """The k-th element along the first axis, as an example; zeros where there is none."""
    return value[k] if len(value) else np.zeros(value.shape[1:], value.dtype)[()]


def _plain(
    body: Graph,
    carry: Sequence[Any],
    consts: Sequence[Any],
    xs: Sequence[Any],
    n: int,
    reverse: bool,
) -> tuple[list[Any], list[Any]]:
    run = repeated(body, len(carry), len(consts), length=n, backward=reverse)
    return run([*carry, *consts, *xs])


def _checkpointed(
    body: Graph,
    carry: Sequence[Any],
    consts: Sequence[Any],
    xs: Sequence[Any],
    n: int,
    reverse: bool,
) -> tuple[list[Any], list[Any]]:
    """A scan over blocks of √n steps: their inner carries are made again in reverse mode."""
    size = math.isqrt(n - 1) + 1
    blocks, left = divmod(n, size)
    whole = blocks * size
    with Part() as part:
        inputs = part.inputs(body.inputs[: len(carry) + len(consts)])
        given = part.inputs([value_of(x)[:size] for x in xs])
        first, second = inputs[: len(carry)], inputs[len(carry) :]
        made, ys = _plain(body, first, second, given, size, reverse)
        block = Graph([*inputs, *given], [*made, *ys])
    folded = [(x[:whole] if left else x).reshape((blocks, size, *shape_of(x)[1:])) for x in xs]
    rest = [x[whole:] for x in xs]
    last: list[Any] = list(carry)
    tail: list[Any] = []
    if left and reverse:
        last, tail = _plain(body, last, consts, rest, left, reverse)
    last, ys = _plain(block, last, consts, folded, blocks, reverse)
    if left and not reverse:
        last, tail = _plain(body, last, consts, rest, left, reverse)
    flat = [y.reshape((whole, *shape_of(y)[2:])) for y in ys]
    if left:
        flat = [np.concatenate(pair) for pair in zip(flat, tail, strict=True)]
    return last, flat


__all__ = ["scan", "while_loop"]
