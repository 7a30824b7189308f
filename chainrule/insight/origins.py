"""Where a number that is not finite began: the first step that made one of finite numbers.

Forward, a step *produces* one if all that it reads is finite, and *carries* one otherwise.
Backward, the step produces one whose own derivative, with a finite cotangent, hands one back. Only
what reaches the result (or a gradient) counts: −∞ in a masked place, or 1/∞, does no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import modes
from chainrule.elementary.base import is_step, value_of
from chainrule.graph import Node, predecessors
from chainrule.insight.edges import handed_back
from chainrule.insight.words import number
from chainrule.records import dataclass


@dataclass(frozen=True)
class Origin:
    """The step with which it began.

    Attributes:
        node: forward the step (or the input) with the first value that is not finite; backward the
            step whose derivative made the first cotangent that is not finite.
        bad: that value, or that cotangent.
        direction: "forward" or "backward".
        given: it was not computed but put in: an input, or a constant of the step.
        cotangent: backward, what arrived at the step.
        argument: backward, the node whose cotangent became bad.
        carried: the steps that carried it on, in the order in which they ran.
    """

    node: Node
    bad: Any
    direction: str
    given: bool = False
    cotangent: Any = None
    argument: Node | None = None
    carried: tuple[Node, ...] = ()


def forward_origin(nodes: Sequence[Node], outputs: Sequence[Any]) -> Origin | None:
    """The first step whose value is not finite and reaches one of the outputs.

    Args:
        nodes: in the order in which they ran, those before the outputs at least.
        outputs: the results; what is no node among them is skipped.
    """
    results = {y for y in outputs if isinstance(y, Node)}
    reaching: set[Node] = set()
    for node in reversed(nodes):
        if (node in results or node in reaching) and not is_finite(node.value):
            reaching.add(node)
            reaching.update(a for _, a in predecessors(node) if not is_finite(a.value))
    bad = sorted(reaching, key=lambda node: node.index)
    if not bad:
        return None
    first, *rest = bad
    given = first.fn is None or not all(is_finite(a) for a in first.args if not _is_node(a))
    behind: set[Node] = {first}
    carried = []
    for node in rest:
        if any(a in behind for _, a in predecessors(node)):
            behind.add(node)
            carried.append(node)
    return Origin(first, first.value, "forward", given, carried=tuple(carried))


def backward_origin(
    nodes: Sequence[Node], start: int, inputs: int, seeds: Sequence[tuple[int, Any]]
) -> Origin | None:
    """The step whose derivative made the first cotangent that reaches a gradient and is bad.

    Args:
        nodes, start, inputs, seeds: as for `modes.reverse`.
    """
    kept: list[Any] = []
    modes.reverse(nodes, start, inputs, seeds, keep=kept)
    reaching: list[Node] = []
    reached: set[Node] = set()
    for node, c in zip(nodes[start : start + len(kept)], kept, strict=True):
        if c is None or is_finite(c) or is_step(node.fn):
            continue
        if node.index < start + inputs or any(a in reached for _, a in predecessors(node)):
            reached.add(node)
            reaching.append(node)
    if not reaching:
        return None
    worst = reaching[-1]  # the sweep runs from the last node to the first
    readers = [n for n in nodes[start:] if any(a is worst for _, a in predecessors(n))]
    carried = tuple(reversed(reaching[:-1]))
    for reader in reversed(readers):
        g = kept[reader.index - start] if reader.index - start < len(kept) else None
        if g is None or is_step(reader.fn):
            continue
        parts = [c for k, c in handed_back(reader, g).items() if reader.args[k] is worst]
        if not all(is_finite(c) for c in parts):
            bad = next(c for c in parts if not is_finite(c))
            return Origin(reader, bad, "backward", False, g, worst, carried)
    return Origin(worst, kept[worst.index - start], "backward", False, None, worst, carried)


def is_finite(x: Any) -> bool:
    """Are all numbers in x finite? True of what is made of no floating-point numbers.

    >>> is_finite(np.array([1.0, np.inf])), is_finite((1.0, None)), is_finite("text")
    (False, True, True)
    """
    if isinstance(x, (tuple, list)):
        return all(map(is_finite, x))
    x = value_of(x)
    if type(x) is float or isinstance(x, np.floating):
        return bool(np.isfinite(x))
    return not (isinstance(x, np.ndarray) and x.dtype.kind == "f") or bool(np.isfinite(x).all())


def kind_of(x: Any) -> str:
    """What the bad numbers are: "nan", "inf", "-inf", or "inf and -inf".

    >>> kind_of(np.array([1.0, -np.inf]))
    '-inf'
    """
    if isinstance(x, (tuple, list)):
        x = next(part for part in x if not is_finite(part))
    x = np.asarray(x)
    if np.isnan(x).any():
        return "nan"
    signs = {float(v) for v in np.unique(x[np.isinf(x)])}
    return "inf and -inf" if len(signs) > 1 else "inf" if max(signs) > 0 else "-inf"


def extent(x: Any) -> str:
    """How many elements are bad, and the first of them; "" for a single number.

    >>> extent(np.array([[0.0, np.nan], [np.nan, 0.0]]))
    'in 2 of 4 elements, first at [0, 1]'
    """
    if isinstance(x, (tuple, list)):
        x = next(part for part in x if not is_finite(part))
    x = np.asarray(x)
    if x.size <= 1:
        return ""
    places = np.argwhere(~np.isfinite(x))
    first = ", ".join(map(str, places[0].tolist()))
    return f"in {len(places)} of {x.size} elements, first at [{first}]"


def range_of(x: Any) -> str:
    """The values of an array in words: one number, or the least and the largest.

    >>> range_of(2.5), range_of(np.array([0.0, 1.0, 3.0])), range_of(np.zeros(4))
    ('2.5', '0 to 3', '0')
    """
    x = np.asarray(value_of(x))
    if not x.size:
        return "no values"
    if x.dtype.kind == "b":
        return f"{int(x.sum())} of {x.size} true" if x.size > 1 else str(bool(x))
    known = x[~np.isnan(x)] if x.dtype.kind == "f" else x
    if not known.size:
        return "nan"
    least, most = known.min(), known.max()
    return number(least, 4) if least == most else f"{number(least, 4)} to {number(most, 4)}"


def _is_node(x: Any) -> bool:
    return isinstance(x, Node)
