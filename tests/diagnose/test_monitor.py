"""GradientMonitor: the records are those of the network as it was then; fit is not disturbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError
from tests.diagnose.networks import X, Y, deep, network


def trained(monitor: Any, epochs: int = 3, **options: Any) -> Any:
    model = deep("relu", "he_normal", depth=2, units=8)
    model.fit(X, Y, epochs=epochs, callbacks=monitor, verbose=0, **options)
    return model


def test_records_are_of_the_network_as_it_is() -> None:
    monitor = cr.GradientMonitor((X, Y), rows=256)
    model = trained(monitor)
    assert monitor.epochs == [0, 1, 2, 3]
    assert monitor.records[0] == cr.gradient_health(
        deep("relu", "he_normal", depth=2, units=8), X, Y
    )
    assert monitor.records[-1] == cr.gradient_health(model, X, Y)
    history = monitor.history("weight_gradient_norm")
    assert list(history) == ["dense", "dense_1", "dense_2"]
    assert history["dense"][2] == monitor.records[2]["dense"].weight_gradient_norm
    assert str(monitor) == str(monitor.records[-1])


def test_the_training_stays_the_same() -> None:
    alone, watched = trained([]), trained(cr.GradientMonitor())
    for a, b in zip(alone.get_weights(), watched.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_compiled_training_stays_compiled() -> None:
    monitor = cr.GradientMonitor()
    assert not monitor.hears_steps
    model = network([nn.Dense(4, "tanh"), nn.Dense(1)])
    model.compile("sgd", "mse", jit_compile=True)
    model.fit(X, Y, epochs=2, callbacks=monitor, verbose=0)
    assert [r.steps for r in monitor.records] == [0, 8, 16]
    assert monitor.records[-1]["dense"] == cr.gradient_health(model, X, Y)["dense"]


def test_every_so_many_epochs_on_rows_of_the_training() -> None:
    monitor = cr.GradientMonitor(rows=100, every=2)
    trained(monitor, epochs=5)
    assert monitor.epochs == [0, 2, 4]
    assert {r.rows for r in monitor.records} == {100}


def test_streams_give_their_first_batch() -> None:
    monitor = cr.GradientMonitor()
    model = network([nn.Dense(1)])
    model.fit(lambda: ((X[i : i + 32], Y[i : i + 32]) for i in (0, 32)), epochs=2,
              callbacks=monitor, verbose=0)  # fmt: skip
    assert [r.rows for r in monitor.records] == [32, 32, 32]


def test_a_training_that_goes_on_keeps_its_records(tmp_path: Path) -> None:
    whole = cr.GradientMonitor((X, Y))
    trained(whole, epochs=4)

    def kill(epoch: int, logs: Any = None) -> None:
        if epoch == 2 and not done:
            done.append(epoch)
            raise SystemExit

    done: list[int] = []
    killer = cr.train.LambdaCallback(on_epoch_begin=kill)

    backup = cr.train.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
    with pytest.raises(SystemExit):
        trained([cr.GradientMonitor((X, Y)), backup, killer], epochs=4)
    again = cr.GradientMonitor((X, Y))
    trained([again, backup, killer], epochs=4)
    assert again.epochs == whole.epochs
    assert again.records == whole.records


def test_the_plot_shows_the_logarithms() -> None:
    monitor = cr.GradientMonitor()
    trained(monitor)
    axes = monitor.plot("gradient_rms")
    shown = axes.get_images()[0].get_array()
    assert np.allclose(shown[0], np.log10(monitor.history("gradient_rms")["dense"]))
    assert [t.get_text() for t in axes.get_yticklabels()] == ["dense", "dense_1", "dense_2"]


def test_mistakes_are_told() -> None:
    with pytest.raises(ArgumentError, match="looks at"):
        cr.GradientMonitor(X)
    monitor = cr.GradientMonitor()
    assert "nothing is recorded yet" in str(monitor)
    with pytest.raises(ArgumentError, match="one of input_rms"):
        monitor.history("gradients")
    with pytest.raises(ArgumentError, match="nothing to draw"):
        monitor.plot()
