"""Layers: exact gradients in both modes, direct loops, shapes, precision, reproducibility."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

RNG = np.random.default_rng(11)
TRAINED = nn.Normalization(mean=(0.5, -1.0), variance=(2.0, 0.0))
LAYERS: list[tuple[Any, tuple[int, ...]]] = [
    (nn.Dense(2, "tanh"), (3,)),
    (nn.Dense(2, "softmax", use_bias=False), (2, 3)),
    (nn.Activation("silu"), (3,)),
    (nn.Lambda(np.sin), (2,)),
    (nn.Flatten(), (2, 2)),
    (nn.Reshape((-1, 2)), (4,)),
    (nn.Conv1D(2, 2, 2, "same", activation="tanh"), (5, 2)),
    (nn.Conv1D(1, 2, padding="causal", dilation_rate=2), (4, 1)),
    (nn.Conv2D(2, 2, (2, 1), "same"), (3, 3, 1)),
    (nn.MaxPooling1D(2, 1), (4, 1)),
    (nn.MaxPooling2D(2, padding="same"), (3, 3, 1)),
    (nn.AveragePooling1D(2), (4, 2)),
    (nn.AveragePooling2D(2, 1, "same"), (3, 2, 1)),
    (nn.GlobalMaxPooling1D(), (3, 2)),
    (nn.GlobalMaxPooling2D(), (2, 2, 1)),
    (nn.GlobalAveragePooling1D(), (3, 2)),
    (nn.GlobalAveragePooling2D(keepdims=True), (2, 2, 1)),
    (nn.BatchNormalization(), (2,)),
    (nn.BatchNormalization(unbiased=True), (2, 2, 2)),
    (nn.BatchNormalization(axis=1, scale=False, center=False), (2, 3)),
    (nn.LayerNormalization(), (3,)),
    (nn.LayerNormalization(axis=(1, 2), center=False), (2, 2)),
    (TRAINED, (2,)),
    (nn.Dropout(0.4), (4,)),
    (nn.Residual(nn.Dense(3, "tanh")), (3,)),
    (nn.Residual(nn.Dense(2), nn.Dense(2, use_bias=False)), (3,)),
    (nn.Sequential([nn.Dense(3), nn.BatchNormalization(), nn.Dropout(0.5), nn.Dense(1)]), (2,)),
]
BY_NAME = pytest.mark.parametrize(
    ("layer", "shape"), LAYERS, ids=[f"{i}-{type(v[0]).__name__}" for i, v in enumerate(LAYERS)]
)


def perturbed(tree: Any) -> Any:
    """Other values than zeros and ones, where wrong derivatives could hide."""
    if isinstance(tree, dict):
        return {key: perturbed(part) for key, part in tree.items()}
    return tree + RNG.uniform(0.1, 0.4, np.shape(tree))


@BY_NAME
@pytest.mark.parametrize("training", [True, False])
def test_gradients(layer: Any, shape: tuple[int, ...], training: bool) -> None:
    params, state = layer.build(1, shape)
    params = perturbed(params)
    x = RNG.normal(size=(3, *shape))

    def run(params: Any, x: Any) -> Any:
        y, after = layer(params, state, x, training=training, rng=(5, 6))
        return y, after if training and not isinstance(layer, nn.Normalization) else ()

    argnums = (0, 1) if params else (1,)
    cr.check_grads(run, argnums, orders=1)(params, x)


@BY_NAME
def test_shapes_and_precision(layer: Any, shape: tuple[int, ...]) -> None:
    params, state = layer.build(1, shape, dtype=np.float32)
    x = RNG.normal(size=(4, *shape)).astype(np.float32)
    for training in (True, False):
        y, after = layer(params, state, x, training=training, rng=3)
        assert y.shape == (4, *layer.output_shape(shape))
        assert y.dtype == np.float32
        leaves = cr.tracing.flatten((params, after))[0]
        assert {leaf.dtype for leaf in leaves} <= {np.dtype(np.float32)}


@BY_NAME
def test_a_call_changes_nothing_that_it_was_given(layer: Any, shape: tuple[int, ...]) -> None:
    params, state = layer.build(1, shape)
    x = RNG.normal(size=(3, *shape))
    before = [np.array(leaf) for leaf in cr.tracing.flatten((params, state, x))[0]]
    first, _ = layer(params, state, x, training=True, rng=(1, 2))
    second, _ = layer(params, state, x, training=True, rng=(1, 2))
    assert np.array_equal(first, second)
    after = cr.tracing.flatten((params, state, x))[0]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@BY_NAME
def test_the_seed_makes_the_parameters(layer: Any, shape: tuple[int, ...]) -> None:
    one, same, other = (cr.tracing.flatten(layer.build(s, shape)[0])[0] for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    drawn = [i for i, leaf in enumerate(one) if np.ptp(leaf) > 0]
    assert all(not np.array_equal(one[i], other[i]) for i in drawn)


def test_conv2d_same_with_stride_is_the_direct_sum() -> None:
    """Six rows, stride 2, kernel 3: one zero is needed, and it stands below, as in Keras."""
    layer = nn.Conv2D(2, 3, strides=2, padding="same")
    params, state = layer.build(0, (6, 7, 2))
    x = RNG.normal(size=(1, 6, 7, 2))
    y, _ = layer(params, state, x, training=False)
    wide = np.pad(x, ((0, 0), (0, 1), (1, 1), (0, 0)))
    for i in range(3):
        for j in range(4):
            patch = wide[0, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            expected = np.tensordot(patch, params["kernel"], 3)
            np.testing.assert_allclose(y[0, i, j], expected, rtol=1e-12, atol=1e-14)


def test_embedding() -> None:
    layer = nn.Embedding(4, 3)
    params, _ = layer.build(0, (2,))
    index = np.array([[1, 3], [1, 0]])
    y, _ = layer(params, {}, index, training=True)
    assert y.shape == (2, *layer.output_shape((2,))) == (2, 2, 3)
    assert np.array_equal(y, layer(params, {}, index.astype(float), training=True)[0])
    c = RNG.normal(size=(2, 2, 3))
    cr.check_grads(lambda p: np.sum(c * layer(p, {}, index, training=True)[0] ** 2))(params)
    g = cr.grad(lambda p: np.sum(c * layer(p, {}, index, training=True)[0]))(params)["embeddings"]
    np.testing.assert_allclose(g[1], c[0, 0] + c[1, 0])
    assert np.array_equal(g[2], np.zeros(3))


class TestDropout:
    layer = nn.Dropout(0.3)
    x = np.ones((200, 500))

    def test_keeps_the_mean_and_drops_the_rate(self) -> None:
        y, _ = self.layer({}, {}, self.x, training=True, rng=(1, 2))
        assert set(np.unique(y)) == {0.0, 1.0 / 0.7}
        dropped = np.mean(y == 0)
        assert abs(dropped - 0.3) < 5 * np.sqrt(0.21 / y.size)
        assert np.array_equal(self.layer({}, {}, self.x, training=False)[0], self.x)

    def test_a_key_repeats_a_mask_and_another_gives_another(self) -> None:
        masks = [
            self.layer({}, {}, self.x, training=True, rng=key)[0]
            for key in ((1, 2), (1, 2), (1, 3), (2, 2), 1)
        ]
        assert np.array_equal(masks[0], masks[1])
        for other in masks[2:]:
            # Independent masks agree in 0.7² + 0.3² of their places.
            assert abs(np.mean(masks[0] == other) - 0.58) < 0.02

    def test_a_generator_goes_on(self) -> None:
        rng = np.random.default_rng(0)
        one, two = (self.layer({}, {}, self.x, training=True, rng=rng)[0] for _ in range(2))
        assert not np.array_equal(one, two)

    def test_each_layer_of_a_network_has_its_own_mask(self) -> None:
        net = nn.Sequential([nn.Dropout(0.5), nn.Sequential([nn.Dropout(0.5)]), nn.Dropout(0.5)])
        for key in ((0, 1), 7):
            y, _ = net({}, {}, self.x, training=True, rng=key)
            # Three independent masks leave an eighth.
            assert abs(np.mean(y > 0) - 0.125) < 5 * np.sqrt(0.11 / y.size)
            assert set(np.unique(y)) == {0.0, 8.0}

    def test_noise_shape_drops_together(self) -> None:
        y, _ = nn.Dropout(0.5, (None, 1))({}, {}, self.x, training=True, rng=4)
        assert np.all(np.ptp(y, axis=1) == 0)
        assert 60 < np.count_nonzero(y[:, 0]) < 140


def test_normalization_takes_its_statistics_from_the_training_data_only() -> None:
    train, test = RNG.normal(3.0, 5.0, (50, 3)), RNG.normal(-9.0, 1.0, (20, 3))
    train[:, 2], test[:, 2] = 4.0, 7.0  # constant in training: centred only
    layer = nn.Normalization().adapt(train)
    params, state = layer.build(0, (3,))
    y, _ = layer(params, state, train, training=True)
    np.testing.assert_allclose(y.mean(axis=0), 0.0, atol=1e-14)
    np.testing.assert_allclose(y.std(axis=0), [1.0, 1.0, 0.0])
    z, after = layer(params, state, test, training=True)
    assert params == {}
    assert after is state
    expected = (test - train.mean(axis=0)) / [*train.std(axis=0)[:2], 1.0]
    np.testing.assert_allclose(z, expected, rtol=1e-13)
    back = nn.Normalization(mean=layer.mean, variance=layer.variance, invert=True)
    np.testing.assert_allclose(back({}, state, z, training=False)[0], test, rtol=1e-13)
    whole = nn.Normalization(axis=None).adapt(train)
    assert whole.mean == pytest.approx(train.mean())
    assert nn.Normalization().adapt(train) == layer
    mixed = np.array([[2, True], [4, False]], object)  # NumPy's array of a mixed data frame
    assert nn.Normalization().adapt(mixed).mean == (3.0, 0.5)


def test_sequential_names_layers_as_keras_does() -> None:
    net = nn.Sequential(
        [nn.Dense(2), nn.BatchNormalization(), nn.Dense(2, name="dense_1"), nn.Dense(1),
         nn.Conv2D(1, 1)]
    )  # fmt: skip
    names = [layer.name for layer in net.layers]
    assert names == ["dense", "batch_normalization", "dense_1", "dense_2", "conv2d"]
    assert net == nn.Sequential(net.layers)


def test_parameters_and_state_of_nested_containers() -> None:
    block = nn.Residual(nn.Sequential([nn.BatchNormalization(), nn.Dense(3)]))
    params, state = nn.Sequential([block, nn.Flatten(), nn.Dense(1)]).build(0, (3,))
    assert set(params) == {"residual", "dense"}
    assert set(params["residual"]["inner"]) == {"batch_normalization", "dense"}
    assert set(state) == {"residual"}


def twice(layers: Any, x: Any) -> Any:
    """A shared layer, a skip connection and a stateful layer between."""
    h = layers.step(layers.step(x))
    return layers.out(layers.norm(h) + x)


def test_a_graph_with_a_skip_connection_and_shared_weights() -> None:
    net = nn.Graph(
        twice, {"step": nn.Dense(3, "tanh"), "norm": nn.BatchNormalization(), "out": nn.Dense(1)}
    )
    params, state = net.build(0, (3,))
    assert set(params) == {"step", "norm", "out"}
    assert set(state) == {"norm"}
    x = RNG.normal(size=(4, 3))
    y, after = net(params, state, x, training=True)
    h = np.tanh(x @ params["step"]["kernel"])
    h = np.tanh(h @ params["step"]["kernel"])
    normal = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-3)
    np.testing.assert_allclose(y, (normal + x) @ params["out"]["kernel"], rtol=1e-12)
    np.testing.assert_allclose(after["norm"]["moving_mean"], 0.01 * h.mean(axis=0))
    assert net.output_shape((3,)) == (1,)
    # The gradient of the shared kernel is the sum over both places.
    cr.check_grads(lambda p: net(p, state, x, training=True)[0], orders=1)(params)


def test_a_shared_dropout_draws_anew_for_each_call() -> None:
    net = nn.Graph(lambda layers, x: layers.drop(layers.drop(x)), {"drop": nn.Dropout(0.5)})
    y, _ = net({}, {}, np.ones((100, 100)), training=True, rng=(0, 1))
    assert abs(np.mean(y > 0) - 0.25) < 0.03


def test_a_graph_of_two_inputs_inside_a_sequential() -> None:
    """Two towers with the same weights, compared."""
    tower = nn.Sequential([nn.Dense(4, "tanh"), nn.Dense(2)])
    net = nn.Graph(lambda layers, a, b: np.abs(layers.tower(a) - layers.tower(b)), {"tower": tower})
    params, state = net.build(0, ((3,), (3,)))
    a = RNG.normal(size=(5, 3))
    assert np.array_equal(net(params, state, (a, a), training=False)[0], np.zeros((5, 2)))
    assert net.output_shape(((3,), (3,))) == (2,)
    tail = nn.Sequential([net, nn.Dense(1)])
    assert tail.layers[1].build(0, net.output_shape(((3,), (3,))))[0]["kernel"].shape == (2, 1)


@dataclass(frozen=True)
class Tied(nn.Layer):
    """An autoencoder whose decoder is the transposed encoder: a subclass that shares weights."""

    units: int

    def build(self, rng: Any, input_shape: Any, *, dtype: Any = np.float64) -> Any:
        init = nn.get_initializer("glorot_uniform")
        rng = np.random.default_rng(rng)
        return {"kernel": init(rng, (*input_shape, self.units), dtype)}, {}

    def __call__(self, params: Any, state: Any, x: Any, *, training: bool, rng: Any = None) -> Any:
        return np.tanh(x @ params["kernel"]) @ params["kernel"].T, state


def test_a_subclass_of_the_users() -> None:
    net = nn.Sequential([Tied(2), nn.Dense(1)])
    params, state = net.build(0, (3,))
    assert params["tied"]["kernel"].shape == (3, 2)
    x = RNG.normal(size=(4, 3))
    cr.check_grads(lambda p: net(p, state, x, training=True)[0], orders=1)(params)


@pytest.mark.parametrize("shape", [(3,), (4, 5, 3)], ids=["dense", "convolution"])
@pytest.mark.parametrize("unbiased", [False, True])
def test_batch_normalization_is_the_lectures(shape: tuple[int, ...], unbiased: bool) -> None:
    layer = nn.BatchNormalization(momentum=0.9, epsilon=1e-2, unbiased=unbiased)
    params, state = layer.build(0, shape)
    params = {"gamma": np.array([1.0, 2.0, 3.0]), "beta": np.array([0.5, 0.0, -0.5])}
    mean, variance = np.zeros(3), np.ones(3)
    for step in range(3):
        h = np.random.default_rng(step).normal(2.0, 3.0, (6, *shape))
        y, state = layer(params, state, h, training=True)
        rows = h.reshape(-1, 3)
        sigma = np.sqrt(np.sum((rows - rows.mean(axis=0)) ** 2, axis=0) / len(rows) + 1e-2)
        expected = params["gamma"] * (h - rows.mean(axis=0)) / sigma + params["beta"]
        np.testing.assert_allclose(y, expected, rtol=1e-12)
        mean = 0.9 * mean + 0.1 * rows.mean(axis=0)
        variance = 0.9 * variance + 0.1 * rows.var(axis=0, ddof=int(unbiased))
        np.testing.assert_allclose(state["moving_mean"], mean, rtol=1e-12)
        np.testing.assert_allclose(state["moving_variance"], variance, rtol=1e-12)


def test_one_example_is_predicted_as_in_a_batch() -> None:
    net = nn.Sequential(
        [nn.Conv2D(3, 2), nn.BatchNormalization(momentum=0.5), nn.Flatten(), nn.Dense(4),
         nn.BatchNormalization(momentum=0.5), nn.Dropout(0.5), nn.Dense(2)]
    )  # fmt: skip
    params, state = net.build(0, (3, 3, 1))
    for step in range(5):
        _, state = net(params, state, RNG.normal(size=(8, 3, 3, 1)), training=True, rng=(0, step))
    x = RNG.normal(size=(6, 3, 3, 1))
    together, after = net(params, state, x, training=False)
    alone = np.concatenate([net(params, state, x[i : i + 1], training=False)[0] for i in range(6)])
    np.testing.assert_allclose(alone, together, rtol=1e-13, atol=1e-15)
    in_training, _ = net(params, state, x, training=True, rng=0)
    assert not np.allclose(in_training, together)
    assert after.keys() == state.keys()


def test_the_shape_that_an_own_layer_gives_is_seen_by_calling_it() -> None:
    @dataclass(frozen=True)
    class Wider(nn.Layer):
        def build(self, rng: Any, input_shape: Any, *, dtype: Any = np.float64) -> Any:
            return {"w": np.ones((input_shape[-1], 5))}, {}

        def __call__(
            self, params: Any, state: Any, x: Any, *, training: bool, rng: Any = None
        ) -> Any:
            return np.log(x @ params["w"]), state

    @dataclass(frozen=True)
    class First(nn.Layer):
        def __call__(
            self, params: Any, state: Any, x: Any, *, training: bool, rng: Any = None
        ) -> Any:
            return x[:, :2], state

    net = nn.Sequential([Wider(), nn.Dense(3), First()])
    assert net.output_shape((4,)) == (2,)
    assert net.build(0, (4,))[0]["dense"]["kernel"].shape == (5, 3)
