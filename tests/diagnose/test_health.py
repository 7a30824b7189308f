"""Gradient health: numbers of networks that are worked out by hand, and verdicts on broken ones."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.diagnose.verdicts import Verdict
from chainrule.nn.initializers import RandomNormal
from tests.diagnose.networks import X, Y, deep, network


def verdicts(model: Any, x: Any = X, y: Any = Y) -> dict[str, Verdict]:
    return {v.kind: v for v in cr.gradient_health(model, x, y).verdicts}


def test_numbers_by_hand() -> None:
    # z = 2x on x = 1, −3; y = relu(z) = 2, 0; L = mean y² = 2; ∂L_row/∂z = 2y·[z > 0] = 4, 0.
    model = network(
        [nn.Dense(1, "relu", use_bias=False, kernel_initializer=nn.initializers.Constant(2.0))],
        optim.SGD(0.1),
    )
    x = np.array([[1.0], [-3.0]])
    [layer] = cr.gradient_health(model, x, np.zeros((2, 1))).layers
    assert (layer.name, layer.activation, layer.units) == ("dense", "relu", 1)
    assert layer.input_rms == pytest.approx(np.sqrt(5.0))
    assert (layer.mean, layer.spread) == (1.0, 1.0)
    assert layer.rms == pytest.approx(np.sqrt(2.0))
    assert layer.preactivation_spread == 4.0
    assert (layer.gradient_mean, layer.gradient_spread) == (2.0, 2.0)
    assert layer.gradient_rms == pytest.approx(np.sqrt(8.0))
    assert layer.weight_norm == 2.0
    assert layer.weight_gradient_norm == pytest.approx(2.0)  # (4·1 + 0·(−3))/2
    assert layer.update_ratio == pytest.approx(0.1 * 2.0 / 2.0)
    assert layer.dead == 0.0


def test_the_predictions_hold_at_the_start() -> None:
    # With 400 units the mean squares stray from their expectation by some percent only.
    for initializer in ("he_normal", "glorot_uniform", "xavier"):
        model = deep("relu", initializer, depth=3, units=400)
        health = cr.gradient_health(model, X, Y)
        for layer in health.layers[:3]:
            assert layer.signal_ratio == pytest.approx(1.0, abs=0.2)
        for layer in health.layers[1:3]:
            assert layer.gradient_ratio == pytest.approx(1.0, abs=0.25)


def test_the_predictions_hold_for_convolutions() -> None:
    layers = [nn.Conv2D(32, 3, activation="relu"), nn.Conv2D(64, 3, strides=2, padding="same"),
              nn.Flatten(), nn.Dense(1)]  # fmt: skip
    x = np.random.default_rng(1).normal(size=(16, 14, 14, 3))
    health = cr.gradient_health(network(layers), x, x[:, 0, 0, :1])
    assert health["conv2d"].signal_ratio == pytest.approx(1.0, abs=0.3)
    assert health["conv2d_1"].gradient_ratio == pytest.approx(1.0, abs=0.3)


def test_a_shortcut_does_not_count_for_the_layers_beside_it() -> None:
    inner = nn.Sequential([nn.Dense(300, "relu"), nn.Dense(20)])
    model = network([nn.Residual(inner), nn.Dense(1)])
    health = cr.gradient_health(model, X, Y)
    assert [layer.name for layer in health.layers] == [
        "residual.inner.dense", "residual.inner.dense_1", "dense",
    ]  # fmt: skip
    assert health["residual.inner.dense_1"].gradient_ratio == pytest.approx(1.0, abs=0.35)


def test_a_sound_network_has_no_verdict() -> None:
    assert not verdicts(deep("relu", "he_normal"))
    assert not verdicts(deep("tanh", "glorot_uniform"))
    trained = deep("relu", "he_normal", depth=2)
    trained.fit(X, Y, epochs=3, verbose=0)
    assert not verdicts(trained)


def test_zeros_everywhere() -> None:
    found = verdicts(deep("relu", "zeros", depth=2))
    assert list(found) == ["symmetric"]
    assert found["symmetric"].words.startswith("63 of the 64 units of 'dense' are copies")
    assert found["symmetric"].words.endswith("likewise in 'dense_1'")
    assert "he_normal" in found["symmetric"].remedy


def test_copies_are_counted() -> None:
    model = network([nn.Dense(8, "tanh"), nn.Dense(1)])
    model.build((20,))
    first, bias, second, last = (w.copy() for w in model.get_weights())
    arrays = {w.shape: w for w in (first, bias, second, last)}
    arrays[(20, 8)][:, 5] = arrays[(20, 8)][:, 2]  # the same weights in …
    arrays[(8, 1)][5] = arrays[(8, 1)][2]  # … and out, so the same gradients
    model.set_weights([arrays[w.shape] for w in model.get_weights()])
    assert cr.gradient_health(model, X, Y)["dense"].copies == 1
    arrays[(8, 1)][5] += 1.0
    model.set_weights([arrays[w.shape] for w in model.get_weights()])
    assert cr.gradient_health(model, X, Y)["dense"].copies == 0


def test_units_of_very_different_size_are_no_copies() -> None:
    """One column of a training that diverged dwarfs the others, which differ."""
    kernel = np.random.default_rng(0).normal(size=(X.shape[1], 8))
    kernel[:, 0] *= 1e150
    layers = [nn.Dense(8, "tanh", kernel_initializer=lambda rng, shape, dtype: kernel), nn.Dense(1)]
    assert cr.gradient_health(network(layers), X, Y)["dense"].copies == 0
    kernel[:, 0] /= 1e150
    kernel[:, 3:5] = kernel[:, 2:3]
    last = nn.Dense(1, kernel_initializer="ones")
    assert cr.gradient_health(network([layers[0], last]), X, Y)["dense"].copies == 2


@pytest.mark.filterwarnings("ignore:Dense 'dense_1' has one unit and softmax")
@pytest.mark.parametrize(
    "last", [[nn.Dense(1, "softmax")], [nn.Dense(1), nn.Activation("softmax")]]
)
def test_the_softmax_of_one_unit(last: list[nn.Layer]) -> None:
    model = network([nn.Dense(8, "relu"), *last], "adam", "binary_crossentropy")
    found = verdicts(model, X, (Y[:, 0] > 0).astype(int))
    assert "the softmax of one number is 1" in found["constant output"].words
    assert "sigmoid" in found["constant output"].remedy
    assert "no gradient" not in found


def test_hidden_layers_without_an_activation() -> None:
    plain, between = nn.Dense(8), [nn.BatchNormalization(), nn.Dropout(0.1)]
    for layers in ([plain, nn.Dense(1)], [plain, *between, nn.Dense(1)]):
        found = verdicts(network(layers))["linear"]
        assert "'dense' has no activation, and together with 'dense_1'" in found.words
    for layers in (
        [plain, nn.Activation("relu"), nn.Dense(1)],
        [plain, nn.LayerNormalization(), nn.Dense(1)],
        [plain, nn.Lambda(np.sin), nn.Dense(1)],
        [nn.Dense(8, "relu"), nn.Dense(2), nn.Dense(8, "relu"), nn.Dense(1)],  # a bottleneck
        [nn.Dense(1)],
    ):
        assert "linear" not in verdicts(network(layers))


def test_steps_that_are_too_small_for_a_network_that_has_not_learnt() -> None:
    model = network([nn.Dense(8, "relu"), nn.Dense(1)], optim.SGD(3e-6), "mse")
    assert "model.range_test" in verdicts(model)["small steps"].remedy
    model.compile(optim.Adam(0.02), "mse")
    model.fit(X, Y, epochs=300, verbose=0)
    model.compile(optim.SGD(3e-6), "mse")
    assert "small steps" not in verdicts(model)


def test_zero_kernels_in_the_last_layer_are_no_symmetry() -> None:
    layers = [nn.Dense(8, "relu"), nn.Dense(3, kernel_initializer="zeros")]
    classes = np.arange(256) % 3
    assert "symmetric" not in verdicts(
        network(layers, loss="sparse_categorical_crossentropy"), y=classes
    )


def test_dead_units() -> None:
    bias = np.zeros(16)
    bias[:12] = -1e3
    start = nn.initializers.Constant(tuple(bias))
    model = network([nn.Dense(16, "relu", bias_initializer=start), nn.Dense(1)])
    health = cr.gradient_health(model, X, Y)
    assert health["dense"].dead == 0.75
    found = health.verdicts[0]
    assert (found.kind, found.layer) == ("dead", "dense")
    assert found.words.startswith("12 of the 16 units of 'dense' are dead")
    assert "he_normal" in found.remedy


def test_units_killed_by_a_large_rate() -> None:
    model = network([nn.Dense(16, "relu"), nn.Dense(1)], optim.SGD(0.05))
    x = np.abs(X)
    model.fit(x, 1e3 + Y, batch_size=256, epochs=1, verbose=0)
    found = verdicts(model, x, 1e3 + Y)["dead"]
    assert "start again with a smaller learning rate" in found.remedy


def test_saturated_units() -> None:
    found = verdicts(deep("tanh", RandomNormal(stddev=2.0)))["saturated"]
    assert re.match(r"\d+% of the outputs of 'dense' lie on the flat ends of tanh", found.words)
    assert "glorot_uniform" in found.remedy
    by_inputs = verdicts(network([nn.Dense(8, "tanh"), nn.Dense(1)]), 100.0 * X)
    assert "normalise them" in by_inputs["saturated"].remedy
    assert by_inputs["inputs"].words.startswith("the inputs are large: √mean square ")


def test_the_saturated_share_by_hand() -> None:
    # Slope of tanh below 0.05: |z| > artanh √0.95 = 2.178.
    layer = nn.Dense(1, "tanh", use_bias=False, kernel_initializer="ones")
    x = np.array([[-5.0], [-2.17], [0.0], [2.19]])
    [found] = cr.gradient_health(network([layer]), x, np.zeros((4, 1))).layers
    assert found.saturated == 0.5


def test_gradients_that_vanish_and_explode() -> None:
    fading = verdicts(deep("sigmoid", "glorot_uniform", depth=8))["vanishing"]
    assert "tanh or relu" in fading.remedy
    exploding = verdicts(deep("relu", RandomNormal(stddev=1.0)))
    assert "5 layers before" in exploding["exploding"].words
    assert "he_normal" in exploding["exploding"].remedy
    assert "grows with depth" in exploding["growing signal"].words
    small = verdicts(deep("tanh", RandomNormal(stddev=0.01)))
    assert {"vanishing", "fading signal"} <= set(small)


def test_weights_that_the_initialiser_has_not_drawn() -> None:
    model = network([nn.Dense(64, "relu"), nn.Dense(1)])
    model.build((20,))
    model.set_weights([10.0 * w for w in model.get_weights()])
    assert (
        "times the mean square that its initialiser predicts"
        in verdicts(model)["initialiser"].words
    )


def test_steps_that_are_too_large() -> None:
    model = network([nn.Dense(8), nn.Dense(1)], optim.SGD(100.0))
    assert "a smaller learning rate" in verdicts(model)["large steps"].remedy
    assert "small steps" in verdicts(network([nn.Dense(1)], optim.SGD(1e-12)))


def test_running_averages_that_lag_behind() -> None:
    layers = [nn.BatchNormalization(momentum=0.9), nn.Dense(1)]
    model = network(layers, optim.SGD(1e-3))
    x = 5.0 + 2.0 * X
    model.fit(x, Y, batch_size=256, epochs=1, verbose=0)
    gap = cr.gradient_health(model, x, Y)["batch_normalization"].norm_gap
    mean, variance = x.mean(axis=0), x.var(axis=0)
    # After one step: 0.9·0 + 0.1·μ and 0.9·1 + 0.1·σ².
    assert gap.mean == pytest.approx(np.max(0.9 * mean / np.sqrt(variance + 1e-3)))
    lag = 0.9 + 0.1 * variance + 1e-3
    assert gap.variance == pytest.approx(np.max((variance + 1e-3) / lag))
    assert "train for more steps" in verdicts(model, x)["batch norm"].remedy
    model.fit(x, Y, batch_size=256, epochs=100, verbose=0)
    assert "batch norm" not in verdicts(model, x)


def test_a_network_that_is_not_finite() -> None:
    model = network([nn.Dense(4), nn.Lambda(lambda z: np.log(z - 1e3)), nn.Dense(1)])
    assert [*verdicts(model)] == ["not finite"]


def test_it_prints_in_three_ways() -> None:
    health = cr.gradient_health(deep("relu", "zeros", depth=1), X, Y)
    text, page = str(health), health.to_html()
    assert " dense (Dense)   │ relu" in text
    assert "gradient health before training, on 256 rows; loss" in text
    assert "remedy: draw the kernel at random" in text
    assert page.count("<tr>") == 3
    assert "<b>remedy:</b> draw the kernel at random" in page
    from rich.console import Console

    printed = io.StringIO()
    Console(width=200, file=printed).print(health)
    assert "dense (Dense)" in printed.getvalue()
    assert "remedy: draw the kernel at random" in printed.getvalue()


def test_the_plot_shows_the_numbers() -> None:
    health = cr.gradient_health(deep("relu", "he_normal", depth=2), X, Y)
    axes = health.plot()
    spread, gradient = axes.get_lines()
    assert list(spread.get_ydata()) == [layer.spread for layer in health.layers]
    assert list(gradient.get_ydata()) == [layer.gradient_rms for layer in health.layers]
    assert axes.get_yscale() == "log"


def test_a_model_that_is_not_compiled() -> None:
    with pytest.raises(cr.errors.ArgumentError, match="must be compiled before a diagnosis"):
        cr.gradient_health(cr.Model([nn.Dense(1)]), X, Y)
