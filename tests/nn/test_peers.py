"""Outputs and gradients equal those of Keras and PyTorch, stored with their versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

FOLDER = Path(__file__).parent / "reference"
KERAS = json.loads((FOLDER / "keras.json").read_text())
TORCH = json.loads((FOLDER / "torch.json").read_text())
EXACT = {"rtol": 1e-12, "atol": 1e-13}
# Keras takes means in float32 even for arrays of float64, and adds 1e-7 inside logarithms.
SINGLE = {"rtol": 3e-6, "atol": 1e-6}
STATE = ("moving_mean", "moving_variance")


def options_of(case: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in case["options"].items()}


def name_of(case: dict[str, Any]) -> str:
    kind = case.get("layer") or case.get("loss") or case.get("metric")
    return f"{kind} {case['options']}"


def test_the_figures_name_their_makers() -> None:
    assert KERAS["versions"]["keras"].startswith("3.")
    assert set(TORCH["versions"]) == {"python", "torch", "numpy"}


@pytest.mark.parametrize("case", KERAS["layers"], ids=name_of)
def test_layers_give_what_keras_gives(case: dict[str, Any]) -> None:
    layer = getattr(nn, case["layer"])(**options_of(case))
    x = np.array(case["x"])
    weights = {k: np.array(v) for k, v in case["weights"].items()}
    params, state = layer.build(0, x.shape[1:])
    shapes = {k: v.shape for k, v in (params | state).items()}
    assert shapes == {k: v.shape for k, v in weights.items()}
    params = {k: weights[k] for k in params}
    state = {k: weights[k] for k in state}
    for batch, expected in zip(case.get("batches", []), case.get("training", []), strict=True):
        y, state = layer(params, state, np.array(batch), training=True)
        np.testing.assert_allclose(y, expected, **SINGLE)
    for key, value in state.items():
        np.testing.assert_allclose(value, case["after"][key], **SINGLE)
    y, after = layer(params, state, x, training=False)
    np.testing.assert_allclose(y, case["y"], **SINGLE)
    assert after is state
    assert layer.output_shape(x.shape[1:]) == y.shape[1:]


@pytest.mark.parametrize("case", KERAS["losses"], ids=name_of)
def test_losses_give_what_keras_gives(case: dict[str, Any]) -> None:
    options = case["options"] | ({"from_logits": False} if case["loss"] == "Poisson" else {})
    y, p, w = (np.array(case[key]) for key in "ypw")
    for reduction in ("sum_over_batch_size", "mean_with_sample_weight", "sum", "none"):
        loss = getattr(nn.losses, case["loss"])(**options, reduction=reduction)
        plain, weighted = case[reduction]
        np.testing.assert_allclose(loss(y, p), plain, **SINGLE)
        np.testing.assert_allclose(loss(y, p, w), weighted, **SINGLE)


@pytest.mark.parametrize("case", KERAS["metrics"], ids=name_of)
def test_metrics_give_what_keras_gives(case: dict[str, Any]) -> None:
    if case["metric"] == "R2Score":
        case = case | {"options": {}}
    metric = getattr(nn.metrics, case["metric"])(**case["options"])
    y, p, w = (np.array(case[key]) for key in "ypw")
    # Keras keeps the sums of its metrics in float32.
    assert metric(y, p) == pytest.approx(case["value"], rel=1e-6)
    assert metric(y, p, w) == pytest.approx(case["weighted"], rel=1e-6)


@pytest.mark.parametrize("case", TORCH["losses"], ids=lambda c: f"{c['loss']} {c['options']}")
def test_losses_give_what_pytorch_gives(case: dict[str, Any]) -> None:
    loss = getattr(nn.losses, case["loss"])(**case["options"])
    w = None if case["w"] is None else np.array(case["w"])
    found = loss(np.array(case["y"]), np.array(case["p"]), w)
    np.testing.assert_allclose(found, case["value"], rtol=1e-12)


def test_batch_normalization_under_pytorchs_conventions() -> None:
    """momentum 1 − 0.1, δ = 1e-5 and the unbiased running variance; gradients through both."""
    case = TORCH["batch_norm"]
    layer = nn.BatchNormalization(momentum=0.9, epsilon=1e-5, unbiased=True)
    _, state = layer.build(0, (3,))
    params = {"gamma": np.array([0.5, 1.0, 1.5]), "beta": np.array([0.1, 0.0, -0.2])}
    before = state
    for batch in case["batches"]:
        before = state
        y, state = layer(params, state, np.array(batch), training=True)
    np.testing.assert_allclose(y, case["y"], **EXACT)
    np.testing.assert_allclose(state["moving_mean"], case["after"]["mean"], **EXACT)
    np.testing.assert_allclose(state["moving_variance"], case["after"]["variance"], **EXACT)
    single, _ = layer(params, state, np.array(case["batches"][0][:1]), training=False)
    np.testing.assert_allclose(single, case["single"], **EXACT)

    def total(params: Any, x: Any) -> Any:
        return np.sum(np.array(case["c"]) * layer(params, before, x, training=True)[0])

    by_params, by_x = cr.grad(total, argnums=(0, 1))(params, np.array(case["batches"][-1]))
    np.testing.assert_allclose(by_x, case["gradients"]["x"], **EXACT)
    np.testing.assert_allclose(by_params["gamma"], case["gradients"]["gamma"], **EXACT)
    np.testing.assert_allclose(by_params["beta"], case["gradients"]["beta"], **EXACT)


def test_a_convolutional_network_has_pytorchs_loss_and_gradients() -> None:
    case = TORCH["network"]
    net = nn.Sequential(
        [
            nn.Conv2D(3, 3, strides=2, activation="tanh", name="conv"),
            nn.MaxPooling2D(),
            nn.Flatten(),
            nn.Dense(4, name="dense"),
        ]
    )
    built, state = net.build(0, (9, 9, 2))
    params = {k: {n: np.array(case[k][n]) for n in part} for k, part in built.items()}
    loss = nn.losses.SparseCategoricalCrossentropy()

    def total(params: Any) -> Any:
        y, _ = net(params, state, np.array(case["x"]), training=True)
        return loss(np.array(case["labels"]), y)

    value, gradient = cr.value_and_grad(total)(params)
    assert value == pytest.approx(case["loss"], rel=1e-12)
    for layer, part in gradient.items():
        for key, found in part.items():
            np.testing.assert_allclose(found, case[layer][f"{key}_gradient"], **EXACT)


def test_embedding_adds_the_gradients_of_repeated_numbers_as_pytorch_does() -> None:
    case = TORCH["embedding"]
    layer = nn.Embedding(5, 2)
    index, c = np.array(case["index"]), np.array(case["c"])

    def total(params: Any) -> Any:
        return np.sum(c * layer(params, {}, index, training=True)[0])

    params = {"embeddings": np.array(case["table"])}
    np.testing.assert_array_equal(layer(params, {}, index, training=False)[0], case["y"])
    np.testing.assert_allclose(cr.grad(total)(params)["embeddings"], case["gradient"], **EXACT)
