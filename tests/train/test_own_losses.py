"""Losses of the user's own may want targets of another shape than the outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.losses import Loss

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
KIND = np.abs(X[:, 0] * 2).astype(int) % 3


def by_index(y: Any, p: Any) -> Any:
    """−log softmax(p)[y], which needs whole numbers."""
    return -cr.log_softmax(p)[np.arange(len(y)), y]


@dataclass(frozen=True)
class ByIndex(Loss):
    def rows(self, y_true: Any, y_pred: Any) -> Any:
        return by_index(y_true, y_pred)


def gaussian(y: Any, p: Any) -> Any:
    """−log N(y; m, s²) with the mean m and log s as the two outputs."""
    m, log_s = p[:, 0], p[:, 1]
    return 0.5 * ((y - m) / np.exp(log_s)) ** 2 + log_s + 0.5 * np.log(2 * np.pi)


def trained(outputs: int, loss: Any, y: Any, jit: bool = False, **fit: Any) -> cr.Model:
    model = cr.Model([nn.Dense(8, "tanh"), nn.Dense(outputs)])
    model.compile(cr.optim.Adam(0.05), loss, jit_compile=jit)
    model.fit(X, y, epochs=5, verbose=0, **fit)
    return model


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("loss", [by_index, ByIndex()])
def test_whole_numbers_index(loss: Any, jit: bool) -> None:
    own = trained(3, loss, KIND, jit)
    same = trained(3, "sparse_categorical_crossentropy", KIND, jit)
    for a, b in zip(own.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert own.evaluate(X, KIND) == pytest.approx(same.evaluate(X, KIND), rel=1e-9)


@pytest.mark.parametrize("jit", [True, False])
def test_a_mean_and_a_spread_for_each_number(jit: bool, tmp_path: Path) -> None:
    """A constant model's best mean and spread are those of the targets."""
    y = 3.0 + 2.0 * RNG.standard_normal(60)
    constant = cr.Model([nn.Lambda(lambda x: 0 * x), nn.Dense(2)])
    constant.compile(cr.optim.Adam(0.05), gaussian, jit_compile=jit)
    constant.fit(X, y, batch_size=60, epochs=800, verbose=0)
    m, log_s = constant.predict(X[:1])[0]
    assert (m, np.exp(log_s)) == pytest.approx((y.mean(), y.std()), rel=1e-4)

    model = trained(2, gaussian, y, jit)
    model.save(tmp_path / "m")
    again = cr.load(tmp_path / "m", custom={"gaussian": gaussian})
    assert again.evaluate(X, y) == model.evaluate(X, y)


def test_what_does_not_fit_what_was_trained() -> None:
    model = trained(3, by_index, KIND)
    with pytest.raises(ShapeError, match=r"(?s)another shape than those .*\(60, 2\).*\(rows\)"):
        model.evaluate(X, np.ones((60, 2)))
    with pytest.raises(ArgumentError, match="class_weight needs a loss for classes"):
        trained(3, by_index, KIND, class_weight="balanced")
    with pytest.raises(ArgumentError, match="trained with a loss for classes"):
        model.predict_classes(X)


def test_the_librarys_losses_are_not_broadcast() -> None:
    with pytest.raises(ShapeError, match="does not fit the outputs of the model"):
        trained(3, "mse", X)
