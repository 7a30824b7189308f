"""`cr.Sequential`, and a model that goes on after it was saved."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((60, 3)), RNG.standard_normal((60, 1))


def test_layers_come_and_go():
    model = cr.Sequential([nn.Dense(3)], name="net")
    model.add(nn.Dense(2))
    assert model.pop().units == 2
    model.add(nn.Dense(1))
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    assert [w.shape for w in model.get_weights()] == [(3, 3), (3,), (3, 1), (1,)]
    model.add(nn.Activation("relu"))
    assert not model.built
    with pytest.raises(ArgumentError, match="must be compiled before fit"):
        model.fit(X, Y)


def test_nothing_to_take_away():
    with pytest.raises(ArgumentError, match="no layer to take away"):
        cr.Sequential().pop()


def test_it_is_the_same_network_as_a_model():
    one, two = (
        cr.Sequential([nn.Dense(4, "tanh"), nn.Dense(1)]),
        cr.Model([nn.Dense(4, "tanh"), nn.Dense(1)]),
    )
    for model in (one, two):
        model.compile("adam", "mse")
        model.fit(X, Y, epochs=3, verbose=0)
    np.testing.assert_array_equal(one.predict(X), two.predict(X))


@pytest.mark.parametrize(
    "optimizer",
    ["adam", "nesterov", optim.Clipped(optim.AMSGrad(0.01), by_global_norm=0.5), "lion", "nadam"],
)
def test_training_goes_on_after_a_file(tmp_path, optimizer):
    def made():
        model = cr.Model([nn.Dense(4, "tanh"), nn.Dense(1)])
        model.compile(optimizer, "mse", jit_compile=False)
        return model

    whole = made()
    whole.fit(X, Y, epochs=6, verbose=0, seed=3)
    half = made()
    half.fit(X, Y, epochs=3, verbose=0, seed=3)
    half.save(tmp_path / "half.safetensors")
    half.save(tmp_path / "bare.safetensors", include_optimizer=False)
    again = cr.load(tmp_path / "half.safetensors")
    again.jit_compile = False
    again.fit(X, Y, epochs=6, initial_epoch=3, verbose=0, seed=3)
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    bare = cr.load(tmp_path / "bare.safetensors")
    bare.fit(X, Y, epochs=6, initial_epoch=3, verbose=0, seed=3)
    pairs = zip(whole.get_weights(), bare.get_weights(), strict=True)
    assert not all(np.array_equal(a, b) for a, b in pairs)


def test_a_learning_rate_that_was_set_is_saved(tmp_path):
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    model.learning_rate = 0.125
    model.save(tmp_path / "m.safetensors")
    assert cr.load(tmp_path / "m.safetensors").learning_rate == 0.125


def test_the_share_of_clipped_steps_is_in_the_history():
    model = cr.Model([nn.Dense(1)])
    model.compile(optim.Clipped(optim.SGD(1e-6), by_global_norm=1e-9), "mse")
    assert model.fit(X, Y, epochs=2, verbose=0).history["clipped_share"] == [1.0, 1.0]
    model.compile(optim.Clipped(optim.SGD(1e-6), by_global_norm=1e9), "mse")
    assert model.fit(X, Y, epochs=2, verbose=0).history["clipped_share"] == [0.0, 0.0]


def test_evaluate_says_what_it_found(capsys):
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse", ["mae"])
    model.fit(X, Y, verbose=0)
    loss, mae = model.evaluate(X, Y, verbose=2)
    assert capsys.readouterr().out == f"evaluate: loss {loss:.4f}, mae {mae:.4f}\n"
    model.predict(X, verbose=1)
    model.evaluate(X, Y)
    assert capsys.readouterr().out == ""
    for use in (lambda: model.predict(X, verbose=3), lambda: model.evaluate(X, Y, verbose="yes")):
        with pytest.raises(ArgumentError, match="unknown verbose"):
            use()
