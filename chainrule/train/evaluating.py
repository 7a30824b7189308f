"""Evaluation by the native engine in the course of a native training, in the training's memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.train.blocks import Done
from chainrule.train.compiled import Compiled
from chainrule.train.extremes import check_values
from chainrule.train.feed import Rows
from chainrule.train.loop import Report, Run
from chainrule.train.native import STRETCH, NativeSteps, arrays_of, batch_of, report_of, split
from chainrule.train.plans import plan_for
from chainrule.train.worth import Work, against, pays

EVALUATION = Work(
    call=1e-4, step=1e-5, passes=1.0, number=5e-9, parameter=0.0, least=0.1, node=0.01
)


class Evaluation:
    """What a network says about the batches of some rows, at the state in a memory.

    Args:
        compiled: the network, the loss and the metrics.
        feed: the batches, from arrays.
        steps: the training.
        run: has a state like those to come.
    """

    def __init__(self, compiled: Compiled, feed: Rows, steps: NativeSteps, run: Run) -> None:
        from chainrule.engine.native.stepping import Plan, Stepper

        self.compiled, self.data, self._stand = compiled, arrays_of(feed), steps.stand
        self.parts: list[tuple[Any, Any]] = []
        self.pace = 0.0  # seconds for a batch
        size = feed.size(0)
        parts = "evaluation", compiled.network, compiled.objective, bool(compiled.metrics)
        for orders in split(feed.permutation(0)[None, : size * feed.count(0)], size):
            first = orders[0]

            def made(known: bool, first: Any = first) -> Plan:
                with np.errstate(all="ignore"):
                    return Plan.of(self._step, run.state, self.data, first, known=known)

            plan = plan_for(parts, (run.state, self.data, first), made)
            self.parts.append((Stepper(plan, steps.memory, self.data), orders))

    def _step(self, state: Any, data: Any, rows: Any) -> tuple[Any, Any]:
        batch = batch_of(data, rows)
        outputs, _ = self.compiled.network(state.params, state.layers, batch.x, training=False)
        said = {"loss": self.compiled.objective(batch.y, outputs, batch.weight)}
        if self.compiled.metrics:
            said["outputs"] = outputs
        return state, said

    def __call__(self, run: Run, single: bool) -> Iterator[Report]:
        """What the batches say at the state of a training, each by itself or some together."""
        self._stand(run)
        for k, (stepper, orders) in enumerate(self.parts):
            first = 0
            while first < len(orders):
                began = time.perf_counter()
                most = max(int(STRETCH / self.pace), 1) if self.pace else 1
                rows = orders[first : first + most]
                said = stepper.begin(rows, len(rows))
                stepper.go(len(rows))
                said["norm"] = np.zeros(len(rows))
                report = report_of(self.compiled, self.data, Done(k, rows, said))
                self.pace = (time.perf_counter() - began) / len(rows)
                told = 1 if single else len(rows)
                yield from (report.part(i, i + told) for i in range(0, len(rows), told))
                first += len(rows)


def native_evaluation(
    compiled: Compiled, feed: Any, steps: NativeSteps, run: Run, times: int
) -> Evaluation | None:
    """The native engine for evaluations in a training, or None where NumPy is to do them.

    Args:
        compiled: how to train.
        feed: the batches to evaluate on.
        steps: the training.
        run: where the training stands.
        times: how many evaluations there are to be.

    Raises:
        ArgumentError: a layer refuses the inputs.
    """
    if against(feed) is not None:
        return None
    if not pays(EVALUATION, compiled, run.state, feed, times):
        return None
    check_values(compiled.network, run.state, arrays_of(feed)[0])
    try:
        return Evaluation(compiled, feed, steps, run)
    except (ChainruleError, TypeError, ValueError, AttributeError):
        return None  # what the network does out of training has no native code


__all__ = ["Evaluation", "native_evaluation"]
