"""Inputs that a layer refuses are refused before native code takes all numbers for valid."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError
from chainrule.train import evaluating
from chainrule.train.worth import Work

RNG = np.random.default_rng(0)
Y = RNG.standard_normal((64, 1))


def tokens(row: int, number: Any, dtype: Any = np.int64) -> Any:
    x = RNG.integers(0, 7, (64, 5)).astype(dtype)
    x[row, 2] = number
    return x


def model() -> cr.Model:
    made = cr.Model([nn.Embedding(7, 4), nn.Flatten(), nn.Dense(1)])
    made.compile("sgd", "mse", jit_compile=True)
    return made


@pytest.mark.parametrize("row", [3, 60])  # in the first batch, and in a later one
@pytest.mark.parametrize(
    ("number", "dtype", "words"),
    [(9, np.int64, "outside 0 to 6"), (-1, np.int32, "outside 0 to 6"),
     (7, np.float64, "outside 0 to 6"), (2.5, np.float64, "whole numbers"),
     (np.nan, np.float32, "whole numbers")],
)  # fmt: skip
def test_training(row: int, number: Any, dtype: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        model().fit(tokens(row, number, dtype), Y, batch_size=16, epochs=2, verbose=0)


def test_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluating, "EVALUATION", Work(0, 0, 0, 0, 0, least=-1.0, node=0))
    with pytest.raises(ArgumentError, match="outside 0 to 6"):
        model().fit(
            tokens(0, 1), Y, batch_size=16, epochs=2, verbose=0,
            validation_data=(tokens(40, 7), Y), validation_batch_size=8,
        )  # fmt: skip


def test_predictions_of_a_shape_that_comes_again() -> None:
    made = model()
    good = tokens(0, 1, np.float64)
    made.fit(good, Y, batch_size=16, epochs=1, verbose=0)
    for _ in range(30):
        made.predict(good, verbose=0)
    with pytest.raises(ArgumentError, match="outside 0 to 6"):
        made.predict(tokens(5, 8, np.float64), verbose=0)


def test_an_embedding_behind_an_input_of_many() -> None:
    net = nn.Graph(
        lambda layers, x: layers.out(np.concatenate(
            [layers.words(x["words"]).mean(axis=1), x["sizes"]], axis=1)),
        {"words": nn.Embedding(7, 3), "out": nn.Dense(1)},
    )  # fmt: skip
    x = {"words": tokens(50, 11), "sizes": RNG.standard_normal((64, 2))}
    made = cr.Model(net)
    made.compile("sgd", "mse", jit_compile=True)
    with pytest.raises(ArgumentError, match="outside 0 to 6"):
        made.fit(x, Y, batch_size=16, epochs=2, verbose=0)
    x["words"][50, 2] = 6
    assert np.isfinite(made.fit(x, Y, batch_size=16, epochs=2, verbose=0).history["loss"]).all()
