"""The record of a branch: one of two graphs, by a truth value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

from chainrule.control.parts import adjoint_graph, chosen, fitted, is_real, tangent_graph
from chainrule.control.records import Control, outputs, results, wanted
from chainrule.elementary.base import value_of
from chainrule.graph import Graph
from chainrule.records import dataclass

Run = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True, eq=False)
class Choice:
    """Two graphs with the same inputs, and outputs of the same shapes and dtypes.

    Attributes:
        true, false: the branches.
        memo: what was made of this choice before: its derivatives, its code.
    """

    true: Graph
    false: Graph
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def graphs(self) -> tuple[Graph, ...]:
        return self.true, self.false


def run_branch(args: Sequence[Any], true: Run, false: Run) -> tuple[Any, ...]:
    """The results of the branch that the first argument chooses, at the other arguments."""
    return tuple((true if args[0] else false)(args[1:]))


def branch(choice: Choice, pred: Any, args: Sequence[Any]) -> list[Any]:
    """The results of one of two graphs, for values or nodes."""
    return results(COND(pred, *args, choice=choice))


def _value(*args: Any, choice: Choice) -> tuple[Any, ...]:
    return run_branch(args, choice.true.run, choice.false.run)


def _example(pred: Any, *args: Any, choice: Choice) -> tuple[Any, ...]:
    return tuple(outputs(choice.true if value_of(pred) else choice.false))


def _jvp(tangents: Sequence[Any], y: Any, pred: Any, *args: Any, choice: Choice) -> tuple[Any, ...]:
    """Forward mode: the branch that is taken, differentiated."""
    key = ("forward", tuple(t is not None for t in tangents[1:]))
    if key not in choice.memo:
        count = len(choice.true.outputs)
        pair = [tangent_graph(graph, key[1]) for graph in choice.graphs]
        choice.memo[key] = _differentiated(pair, range(count), count)
    kept, derivative = choice.memo[key]
    rates = [fitted(t, a) for t, a in zip(tangents[1:], args, strict=True) if t is not None]
    made = branch(derivative, pred, [*args, *rates]) if kept else []
    return tuple(made[kept.index(k)] if k in kept else None for k in range(len(y)))


def _vjp(g: Sequence[Any], y: Any, pred: Any, *args: Any, choice: Choice) -> tuple[Any, ...]:
    """Reverse mode: the branch that is taken, run again and swept backward."""
    values = choice.true.outputs
    arrives = tuple(c is not None and is_real(value_of(v)) for c, v in zip(g, values, strict=True))
    key = ("backward", arrives, tuple(wanted(args)))
    if key not in choice.memo:
        pair = [adjoint_graph(graph, arrives) for graph in choice.graphs]
        asked = [k for k, there in enumerate(key[2]) if there]
        choice.memo[key] = _differentiated(pair, asked, 0)
    kept, derivative = choice.memo[key]
    seeds = [fitted(c, v) for c, v, there in zip(g, y, arrives, strict=True) if there]
    made = branch(derivative, pred, [*args, *seeds]) if kept else []
    return (None, *(made[kept.index(k)] if k in kept else None for k in range(len(args))))


def _differentiated(
    pair: Sequence[tuple[Graph, list[bool]]], asked: Sequence[int], start: int
) -> tuple[list[int], Choice]:
    """(the derivatives that one of the branches has, a choice between those).

    Args:
        pair: the derivative of each branch, and which of its results are not zero by form.
        asked: which of them somebody wants.
        start: where they begin among the outputs of the graphs.
    """
    kept = [k for k in asked if any(found[k] for _, found in pair)]
    graphs = [
        chosen(graph, range(len(graph.inputs)), [start + k for k in kept]) for graph, _ in pair
    ]
    return kept, Choice(graphs[0], graphs[1])


COND = Control(
    "cond",
    _value,
    example=_example,
    jvp=_jvp,
    vjp=_vjp,
    formula="cond(…)",
)

__all__ = ["COND", "branch", "run_branch"]
