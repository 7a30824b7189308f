"""The learning-rate range test of a model: which rates its data and its optimizer bear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.optim.finder import RangeTest, sweep
from chainrule.train.feed import STEP, Rows, Stream
from chainrule.train.fitting import Options, feed_of

if TYPE_CHECKING:
    from chainrule.train.model import Model


def range_test(model: Model, x: Any, y: Any, options: Options, **limits: Any) -> RangeTest:
    """See `Model.range_test`."""
    options.check()
    compiled = model.compiled("range_test")
    feed, _ = feed_of(model, x, y, options)
    state = model.training_state("range_test")
    state = state._replace(optimizer=compiled.optimizer.init(state.params))
    batches = _again_and_again(feed)
    number = 0

    def step(rate: float) -> float:
        nonlocal state, number
        key = (options.seed, STEP, 0, number)
        state, result = compiled.step(state, next(batches), key, rate)
        number += 1
        return float(result.loss)

    with np.errstate(all="ignore"):  # too large a rate is what is looked for
        return sweep(step, **limits)


def _again_and_again(feed: Rows | Stream) -> Any:
    epoch = 0
    while True:
        yield from feed(epoch, 0)
        epoch += 1


__all__ = ["range_test"]
