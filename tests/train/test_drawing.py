"""Networks, drawn: layers with shapes and numbers of parameters, and the gradients of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError
from chainrule.insight.drawing import Drawing
from chainrule.insight.drawing.shapes import Box, Curve, Words

CONV = [
    nn.Conv2D(8, 3, activation="relu"), nn.MaxPooling2D(2), nn.Flatten(), nn.Dropout(0.3),
    nn.Dense(10, "softmax"),
]  # fmt: skip


def words(drawing: Drawing) -> list[str]:
    return [s.text for s in drawing.scene.shapes if isinstance(s, Words)]


def edges(drawing: Drawing) -> int:
    return sum(isinstance(s, Curve) and not s.fill for s in drawing.scene.shapes)


def shown(x: float) -> str:
    return f"{x:.6g}".replace("-", "−")


def test_layers_have_shapes_and_numbers_of_parameters() -> None:
    drawing = cr.Model(CONV).build((28, 28, 1)).draw()
    text = words(drawing)
    expected = [
        "conv2d", "Conv2D 3×3, relu", "output (26, 26, 8)", "80 parameters",
        "max_pooling2d", "MaxPooling2D 2×2", "output (13, 13, 8)", "flatten", "output (1352)",
        "dropout", "Dropout 0.3", "dense", "Dense, softmax", "output (10)", "13,530 parameters",
    ]  # fmt: skip
    for line in expected:
        assert line in text
    assert text[0] == "model: 13,610 parameters"
    assert "(28, 28, 1)" in text  # the input
    assert edges(drawing) == 5
    assert any("Not differentiated: no data is" in t for t in text)
    assert not any("dL" in t or "mean" in t for t in text)


def test_gradients_of_a_linear_layer() -> None:
    """L = mean (Xw + b − y)²: dL/dw = 2/n Xᵀe, dL/db = 2/n Σ e, dL/dŷ = 2/n e."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 3)), rng.standard_normal(20)
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse")
    model.build((3,), seed=1)
    e = X @ model.params["dense"]["kernel"] - y[:, None]
    weights = np.concatenate([X.T @ e, [[e.sum()]]]) * 2 / 20
    text = words(model.draw(X, y))
    assert f"‖dL/d weights‖ = {shown(float(np.linalg.norm(weights)))}" in text
    assert f"‖dL/d output‖ = {shown(2 / 20 * float(np.linalg.norm(e)))}" in text
    assert shown(float((e**2).mean())) in text
    unfolded = words(model.draw(X, y, unfold=True))
    bias = f"‖dL/d dense.bias‖ = {shown(abs(2 / 20 * e.sum()))}"
    assert bias in unfolded
    assert "ξ₁ = x @ dense.kernel" in unfolded


