"""One compiled step at a time: streams, arrays on the disk, layers with loops, training by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, DivergenceError
from chainrule.optim import Adam, Clipped, Cosine
from chainrule.train import native, single
from chainrule.train.worth import Work, size

RNG = np.random.default_rng(1)
X = RNG.standard_normal((43, 5))
Y = X @ np.arange(1.0, 6.0)
SIDE = np.where(Y > 0, "up", "down")
SERIES = RNG.standard_normal((43, 7, 2))


@dataclass(frozen=True)
class Recurrent(nn.Layer):
    """hₜ = tanh(W xₜ + U hₜ₋₁); the last one."""

    units: int = 3

    def build(self, rng: Any, input_shape: Any, *, dtype: Any = np.float64) -> Any:
        rng = np.random.default_rng(rng)
        shapes = {"W": (input_shape[-1], self.units), "U": (self.units, self.units)}
        return {k: 0.5 * rng.standard_normal(s).astype(dtype) for k, s in shapes.items()}, {}

    def output_shape(self, input_shape: Any) -> Any:
        return (self.units,)

    def __call__(self, params: Any, state: Any, x: Any, *, training: Any, rng: Any = None) -> Any:
        xs = np.moveaxis(x @ params["W"], 1, 0)
        last, _ = cr.scan(
            lambda h, x: (np.tanh(x + h @ params["U"]), None), np.zeros_like(xs[0]), xs
        )
        return last, state


def batches(x: Any = X, y: Any = Y, weight: Any = None) -> Callable[[], Iterator[Any]]:
    def each() -> Iterator[Any]:
        for k in range(0, len(x), 10):
            rows = slice(k, k + 10)
            yield (x[rows], y[rows]) if weight is None else (x[rows], y[rows], weight[rows])

    return each


def mlp() -> list[nn.Layer]:
    return [nn.Dense(6, "tanh"), nn.BatchNormalization(), nn.Dropout(0.3), nn.Dense(1)]


def trained(jit: Any, layers: Any, *data: Any, **options: Any) -> tuple[cr.Model, Any]:
    model = cr.Model(layers)
    given = {"optimizer": "adam", "loss": "mse", "metrics": ["mae"]} | options.pop("compile", {})
    model.compile(**given, jit_compile=jit)
    history = model.fit(*data, **({"epochs": 3, "verbose": 0, "seed": 4} | options))
    return model, history.history


def agree(layers: Any, *data: Any, **options: Any) -> None:
    one, other = (trained(jit, layers, *data, **options) for jit in (True, False))
    for a, b in zip(one[0].get_weights(), other[0].get_weights(), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)
    assert list(one[1]) == list(other[1])
    for name in one[1]:
        np.testing.assert_allclose(one[1][name], other[1][name], rtol=1e-8)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compile": {"optimizer": Adam(Cosine(0.1, 12))}},
        {"compile": {"optimizer": Clipped(Adam(0.1), by_global_norm=0.5)}},
        {"callbacks": [cr.train.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))]},
        {"validation_data": (X[:13], Y[:13])},
        {"validation_data": batches(X[::-1], Y[::-1])},
    ],
    ids=["plain", "schedule", "clipped", "rates", "validation", "validation stream"],
)
def test_streams(options: Any) -> None:
    agree(mlp(), batches(), **options)


def test_weights_and_classes_in_streams() -> None:
    loss = {"loss": "binary_crossentropy", "metrics": ["accuracy", "auc"]}
    data = batches(X, SIDE, np.linspace(0.0, 2.0, 43))
    agree([nn.Dense(4, "relu"), nn.Dense(1, "sigmoid")], data, compile=loss,
          class_weight={"up": 3.0})  # fmt: skip


def test_single_precision() -> None:
    model, _ = trained(True, mlp(), batches(X.astype(np.float32), Y.astype(np.float32)))
    assert {w.dtype for w in model.get_weights()} == {np.dtype(np.float32)}
    steps = model.run.state.optimizer.step
    assert type(steps) is int
    assert steps == 15


def test_arrays_on_the_disk(tmp_path: Path) -> None:
    kept = np.memmap(tmp_path / "x", np.float64, "w+", shape=X.shape)
    kept[:] = X
    agree(mlp(), kept, Y, batch_size=10)


def test_loops_in_layers() -> None:
    agree([Recurrent(), nn.Dense(1)], SERIES, Y, batch_size=16, validation_split=0.3)
    model, _ = trained(True, [Recurrent(), nn.Dense(1)], SERIES, Y)
    assert not model.single.needed  # many steps in one call
    agree([Recurrent(), nn.Dense(1)], batches(SERIES))


def test_a_second_fit_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = trained(True, [Recurrent(), nn.Dense(1)], batches(SERIES))
    versions = len(model.single._run.versions)
    monkeypatch.setattr(native, "NativeSteps", None)
    model.fit(batches(SERIES), verbose=0)
    assert len(model.single._run.versions) == versions == 2
    monkeypatch.undo()
    again = copy.deepcopy(model)
    assert again.single._run.versions == {}
    again.fit(batches(SERIES), verbose=0)


def test_streams_of_many_shapes_are_compiled_in_part() -> None:
    def each() -> Iterator[Any]:
        for n in range(1, 2 * single.MOST):
            yield SERIES[:, :1].repeat(n, 1), Y

    agree([nn.GlobalAveragePooling1D(), nn.Dense(1)], each)
    model, _ = trained(True, [nn.GlobalAveragePooling1D(), nn.Dense(1)], each)
    assert len(model.single._run.versions) == single.MOST


def test_an_embedding_refuses_what_it_has_no_row_for() -> None:
    def each() -> Iterator[Any]:
        yield np.array([[1], [2]]), [0.0, 1.0]
        yield np.array([[1], [5]]), [0.0, 1.0]

    with pytest.raises(ArgumentError, match=r"(?s)outside 0 to 3.*from 1 to 5"):
        trained(True, [nn.Embedding(4, 2), nn.Flatten(), nn.Dense(1)], each)


def test_a_step_of_a_stream_that_is_not_finite() -> None:
    bad = X.copy()
    bad[21, 2] = np.nan
    with pytest.raises(DivergenceError, match=r"epoch 1, step 3.*(?s:.*)x\[1, 2\] is nan"):
        trained(True, mlp(), batches(bad))


def test_what_cannot_be_compiled_says_why() -> None:
    branch = nn.Lambda(lambda x: x if np.sum(x) > 0 else -x)
    with pytest.raises(ArgumentError, match=r"(?s)has no native code.*by a traced value"):
        trained(True, [branch, nn.Dense(1)], batches())
    trained("auto", [branch, nn.Dense(1)], batches())


def test_loops_count_as_often_as_they_run() -> None:
    model = cr.Model([Recurrent(4)]).build((7, 2))
    model.compile("sgd", "mse")
    found = size(model.compiled("fit"), model.run.state, SERIES[:1])
    assert found.products == 7 * (2 * 4 + 4 * 4)
    assert found.steps > 7 * 3 > found.nodes


@pytest.mark.parametrize("least", [-1.0, 1e9])
def test_a_stream_is_compiled_where_it_pays(least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "TRAINING", Work(0, 0, 0, 0, 0, least=least, node=0))
    model, _ = trained("auto", mlp(), batches())
    assert bool(model.single._run.versions) == (least < 0)


# Steps one by one --------------------------------------------------------------------------------


@pytest.mark.parametrize("jit", [True, False, "auto"])
def test_steps_by_hand_are_those_of_fit(jit: Any) -> None:
    layers = [nn.Dense(6, "tanh"), nn.BatchNormalization(), nn.Dense(1, "sigmoid")]
    made = {"loss": "binary_crossentropy", "metrics": ["accuracy", "auc"]}
    model, history = trained(
        False, layers, X, SIDE, compile=made, batch_size=43, epochs=30, shuffle=False
    )
    mine = cr.Model(layers)
    mine.compile("adam", **made, jit_compile=jit)
    found = [mine.train_on_batch(X, SIDE, return_dict=True, seed=4) for _ in range(30)]
    for name in history:
        np.testing.assert_allclose([f[name] for f in found], history[name], rtol=1e-9)
    for a, b in zip(mine.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert len(mine.single._run.versions) == (0 if jit is False else 1)
    assert mine.evaluate(X, SIDE) == pytest.approx(model.evaluate(X, SIDE))


def test_each_step_by_hand_draws_anew() -> None:
    model = cr.Model([nn.Lambda(lambda x: x), nn.Dropout(0.5), nn.Dense(1)])
    model.compile(cr.optim.SGD(0.0), "mse")
    assert len({model.train_on_batch(X, Y) for _ in range(5)}) == 5


def test_a_step_by_hand_that_is_not_finite_changes_nothing() -> None:
    model = cr.Model(mlp())
    model.compile("adam", "mse")
    assert isinstance(model.train_on_batch(X, Y), float)
    before = model.get_weights()
    with pytest.raises(DivergenceError, match=r"(?s)step 2.*x\[0, 0\] is nan"):
        model.train_on_batch(X * np.nan, Y)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
