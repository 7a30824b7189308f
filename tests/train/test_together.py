"""Steps that compiled code does many at a time tell the same, to the last bit, as one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.train import Callback, History

RNG = np.random.default_rng(4)
X = RNG.normal(size=(203, 3))
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
WEIGHT = RNG.random(203)


class Listens(Callback):
    """Has the steps done one by one."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


def worst(y: Any, p: Any) -> Any:
    """No mean over rows: of all rows together it is another number than the mean of batches."""
    return np.max(np.abs(y - p))


def trained(*callbacks: Callback, jit: bool = True, dtype: Any = float) -> tuple[Any, History]:
    model = cr.Model([nn.Dense(4, "tanh"), nn.Dropout(0.2), nn.Dense(1)])
    model.compile(
        optim.Clipped(optim.Adam(0.01), by_global_norm=0.3),
        nn.losses.BinaryCrossentropy(reduction="mean_with_sample_weight"),
        ["accuracy", "mse", "auc", worst], weighted_metrics=["accuracy", "recall"],
        jit_compile=jit,
    )  # fmt: skip
    x = X.astype(dtype)
    options: dict[str, Any] = {"batch_size": 10, "epochs": 3, "verbose": 0, "seed": 2}
    history = model.fit(x, Y, sample_weight=WEIGHT, callbacks=callbacks, **options)
    return model, history


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_history_has_the_same_bits_however_many_steps_are_done_together(dtype: Any) -> None:
    (one, each), (other, together) = trained(Listens(), dtype=dtype), trained(dtype=dtype)
    assert each.history == together.history
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_function_of_a_batch_is_of_one_batch_in_compiled_training_too() -> None:
    native, numpy = (trained(jit=jit)[1].history for jit in (True, False))
    assert list(native) == list(numpy)
    for name in native:
        np.testing.assert_allclose(native[name], numpy[name], rtol=1e-9, err_msg=name)


def test_the_norm_before_clipping_and_the_share_are_those_of_the_epochs_steps() -> None:
    steps = History(per_step=True)
    trained(steps)
    norms = np.array(steps.steps["gradient_norm"]).reshape(3, 21)
    np.testing.assert_allclose(steps.history["gradient_norm"], norms.mean(axis=1), rtol=1e-14)
    np.testing.assert_allclose(
        steps.history["clipped_share"], (norms > 0.3).mean(axis=1), rtol=1e-14
    )
    assert 0.0 < steps.history["clipped_share"][-1] < 1.0


@pytest.mark.parametrize("jit", [True, False])
def test_metrics_count_rows_and_weighted_metrics_their_weights(jit: bool) -> None:
    model = cr.Model([nn.Dense(1, "sigmoid")])
    model.compile(
        optim.SGD(0.0), "binary_crossentropy", ["accuracy"], weighted_metrics=["accuracy", "auc"],
        jit_compile=jit,
    )  # fmt: skip
    history = model.fit(X, Y, class_weight={0: 1.0, 1: 9.0}, verbose=0).history
    hits = model.predict_classes(X) == Y
    by_class = np.where(Y == 1, 9.0, 1.0)
    np.testing.assert_allclose(history["accuracy"], [np.mean(hits)], rtol=1e-12)
    np.testing.assert_allclose(
        history["weighted_accuracy"], [np.average(hits, weights=by_class)], rtol=1e-12
    )
    scores = model.evaluate(X, Y, sample_weight=WEIGHT, return_dict=True)
    np.testing.assert_allclose(scores["accuracy"], np.mean(hits), rtol=1e-12)
    np.testing.assert_allclose(
        scores["weighted_accuracy"], np.average(hits, weights=WEIGHT), rtol=1e-12
    )
    assert list(scores) == ["loss", "accuracy", "weighted_accuracy", "auc"]


def test_weighted_metrics_are_saved(tmp_path: Any) -> None:
    model, _ = trained()
    model.save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors", custom={"worst": worst})
    scores = [m.evaluate(X, Y, sample_weight=WEIGHT, return_dict=True) for m in (model, again)]
    assert scores[0] == scores[1]
    assert scores[0]["accuracy"] != scores[0]["weighted_accuracy"]


class Halves(Callback):
    """Changes the weights in place, as a constraint on them would."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.params["dense"]["kernel"][:] *= 0.5


class HalvesEachStep(Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.model.params["dense"]["kernel"][:] *= 0.5


@pytest.mark.parametrize("callback", [Halves, HalvesEachStep])
def test_weights_that_a_callback_changes_in_place_are_trained_on(callback: Any) -> None:
    found = []
    for jit in (True, False):
        model = cr.Model([nn.Dense(1)])
        model.compile("adam", "mse", jit_compile=jit)
        model.fit(X, Y, epochs=3, batch_size=50, verbose=0, callbacks=callback())
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("jit", [True, False])
def test_a_batch_without_weight_counts_for_nothing(jit: bool) -> None:
    weight = np.where(np.arange(203) < 50, 0.0, WEIGHT)
    found = []
    for x, y, w in ((X, Y, weight), (X[50:], Y[50:], weight[50:])):
        model = cr.Model([nn.Dense(1)])
        loss = nn.losses.BinaryCrossentropy(reduction="mean_with_sample_weight")
        model.compile("sgd", loss, weighted_metrics=["accuracy"], jit_compile=jit)
        history = model.fit(x, y, 50, sample_weight=w, shuffle=False, verbose=0).history
        found.append((history, model.get_weights()))
    assert found[0][0] == found[1][0]
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "schedule",
    [
        optim.StepDecay(0.9, 0.9, 5), optim.Exponential(0.9, 0.9, 5), optim.Polynomial(0.5, 9, 0.9),
        optim.Cosine(0.9, 8, 0.1, restart=True), optim.WarmUp(optim.Cosine(0.9, 9, 0.2), 4, 0.1),
        optim.OneCycle(0.9, 15).momentum,
    ],
)  # fmt: skip
def test_every_schedule_of_the_momentum_compiles(schedule: Any) -> None:
    found = []
    for jit in (True, False):
        model = cr.Model([nn.Dense(1)])
        model.compile(optim.Nesterov(0.05, schedule), "mse", jit_compile=jit)
        model.fit(X, Y, epochs=3, batch_size=40, verbose=0)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)
