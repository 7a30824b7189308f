"""Whether native code is possible and pays, which it does where NumPy would take long."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.records import dataclass
from chainrule.tracing import flatten
from chainrule.train.compiled import Compiled
from chainrule.train.feed import Rows
from chainrule.train.inputs import take
from chainrule.train.loop import Run

MEMORY = 2**31  # bytes of data above which batches are read as they are needed
SPEED = 1e10  # multiplications a second


def against(feed: Any) -> str | None:
    """Why work on these batches cannot be native, as far as the data say."""
    if importlib.util.find_spec("llvmlite") is None:
        return "llvmlite is not installed"
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
        call: seconds for a batch, besides the multiplications.
        passes: through the network, each of so many multiplications a row.
        least: so many seconds are worth compiling.
    """

    call: float
    passes: float
    least: float


def pays(work: Work, compiled: Compiled, run: Run, feed: Rows, times: int) -> bool:
    """Does it pay to compile what is to be done with all batches so many times?"""
    seconds, rows = times * (feed.steps or 1) * work.call, feed.rows * times
    if seconds > work.least:
        return True
    products = rows * _multiplications(compiled, run, feed) * work.passes
    return seconds + products / SPEED > work.least


def _multiplications(compiled: Compiled, run: Run, feed: Rows) -> float:
    """About how many one row takes on its way through the network, in products."""
    from chainrule.engine.capture import capture

    state, x = run.state, take(feed.x, slice(0, 1), feed.dtype)
    try:
        with np.errstate(all="ignore"):
            leaves, spec = flatten(((state.params, x), {}))
            graph = capture(
                lambda params, x: compiled.network(params, state.layers, x, training=False)[0],
                leaves, spec,
            ).graph  # fmt: skip
    except ChainruleError:  # it will be told when the step itself is traced
        return float(sum(np.size(p) for p in flatten(state.params)[0]))
    total = 0.0
    for node in graph.nodes:
        if node.name in ("matmul", "conv"):
            shape = np.shape(getattr(node.args[1], "value", node.args[1]))
            total += np.size(node.value) * math.prod(shape[:-1])
    return total


__all__ = ["Work", "against", "pays"]
