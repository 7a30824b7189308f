"""Compiled steps that a later training of the same kind takes over."""

from collections import OrderedDict

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.engine.native import stepping
from chainrule.train import plans
from chainrule.train.plans import plan_for, recipe


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of code, and a process that has made nothing yet."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    monkeypatch.setattr(plans, "_plans", OrderedDict())
    return tmp_path


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
        plan_for((lambda x: x,), np.ones(3), lambda known: made.append(known))
    assert made == [False, False]  # and it is looked at whether it reads values
    with pytest.raises(TypeError):
        recipe([len])


def test_shapes_and_dtypes_count(folder):
    made = []
    for x in (np.ones(3), np.ones(3), np.ones(4), np.ones(3, np.float32), (np.ones(3),)):
        plan_for("test_shapes_and_dtypes_count", x, lambda known: made.append(known) or len(made))
    assert len(made) == 4


@pytest.mark.parametrize(
    "cases",
    [
        [(0.0, 1.0), (-0.0, 1.0)],
        [(1, 1.0), (True, 1.0), (1.0, 1.0)],
        [("x", (True, 1.0)), ("x", (False, 1.0)), ("x", (None, 1.0)), ("x", (2.0, 1.0))],
        [("x", ("one", 1.0)), ("x", ("other", 1.0))],
    ],
)
def test_what_differs_has_a_plan_of_its_own(folder, cases):
    for _ in range(2):
        for number, (parts, tree) in enumerate(cases):
            assert plan_for((parts, "a step"), tree, lambda known, n=number: n) == number


def again(monkeypatch, x, y):
    """A training in what is like a new process; how often a step was traced, and the weights."""
    traced = []
    capture = stepping.capture

    def counted(*given, **named):
        traced.append(1)
        return capture(*given, **named)

    monkeypatch.setattr(plans, "_plans", OrderedDict())
    monkeypatch.setattr(stepping, "capture", counted)
    layers = [nn.Dense(4, "tanh"), nn.BatchNormalization(), nn.Dropout(0.3), nn.Dense(1)]
    weights = trained(layers, "adam", x, y)
    monkeypatch.setattr(stepping, "capture", capture)
    return len(traced), weights


def test_a_plan_on_the_disk_is_not_traced_again(folder, monkeypatch):
    x, y = data()
    first, weights = again(monkeypatch, x, y)
    second, same = again(monkeypatch, x, y)
    assert (first, second) == (2, 0)  # batches of 8, and one of 6
    for a, b in zip(weights, same, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("harm", ["no code", "no plan", "cut", "foreign"])
def test_a_harmed_plan_is_made_anew(folder, monkeypatch, harm):
    x, y = data(24)
    _, weights = again(monkeypatch, x, y)
    files = sorted(folder.glob("*.o"), key=lambda f: f.stat().st_size)
    plan, code = files
    if harm == "no code":
        code.unlink()
    elif harm == "no plan":
        plan.unlink()
    elif harm == "cut":
        plan.write_bytes(plan.read_bytes()[:-1])
    else:
        plan.write_bytes(code.read_bytes())
    count, same = again(monkeypatch, x, y)
    assert count == 1
    for a, b in zip(weights, same, strict=True):
        np.testing.assert_array_equal(a, b)
