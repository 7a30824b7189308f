"""Evaluations in a native training are native where that pays, and say what NumPy's say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn.layers.base import Layer
from chainrule.train import Callback, evaluating
from chainrule.train.worth import Work

RNG = np.random.default_rng(1)
X = RNG.normal(size=(90, 4))
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
WEIGHT = RNG.random(90)
HELD_OUT = (X[40:], Y[40:], WEIGHT[40:])


def worst(y: Any, p: Any) -> Any:
    return np.max(np.abs(y - p))


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """It always pays; the epochs after which there was a native evaluation."""
    found: list[int] = []
    plain = evaluating.Evaluation.__call__

    def noted(self: Any, run: Any, single: bool) -> Any:
        found.append(run.epoch)
        return plain(self, run, single)

    monkeypatch.setattr(evaluating.Evaluation, "__call__", noted)
    monkeypatch.setattr(evaluating, "EVALUATION", Work(0, 0, 0, 0, 0, least=-1.0, node=0))
    return found


def made(jit: bool, layers: Any = None, metrics: bool = True) -> Any:
    model = cr.Model(
        layers or [nn.Dense(5, "tanh"), nn.BatchNormalization(), nn.Dropout(0.3), nn.Dense(1)]
    )
    loss = nn.losses.BinaryCrossentropy(reduction="mean_with_sample_weight")
    names = (["accuracy", "auc", worst], ["mse"]) if metrics else ((), ())
    model.compile("adam", loss, names[0], weighted_metrics=names[1], jit_compile=jit)
    return model


def fit(model: Any, *callbacks: Callback, **options: Any) -> dict[str, list[float]]:
    given: dict[str, Any] = {"epochs": 4, "batch_size": 16, "seed": 3, "verbose": 0}
    given |= {"validation_data": HELD_OUT, "callbacks": callbacks}
    history: dict[str, list[float]] = model.fit(X[:40], Y[:40], **given | options).history
    return history


def near(found: Any, other: Any) -> None:
    assert list(found) == list(other)
    for name in found:
        np.testing.assert_allclose(found[name], other[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({}, [0, 1, 2, 3]),
        ({"validation_batch_size": 50}, [0, 1, 2, 3]),
        ({"validation_steps": 2, "validation_freq": 2}, [1, 3]),
        ({"validation_data": HELD_OUT[:2], "epochs": 5, "validation_freq": 3}, [2]),
    ],
)
def test_the_history_is_that_of_numpy(native: list[int], options: Any, epochs: list[int]) -> None:
    history = fit(made(True), **options)
    assert native == epochs
    near(history, fit(made(False), **options))
    assert native == epochs


def test_without_metrics_there_is_the_loss_alone(native: list[int]) -> None:
    layers = [nn.Dense(3, "tanh"), nn.Dense(1)]  # of no other test: nothing is compiled yet
    alone = fit(made(True, layers, metrics=False))
    both = fit(made(True, layers))
    near({name: both[name] for name in ("loss", "val_loss")}, alone)
    assert len(native) == 8


def test_the_bits_are_the_same_however_many_batches_are_done_together(
    native: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Listens(Callback):
        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            heard.append(batch)

    found, heard = [], list[int]()
    for seconds in (0.0, 1e9):
        monkeypatch.setattr(evaluating, "STRETCH", seconds)
        found += [fit(made(True)), fit(made(True), Listens())]
    assert all(other == found[0] for other in found)
    assert heard == [0, 1, 2, 3] * 8
    assert len(native) == 16


class Hears(Callback):
    """Halves the weights after each epoch's last step; keeps what evaluations say."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 2:
            self.model.params["dense"]["kernel"][:] *= 0.5

    def on_test_begin(self, logs: Any = None) -> None:
        self.said.append("begin")

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.said.append(batch)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.said.append(logs["loss"])

    def on_test_end(self, logs: Any = None) -> None:
        self.said += list(logs.values())


def test_it_is_of_the_weights_that_callbacks_leave_and_they_are_told(native: list[int]) -> None:
    hears, others = Hears(), Hears()
    near(fit(made(True), hears), fit(made(False), others))
    assert len(native) == 4
    assert len(hears.said) == 4 * (1 + 2 * 4 + 5)
    steps = zip(hears.said, others.said, strict=True)
    assert all(a == b if isinstance(a, str) else np.isclose(a, b, rtol=1e-9) for a, b in steps)


