"""Steps that are traced with shapes and dtypes alone: the same programs as from real numbers."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.engine.capture import capture
from chainrule.engine.native import stepping
from chainrule.engine.simplifying import simplified

RNG = np.random.default_rng(0)
ROWS, IMAGES, SERIES = (RNG.standard_normal(s) for s in ((20, 6), (12, 8, 8, 2), (12, 10, 3)))
TOKENS = RNG.integers(0, 7, (12, 5))
NUMBERS, CLASSES, SIDES = RNG.standard_normal((20, 1)), RNG.integers(0, 3, 20), np.arange(20) % 2
D = nn.Dense

OPTIMIZERS = (
    "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam", "adadelta",
    "lion", optim.Clipped(optim.Adam(), by_global_norm=1.0),
)  # fmt: skip
ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "selu", "softplus", "gelu", "silu", "softmax")
NETWORKS: dict[str, tuple[list[Any], Any]] = {
    "batch norm, dropout": (
        [D(5), nn.BatchNormalization(), nn.Activation("relu"), nn.Dropout(0.5), D(1)], ROWS,
    ),
    "layer norm": ([D(5), nn.LayerNormalization(), nn.Residual(D(5, "relu")), D(1)], ROWS),
    "images": (
        [nn.Conv2D(4, 3, padding="same", activation="relu"), nn.MaxPooling2D(2),
         nn.Conv2D(3, 2, strides=2), nn.Flatten(), D(1)], IMAGES,
    ),
    "averages": (
        [nn.Conv2D(4, 3, use_bias=False), nn.BatchNormalization(), nn.AveragePooling2D(2),
         nn.GlobalAveragePooling2D(), D(1)], IMAGES,
    ),
    "series": (
        [nn.Conv1D(4, 3, activation="relu"), nn.MaxPooling1D(2), nn.GlobalMaxPooling1D(), D(1)],
        SERIES,
    ),
    "tokens": ([nn.Embedding(7, 4), nn.Flatten(), D(1)], TOKENS),
}  # fmt: skip


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each step that is compiled is traced in both ways; how often that was."""
    found: list[int] = []

    def both(step: Any, leaves: Any, spec: Any, known: bool) -> Any:
        assert known
        ghosts, numbers = (
            capture(step, leaves, spec, "step", probe=False, ghosts=g) for g in (True, False)
        )
        assert simplified(ghosts.graph).key() == simplified(numbers.graph).key()
        found.append(len(ghosts.graph))
        return numbers

    monkeypatch.setattr(stepping, "_captured", both)
    monkeypatch.setattr("chainrule.train.plans._plans", OrderedDict())
    monkeypatch.setenv("CHAINRULE_CACHE", "off")
    return found


def train(
    layers: Any, x: Any, y: Any, optimizer: Any = "adam", loss: Any = "mse", **given: Any
) -> None:
    model = cr.Model(layers)
    model.compile(optimizer, loss, jit_compile=True, **given)
    model.fit(x, y, batch_size=8, epochs=1, verbose=0)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_optimizers(optimizer: Any, compared: list[int]) -> None:
    train([D(5, "tanh"), D(1)], ROWS, NUMBERS, optimizer)
    assert len(compared) == 2  # batches of 8, and one of 4


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation: str, compared: list[int]) -> None:
    train([D(5, activation), D(1)], ROWS.astype(np.float32), NUMBERS.astype(np.float32))
    assert compared


@pytest.mark.parametrize(
    ("loss", "last", "y"),
    [
        ("mae", D(1), NUMBERS), ("huber", D(1), NUMBERS), ("hinge", D(1), SIDES),
        ("poisson", D(1, "softplus"), np.abs(NUMBERS)),
        ("binary_crossentropy", D(1, "sigmoid"), SIDES),
        ("sparse_categorical_crossentropy", D(3, "softmax"), CLASSES),
        ("categorical_crossentropy", D(3, "softmax"), np.eye(3)[CLASSES]),
    ],
)  # fmt: skip
def test_losses(loss: str, last: Any, y: Any, compared: list[int]) -> None:
    metrics = ["accuracy"] if "entropy" in loss else []
    train([D(5, "relu"), last], ROWS, y, loss=loss, metrics=metrics)
    assert compared


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str, compared: list[int]) -> None:
    layers, x = NETWORKS[name]
    train(layers, x, NUMBERS[: len(x)])
    assert compared


def test_what_a_ghost_cannot_do_is_traced_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = []

    def refused(*given: Any, ghosts: bool = False, **named: Any) -> Any:
        ways.append(ghosts)
        if ghosts:
            raise TypeError("no elements")
        return capture(*given, **named)

    monkeypatch.setattr(stepping, "capture", refused)
    monkeypatch.setattr("chainrule.train.plans._plans", OrderedDict())
    monkeypatch.setenv("CHAINRULE_CACHE", "off")
    train([D(2), D(1)], ROWS[:8], NUMBERS[:8])
    assert ways == [True, False]
