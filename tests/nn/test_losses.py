"""Losses by hand and in saturation, their gradients, weights, and folded last activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import rel_entr

import chainrule as cr
from chainrule import nn
from chainrule.nn.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    FunctionLoss,
    Hinge,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    SparseCategoricalCrossentropy,
)

RNG = np.random.default_rng(12)
Z = RNG.normal(size=(4, 3))
BITS = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0]])
LABELS = np.array([2, 0, 1, 1])
WEIGHT = np.array([1.0, 0.0, 2.0, 0.5])
ALL = [
    (MeanSquaredError(), BITS),
    (MeanAbsoluteError(), BITS),
    (Huber(0.4), BITS),
    (Hinge(), BITS),
    (BinaryCrossentropy(), BITS),
    (BinaryCrossentropy(label_smoothing=0.3), BITS),
    (CategoricalCrossentropy(), np.eye(3)[LABELS]),
    (CategoricalCrossentropy(label_smoothing=0.3), np.eye(3)[LABELS]),
    (SparseCategoricalCrossentropy(), LABELS),
    (Poisson(), BITS),
    (FunctionLoss(lambda y, p: np.mean((p - y) ** 4)), 1.0 * BITS),
]


@pytest.mark.parametrize(("loss", "y"), ALL, ids=lambda v: type(v).__name__)
def test_gradients(loss: Any, y: Any) -> None:
    cr.check_grads(lambda z: loss(y, z))(Z)
    cr.check_grads(lambda z: loss(y, z, WEIGHT), orders=1)(Z)


@pytest.mark.parametrize("loss", [BinaryCrossentropy, Poisson], ids=lambda v: v.__name__)
def test_gradients_from_probabilities(loss: Any) -> None:
    cr.check_grads(lambda p: loss(from_logits=False)(BITS, p))(RNG.uniform(0.2, 0.8, (4, 3)))


@pytest.mark.parametrize(("loss", "y"), ALL[:-1], ids=lambda v: type(v).__name__)
def test_reductions_and_weights(loss: Any, y: Any) -> None:
    kind, options = type(loss), {k: v for k, v in vars(loss).items() if k != "reduction"}
    rows = kind(**options, reduction="none")(y, Z)
    assert rows.shape == (4,)
    assert loss(y, Z) == pytest.approx(rows.mean(), rel=1e-14)
    assert loss(y, Z, WEIGHT) == pytest.approx(np.sum(WEIGHT * rows) / 4, rel=1e-14)
    assert loss(y, Z, WEIGHT[:, None]) == loss(y, Z, WEIGHT)
    total = kind(**options, reduction="sum")(y, Z, WEIGHT)
    assert total == pytest.approx(WEIGHT @ rows, rel=1e-14)
    mean = kind(**options, reduction="mean_with_sample_weight")(y, Z, WEIGHT)
    assert mean == pytest.approx(WEIGHT @ rows / WEIGHT.sum(), rel=1e-14)
    # A row of weight 0 is as good as absent.
    without = kind(**options, reduction="sum")(y[[0, 2, 3]], Z[[0, 2, 3]], WEIGHT[[0, 2, 3]])
    assert total == pytest.approx(without, rel=1e-14)


@pytest.mark.parametrize(("loss", "y"), ALL, ids=lambda v: type(v).__name__)
def test_single_precision_stays_single(loss: Any, y: Any) -> None:
    value, slope = cr.value_and_grad(lambda z: loss(y, z, WEIGHT))(Z.astype(np.float32))
    assert value.dtype == slope.dtype == np.float32


def test_targets_of_one_axis_are_not_broadcast() -> None:
    """(n,) − (n, 1) is (n, n) in NumPy, a silent and famous mistake."""
    y, p = np.array([1.0, 2.0, 4.0]), np.array([[1.0], [2.0], [3.0]])
    assert nn.get_loss("mse")(y, p) == pytest.approx(1 / 3)
    assert nn.get_loss("mse")(y[:, None], p[:, 0]) == pytest.approx(1 / 3)
    assert nn.get_loss(lambda y, p: (p - y) ** 2)(y, p) == pytest.approx(1 / 3)


def test_very_sure_and_wrong_is_a_number() -> None:
    z = np.array([[900.0, 0.0, -900.0]])
    assert SparseCategoricalCrossentropy()([2], z) == 1800.0
    assert BinaryCrossentropy()([[0]], [[900.0]]) == 900.0
    slope = cr.grad(lambda z: SparseCategoricalCrossentropy()([2], z))(z)
    assert slope.tolist() == [[1.0, 0.0, -1.0]]


def test_names_records_classes_and_functions() -> None:
    assert nn.get_loss("MAE") == MeanAbsoluteError()
    assert nn.get_loss(Huber) == Huber()
    loss = Huber(2.0)
    assert nn.get_loss(loss) is loss
    by_row = nn.get_loss(lambda y, p: np.abs(p[:, 0] - y[:, 0]))
    assert by_row(np.zeros((2, 1)), np.array([[1.0], [4.0]]), [1.0, 0.5]) == 1.5


def test_row_weights() -> None:
    y = np.array([0, 0, 0, 2])
    assert nn.row_weights(y, {2: 5.0}, [1, 2, 3, 4]).tolist() == [1, 2, 3, 20]
    assert nn.row_weights(np.eye(3)[y], "balanced").tolist() == [2 / 3] * 3 + [2.0]
    # Balanced classes have equal total weights, and the mean weight is 1.
    assert nn.row_weights(y, "balanced").sum() == pytest.approx(4)


class TestFolding:
    @pytest.mark.parametrize(
        ("loss", "activation", "units", "y"),
        [("binary_crossentropy", "sigmoid", 3, BITS),
         ("categorical_crossentropy", "softmax", 3, np.eye(3)[LABELS]),
         ("sparse_categorical_crossentropy", "softmax", 3, LABELS),
         ("poisson", "exponential", 3, BITS)],
    )  # fmt: skip
    @pytest.mark.parametrize("own_layer", [False, True])
    def test_the_folded_pair_is_the_same_function(
        self, loss: str, activation: str, units: int, y: Any, own_layer: bool
    ) -> None:
        last = (
            [nn.Dense(units), nn.Activation(activation)]
            if own_layer
            else [nn.Dense(units, activation)]
        )
        net = nn.Sequential([nn.Dense(4, "tanh"), nn.Sequential(last)])
        params, state = net.build(0, (3,))
        folded, on_logits = nn.fold_activation(net, loss)
        assert on_logits.from_logits
        z, _ = folded(params, state, Z, training=True)
        p, _ = net(params, state, Z, training=True)
        np.testing.assert_allclose(nn.probabilities(on_logits, z), p, rtol=1e-14)
        from_p = type(on_logits)(from_logits=False)
        assert on_logits(y, z) == pytest.approx(float(from_p(y, p)), rel=1e-6)
        assert (
            cr.tracing.flatten(folded.build(0, (3,)))[1]
            == cr.tracing.flatten(net.build(0, (3,)))[1]
        )

    def test_it_learns_where_the_rounded_sigmoid_has_no_slope(self) -> None:
        net = nn.Sequential([nn.Dense(1, "sigmoid", kernel_initializer="ones")])
        params, state = net.build(0, (1,))
        x, y = np.array([[50.0]]), np.array([[0.0]])

        def slope(net: Any, loss: Any) -> Any:
            found = cr.grad(lambda p: loss(y, net(p, state, x, training=True)[0]))(params)
            return found["dense"]["bias"].item()

        folded, loss = nn.fold_activation(net, "binary_crossentropy")
        assert slope(folded, loss) == 1.0
        assert slope(net, BinaryCrossentropy(from_logits=False)) == 0.0

    def test_a_linear_last_layer_gives_logits(self) -> None:
        net = nn.Sequential([nn.Dense(1)])
        assert nn.fold_activation(net, "binary_crossentropy") == (net, BinaryCrossentropy())

    def test_other_probabilities_are_taken_as_they_are(self) -> None:
        net = nn.Sequential([nn.Dense(2, "softmax")])
        assert nn.fold_activation(net, "binary_crossentropy")[1].from_logits is False
        rates = nn.Sequential([nn.Dense(2, "softplus")])
        same, loss = nn.fold_activation(rates, "poisson")
        assert (same, loss.from_logits) == (rates, False)
        assert nn.probabilities(loss, 3.0) == 3.0

    def test_other_losses_leave_the_network(self) -> None:
        net = nn.Sequential([nn.Dense(1, "sigmoid")])
        assert nn.fold_activation(net, "mse") == (net, MeanSquaredError())


def test_the_further_losses_of_keras() -> None:
    y = RNG.uniform(0.2, 2.0, (4, 3))
    p = RNG.uniform(0.2, 2.0, (4, 3))
    shares, q = y / y.sum(axis=1, keepdims=True), p / p.sum(axis=1, keepdims=True)
    cosine = [-(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in zip(y, p, strict=True)]
    for name, truth, found, by_hand in (
        ("log_cosh", y, p, np.log(np.cosh(p - y)).mean(axis=1)),
        ("mape", y, p, (100 * np.abs(1 - p / y)).mean(axis=1)),
        ("msle", y, p, (np.log((1 + p) / (1 + y)) ** 2).mean(axis=1)),
        ("kl_divergence", shares, q, rel_entr(shares, q).sum(axis=1)),
        ("cosine_similarity", y, p, cosine),
    ):
        loss = nn.get_loss(name)
        np.testing.assert_allclose(loss.rows(truth, found), by_hand, rtol=1e-12, err_msg=name)
        cr.check_grads(lambda p, loss=loss, truth=truth: loss(truth, p))(found)
    assert float(nn.get_loss("log_cosh")([0.0], [[1e300]])) == 1e300
    assert float(nn.get_loss("cosine_similarity")(y, 0 * p)) == 0.0


def test_a_loss_is_a_metric_of_probabilities() -> None:
    truth, p = BITS[:, 0], np.array([0.2, 0.9, 0.4, 0.6])
    wanted = -np.mean(np.log(np.where(truth == 1, p, 1 - p)))
    for given in ("binary_crossentropy", BinaryCrossentropy(), BinaryCrossentropy):
        assert nn.get_metric(given)(truth, p[:, None]) == pytest.approx(wanted, rel=1e-12)
