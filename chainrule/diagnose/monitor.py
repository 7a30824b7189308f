"""`GradientMonitor`: the health of a network recorded as it is trained."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.diagnose.data_health import restored
from chainrule.diagnose.health import GradientHealth, LayerHealth, NormGap, measured
from chainrule.diagnose.passing import batch_of, ready_state
from chainrule.errors import ArgumentError
from chainrule.nn.naming import user_line
from chainrule.train.callbacks.base import Callback, Logs
from chainrule.train.step import Batch
from chainrule.train.using import whole_number


class GradientMonitor(Callback):
    """Records `gradient_health` before the training and after epochs, on the same rows each time.

    It costs one pass through the network by NumPy each time; the training itself stays compiled.

    Args:
        data: (x, y) to look at; by default rows of what is trained on.
        rows: how many of them, drawn at random.
        every: look after each so many epochs.

    Attributes:
        epochs: finished epochs at each record; 0 is before the training.
        records: a `GradientHealth` for each.

    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> x = np.random.default_rng(0).normal(size=(64, 8))
    >>> model = cr.Model([nn.Dense(16, "tanh"), nn.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> monitor = GradientMonitor()
    >>> history = model.fit(x, x[:, :1], epochs=3, callbacks=monitor, verbose=0)
    >>> monitor.epochs, monitor.history("gradient_rms")["dense"].shape
    ([0, 1, 2, 3], (4,))
    """

    def __init__(self, data: Any = None, *, rows: int = 256, every: int = 1) -> None:
        if data is not None and not (isinstance(data, (tuple, list)) and len(data) == 2):
            raise ArgumentError(
                "GradientMonitor looks at (x, y)",
                got=f"data of type {type(data).__name__}",
                line=user_line(),
                remedy="GradientMonitor((x_val, y_val)), or GradientMonitor() for training rows",
            )
        self.data = data
        self.rows = whole_number("rows", rows)
        self.every = whole_number("every", every)
        self.epochs: list[int] = []
        self.records: list[GradientHealth] = []
        self._batch: Batch | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        if self.data is not None:
            self._batch = batch_of(self.model, *self.data, rows=self.rows)
        else:
            self._batch = self.params["sample"](self.rows)
        self.epochs, self.records = [], []
        self._record(self.model.run.epoch)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if (epoch + 1) % self.every == 0:
            self._record(epoch + 1)

    def _record(self, epoch: int) -> None:
        model = self.model
        state = ready_state(model)
        assert self._batch is not None
        self.epochs.append(epoch)
        self.records.append(
            measured(model.compiled("GradientMonitor"), state, self._batch, model.override)
        )

    def history(self, quantity: str = "gradient_rms") -> dict[str, NDArray[np.float64]]:
        """One quantity of `LayerHealth` for each layer that has it, over the records.

        Raises:
            ArgumentError: there is no such quantity.
        """
        if quantity not in LayerHealth.__dataclass_fields__:
            known = [f for f in LayerHealth.__dataclass_fields__ if f not in _WORDS]
            raise ArgumentError(
                "unknown quantity of gradient health",
                got=repr(quantity),
                line=user_line(),
                remedy=f"one of {', '.join(known)}",
            )
        found: dict[str, NDArray[np.float64]] = {}
        for place, layer in enumerate(self.records[0].layers if self.records else ()):
            values = [getattr(record.layers[place], quantity) for record in self.records]
            if any(v is not None for v in values):
                found[layer.name] = np.array([np.nan if v is None else v for v in values], float)
        return found

    def plot(self, quantity: str = "gradient_rms", ax: Any = None) -> Any:
        """A quantity over depth and time; see `plot_monitor`."""
        from chainrule.diagnose.plotting import plot_monitor

        return plot_monitor(self, quantity, ax)

    def __str__(self) -> str:
        if not self.records:
            return "nothing is recorded yet: give the monitor to fit(callbacks=…)"
        return str(self.records[-1])

    def state(self) -> Any:
        return {
            "epochs": self.epochs,
            "records": [
                {"loss": r.loss, "rows": r.rows, "steps": r.steps,
                 "data": None if r.data is None else asdict(r.data),
                 "layers": [asdict(layer) for layer in r.layers]}
                for r in self.records
            ],
        }  # fmt: skip

    def set_state(self, state: Any) -> None:
        self.epochs = list(state["epochs"])
        self.records = [
            GradientHealth(
                tuple(_layer(layer) for layer in r["layers"]),
                r["loss"],
                r["rows"],
                r["steps"],
                None if r["data"] is None else restored(r["data"]),
            )
            for r in state["records"]
        ]


_WORDS = frozenset({"name", "kind", "activation", "norm_gap", "finite"})


def _layer(kept: dict[str, Any]) -> LayerHealth:
    gap = kept["norm_gap"]
    return LayerHealth(**{**kept, "norm_gap": None if gap is None else NormGap(**gap)})
