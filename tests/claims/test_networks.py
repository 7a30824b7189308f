"""How networks begin and learn: symmetry, variance, normalisation, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim

XOR = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
ODD = np.array([0, 1, 1, 0])


def trained_on_xor(initializer: Any) -> cr.Model:
    model = cr.Model([
        nn.Dense(8, "tanh", kernel_initializer=initializer),
        nn.Dense(1, kernel_initializer=initializer),
    ])  # fmt: skip
    model.compile(optim.Adam(0.05), "binary_crossentropy")
    model.fit(XOR, ODD, batch_size=4, epochs=150, shuffle=False, verbose=0)
    return model


def test_zeros_never_break_symmetry() -> None:
    model = trained_on_xor("zeros")
    hidden, output = model.params["dense"]["kernel"], model.params["dense_1"]["kernel"]
    assert not hidden.any()
    assert not output.any()
    assert model.evaluate(XOR, ODD) == pytest.approx(np.log(2))


def test_equal_weights_stay_equal_and_random_ones_learn() -> None:
    """Eight equal units are one unit, and one unit cannot learn exclusive or."""
    equal = trained_on_xor(nn.initializers.Constant(0.5))
    hidden = equal.params["dense"]["kernel"]
    np.testing.assert_allclose(hidden, np.repeat(hidden[:, :1], 8, axis=1), rtol=1e-9)
    assert np.max(np.abs(hidden - 0.5)) > 0.1  # they did move
    assert equal.evaluate(XOR, ODD) > 0.45  # three of four points right at best
    different = trained_on_xor("xavier")
    assert different.evaluate(XOR, ODD) < 0.05
    assert np.ptp(different.params["dense"]["kernel"], axis=1).min() > 0.1


DEPTH, WIDTH = 20, 200


def through_layers(activation: Any, initializer: Any) -> tuple[float, float]:
    """The mean square after 20 layers over that before; and of the gradient, the other way."""
    net = nn.Sequential([
        nn.Dense(WIDTH, activation, use_bias=False, kernel_initializer=initializer)
        for _ in range(DEPTH)
    ])  # fmt: skip
    params, state = net.build(0, (WIDTH,))
    rng = np.random.default_rng(1)
    x, cotangent = rng.standard_normal((50, WIDTH)), rng.standard_normal((50, WIDTH))
    y, pullback = cr.vjp(lambda x: net(params, state, x, training=True)[0], x)
    (back,) = pullback(cotangent)
    return float(np.mean(y**2)), float(np.mean(back**2))


@pytest.mark.parametrize(
    ("activation", "initializer"), [(None, "xavier"), ("relu", "he_normal"), (None, "normalized")]
)
def test_xavier_and_he_keep_the_variance_through_twenty_layers(
    activation: Any, initializer: str
) -> None:
    forward, backward = through_layers(activation, initializer)
    assert 1 / 3 < forward < 3
    assert 1 / 3 < backward < 3


@pytest.mark.parametrize(
    ("activation", "variance", "each"),
    [(None, 0.25, 0.25), (None, 4.0, 4.0), ("relu", 1.0, 0.5), ("relu", 8.0, 4.0)],
)
def test_another_scale_loses_it_by_a_power_of_twenty(
    activation: Any, variance: float, each: float
) -> None:
    """A variance of v/m multiplies by v in each layer, by v/2 after relu."""
    initializer = nn.initializers.RandomNormal(stddev=(variance / WIDTH) ** 0.5)
    forward, backward = through_layers(activation, initializer)
    for found in (forward, backward):
        assert found ** (1 / DEPTH) == pytest.approx(each, rel=0.06)


def heart_numbers() -> tuple[Any, Any]:
    """Age, blood pressure, cholesterol and heart rate as they are, and disease or not."""
    table = cr.data.load_heart()
    names = ("age", "rest_bp", "cholesterol", "max_heart_rate")
    y = np.array([c == "yes" for c in table.categories("disease")], float)
    return np.stack([table.numbers(name) for name in names], axis=1), y


def test_feature_normalisation_speeds_up_learning() -> None:
    """By its condition number, and by the steps of plain descent at its best rate for each."""
    x, y = heart_numbers()
    z = (x - x.mean(axis=0)) / x.std(axis=0)

    def risk(features: Any) -> Any:
        return lambda w: cr.sigmoid_cross_entropy(features @ w[:-1] + w[-1], y).mean()

    conditions, losses = [], []
    for features in (x, z):
        f = risk(features)
        eigenvalues = np.linalg.eigvalsh(cr.hessian(f)(np.zeros(5)))
        conditions.append(eigenvalues[-1] / eigenvalues[0])
        best = optim.SGD(2 / (eigenvalues[0] + eigenvalues[-1]))
        losses.append(cr.minimize(f, np.zeros(5), optimizer=best, steps=100, record=True).values)
    assert conditions[0] > 1e5
    assert conditions[1] < 5
    # The same model, and so the same minimum.
    lowest = cr.minimize(risk(z), np.zeros(5)).fun
    assert cr.minimize(risk(x), np.zeros(5), optimizer="trust-exact").fun == pytest.approx(lowest)
    assert np.argmax(losses[1] < lowest + 1e-3) in range(1, 50)
    assert losses[0][-1] > lowest + 0.01  # after all 100 steps


def test_the_normalization_layer_does_the_same_inside_a_model() -> None:
    x, y = heart_numbers()
    ends = []
    for layers in ([], [nn.Normalization(mean=tuple(x.mean(0)), variance=tuple(x.var(0)))]):
        model = cr.Model([*layers, nn.Dense(1, kernel_initializer="zeros")])
        model.compile(optim.SGD(0.5 if layers else 2e-5), "binary_crossentropy")
        ends.append(model.fit(x, y, batch_size=270, epochs=60, verbose=0).history["loss"][-1])
    assert ends[1] < 0.58
    assert ends[0] > ends[1] + 0.02


def moons(n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    angle, y = rng.uniform(0, np.pi, n), np.arange(n) % 2
    x = np.stack([np.cos(angle) + y, np.sin(angle) * (1 - 2 * y) + 0.5 * y], axis=1)
    return x + 0.1 * rng.standard_normal(x.shape), y


@pytest.mark.parametrize(("activation", "plain_loss", "normed_loss"),
                         [("relu", 0.12, 0.08), ("sigmoid", 0.68, 0.5)])  # fmt: skip
def test_batch_normalisation_speeds_up_learning(
    activation: str, plain_loss: float, normed_loss: float
) -> None:
    """Five hidden layers, ten epochs, each with the best of four rates of plain descent."""
    x, y = moons(200)

    def best(norm: bool) -> float:
        ends = []
        for rate in (0.03, 0.1, 0.3, 1.0):
            hidden: list[nn.Layer] = []
            for _ in range(5):
                hidden.append(nn.Dense(16, use_bias=not norm))
                hidden += [nn.BatchNormalization(momentum=0.9)] * norm
                hidden.append(nn.Activation(activation))
            model = cr.Model([*hidden, nn.Dense(1)])
            model.compile(optim.SGD(rate), "binary_crossentropy")
            model.fit(x, y, batch_size=50, epochs=10, verbose=0)
            ends.append(model.evaluate(x, y))
        return min(ends)

    assert best(norm=False) > plain_loss
    assert best(norm=True) < normed_loss


@pytest.fixture(scope="module")
def normed() -> cr.Model:
    """A network with batch norm after a dense layer and after a convolution, trained a little."""
    images, labels = cr.data.load_digits5k()
    x, y = images[::50, ::2, ::2, None] / 255, labels[::50]
    model = cr.Model([
        nn.Conv2D(4, 3), nn.BatchNormalization(momentum=0.5), nn.Activation("relu"),
        nn.MaxPooling2D(2), nn.Flatten(), nn.Dense(16), nn.BatchNormalization(momentum=0.5),
        nn.Activation("relu"), nn.Dense(10),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=20, epochs=3, verbose=0)
    return model


def test_a_single_example_is_predicted_as_in_a_batch(normed: cr.Model) -> None:
    images, _ = cr.data.load_digits5k()
    x = images[7::500, ::2, ::2, None] / 255
    together = normed.predict(x)
    alone = np.concatenate([normed.predict(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_allclose(alone, together, rtol=1e-9, atol=1e-12)
    # With the statistics of the batch it would depend on the company.
    layer, params, state = normed.layer, normed.params, normed.state
    whole = layer(params, state, x, training=True)[0]
    half = layer(params, state, x[:5], training=True)[0]
    assert np.max(np.abs(whole[:5] - half)) > 0.1


def test_dropout_keeps_the_expected_output() -> None:
    """Over many masks; each output is a mean of independent draws, so its error is known."""
    rate, draws = 0.4, 400_000
    net = nn.Sequential([nn.Dropout(rate), nn.Dense(3)])
    params, state = net.build(0, (6,))
    x = np.random.default_rng(1).standard_normal((1, 6))
    rows = np.repeat(x, draws, axis=0)
    outputs = net(params, state, rows, training=True, rng=(0, 1))[0]
    expected = net(params, state, x, training=False)[0][0]
    kernel = next(p["kernel"] for p in params.values() if "kernel" in p)
    # Var Σ w x mask/(1 − p) = Σ (w x)² p/(1 − p)
    spread = np.sqrt(((x[0][:, None] * kernel) ** 2).sum(axis=0) * rate / (1 - rate))
    assert np.all(np.abs(outputs.mean(axis=0) - expected) < 4 * spread / np.sqrt(draws))
    np.testing.assert_allclose(outputs.std(axis=0), spread, rtol=0.01)
