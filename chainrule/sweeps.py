"""The reverse sweeps of a function that is traced twice, to see that both traces are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from chainrule.graph import NO_PARAMS, Node, Tape
from chainrule.modes import reverse


class Sweep(NamedTuple):
    """What a reverse sweep has found, without its nodes.

    Attributes:
        start, inputs, seed: from where on the tape it went: to so many inputs, from that node.
        begin, end: the stretch of the tape that it has recorded.
        found: the cotangent of each input: the position of a node in a tuple, or a constant.
        values: the values of these nodes.
    """

    start: int
    inputs: int
    seed: int
    begin: int
    end: int
    found: list[Any]
    values: dict[int, Any]


class Sweeps:
    """The reverse sweeps of a function that is traced twice, that nothing differentiates again.

    What a sweep records follows from the nodes that it goes through. So the second trace, which
    is to show whether these are the same at other values, takes what the first one has found.

    Attributes:
        made: the sweeps of this trace.
        known: those of the first one, at other values.
    """

    def __init__(self, known: Sequence[Sweep] = ()) -> None:
        self.made: list[Sweep] = []
        self.known = known

    def reverse(self, tape: Tape, start: int, inputs: int, seed: int, g: Any) -> list[Any]:
        """As :func:`chainrule.modes.reverse`, on nodes, from the node ``seed`` with cotangent g."""
        begin, k = len(tape.nodes), len(self.made)
        known = self.known[k] if k < len(self.known) else None
        if known is not None and known.values:
            given = {
                index: tape.append(None, (), NO_PARAMS, value, None, 0)
                for index, value in known.values.items()
            }
            found = [given[c[0]] if type(c) is tuple else c for c in known.found]
        else:
            found = reverse(tape.nodes, start, inputs, [(seed, g)], lift=True)
        nodes = {c.index: c.value for c in found if isinstance(c, Node)}
        if min(nodes, default=begin) < begin:  # it has found what was there before
            nodes = {}
        end = len(tape.nodes) if nodes else begin
        kept = [(c.index,) if isinstance(c, Node) else c for c in found]
        values = {index: nodes[index] for index in sorted(nodes)}
        self.made.append(Sweep(start, inputs, seed, begin, end, kept, values))
        return found


__all__ = ["Sweep", "Sweeps"]
