"""Compiled training and the reference's: the same weights and history but for rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError

RNG = np.random.default_rng(0)
N = 61
X = RNG.standard_normal((N, 5))
SIDE = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
KIND = np.abs(X[:, 0] * 2).astype(int) % 3
NUMBERS = X @ RNG.standard_normal((5, 2))
IMAGES = RNG.standard_normal((N, 6, 6, 2))
SERIES = RNG.standard_normal((N, 8, 3))
RARE = RNG.random(N)


def mlp(outputs: int, last: str | None = None) -> list[nn.Layer]:
    return [nn.Dense(4, "tanh"), nn.Dense(outputs, last)]


def agree(
    layers: Any, x: Any, y: Any, loss: Any, optimizer: Any = "adam", metrics: Any = (), **fit: Any
) -> None:
    found = []
    for jit in (True, False):
        model = cr.Model(layers)
        weighted = ["accuracy" if str(loss).startswith("sparse") else "mse"]
        model.compile(optimizer, loss, metrics, weighted_metrics=weighted, jit_compile=jit)
        options = {"batch_size": 16, "epochs": 3, "verbose": 0, "seed": 3} | fit
        history = model.fit(x, y, **options).history
        found.append((model.get_weights(), history))
    (weights, history), (others, other) = found
    assert list(history) == list(other)
    single = weights[0].dtype == np.float32
    near: dict[str, float] = {"rtol": 1e-4 if single else 1e-9, "atol": 1e-5 if single else 1e-10}
    for name in history:
        np.testing.assert_allclose(history[name], other[name], err_msg=name, **near)
    for a, b in zip(weights, others, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, **near)


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_optimizers(name: str) -> None:
    agree(mlp(1), X, SIDE, "binary_crossentropy", optim.by_name(name), ["accuracy"])


@pytest.mark.parametrize(
    "rule",
    [
        optim.Momentum(0.1, 0.9, "average"),
        optim.AdaGrad(0.1, delta_at="inside", initial=0.1),
        optim.Adam(0.01, delta_at="uncorrected"),
        optim.Adam(0.01, l1=1e-3, l2=1e-2, weight_decay=1e-2, penalize=optim.kernels_only),
        optim.Nesterov(0.01, l1=1e-3, l2=1e-2),
        optim.Clipped(optim.Momentum(0.05), by_global_norm=0.5),
        optim.Clipped(optim.Nesterov(0.05), by_norm=0.3),
        optim.Clipped(optim.Adam(optim.Cosine(0.1, 9)), by_value=0.1),
        optim.SGD(lambda t: 0.1 if t < 5 else 0.01),
        optim.Momentum(optim.OneCycle(0.05, 12), optim.OneCycle(0.05, 12).momentum),
    ],
)
def test_conventions_penalties_clipping_and_schedules(rule: Any) -> None:
    agree(mlp(2), X, NUMBERS, "mse", rule, ["mae"])


DROPS = [
    nn.Dense(6, use_bias=False), nn.BatchNormalization(), nn.Activation("relu"), nn.Dropout(0.3),
    nn.Residual(nn.Sequential([nn.LayerNormalization(), nn.Dense(6, "gelu"), nn.Dropout(0.2)])),
    nn.Dense(1, "sigmoid"),
]  # fmt: skip
CONVOLUTIONS = [
    nn.Conv2D(4, 3, activation="relu", padding="same"), nn.MaxPooling2D(),
    nn.Conv2D(3, 2, use_bias=False), nn.BatchNormalization(unbiased=True, momentum=0.9),
    nn.GlobalAveragePooling2D(), nn.Dense(3),
]  # fmt: skip
CASES: dict[str, tuple[Any, ...]] = {
    "dropout and norms": (DROPS, X, SIDE, "binary_crossentropy", "adam", ["accuracy", "auc"]),
    "images": (CONVOLUTIONS, IMAGES, KIND, "sparse_categorical_crossentropy"),
    "series": (
        [nn.Conv1D(4, 3, padding="causal"), nn.MaxPooling1D(), nn.Flatten(), nn.Dense(1)],
        SERIES, SIDE, "binary_crossentropy",
    ),
    "scaled": ([nn.Normalization().adapt(3 * X + 1), nn.Dense(2)], 3 * X + 1, NUMBERS, "mae"),
    "one-hot": (mlp(3, "softmax"), X, np.eye(3)[KIND], "categorical_crossentropy"),
    "softmax under mse": (mlp(3, "softmax"), X, np.eye(3)[KIND], "mse"),
    "hinge": (mlp(1), X, SIDE, "hinge", "adam", ["accuracy"]),
    "poisson": (mlp(1, "exponential"), X, KIND.astype(float), "poisson", "adam", ["mae"]),
    "huber": (mlp(2), X, NUMBERS, nn.losses.Huber(0.5), "adam", ["r2", "rmse"]),
    "a function": (mlp(2), X, NUMBERS, lambda y, p: np.mean(np.abs(y - p) ** 1.5, axis=-1)),
    "single": (
        mlp(1), X.astype(np.float32), SIDE, "binary_crossentropy",
        optim.Clipped(optim.AdamW(0.01), by_global_norm=0.5), ["accuracy"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_layers_and_losses(name: str) -> None:
    agree(*CASES[name])


@pytest.mark.parametrize(
    "fit",
    [
        {"class_weight": {0: 0.5, 1: 2.0}, "sample_weight": RARE},
        {"class_weight": "balanced", "validation_split": 0.3, "validation_freq": 2},
        {"batch_size": optim.BatchGrowth(4, 2, 1, 32)},
        {"shuffle": False, "steps_per_epoch": 2, "initial_epoch": 1},
        {"callbacks": cr.train.LearningRateScheduler(lambda epoch, rate: 0.5 * rate)},
    ],
)
def test_what_fit_is_told(fit: Any) -> None:
    loss = nn.losses.BinaryCrossentropy(reduction="mean_with_sample_weight")
    agree(mlp(1), X, SIDE, loss, "adam", ["accuracy"], **fit)


def test_what_is_wrong_with_a_short_batch_is_said_with_the_users_line():
    x = np.random.default_rng(0).standard_normal((9, 3))
    model = cr.Model([nn.Dense(2), nn.BatchNormalization(), nn.Dense(1)])
    model.compile("sgd", "mse", jit_compile=True)
    with pytest.raises(ArgumentError, match="at least two values") as error:
        model.fit(x, x[:, :1], epochs=2, batch_size=8, verbose=0)
    assert "contextlib" not in str(error.value)
    assert "test_engines_agree.py" in str(error.value)
