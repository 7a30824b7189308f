"""Named values of networks: a forward pass by hand, and gradients by the outer function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, TreeError
from chainrule.tracing import flatten
from tests.diagnose.networks import X, Y, network


def test_a_network_by_hand() -> None:
    model = network([nn.Dense(4, "relu"), nn.Residual(nn.Dense(4, "tanh")), nn.Dense(1)])
    found = cr.intermediates(model)(X, Y)
    p = model.params
    z = X @ p["dense"]["kernel"] + p["dense"]["bias"]
    h = np.maximum(z, 0.0)
    inner = np.tanh(h @ p["residual"]["inner"]["kernel"] + p["residual"]["inner"]["bias"])
    out = (h + inner) @ p["dense_1"]["kernel"] + p["dense_1"]["bias"]
    for name, value in (("dense.preactivation", z), ("dense", h), ("residual.inner", inner),
                        ("residual", h + inner), ("dense_1", out),
                        ("loss", np.mean((out - Y) ** 2)), ("x", X)):  # fmt: skip
        np.testing.assert_allclose(found[name].value, value, rtol=1e-12, atol=1e-12)
    g = 2.0 * (out - Y) / len(X)
    np.testing.assert_allclose(found["dense_1"].adjoint, g)
    np.testing.assert_allclose(found["residual"].adjoint, g @ p["dense_1"]["kernel"].T)
    np.testing.assert_allclose(
        found["dense.preactivation"].adjoint, (z > 0) * found["dense"].adjoint
    )
    np.testing.assert_allclose(
        found["x"].adjoint, found["dense.preactivation"].adjoint @ p["dense"]["kernel"].T
    )


def test_gradients_and_tangents() -> None:
    model = network([nn.Dense(4, "tanh"), nn.Dense(1)])
    found = cr.intermediates(model)(X, Y)

    def loss(params: Any) -> Any:
        return np.mean((model.layer(params, model.state, X, training=False)[0] - Y) ** 2)

    slope = cr.grad(loss)(model.params)
    squared = sum(np.sum(g**2) for g in flatten(slope)[0])
    for layer in ("dense", "dense_1"):
        for name in ("kernel", "bias"):
            np.testing.assert_allclose(found[f"{layer}.{name}"].adjoint, slope[layer][name])
            np.testing.assert_allclose(found[f"{layer}.{name}"].tangent, -slope[layer][name])
    assert found["loss"].tangent == pytest.approx(-squared)
    # Another direction: the bias of the last layer alone moves every output by as much.
    leaves, spec = flatten(model.params)
    move = spec.unflatten([np.zeros_like(leaf) for leaf in leaves])
    move["dense_1"]["bias"] += 1.0
    found = cr.intermediates(model, tangents=move)(X, Y)
    assert np.all(found["dense_1"].tangent == 1.0)
    assert not found["dense"].tangent.any()
    assert found["loss"].tangent == pytest.approx(slope["dense_1"]["bias"][0])


def test_a_last_sigmoid_lies_in_the_loss() -> None:
    model = network([nn.Dense(1, "sigmoid")], loss="binary_crossentropy")
    t = (Y > 0).astype(int).ravel()
    found = cr.intermediates(model)(X, t)
    p = model.predict(X)
    np.testing.assert_allclose(found["dense"].value, np.log(p / (1 - p)))
    np.testing.assert_allclose(found["dense"].adjoint, (p - t[:, None]) / len(X), atol=1e-15)
    assert found["loss"].step == "BinaryCrossentropy"
    alone = cr.intermediates(model)(X)
    np.testing.assert_allclose(alone["dense"].value, p)
    assert np.all(alone["dense"].adjoint == 1.0)
    assert "loss" not in alone


@dataclass(frozen=True)
class Attention(nn.Layer):
    """Self-attention of rows."""

    inner: Any

    def build(self, rng: Any, input_shape: Any, *, dtype: Any = np.float64) -> Any:
        params, state = self.inner.build(rng, input_shape, dtype=dtype)
        return {"inner": params}, {"inner": state}

    def output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def __call__(self, params: Any, state: Any, x: Any, *, training: bool, rng: Any = None) -> Any:
        y, _ = self.inner(params["inner"], state["inner"], x, training=training)
        scores = y @ y.T
        weights = cr.softmax(scores)
        return weights @ x, state


def test_variables_of_the_users_own_layers_and_losses() -> None:
    def gap_loss(y: Any, p: Any) -> Any:
        gap = p - y
        return np.mean(gap**2, axis=-1)

    model = network([Attention(nn.Dense(3)), nn.Dense(1)], loss=gap_loss)
    found = cr.intermediates(model)(X[:8], Y[:8])
    assert {"attention.scores", "attention.weights", "attention.inner", "attention"} <= set(found)
    np.testing.assert_allclose(found["attention.weights"].value.sum(axis=1), 1.0)
    gap = next(name for name in found if name.endswith("gap"))
    np.testing.assert_allclose(found[gap].adjoint, 2.0 * found[gap].value / 8)


def test_in_use_and_in_training() -> None:
    model = network([nn.Dense(20, "tanh"), nn.BatchNormalization(), nn.Dropout(0.5), nn.Dense(1)])
    use, train = (cr.intermediates(model, training=t)(X, Y) for t in (False, True))
    assert np.mean(train["dropout"].value == 0.0) > 0.3
    assert np.abs(train["batch_normalization"].value.mean(axis=0)).max() < 1e-12
    np.testing.assert_array_equal(use["dropout"].value, use["batch_normalization"].value)


def test_mistakes_are_told() -> None:
    model = network([nn.Dense(1)])
    model.build((20,))
    with pytest.raises(ArgumentError, match="belong to functions"):
        cr.intermediates(model, everything=True)
    with pytest.raises(TreeError, match="the structure of the tangent differs"):
        cr.intermediates(model, tangents=1.0)(X, Y)
    with pytest.raises(ArgumentError, match="must be compiled before"):
        cr.intermediates(cr.Model([nn.Dense(1)]))(X, Y)
