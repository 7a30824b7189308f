"""Evaluation by the native engine: in the course of a native training in its memory, or alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.train.blocks import Done
from chainrule.train.compiled import Compiled
from chainrule.train.extremes import check_values
from chainrule.train.feed import Rows
from chainrule.train.loop import Report, Run
from chainrule.train.native import STRETCH, NativeSteps, arrays_of, batch_of, report_of, split
from chainrule.train.plans import is_known, plan_for
from chainrule.train.worth import Size, Work, against, pays, without_engine

EVALUATION = Work(
    call=1e-4, step=1e-5, passes=1.0, number=5e-9, parameter=0.0, least=0.1, node=0.01
)


class Standing(Protocol):
    """A memory that can hold the state of a training, such as that of its native steps."""

    memory: Any

    def stand(self, run: Run) -> None:
        """Let the memory hold it."""


class Alone:
    """A memory for one evaluation."""

    def __init__(self, run: Run) -> None:
        from chainrule.engine.native.stepping import Memory

        self.memory = Memory(run.state)

    def stand(self, run: Run) -> None:
        self.memory.load(run.state)


class Evaluation:
    """What a network says about the batches of some rows, at the state in a memory.

    Args:
        compiled: the network, the loss and the metrics.
        feed: the batches, from arrays.
        place: the memory.
        run: has a state like those to come.
    """

    def __init__(self, compiled: Compiled, feed: Rows, place: Standing, run: Run) -> None:
        from chainrule.engine.native.stepping import Plan, Stepper

        self.compiled, self.data, self._stand = compiled, arrays_of(feed), place.stand
        self.parts: list[tuple[Any, Any]] = []
        self.pace = 0.0  # seconds for a batch
        size = feed.size(0)
        for orders in split(feed.permutation(0)[None, : size * feed.count(0)], size):
            first = orders[0]

            def made(known: bool, first: Any = first) -> Plan:
                with np.errstate(all="ignore"):
                    return Plan.of(self._step, run.state, self.data, first, known=known)

            plan = plan_for(_parts(compiled), (run.state, self.data, first), made)
            self.parts.append((Stepper(plan, place.memory, self.data), orders))

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


def _parts(compiled: Compiled) -> Any:
    """What the code depends on."""
    return "evaluation", compiled.network, compiled.objective, bool(compiled.metrics)


def native_evaluation(
    compiled: Compiled,
    feed: Any,
    place: NativeSteps | None,
    run: Run,
    times: int,
    known: dict[Any, Size] | None = None,
) -> Evaluation | None:
    """The native engine for evaluations, or None where NumPy is to do them.

    Args:
        compiled: how to train.
        feed: the batches to evaluate on.
        place: the training in whose course they are; None for one by itself.
        run: where the training stands.
        times: how many evaluations there are to be; of one by itself, the how manieth it is.
        known: see `pays`.

    Raises:
        ArgumentError: a layer refuses the inputs.
    """
    if against(feed) is not None:
        return None
    if not pays(EVALUATION, compiled, run.state, feed, times, known):
        return None
    once = place is None and not is_known(_parts(compiled))  # the code is for this one alone
    if once and not pays(EVALUATION, compiled, run.state, feed, 1, known):
        return None
    if without_engine() is not None:
        return None
    check_values(compiled.network, run.state, arrays_of(feed)[0])
    try:
        return Evaluation(compiled, feed, Alone(run) if place is None else place, run)
    except (ChainruleError, TypeError, ValueError, AttributeError):
        return None  # what the network does out of training has no native code


__all__ = ["Evaluation", "native_evaluation"]
