"""Training by the native engine: the step is compiled, and many steps are done in one call."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.errors import ArgumentError, ChainruleError, CompileError
from chainrule.nn.layers.draws import Key, key_of
from chainrule.tracing import flatten, unflatten
from chainrule.train.blocks import After, Block, Done, Part, first_not_finite
from chainrule.train.callbacks.base import Callback
from chainrule.train.callbacks.files import CSVLogger
from chainrule.train.callbacks.history import History
from chainrule.train.callbacks.progress import EpochLines, ProgressBar
from chainrule.train.callbacks.stopping import TerminateOnNaN
from chainrule.train.compiled import Compiled
from chainrule.train.extremes import check_values
from chainrule.train.feed import STEP, Rows, Stream
from chainrule.train.inputs import take
from chainrule.train.loop import Piece, Report, Run
from chainrule.train.plans import is_known, plan_for
from chainrule.train.single import SingleSteps
from chainrule.train.step import Batch, Result, TrainState
from chainrule.train.worth import Work, against, pays, without_engine

TRAINING = Work(
    call=3e-4, step=3e-5, passes=3.0, number=2e-8, parameter=4e-8, least=0.2, node=0.015
)
RUNS = 2  # of a training whose code is kept, that together are worth compiling
STRETCH = 0.05  # seconds of steps in one go, after which Ctrl-C and callbacks have their turn
# Callbacks that neither read nor change the model or its data between the first step and the last.
BLIND = (CSVLogger, EpochLines, History, ProgressBar, TerminateOnNaN)


def native_steps(
    compiled: Compiled,
    feed: Rows | Stream,
    run: Run,
    epochs: int,
    callbacks: Sequence[Callback],
    wanted: bool | str,
    override: Callable[[], Any],
    looks: int,
    single: SingleSteps,
) -> NativeSteps | SingleSteps | None:
    """The native engine for a training, or None where NumPy is to do it.

    Args:
        compiled: how to train.
        feed: the batches.
        run: where the training stands.
        epochs: the number of the last epoch.
        callbacks: those that want to hear of each step get it.
        wanted: True, False, or "auto": where it pays.
        override: gives the learning rate that takes the place of the optimizer's, or None.
        looks: the model is evaluated each so many epochs; 0 for never.
        single: does one step at a time, where that is all that is possible.

    Raises:
        ArgumentError: ``wanted`` is True, and it cannot be; a layer refuses the inputs.
    """
    if wanted is False:
        return None
    reason = without_engine()
    if reason is None:
        rows = feed if isinstance(feed, Rows) and against(feed) is None else None
        # What is on the disk does not decide: a training repeats itself to the last bit.
        runs = RUNS if rows is not None and is_known(_parts(compiled)) else 1
        times = (epochs - run.epoch) * runs
        if wanted == "auto" and not pays(TRAINING, compiled, run.state, feed, times):
            return None
        try:
            if rows is not None and not single.needed:
                check_values(compiled.network, run.state, arrays_of(rows)[0])
                with contextlib.suppress(CompileError):  # NumPy has to do a part of each step
                    steps = NativeSteps(
                        compiled, rows, run.state, epochs, callbacks, override, looks
                    )
                    steps.prepare(rows.size(run.epoch), run)
                    return steps
                single.needed = True
            single.prepare(run.state, feed.example)
            return single
        except ChainruleError as error:
            reason = str(error)
        except (TypeError, ValueError, AttributeError) as error:
            # A layer of the user's may be more than a graph can be; a mistake comes again.
            reason = f"{type(error).__name__}: {error}"
    if wanted is True:
        raise ArgumentError(
            "jit_compile=True, and this training has no native code",
            got=reason,
            remedy="jit_compile='auto' takes NumPy where it must",
        )
    return None


def _parts(compiled: Compiled) -> Any:
    """What the code depends on."""
    return compiled.network, compiled.objective, compiled.optimizer, bool(compiled.metrics)


class NativeSteps:
    """Does the steps of an epoch some at a time, and epochs ahead where nobody intervenes.

    Args:
        compiled: how to train.
        feed: the batches, from arrays.
        state: to begin with.
        epochs: the number of the last epoch.
        callbacks: if one of them wants to hear of each step, they are told of one by one. Nothing
            is done ahead of one that may read or change the model.
        override: gives the learning rate that takes the place of the optimizer's, or None.
        looks: the model is evaluated each so many epochs; 0 for never.
    """

    def __init__(
        self,
        compiled: Compiled,
        feed: Rows,
        state: TrainState,
        epochs: int,
        callbacks: Sequence[Callback],
        override: Callable[[], Any],
        looks: int,
    ) -> None:
        from chainrule.engine.native.stepping import Memory

        self.compiled, self.feed, self.epochs = compiled, feed, epochs
        self.override, self.looks = override, looks
        self.rate = compiled.learning_rate
        self.single = any(c.hears_steps for c in callbacks)
        self.watched = any(type(c) not in BLIND for c in callbacks)
        self.data = arrays_of(feed)
        self.seed = feed.seed
        self.memory = Memory(state)
        self.steppers: dict[int, Any] = {}
        self.draws = False  # does a step need random numbers?
        self.pace = 0.0  # seconds for a step
        self._epoch = (-1, 0, 0)  # an epoch, its rows in a batch, and its steps
        self._order: tuple[int, Any] = (-1, None)  # an epoch and its rows
        self._block: Block | None = None  # what is laid out
        self._reach = 1  # epochs to lay out together where somebody watches
        self._ahead: Iterator[Piece] = iter(())  # done and not yet told
        self._rate: Any = None  # the override at which that was done
        self._told: Any = None  # the state of the last piece

    def prepare(self, batch_size: int, run: Run) -> None:
        """Compile the step, and beside it the step for the short batch at the end of an epoch."""
        whole, rest = min(batch_size, self.feed.rows), self.feed.rows % batch_size
        beside = threading.Thread(target=self._try, args=(rest, run))
        self.stepper(whole, run, beside if whole == batch_size and rest else None)
        if beside.ident is not None:
            beside.join()

    def _try(self, rows: int, run: Run) -> None:
        with contextlib.suppress(Exception):  # it comes again when the step is needed
            self.stepper(rows, run)

    def stepper(self, rows: int, run: Run, beside: threading.Thread | None = None) -> Any:
        """The compiled step for batches of so many rows; a thread is started if it takes time."""
        if rows not in self.steppers:
            from chainrule.engine.native.stepping import Plan, Stepper

            first, state, data = np.arange(rows), run.state, self.data

            def made(known: bool) -> Plan:
                if beside is not None:
                    beside.start()
                example = first, np.float64(0.0), (np.int64(0), np.int64(0))
                with np.errstate(all="ignore"):  # what is not finite is an error when it runs
                    return Plan.of(self._step, state, data, example, known=known)

            plan = plan_for(_parts(self.compiled), (state, data, first), made)
            self.draws = plan.reads[-1]
            self.steppers[rows] = Stepper(plan, self.memory, data)
        return self.steppers[rows]

    def _step(self, state: TrainState, data: Any, own: Any) -> tuple[TrainState, Any]:
        rows, rate, (epoch, number) = own
        batch, key = batch_of(data, rows), Key(epoch).child(number)
        new, result = self.compiled.step(state, batch, key, rate)  # type: ignore[arg-type]
        said = {"loss": result.loss, "norm": result.gradient_norm}
        if self.compiled.metrics:
            said["outputs"] = result.outputs
        clipped = self.compiled.clipped(state, new)
        if clipped is not None:
            said["clipped"] = clipped
        return new, said

    def more(self, run: Run) -> bool:
        """Are there steps left in the epoch under way?"""
        return run.step < self._under_way(run.epoch)[1]

    def __call__(self, run: Run) -> Piece:
        """The next steps of the epoch under way."""
        rate, piece = self.override(), next(self._ahead, None)
        # What was done ahead holds as long as nobody has had the state, who may have changed it.
        if rate != self._rate or (piece is not None and run.latest is not self._told):
            piece = self._block = None
            self._reach = 1
        if piece is None:
            self._rate = rate
            self._ahead = self._pieces(run, int(STRETCH / self.pace) if self.pace else 1)
            piece = next(self._ahead)
        self._told = piece.state
        return piece

    def _under_way(self, epoch: int) -> tuple[int, int]:
        """The rows in a batch of the epoch under way, and its steps."""
        if self._epoch[0] != epoch:
            self._epoch = epoch, self.feed.size(epoch), self.feed.count(epoch)
        return self._epoch[1:]

    def _pieces(self, run: Run, most: int) -> Iterator[Piece]:
        """The next steps from where a training stands, about so many."""
        began = time.perf_counter()
        block = self._standing(run, max(most, 1))
        if isinstance(run.latest, After):
            first = block.begin()
            run.latest.begins(block, first)
        else:
            first = block.begin(run.latest)
        last = min(first + self._calls(run, block), block.count)
        done = block.steps(first, last)
        count = sum(len(steps.orders) for steps in done)
        try:
            block.go(last)
        except np.linalg.LinAlgError:
            if count == 1:
                raise
            self._block = None  # less, until the step that fails is by itself
            return self._pieces(run, count // 2)
        bad = first_not_finite(done, max((last - first) // len(block.calls), 1))
        if bad is not None and count > 1:  # up to that step, which comes by itself
            self._block = None
            return self._pieces(run, bad)
        batch = None if bad is None else batch_of(self.data, done[0].orders[0])
        reports = {steps.part: report_of(self.compiled, self.data, steps) for steps in done}
        self.pace = (time.perf_counter() - began) / count
        return block.pieces(first, last, reports, batch)

    def _calls(self, run: Run, block: Block) -> int:
        """How many calls to do before anybody is told of the first."""
        if self.watched:
            return block.told
        if self.looks:
            return (self.looks - run.epoch % self.looks) * len(block.calls)
        return block.count

    def stand(self, run: Run) -> None:
        """Let the memory hold the state of a training."""
        if isinstance(run.latest, After):
            run.latest.stand()
        else:
            self.memory.load(run.latest)

    def _standing(self, run: Run, most: int) -> Block:
        """The block of the next steps, about so many if it is new; the memory holds the state."""
        self.stand(run)
        if self._block is None or self._block.done == self._block.count:
            self._block = self._laid_out(run, self._orders(run, most))
        return self._block

    def _orders(self, run: Run, most: int) -> Any:
        """The rows of about so many steps: of whole epochs, or of a part of the one under way."""
        size, steps = self._under_way(run.epoch)
        epochs = 1
        if not (run.step or callable(self.feed.batch_size)):
            epochs = min(max(most // steps, 1), self.epochs - run.epoch)
        if self.watched:  # callbacks may set another rate, or change what a schedule depends on
            epochs = min(epochs, 1 if callable(self.rate) else self._reach)
            self._reach *= 2
        if epochs > 1:
            orders = map(self.feed.permutation, range(run.epoch, run.epoch + epochs))
            return np.stack(list(orders))[:, : steps * size]
        if self._order[0] != run.epoch:
            self._order = run.epoch, self.feed.permutation(run.epoch)
        return self._order[1][None, run.step * size : min(run.step + most, steps) * size]

    def _laid_out(self, run: Run, orders: Any) -> Block:
        """The steps with these rows of each epoch, from the one under way on."""
        size = self._under_way(run.epoch)[0]
        epochs, batches = len(orders), split(orders, size)
        steps = sum(map(len, batches)) // epochs
        rates = self._rates(epochs * steps).reshape(epochs, steps)
        parts, first = [], 0
        for rows in batches:
            last = first + len(rows) // epochs
            stepper = self.stepper(rows.shape[1], run)
            keys = self._keys(range(run.epoch, run.epoch + epochs),
                              range(run.step + first, run.step + last))  # fmt: skip
            own = rows, rates[:, first:last].reshape(-1), keys
            parts.append(Part(stepper, last - first, rows, own))
            first = last
        return Block(self.memory, parts, epochs, self.single)

    def _keys(self, epochs: range, numbers: range) -> tuple[Any, Any]:
        """What steps draw from, for these of each epoch: the epoch's key, and their numbers."""
        if not self.draws:
            return (np.zeros(len(epochs) * len(numbers), np.int64),) * 2
        keys = [key_of((self.seed, STEP, epoch)).value for epoch in epochs]
        return np.repeat(keys, len(numbers)), np.tile(np.array(numbers), len(epochs))

    def _rates(self, count: int) -> Any:
        """The learning rate of each of the next steps."""
        override = self.override()
        if override is not None:
            return np.full(count, float(override))
        if not callable(self.rate):
            return np.full(count, float(self.rate))
        first = int(self.memory.views.optimizer.step)
        return np.array([float(self.rate(first + k)) for k in range(count)])


