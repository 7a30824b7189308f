"""Callbacks: their order, and their decisions on scripted values."""

from __future__ import annotations

import csv
import io
import re
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError
from chainrule.train import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ProgressBar,
    ReduceLROnPlateau,
    TerminateOnNaN,
)

X = np.arange(12.0).reshape(6, 2) / 12
Y = X.sum(axis=1)


def model(rate: float = 0.1) -> cr.train.Model:
    made = cr.Model([nn.Dense(1)])
    made.compile(optim.SGD(rate), "mse")
    return made


class Script(Callback):
    """Puts given values into the logs, as if they had been measured."""

    def __init__(self, values: Sequence[float], name: str = "val_loss") -> None:
        self.values, self.name = values, name

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs[self.name] = self.values[epoch]


class Weights(Callback):
    """Keeps the weights of each epoch."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.seen: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seen.append(self.model.get_weights())


@pytest.mark.parametrize("jit", [True, False])
def test_the_hooks_come_in_keras_order(jit: bool) -> None:
    seen: list[str] = []

    class Told(Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            seen.append("train")

        def on_train_end(self, logs: Any = None) -> None:
            seen.append(f"/train {sorted(logs)}")

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            seen.append(f"epoch {epoch}")

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(f"/epoch {epoch} {sorted(logs)}")

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(f"batch {batch}")

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(f"/batch {batch} {sorted(logs)}")

        def on_test_begin(self, logs: Any = None) -> None:
            seen.append("test")

        def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(f"test {batch}")

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(f"/test {batch} {sorted(logs)}")

        def on_predict_begin(self, logs: Any = None) -> None:
            seen.append("predict")

        def on_predict_end(self, logs: Any = None) -> None:
            seen.append("/predict")

        def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(f"predict {batch}")

        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(f"/predict {batch} {logs['outputs'].shape}")

        def on_test_end(self, logs: Any = None) -> None:
            seen.append(f"/test {sorted(logs)}")

        def close(self) -> None:
            seen.append("close")

    told, made = Told(), model()
    made.compile("sgd", "mse", jit_compile=jit)
    made.fit(X, Y, batch_size=4, validation_data=(X, Y), verbose=0, callbacks=[told])
    batch = "['batch_loss', 'gradient_norm', 'loss']"
    assert seen == [
        "train", "epoch 0", "batch 0", f"/batch 0 {batch}", "batch 1", f"/batch 1 {batch}",
        "test", "test 0", "/test 0 ['loss']", "test 1", "/test 1 ['loss']", "/test ['loss']",
        "/epoch 0 ['loss', 'val_loss']", "/train ['loss', 'val_loss']", "close",
    ]  # fmt: skip
    seen.clear()
    made.predict(X, batch_size=5, callbacks=told)
    assert seen == [
        "predict", "predict 0", "/predict 0 (5, 1)", "predict 1", "/predict 1 (1, 1)", "/predict",
    ]  # fmt: skip
    assert told.params["steps"] == 2


def test_lambda_callbacks_and_stop_training() -> None:
    made, steps = model(), []

    def stop(batch: int, logs: Any) -> None:
        steps.append(batch)
        made.stop_training = len(steps) == 3

    history = made.fit(
        X, Y, batch_size=3, epochs=5, verbose=0, callbacks=[LambdaCallback(on_train_batch_end=stop)]
    )
    assert steps == [0, 1, 0]
    assert history.epoch == [0, 1]


@pytest.mark.parametrize(
    ("values", "options", "stopped", "best"),
    [
        ([3.0, 2.0, 2.5, 2.5, 1.0], {"patience": 2}, 3, 1),
        ([3.0, 2.0, 2.5, 1.9, 2.0, 2.0], {"patience": 2}, 5, 3),
        ([3.0, 2.9, 2.8, 2.7], {"patience": 2, "min_delta": 0.5}, 2, 0),
        ([0.5, 0.7, 0.6, 0.6], {"patience": 2, "mode": "max"}, 3, 1),
        ([9.0, 9.0, 3.0, 4.0], {"patience": 1, "start_from_epoch": 2}, 3, 2),
        ([3.0, 3.5, 2.0, 1.0], {"patience": 2, "baseline": 2.2}, 1, 0),
    ],
)
def test_early_stopping(
    values: list[float], options: dict[str, Any], stopped: int, best: int
) -> None:
    stopping, weights, made = EarlyStopping(**options), Weights(), model()
    history = made.fit(
        X, Y, epochs=len(values), verbose=0, callbacks=[Script(values), weights, stopping]
    )
    assert history.epoch[-1] == stopping.stopped_epoch == stopped
    assert stopping.best_epoch == best
    assert stopping.best == values[best]
    for kept, seen in zip(made.get_weights(), weights.seen[best], strict=True):
        np.testing.assert_array_equal(kept, seen)


def test_early_stopping_may_leave_the_last_weights() -> None:
    stopping, weights, made = EarlyStopping(restore_best_weights=False), Weights(), model()
    made.fit(X, Y, epochs=9, verbose=0, callbacks=[Script([1.0, 2.0, 3.0]), weights, stopping])
    assert stopping.stopped_epoch == 1
    np.testing.assert_array_equal(made.get_weights()[1], weights.seen[1][1])


def test_accuracy_is_better_when_it_grows() -> None:
    stopping = EarlyStopping("val_accuracy", patience=2)
    script = Script([0.5, 0.6, 0.7, 0.6, 0.6, 0.9], "val_accuracy")
    model().fit(X, Y, epochs=6, verbose=0, callbacks=[script, stopping])
    assert (stopping.best_epoch, stopping.stopped_epoch) == (2, 4)


def test_the_learning_rate_of_each_epoch_is_used() -> None:
    rates = {0: 0.1, 1: 0.2, 2: 0.05}
    made = model(9.9)
    history = made.fit(
        X, Y, batch_size=6, epochs=3, verbose=0, callbacks=[LearningRateScheduler(rates.get)]
    )
    assert history.history["learning_rate"] == [0.1, 0.2, 0.05]
    by_hand = model().build((2,))
    w, b = np.array(by_hand.params["dense"]["kernel"]), np.zeros(1)
    for rate in rates.values():
        error = 2 * (X @ w + b - Y[:, None]) / 6
        w, b = w - rate * X.T @ error, b - rate * error.sum(axis=0)
    np.testing.assert_allclose(made.params["dense"]["kernel"], w, rtol=1e-12)


def test_a_schedule_of_epoch_and_rate() -> None:
    callback = LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = model(0.8).fit(X, Y, epochs=3, verbose=0, callbacks=[callback])
    assert history.history["learning_rate"] == [0.4, 0.2, 0.1]


def test_the_rate_drops_on_a_plateau() -> None:
    values = [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    callback = ReduceLROnPlateau(factor=0.5, patience=2, cooldown=1, min_lr=0.03)
    made = model(0.1)
    history = made.fit(X, Y, epochs=8, verbose=0, callbacks=[Script(values), callback])
    # The rate that each epoch was trained with: lowered after the 4th and the 6th.
    assert history.history["learning_rate"] == pytest.approx([0.1] * 4 + [0.05] * 2 + [0.03] * 2)


def test_callbacks_say_what_they_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "best"
    callbacks: list[Callback] = [
        Script([3.0, 2.0, 2.0, 2.0]),
        LearningRateScheduler(lambda epoch, rate: rate, 1),
        ReduceLROnPlateau("val_loss", 0.5, 1, 1),
        ModelCheckpoint(file, "val_loss", 1, True, initial_value_threshold=2.5),
        EarlyStopping("val_loss", 0.0, 2, 1),
    ]
    model().fit(X, Y, epochs=9, verbose=0, callbacks=callbacks)
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1: the learning rate is 0.1",
        "epoch 2: the learning rate is 0.1",
        f"epoch 2: saved to {file}",
        "epoch 3: the learning rate is 0.1",
        "epoch 3: the learning rate is lowered to 0.05",
        "epoch 4: the learning rate is 0.05",
        "epoch 4: the learning rate is lowered to 0.025",
        "epoch 4: stopped early; val_loss was best in epoch 2, 2.0000",
    ]


def test_a_factor_that_does_not_lower_the_rate() -> None:
    with pytest.raises(ArgumentError, match=r"(?s)a factor below 1.*factor=2.0.*such as 0.1"):
        ReduceLROnPlateau(factor=2.0)


def test_terminate_on_nan_keeps_the_weights_before() -> None:
    y = Y.copy()
    y[4] = np.inf
    made, reference = model(), model()
    history = made.fit(
        X, y, batch_size=2, epochs=4, shuffle=False, verbose=0, callbacks=[TerminateOnNaN()]
    )
    reference.fit(X[:4], Y[:4], batch_size=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(made.get_weights()[1], reference.get_weights()[1])
    assert history.epoch == []


def test_the_best_model_is_saved(tmp_path: Path) -> None:
    weights, made = Weights(), model()
    best = ModelCheckpoint(tmp_path / "best", save_best_only=True)
    every = ModelCheckpoint(tmp_path / "{epoch:02d}-{val_loss:.1f}")
    made.fit(X, Y, epochs=3, verbose=0, callbacks=[Script([3.0, 1.0, 2.0]), weights, best, every])
    assert {p.name for p in tmp_path.iterdir()} == {"best", "01-3.0", "02-1.0", "03-2.0"}
    np.testing.assert_array_equal(cr.load(tmp_path / "best").get_weights()[1], weights.seen[1][1])
    with pytest.raises(ArgumentError, match=r"(?s)a field that the logs have not.*use epoch, loss"):
        made.fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / "{val_auc}")])


def test_the_csv_has_every_digit_and_late_columns(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    history = model().fit(
        X, Y, epochs=3, verbose=0, validation_data=(X, Y), validation_freq=2,
        callbacks=[CSVLogger(file)],
    )  # fmt: skip
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [float(row["loss"]) for row in rows] == history.history["loss"]
    assert [row["val_loss"] for row in rows] == ["NA", str(history.history["val_loss"][0]), "NA"]
    model().fit(X, Y, verbose=0, callbacks=[CSVLogger(file, append=True)])
    assert len(file.read_text().splitlines()) == 5


def test_control_c_keeps_the_last_whole_step() -> None:
    def interrupt(batch: int, logs: Any) -> None:
        if batch == 1:
            raise KeyboardInterrupt

    made, reference, ended = model(), model(), []
    history = made.fit(
        X, Y, batch_size=2, epochs=4, shuffle=False, verbose=0,
        callbacks=[LambdaCallback(on_train_batch_end=interrupt, on_train_end=ended.append)],
    )  # fmt: skip
    assert history.interrupted
    assert ended == [None]
    reference.fit(X[:4], Y[:4], batch_size=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(made.get_weights()[1], reference.get_weights()[1])


def test_the_bar_shows_where_the_training_is() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=200)
    model().fit(
        X, Y, batch_size=3, epochs=2, verbose=0, validation_data=(X, Y),
        callbacks=[ProgressBar(console)],
    )  # fmt: skip
    shown = screen.getvalue()
    assert "epoch 1/2 step 1/2" in shown
    for part in ("epoch 2/2 step 2/2", "|g|", "rows/s", "left", "val_loss"):
        assert part in shown


@pytest.mark.parametrize(("width", "lines"), [(140, 1), (75, 2), (40, 4)])
def test_values_that_do_not_fit_beside_the_bar_come_below_it(width: int, lines: int) -> None:
    text = io.StringIO()
    bar = ProgressBar(Console(file=text, force_terminal=True, width=width))
    made = cr.Model([nn.Dense(1)])
    made.compile(optim.SGD(0.1), "mse", ["mae", "rmse"])
    made.fit(X, Y, epochs=1, verbose=0, callbacks=[bar])
    shown = re.sub("\x1b[^A-Za-z]*[A-Za-z]", "", text.getvalue()).split("\r")[-1].strip("\n")
    assert len(shown.splitlines()) == lines
    assert all(len(line) <= width for line in shown.splitlines())
    for part in (
        "epoch 1/1 step 1/1",
        "0 s left",
        "rows/s",
        "loss ",
        "|g| ",
        "mae ",
        "rmse ",
    ):
        assert part in shown


def test_it_is_quiet_outside_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    model().fit(X, Y)
    model().fit(X, Y, verbose=0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", [1, 2])
def test_lines_outside_a_terminal(verbose: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks for a bar is told something in a file too."""
    model().fit(X, Y, epochs=2, verbose=verbose)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


@pytest.mark.parametrize("save_freq", [0, -1, "batch", 2.5])
def test_a_model_checkpoint_is_told_when_to_save(save_freq: Any) -> None:
    with pytest.raises(ArgumentError, match="save_freq is 'epoch' or a number of steps"):
        ModelCheckpoint("model.safetensors", save_freq=save_freq)


@pytest.mark.parametrize("native", [True, False])
def test_callbacks_do_not_keep_the_data_when_the_training_is_over(native: bool) -> None:
    x = np.random.default_rng(0).standard_normal((8, 2))
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse", jit_compile=native)
    callback = EarlyStopping()
    model.fit(x, x[:, 0], validation_data=(x, x[:, 0]), callbacks=callback, verbose=0)
    kept = weakref.ref(x)
    del x
    assert kept() is None
    assert callback.params["epochs"] == 1
