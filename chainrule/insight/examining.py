"""`examine`: what a derivative does not say by itself: kinks, dead ends, lost digits."""

from __future__ import annotations

import functools
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule import modes
from chainrule.elementary.base import is_traced, value_of
from chainrule.errors import CancellationWarning, KinkWarning, ZeroGradientWarning
from chainrule.graph import Node
from chainrule.insight.cancellation import Loss, Precision, precision_of
from chainrule.insight.dead_ends import DeadEnd, dead_ends_of
from chainrule.insight.kinks import Kink, kinks_of
from chainrule.insight.origins import range_of
from chainrule.insight.shown import Shown
from chainrule.insight.traced import TracedGraph
from chainrule.insight.tracing import trace_with_variables
from chainrule.records import dataclass
from chainrule.running import Quiet
from chainrule.tracing import flatten

_CATEGORIES = {
    "kink": KinkWarning,
    "dead end": ZeroGradientWarning,
    "cancellation": CancellationWarning,
}


@dataclass(frozen=True)
class Finding:
    """One thing to know about a derivative.

    Attributes:
        kind: "kink", "dead end" or "cancellation".
        step: the step or input that it is about, ``ξ₂ = relu(ξ₁)``.
        name: the name of its elementary function, or of the input.
        line: the user's file, line and source; "" for an input.
        words: what is the matter.
        remedy: what to write instead, where something helps.
    """

    kind: str
    step: str
    name: str
    line: str
    words: str
    remedy: str = ""

    def __str__(self) -> str:
        lines = [_folded(f"{self.kind}: {self.step}: {self.words}", 4)]
        lines += [f"    at:     {self.line}"] if self.line else []
        lines += [_folded(f"    remedy: {self.remedy}", 12)] if self.remedy else []
        return "\n".join(lines)


def _folded(line: str, indent: int) -> str:
    return textwrap.fill(line, 98, subsequent_indent=" " * indent, break_long_words=False)


@dataclass(frozen=True)
class Examination(Shown):
    """What was found at one point; false if nothing was. Print it.

    Attributes:
        function: the call.
        findings: all of them, kinks first.
        digits: for each output the digits to which it is right; empty where that was not asked or
            could not be told.
        limits: what could not be seen.
    """

    function: str
    findings: tuple[Finding, ...]
    digits: tuple[float, ...] = ()
    limits: str = ""

    def of(self, kind: str) -> list[Finding]:
        """The findings of one kind."""
        return [found for found in self.findings if found.kind == kind]

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __str__(self) -> str:
        count = len(self.findings)
        if not count:
            lines = [f"{self.function}: no kink, no dead end, no lost digits at this point"]
        else:
            lines = [f"{self.function}: {count} finding{'s' * (count != 1)}"]
            lines += [textwrap.indent(str(found), "  ") for found in self.findings]
        if self.digits:
            lines.append(f"  the result is right to about {min(self.digits):.1f} digits")
        if self.limits:
            lines.append(f"  {self.limits}")
        return "\n".join(lines)


