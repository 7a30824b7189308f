"""Recurrent layers: PyTorch's outputs and gradients, and what Keras means by the settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError

TORCH = json.loads((Path(__file__).parent / "reference" / "torch.json").read_text())["recurrent"]
KINDS: dict[str, Any] = {"SimpleRNN": nn.SimpleRNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 2))


def from_torch(kind: str, given: dict[str, Any], ending: str) -> dict[str, np.ndarray]:
    """Kernels stand the other way there, a GRU has z behind r, and there are two biases."""
    w, u, b, d = (
        np.array(given[f"{part}_l0{ending}"])
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    n = u.shape[1]
    order = np.arange(len(w))
    if kind == "GRU":
        order = np.concatenate([order[n : 2 * n], order[:n], order[2 * n :]])
    bias = np.stack([b, d])[:, order] if kind == "GRU" else b + d
    return {"kernel": w[order].T, "recurrent_kernel": u[order].T, "bias": bias}


@pytest.mark.parametrize("case", TORCH, ids=lambda c: f"{c['layer']} {len(c['weights'])}")
def test_outputs_and_gradients_are_pytorchs(case: dict[str, Any]) -> None:
    kind, both = case["layer"], len(case["weights"]) > 4
    layer: Any = KINDS[kind](2, return_sequences=True)
    endings = ("", "_reverse") if both else ("",)

    def found(given: dict[str, Any]) -> Any:
        parts = [from_torch(kind, given, ending) for ending in endings]
        return dict(zip(("layer", "backward_layer"), parts, strict=True)) if both else parts[0]

    layer = nn.Bidirectional(layer) if both else layer
    params, x, c = found(case["weights"]), np.array(case["x"]), np.array(case["c"])
    np.testing.assert_allclose(layer(params, {}, x, training=False)[0], case["y"], rtol=1e-12)

    def total(params: Any, x: Any) -> Any:
        return np.sum(c * layer(params, {}, x, training=True)[0])

    by_params, by_x = cr.grad(total, (0, 1))(params, x)
    np.testing.assert_allclose(by_x, case["x_gradient"], rtol=1e-11)
    wanted = found(case["gradients"])
    for mine, theirs in zip(
        *(list(t.values()) if both else [t] for t in (by_params, wanted)), strict=True
    ):
        for key in mine:
            # The gradients of the two biases that are one here are the same.
            twice = 2.0 if key == "bias" and kind != "GRU" else 1.0
            np.testing.assert_allclose(twice * mine[key], theirs[key], rtol=1e-11, err_msg=key)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_output_and_going_backwards(kind: str) -> None:
    every = KINDS[kind](3, return_sequences=True)
    params, state = every.build(1, (5, 2))
    y = every(params, state, X, training=False)[0]
    np.testing.assert_array_equal(KINDS[kind](3)(params, {}, X, training=False)[0], y[:, -1])
    backward = KINDS[kind](3, return_sequences=True, go_backwards=True)
    y = every(params, state, X[:, ::-1], training=False)[0]
    np.testing.assert_allclose(backward(params, {}, X, training=False)[0], y, rtol=1e-13)
    u = params["recurrent_kernel"]
    np.testing.assert_allclose(u @ u.T, np.eye(3), atol=1e-12)  # orthogonal


def test_two_directions_are_put_together() -> None:
    x, one = X, nn.GRU(3, return_sequences=True)
    params, _ = nn.Bidirectional(one).build(0, (5, 2))
    there = one(params["layer"], {}, x, training=False)[0]
    back = one(params["backward_layer"], {}, x[:, ::-1], training=False)[0][:, ::-1]
    for mode, expected in (("sum", there + back), ("ave", (there + back) / 2)):
        y = nn.Bidirectional(one, mode)(params, {}, x, training=False)[0]
        np.testing.assert_allclose(y, expected, rtol=1e-13)
    last = nn.Bidirectional(nn.GRU(3))(params, {}, x, training=False)[0]
    np.testing.assert_allclose(last, np.hstack([there[:, -1], back[:, 0]]), rtol=1e-13)


def test_compiled_as_by_numpy() -> None:
    y = X.sum(axis=(1, 2))

    def losses(native: bool) -> list[float]:
        model = cr.Model([nn.LSTM(2, go_backwards=True), nn.Dense(1)])
        model.compile(cr.optim.Adam(0.1), "mse", jit_compile=native)
        return model.fit(X, y, epochs=5, verbose=0).history["loss"]

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-10)


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"GRU: one example must have 2 axes, \(time, features"):
        nn.GRU(3).build(0, (5,))
    with pytest.raises(ShapeError, match="give that one return_sequences=True"):
        cr.Model([nn.LSTM(3), nn.GRU(2)]).build((5, 2))
    params, _ = nn.LSTM(3).build(0, (5, 2))
    with pytest.raises(ShapeError, match="LSTM: the input must have 2 features at each time"):
        nn.LSTM(3)(params, {}, X[:, :, :1], training=False)
    with pytest.raises(ArgumentError, match=r"(?s)Bidirectional: it is made of.*Dense"):
        nn.Bidirectional(nn.Dense(3))
    with pytest.raises(ShapeError, match="the two layers give examples of different shapes"):
        nn.Bidirectional(nn.GRU(3), "sum", nn.GRU(2, go_backwards=True)).build(0, (5, 2))
