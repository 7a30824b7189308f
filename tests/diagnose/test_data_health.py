"""What the data show: scales, targets out of reach, last layers that do not fit, labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.diagnose.verdicts import Verdict
from tests.diagnose.networks import X, Y, network

LABELS = (X[:, 0] > 0).astype(int)
CLASSES = np.digitize(X[:, 0], [-0.5, 0.5])
SPARSE = "sparse_categorical_crossentropy"


def health(
    last: list[Any], loss: str, y: Any, x: Any = X, epochs: int = 0, rate: float = 0.01
) -> Any:
    model = network([nn.Dense(16, "relu"), *last], cr.optim.Adam(rate), loss)
    if epochs:
        model.fit(x, y, epochs=epochs, verbose=0)
    return cr.gradient_health(model, x, y)


def verdicts(*args: Any, **options: Any) -> dict[str, Verdict]:
    return {v.kind: v for v in health(*args, **options).verdicts}


@pytest.mark.parametrize(
    ("last", "loss", "y", "words", "remedy"),
    [
        ([nn.Dense(1, "relu")], "binary_crossentropy", LABELS, "relu leaves only 0 and more",
         "no activation"),
        ([nn.Dense(3, "relu")], SPARSE, CLASSES, "relu leaves only 0 and more", "no activation"),
        ([nn.Dense(3, "softmax"), nn.Activation("softmax")], SPARSE, CLASSES,
         "softmax leaves only 0 to 1", "no activation"),
        ([nn.Dense(3, "sigmoid")], SPARSE, CLASSES, "a probability of its own", "softmax"),
        ([nn.Dense(1, "sigmoid")], "mse", LABELS, "hardly any gradient",
         "binary_crossentropy"),
    ],
)  # fmt: skip
def test_a_last_layer_that_does_not_fit(
    last: Any, loss: str, y: Any, words: str, remedy: str
) -> None:
    found = verdicts(last, loss, y)["last layer"]
    assert words in found.words
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("last", "loss", "y"),
    [
        (nn.Dense(1, "sigmoid"), "binary_crossentropy", LABELS),
        (nn.Dense(1), "binary_crossentropy", LABELS),
        (nn.Dense(3, "softmax"), SPARSE, CLASSES),
        (nn.Dense(1), "mse", Y),
        (nn.Dense(1, "sigmoid"), "mse", 1.0 / (1.0 + np.exp(-Y))),
        (nn.Dense(1, "exponential"), "poisson", np.abs(Y)),
        (nn.Dense(1, "tanh"), "mse", np.tanh(Y)),
    ],
)
def test_one_that_fits(last: Any, loss: str, y: Any) -> None:
    assert not {"last layer", "targets"} & set(verdicts([last], loss, y))


def test_targets_out_of_reach() -> None:
    # Of −2, −1, …, 2 a sigmoid can give 0 and 1.
    y = np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], 51)[:, None]
    found = verdicts([nn.Dense(1, "sigmoid")], "mse", y, X[:255])["targets"]
    assert found.words == (
        "60% of the targets cannot be reached: sigmoid gives 0 to 1, and they go from -2 to 2"
    )
    found = verdicts([nn.Dense(1, "relu")], "mse", y, X[:255])["targets"]
    assert "40% of the targets cannot be reached: relu gives 0 and more" in found.words


def test_large_targets() -> None:
    found = verdicts([nn.Dense(1)], "mse", 1e4 * Y)["targets"]
    assert "the targets are large, √mean square" in found.words
    assert "targets" not in verdicts([nn.Dense(1)], "mse", Y)


def test_features_of_different_scales() -> None:
    x = X * np.where(np.arange(20) == 3, 500.0, 1.0)
    spreads = x.std(axis=0)
    found = verdicts([nn.Dense(1)], "mse", Y, x)["inputs"]
    narrow = int(np.argmin(spreads))
    assert found.words.endswith(
        f"the spread is {spreads[3]:.3g} in column 3 and {spreads[narrow]:.3g} in column {narrow}"
    )
    data = health([nn.Dense(1)], "mse", Y, np.where(np.arange(20) == 5, 7.0, X)).data
    assert data.constant == 1
    small = X * np.where(np.arange(20) == 3, 1e-3, 1.0)  # not seen in the mean square
    assert "very different scales" in verdicts([nn.Dense(1)], "mse", Y, small)["inputs"].words


def test_inputs_that_are_all_0() -> None:
    assert list(verdicts([nn.Dense(1)], "mse", Y, 0.0 * X)) == ["inputs"]


def test_the_loss_of_one_output_for_all() -> None:
    p = LABELS.mean()
    entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
    assert health([nn.Dense(1)], "binary_crossentropy", LABELS).data.baseline == pytest.approx(
        entropy
    )
    shares = np.bincount(CLASSES) / 256
    for loss, y in ((SPARSE, CLASSES), ("categorical_crossentropy", np.eye(3)[CLASSES])):
        found = health([nn.Dense(3)], loss, y).data.baseline
        assert found == pytest.approx(-np.sum(shares * np.log(shares)))
    assert health([nn.Dense(1)], "mse", Y).data.baseline == pytest.approx(np.var(Y))
    assert health([nn.Dense(1)], "mae", Y).data.baseline == pytest.approx(
        np.mean(np.abs(Y - np.median(Y)))
    )


def test_a_network_that_does_no_better_than_one_output() -> None:
    shuffled = np.random.default_rng(0).permutation(LABELS)
    found = verdicts([nn.Dense(1)], "binary_crossentropy", shuffled, epochs=10, rate=1e-4)
    assert "do the rows of x and y belong together" in found["no better"].remedy
    assert "no better" not in verdicts([nn.Dense(1)], "binary_crossentropy", LABELS, epochs=10)
    untrained = verdicts([nn.Dense(1)], "binary_crossentropy", LABELS)
    assert "no better" not in untrained


def test_rows_whose_labels_are_wrong() -> None:
    wrong = LABELS.copy()
    far = np.flatnonzero(np.abs(X[:, 0]) > 1.2)[[3, 11]]  # where there is no doubt of the class
    wrong[far] = 1 - wrong[far]
    model = network([nn.Dense(1, "sigmoid")], cr.optim.Adam(0.05), "binary_crossentropy")
    model.fit(X, wrong, epochs=20, verbose=0)
    found = cr.gradient_health(model, X, wrong)
    assert set(found.data.doubtful) == set(far)
    assert found.data.right == np.mean((model.predict(X)[:, 0] > 0.5) == wrong)
    [labels] = [v for v in found.verdicts if v.kind == "labels"]
    assert all(str(row) in labels.words for row in far)
    many = replace(found, data=replace(found.data, doubtful=tuple(range(20))))
    assert "labels" not in {v.kind for v in many.verdicts}  # hard to tell, rather than wrong
    # Of rows that were drawn, the positions in the data.
    some = cr.gradient_health(model, X, wrong, rows=200, seed=1)
    assert set(some.data.doubtful) <= set(far)
    assert not cr.gradient_health(model, X, LABELS).data.doubtful


def test_a_class_that_is_never_recognised() -> None:
    names = np.where(np.arange(256) % 64 == 5, "rare", "common")  # x tells nothing of it
    found = verdicts([nn.Dense(2)], SPARSE, names, epochs=3)["classes"]
    assert found.words == "class 'rare' is recognised in none of its 4 rows, 1.6% of all"
    assert "class_weight='balanced'" in found.remedy


def test_records_survive_a_file(tmp_path: Path) -> None:
    names = np.where(np.arange(256) % 64 == 5, "rare", "common")
    model = network([nn.Dense(2)], "sgd", SPARSE)
    monitor = cr.GradientMonitor((X, names))
    backup = cr.train.BackupAndRestore(tmp_path, delete_checkpoint=False)
    model.fit(X, names, epochs=2, callbacks=[monitor, backup], verbose=0)
    again = cr.GradientMonitor((X, names))
    model = network([nn.Dense(2)], "sgd", SPARSE)
    model.fit(X, names, epochs=2, callbacks=[again, cr.train.BackupAndRestore(
        tmp_path, delete_checkpoint=False)], verbose=0)  # fmt: skip
    assert again.records == monitor.records
    assert again.records[0].data is not None
