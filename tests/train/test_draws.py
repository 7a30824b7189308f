"""Layers of one's own that draw random numbers, compiled and not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError

X = np.random.default_rng(0).standard_normal((70, 3))
Y = (X[:, 0] > 0).astype(int)


@dataclass(frozen=True)
class Noise(nn.Layer):
    """Several draws from one generator, and one more from another of the same key."""

    def __call__(
        self, params: Any, state: Any, x: Any, *, training: bool, rng: Any = None
    ) -> tuple[Any, Any]:
        if not training:
            return x, state
        numbers = nn.generator(rng)
        x = x + numbers.normal(0.1, 0.3, x.shape) * (numbers.random(x.shape) > 0.2)
        x = x + numbers.uniform(-0.1, 0.1, x.shape[-1]) + numbers.standard_normal(x.shape) * 0.01
        return x * (1.0 + 0.1 * nn.generator(rng).random(x.shape)), state


@dataclass(frozen=True)
class OtherNoise(nn.Layer):
    """Draws in a way that no graph can know of."""

    def __call__(
        self, params: Any, state: Any, x: Any, *, training: bool, rng: Any = None
    ) -> tuple[Any, Any]:
        return x + np.random.default_rng(rng).gamma(1.0, size=x.shape) * training, state


def trained(layer: nn.Layer, jit: Any, size: Any = 16, epochs: int = 3) -> list[Any]:
    model = cr.Model([nn.Dense(4), layer, nn.Dropout(0.2), layer, nn.Dense(1)])
    model.compile("sgd", "binary_crossentropy", jit_compile=jit)
    model.fit(X, Y, batch_size=size, epochs=epochs, verbose=0, seed=3)
    return model.get_weights()


def test_a_compiled_layer_draws_what_it_draws_by_numpy() -> None:
    for a, b in zip(trained(Noise(), True), trained(Noise(), False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


@pytest.mark.parametrize("size", [14, 16, optim.BatchGrowth(10)])
def test_where_that_cannot_be_numpy_does_it(
    size: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("chainrule.train.native.PAYS", 0.0)
    native, numpy = (trained(OtherNoise(), jit, size) for jit in ("auto", False))
    for a, b in zip(native, numpy, strict=True):
        np.testing.assert_array_equal(a, b)
    assert capsys.readouterr().err == ""
    with pytest.raises(ArgumentError, match=r"(?s)no native code.*TypeError"):
        trained(OtherNoise(), True, size)