def arrays_of(feed: Rows) -> Any:
    """(x, y, weights or None) of all rows, as the engine takes them."""
    leaves, spec = flatten(take(feed.x, slice(None), feed.dtype))
    return unflatten(spec, [_whole(leaf) for leaf in leaves]), _whole(feed.y), feed.weight


def batch_of(data: Any, rows: Any) -> Batch:
    """Some rows of these."""
    x, y, weight = data
    leaves, spec = flatten(x)
    x = unflatten(spec, [leaf[rows] for leaf in leaves])
    return Batch(x, y[rows], None if weight is None else weight[rows])


def split(orders: Any, size: int) -> list[Any]:
    """The rows of each epoch in batches, those of the same size together, in order."""
    whole = orders.shape[1] // size * size
    parts = orders[:, :whole].reshape(-1, size), orders[:, whole:]
    return [part for part in parts if part.size]


def report_of(compiled: Compiled, data: Any, done: Done) -> Report:
    """What some steps on these data say."""
    rows, steps = done.orders.reshape(-1), len(done.orders)
    _, y, weight = data
    outputs = done.said.get("outputs")
    if outputs is None:
        y = rows  # they are only counted
    else:
        y, outputs = y[rows], outputs.reshape(-1, *outputs.shape[2:])
    batch = Batch(None, y, None if weight is None else weight[rows])
    result = Result(done.said["loss"], outputs, done.said["norm"])
    return compiled.report(batch, result, steps, done.said.get("clipped"))


def _whole(a: Any) -> Any:
    """An array as the engine takes it: whole numbers in 64 bits."""
    return a.astype(np.int64) if a.dtype.kind in "iu" else a


__all__ = ["NativeSteps", "native_steps"]
