"""Initialisers: moments within their standard errors, structure, and signals through 20 layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    Sparse,
    TruncatedNormal,
    VarianceScaling,
    XavierNormal,
    fans,
)

SHAPE = (240, 400)
# Each with its variance by the formula of its source, m = 240 and n = 400.
DRAWN = [
    (RandomNormal(stddev=0.3), 0.09),
    (RandomUniform(-0.1, 0.1), 0.2**2 / 12),
    (TruncatedNormal(stddev=0.5), 0.25 * 0.7737413),
    (XavierNormal(), 1 / 240),
    (LecunUniform(), 1 / 240),
    (HeNormal(), 2 / 240),
    (HeUniform(), 2 / 240),
    (GlorotUniform(), 2 / 640),
    (GlorotNormal(), 2 / 640),
    (VarianceScaling(3.0, "fan_out"), 3 / 400),
    (VarianceScaling(1.0, "fan_avg", "uniform"), 1 / 320),
    (Orthogonal(2.0), 4 / 400),
    (Sparse(30, 0.7), 30 / 240 * 0.49),
    (Sparse(30), 1 / 240),
]


@pytest.mark.parametrize(("init", "variance"), DRAWN, ids=lambda v: str(v)[:60])
def test_moments(init: Any, variance: float) -> None:
    w = init(np.random.default_rng(3), SHAPE)
    assert init.variance(SHAPE) == pytest.approx(variance, rel=1e-6)
    assert w.dtype == np.float64
    # Five standard errors of the mean and of the variance, the latter from the fourth moment.
    assert abs(np.mean(w)) < 5 * np.sqrt(variance / w.size)
    error = np.sqrt((np.mean(w**4) - np.mean(w**2) ** 2) / w.size)
    assert abs(np.var(w) - variance) < 5 * error


@pytest.mark.parametrize(("init", "variance"), DRAWN, ids=lambda v: str(v)[:60])
def test_a_seed_gives_the_same_numbers_in_either_precision(init: Any, variance: float) -> None:
    one, same, other = (init(np.random.default_rng(s), (20, 30)) for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    single = init(np.random.default_rng(1), (20, 30), np.float32)
    assert single.dtype == np.float32
    assert np.array_equal(single, one.astype(np.float32))


def test_bounds_of_the_uniform_and_truncated_ones() -> None:
    rng = np.random.default_rng(0)
    limit = np.sqrt(6 / 640)
    w = GlorotUniform()(rng, SHAPE)
    assert 0.99 * limit < np.max(np.abs(w)) <= limit
    w = TruncatedNormal(1.0, 0.5)(rng, SHAPE)
    assert 0.99 < np.max(np.abs(w - 1.0)) <= 1.0
    w = VarianceScaling()(rng, SHAPE)
    assert np.max(np.abs(w)) <= 2 / 0.8796 / np.sqrt(240)


def test_fans_count_the_window_of_a_convolution() -> None:
    assert fans((5, 7)) == (5, 7)
    assert fans((3, 4, 8)) == (12, 24)
    assert fans((3, 5, 4, 8)) == (60, 120)
    w = HeNormal()(np.random.default_rng(0), (3, 3, 64, 100))
    assert np.var(w) == pytest.approx(2 / 576, rel=0.03)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 2, 5)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    q = Orthogonal(1.5)(np.random.default_rng(0), shape).reshape(-1, shape[-1])
    product = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
    np.testing.assert_allclose(product, 2.25 * np.eye(min(q.shape)), atol=1e-12)


def test_orthogonal_matrices_are_spread_evenly() -> None:
    """Without the sign of R's diagonal, the first entry of Q would never be positive."""
    rng = np.random.default_rng(0)
    firsts = [Orthogonal()(rng, (3, 3))[0, 0] for _ in range(400)]
    assert abs(np.mean(firsts)) < 5 * np.sqrt(1 / 3 / 400)


def test_sparse_has_k_weights_a_unit_in_places_of_its_own() -> None:
    w = Sparse(4)(np.random.default_rng(0), (50, 200))
    assert np.all(np.count_nonzero(w, axis=0) == 4)
    assert len({tuple(np.flatnonzero(column)) for column in w.T}) > 190
    # All 50 inputs are used about equally: 16 times, give or take four standard deviations.
    uses = np.count_nonzero(w, axis=1)
    assert np.all(np.abs(uses - 16) < 4 * np.sqrt(16))
    assert np.all(np.count_nonzero(Sparse(9)(np.random.default_rng(0), (5, 3)), axis=0) == 5)


def test_identity_passes_a_signal_through_a_convolution() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 3))
    layer = nn.Conv2D(3, 3, padding="same", kernel_initializer="identity")
    params, state = layer.build(0, (5, 4, 3))
    np.testing.assert_array_equal(layer(params, state, x, training=False)[0], x)
    assert Identity().variance((3, 3)) == 0.0


