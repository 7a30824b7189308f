"""The reference engine: NumPy, node by node. It defines what every other engine computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.graph import Graph
from chainrule.running import Quiet


class Reference:
    """A graph as a callable: the outputs at the values of the inputs.

    >>> import numpy as np
    >>> from chainrule.engine.capture import capture
    >>> from chainrule.tracing import flatten
    >>> leaves, spec = flatten(((2.0,), {}))
    >>> Reference(capture(lambda x: x * x, leaves, spec).graph)([3.0])
    [np.float64(9.0)]
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        with Quiet():
            return self.graph.run(values)
