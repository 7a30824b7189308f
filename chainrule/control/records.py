"""What the records of branches and loops have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.elementary.base import General
from chainrule.elementary.linalg import pick
from chainrule.graph import Graph, Node, Tape, predecessors, user_code


class Control(General):
    """A function whose parameters are graphs, which it runs in part or many times.

    Its results are a tuple. In a static trace, where the values are only examples, it is not
    run: tracing costs the same however long a loop is.

    Args:
        example: ``lambda *args, **params``: results of the right shapes and dtypes.
    """

    kind = "control"
    variadic = True
    __slots__ = ("example",)

    def __init__(
        self,
        name: str,
        value: Callable[..., Any],
        *,
        example: Callable[..., Any],
        jvp: Callable[..., Any],
        vjp: Callable[..., Any],
        formula: str,
    ) -> None:
        super().__init__(
            name,
            value,
            jvp=jvp,
            vjp=vjp,
            symbols=("the derivatives of its steps",),
            examples=lambda rng: iter(()),
            formula=formula,
        )
        self.example = example

    def __call__(self, *args: Any, **params: Any) -> Any:
        tape = next((a.tape for a in args if isinstance(a, Node)), None)
        if tape is None:
            return self.value(*args, **params)
        if not (tape.static and _varies(args, tape)):
            return tape.record(self, args, params, 2)
        for a in args:
            if isinstance(a, np.ndarray):
                tape.hold(a)
        return tape.append(self, args, params, self.example(*args, **params), *user_code(2))


def _varies(args: Sequence[Any], tape: Tape) -> bool:
    """Does an argument depend on what the graph will be evaluated at?"""
    seen: set[Node] = set()
    waiting = [a for a in args if isinstance(a, Node)]
    while waiting:
        node = waiting.pop()
        if node.fn is None and any(node.index in found for found in tape.free):
            return True
        if node not in seen:
            seen.add(node)
            waiting += [a for _, a in predecessors(node)]
    return False


def results(made: Any) -> list[Any]:
    """The members of what a record returns, each a node of its own where it is one."""
    if isinstance(made, Node):
        return [pick(made, k=k) for k in range(len(made.value))]
    return list(made)


def wanted(args: Sequence[Any]) -> list[bool]:
    """Which arguments does a derivative go on from? Constants have no use for theirs."""
    lifted = any(isinstance(a, Node) for a in args)
    return [isinstance(a, Node) or not lifted for a in args]


def outputs(graph: Graph) -> list[Any]:
    """The values of a graph's outputs as they were traced."""
    return [y.value if isinstance(y, Node) else y for y in graph.outputs]


__all__ = ["Control", "outputs", "results", "wanted"]
