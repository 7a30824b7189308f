"""When a training is compiled: by the work that it takes, which is counted, not timed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.train import native, worth


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_products_are_counted_with_all_positions_of_a_kernel(
    dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[float] = []
    size = worth.size

    def noted(*given: Any) -> worth.Size:
        found = size(*given)
        counts.append(found.products)
        return found

    monkeypatch.setattr(worth, "size", noted)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (20, 10, 10, 1)).astype(dtype)
    model = cr.Model([nn.Conv2D(8, 3), nn.Flatten(), nn.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, rng.integers(0, 3, 20), epochs=1, verbose=0)
    assert counts == [8 * 8 * 8 * 9 + 512 * 3]


def test_code_that_is_kept_counts_for_two_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[int] = []
    monkeypatch.setattr(native, "pays", lambda *given: times.append(given[4]))
    x = np.ones((4, 1))
    for first in (nn.Dense(1), nn.Lambda(lambda x: 2 * x)):
        model = cr.Model([first, nn.Dense(1)])
        model.compile("adam", "mse")
        model.fit(x, x[:, 0], epochs=3, verbose=0)
    assert times == [6, 3]


def layers(kind: str) -> list[nn.Layer]:
    first: list[nn.Layer] = {
        "groups": [nn.Reshape((6, 2)), nn.Conv1D(4, 3, groups=2), nn.Flatten()],
        "embedding": [nn.Embedding(30, 4), nn.Flatten()],
        "sequence": [nn.Reshape((6, 2)), nn.Dense(5, "tanh"), nn.Flatten()],
    }[kind]
    return [*first, nn.Dense(3, "softmax")]


@pytest.mark.parametrize("kind", ["groups", "embedding", "sequence"])
def test_networks_that_join_gather_and_stack_are_compiled_too(kind: str) -> None:
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 30, (50, 12))
    x = whole if kind == "embedding" else whole / 30
    losses = []
    for jit in (True, False):
        model = cr.Model(layers(kind))
        model.compile("adam", "sparse_categorical_crossentropy", jit_compile=jit)
        history = model.fit(x, whole[:, 0] % 3, epochs=3, batch_size=16, verbose=0, seed=1)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-9)


def test_what_a_trace_cannot_do_is_done_by_numpy() -> None:
    """The first layer sees plain arrays in NumPy's steps, which are not traced."""

    def own(x: object) -> object:
        if type(x) is not np.ndarray:
            raise TypeError("arrays only")
        return x

    model = cr.Model([nn.Lambda(own), nn.Dense(1)])
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(20, 2)), rng.normal(size=20), epochs=2, verbose=0)
