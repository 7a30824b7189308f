"""A loss or gradient that is not finite: the message says where it began."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.train import DivergenceError

X = np.random.default_rng(1).normal(size=(40, 3))
Y = X[:, :1]


def failure(layers: list[Any], optimizer: Any = "sgd", x: Any = X, y: Any = Y) -> Any:
    model = cr.Model(layers)
    model.compile(optimizer, "mse")
    with pytest.raises(DivergenceError) as caught:
        model.fit(x, y, batch_size=10, epochs=9, shuffle=False, verbose=0)
    # What the model keeps is finite.
    assert all(np.isfinite(w).all() for w in model.get_weights())
    return caught.value


def test_a_function_of_the_users_is_named_with_its_line() -> None:
    def logarithm(z: Any) -> Any:
        return np.log(z)

    error = failure([nn.Dense(4), nn.Lambda(logarithm), nn.Dense(1)])
    assert error.cause == (
        "the training diverged in epoch 1, step 1: its loss is no longer a finite number"
    )
    assert error.got.startswith("a loss of nan; first in Lambda 'lambda': log of values from -")
    assert error.got.endswith("gave nan (log of a number below 0)")
    assert error.line.endswith("return np.log(z)")
    assert "nothing has been learnt yet" in error.remedy


def test_the_usual_cure_is_named() -> None:
    def by_hand(z: Any) -> Any:
        return np.log(cr.sigmoid(1e4 * z))

    error = failure([nn.Dense(4), nn.Lambda(by_hand), nn.Dense(1)])
    assert "log of 0: the sigmoid before it has saturated" in error.got
    assert "cr.log_sigmoid(z) instead of log(sigmoid(z))" in error.remedy


def test_a_layer_inside_of_others_is_named() -> None:
    block = nn.Residual(nn.Sequential([nn.Dense(3, name="hidden"), nn.Lambda(np.log, name="bad")]))
    assert "first in Lambda 'bad': log" in failure([block, nn.Dense(1)]).got


def test_a_rate_that_is_too_large() -> None:
    error = failure([nn.Dense(8), nn.Dense(1)], optim.SGD(1e100))
    assert "epoch 1, step 2: its loss" in error.cause
    assert "first in " in error.got
    assert "choose a smaller learning rate, or clip the gradients" in error.remedy


def test_a_gradient_that_is_infinite_while_the_loss_is_not() -> None:
    def root(z: Any) -> Any:
        return np.sqrt(z)

    error = failure([nn.Dense(4, "relu"), nn.Lambda(root), nn.Dense(1)])
    assert "its gradient is no longer a finite number" in error.cause
    assert "first in the derivative of Lambda 'lambda': that of sqrt of values from 0" in error.got
    assert error.line.endswith("return np.sqrt(z)")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_data_that_are_not_finite(value: float) -> None:
    x = X.copy()
    x[23, 1] = value
    error = failure([nn.Dense(1)], x=x)
    assert "epoch 1, step 3" in error.cause
    assert f"the batch itself is not finite: x[23, 1] is {value}; 1 of 40 rows is" in error.got
    assert error.remedy == "look at those rows of the data"
    y = Y.copy()
    y[5, 0] = np.inf
    assert "y[5, 0] is inf" in failure([nn.Dense(1)], y=y).got


def test_rows_are_named_as_the_data_have_them() -> None:
    import pandas as pd

    frame = pd.DataFrame(X, columns=["age", "height", "weight"])
    frame.loc[7, "height"] = np.inf
    frame.loc[21, "weight"] = -np.inf
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(DivergenceError, match=r"x\[7, 'height'\] is inf; 2 of 40 rows are"):
        model.fit(frame, Y, batch_size=5, verbose=0)  # in a random order


def test_inputs_of_another_scale_are_told() -> None:
    error = failure([nn.Dense(8, "relu"), nn.Dense(1)], optim.SGD(0.1), 1e5 * X)
    assert "the inputs are large (√mean square 8.6e+04)" in error.remedy
    assert "nn.Normalization as the first layer" in error.remedy
    batch_norm = [nn.BatchNormalization(), nn.Dense(1)]
    assert "inputs are large" not in failure(batch_norm, optim.SGD(1e200), 1e5 * X).remedy


def test_a_norm_that_overflows_while_the_gradient_does_not() -> None:
    """Compiled, the norm is the root of a plain sum of squares."""
    model = cr.Model([nn.Dense(16, "relu"), nn.Dense(1)])
    model.compile(optim.SGD(50.0), "mse", jit_compile=True)
    with pytest.raises(DivergenceError) as caught:
        model.fit(X, Y, batch_size=5, epochs=20, verbose=0)
    assert "its gradient is no longer" in caught.value.cause
    assert "and their squares overflow" in caught.value.got


@pytest.mark.parametrize("native", [False, True])
def test_both_engines_say_the_same(native: bool) -> None:
    def by_hand(y: Any, p: Any) -> Any:
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p), axis=-1)

    model = cr.Model([nn.Dense(1, "sigmoid")])
    model.compile("sgd", by_hand, jit_compile=native)
    with pytest.raises(DivergenceError) as caught:
        model.fit(300.0 * X, (Y > 0).astype(float), batch_size=10, shuffle=False, verbose=0)
    error = caught.value
    assert "first in the loss: log of values from 0" in error.got
    assert "cr.log_sigmoid" in error.remedy
    assert "return -np.mean(y * np.log(p)" in error.line


def test_a_validation_loss_that_is_not_finite() -> None:
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(DivergenceError, match=r"validation loss after epoch 1") as caught:
        model.fit(X, Y, validation_data=(X, np.full_like(Y, np.inf)), verbose=0)
    assert "of the validation data y[0, 0] is inf" in caught.value.got
    assert "fit(X, Y, validation_data" in caught.value.line
