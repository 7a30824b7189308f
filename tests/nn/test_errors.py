"""What is wrong is said, with what was received, the layer's name, the user's line and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from chainrule import nn
from chainrule.errors import ArgumentError, ChainruleError, ShapeError
from chainrule.nn import initializers, losses, metrics

X = np.ones((2, 3))


def call(layer: Any, shape: Any, x: Any, training: bool = False, rng: Any = None) -> Any:
    params, state = layer.build(0, shape)
    return layer(params, state, x, training=training, rng=rng)


@dataclass(frozen=True)
class Forgetful(nn.Layer):
    def __call__(self, params: Any, state: Any, x: Any, *, training: Any, rng: Any = None) -> Any:
        return 2 * x  # of two rows, which are not output and state


class Undecorated(nn.Layer):
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, params: Any, state: Any, x: Any, *, training: Any, rng: Any = None) -> Any:
        return self.factor * x, state


CASES: list[tuple[type[ChainruleError], Callable[[], Any], list[str]]] = [
    # Settings of layers
    (ArgumentError, lambda: nn.Dense(0, name="top"),
     ["Dense 'top': units must be a whole number of 1 or more", "units=0"]),
    (ArgumentError, lambda: nn.Dense(2.5), ["Dense: units must be a whole", "units=2.5"]),
    (ArgumentError, lambda: nn.Dense(2, "rleu"),
     ["unknown activation", "'rleu'", "did you mean 'relu'?", "Or give a function"]),
    (ArgumentError, lambda: nn.Activation("qqq"), ["unknown activation", "use one of linear, re"]),
    (ArgumentError, lambda: nn.Dense(2, kernel_initializer="he_norml"),
     ["unknown initializer", "'he_norml'", "did you mean 'he_normal'?"]),
    (ArgumentError, lambda: nn.Dense(2, bias_initializer=3),
     ["unknown initializer", "received: 3", "use one of zeros"]),
    (ArgumentError, lambda: nn.Dropout(1.0),
     ["Dropout: rate is the share of values to drop", "rate=1.0", "such as 0.5"]),
    (ArgumentError, lambda: nn.Dropout(-0.1), ["rate=-0.1"]),
    (ArgumentError, lambda: nn.Conv2D(4, (3, 0)),
     ["Conv2D: kernel_size must be", "(3, 0)", "or 2 of them"]),
    (ArgumentError, lambda: nn.Conv1D(4, (3, 3)), ["Conv1D: kernel_size", "kernel_size=2"]),
    (ArgumentError, lambda: nn.Conv2D(4, 3, padding="causal"),
     ["Conv2D: padding must be 'valid' or 'same'", "'causal'"]),
    (ArgumentError, lambda: nn.MaxPooling2D(2, strides=0), ["MaxPooling2D: strides", "strides=0"]),
    (ArgumentError, lambda: nn.Embedding(0, 3), ["Embedding: input_dim", "input_dim=0"]),
    (ArgumentError, lambda: nn.BatchNormalization(momentum=1.1),
     ["momentum is the share of the old", "momentum=1.1", "1 − PyTorch's"]),
    (ArgumentError, lambda: nn.BatchNormalization(epsilon=-1.0), ["epsilon=-1.0", "0 or more"]),
    (ArgumentError, lambda: nn.LayerNormalization(epsilon=-1.0), ["epsilon=-1.0", "0 or more"]),
    (ArgumentError, lambda: nn.Normalization(mean=1.0), ["mean and variance are given together"]),
    (ArgumentError, lambda: nn.Normalization(mean=1.0, variance=-1.0), ["variance is below 0"]),
    # Containers
    (ArgumentError, lambda: nn.Sequential([nn.Dense]), ["made of layers", "Dense, a class"]),
    (ArgumentError, lambda: nn.Sequential([np.tanh]), ["made of layers", "Lambda(function)"]),
    (ArgumentError, lambda: nn.Sequential(nn.Dense(1)), ["given in one list", "Dense alone"]),
    (ArgumentError, lambda: nn.Sequential([nn.Dense(1, name="a"), nn.Dense(2, name="a")]),
     ["two layers of a container have the same name", "name='a' twice"]),
    (ShapeError, lambda: nn.Residual(nn.Dense(2)).build(0, (3,)),
     ["Residual: the inner layer and the shortcut", "(2,) and (3,)", "shortcut layer"]),
    (ArgumentError, lambda: nn.Graph(lambda ls, x: ls.b(x), {"a": nn.Dense(1)}).build(0, (1,)),
     ["asks for a layer that is not there", "layers.b", "there are a"]),
    (ArgumentError, lambda: nn.Graph(lambda layers, x: x, {"a": nn.Dense(1)}).build(0, (1,)),
     ["never used by the function", "layers a"]),
    (ArgumentError, lambda: nn.Graph(lambda ls, x: (ls.a(x), x), {"a": nn.Dense(1)}).build(0, (1,)),
     ["the function returns one array", "tuple of 2", "np.concatenate", "loss of your own"]),
    (ArgumentError, lambda: nn.Graph(lambda ls, x: None, {"a": nn.Dense(1)}).build(0, (1,)),
     ["the function returns one array", "None", "return what the last layer gave"]),
    (ArgumentError, lambda: call(nn.Sequential([Forgetful()]), (3,), X),
     ["Forgetful 'forgetful': a layer returns its output and its state", "ndarray alone",
      "return y, state"]),
    (ArgumentError, lambda: nn.Graph(lambda ls, x: ls.a(x), {"a": Forgetful()}).build(0, (3,)),
     ["Forgetful 'a': a layer returns its output and its state", "return y, state"]),
    (ArgumentError, lambda: nn.Sequential([Undecorated(2.0)]),
     ["is a frozen dataclass of its settings", "Undecorated, which takes no name",
      "@dataclass(frozen=True)"]),
    (ArgumentError, lambda: nn.losses.FunctionLoss(lambda y, p: None)([1.0], [[1.0]]),
     ["a loss returns one number", "None from <lambda>", "return"]),
    # Inputs
    (ShapeError, lambda: call(nn.Sequential([nn.Dense(4), nn.Dense(2)]), (5,), X),
     ["Dense 'dense': the input must have 5 features", "an array of shape (2, 3)",
      "input_shape=(3,)"]),
    (ShapeError, lambda: call(nn.Dense(2), (3,), X[0]),
     ["3 features", "an array of shape (3,)", "x[None] makes a batch of one example"]),
    (ShapeError, lambda: nn.Dense(2).build(0, ()), ["at least one feature", "input shape of ()",
                                                       "x[:, None]"]),
    (ShapeError, lambda: call(nn.Conv2D(1, 2), (4, 4, 1), np.ones((4, 4, 1))),
     ["Conv2D: the input must have 4 axes, (batch, height, width, channels)", "(4, 4, 1)",
      "x[None]"]),
    (ShapeError, lambda: call(nn.Conv2D(1, 2), (4, 4, 1), np.ones((1, 4, 4, 3))),
     ["must have 1 channels in its last axis", "(1, 4, 4, 3)"]),
    (ShapeError, lambda: nn.Conv1D(1, 9, name="c").build(0, (4, 1)),
     ["Conv1D 'c': the window is larger than the padded input", "a window of 9"]),
    (ShapeError, lambda: nn.Conv2D(1, 2).build(0, (4, 4)),
     ["one example must have 3 axes, (height, width, channels)", "(4, 4)", "x[..., None]"]),
    (ShapeError, lambda: call(nn.MaxPooling1D(5), (4, 1), np.ones((1, 4, 1))),
     ["MaxPooling1D: the window is larger", "a window of 5"]),
    (ShapeError, lambda: call(nn.GlobalMaxPooling2D(), (4, 4, 1), X),
     ["GlobalMaxPooling2D: the input must have 4 axes", "(2, 3)"]),
    (ShapeError, lambda: nn.Reshape((2, 2)).build(0, (3,)),
     ["Reshape: 3 numbers do not fill", "(3,) for the shape (2, 2)"]),
    (ArgumentError, lambda: call(nn.BatchNormalization(name="bn"), (3,), X[:1], training=True),
     ["BatchNormalization 'bn': training needs at least two values of each unit", "(1, 3)",
      "another batch_size", "training=False"]),
    (ShapeError, lambda: call(nn.BatchNormalization(), (4,), X),
     ["must have 4 units or channels in axis 1", "(2, 3)"]),
    (ShapeError, lambda: nn.BatchNormalization(axis=0).build(0, (3,)), ["no axis 0 of units"]),
    (ShapeError, lambda: call(nn.LayerNormalization(), (4,), X), ["was built for (4,) values"]),
    (ShapeError, lambda: nn.LayerNormalization(axis=3).build(0, (3,)), ["no axis 3"]),
    (ArgumentError, lambda: nn.Normalization().build(0, (3,)),
     ["has no statistics yet", "layer.adapt(x_train)"]),
    (ArgumentError, lambda: nn.Normalization().adapt([[np.nan], [1.0]]),
     ["finite numbers", "1 values that are not finite", "missing values"]),
    (ArgumentError, lambda: nn.Normalization().adapt(np.array([["Rome"], [1.0]], object)),
     ["statistics are those of numbers", "Rome", "encode or drop the rest"]),
    (ShapeError, lambda: nn.Normalization().adapt(X).build(0, (2,)),
     ["statistics are of 3 features", "input of 2"]),
    (ArgumentError, lambda: call(nn.Dropout(0.5), (3,), X, training=True),
     ["Dropout: training draws a mask", "rng=None", "rng=(seed, step)"]),
    (ShapeError, lambda: call(nn.Dropout(0.5, (1,)), (3,), X, training=True, rng=0),
     ["noise_shape must have as many axes"]),
    (ArgumentError, lambda: call(nn.Embedding(3, 2), (1,), np.array([[3]])),
     ["Embedding: a number is outside 0 to 2", "from 3 to 3", "input_dim larger"]),
    (ArgumentError, lambda: call(nn.Embedding(3, 2), (1,), np.array([[-1]])), ["from -1 to -1"]),
    (ArgumentError, lambda: call(nn.Embedding(3, 2), (1,), np.array([[0.5]])),
     ["must be whole numbers", "with fractions"]),
    # Initialisers and biases
    (ArgumentError, lambda: initializers.RandomNormal(stddev=-1.0),
     ["RandomNormal needs a stddev of 0 or more", "stddev=-1.0"]),
    (ArgumentError, lambda: initializers.RandomUniform(1.0, 0.0), ["minval=1.0, maxval=0.0"]),
    (ArgumentError, lambda: initializers.VarianceScaling(mode="fan_inn"),
     ["unknown mode", "did you mean 'fan_in'?"]),
    (ArgumentError, lambda: initializers.Sparse(0), ["at least one weight", "k=0"]),
    (ShapeError, lambda: initializers.Orthogonal()(np.random.default_rng(0), (3,)),
     ["Orthogonal fills kernels, which have two axes", "(3,)", "Zeros or Constant"]),
    (ShapeError, lambda: initializers.Constant((1.0, 2.0))(np.random.default_rng(0), (3,)),
     ["does not fit", "shape (2,) for an array of shape (3,)"]),
    (ArgumentError, lambda: nn.output_prior([0, 2], "binary_crossentropy"), ["0 or 1", "0 to 2"]),
    (ArgumentError, lambda: nn.output_prior([], "mse"), ["at least one row"]),
    (ArgumentError, lambda: nn.output_prior([0.5], "sparse_categorical_crossentropy"),
     ["whole numbers from 0"]),
    (ArgumentError, lambda: nn.biases.class_log_frequencies([0, 3], 2), ["3 for 2 classes"]),
    (ArgumentError, lambda: nn.output_prior([1.0], "hinge"), ["unknown loss"]),
    # Losses and metrics
    (ArgumentError, lambda: nn.get_loss("binary_crosentropy"),
     ["unknown loss", "did you mean 'binary_crossentropy'?", "(y_true, y_pred)"]),
    (ArgumentError, lambda: losses.Huber(reduction="men"), ["unknown reduction", "'mean'?"]),
    (ArgumentError, lambda: losses.Huber(0.0), ["delta=0.0"]),
    (ArgumentError, lambda: losses.BinaryCrossentropy(label_smoothing=2.0),
     ["label_smoothing=2.0"]),
    (ShapeError, lambda: nn.get_loss("mse")(np.ones(3), X),
     ["targets and outputs have different shapes", "(3,), outputs of shape (2, 3)"]),
    (ArgumentError, lambda: nn.get_loss("mse")(["a", "b"], np.ones((2, 1))), ["must be numbers"]),
    (ArgumentError, lambda: nn.get_loss("binary_crossentropy")([1, 2], np.ones((2, 1))),
     ["lie between 0 and 1", "labels from 1 to 2", "sparse_categorical_crossentropy"]),
    (ArgumentError, lambda: nn.get_loss("sparse_categorical_crossentropy")([0, 3], X),
     ["a label is not a class", "from 0 to 3 for 3 classes", "0 to 2"]),
    (ArgumentError, lambda: nn.get_loss("sparse_categorical_crossentropy")([-1, 0], X),
     ["from -1 to 0"]),
    (ArgumentError, lambda: nn.get_loss("sparse_categorical_crossentropy")([0.5, 0], X),
     ["as whole numbers"]),
    (ShapeError, lambda: nn.get_loss("sparse_categorical_crossentropy")(X, X),
     ["one label for each row", "for one-hot targets use categorical_crossentropy"]),
    (ShapeError, lambda: nn.get_loss("categorical_crossentropy")([0, 1], X),
     ["one-hot targets", "for labels 0, 1, 2, … use sparse"]),
    (ShapeError, lambda: nn.get_loss("categorical_crossentropy")([[1]], [[2.0]]),
     ["two or more", "use binary_crossentropy"]),
    (ShapeError, lambda: nn.get_loss("mse")(X, X, [1.0]), ["one number for each row", "(1,)"]),
    (ShapeError, lambda: nn.get_loss(lambda y, p: np.ones(7))(X, X),
     ["one number, or one for each"]),
    (ArgumentError, lambda: nn.row_weights([0, 1], {5: 1.0}), ["does not occur", "class 5"]),
    (ArgumentError, lambda: nn.row_weights([0, 1], "balance"), ["'balanced' or a dict"]),
    (ArgumentError, lambda: nn.row_weights([0, 1], {0: -1.0}), ["weights must be 0 or more"]),
    (ShapeError, lambda: nn.row_weights([0, 1], None, [1.0]), ["for 2 rows"]),
    (ArgumentError, lambda: nn.get_metric("acuracy"), ["unknown metric", "'accuracy'?"]),
    (ArgumentError, lambda: metrics.FunctionMetric(lambda y, p: None)([1], [0.5]),
     ["one number, or one for each row", "end it with return"]),
    (ArgumentError, lambda: metrics.TopKCategoricalAccuracy(0), ["k=0"]),
    (ArgumentError, lambda: metrics.SparseCategoricalAccuracy()([0, 3], X), ["0 to 3 for 3"]),
    (ArgumentError, lambda: metrics.CategoricalAccuracy()([1], [0.5]), ["use binary_accuracy"]),
    (ShapeError, lambda: metrics.Precision()([1, 0], [1, 0, 1]), ["same number of rows"]),
    (ShapeError, lambda: metrics.Precision()([], []), ["at least one"]),
    (ShapeError, lambda: metrics.R2Score()(X, X[:, :2]), ["different shapes", "(2, 2)"]),
    (ShapeError, lambda: nn.get_metric(lambda y, p: np.ones(7))(X, X), ["7", "2 rows"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "wrong", "parts"), CASES, ids=[c[2][0][:50] for c in CASES])
def test_messages(kind: type[ChainruleError], wrong: Callable[[], Any], parts: list[str]) -> None:
    with pytest.raises(kind) as caught:
        wrong()
    text = str(caught.value)
    for part in parts:
        assert part in text
    assert "\n  received: " in text
    assert "\n  remedy:   " in text
    assert f"\n  at:       {__file__}:" in text
