"""From a table to trained models, on the heart data and on tables made by hand."""

from __future__ import annotations

import csv
from collections import Counter
from importlib import resources
from typing import Any

import numpy as np
import pandas
import pytest

from chainrule.data import load_heart, read_text
from chainrule.errors import ArgumentError, DataError
from chainrule.train import Settings, TableModel, prepare, train_models
from chainrule.train.tabular import baseline
from chainrule.train.tabular.study import default_learning_rate

HEART = resources.files("chainrule.data") / "files" / "heart.csv"
ROWS = list(csv.DictReader(HEART.read_text("utf-8").splitlines()))


def test_the_inputs_of_heart_from_its_training_lines() -> None:
    study = prepare(load_heart(), Settings("disease", seed=1))
    train = [ROWS[line - 2] for line in study.train.table.lines]
    test = [ROWS[line - 2] for line in study.test.table.lines]
    assert len(train) + len(test) == len(set(study.train.table.lines + study.test.table.lines))
    assert len(test) == 68  # round(270 / 4)
    ages = np.array([float(row["age"]) for row in train])
    expected = (np.array([float(row["age"]) for row in test]) - ages.mean()) / ages.std()
    np.testing.assert_allclose(study.test.x[:, 0], expected, rtol=1e-12)
    male = study.encoder.names.index("sex=male")
    assert study.test.x[:, male].tolist() == [float(row["sex"] == "male") for row in test]
    assert study.test.y[:, 0].tolist() == [float(row["disease"] == "yes") for row in test]
    # 120 of 270 patients are ill, so 30.2 of 68.
    assert sum(row["disease"] == "yes" for row in test) == 30


def test_the_baseline_is_the_majority_class() -> None:
    study = prepare(load_heart(), Settings("disease"))
    least = baseline(study)
    train = Counter(ROWS[line - 2]["disease"] for line in study.train.table.lines)
    test = Counter(ROWS[line - 2]["disease"] for line in study.test.table.lines)
    assert least.name == "majority class (no)"
    assert least.train["accuracy"] == train["no"] / train.total()
    assert least.test["accuracy"] == test["no"] / test.total()
    p = train["yes"] / train.total()
    loss = -(test["yes"] * np.log(p) + test["no"] * np.log(1 - p)) / test.total()
    assert least.test["loss"] == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_both_models_of_heart_beat_the_baseline(seed: int) -> None:
    study = prepare(load_heart(), Settings("disease", seed=seed))
    least = baseline(study)
    logistic, network = train_models(study)
    assert (logistic.name, network.name) == ("logistic regression", "network 25-16-1")
    for model in (logistic, network):
        assert model.test["accuracy"] >= 0.8
        assert model.test["loss"] < 0.75 * least.test["loss"]
        assert model.history[-1]["val_loss"] == pytest.approx(model.test["loss"], rel=1e-12)
        assert len(model.history) == 100
    assert network.train["loss"] < logistic.train["loss"]


def test_the_same_settings_give_the_same_bits() -> None:
    def run() -> list[Any]:
        return list(train_models(prepare(load_heart(), Settings("disease", epochs=3))))

    for one, same in zip(run(), run(), strict=True):
        assert one.history == same.history
        for a, b in zip(one.model.get_weights(), same.model.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()


def test_three_classes() -> None:
    """Three clusters on a line that a softmax regression separates."""
    rng = np.random.default_rng(0)
    rows = [(10.0 * k + rng.normal(), "abc"[k]) for k in range(3) for _ in range(20)]
    table = read_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows))
    settings = Settings("y", epochs=300, weight_decay=0.0, learning_rate=0.5)
    study = prepare(table, settings)
    least, models = baseline(study), list(train_models(study))
    assert [m.name for m in models] == ["softmax regression", "network 1-16-3"]
    assert least.test["loss"] == pytest.approx(np.log(3), rel=1e-12)
    assert least.test["accuracy"] == pytest.approx(1 / 3)
    assert [m.test["accuracy"] for m in models] == [1.0, 1.0]