def test_a_softmax_is_drawn_where_it_is_computed_in_training() -> None:
    rng = np.random.default_rng(0)
    model = cr.Model([nn.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    text = words(model.draw(rng.standard_normal((6, 4)), [0, 1, 2, 0, 1, 2]))
    assert "Dense" in text
    assert "Dense, softmax" not in text
    assert "sparse_categorical_" in text
    assert "crossentropy, from logits" in text


def test_drawing_changes_nothing() -> None:
    model = cr.Model([nn.Dense(2), nn.BatchNormalization(), nn.Dropout(0.5), nn.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((4, 3)), np.ones(4)
    model.draw(x, y)
    assert not model.built
    model.build((3,))
    before = model.get_weights()
    model.draw(x, y)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_shortcuts_are_edges() -> None:
    inner = nn.Sequential([nn.Dense(4, "relu"), nn.Dense(4)])
    drawing = nn.Sequential([nn.Dense(4), nn.Residual(inner), nn.Dense(1)]).draw((4,))
    text = words(drawing)
    assert {"dense", "residual.inner.dense", "residual.inner.dense_1", "add"} <= set(text)
    # x → dense → inner.dense → inner.dense_1 → add → dense_1, and dense → add
    assert edges(drawing) == 6
    text = words(nn.Residual(inner).draw((4,)))  # here the shortcut is the input
    [total] = [t for t in text if " = x + " in t]
    assert f"gives {total.split()[-1]}" in text


def test_shared_layers_have_one_set_of_parameters() -> None:
    def twice(layers: Any, x: Any) -> Any:
        return layers.out(layers.step(layers.step(x)))

    network = nn.Graph(twice, {"step": nn.Dense(3, "relu"), "out": nn.Dense(1)})
    text = words(network.draw((3,)))
    assert text.count("step") == 2
    assert "step.kernel" in text  # neither call has them alone
    assert text[0] == "Graph: 16 parameters"


def test_several_inputs() -> None:
    pair = nn.Graph(lambda layers, a, b: layers.out(a * b), {"out": nn.Dense(1)})
    text = words(pair.draw(((3,), (3,))))
    assert {"x[0]", "x[1]", "out"} <= set(text)


def test_some_layers_are_unfolded() -> None:
    model = cr.Model([nn.Dense(3, "tanh"), nn.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((2, 4)), np.ones(2)
    first, last = (words(model.draw(x, y, unfold=name)) for name in ("dense", "dense_1"))
    assert "dense.kernel" in first
    assert "dense_1" in first
    assert "dense_1.kernel" in last
    assert "mean_squared_error" in last  # the unfolded layer is no part of the loss
    [product] = [t for t in last if t.endswith("@ dense_1.kernel")]
    assert f"gives {product.split()[2]}" in last  # what the layer before hands on
    with pytest.raises(ArgumentError, match="there is no layer 'dens' to unfold") as error:
        model.draw(unfold="dens", x=x, y=y)
    assert "its layers are dense, dense_1" in str(error.value)


def test_a_deep_network_is_drawn_in_few_boxes() -> None:
    model = cr.Model([nn.Dense(2, "tanh") for _ in range(2500)])
    model.compile("sgd", "mse")
    drawing = model.draw(np.ones((1, 2)), np.ones((1, 2)))
    text = words(drawing)
    assert text[0] == "model: 15,000 parameters"
    assert sum(t.endswith(" layers") for t in text) == 12
    counts = [int(t.split()[0].replace(",", "")) for t in text[1:] if t.endswith(" parameters")]
    assert sum(counts) == 15_000
    assert "dense … dense_207" in text


def test_layers_run_one_after_the_other_in_an_animation() -> None:
    model = cr.Model([nn.Dense(3, "tanh"), nn.Dense(1)])
    model.compile("sgd", "mse")
    run = model.draw(np.ones((2, 4)), np.ones(2), frames=True)
    assert [c.split(":")[0] for c in run.captions] == [
        "The inputs", "Forward, step 1 of 3", "Forward, step 2 of 3", "Forward, step 3 of 3",
        "Backward, step 1 of 4", "Backward, step 2 of 4", "Backward, step 3 of 4",
        "Backward, step 4 of 4", "All steps are done.",
    ]  # fmt: skip


def test_what_cannot_be_drawn_is_told() -> None:
    model = cr.Model([nn.Dense(1)])
    with pytest.raises(ArgumentError, match="the shapes of a model that is not built yet"):
        model.draw()
    with pytest.raises(ArgumentError, match="must be compiled before draw"):
        model.draw(np.ones((2, 3)), np.ones(2))
    with pytest.raises(ArgumentError, match="a gradient needs inputs as well as targets"):
        model.draw(y=np.ones(2))
    assert any("no targets are" in t for t in words(model.draw(np.ones((2, 3)))))


def test_colours_follow_the_size_of_the_gradient() -> None:
    """A chain of tanh units with small weights: each layer back has a smaller gradient."""
    small = nn.initializers.Constant(0.2)
    model = cr.Model([nn.Dense(1, "tanh", kernel_initializer=small) for _ in range(6)])
    model.compile("sgd", "mse")
    drawing = model.draw(np.ones((1, 1)), np.ones((1, 1)))
    boxes = [s for s in drawing.scene.shapes if isinstance(s, Box) and s.hint.startswith("Dense")]
    levels = [int(box.fill.removeprefix("level-")) for box in boxes]
    assert levels == sorted(levels)
    assert levels[0] < levels[-1]
