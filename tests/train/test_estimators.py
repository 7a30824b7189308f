"""Estimators by the rules of scikit-learn's tools; by the tools themselves where they are."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import polars as pl
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, DataError, ShapeError
from chainrule.train import Classifier, Regressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
RATE = cr.optim.Adam(0.1)


def small(kind: Any = Classifier, **more: Any) -> Any:
    return kind([nn.Dense(4, "tanh")], **{"optimizer": RATE, "epochs": 20, **more})


@pytest.mark.parametrize(
    "classes", [[-1, 1], ["no", "yes"], [False, True], [3, 5, 9], ["a", "b", "c"]]
)
def test_classes_keep_their_names(classes: list[Any]) -> None:
    y = np.array(classes)[(X[:, 0] > 0).astype(int) + (len(classes) == 3) * (X[:, 0] > 1)]
    found = small().fit(X, y)
    assert found.classes_.tolist() == sorted(classes)
    p, predicted = found.predict_proba(X), found.predict(X)
    assert p.shape == (80, len(classes))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_array_equal(predicted, found.classes_[p.argmax(axis=1)])
    assert found.score(X, y) == np.mean(predicted == y) > 0.85


def test_numbers_keep_their_shape() -> None:
    for y in (X[:, 0], X[:, :1], X[:, :2]):
        found = small(Regressor).fit(X, y)
        predicted = found.predict(X)
        assert predicted.shape == y.shape
        left, spread = (
            np.sum((y - predicted) ** 2, axis=0),
            np.sum((y - y.mean(axis=0)) ** 2, axis=0),
        )
        assert found.score(X, y) == pytest.approx(np.mean(1.0 - left / spread))


def test_it_is_the_model_that_fit_trains() -> None:
    y = (X[:, 0] > 0).astype(int)
    model = cr.Model([nn.Dense(4, "tanh"), nn.Dense(1, "sigmoid")])
    model.compile(RATE, "binary_crossentropy")
    model.fit(X, y, epochs=20, seed=3, class_weight={0: 1.0, 1: 2.0})
    names = np.array(["no", "yes"])[y]
    found = small(random_state=3, class_weight={"yes": 2.0}).fit(X, names)
    np.testing.assert_array_equal(found.predict_proba(X)[:, 1:], model.predict(X))


def test_settings_are_kept_and_copied() -> None:
    """What scikit-learn's clone does: each argument comes back as it was given."""
    first = small(callbacks=(cr.train.EarlyStopping("loss", patience=3),)).fit(X, X[:, 0] > 0)
    params = {name: copy.deepcopy(v) for name, v in first.get_params(deep=False).items()}
    second = Classifier(**params)
    assert all(value is params[name] for name, value in second.get_params(deep=False).items())
    assert not hasattr(second, "model_")
    second.set_params(optimizer__learning_rate=0.5, epochs=1)
    assert (second.optimizer.learning_rate, second.epochs, RATE.learning_rate) == (0.5, 1, 0.1)
    assert repr(Classifier(epochs=3)) == "Classifier(epochs=3)"
    # All that can be read can be set.
    assert first.set_params(**first.get_params()).optimizer == RATE


def test_a_random_state_is_a_seed_a_generator_or_none() -> None:
    def weights(state: Any) -> Any:
        return (
            small(Regressor, epochs=1, random_state=state).fit(X, X[:, 0]).model_.get_weights()[0]
        )

    small(epochs=1, random_state=None).fit(X, X[:, 0] > 0)
    for kind in (np.random.RandomState, np.random.default_rng):
        one, same, other = (weights(kind(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)


def test_columns_of_a_data_frame() -> None:
    frame = pl.DataFrame(X, schema=["a", "b", "c"])
    found = small(epochs=1).fit(frame, X[:, 0] > 0)
    assert (found.n_features_in_, found.feature_names_in_.tolist()) == (3, ["a", "b", "c"])
    np.testing.assert_array_equal(found.predict(frame.select("c", "a", "b")), found.predict(frame))
    # Tables of several kinds become arrays of objects.
    np.testing.assert_array_equal(found.predict(X.astype(object)), found.predict(X))


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="has no setting of that name"):
        small().set_params(epoch=3)
    with pytest.raises(ArgumentError, match="has not been fitted"):
        small().predict(X)
    with pytest.raises(DataError, match="one class for each row"):
        small().fit(X, np.eye(80)[:, :2])
    with pytest.raises(DataError, match="two classes or more"):
        small().fit(X, np.zeros(80))
    with pytest.raises(ArgumentError, match="class_weight names a class that there is not"):
        small(class_weight={2: 1.0}).fit(X, X[:, 0] > 0)
    with pytest.raises(DataError, match="use a Regressor"):
        small().fit(X, X[:, 0])
    for labels in (np.array(["a", None] * 40, object), np.array([1.0, np.nan] * 40)):
        with pytest.raises(DataError, match="40 of 80 labels are missing"):
            small().fit(X, labels)
    with pytest.raises(ShapeError, match="80 rows of x, 9 of y"):
        small().fit(X, np.zeros(9))
    with pytest.raises(ShapeError, match="a number for each row"):
        small(Regressor).fit(X, None)
    with pytest.raises(ArgumentError, match="layers is a list"):
        Regressor(64).fit(X, X[:, 0])
    with pytest.raises(TypeError, match="'max_iter'; use epochs"):
        Classifier(max_iter=100)
    matrix = type("csr_matrix", (), {"toarray": None, "shape": (80, 3)})()
    with pytest.raises(DataError, match=r"give x.toarray\(\)"):
        small().fit(matrix, X[:, 0] > 0)


def test_scikit_learn_takes_them() -> None:
    pytest.importorskip("sklearn")
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y = np.where(X[:, 0] > 0, "up", "down")
    assert cross_val_score(small(), X, y, cv=3).mean() > 0.8
    assert cross_val_score(small(Regressor), X, X[:, 0], cv=3).mean() > 0.5
    pipe = make_pipeline(StandardScaler(), small(epochs=2))
    rates = {"classifier__optimizer__learning_rate": [1e-9, 0.1]}
    search = GridSearchCV(pipe, rates, cv=2).fit(X, y)
    assert search.best_params_ == {"classifier__optimizer__learning_rate": 0.1}
