"""Compiled steps that a later training of the same kind takes over."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.train.plans import plan_for, recipe


def trained(layers, optimizer, x, y, epochs=3):
    model = cr.Model(layers)
    model.compile(optimizer, "mse", jit_compile=True)
    model.fit(x, y, epochs=epochs, batch_size=8, verbose=0, seed=1)
    return model.get_weights()


def data(n=30):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 3)), rng.standard_normal((n, 1))


def test_the_second_training_equals_the_first():
    x, y = data()
    first, second = (trained([nn.Dense(4, "tanh"), nn.Dense(1)], "adam", x, y) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "other",
    [
        ([nn.Dense(4, "relu"), nn.Dense(1)], "adam"),
        ([nn.Dense(4, "tanh"), nn.Dense(1)], optim.Adam(0.01)),
        ([nn.Dense(4, "tanh"), nn.Dense(1)], optim.SGD(0.001)),
        ([nn.Dense(4, "tanh"), nn.Dropout(0.5), nn.Dense(1)], "adam"),
    ],
)
def test_another_training_is_another(other):
    x, y = data()
    trained([nn.Dense(4, "tanh"), nn.Dense(1)], "adam", x, y)
    native = trained(*other, x, y)
    layers, optimizer = other
    model = cr.Model(layers)
    model.compile(optimizer, "mse", jit_compile=False)
    model.fit(x, y, epochs=3, batch_size=8, verbose=0, seed=1)
    for a, b in zip(native, model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_function_of_the_users_is_traced_each_time():
    made = []
    for _ in range(2):
        plan_for((lambda x: x,), np.ones(3), lambda: made.append(1))
    assert len(made) == 2
    with pytest.raises(TypeError):
        recipe([len])


def test_shapes_and_dtypes_count():
    made = []
    for x in (np.ones(3), np.ones(3), np.ones(4), np.ones(3, np.float32), (np.ones(3),)):
        plan_for("test_shapes_and_dtypes_count", x, lambda: made.append(1) or len(made))
    assert len(made) == 4