class Branches(Layer):
    """No graph out of training: it asks for the value of a number."""

    def __call__(self, params: Any, state: Any, x: Any, *, training: bool, rng: Any = None) -> Any:
        if not training and float(np.max(x)) > 1e9:
            x = x * 0.0
        return x, {}


def test_where_there_is_no_native_code_numpy_evaluates(native: list[int]) -> None:
    layers = [nn.Dense(5, "tanh"), Branches(), nn.Dense(1)]
    near(fit(made(True, layers)), fit(made(False, layers)))
    batches = {"validation_data": lambda: [HELD_OUT]}
    near(fit(made(True), **batches), fit(made(False), **batches))
    assert native == []


def test_few_evaluations_of_few_rows_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluating, "Evaluation", None)
    fit(made(True))


# By itself -------------------------------------------------------------------------------------


def scores(model: Any, **options: Any) -> dict[str, float]:
    given = {"x": X, "y": Y, "batch_size": 16, "return_dict": True} | options
    found: dict[str, float] = model.evaluate(**given)
    return found


def fitted(jit: bool, layers: Any = None) -> Any:
    model = made(jit, layers)
    fit(model, validation_data=None)
    return model


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sample_weight": WEIGHT},
        {"steps": 3},
        {"batch_size": 90},
        {"batch_size": 200},
        {"x": X[:5], "y": Y[:5]},
        {"x": X.astype(np.float32)},
        {"verbose": 2},
    ],
)
def test_evaluate_says_what_numpy_says(native: list[int], options: Any) -> None:
    model = fitted(True)
    found = scores(model, **options)
    assert native == [4]
    model.jit_compile = False
    expected = scores(model, **options)
    assert list(found) == list(expected)
    for name in found:
        assert found[name] == pytest.approx(expected[name], rel=1e-6, abs=1e-9)
    assert native == [4]


def test_evaluate_is_of_the_weights_now(native: list[int]) -> None:
    model = fitted(True)
    first = scores(model)
    model.set_weights([0.0 * w for w in model.get_weights()])
    assert scores(model)["loss"] == pytest.approx(np.log(2.0))
    fit(model, validation_data=None, epochs=5)
    assert scores(model) != first
    assert len(native) == 3


def test_callbacks_hear_of_each_batch_of_evaluate(native: list[int]) -> None:
    model, hears, others = fitted(True), Hears(), Hears()
    scores(model, callbacks=hears)
    model.jit_compile = False
    scores(model, callbacks=others)
    assert len(native) == 1
    steps = zip(hears.said, others.said, strict=True)
    assert all(a == b if isinstance(a, str) else np.isclose(a, b, rtol=1e-9) for a, b in steps)


def test_where_there_is_no_native_code_evaluate_is_by_numpy(native: list[int]) -> None:
    model = fitted(True, [nn.Dense(5, "tanh"), Branches(), nn.Dense(1)])
    expected = scores(model)
    assert scores(model, x=lambda: [(X, Y)], y=None, batch_size=None)["loss"] == pytest.approx(
        expected["loss"]
    )
    assert native == []


def test_the_number_of_evaluations_decides(
    native: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(call=1.0, step=0, passes=0, number=0, parameter=0, least=20.0, node=0)
    monkeypatch.setattr(evaluating, "EVALUATION", work)
    model = fitted(True)
    values = [scores(model)["loss"] for _ in range(5)]  # of six batches each
    assert len(native) == 2
    assert values[0] == values[1] == values[2]
    assert values[3] == values[4] == pytest.approx(values[0], rel=1e-12)
    scores(model, x=X[:80], y=Y[:80])
    assert len(native) == 2
    own = fitted(True, [nn.Dense(5, "tanh"), nn.Lambda(lambda x: 2 * x), nn.Dense(1)])
    for _ in range(5):
        scores(own)  # its code is not kept from one evaluation to the next
    assert len(native) == 2


def test_an_evaluation_is_traced_once(native: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted(True, [nn.Dense(7, "tanh"), nn.Dense(1)])
    traced: list[int] = []
    plain = evaluating.Evaluation._step
    monkeypatch.setattr(
        evaluating.Evaluation,
        "_step",
        lambda self, *args: (traced.append(1), plain(self, *args))[1],
    )
    assert scores(model) == scores(model)
    assert len(native) == 2
    assert len(traced) <= 2  # whole batches, and the short one at the end