def test_constants() -> None:
    rng = np.random.default_rng(0)
    assert nn.get_initializer("zeros")(rng, (2, 2)).tolist() == [[0, 0], [0, 0]]
    assert nn.get_initializer("ones")(rng, (2,), np.float32).dtype == np.float32
    assert Constant((1.0, 2.0))(rng, (3, 2)).tolist() == [[1, 2]] * 3
    assert nn.biases.relu_bias(rng, (2,)).tolist() == [0.1, 0.1]
    gate = cr.sigmoid(nn.biases.gate_open(rng, (1,)))
    assert gate[0] > 0.7


def variances_through(init: Any, activation: str, layers: int = 20) -> np.ndarray:
    """The mean square of each layer's pre-activations, for inputs of mean square 1."""
    net = [nn.Dense(300, activation, kernel_initializer=init) for _ in range(layers)]
    rng = np.random.default_rng(5)
    h = rng.normal(size=(200, 300))
    found = []
    for layer in net:
        params, state = layer.build(rng, (300,))
        found.append(np.mean((h @ params["kernel"]) ** 2))
        h, _ = layer(params, state, h, training=False)
    return np.array(found)


@pytest.mark.parametrize(
    ("init", "activation", "start"),
    [("he_normal", "relu", 2.0), ("he_uniform", "relu", 2.0), ("xavier", "linear", 1.0),
     ("normalized", "linear", 1.0), ("orthogonal", "linear", 1.0), ("sparse", "linear", 1.0)],
)  # fmt: skip
def test_the_variance_is_kept_through_20_layers(init: str, activation: str, start: float) -> None:
    found = variances_through(init, activation)
    assert np.all(found > 0.4 * start)
    assert np.all(found < 2.5 * start)


def test_a_small_or_large_scale_loses_it() -> None:
    small = variances_through(RandomNormal(stddev=0.02), "relu")
    large = variances_through(RandomNormal(stddev=0.2), "relu")
    assert small[-1] < 1e-15
    assert large[-1] > 1e12
    # Xavier under relu halves the variance in each layer, which is why He doubles it.
    halving = variances_through("xavier", "relu")
    assert 0.5**19 / 8 < halving[-1] / halving[0] < 0.5**19 * 8


def test_zeros_never_break_the_symmetry() -> None:
    """Units that start equal stay equal under training; drawn ones part."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), rng.normal(size=(50, 1))

    def trained(init: Any) -> Any:
        net = nn.Sequential(
            [nn.Dense(4, "tanh", kernel_initializer=init), nn.Dense(1, kernel_initializer=init)]
        )
        params, state = net.build(1, (3,))
        loss = nn.get_loss("mse")
        slope = cr.grad(lambda p: loss(y, net(p, state, x, training=True)[0]))
        for _ in range(50):
            g = slope(params)
            params = {
                k: {n: v - 0.2 * g[k][n] for n, v in part.items()} for k, part in params.items()
            }
        return params["dense"]["kernel"]

    assert np.array_equal(trained("zeros"), np.zeros((3, 4)))
    constant = trained(Constant(0.3))
    assert np.array_equal(constant, np.repeat(constant[:, :1], 4, axis=1))
    assert not np.allclose(constant, 0.3)
    assert np.ptp(trained("glorot_uniform"), axis=1).min() > 0.1


def test_output_priors_predict_the_marginal_statistics() -> None:
    rng = np.random.default_rng(0)
    bits = (rng.random((200, 2)) < [0.2, 0.7]).astype(float)
    prior = nn.output_prior(bits, "binary_crossentropy")
    np.testing.assert_allclose(cr.sigmoid(np.array(prior.value)), bits.mean(axis=0))
    labels = rng.integers(0, 3, 100)
    prior = nn.output_prior(labels, "sparse_categorical_crossentropy")
    shares = np.bincount(labels) / 100
    np.testing.assert_allclose(cr.softmax(np.array(prior.value)), shares)
    one_hot = nn.output_prior(np.eye(3)[labels], "categorical_crossentropy")
    np.testing.assert_allclose(one_hot.value, prior.value)
    y = rng.exponential(size=(30, 1))
    assert nn.output_prior(y, "mse").value == pytest.approx(y.mean())
    assert nn.output_prior(y, "mae").value == pytest.approx(np.median(y))
    assert np.exp(nn.output_prior(y, "poisson").value) == pytest.approx(y.mean())


@pytest.mark.parametrize("loss", ["binary_crossentropy", "mse", "poisson"])
def test_the_prior_is_the_bias_of_least_loss(loss: str) -> None:
    y = np.array([[0.0], [1.0], [1.0], [1.0]])
    bias = nn.output_prior(y, loss).value

    def at(b: Any) -> Any:
        return nn.get_loss(loss)(y, np.ones((4, 1)) * b)

    assert abs(cr.grad(at)(bias)) < 1e-15
    layer = nn.Dense(1, bias_initializer=nn.output_prior(y, loss))
    assert layer.build(0, (3,))[0]["bias"].tolist() == [bias]


def test_a_class_that_does_not_occur_counts_half() -> None:
    assert nn.output_prior([1, 1], "binary_crossentropy").value == np.log(2) - np.log(0.5)
    absent = nn.biases.class_log_frequencies([0, 1], classes=3).value
    np.testing.assert_allclose(np.exp(absent), [0.5, 0.5, 0.25])
