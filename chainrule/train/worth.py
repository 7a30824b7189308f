"""Whether native code is possible and pays, which it does where NumPy would take long."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.tracing import flatten
from chainrule.train.compiled import Compiled
from chainrule.train.feed import Rows
from chainrule.train.inputs import take
from chainrule.train.loop import Run

MEMORY = 2**31  # bytes of data above which batches are read as they are needed
# What work must cost by NumPy for compiling it to pay: seconds. A training step is taken for 0.3 ms
# and three passes, each of so many multiplications a row, at 10 · 10⁹ a second.
PAYS, CALL, PASSES, SPEED = 0.3, 3e-4, 3.0, 1e10


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


def pays(
    compiled: Compiled, run: Run, feed: Rows, times: int, call: float = CALL, passes: float = PASSES
) -> bool:
    """Does it pay to compile what is to be done with all batches so many times?

    Args:
        compiled: how to train.
        run: has the parameters.
        feed: the batches.
        times: how often, such as epochs.
        call: seconds for a batch by NumPy, besides the multiplications.
        passes: through the network.
    """
    seconds, rows = times * (feed.steps or 1) * call, feed.rows * times
    if seconds > PAYS:
        return True
    return seconds + rows * _multiplications(compiled, run, feed) * passes / SPEED > PAYS


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


__all__ = ["against", "pays"]
