"""It really learns: as well as scikit-learn, as PyTorch step for step, and digits in a few epochs.

The peers' figures in ``reference/`` were written by the script beside them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from tests.claims.same_start import CNN, MLP, batches, start

FIGURES = json.loads((Path(__file__).parent / "reference" / "figures.json").read_text("utf-8"))
HEART = FIGURES["heart"]


def test_the_figures_name_their_makers() -> None:
    assert set(FIGURES["versions"]) == {"python", "numpy", "scikit-learn", "torch"}


def heart_scores(train: Any) -> Any:
    """Log loss and accuracy in each of the folds that the figures were made on."""
    table = cr.data.load_heart()
    y = np.array([c == "yes" for c in table.categories("disease")], float)
    kinds = cr.data.column_kinds(table, "disease")
    fold = np.array(HEART["fold"])
    scores = []
    for k in range(5):
        inside, outside = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        encoder = cr.data.fit_encoder(table.take(inside), kinds)
        model = train(encoder.transform(table.take(inside)), y[inside])
        p = model.predict_proba(encoder.transform(table.take(outside))).ravel()
        truth = y[outside]
        loss = -np.mean(np.log(np.where(truth == 1, p, 1 - p)))
        scores.append((loss, np.mean((p > 0.5) == truth)))
    return np.array(scores)


def test_logistic_regression_is_scikit_learns_in_every_fold() -> None:
    """C = 1 adds ½‖w‖² to the sum of the losses, so ‖w‖²/2n to their mean."""

    def train(x: Any, y: Any) -> cr.Model:
        model = cr.Model([nn.Dense(1, kernel_initializer="zeros")])
        rule = optim.NesterovReformulated(1.5, 0.94, l2=1 / len(x), penalize=optim.kernels_only)
        model.compile(rule, "binary_crossentropy")
        model.fit(x, y, batch_size=len(x), epochs=300, verbose=0)
        return model

    found, theirs = heart_scores(train), np.array(HEART["scores"]["LogisticRegression"])
    np.testing.assert_allclose(found[:, 0], theirs[:, 0], rtol=1e-5)
    np.testing.assert_array_equal(found[:, 1], theirs[:, 1])


def test_a_network_is_no_worse_than_scikit_learns_beyond_noise() -> None:
    """By the mean difference in log loss, within twice its corrected standard error.

    s²(1/k + n_test/n_train) for k folds (Nadeau & Bengio, Machine Learning 52, 2003).
    """

    def train(x: Any, y: Any) -> cr.Model:
        model = cr.Model([nn.Dense(50, "relu"), nn.Dropout(0.3), nn.Dense(1)])
        model.compile(optim.Adam(0.003), "binary_crossentropy")
        model.fit(x, y, batch_size=72, epochs=50, verbose=0)
        return model

    worse = heart_scores(train)[:, 0] - np.array(HEART["scores"]["MLPClassifier"])[:, 0]
    error = np.sqrt(np.var(worse, ddof=1) * (1 / 5 + 1 / 4))
    assert np.mean(worse) < 2 * error
    assert error < 0.05  # or anything would pass


def network(kind: str) -> tuple[list[nn.Layer], Any]:
    if kind == MLP:
        norm = nn.BatchNormalization(momentum=0.9, epsilon=1e-5)
        return [
            nn.Flatten(), nn.Dense(24), norm, nn.Activation("relu"), nn.Dense(10)
        ], optim.Momentum(0.05, 0.9, convention="pytorch")  # fmt: skip
    return [
        nn.Conv2D(4, 3, activation="relu"), nn.MaxPooling2D(2), nn.Flatten(), nn.Dense(10)
    ], optim.Adam(0.01)  # fmt: skip


@pytest.mark.parametrize("kind", [MLP, CNN])
def test_every_step_has_the_loss_that_it_has_in_pytorch(kind: str) -> None:
    layers, rule = network(kind)
    model = cr.Model(layers, dtype=np.float64).build((14, 14, 1))
    kernels = iter(start(kind))
    model.set_weights([next(kernels) if w.ndim >= 2 else w for w in model.get_weights()])
    model.compile(rule, "sparse_categorical_crossentropy")
    steps = cr.train.History(per_step=True)
    model.fit(batches, epochs=1, verbose=0, callbacks=[steps])
    theirs = FIGURES["losses"][kind]
    assert theirs[-1] < 0.5 * theirs[0]
    np.testing.assert_allclose(steps.steps["loss"], theirs, rtol=1e-10)


def test_digits_are_learned_in_a_few_epochs() -> None:
    images, labels = cr.data.load_digits5k()
    x = (images / 255).astype(np.float32)
    model = cr.Model([nn.Flatten(), nn.Dense(64, "relu"), nn.Dense(10)])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[::5], labels[::5], epochs=10, verbose=0)
    _, accuracy = model.evaluate(x[2::5], labels[2::5], batch_size=500)
    assert accuracy > 0.88  # chance is 0.1
