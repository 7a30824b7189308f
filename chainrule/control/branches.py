"""The record of a branch: one of two graphs, by a truth value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.control.parts import adjoint_graph, chosen, fitted, is_real, tangent_graph
from chainrule.control.records import Control, outputs, results, wanted
from chainrule.elementary.base import value_of
from chainrule.graph import Graph

Run = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True)
class Choice:
    """Two graphs with the same inputs, and outputs of the same shapes and dtypes."""

    true: Graph
    false: Graph

    @property
    def graphs(self) -> tuple[Graph, ...]:
        return self.true, self.false


def run_branch(args: Sequence[Any], true: Run, false: Run) -> tuple[Any, ...]:
    """The results of the branch that the first argument chooses, at the other arguments."""
    return tuple((true if args[0] else false)(args[1:]))


def branch(pred: Any, args: Sequence[Any], true: Graph, false: Graph) -> list[Any]:
    """Results of one of two graphs with the same inputs and outputs."""
    return results(COND(pred, *args, choice=Choice(true, false)))


def _value(*args: Any, choice: Choice) -> tuple[Any, ...]:
    return run_branch(args, choice.true.run, choice.false.run)


def _example(pred: Any, *args: Any, choice: Choice) -> tuple[Any, ...]:
    return tuple(outputs(choice.true if value_of(pred) else choice.false))


def _jvp(tangents: Sequence[Any], y: Any, pred: Any, *args: Any, choice: Choice) -> tuple[Any, ...]:
    """Forward mode: the branch that is taken, differentiated."""
    moved = [t is not None for t in tangents[1:]]
    pair = [tangent_graph(graph, moved) for graph in choice.graphs]
    count = len(choice.true.outputs)
    kept = [k for k in range(count) if any(found[k] for _, found in pair)]
    if not kept:
        return (None,) * count
    given = range(len(pair[0][0].inputs))
    graphs = [chosen(graph, given, [count + k for k in kept]) for graph, _ in pair]
    rates = [fitted(t, a) for t, a in zip(tangents[1:], args, strict=True) if t is not None]
    made = branch(pred, [*args, *rates], *graphs)
    return tuple(made[kept.index(k)] if k in kept else None for k in range(count))


def _vjp(g: Sequence[Any], y: Any, pred: Any, *args: Any, choice: Choice) -> tuple[Any, ...]:
    """Reverse mode: the branch that is taken, run again and swept backward."""
    arrives = [
        c is not None and is_real(value_of(v)) for c, v in zip(g, choice.true.outputs, strict=True)
    ]
    pair = [adjoint_graph(graph, arrives) for graph in choice.graphs]
    asked = wanted(args)
    kept = [k for k in range(len(args)) if asked[k] and any(found[k] for _, found in pair)]
    if not kept:
        return (None,) * (1 + len(args))
    given = range(len(pair[0][0].inputs))
    graphs = [chosen(graph, given, kept) for graph, _ in pair]
    seeds = [fitted(c, v) for c, v, a in zip(g, y, arrives, strict=True) if a]
    made = branch(pred, [*args, *seeds], *graphs)
    return (None, *(made[kept.index(k)] if k in kept else None for k in range(len(args))))


COND = Control(
    "cond",
    _value,
    example=_example,
    jvp=_jvp,
    vjp=_vjp,
    formula="cond(a, …)",
)

__all__ = ["COND", "branch", "run_branch"]
