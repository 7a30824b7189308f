"""Whether native code is possible and pays, which it does where NumPy would take long."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.records import dataclass
from chainrule.tracing import flatten
from chainrule.train.compiled import Compiled
from chainrule.train.feed import Rows, Stream
from chainrule.train.inputs import take
from chainrule.train.step import TrainState

MEMORY = 2**31  # bytes of data above which batches are read as they are needed
SPEED = 1e10  # multiplications a second
MANY = 100  # batches in an epoch where nobody knows


def without_engine() -> str | None:
    """Why there is no native engine, if there is none."""
    if importlib.util.find_spec("llvmlite") is None:
        return "llvmlite is not installed"
    return None


def against(feed: Any) -> str | None:
    """Why work on these batches cannot be done many batches at a time, as far as the data say."""
    if not isinstance(feed, Rows):
        return "the batches come from an iterable"
    arrays = [a for a in (*flatten(feed.x)[0], feed.y, feed.weight) if a is not None]
    if any(isinstance(a, np.memmap) or not isinstance(a, np.ndarray) for a in arrays):
        return "the data are not arrays in memory"
    if sum(a.size * 8 if a.dtype.kind in "iu" else a.nbytes for a in arrays) > MEMORY:
        return "the data are larger than 2 GiB"
    return None


@dataclass(frozen=True)
class Work:
    """What NumPy takes for the batches of some data.

    Attributes:
        call: seconds for a batch, besides what follows.
        step: seconds for each step of the network's graph, in a batch.
        passes: through the network, each with so many multiplications a row.
        number: seconds for each number that a step makes of a row.
        parameter: seconds for each parameter, in a batch.
        least: so many seconds are worth compiling; and ``node`` more for each node of the graph.
    """

    call: float
    step: float
    passes: float
    number: float
    parameter: float
    least: float
    node: float


@dataclass
class Size:
    """What one row takes on its way through a network.

    Attributes:
        products: multiplications in products and convolutions.
        numbers: that the steps make.
        steps: of the graph, those of a loop as often as it runs.
        nodes: of the graph, those of a loop once.
    """

    products: float = 0.0
    numbers: float = 0.0
    steps: float = 0.0
    nodes: int = 0

    def add(self, nodes: Iterable[Any], times: int = 1) -> None:
        """Count the nodes of a graph that runs so often."""
        for node in nodes:
            loop = node.params.get("loop")
            if loop is not None:
                self.add(loop.body.nodes, times * (loop.length or 1))
            elif node.fn is not None:
                made = times * float(np.size(node.value)) if node.fn.name != "pick" else 0.0
                self.numbers, self.steps, self.nodes = (
                    self.numbers + made, self.steps + times, self.nodes + 1,
                )  # fmt: skip
                if node.name in ("matmul", "conv"):
                    shape = np.shape(getattr(node.args[1], "value", node.args[1]))
                    self.products += made * math.prod(shape[:-1])


def pays(
    work: Work,
    compiled: Compiled,
    state: TrainState,
    feed: Rows | Stream,
    times: int,
    known: dict[Any, Size] | None = None,
) -> bool:
    """Does it pay to compile what is to be done with all batches so many times?

    Args:
        work: what NumPy takes.
        compiled, state: the network and its parameters.
        feed: the batches.
        times: how often they are gone through.
        known: keeps what a row takes in this network, which is traced, for the next question.
    """
    if isinstance(feed, Rows):
        batches, row = feed.steps or 1, take(feed.x, slice(0, 1), feed.dtype)
        rows = feed.rows
    else:
        batches, batch = feed.steps or feed.length or MANY, feed.example
        rows = batches * len(batch.y)
        row = take(batch.x, slice(0, 1))
    known = {} if known is None else known
    shapes = tuple(map(np.shape, flatten(row)[0]))
    if shapes not in known:
        known[shapes] = size(compiled, state, row)
    found = known[shapes]
    parameters = float(sum(np.size(p) for p in flatten(state.params)[0]))
    seconds = times * (
        batches * (work.call + work.step * found.steps + work.parameter * parameters)
        + rows * (work.passes * found.products / SPEED + work.number * found.numbers)
    )
    return seconds > work.least + work.node * found.nodes


def size(compiled: Compiled, state: TrainState, row: Any) -> Size:
    """What one row takes."""
    from chainrule.engine.capture import capture

    found = Size()
    try:
        with np.errstate(all="ignore"):
            leaves, spec = flatten(((state.params, row), {}))
            graph = capture(
                lambda params, x: compiled.network(params, state.layers, x, training=False)[0],
                leaves, spec,
            ).graph  # fmt: skip
    except Exception:  # it comes again in the step itself, or NumPy can do what a trace cannot
        found.products = float(sum(np.size(p) for p in flatten(state.params)[0]))
        return found
    found.add(graph.nodes)
    return found


__all__ = ["Size", "Work", "against", "pays", "size", "without_engine"]
