"""Ctrl-C leaves the weights and the position of one and the same step."""

import os
import signal
import threading

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ModelFileError
from chainrule.train import BackupAndRestore, LambdaCallback
from chainrule.train.interrupts import Interrupts

X = np.random.default_rng(0).standard_normal((64, 4))
Y = (X[:, 0] > 0).astype(float)


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_waits_for_the_end_of_the_block():
    done = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        with interrupts.held():
            ctrl_c()
            done.append("to the end")
        done.append("never")
    assert done == ["to the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_elsewhere_it_comes_at_once():
    done = []
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        ctrl_c()
        for _ in range(10**6):
            pass
        done.append("never")
    assert not done


def test_other_handlers_and_threads_are_left_alone():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    seen = []
    thread = threading.Thread(target=lambda: Interrupts().__enter__() and seen.append(1))
    thread.start()
    thread.join()
    assert seen == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_position_fits_the_weights(tmp_path, monkeypatch):
    """The signal comes while the loop writes down a step; what is kept goes on bit by bit."""
    from chainrule.train import loop

    def made():
        model = cr.Model([nn.Dense(3, "tanh"), nn.Dense(1, "sigmoid")])
        model.compile("adam", "binary_crossentropy", jit_compile=False)
        return model

    whole = made()
    whole.fit(X, Y, batch_size=8, epochs=4, verbose=0, callbacks=BackupAndRestore(tmp_path / "w"))
    plain = loop.Run.add

    def interrupted(run, report):
        if (run.epoch, run.step) == (1, 3):
            ctrl_c()
        plain(run, report)

    monkeypatch.setattr(loop.Run, "add", interrupted)
    stopped = made()
    backup = BackupAndRestore(tmp_path / "s")
    history = stopped.fit(X, Y, batch_size=8, epochs=4, verbose=0, callbacks=backup)
    assert history.interrupted
    assert (stopped.run.epoch, stopped.run.step) == (1, 4)
    backup.save()
    monkeypatch.setattr(loop.Run, "add", plain)
    again = made()
    again.fit(X, Y, batch_size=8, epochs=4, verbose=0, callbacks=BackupAndRestore(tmp_path / "s"))
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_data_are_no_data_to_go_on_with(tmp_path):
    def run(x, stop):
        model = cr.Model([nn.Dense(1)])
        model.compile("sgd", "mse", jit_compile=False)
        last = LambdaCallback(on_epoch_end=lambda e, logs: ctrl_c() if stop and e else None)
        callbacks = [BackupAndRestore(tmp_path), last]
        return model.fit(x, Y, epochs=3, verbose=0, callbacks=callbacks)

    assert run(X, True).interrupted
    changed = X.copy()
    changed[5, 2] += 1e-9
    with pytest.raises(ModelFileError, match="is of another training\n  received: data: "):
        run(changed, False)


def test_an_interrupt_while_the_step_is_compiled_ends_the_training(monkeypatch):
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse")
    with monkeypatch.context() as patch:
        patch.setattr("chainrule.train.native.native_steps", lambda *args: ctrl_c() or args)
        history = model.fit(X, Y, epochs=3, verbose=0)
    assert history.interrupted
    assert not history.history
    assert len(model.fit(X, Y, epochs=3, verbose=0).history["loss"]) == 3