def examine(
    f: Callable[..., Any],
    *,
    kinks: bool = True,
    dead_ends: bool = True,
    cancellation: bool = True,
    warn: bool = False,
) -> Callable[..., Examination]:
    """The function that runs f and says where its derivative is to be taken with care.

    A *kink* is a point with several slopes, one of which is taken: relu at 0, equal maxima, a
    branch decided by two equal numbers. A *dead end* is an input whose derivative is 0 throughout,
    because it is not used, is used through steps alone, or because it became 0 on the way. A
    *cancellation* is a step that loses more than half of its digits; it is found by a second
    evaluation in wider numbers (float64 for float32, longdouble for float64).

    Limits: it looks at one point, not at a neighbourhood. Where longdouble is no wider than
    float64 (Windows, macOS on ARM) float64 cannot be checked. Linear algebra has no longdouble in
    NumPy and is checked through its arguments alone.

    Args:
        f: a function of NumPy code; with several outputs derivatives are those of their sum.
        kinks, dead_ends, cancellation: what to look for.
        warn: also issue a `KinkWarning`, `ZeroGradientWarning` or `CancellationWarning` for each.

    Returns:
        A function of the same arguments that returns an :class:`Examination`. For derivatives of
        second order, or the digits of a gradient, look at ``examine(cr.grad(f))``.

    >>> print(examine(lambda x: np.abs(x) + 1.0)(0.0).findings[0].words)
    at 0: its slopes on the two sides differ; the one of least norm is taken
    >>> [found] = examine(lambda x: (1 - np.cos(x)) / x**2)(1e-6).of("cancellation")
    >>> found.step, found.remedy
    ('ξ₂ = 1 − ξ₁', '2*np.sin(x/2)**2 instead of 1 - np.cos(x)')

    Source: Goldberg, "What every computer scientist should know about floating-point arithmetic",
    ACM Computing Surveys 23 (1991), section 1.4, for cancellation.
    """

    @functools.wraps(f)
    def examined(*args: Any, **kwargs: Any) -> Examination:
        decisions: list[Node] = []

        @functools.wraps(f)
        def watched(*traced: Any, **named: Any) -> Any:
            result = f(*traced, **named)
            leaves = flatten((traced, named))[0]
            tape = next((x.tape for x in leaves if is_traced(x)), None)
            decisions.extend(tape.nodes if tape is not None else [])
            return result

        with Quiet():
            graph = trace_with_variables(watched)(*args, **kwargs)
            cotangents = _cotangents(graph)
            findings: list[Finding] = []
            if kinks:
                findings += [_kink(graph, k) for k in kinks_of(graph.nodes, cotangents)]
                findings += _branches(graph, decisions)
            if dead_ends:
                findings += [_dead_end(graph, d) for d in dead_ends_of(graph, cotangents)]
            precision = Precision([], [], 0.0, "")
            if cancellation:
                precision = precision_of(graph, cotangents)
                findings += [_lost(graph, x, precision.full) for x in precision.losses]
        if warn:
            for found in findings:
                warnings.warn(str(found), _CATEGORIES[found.kind], stacklevel=2)
        return Examination(graph.title, tuple(findings), tuple(precision.digits), precision.limits)

    return examined


def _cotangents(graph: TracedGraph) -> list[Any]:
    """The cotangent of every node, from the sum of all outputs; None where none arrives."""
    seeds = [
        (y.index, np.ones(np.shape(y.value), y.value.dtype)[()])
        for y in graph.outputs
        if isinstance(y, Node) and np.asarray(y.value).dtype.kind == "f"
    ]
    kept: list[Any] = []
    modes.reverse(graph.nodes, 0, len(graph.inputs), seeds, keep=kept)
    return kept + [None] * (len(graph) - len(kept))


def _step(graph: TracedGraph, node: Node) -> str:
    word = graph.words[node.index].text
    return word if node.fn is None else f"{word} = {graph.formula(node).text}"


def _kink(graph: TracedGraph, kink: Kink) -> Finding:
    node = kink.node
    if kink.size > 1:
        at = f"{kink.elements} of {kink.size} elements are at a kink: "
    else:
        at = f"at {range_of(node.args[0])}: " if np.size(value_of(node.args[0])) == 1 else ""
    return Finding("kink", _step(graph, node), node.name, node.line, f"{at}{kink.words}")


def _branches(graph: TracedGraph, decisions: Sequence[Node]) -> list[Finding]:
    """Python's own branches that were decided by two equal numbers."""
    known = {(n.code, n.lasti) for n in graph.nodes}
    names = {"greater", "greater_equal", "less", "less_equal"}
    tied = kinks_of(decisions, [None] * len(decisions))
    return [
        Finding("kink", f"the comparison {k.node.fn.formula}", k.node.name, k.node.line, k.words)
        for k in tied
        if k.node.name in names and (k.node.code, k.node.lasti) not in known
    ]


def _dead_end(graph: TracedGraph, end: DeadEnd) -> Finding:
    name = graph.words[end.input.index].text
    which = "the result" if len(graph.outputs) == 1 else "no result"
    verb = "does not depend" if len(graph.outputs) == 1 else "depends"
    if end.output is not None:
        which, verb = f"result {end.output}", "does not depend"
    words = f"{which} {verb} on '{name}': {end.words}"
    if end.node is not None and "at this point" in end.words:
        given = ", ".join(range_of(a) for a in end.node.args if isinstance(a, Node))
        words = (
            f"the derivative with respect to '{name}' is exactly 0: {_step(graph, end.node)} "
            f"hands none back (it was given {given})"
        )
    line = end.node.line if end.node is not None else ""
    return Finding("dead end", name, end.input.name, line, words)


def _lost(graph: TracedGraph, loss: Loss, full: float) -> Finding:
    node = loss.node
    words = f"loses {loss.before - loss.after:.1f} of {full:.1f} digits ({loss.after:.1f} are left)"
    return Finding("cancellation", _step(graph, node), node.name, node.line, words, loss.remedy)