def test_a_number_is_scored_in_its_own_unit() -> None:
    """Prices in the thousands: held-out errors as those of numpy's least squares."""
    x = np.linspace(-1, 1, 80)
    y = 1000 + 200 * x + 10 * np.where(np.arange(80) % 3, 1, -1)
    rows = zip(x.tolist(), y.tolist(), strict=True)
    table = read_text("x,price\n" + "".join(f"{a!r},{b!r}\n" for a, b in rows))
    study = prepare(table, Settings("price", layers=(), weight_decay=0.0))
    [model] = train_models(study)
    assert model.name == "linear regression"
    train, test = (np.array(p.table.lines) - 2 for p in (study.train, study.test))
    line = np.polynomial.Polynomial.fit(x[train], y[train], 1)
    errors = line(x[test]) - y[test]
    assert model.test["rmse"] == pytest.approx(np.mean(errors**2) ** 0.5, rel=0.03)
    assert model.test["mae"] == pytest.approx(np.mean(np.abs(errors)), rel=0.03)
    assert model.test["r2"] == pytest.approx(1 - np.mean(errors**2) / np.var(y[test]), rel=0.03)
    least = baseline(study)
    spread = np.abs(y[test] - np.mean(y[train]))
    assert least.test["mae"] == pytest.approx(np.mean(spread), rel=1e-12)
    assert least.train["r2"] == pytest.approx(0.0, abs=1e-12)


def test_what_happened_to_the_rows_is_noted() -> None:
    cells = ["1,u,no", "2,v,yes"] * 8 + ["?,u,no", "3,u,", "4,v,?"]
    table = read_text("n,c,y\n" + "\n".join(cells) + "\n")
    notes = prepare(table, Settings("y", seed=3)).notes
    assert "y: 2 rows dropped, the target is missing" in notes
    assert any(note.startswith("n: 1 missing value replaced by the training med") for note in notes)


def test_a_category_unseen_in_training_is_noted() -> None:
    cells = [f"{'uv'[i % 2]},{i % 2}" for i in range(20)]
    notes = []
    for row in range(20):  # one of these rows is held out
        table = read_text("c,y\n" + "\n".join([*cells[:row], f"w,{row % 2}", *cells[row + 1 :]]))
        notes.append(prepare(table, Settings("y")).notes)
    # 5 of the 20 rows are held out.
    unseen = ("c: 1 held-out row has a category unseen in training, made zeros",)
    assert Counter(notes) == {unseen: 5, (): 15}


def test_the_learning_rate_follows_the_largest_curvature() -> None:
    x = np.random.default_rng(1).normal(size=(200, 30)) + 1.0
    design = np.hstack([x, np.ones((200, 1))])
    hessian = 2 * design.T @ design / 200  # of the mean squared error
    largest = np.linalg.norm(hessian, 2)
    assert default_learning_rate(x, "numeric") == pytest.approx(0.5 / largest, rel=1e-10)
    assert default_learning_rate(x[:, :2] / 100, "binary") == 0.1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"learning_rate": 0.0}, "learning rate must be a positive number"),
        ({"learning_rate": float("nan")}, "learning rate must be a positive number"),
        ({"weight_decay": -1.0}, "weight decay must be a number from 0 to 1e.06"),
        ({"seed": -1}, "seed must be a whole number of 0 or more"),
        ({"optimizer": "adm"}, "optimizer must be one of sgd, .*adam"),
        ({"schedule": "plateau", "validation_size": 0.0}, "validation size must be above 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused_when_they_are_made(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError, match=rf"(?s){message}.*\n  received:.*remedy:"):
        Settings("disease", **wrong)


def test_data_frames_are_tables() -> None:
    """Training and prediction take them as they take the same rows of a file."""
    rows = {"age": [20.0, 50.0, 30.0, 60.0] * 5, "sex": ["m", "f"] * 10, "ill": ["no", "yes"] * 10}
    frame = pandas.DataFrame(rows)
    settings = Settings("ill", layers=(), epochs=3)
    study = prepare(frame, settings)
    text = "\n".join(
        ["age,sex,ill", *(",".join(map(str, row)) for row in zip(*rows.values(), strict=True))]
    )
    np.testing.assert_array_equal(study.train.x, prepare(read_text(text), settings).train.x)
    [trained] = train_models(study)
    model = TableModel(trained.model, study.encoder, study.target)
    for name, found in model.predict(frame).items():
        np.testing.assert_array_equal(found, model.predict(read_text(text))[name])
    assert model.evaluate(frame) == model.evaluate(read_text(text))
    with pytest.raises(DataError, match="a table is made from a data frame"):
        prepare(np.ones((3, 2)), settings)
