"""One step of training on a batch of the user's own choice, for loops of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.train.divergence import explainer
from chainrule.train.feed import STEP
from chainrule.train.fitting import learn, ready
from chainrule.train.inputs import as_inputs, rows_of
from chainrule.train.loop import Record, Run
from chainrule.train.plans import signature
from chainrule.train.predictor import AFTER
from chainrule.train.using import given_batch

if TYPE_CHECKING:
    from chainrule.train.model import Model


def train_on_batch(model: Model, x: Any, y: Any, weight: Any, seed: int) -> Record:
    """See `Model.train_on_batch`. Returns the loss and the metrics of the batch by their names."""
    compiled = model.compiled("train_on_batch")
    x, columns = as_inputs(x, columns=model.columns)
    rows_of(x)
    learn(model, x, y, columns, seed)
    ready(model)
    state, batch = model.run.state, given_batch(model, (x, y, weight))
    number = int(state.optimizer.step)
    take = compiled.step
    if model.jit_compile is not False and _due(model, batch):
        take = model.single  # type: ignore[assignment]
    with np.errstate(all="ignore"):
        new, result = take(state, batch, (seed, STEP, 0, number), model.override)
        report = compiled.report(batch, result)
    if not report.is_finite:
        at = Run(state, step=number)
        error = explainer(compiled, seed, (), None, model.columns)(at, batch, report)
        assert error is not None
        raise error
    model.run.state = new
    found = Run(None)
    found.add(report)
    scores = {**found.means(), **compiled.finish(found.kept)}
    return {name: scores[name] for name in ("loss", *compiled.metrics)}


def _due(model: Model, batch: Any) -> bool:
    """Is this kind of batch to be compiled? With "auto" from the 21st on."""
    kind = signature(batch)
    counts = model.single.counts
    counts[kind] = counts.get(kind, 0) + 1
    return counts[kind] > (0 if model.jit_compile is True else AFTER)


__all__ = ["train_on_batch"]
