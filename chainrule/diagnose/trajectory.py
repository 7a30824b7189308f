"""`Trajectory`: the parameters recorded as a network is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ArgumentError
from chainrule.nn.naming import user_line
from chainrule.tracing import flatten
from chainrule.train.callbacks.base import Callback, Logs
from chainrule.train.using import whole_number

MOST = 200


class Trajectory(Callback):
    """Records the parameters before the training and after epochs or steps.

    There are at most ``most`` records: when there are more, every second one is dropped and from
    then on every second one is taken. Each holds all n parameters. The last is of the training's
    end in any case.

    Args:
        every: record after each so many epochs, or steps.
        by: "epoch", or "step", for which the training does its steps one by one.
        most: how many records are kept.

    Attributes:
        points: the parameters, shape (records, n), each row in the order of the leaves.
        times: finished epochs (or steps) at each record; 0 is before the training.
        losses: the mean loss over the epoch (or the loss of the step) before each record; nan for
            the first.

    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> x = np.random.default_rng(0).normal(size=(64, 8))
    >>> model = cr.Model([nn.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> path = Trajectory()
    >>> history = model.fit(x, x[:, :1], epochs=3, callbacks=path, verbose=0)
    >>> path.times, path.points.shape
    ([0, 1, 2, 3], (4, 9))
    """

    def __init__(self, every: int = 1, *, by: str = "epoch", most: int = MOST) -> None:
        if by not in ("epoch", "step"):
            raise ArgumentError(
                "a trajectory is recorded by epochs or by steps",
                got=f"by={by!r}",
                line=user_line(),
                remedy="by='epoch' or by='step'",
            )
        self.every = whole_number("every", every)
        self.by = by
        self.most = whole_number("most", most, 4)
        self.times: list[int] = []
        self.losses: list[float] = []
        self._points: list[NDArray[Any]] = []
        self._count = 0

    @property
    def hears_steps(self) -> bool:
        return self.by == "step"

    @property
    def points(self) -> NDArray[Any]:
        return np.stack(self._points) if self._points else np.zeros((0, 0))

    def on_train_begin(self, logs: Logs = None) -> None:
        self.times, self.losses, self._points, self._count = [], [], [], 0
        self._record(0 if self.by == "step" else self.model.run.epoch, float("nan"))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.by == "epoch":
            self._passed(epoch + 1, (logs or {}).get("loss", float("nan")))

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.by == "step":
            self._count += 1
            self._passed(self._count, (logs or {}).get("batch_loss", float("nan")))

    def on_train_end(self, logs: Logs = None) -> None:
        last = self._count if self.by == "step" else self.model.run.epoch
        if self.times and self.times[-1] != last:
            self._record(last, float("nan"))

    def _passed(self, time: int, loss: float) -> None:
        if time % self.every == 0:
            self._record(time, loss)

    def _record(self, time: int, loss: float) -> None:
        leaves = flatten(self.model.params)[0]
        self.times.append(time)
        self.losses.append(float(loss))
        self._points.append(np.concatenate([np.ravel(leaf) for leaf in leaves]))
        if len(self.times) > self.most:
            self.times, self.losses = self.times[::2], self.losses[::2]
            self._points = self._points[::2]
            self.every *= 2

    def state(self) -> Any:
        return {"every": self.every, "count": self._count, "times": self.times,
                "losses": self.losses, "points": self._points}  # fmt: skip

    def set_state(self, state: Any) -> None:
        self.every, self._count = int(state["every"]), int(state["count"])
        self.times, self.losses = list(state["times"]), list(state["losses"])
        self._points = [np.array(p) for p in state["points"]]
