"""Compiled steps that are done ahead: who looks, changes or interrupts finds the right state."""

from __future__ import annotations

import copy
import os
import signal
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.engine.native.stepping import Stepper
from chainrule.train import Callback, History, native
from chainrule.train.blocks import Block

RNG = np.random.default_rng(4)
X = RNG.normal(size=(53, 3))
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
WEIGHT = RNG.random(53)
EPOCHS, BATCH = 7, 10  # six steps an epoch, the last of three rows


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Choose how many steps are done in one go; and count them."""
    begin, blocks = Block.__init__, []

    def choose(most: int) -> list[int]:
        monkeypatch.setattr(native, "STRETCH", float(most))
        blocks.clear()
        return blocks

    def noted(self: Block, *args: Any) -> None:
        begin(self, *args)
        blocks.append(sum(len(part.orders) for part in self.parts))

    monkeypatch.setattr(Block, "__init__", noted)
    second = property(lambda self: 1.0, lambda self, pace: None)
    monkeypatch.setattr(native.NativeSteps, "pace", second, raising=False)
    return choose


def made(jit: bool = True, optimizer: Any = None, layers: Any = None) -> Any:
    model = cr.Model(layers or [nn.Dense(4, "tanh"), nn.Dropout(0.2), nn.Dense(1)])
    model.compile(
        optimizer or optim.Clipped(optim.Adam(optim.Exponential(0.05, 0.9, 7)), by_norm=0.1),
        nn.losses.BinaryCrossentropy(reduction="mean_with_sample_weight"),
        ["mse", "auc"], weighted_metrics=["accuracy"], jit_compile=jit,
    )  # fmt: skip
    return model


def fit(model: Any, *callbacks: Callback, **options: Any) -> History:
    given: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH, "seed": 2, "verbose": 0}
    history: History = model.fit(X, Y, sample_weight=WEIGHT, callbacks=callbacks, **given | options)
    return history


def bits(model: Any) -> list[bytes]:
    state = cr.tracing.flatten(model.run.state)[0]
    return [np.asarray(leaf).tobytes() for leaf in state]


@pytest.mark.parametrize("per_step", [False, True])
def test_the_bits_are_the_same_for_any_number_of_steps_in_one_go(
    together: Any, per_step: bool
) -> None:
    found = []
    for most in (1, 4, 6, 17, 10**6):
        blocks = together(most)
        model, history = made(), History(per_step)
        fit(model, history)
        found.append((bits(model), history.history, history.steps))
        assert sum(blocks) == 6 * EPOCHS
        assert max(blocks) <= most
    assert blocks == [6 * EPOCHS]
    assert all(other == found[0] for other in found)
    assert len(found[0][2].get("loss", ())) == (6 * EPOCHS if per_step else 0)


class Reads(Callback):
    """Keeps the weights of each epoch."""

    def __init__(self) -> None:
        self.weights: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.weights.append(self.model.get_weights())


class Halves(Callback):
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 3:
            self.model.params["dense"]["kernel"][:] *= 0.5


class Slows(Callback):
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 3:
            self.model.learning_rate = 1e-3


class Stops(Callback):
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.stop_training = epoch == 3


class Copies(Callback):
    copy: Any = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 3:
            self.copy = copy.deepcopy(self.model)


class Interrupts(Callback):
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)


def test_the_arrays_that_a_training_leaves_are_not_changed_by_the_next() -> None:
    model = made()
    fit(model)
    left, before = model.run.state, bits(model)
    fit(model)
    assert [np.asarray(leaf).tobytes() for leaf in cr.tracing.flatten(left)[0]] == before
    assert bits(model) != before


@pytest.mark.parametrize("most", [4, 6, 17, 10**6])
def test_nothing_is_done_ahead_of_who_is_not_known_or_of_an_evaluation(
    most: int, together: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    together(most)
    plain, done = Stepper.go, [0]

    def counted(self: Stepper, count: int) -> None:
        done[0] += count
        plain(self, count)

    monkeypatch.setattr(Stepper, "go", counted)

    class Steps(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert done[0] == 6 * self.model.run.epoch + batch + 1

    class Epochs(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            assert done[0] == 6 * (epoch + 1)

    class Tests(Callback):
        def on_test_begin(self, logs: Any = None) -> None:
            assert done[0] == 6 * (self.model.run.epoch + 1)

    for callback in (Steps(), Epochs()):
        done[0] = 0
        fit(made(), callback)
        assert done[0] == 6 * EPOCHS
    monkeypatch.setattr(native, "BLIND", (*native.BLIND, Tests))
    done[0] = 0
    fit(made(), Tests(), validation_data=(X, Y), validation_freq=3)
    assert done[0] == 6 * EPOCHS


def test_a_schedule_may_depend_on_what_a_callback_sets(together: Any) -> None:
    together(10**6)
    found = []
    for jit in (True, False):
        rate = [0.1]
        model = made(jit, optim.SGD(lambda t, rate=rate: rate[0]))
        slower = cr.train.LambdaCallback(
            on_epoch_end=lambda epoch, logs, rate=rate: rate.append(rate.pop() * 0.5)
        )
        fit(model, slower)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_data_that_a_callback_changes_are_trained_on() -> None:
    found = []
    for jit in (True, False):
        x = X.copy()
        callback = cr.train.LambdaCallback(
            on_epoch_end=lambda epoch, logs, x=x: np.multiply(x, -1.5, out=x)
        )
        model = made(jit)
        model.fit(x, Y, epochs=4, batch_size=BATCH, verbose=0, callbacks=callback)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize("validates", [False, True])
@pytest.mark.parametrize("kind", [Reads, Halves, Slows, Stops, Copies, Interrupts])
def test_who_intervenes_all_the_same_is_heard(
    kind: Any, validates: bool, together: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    together(10**6)
    found = []
    data: Any = {"validation_data": (X, Y), "validation_freq": 3} if validates else {}
    for blind in ((), (kind,)):
        monkeypatch.setattr(native, "BLIND", (*native.BLIND, *blind))
        model, callback = made(), kind()
        history = fit(model, callback, **data)
        seen = getattr(callback, "weights", []), getattr(callback, "copy", None)
        found.append((bits(model), history.history, model.run.epoch, history.interrupted, seen))
    one, ahead = found
    assert one[:4] == ahead[:4]
    by_numpy = made(jit=False)
    fit(by_numpy, kind(), **data)
    for a, b in zip(by_numpy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    for a, b in zip(one[4][0], ahead[4][0], strict=True):
        assert [w.tobytes() for w in a] == [w.tobytes() for w in b]
    if kind is Copies:
        shorter = made()
        fit(shorter, epochs=4, **data)
        assert bits(ahead[4][1]) == bits(shorter)


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("call", [0, 1, 5, 8, 11])
def test_an_interrupted_go_leaves_the_state_that_it_began_with(
    call: int, watched: bool, together: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    together(13)  # two epochs, each of two calls, in a go; one where somebody watches
    plain, calls = Stepper.go, [0]

    def interrupted(self: Stepper, count: int) -> None:
        plain(self, count)
        calls[0] += 1
        if calls[0] == call + 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Stepper, "go", interrupted)
    model = made()
    history = fit(model, *([cr.train.LambdaCallback()] if watched else []))
    epoch = call // 2 if watched else call // 4 * 2
    assert history.interrupted
    assert (model.run.epoch, model.run.step) == (epoch, 0)
    assert history.epoch == [*range(epoch)]
    monkeypatch.setattr(Stepper, "go", plain)
    whole = made()
    fit(whole, epochs=epoch or 1)
    assert (bits(model) == bits(whole)) is (epoch > 0)
    fit(model, initial_epoch=epoch)
    fit(whole, initial_epoch=epoch or 1)
    assert bits(model) == bits(whole)


@pytest.mark.parametrize("most", [1, 4, 6, 17, 10**6])
def test_a_step_that_is_not_finite_is_found_among_many(together: Any, most: int) -> None:
    together(most)
    steps = 21  # that are finite; the update of the last of them is far too large
    rule = optim.SGD(lambda t: np.where(t < steps - 1, 0.01, 1e300))
    model, history = made(True, rule, [nn.Dense(4), nn.Lambda(np.square), nn.Dense(1)]), History()
    with pytest.raises(cr.errors.DivergenceError, match=r"diverged in epoch 4, step 4: its loss"):
        fit(model, history)
    assert divmod(steps, 6) == (3, 3)
    assert history.epoch == [0, 1, 2]
    assert (model.run.epoch, model.run.step) == (3, 3)
    assert model.run.state.optimizer.step == steps
