"""`Model` against closed forms, a loop written by hand, and data that it should learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import load_digits5k
from chainrule.errors import ArgumentError

RNG = np.random.default_rng(3)
X = RNG.normal(size=(50, 3))
NUMBERS = X @ np.array([1.0, -2.0, 0.5]) + 0.3 + 0.1 * RNG.normal(size=50)
CLASSES = (X[:, 0] + 0.5 * RNG.normal(size=50) > 0).astype(float)


def moons(n: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    angle = np.pi * rng.random(n)
    side = np.arange(n) % 2
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x[side == 1] = np.array([1.0, 0.5]) - x[side == 1]
    return x + 0.1 * rng.normal(size=(n, 2)), side


def test_linear_regression_reaches_least_squares() -> None:
    model = cr.Model([nn.Dense(1)])
    model.compile(optim.SGD(0.3), "mse")
    model.fit(X, NUMBERS, batch_size=50, epochs=300, verbose=0)
    solution = np.linalg.lstsq(np.hstack([X, np.ones((50, 1))]), NUMBERS, rcond=None)[0]
    np.testing.assert_allclose(model.params["dense"]["kernel"][:, 0], solution[:3], rtol=1e-9)
    np.testing.assert_allclose(model.params["dense"]["bias"], solution[3:], rtol=1e-9)


def test_five_steps_by_hand() -> None:
    """A network 3-4-1 of tanh and sigmoid, momentum, and row weights, in plain NumPy."""
    model = cr.Model([nn.Dense(4, "tanh"), nn.Dense(1, "sigmoid")]).build((3,), seed=8)
    w1, w2 = (np.array(model.params[n]["kernel"]) for n in ("dense", "dense_1"))
    b1, b2 = (np.array(model.params[n]["bias"]) for n in ("dense", "dense_1"))
    weight = RNG.random(50) + 0.5
    model.compile(optim.Momentum(0.5, 0.9), "binary_crossentropy")
    history = cr.train.History(per_step=True)
    model.fit(
        X, CLASSES, batch_size=10, epochs=1, shuffle=False, sample_weight=weight, verbose=0,
        callbacks=[history],
    )  # fmt: skip
    theta = [w1, b1, w2, b2]
    velocity = [np.zeros_like(p) for p in theta]
    losses, norms = [], []
    for k in range(5):
        x, y = X[10 * k : 10 * k + 10], CLASSES[10 * k : 10 * k + 10, None]
        w = weight[10 * k : 10 * k + 10, None]
        w1, b1, w2, b2 = theta
        h = np.tanh(x @ w1 + b1)
        p = 1 / (1 + np.exp(-(h @ w2 + b2)))
        losses.append(np.mean(-w * (y * np.log(p) + (1 - y) * np.log(1 - p))))
        dz2 = w * (p - y) / 10
        dz1 = dz2 @ w2.T * (1 - h**2)
        gradients = [x.T @ dz1, dz1.sum(0), h.T @ dz2, dz2.sum(0)]
        norms.append(np.sqrt(sum(np.sum(g**2) for g in gradients)))
        velocity = [0.9 * v - 0.5 * g for v, g in zip(velocity, gradients, strict=True)]
        theta = [q + v for q, v in zip(theta, velocity, strict=True)]
    np.testing.assert_allclose(model.params["dense"]["kernel"], theta[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.params["dense"]["bias"], theta[1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.params["dense_1"]["kernel"], theta[2], rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.params["dense_1"]["bias"], theta[3], rtol=0, atol=1e-12)
    np.testing.assert_allclose(history.steps["loss"], losses, rtol=1e-12)
    np.testing.assert_allclose(history.steps["gradient_norm"], norms, rtol=1e-12)
    # The epoch's loss is the mean of losses before each update.
    assert history.history["loss"] == pytest.approx([np.mean(losses)], rel=1e-12)


def test_a_sigmoid_is_folded_into_the_loss() -> None:
    """Logits and probabilities train alike, and saturation costs no digits."""
    runs = []
    for activation in (None, "sigmoid"):
        model = cr.Model([nn.Dense(1, activation)])
        model.compile("sgd", "binary_crossentropy")
        model.fit(1000 * X, CLASSES, epochs=3, verbose=0)
        runs.append(model)
    linear, folded = runs
    assert linear.get_weights()[1].tobytes() == folded.get_weights()[1].tobytes()
    np.testing.assert_array_equal(linear.predict_proba(X), folded.predict(X))
    assert np.any(linear.predict(X) > 1.0)  # logits


def test_a_last_softmax_gives_probabilities_under_any_loss() -> None:
    for units, activation in ((1, "sigmoid"), (3, "softmax")):
        model = cr.Model([nn.Dense(units, activation)])
        model.compile("sgd", "mse")
        model.fit(X, np.tile(CLASSES[:, None], units), verbose=0)
        np.testing.assert_array_equal(model.predict_proba(X), model.predict(X))
        with pytest.raises(ArgumentError, match="trained with a loss for classes"):
            model.predict_classes(X)


@pytest.mark.parametrize("kind", ["strings", "integers", "one-hot", "column", "floats"])
def test_labels_of_all_kinds_train_alike(kind: str) -> None:
    codes = np.argmax(X, axis=1)
    y = {
        "strings": np.array(["a", "b", "c"])[codes], "integers": codes, "one-hot": np.eye(3)[codes],
        "column": codes[:, None], "floats": codes.astype(float),
    }[kind]  # fmt: skip
    found = []
    for loss in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        model = cr.Model([nn.Dense(3, "softmax")])
        model.compile(optim.Adam(0.1), loss, ["accuracy"])
        history = model.fit(X, y, epochs=40, verbose=0)
        assert history.history["accuracy"][-1] > 0.8
        assert model.evaluate(X, y)[1] == np.mean(model.predict(X).argmax(1) == codes)
        classes = model.predict_classes(X)
        assert classes.tolist() == (
            np.array(["a", "b", "c"])[model.predict(X).argmax(1)].tolist()
            if kind == "strings"
            else model.predict(X).argmax(1).tolist()
        )
        found.append(model.get_weights())
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-12)
    reference = cr.Model([nn.Dense(3)])
    reference.compile(optim.Adam(0.1), "sparse_categorical_crossentropy")
    reference.fit(X, codes, epochs=40, verbose=0)
    np.testing.assert_allclose(found[1][1], reference.get_weights()[1], rtol=1e-12)


@pytest.mark.parametrize("names", [(0, 1), (-1, 1), ("no", "yes")])
def test_hinge_separates_at_zero(names: tuple[Any, Any]) -> None:
    y = np.array(names)[CLASSES.astype(int)]
    model = cr.Model([nn.Dense(1)])
    model.compile("adam", "hinge", ["accuracy"])
    model.fit(X, y, epochs=5, verbose=0)
    scores = model.predict(X)[:, 0]
    assert np.any((scores > 0) & (scores < 0.5))
    found = model.predict_classes(X)
    assert found.tolist() == np.where(scores > 0, names[1], names[0]).tolist()
    assert model.evaluate(X, y)[1] == pytest.approx(np.mean(found == y))
    with pytest.raises(ArgumentError, match="probabilities need a model"):
        model.predict_proba(X)


def test_each_of_several_labels_is_predicted() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    model = cr.Model([nn.Dense(3, "sigmoid")])
    model.compile(cr.optim.Adam(0.1), "binary_crossentropy")
    model.fit(x, x > 0, epochs=20)
    found = model.predict_classes(x)
    np.testing.assert_array_equal(found, model.predict(x) > 0.5)
    assert np.mean(found == (x > 0)) > 0.95


def test_the_same_seed_gives_the_same_bits() -> None:
    def run(seed: int) -> list[bytes]:
        model = cr.Model([nn.Dense(8, "relu"), nn.Dropout(0.5), nn.Dense(1)])
        model.compile("adam", "mse")
        model.fit(X, NUMBERS, batch_size=7, epochs=3, seed=seed, verbose=0)
        return [w.tobytes() for w in model.get_weights()]

    assert run(1) == run(1) != run(2)


def test_float32_is_kept() -> None:
    model = cr.Model([nn.Dense(4, "relu"), nn.BatchNormalization(), nn.Dense(1)])
    model.compile("adam", "mse", ["mae"])
    model.fit(X.astype(np.float32), NUMBERS, epochs=2, verbose=0)
    assert {w.dtype for w in model.get_weights()} == {np.dtype(np.float32)}
    assert model.predict(X).dtype == np.float32
    wide = cr.Model([nn.Dense(1)])
    wide.compile("adam", "mse")
    wide.fit(np.arange(6).reshape(3, 2), [1, 2, 3], verbose=0)
    assert wide.params["dense"]["kernel"].dtype == np.float64


def test_weights_of_classes_and_rows_multiply() -> None:
    def run(**weights: Any) -> Any:
        model = cr.Model([nn.Dense(1)])
        model.compile("sgd", "binary_crossentropy")
        model.fit(X, CLASSES, verbose=0, epochs=2, **weights)
        return model.get_weights()[1]

    own = RNG.random(50)
    both = run(class_weight={0: 2.0, 1: 3.0}, sample_weight=own)
    np.testing.assert_array_equal(both, run(sample_weight=own * np.where(CLASSES == 1, 3.0, 2.0)))
    n = np.bincount(CLASSES.astype(int))
    by_hand = {0: 50 / (2 * n[0]), 1: 50 / (2 * n[1])}
    np.testing.assert_array_equal(run(class_weight="balanced"), run(class_weight=by_hand))
    assert not np.array_equal(both, run())


def test_validation_is_on_the_last_rows_after_the_epoch() -> None:
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse", ["mae"])
    history = model.fit(X, NUMBERS, epochs=3, validation_split=0.2, verbose=0)
    found = model.evaluate(X[40:], NUMBERS[40:], None, 0, None, return_dict=True)
    error = model.predict(X[40:])[:, 0] - NUMBERS[40:]
    assert found == pytest.approx({"loss": np.mean(error**2), "mae": np.mean(np.abs(error))})
    assert history.history["val_loss"][-1] == found["loss"]
    assert history.history["val_mae"][-1] == found["mae"]
    assert list(history.history) == ["loss", "mae", "val_loss", "val_mae"]
    # The rows held out were not trained on.
    other = cr.Model([nn.Dense(1)])
    other.compile("sgd", "mse")
    rare = other.fit(
        X[:40], NUMBERS[:40], epochs=3, verbose=0, validation_data=(X[40:], NUMBERS[40:]),
        validation_freq=2,
    )  # fmt: skip
    np.testing.assert_array_equal(other.get_weights()[1], model.get_weights()[1])
    assert rare.history["val_loss"] == history.history["val_loss"][1:2]


def test_a_split_that_holds_out_whole_classes_is_told() -> None:
    model = cr.Model([nn.Dense(3)])
    model.compile("adam", "sparse_categorical_crossentropy")
    labels = np.repeat(["a", "b", "c"], [20, 15, 15])
    with pytest.warns(UserWarning, match="have no row of class 'c': are the rows sorted") as found:
        model.fit(X, labels, validation_split=0.3, verbose=0)
    assert found[0].filename == __file__
    model.fit(X, np.tile(labels, 2)[25:75], validation_split=0.3, verbose=0)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_validation_data_with_a_class_that_is_not_trained_are_told(loss: str) -> None:
    model = cr.Model([nn.Dense(3)])
    model.compile("adam", loss)
    trained, held_out = np.arange(50) % 2, (X[:6], np.arange(6) % 3)
    with pytest.warns(
        UserWarning, match="validation_data has rows of class 2, and the tr"
    ) as found:
        model.fit(X, trained, validation_data=held_out, verbose=0)
    assert found[0].filename == __file__
    # Classes that are trained, numbers, and batches, whose classes nobody knows before.
    model.fit(X, np.arange(50) % 3, validation_data=held_out, verbose=0)
    model.fit(X, trained, validation_data=lambda: [held_out], verbose=0)
    numbers = cr.Model([nn.Dense(1)])
    numbers.compile("adam", "mse")
    numbers.fit(X, NUMBERS, validation_data=(X[:1], [1e6]), verbose=0)


def test_metrics_that_are_no_means_are_taken_over_the_whole_epoch() -> None:
    model = cr.Model([nn.Dense(1, "sigmoid")])
    model.compile(optim.SGD(0.0), "binary_crossentropy", ["accuracy", "auc", "precision", "f1"])
    trained = model.fit(X, CLASSES, batch_size=7, verbose=0).history
    found = model.evaluate(X, CLASSES, batch_size=50, return_dict=True)
    assert {name: values[0] for name, values in trained.items()} == pytest.approx(found, rel=1e-12)
    positive = model.predict(X)[:, 0] > 0.5
    assert found["precision"] == pytest.approx(np.mean(CLASSES[positive]))


def test_predicting_one_row_is_predicting_it_among_others() -> None:
    model = cr.Model([nn.Dense(4, "relu"), nn.BatchNormalization(), nn.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, NUMBERS, batch_size=25, epochs=4, verbose=0)
    rows = np.concatenate([model.predict(X[i : i + 1]) for i in range(50)])
    np.testing.assert_allclose(rows, model.predict(X), rtol=1e-12)


def test_fitting_goes_on_where_it_stood() -> None:
    whole, parts = (cr.Model([nn.Dense(5, "tanh"), nn.Dense(1)]) for _ in range(2))
    for model in (whole, parts):
        model.compile("adam", "mse")
    whole.fit(X, NUMBERS, epochs=4, verbose=0)
    parts.fit(X, NUMBERS, epochs=1, verbose=0)
    history = parts.fit(X, NUMBERS, epochs=4, initial_epoch=1, verbose=0)
    assert history.epoch == [1, 2, 3]
    for one, other in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_nesterov_takes_its_gradient_at_the_interim_point() -> None:
    model = cr.Model([nn.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(optim.Nesterov(0.1, 0.5), "mse")
    model.fit(np.ones((1, 1)), [0.0], epochs=2, verbose=0)
    # w = 1: v = −0.2, w = 0.8; at 0.8 − 0.1: v = −0.1 − 0.14, w = 0.56
    np.testing.assert_allclose(model.params["dense"]["kernel"], [[0.56]], rtol=1e-14)


def test_moons() -> None:
    x, y = moons(400, seed=0)
    model = cr.Model([nn.Dense(16, "relu"), nn.Dense(1, "sigmoid")])
    model.compile(optim.Adam(0.02), "binary_crossentropy", ["accuracy"])
    model.fit(x, y, epochs=40, verbose=0)
    held_out, truth = moons(400, seed=1)
    assert model.evaluate(held_out, truth)[1] > 0.95


def test_digits() -> None:
    images, labels = load_digits5k()
    order = np.random.default_rng(0).permutation(5000)
    train, test = order[:1000], order[1000:2000]
    net = [nn.Flatten(), nn.Lambda(lambda x: x / 255.0), nn.Dense(64, "relu"), nn.Dense(10)]
    model = cr.Model(net)
    model.compile(optim.Adam(0.003), "sparse_categorical_crossentropy", ["accuracy"])
    history = model.fit(images[train], labels[train], epochs=8, verbose=0)
    assert model.evaluate(images[test], labels[test])[1] > 0.85
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]


def test_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    model = cr.Model([nn.Dense(16, "relu"), nn.BatchNormalization(), nn.Dense(1)], name="small")
    model.build((13,)).summary()
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "small"
    assert shown[3].split("│")[1:3] == [" (16)   ", "        224 "]
    assert shown[3].endswith("glorot_uniform, variance 0.06897")  # 2/(13 + 16)
    assert shown[7].split() == ["sum", "│", "│", "273", "│"]
    assert shown[8] == " 32 more numbers are kept beside them, such as running averages"

    body = nn.Sequential([nn.Dense(16), nn.BatchNormalization()], name="body")
    cr.Model([nn.Frozen(body), nn.Dense(1)]).build((13,)).summary()
    frozen, others = capsys.readouterr().out.splitlines()[-2:]
    assert frozen == " 256 more numbers are frozen, and stay as they are"  # 13·16 + 16 + 2·16
    assert others == " 32 more numbers are kept beside them, such as running averages"


def test_it_prints_its_size() -> None:
    model = cr.Model([nn.Dense(16), nn.Dense(1)], name="small")
    assert repr(model) == "<Model 'small': no parameters yet>"
    assert repr(model.build((99,))) == "<Model 'small': 1,617 parameters>"


def test_a_model_is_a_function_that_compiles_and_has_a_derivative() -> None:
    kernel = np.array([[2.0], [-3.0]])
    model = cr.Model([nn.Dense(1, activation="tanh")]).build((2,))
    model.set_weights([kernel, np.array([0.5])])
    x = np.array([[0.3, 0.2], [-0.1, 0.4]])
    y = np.tanh(x @ kernel + 0.5)
    np.testing.assert_allclose(cr.compile(model)(x), y, rtol=1e-14)
    slope = cr.grad(lambda x: model(x).sum())
    np.testing.assert_allclose(slope(x), (1 - y**2) * kernel.T, rtol=1e-14)
    np.testing.assert_allclose(cr.compile(slope)(x), (1 - y**2) * kernel.T, rtol=1e-14)


def test_a_model_keeps_its_dtype_when_it_is_compiled() -> None:
    model = cr.Model([nn.Dense(1)], dtype=np.float32).build((2,))
    assert cr.compile(model)(np.ones((1, 2))).dtype == np.float32
