"""Layers of one's own that draw random numbers, compiled and not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError
from chainrule.train.worth import Work

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
class GaussianNoise(nn.Layer):
    """In the precision of the input."""

    def __call__(
        self, params: Any, state: Any, x: Any, *, training: bool, rng: Any = None
    ) -> tuple[Any, Any]:
        if not training:
            return x, state
        z = nn.generator(rng).standard_normal(x.shape, x.dtype)
        return x + x.dtype.type(0.3) * z, state


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


SIGNALS = np.random.default_rng(1).standard_normal((50, 12, 3))
NETWORKS: dict[str, tuple[Any, list[nn.Layer]]] = {
    "rows": (X, [
        nn.Dropout(0.1), nn.Dense(20, "relu"), nn.Dropout(0.5), GaussianNoise(),
        nn.Dense(7, "tanh"),
        nn.Residual(nn.Sequential([nn.Dropout(0.3), nn.Dense(7)])), nn.Dense(1, "sigmoid"),
    ]),
    "signals": (SIGNALS, [
        nn.Conv1D(5, 3, activation="relu"), nn.Dropout(0.4, (None, 1, None)), nn.Dropout(0.2),
        nn.Dense(4), GaussianNoise(), nn.Flatten(), nn.Dropout(0.1), nn.Dense(1, "sigmoid"),
    ]),
}  # fmt: skip


def run(name: str, dtype: Any, **options: Any) -> tuple[dict[str, list[float]], list[Any]]:
    x, layers = NETWORKS[name]
    model = cr.Model(layers, dtype=dtype)
    model.compile("adam", "binary_crossentropy", ["auc"], jit_compile=options.pop("jit", True))
    given = {"batch_size": 16, "epochs": 3, "seed": 2**70 + 1, "verbose": 0, **options}
    history = model.fit(x.astype(dtype), Y[: len(x)], **given)
    return history.history, model.get_weights()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_whole_trainings_agree(name: str, dtype: str) -> None:
    """With batches of which the last one is short, for two seeds."""
    limit = 1e-3 if dtype == "float32" else 1e-9
    for seed in (0, 2**70):
        native, weights = run(name, dtype, seed=seed)
        numpy, others = run(name, dtype, seed=seed, jit=False)
        for key, values in numpy.items():
            np.testing.assert_allclose(native[key], values, rtol=limit, err_msg=key)
        for a, b in zip(weights, others, strict=True):
            np.testing.assert_allclose(a, b, rtol=limit, atol=limit)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_seed_trains_in_its_own_way_and_repeats_it(name: str) -> None:
    runs = [run(name, "float32", seed=seed)[1] for seed in (1, 2, 1)]
    for a, b in zip(runs[0], runs[2], strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != b) for a, b in zip(runs[0], runs[1], strict=True))


def test_the_same_bits_with_any_number_of_threads_and_steps_in_a_call() -> None:
    """A network whose work is shared among threads; a callback makes each step a call."""
    x = np.random.default_rng(0).standard_normal((512, 300)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)

    class Listener(cr.train.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            pass

    def weights(threads: int, callbacks: Any) -> Any:
        cr.set_threads(threads)
        layers = [nn.Dense(200, "relu"), nn.Dropout(0.5), GaussianNoise(), nn.Dense(100, "relu"),
                  nn.Dropout(0.5), nn.Dense(1)]  # fmt: skip
        model = cr.Model(layers, dtype="float32")
        model.compile("adam", "binary_crossentropy", jit_compile=True)
        model.fit(x, y, 256, 3, 0, callbacks, seed=1)
        return b"".join(w.tobytes() for w in model.get_weights())

    try:
        found = {weights(n, c) for n in (1, 2, 3) for c in ([], [Listener()])}
    finally:
        cr.set_threads(None)
    assert len(found) == 1


def test_dropout_drops_its_share_in_a_compiled_training() -> None:
    """y = x · mask/(1 − rate): the bias of a linear model learns from the numbers that are kept."""
    rate, rows = 0.3, 4096
    model = cr.Model([nn.Dropout(rate), nn.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(optim.SGD(0.5), "mse", jit_compile=True)
    model.fit(np.ones((rows, 1)), np.ones((rows, 1)), rows, 1, 0)
    # One step from 0: w = 0.5 · 2 · Σ mask/(1 − rate)/rows, so the share that is kept is 0.7 w.
    kept = float(model.get_weights()[0][0, 0]) * (1 - rate)
    assert abs(kept - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / rows)
    assert abs(kept * rows - round(kept * rows)) < 1e-6


@pytest.mark.parametrize("size", [14, 16, optim.BatchGrowth(10)])
def test_where_that_cannot_be_numpy_does_it(
    size: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("chainrule.train.native.TRAINING", Work(0, 0, 0, 0, 0, least=-1.0, node=0))
    native, numpy = (trained(OtherNoise(), jit, size) for jit in ("auto", False))
    for a, b in zip(native, numpy, strict=True):
        np.testing.assert_array_equal(a, b)
    assert capsys.readouterr().err == ""
    with pytest.raises(ArgumentError, match=r"(?s)no native code.*TypeError"):
        trained(OtherNoise(), True, size)
