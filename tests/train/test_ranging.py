"""The range test of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError

X = np.random.default_rng(0).standard_normal((100, 4))
Y = X @ np.array([[1.0], [2.0], [-1.0], [0.5]])


def made(optimizer: Any = "sgd") -> cr.Model:
    model = cr.Model([nn.Dense(1)])
    model.compile(optimizer, "mse")
    return model


def test_it_is_training_at_these_rates_and_leaves_the_model_alone() -> None:
    model = made(optim.Momentum())
    model.fit(X, Y, epochs=1, verbose=0)
    before, rate, state = model.get_weights(), model.learning_rate, model.run.state
    found = model.range_test(X, Y, batch_size=10, lowest=1e-3, highest=1.0, steps=15, seed=4)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.learning_rate == rate
    assert model.run.state is state
    # The same from the same weights with a schedule, and the epochs' own orders.
    rates = 1e-3 * 1e3 ** (np.arange(15) / 14)
    again = made(optim.Momentum(lambda t: float(rates[min(t, 14)])))
    again.build((4,)).set_weights(before)
    history = cr.train.History(per_step=True)
    options: dict[str, Any] = {"batch_size": 10, "verbose": 0, "seed": 4}
    again.fit(X, Y, epochs=2, callbacks=history, **options)
    np.testing.assert_allclose(found.rates, rates, rtol=1e-12)
    np.testing.assert_allclose(found.losses, history.steps["loss"][: len(found.losses)], rtol=1e-9)


def test_the_suggestion_trains() -> None:
    model = made()
    found = model.range_test(X, Y)
    assert found.diverged
    cycle = optim.OneCycle(found.suggestion, steps=4 * 30)
    model.compile(optim.Momentum(cycle, cycle.momentum), "mse")
    losses = model.fit(X, Y, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 1e-3 * losses[0]


def test_it_takes_batches_and_strings() -> None:
    model = cr.Model([nn.Dropout(0.1), nn.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    labels = np.where(Y[:, 0] > 0, "yes", "no")
    found = model.range_test(X, labels, class_weight="balanced", steps=20)
    assert found.suggestion > 0
    assert repr(found).startswith(f"<RangeTest of {len(found.rates)} rates from 1e-06 to ")
    stream = made()
    pairs = [(X[k : k + 20], Y[k : k + 20]) for k in range(0, 100, 20)]
    assert len(stream.range_test(lambda: pairs, steps=12, highest=0.01).rates) == 12


def test_what_it_refuses() -> None:
    with pytest.raises(ArgumentError, match="highest must be above lowest"):
        made().range_test(X, Y, lowest=1.0, highest=0.1)
    with pytest.raises(ArgumentError, match="must be compiled before range_test"):
        cr.Model([nn.Dense(1)]).range_test(X, Y)
