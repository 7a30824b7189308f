"""Predictions of a shape that is asked for again and again are native."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.train.predictor import AFTER

X = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def trained(jit: Any = "auto", layers: Any = ()) -> cr.Model:
    model = cr.Model([nn.Dense(8, activation="relu"), *layers, nn.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", jit_compile=jit)
    model.fit(X, Y, epochs=2, verbose=0, seed=0)
    return model


def by_hand(model: cr.Model, x: Any) -> Any:
    p, q = model.params.values()
    w1, b1, w2, b2 = p["kernel"], p["bias"], q["kernel"], q["bias"]
    return 1 / (1 + np.exp(-(np.maximum(x @ w1 + b1, 0) @ w2 + b2)))


def many(model: cr.Model, x: Any, times: int = AFTER + 2) -> Any:
    for _ in range(times):
        outputs = model.predict(x)
    return outputs


@pytest.mark.parametrize("rows", [1, 7, 40])
def test_the_same_numbers(rows: int) -> None:
    model = trained()
    first = model.predict(X[:rows])
    assert not model.predictor.functions
    last = many(model, X[:rows])
    assert len(model.predictor.functions) == 1
    assert last.dtype == first.dtype
    np.testing.assert_allclose(last, first, rtol=1e-6)
    np.testing.assert_allclose(last, by_hand(model, X[:rows]), rtol=1e-5)


def test_new_parameters_are_used() -> None:
    model = trained()
    many(model, X[:3])
    model.fit(X, 1 - Y, epochs=3, verbose=0)
    np.testing.assert_allclose(model.predict(X[:3]), by_hand(model, X[:3]), rtol=1e-5)
    model.set_weights([w * 0.5 for w in model.get_weights()])
    np.testing.assert_allclose(model.predict(X[:3]), by_hand(model, X[:3]), rtol=1e-5)
    assert len(model.predictor.functions) == 1
    for layer in model.params:  # other arrays in the dicts
        model.params[layer]["bias"] = model.params[layer]["bias"] + 1.0
    np.testing.assert_allclose(model.predict(X[:3]), by_hand(model, X[:3]), rtol=1e-5)
    for layer, own in model.params.items():  # other dicts
        model.params[layer] = {name: p * 0.5 for name, p in own.items()}
    np.testing.assert_allclose(model.predict(X[:3]), by_hand(model, X[:3]), rtol=1e-5)


def test_batch_normalization_as_in_inference() -> None:
    model = trained(layers=[nn.BatchNormalization(), nn.Dropout(0.5)])
    first = model.predict(X)
    np.testing.assert_allclose(many(model, X), first, rtol=1e-5)
    assert model.predictor.functions


def test_the_choice() -> None:
    model = trained(jit=False)
    many(model, X)
    assert not model.predictor.functions
    model = trained(jit=True)
    many(model, X, 2)
    assert len(model.predictor.functions) == 1


def test_other_inputs_go_their_own_way() -> None:
    model = trained()
    many(model, X[:2])
    expected = model.predict(X[:2])
    np.testing.assert_allclose(model.predict(X[:2].tolist()), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(X[:2].astype(float)), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(np.asfortranarray(X[:2])), expected, rtol=1e-6)
    with pytest.raises(cr.errors.ChainruleError):
        model.predict(X[:2, :3])


def test_a_copy_has_code_of_its_own() -> None:
    model = trained()
    many(model, X)
    other = copy.deepcopy(model)
    assert not other.predictor.functions
    np.testing.assert_allclose(other.predict(X), model.predict(X), rtol=1e-6)
