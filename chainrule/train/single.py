"""Training by the native engine one step at a time: streams, data on the disk, layers with loops.

Where all rows lie in memory and a whole step is native, `native` does many steps in one call.
This does the rest: batches that come one after the other, and steps of which NumPy does a part.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from chainrule.nn.layers.draws import Key, key_of
from chainrule.tracing import flatten, unflatten
from chainrule.train.compiled import Compiled
from chainrule.train.extremes import check_values, embeds
from chainrule.train.feed import STEP
from chainrule.train.plans import signature
from chainrule.train.step import Batch, Result, TrainState

MOST = 8  # kinds of batches, by their shapes, that are compiled


class SingleSteps:
    """Does a step with compiled code; the first kinds of batches are compiled, others are NumPy's.

    Args:
        compiled: how to train.

    Attributes:
        needed: steps of this training cannot be done many in one call.
        counts: how often each kind of batch was trained on by itself.
    """

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.needed = False
        self.counts: dict[Any, int] = {}
        # For each kind of batch: was it compiled?
        self._kinds: dict[str, dict[Any, bool]] = {"step": {}, "look": {}}

    @cached_property
    def _embeds(self) -> bool:
        return embeds(self.compiled.network)

    @cached_property
    def _run(self) -> Any:
        """The step, compiled for whatever it is called with."""
        from chainrule.engine.compiling import compile

        return compile(self._step)

    @cached_property
    def _look(self) -> Any:
        """The same without training."""
        from chainrule.engine.compiling import compile

        return compile(self._looked)

    def __reduce__(self) -> Any:
        """Code is not copied: a copy of the model makes its own."""
        return SingleSteps, (self.compiled,)

    def prepare(self, state: TrainState, batch: Batch) -> None:
        """Compile the step for batches of this kind.

        Raises:
            ChainruleError, TypeError, ValueError, AttributeError: it cannot be.
        """
        kind = signature(batch)
        if self._kinds["step"].get(kind):
            return
        check_values(self.compiled.network, state, batch.x)
        with np.errstate(all="ignore"):
            self._run(state, batch, *self._own(state, (0, STEP, 0, 0), None))
        self._kinds["step"][kind] = True

    def __call__(
        self, state: TrainState, batch: Batch, key: tuple[int, ...], rate: float | None
    ) -> tuple[TrainState, Result]:
        """One step, with the arguments of `training_step`."""
        done = self._compiled("step", self._run, state, batch, self._own(state, key, rate))
        if done is None:
            return self.compiled.step(state, batch, key, rate)
        new, said = done
        return _like(state, new), Result(said["loss"], said.get("outputs"), said["norm"])

    def look(self, state: TrainState, batch: Batch) -> tuple[Any, Any] | None:
        """The loss of a batch and what the network says of it, out of training; None by NumPy."""
        parts = state._replace(optimizer=None)
        done: tuple[Any, Any] | None = self._compiled("look", self._look, parts, batch, ())
        return done

    def _compiled(self, what: str, run: Any, state: TrainState, batch: Batch, own: Any) -> Any:
        """What compiled code makes of a batch; None where it is not to be compiled."""
        kinds, kind = self._kinds[what], signature(batch)
        known = kinds.get(kind)
        if known is False or (known is None and len(kinds) == MOST):
            return None
        if self._embeds:
            check_values(self.compiled.network, state, batch.x)
        if known:
            return run(state, batch, *own)
        try:
            done = run(state, batch, *own)
        except Exception:  # a mistake comes again by NumPy, with its own words
            kinds[kind] = False
            return None
        kinds[kind] = True
        return done

    def _own(
        self, state: TrainState, key: tuple[int, ...], rate: float | None
    ) -> tuple[np.float64, np.int64, np.int64]:
        """What a step has of its own: the learning rate, and what it draws from."""
        if rate is None:
            own = self.compiled.learning_rate
            rate = own(int(state.optimizer.step)) if callable(own) else own
        return np.float64(rate), np.int64(key_of(key[:-1]).value), np.int64(key[-1])

    def _step(
        self, state: TrainState, batch: Batch, rate: Any, epoch: Any, number: Any
    ) -> tuple[TrainState, Any]:
        key: Any = Key(epoch).child(number)
        new, result = self.compiled.step(state, batch, key, rate)
        said = {"loss": result.loss, "norm": result.gradient_norm}
        if self.compiled.metrics:
            said["outputs"] = result.outputs
        return new, said

    def _looked(self, state: TrainState, batch: Batch) -> tuple[Any, Any]:
        outputs, _ = self.compiled.network(state.params, state.layers, batch.x, training=False)
        return self.compiled.objective(batch.y, outputs, batch.weight), outputs


def _like(old: Any, new: Any) -> Any:
    """A state with its numbers in the Python types that they had."""
    before, (after, spec) = flatten(old)[0], flatten(new)
    typed = [
        type(a)(b) if type(a) in (int, float) else b for a, b in zip(before, after, strict=True)
    ]
    return unflatten(spec, typed)


__all__ = ["SingleSteps"]
