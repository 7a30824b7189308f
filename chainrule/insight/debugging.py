"""`debug`: where the first number that is not finite began, in the value or in the gradient."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.graph import Node
from chainrule.insight.cures import cure_of
from chainrule.insight.origins import (
    Origin,
    backward_origin,
    extent,
    forward_origin,
    kind_of,
    range_of,
)
from chainrule.insight.shown import Shown
from chainrule.insight.traced import TracedGraph
from chainrule.insight.tracing import trace_with_variables
from chainrule.records import dataclass
from chainrule.running import Quiet

SHOWN = 4  # of the steps that carried it on


@dataclass(frozen=True)
class Diagnosis(Shown):
    """Where it began, what it was made from, why, and the cure; false if all is well.

    Attributes:
        function: the call that was looked at.
        direction: "forward" (a value), "backward" (a derivative), or "" if all numbers are finite.
        step: the step that produced the first bad number, ``ξ₂ = log(ξ₁)``, or the input.
        name: the name of its elementary function, or of the input.
        kind: "nan", "inf", "-inf" or "inf and -inf".
        inputs: what the step read: (name, values in words).
        line: the user's file, line and source.
        cause, remedy: why, and what to write instead.
        carried: the steps that carried it on to the result, or to the gradient; they are not to
            blame.
        shape: of what is bad, in words: how many elements.
    """

    function: str
    direction: str = ""
    step: str = ""
    name: str = ""
    kind: str = ""
    inputs: tuple[tuple[str, str], ...] = ()
    line: str = ""
    cause: str = ""
    remedy: str = ""
    carried: tuple[str, ...] = ()
    shape: str = ""

    def __bool__(self) -> bool:
        return bool(self.direction)

    def __str__(self) -> str:
        if not self:
            return f"{self.function}: every value and every derivative is finite"
        began = "value" if self.direction == "forward" else "derivative"
        what = "gave" if self.direction == "forward" else "handed back"
        size = f" {self.shape}" if self.shape else ""
        lines = [f"{self.function}: the first {began} that is not finite"]
        lines.append(f"  producer: {self.step} {what} {self.kind}{size}")
        lines += [f"  from:     {name} = {values}" for name, values in self.inputs]
        rows = (("at", self.line), ("cause", self.cause), ("remedy", self.remedy))
        lines += [f"  {title + ':':9} {text}" for title, text in rows if text]
        if self.carried:
            more = len(self.carried) - SHOWN
            tail = f" and {more} more" if more > 0 else ""
            lines.append(f"  carried:  {', '.join(self.carried[:SHOWN])}{tail} (not to blame)")
        return "\n".join(line if line.startswith("  at:") else _folded(line) for line in lines)


def _folded(line: str) -> str:
    return textwrap.fill(line, 100, subsequent_indent=" " * 12, break_long_words=False)


def debug(f: Callable[..., Any]) -> Callable[..., Diagnosis]:
    """The function that runs f, forward and backward, and says where a NaN or infinity was born.

    The first step that is not finite and reaches the result is the *producer*; steps that read it
    only *carry* it. If the result is finite, the reverse sweep is looked at in the same way: the
    producer is the step whose own derivative made a bad cotangent out of a finite one. Infinite
    numbers that nothing depends on (a masked logit of −∞) are no finding.

    Args:
        f: a function of NumPy code. With an array or a tree as its result, the derivative is that
            of the sum of all numbers in it.

    Returns:
        A function of the same arguments that returns a :class:`Diagnosis`. For the derivatives of
        second order look at ``debug(cr.grad(f))``.

    >>> import chainrule as cr
    >>> def loss(z):
    ...     return -np.log(cr.sigmoid(z))
    >>> found = debug(loss)(-800.0)
    >>> print(found.step, found.kind)
    ξ₂ = log(ξ₁) -inf
    >>> found.remedy
    'cr.log_sigmoid(z) instead of log(sigmoid(z)); for the whole cross-entropy ...'
    >>> print(debug(lambda x: np.where(x > 0, np.sqrt(x), 0.0))(0.0).cause)
    0·∞: the derivative that arrives is 0, and sqrt has an infinite slope at 0
    """

    @functools.wraps(f)
    def examine(*args: Any, **kwargs: Any) -> Diagnosis:
        with Quiet():
            return diagnosis_of(trace_with_variables(f)(*args, **kwargs))

    return examine


def diagnosis_of(graph: TracedGraph) -> Diagnosis:
    """The diagnosis of a traced function; see :func:`debug`."""
    with Quiet():
        origin = forward_origin(graph.nodes, graph.outputs)
        if origin is None:
            seeds = [
                (y.index, np.ones(np.shape(y.value), y.value.dtype)[()])
                for y in graph.outputs
                if isinstance(y, Node) and np.asarray(y.value).dtype.kind == "f"
            ]
            origin = backward_origin(graph.nodes, 0, len(graph.inputs), seeds) if seeds else None
        return Diagnosis(graph.title) if origin is None else _described(graph, origin)


def _described(graph: TracedGraph, origin: Origin) -> Diagnosis:
    node = origin.node
    cure = cure_of(origin, graph.nodes)
    inputs = [(_name(graph, a), range_of(a)) for a in node.args if _is_shown(a)]
    step = _step(graph, node)
    if origin.direction == "backward":
        step = f"the derivative of {step}"
        if origin.cotangent is not None and not isinstance(origin.cotangent, (tuple, list)):
            inputs.append((f"derivative that arrives at {graph.words[node.index].text}",
                           range_of(origin.cotangent)))  # fmt: skip
    return Diagnosis(
        graph.title,
        origin.direction,
        step,
        node.name,
        kind_of(origin.bad),
        tuple(inputs),
        node.line,
        cure.cause,
        cure.remedy,
        tuple(_step(graph, n) for n in origin.carried),
        extent(origin.bad),
    )


def _step(graph: TracedGraph, node: Node) -> str:
    word = graph.words[node.index].text
    return f"the input {word}" if node.fn is None else f"{word} = {graph.formula(node).text}"


def _name(graph: TracedGraph, x: Any) -> str:
    word = graph.word(x)
    return getattr(word, "text", None) or "constant"


def _is_shown(x: Any) -> bool:
    """Is an argument a node or an array? Plain numbers stand in the formula."""
    return isinstance(x, Node) or (isinstance(x, np.ndarray) and x.dtype.kind in "fiub")
