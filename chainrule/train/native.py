"""Training by the native engine: the step is compiled, and many steps are done in one call."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from chainrule.errors import ArgumentError, ChainruleError
from chainrule.nn.layers.base import Draw, Draws
from chainrule.tracing import flatten, unflatten
from chainrule.train.callbacks.base import Callback
from chainrule.train.callbacks.history import History
from chainrule.train.callbacks.progress import ProgressBar
from chainrule.train.compiled import Compiled
from chainrule.train.feed import STEP, Rows
from chainrule.train.inputs import take
from chainrule.train.loop import Piece, Run
from chainrule.train.plans import plan_for
from chainrule.train.step import Batch, Result, TrainState

STRETCH = 0.05  # seconds of steps in one call, after which Ctrl-C and callbacks have their turn
MEMORY = 2**31  # bytes of data above which batches are read as they are needed
# What a training must cost by NumPy for compiling it to pay: seconds. A step is taken for 0.3 ms
# and three passes, each of so many multiplications a row, at 10 · 10⁹ a second.
PAYS, CALL, PASSES, SPEED = 0.3, 3e-4, 3.0, 1e10


def native_steps(
    compiled: Compiled,
    feed: Any,
    run: Run,
    epochs: int,
    callbacks: Sequence[Callback],
    wanted: bool | str,
    override: Callable[[], Any],
) -> NativeSteps | None:
    """The native engine for a training, or None where NumPy is to do it.

    Args:
        compiled: how to train.
        feed: the batches.
        run: where the training stands.
        epochs: the number of the last epoch.
        callbacks: those that want to hear of each step get it.
        wanted: True, False, or "auto": where it pays.
        override: gives the learning rate that takes the place of the optimizer's, or None.

    Raises:
        ArgumentError: ``wanted`` is True, and it cannot be.
    """
    if wanted is False:
        return None
    reason = _against(feed)
    if reason is None and wanted == "auto" and not _pays(compiled, run, feed, epochs):
        return None
    if reason is None:
        try:
            steps = NativeSteps(compiled, feed, callbacks, override)
            size = feed.batch_size
            steps.prepare(size(run.epoch) if callable(size) else size, run.state)
            return steps
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


def _against(feed: Any) -> str | None:
    """Why a training cannot be native, as far as its data say."""
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


def _pays(compiled: Compiled, run: Run, feed: Rows, epochs: int) -> bool:
    steps = (epochs - run.epoch) * (feed.steps or 1)
    rows = feed.rows * (epochs - run.epoch)
    if steps * CALL > PAYS:
        return True
    return steps * CALL + rows * _multiplications(compiled, run, feed) * PASSES / SPEED > PAYS


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


class NativeSteps:
    """Does the steps of an epoch some at a time.

    Args:
        compiled: how to train.
        feed: the batches, from arrays.
        callbacks: if one of them wants to hear of each step, steps are done one by one.
        override: gives the learning rate that takes the place of the optimizer's, or None.
    """

    def __init__(
        self,
        compiled: Compiled,
        feed: Rows,
        callbacks: Sequence[Callback],
        override: Callable[[], Any],
    ) -> None:
        self.compiled, self.feed, self.override = compiled, feed, override
        self.single = any(c.hears_steps for c in callbacks)
        self.watched = any(type(c) not in (History, ProgressBar) for c in callbacks)
        leaves, spec = flatten(take(feed.x, slice(None), feed.dtype))
        self.x = unflatten(spec, [_whole(leaf) for leaf in leaves])
        self.y = None if feed.y is None else _whole(feed.y)
        self.weight = feed.weight
        self.seed = feed.seed
        self.steppers: dict[int, Any] = {}
        self.draws: dict[int, list[Draw]] = {}
        self.pace = 0.0  # seconds for a step
        self._order: tuple[int, list[Any]] = (-1, [])
        self._state: Any = None  # the state that the steppers hold
        self._last: int = 0

    def prepare(self, batch_size: int, state: TrainState) -> None:
        """Compile the step, and beside it the step for the short batch at the end of an epoch."""
        whole, rest = min(batch_size, self.feed.rows), self.feed.rows % batch_size
        beside = threading.Thread(target=self._try, args=(rest, state))
        if whole == batch_size and rest:
            beside.start()
        self.stepper(whole, state)
        if beside.ident is not None:
            beside.join()

    def _try(self, rows: int, state: TrainState) -> None:
        with contextlib.suppress(Exception):  # it comes again when the step is needed
            self.stepper(rows, state)

    def stepper(self, rows: int, state: TrainState) -> Any:
        """The compiled step for batches of so many rows."""
        if rows not in self.steppers:
            from chainrule.engine.native.stepping import Plan, Stepper

            first = np.arange(rows)
            data = (self.x, self.y, self.weight)

            def made(known: bool) -> tuple[Plan, list[Draw]]:
                draws = self._drawn(state, data, first)
                numbers = [draw.of(np.random.default_rng(0)) for draw in draws]
                example = (first, np.float64(0.0), numbers)
                with np.errstate(all="ignore"):  # what is not finite is an error when it runs
                    return Plan.of(self._step, state, data, example, probe=not known), draws

            compiled = self.compiled
            parts = compiled.network, compiled.objective, compiled.optimizer, bool(compiled.metrics)
            plan, self.draws[rows] = plan_for(parts, (state, data, first), made)
            self.steppers[rows] = Stepper(plan, state, data)
        return self.steppers[rows]

    def _drawn(self, state: TrainState, data: Any, rows: Any) -> list[Draw]:
        """All random numbers of a step."""
        draws = Draws()
        with np.errstate(all="ignore"):
            x = self._batch_of(data, rows).x
            at = self.compiled.optimizer.lookahead(state.params, state.optimizer)
            self.compiled.network(at, state.layers, x, training=True, rng=draws)  # type: ignore[arg-type]
        return draws.noted

    def _batch_of(self, data: Any, rows: Any) -> Batch:
        x, y, weight = data
        leaves, spec = flatten(x)
        return Batch(
            unflatten(spec, [leaf[rows] for leaf in leaves]),
            None if y is None else y[rows],
            None if weight is None else weight[rows],
        )

    def _step(self, state: TrainState, data: Any, own: Any) -> tuple[TrainState, Any]:
        rows, rate, numbers = own
        batch, draws = self._batch_of(data, rows), Draws(given=numbers)
        new, result = self.compiled.step(state, batch, draws, rate)  # type: ignore[arg-type]
        outputs = (result.outputs,) if self.compiled.metrics else ()
        return new, (result.loss, result.gradient_norm, *outputs)

    def more(self, run: Run) -> bool:
        """Are there steps left in the epoch under way?"""
        return run.step < len(self._orders(run.epoch))

    def __call__(self, run: Run) -> Piece:
        """The next steps of the epoch under way."""
        orders = self._orders(run.epoch)[run.step :]
        rows = len(orders[0])
        most = 1 if self.single else int(STRETCH / self.pace) if self.pace else 8
        count = 0
        while count < min(len(orders), max(most, 1)) and len(orders[count]) == rows:
            count += 1
        return self._steps(run, np.stack(orders[:count]), count)

    def _steps(self, run: Run, orders: Any, count: int) -> Piece:
        stepper = self.stepper(orders.shape[1], run.state)
        # Callbacks may have had their turn, and have changed arrays of the state in place.
        if self._state is not run.state or self.single or (self.watched and run.step == 0):
            stepper.load(run.state)
        elif self._last != orders.shape[1]:
            stepper.share(self.steppers[self._last])
        self._last = orders.shape[1]
        began = time.perf_counter()
        own = (orders, self._rates(run, count), self._numbers(run, orders.shape[1], count))
        losses, norms, *outputs = stepper.run(own, count)
        self.pace = (time.perf_counter() - began) / count
        finite = np.isfinite(losses + norms)
        if not finite.all() and count > 1:  # up to the step that is not, which comes by itself
            self._state, good = None, int(np.argmin(finite))
            return self._steps(run, orders[: max(good, 1)], max(good, 1))
        batch, states = self._batch(orders), (run.state, stepper.state())
        joined = outputs[0].reshape(-1, *outputs[0].shape[2:]) if outputs else None
        report = self.compiled.report(batch, Result(losses, joined, norms), count, states)
        self._state = states[1] if finite.all() else None
        return Piece(states[1], report, count, batch)

    def _batch(self, orders: Any) -> Batch:
        rows = orders.reshape(-1)
        single = len(orders) == 1
        return Batch(
            take(self.x, rows) if single else None,
            None if self.y is None else self.y[rows],
            None if self.weight is None else self.weight[rows],
        )

    def _orders(self, epoch: int) -> list[Any]:
        """The rows of each batch of an epoch."""
        if self._order[0] != epoch:
            feed = self.feed
            parts = islice(feed.order(epoch), feed.most)
            self._order = (
                epoch,
                [np.arange(feed.rows)[r] if isinstance(r, slice) else r for r in parts],
            )
        return self._order[1]

    def _numbers(self, run: Run, rows: int, count: int) -> list[Any]:
        """The random numbers of the next steps, the same that NumPy's steps draw."""
        steps = []
        for k in range(run.step, run.step + count):
            generators: dict[tuple[Any, int], Any] = {}
            numbers = []
            for draw in self.draws[rows]:
                place = draw.key, draw.stream
                if place not in generators:
                    key = (self.seed, STEP, run.epoch, k, *draw.key)
                    generators[place] = np.random.default_rng(key)
                numbers.append(draw.of(generators[place]))
            steps.append(numbers)
        return [np.stack(column) for column in zip(*steps, strict=True)]

    def _rates(self, run: Run, count: int) -> Any:
        """The learning rate of each of the next steps."""
        override = self.override()
        if override is not None:
            return np.full(count, float(override))
        optimizer = self.compiled.optimizer
        while not hasattr(optimizer, "learning_rate"):
            optimizer = optimizer.optimizer
        rate = optimizer.learning_rate
        if not callable(rate):
            return np.full(count, float(rate))
        first = int(run.state.optimizer.step)
        return np.array([float(rate(first + k)) for k in range(count)])


def _whole(a: Any) -> Any:
    """An array as the engine takes it: whole numbers in 64 bits."""
    return a.astype(np.int64) if a.dtype.kind in "iu" else a


__all__ = ["NativeSteps", "native_steps"]
