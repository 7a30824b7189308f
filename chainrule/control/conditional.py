"""`cond`: one of two functions, by a truth value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.control.branches import Choice, branch
from chainrule.control.parts import Part, together
from chainrule.control.trees import leaves_of, same_branches, truth
from chainrule.elementary.base import value_of
from chainrule.graph import Graph, Node
from chainrule.tracing import in_static_trace, unflatten


def cond(
    pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any
) -> Any:
    """``true_fun(*operands)`` if pred holds, ``false_fun(*operands)`` otherwise.

    Only the branch that is taken runs; ``np.where`` computes both and chooses element by element.
    The derivative is that of the branch that is taken, in both modes and to any order; pred
    itself has none. In a compiled function the branch is taken anew at every call; both are then
    traced, with the values of the first call.

    Args:
        pred: a single truth value; a number counts as true where it is not zero.
        true_fun, false_fun: functions of the operands that return trees of the same structure,
            shapes and dtypes. They may use values from around them.
        operands: trees of numbers and arrays.

    Raises:
        ShapeError: pred is not a single value, or the branches return different shapes or dtypes.
        TreeError: the branches return different structures.

    >>> import numpy as np, chainrule as cr
    >>> safe_log = cr.compile(lambda x: cr.cond(x > 0, np.log, lambda x: x - 1, x))
    >>> print(safe_log(np.e), safe_log(-1.0))
    1.0 -2.0
    >>> print(cr.compile(cr.grad(lambda x: safe_log(x)))(4.0))
    0.25

    Source: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), section 14.1
    (branches in evaluation programs).
    """
    pred = truth(pred, "the predicate of cond")
    if not in_static_trace():
        return (true_fun if value_of(pred) else false_fun)(*operands)
    leaves, spec = leaves_of(operands, "operands")
    parts = [_traced(f, leaves, spec) for f in (true_fun, false_fun)]
    same_branches(
        (true_fun, false_fun), (list(parts[0][0].outputs), parts[0][2]),
        (list(parts[1][0].outputs), parts[1][2]),
    )  # fmt: skip
    around, graphs = together([part[:2] for part in parts], leaves)
    return unflatten(parts[0][2], branch(Choice(graphs[0], graphs[1]), pred, [*leaves, *around]))


def _traced(f: Callable[..., Any], leaves: list[Any], spec: Any) -> tuple[Graph, list[Node], Any]:
    """(graph, the values from around it that it reads, the structure of its result)."""
    with Part() as part:
        inputs = part.inputs([value_of(x) for x in leaves])
        made, result = leaves_of(f(*unflatten(spec, inputs)), "the result")
        return *part.graph(len(leaves), made), result


__all__ = ["cond"]
