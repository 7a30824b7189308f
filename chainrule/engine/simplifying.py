"""A graph made simpler before an engine runs it: fewer steps, the same numbers.

Equal operations are one, each leads to an output, and all are written in the few functions that
engines have to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.engine import padding
from chainrule.engine.building import Builder
from chainrule.engine.expanding import EXPANDED
from chainrule.engine.matrices import several
from chainrule.engine.program import Op, Program
from chainrule.graph import Graph, Node


def simplified(graph: Graph) -> Program:
    """The program of a graph: equal steps once, dead ones dropped, the rest in simpler terms.

    Nothing that changes a NaN, an infinity or the sign of a zero is done.
    """
    build = Builder()
    values: list[Any] = []
    for node in graph.nodes:
        shape, dtype = getattr(node.value, "shape", ()), getattr(node.value, "dtype", None)
        if node.fn is None:
            assert dtype is not None
            values.append(Op("input", (), {"name": node.name}, shape, dtype, node))
            continue
        args = [values[a.index] if isinstance(a, Node) else build.constant(a) for a in node.args]
        values.append(operation(build, node, args, shape, dtype))
    outputs = [values[y.index] if isinstance(y, Node) else y for y in graph.outputs]
    return padding.sunk(Program(values[: len(graph.inputs)], outputs), build)


def operation(
    build: Builder, node: Node, args: Sequence[Any], shape: tuple[int, ...], dtype: Any
) -> Any:
    """What a node does to its arguments, in simpler terms; a list where there are several."""
    build.node = node
    name = node.fn.name
    if name == "pick" and isinstance(args[0], list):
        return args[0][node.params["k"]]
    if dtype is None and (found := several(build, name, args)) is not None:
        return found
    if dtype is None or dtype.kind == "c":  # several results
        if name == "pick":  # a history of a loop
            return build.op(name, args, (), object, **node.params)
        return Op(name, tuple(args), node.params, (), np.dtype(object), node)
    expand = EXPANDED.get(name)
    found = expand(build, args, node.params, shape, dtype) if expand is not None else None
    if found is None:
        found = build.op(name, args, shape, dtype, **node.params)
    return found


__all__ = ["operation", "simplified"]
