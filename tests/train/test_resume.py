"""A training that is killed goes on to exactly the weights of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError, ModelFileError
from chainrule.train import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LearningRateScheduler,
    ReduceLROnPlateau,
    TornCheckpointWarning,
)

X = np.random.default_rng(5).normal(size=(64, 4))
Y = (X[:, 0] * X[:, 1] > 0).astype(float)
EPOCHS, STEPS = 6, 7  # of 10 rows each but the last


class Killer(Callback):
    """Ends the process, or the training, in the middle of an epoch."""

    def __init__(self, epoch: int, step: int, kill: bool) -> None:
        self.place, self.kill, self.epoch = (epoch, step), kill, -1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.place:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise Crash


class Crash(Exception):
    pass


def stream() -> Iterator[Any]:
    """Endless batches, of which a generator cannot go back to any."""
    for start in range(0, 10**6, 10):
        rows = np.arange(start, start + 10) % 64
        yield X[rows], Y[rows]


def train(
    folder: Path | None,
    killer: Killer | None = None,
    source: str = "arrays",
    freq: Any = 5,
    jit: Any = False,
) -> tuple[Any, History, Any]:
    """Everything that has a state: dropout, batch norm, Adam, clipping, callbacks, a CSV file."""
    model = cr.Model(
        [nn.Dense(8, "relu"), nn.BatchNormalization(), nn.Dropout(0.3), nn.Dense(1, "sigmoid")]
    )
    optimizer = optim.Clipped(optim.Adam(0.02), by_global_norm=0.5)
    model.compile(optimizer, "binary_crossentropy", ["accuracy", "auc"], jit_compile=jit)
    history = History(per_step=True)
    callbacks: list[Callback] = [
        EarlyStopping("loss", patience=4), ReduceLROnPlateau("loss", patience=1, min_delta=0.05),
        LearningRateScheduler(lambda epoch, rate: rate * 0.9), history,
        killer or Killer(-1, 0, kill=False),
    ]  # fmt: skip
    if folder is not None:
        callbacks = [
            BackupAndRestore(folder / "backup", freq),
            CSVLogger(folder / "log.csv"),
            *callbacks,
        ]
    options: dict[str, Any] = {"epochs": EPOCHS, "verbose": 0, "callbacks": callbacks, "seed": 3}
    if source != "stream":
        size = 10 if source == "arrays" else optim.BatchGrowth(5, every=2, largest=10)
        model.fit(X, Y, batch_size=size, validation_split=0.1, **options)
    else:
        model.fit(stream(), steps_per_epoch=STEPS, **options)
    return model.get_weights(), history, model


def equal(one: tuple[Any, History, Any], other: tuple[Any, History, Any]) -> None:
    for a, b in zip(one[0], other[0], strict=True):
        assert a.tobytes() == b.tobytes()
    assert one[1].history == other[1].history
    assert one[1].steps == other[1].steps
    assert one[2].learning_rate == other[2].learning_rate


@pytest.mark.parametrize("jit", [True, False])
def test_kill_9_in_the_middle_of_an_epoch(tmp_path: Path, jit: bool) -> None:
    whole = train(None, jit=jit)
    code = (
        "import pathlib; from tests.train.test_resume import train, Killer; "
        f"train(pathlib.Path({str(tmp_path)!r}), Killer(3, 4, kill=True), jit={jit})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert (tmp_path / "backup" / "checkpoint").exists()
    resumed = train(tmp_path, jit=jit)
    equal(resumed, whole)
    # The log has each epoch once, those before the kill too.
    epochs = [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()]
    assert epochs == ["epoch", *map(str, whole[1].epoch)]
    # At its end the training leaves no checkpoint.
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize("source", ["arrays", "growing", "stream"])
@pytest.mark.parametrize("freq", [1, 4, "epoch"])
@pytest.mark.parametrize("place", [(0, 5), (2, 0), (2, 5), (5, 3)])
def test_a_crash_anywhere(tmp_path: Path, source: str, freq: Any, place: tuple[int, int]) -> None:
    with pytest.raises(Crash):
        train(tmp_path, Killer(*place, kill=False), source, freq)
    equal(train(tmp_path, None, source, freq), train(None, None, source))


@pytest.mark.parametrize("damage", ["cut off", "changed", "empty"])
def test_a_torn_checkpoint_is_passed_over(tmp_path: Path, damage: str) -> None:
    whole = train(None)
    with pytest.raises(Crash):
        train(tmp_path, Killer(4, 2, kill=False))
    newest = tmp_path / "backup" / "checkpoint"
    content = newest.read_bytes()
    middle = len(content) // 2
    newest.write_bytes(
        {"cut off": content[:middle], "empty": b"",
         "changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]}[damage]
    )  # fmt: skip
    with pytest.warns(TornCheckpointWarning, match="is not whole; the training goes on from"):
        resumed = train(tmp_path)
    equal(resumed, whole)


def test_no_whole_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        train(tmp_path, Killer(4, 2, kill=False))
    for path in (tmp_path / "backup").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match=r"(?s)no whole checkpoint.*cut off.*delete"):
        train(tmp_path)


def test_a_crash_between_the_two_renames(tmp_path: Path) -> None:
    """The newest checkpoint has become the one before, and the new one is not there yet."""
    whole = train(None)
    with pytest.raises(Crash):
        train(tmp_path, Killer(4, 2, kill=False))
    backup = tmp_path / "backup"
    os.replace(backup / "checkpoint", backup / "checkpoint-before")
    (backup / ".checkpoint-left-over").write_bytes(b"half")
    equal(train(tmp_path), whole)
    assert [p.name for p in backup.iterdir()] == [".checkpoint-left-over"]


def test_another_training_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        train(tmp_path, Killer(4, 2, kill=False))
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ModelFileError, match=r"(?s)is of another training.*layers: .*another fold"):
        model.fit(X, Y, verbose=0, callbacks=[BackupAndRestore(tmp_path / "backup")])


def test_after_control_c_the_checkpoint_stays(tmp_path: Path) -> None:
    class Interrupt(Killer):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if (self.epoch, batch) == self.place:
                raise KeyboardInterrupt

    _, history, _ = train(tmp_path, Interrupt(3, 2, kill=False))
    assert history.interrupted
    assert (tmp_path / "backup" / "checkpoint").exists()


@pytest.mark.parametrize("place", [(1, 4), (3, 6)])
def test_control_c_leaves_the_last_step_and_not_the_best_weights(
    tmp_path: Path, place: tuple[int, int]
) -> None:
    class Interrupt(Killer):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if (self.epoch, batch) == self.place:
                raise KeyboardInterrupt

    def trained(folder: Path, place: tuple[int, int]) -> Any:
        model = cr.Model([nn.Dense(4, "relu"), nn.Dense(1)])
        model.compile("adam", "binary_crossentropy")
        best = EarlyStopping("loss", mode="max", patience=99)  # the first epoch has the best loss
        callbacks = [best, Interrupt(*place, kill=False), BackupAndRestore(folder)]
        history = model.fit(X, Y, batch_size=10, epochs=5, verbose=0, callbacks=callbacks)
        return model.get_weights(), history, model, best

    stopped = trained(tmp_path / "b", place)
    assert stopped[1].interrupted
    again, whole = trained(tmp_path / "b", (-1, 0)), trained(tmp_path / "w", (-1, 0))
    equal(again[:3], whole[:3])
    assert again[3].best_epoch == 0
    for a, b in zip(stopped[0], whole[0], strict=True):  # what one goes on with meanwhile
        assert a.tobytes() == b.tobytes()


def test_an_interruption_before_the_checkpoint_is_read_leaves_it(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        train(tmp_path, Killer(2, 5, kill=False))
    before = (tmp_path / "backup" / "checkpoint").read_bytes()

    class Early(Killer):
        def on_train_begin(self, logs: Any = None) -> None:
            raise KeyboardInterrupt

    train(tmp_path, Early(-1, 0, kill=False))
    assert (tmp_path / "backup" / "checkpoint").read_bytes() == before


def test_a_crash_between_steps_done_together(tmp_path: Path) -> None:
    """Compiled code that nobody listens to does many steps at a time, now so many, now others."""

    class CrashAt(Callback):
        def __init__(self, epoch: int) -> None:
            self.epoch = epoch

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == self.epoch:
                raise Crash

    def trained(folder: Path, crash: int = -1) -> Any:
        model = cr.Model([nn.Dense(8, "relu"), nn.Dropout(0.3), nn.Dense(1)])
        rule = optim.Clipped(optim.Adam(optim.Cosine(0.02, 40)), by_global_norm=0.5)
        model.compile(rule, "binary_crossentropy", ["accuracy", "auc"], jit_compile=True)
        callbacks = [CrashAt(crash), BackupAndRestore(folder), EarlyStopping("loss", patience=3)]
        size = optim.BatchGrowth(3, every=2, largest=10)
        history = model.fit(X, Y, size, 6, 0, callbacks, class_weight="balanced", seed=3)
        return model.get_weights(), history, model

    for crash in (1, 3, 5):
        with pytest.raises(Crash):
            trained(tmp_path / "a", crash)
    equal(trained(tmp_path / "a"), trained(tmp_path / "b"))


def test_how_often() -> None:
    with pytest.raises(ArgumentError, match=r"(?s)save_freq is 'epoch' or a number.*save_freq=0"):
        BackupAndRestore("backup", save_freq=0)
