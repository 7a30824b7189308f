"""What `Model` says to what does not fit: the cause, what was received, the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ChainruleError, DataError, ShapeError

X = np.random.default_rng(0).normal(size=(20, 3))
Y = X[:, 0]


def model(loss: str = "mse", units: int = 1) -> cr.train.Model:
    made = cr.Model([nn.Dense(4), nn.Dense(units)])
    made.compile("sgd", loss)
    return made


def fitted() -> cr.train.Model:
    made = model()
    made.fit(X, Y, verbose=0)
    return made


CASES: dict[str, tuple[Callable[[], Any], type[ChainruleError], str, str, str]] = {
    "fit before compile": (
        lambda: cr.Model([nn.Dense(1)]).fit(X, Y),
        ArgumentError, "must be compiled before fit", "without an optimizer", "model.compile(",
    ),
    "predict before fit": (
        lambda: cr.Model([nn.Dense(1)]).predict(X),
        ArgumentError, "no parameters yet, which predict needs", "neither trained", "call fit",
    ),
    "no layer": (
        lambda: cr.Model([]),
        ArgumentError, "a model needs at least one layer", "none", "give layers, such as",
    ),
    "no layer in a sequence": (
        lambda: cr.Model(nn.Sequential()).compile("sgd", "mse"),
        ArgumentError, "compile needs at least one layer", "none", "add them to a cr.Sequential",
    ),
    "no layer to build": (
        lambda: cr.Sequential().build((3,)),
        ArgumentError, "build needs at least one layer", "none", "add them to a cr.Sequential",
    ),
    "evaluate before fit": (
        lambda: model().build((3,)).evaluate(X, Y),
        ArgumentError, "evaluate needs a model that was trained", "only built", "call fit",
    ),
    "rows": (
        lambda: model().fit(X, Y[:-1]),
        ShapeError, "x and y have different numbers of rows", "20 rows of x, 19 of y", "each row",
    ),
    "rows of different lengths": (
        lambda: model().fit([[1.0, 2.0], [3.0]], [1.0, 2.0]),
        DataError, "x cannot be made an array", "inhomogeneous", "as many numbers",
    ),
    "a target that is not there": (
        lambda: model().fit(X, np.where(np.arange(20) == 4, np.nan, Y)),
        DataError, "y has missing values", "1 of 20 targets are missing", "drop those rows",
    ),
    "names for numbers": (
        lambda: (
            (made := model("binary_crossentropy")).fit(X, Y > 0, verbose=0),
            made.fit(X, np.where(Y > 0, "p", "q"), verbose=0),
        ),
        DataError, "the model knows them by number", "'p', 'q'", "from 0 to 1 that it was trained",
    ),
    "a batch size for batches": (
        lambda: model().fit(lambda: [(X, Y)], batch_size=8),
        ArgumentError, "batch_size needs arrays", "x a function", "as large as x makes it",
    ),
    "rows of weights": (
        lambda: model().fit(X, Y, sample_weight=np.ones(3)),
        ShapeError, "x and sample_weight have different", "20 rows of x, 3 of", "each row",
    ),
    "width": (
        lambda: fitted().predict(X[:, :2]),
        ShapeError, "Dense 'dense': the input must have 3 features", "(20, 2)", "(batch, 3)",
    ),
    "a single row": (
        lambda: fitted().predict(X[0]),
        ShapeError, "Dense 'dense': the input must have 3 features", "(3,)", "x[None]",
    ),
    "three labels for binary": (
        lambda: model("binary_crossentropy").fit(X, ["a", "b", "c", "a"] * 5),
        DataError, "the labels in y do not fit", "3 different labels ('a', 'b', 'c')",
        "sparse_categorical_crossentropy",
    ),
    "labels out of range": (
        lambda: model("sparse_categorical_crossentropy", 3).fit(X, np.arange(20) % 5),
        DataError, "the labels in y do not fit", "5 different labels (0, 1, 2, 3, 4) for 3",
        "5 units",
    ),
    "text for numbers": (
        lambda: model().fit(X, ["a", "b"] * 10),
        DataError, "y holds text where numbers are wanted", "'a', 'b'", "a loss for classes",
    ),
    "an unknown class later": (
        lambda: _two_classes().evaluate(X, ["no", "yess"] * 10),
        DataError, "a class that the training targets did not have", "'yess'", "yes",
    ),
    "missing targets": (
        lambda: model("binary_crossentropy").fit(X, ["a", None] * 10),
        DataError, "y has missing values", "10 of 20", "drop those rows",
    ),
    "two targets for one output": (
        lambda: model().fit(X, X[:, :2]),
        ShapeError, "y does not fit the outputs", "(20, 2), outputs of shape (rows, 1)", "one unit",
    ),
    "loss": (
        lambda: model("mean_square_error"),
        ArgumentError, "unknown loss", "'mean_square_error'", "mean_squared_error",
    ),
    "no loss": (
        lambda: cr.Model([nn.Dense(1)]).compile("adam"),
        ArgumentError, "compile needs a loss", "loss=None", "loss='mse'",
    ),
    "optimizer": (
        lambda: cr.Model([nn.Dense(1)]).compile("adm", "mse"),
        ArgumentError, "unknown optimizer", "'adm'", "'adam'",
    ),
    "metric": (
        lambda: cr.Model([nn.Dense(1)]).compile("adam", "mse", ["acuracy"]),
        ArgumentError, "unknown metric", "'acuracy'", "'accuracy'",
    ),
    "validation_split": (
        lambda: model().fit(X, Y, validation_split=1.0),
        ArgumentError, "validation_split is the share", "validation_split=1.0", "0.2",
    ),
    "nothing left": (
        lambda: model().fit(X[:1], Y[:1], validation_split=0.5),
        ArgumentError, "leaves no row to train on", "0.5 of 1 rows", "more rows",
    ),
    "empty": (
        lambda: model().fit(X[:0], Y[:0]),
        DataError, "x is empty", "0 rows", "check the file",
    ),
    "text inputs": (
        lambda: model().fit(np.array([["a"]]), [1.0]),
        DataError, "x is not made of real numbers", "<U1", "encode text",
    ),
    "no targets": (
        lambda: model().fit(X),
        ArgumentError, "fit needs the targets", "y=None", "fit(x, y)",
    ),
    "batch_size": (
        lambda: model().fit(X, Y, batch_size=0),
        ArgumentError, "batch_size must be a whole number of 1 or more", "batch_size=0", "=32",
    ),
    "epochs": (
        lambda: model().fit(X, Y, epochs=2.5),
        ArgumentError, "epochs must be a whole number", "epochs=2.5", "epochs=10",
    ),
    "verbose": (
        lambda: model().fit(X, Y, verbose="loud"),
        ArgumentError, "unknown verbose", "'loud'", "'auto'",
    ),
    "class weights of numbers": (
        lambda: model().fit(X, Y, class_weight={0: 1.0}),
        ArgumentError, "class_weight needs a loss for classes", "{0: 1.0}", "sample_weight",
    ),
    "class weights of nobody": (
        lambda: model("binary_crossentropy").fit(X, ["a", "b"] * 10, class_weight={"c": 2.0}),
        ArgumentError, "a class that there is not", "'c'", "'a', 'b'",
    ),
    "negative weight": (
        lambda: model().fit(X, Y, sample_weight=-np.ones(20)),
        DataError, "no finite number of 0 or more", "-1.0", "use 0",
    ),
    "a generator twice": (
        lambda: model().fit(((X, Y) for _ in range(3)), epochs=2),
        ArgumentError, "a generator runs once", "epochs=2", "steps_per_epoch",
    ),
    "an empty generator": (
        lambda: model().fit(iter(())),
        DataError, "gives no batch", "tuple_iterator", "yield pairs",
    ),
    "a generator of arrays": (
        lambda: model().fit(iter([X])),
        ArgumentError, "must yield pairs (x, y)", "ndarray", "yield x_batch, y_batch",
    ),
    "a generator that runs dry": (
        lambda: model().fit(iter([(X, Y)] * 3), epochs=3, steps_per_epoch=3, verbose=0),
        DataError, "no batch of data to train on in epoch 2", "used up", "steps_per_epoch",
    ),
    "a split of a generator": (
        lambda: model().fit(iter([(X, Y)]), validation_split=0.2),
        ArgumentError, "validation_split needs arrays", "list_iterator", "validation_data",
    ),
    "validation data": (
        lambda: model().fit(X, Y, validation_data=(X,)),
        ArgumentError, "validation_data is (x, y)", "tuple of 1", "(x_val, y_val)",
    ),
    "probabilities of numbers": (
        lambda: fitted().predict_proba(X),
        ArgumentError, "probabilities need a model", "MeanSquaredError", "use predict",
    ),
    "weights of another model": (
        lambda: fitted().set_weights([np.zeros(3)]),
        ArgumentError, "the weights are not those", "[(3,)]", "(3, 4)",
    ),
    "callbacks": (
        lambda: model().fit(X, Y, callbacks=[cr.train.EarlyStopping]),
        ArgumentError, "callbacks must be a list of callbacks", "EarlyStopping, a class", "create",
    ),
    "one class of callbacks": (
        lambda: model().fit(X, Y, callbacks=cr.train.EarlyStopping),
        ArgumentError, "callbacks must be a list of callbacks", "EarlyStopping, a class", "create",
    ),
    "a schedule without a rate": (
        lambda: model().fit(X, Y, callbacks=cr.train.LearningRateScheduler(lambda epoch: None)),
        ArgumentError, "LearningRateScheduler returns the rate", "None for epoch 0", "return",
    ),
    "early stopping without validation": (
        lambda: model().fit(X, Y, verbose=0, callbacks=cr.train.EarlyStopping()),
        ArgumentError, "EarlyStopping watches 'val_loss', which there is not", "loss",
        "validation_split",
    ),
    "parts of different lengths": (
        lambda: model().fit((X, X[:4]), Y),
        ShapeError, "the parts of x have different numbers of rows", "x[0]: 20, x[1]: 4", "same",
    ),
    "an optimizer that is none": (
        lambda: cr.Model([nn.Dense(1)]).compile(_HalfAnOptimizer(), "mse"),
        ArgumentError, "an optimizer of one's own has init, update, lookahead and learning_rate",
        "_HalfAnOptimizer without lookahead and learning_rate", "subclass of cr.optim.Optimizer",
    ),
    "several labels as text": (
        lambda: model("binary_crossentropy").fit(X, [["a", "b"]] * 20),
        DataError, "y has several labels for each row, as text", "'a', 'b'", "a column of 0 and 1",
    ),
    "a unit for each of two classes": (
        lambda: model("binary_crossentropy", 2).fit(X, Y > 0),
        ShapeError, "y does not fit the outputs", "(20,)", "two classes need one unit",
    ),
    "two columns for one unit": (
        lambda: model("binary_crossentropy").fit(X, np.eye(2)[(Y > 0).astype(int)]),
        ShapeError, "y does not fit the outputs", "(20, 2)", "one-hot: give np.argmax(y, axis=1)",
    ),
    "a class alone in the first batch": (
        lambda: model("binary_crossentropy").train_on_batch(X, ["a"] * 20),
        DataError, "the labels in y do not fit", "1 different label ('a')", "must have all 2",
    ),
    "a weight for one of several labels": (
        lambda: model("binary_crossentropy", 3).fit(X, X > 0, class_weight={0: 1.0}),
        ArgumentError, "the targets have several labels", "(20, 3)", "sample_weight",
    ),
    "the class of NaN": (
        lambda: _two_classes().predict_classes(np.where(X.max() == X, np.nan, X)),
        DataError, "a row has no class", "1 of 20 rows", "np.isnan(x)",
    ),
    "examples in place of batches": (
        lambda: model().fit(zip(X, Y, strict=True)),
        ShapeError, "examples one by one", "x of shape (3,)", "np.stack(xs)",
    ),
    "validation data without targets": (
        lambda: model().fit(X, Y, validation_data=X),
        ArgumentError, "validation_data needs the targets", "ndarray", "(x_val, y_val)",
    ),
    "a model in place of a layer": (
        lambda: cr.Model([fitted(), nn.Dense(1)]),
        ArgumentError, "a container is made of layers", "<Model", "whole.take_weights(model)",
    ),
    "several inputs for a layer of one": (
        lambda: model().fit((X, X), Y),
        ShapeError, "Dense 'dense': the input must be one array", "a tuple of 2", "nn.Graph(",
    ),
    "inputs by name for a layer of one": (
        lambda: model().fit({"a": X, "b": X}, Y),
        ShapeError, "Dense 'dense': the input must be one array", "a dict of 2: a, b", "nn.Graph(",
    ),
    "a list of inputs": (
        lambda: model().fit([X, X[:, :1]], Y),
        ShapeError, "a list is one array", "a list of 2 arrays for 20 targets", "fit((a, b), y)",
    ),
    "a list of batches": (
        lambda: model().fit([(X, Y)]),
        ArgumentError, "fit needs the targets", "y=None with x a list", "lambda: iter(batches)",
    ),
    "validation data of another width": (
        lambda: model().fit(X, Y, validation_data=(X[:, :1], Y)),
        ShapeError, "validation_data does not fit the network: Dense 'dense': the input must have",
        "examples of shape (1,)", "in the same way",
    ),
    "parameters of another shape": (
        lambda: setattr(fitted(), "params", {"dense": {"kernel": np.ones((3, 1))}}),
        ArgumentError, "the parameters are not those of this model",
        "params['dense']['kernel'] (3, 1)", "params['dense_1']['kernel'] (4, 1)",
    ),
    "learning rate": (
        lambda: setattr(fitted(), "learning_rate", -1.0),
        ArgumentError, "a learning rate is a number of 0 or more", "-1.0", "0.01",
    ),
}  # fmt: skip


class _HalfAnOptimizer:
    def init(self, params: Any) -> Any:
        return params

    def update(self, gradients: Any, state: Any, params: Any) -> Any:
        return params, state


def _two_classes() -> cr.train.Model:
    made = model("binary_crossentropy")
    made.fit(X, ["no", "yes"] * 10, verbose=0)
    return made


@pytest.mark.parametrize("case", CASES)
def test_the_message(case: str) -> None:
    call, kind, cause, got, remedy = CASES[case]
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    assert cause in error.cause
    assert got in error.got
    assert remedy in error.remedy


def test_the_line_is_that_of_code_without_a_file_too() -> None:
    """As in ``python -c``; dataclasses' own ``__init__`` has the same file name."""
    for number, code in ((1, "cr.Model([])"), (2, "\nnn.Dense(0)")):
        with pytest.raises(ArgumentError, match=rf"at:       <string>:{number}\n"):
            exec(compile(code, "<string>", "exec"))
