"""A model in a pickle: what was trained, how to go on, and no code."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 5))
Y = np.where(X.sum(1) > 0, "up", "down")


def trained(**settings: Any) -> cr.Model:
    layers = [nn.Dense(8, "relu"), nn.BatchNormalization(), nn.Dropout(0.2), nn.Dense(1, "sigmoid")]
    model = cr.Model(layers, name="small")
    optimizer = cr.optim.Adam(cr.optim.Exponential(0.01, 10, 0.9))
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy", "auc"], **settings)
    model.fit(X, Y, epochs=3, verbose=0, validation_split=0.2, callbacks=[cr.train.EarlyStopping()])
    return model


def again(model: Any) -> Any:
    return pickle.loads(pickle.dumps(model))


def same(a: cr.Model, b: cr.Model) -> bool:
    return all(np.array_equal(p, q) for p, q in zip(a.get_weights(), b.get_weights(), strict=True))


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_model_goes_on_as_if_there_had_been_no_pickle(jit_compile: bool) -> None:
    model = trained(jit_compile=jit_compile)
    loaded = again(model)
    assert same(loaded, model)
    assert loaded.history.history == model.history.history
    assert repr(loaded) == repr(model)
    assert np.array_equal(loaded.predict_classes(X), model.predict_classes(X))
    for m in (model, loaded):
        m.fit(X, Y, epochs=5, initial_epoch=3, verbose=0)
    assert same(loaded, model)
    assert loaded.evaluate(X, Y, return_dict=True) == model.evaluate(X, Y, return_dict=True)


@pytest.mark.parametrize("how", [again, copy.copy, copy.deepcopy])
def test_copies_train_apart(how: Any) -> None:
    model = trained()
    before = model.get_weights()
    other = how(model)
    other.fit(X, Y, epochs=1, verbose=0)
    assert all(np.array_equal(p, q) for p, q in zip(before, model.get_weights(), strict=True))
    assert not same(other, model)


def test_models_at_any_stage() -> None:
    model = cr.Sequential([nn.Dense(2)])
    assert not again(model).built
    model.build((3,))
    assert same(again(model), model)
    model.compile("sgd", "mse")
    assert again(model).optimizer == model.optimizer


def test_compiled_predictions_are_made_anew() -> None:
    model = trained(jit_compile=True)
    for _ in range(3):
        expected = model.predict(X)
    loaded = again(model)
    assert not loaded.predictor.functions
    np.testing.assert_allclose(loaded.predict(X), expected, rtol=1e-12)


def test_the_training_data_are_not_in_it() -> None:
    x = RNG.normal(size=(20_000, 5))
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(x, x[:, :1], verbose=0)
    assert len(pickle.dumps(model)) < 10_000
    assert len(pickle.dumps(history)) < 10_000


def test_in_the_middle_of_a_training() -> None:
    class Keep(cr.train.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            kept.append(pickle.dumps(self.model))

    kept: list[bytes] = []
    model = cr.Model([nn.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, X[:, :1], epochs=3, verbose=0, callbacks=[Keep()])
    loaded = pickle.loads(kept[0])
    loaded.fit(X, X[:, :1], epochs=3, initial_epoch=1, verbose=0)
    assert same(loaded, model)


def test_in_another_process(tmp_path: Path) -> None:
    model = trained()
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "x.npy", X)
    script = (
        "import pickle, numpy as np; m = pickle.load(open('model.pickle', 'rb'));"
        "np.save('out.npy', m.predict(np.load('x.npy')))"
    )
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=env)
    assert np.array_equal(np.load(tmp_path / "out.npy"), model.predict(X))


def test_a_function_without_a_name_is_refused_as_python_does() -> None:
    model = cr.Model([nn.Dense(1), nn.Lambda(lambda x: 2 * x)])
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(model)
