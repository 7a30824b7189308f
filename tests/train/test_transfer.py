"""Weights that go from one model to another, and layers that stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError

X = np.random.default_rng(0).standard_normal((60, 4))
Y = (X[:, 0] > 0).astype(int)
CLASSES = np.digitize(X[:, 0], [-0.5, 0.5])


def body() -> nn.Sequential:
    return nn.Sequential([nn.Dense(6), nn.BatchNormalization(), nn.Activation("relu")], name="body")


def first() -> cr.Model:
    model = cr.Model([body(), nn.Dense(1, name="head")])
    model.compile("adam", "binary_crossentropy")
    model.fit(X, Y, epochs=3, verbose=0)
    return model


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize(
    "rule",
    [
        optim.Clipped(optim.AdamW(0.01, weight_decay=0.1), by_global_norm=0.5),
        optim.Momentum(0.01, l2=0.1),
        optim.AdaGrad(0.01, delta=0.0),
    ],
)
def test_a_frozen_body_is_a_fixed_function_of_the_inputs(rule: Any, jit: bool) -> None:
    base = first()
    model = cr.Model([nn.Frozen(body()), nn.Dense(3, name="new")]).build((4,), seed=2)
    assert model.take_weights(base) == ["body.dense", "body.batch_normalization"]
    model.compile(rule, "sparse_categorical_crossentropy", jit_compile=jit)
    model.fit(X, CLASSES, epochs=4, verbose=0, seed=5)
    # The same as training the new layer alone on what the body gives.
    part = base.layer.layers[0]  # type: ignore[attr-defined]
    inside, _ = part(base.params["body"], base.state["body"], X, training=False)
    alone = cr.Model([nn.Dense(3, name="new")]).build((6,))
    alone.set_weights(cr.Model(model.layer).build((4,), seed=2).get_weights()[-2:])
    alone.compile(rule, "sparse_categorical_crossentropy", jit_compile=jit)
    alone.fit(inside, CLASSES, epochs=4, verbose=0, seed=5)
    for name, value in alone.params["new"].items():
        np.testing.assert_allclose(model.params["new"][name], value, rtol=1e-9, atol=1e-12)
    kept = model.state["body"]
    for name, tree in (("frozen_params", base.params), ("frozen_state", base.state)):
        for layer, arrays in tree["body"].items():
            for key, value in arrays.items():
                np.testing.assert_array_equal(kept[name][layer][key], value)


def test_thawing_goes_on_from_the_same_weights(tmp_path: Path) -> None:
    frozen = cr.Model([nn.Frozen(body()), nn.Dense(3, name="new")]).build((4,))
    frozen.take_weights(first())
    frozen.save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors")
    thawed = cr.Model([body(), nn.Dense(3, name="new")]).build((4,), seed=9)
    assert thawed.take_weights(again) == ["body.dense", "body.batch_normalization", "new"]
    np.testing.assert_array_equal(thawed.predict(X), frozen.predict(X))
    assert sum(w.size for w in again.get_weights()) == sum(w.size for w in thawed.get_weights())


def test_it_is_shown_and_diagnosed(capsys: pytest.CaptureFixture[str]) -> None:
    model = cr.Model([nn.Frozen(nn.Dense(6, "relu", name="body")), nn.Dense(1)])
    model.compile("adam", "binary_crossentropy")
    model.fit(X, Y, verbose=0)
    model.summary()
    shown = capsys.readouterr().out
    assert "body.inner (Dense)" in shown
    assert shown.splitlines()[-2].split("│")[2].strip() == "7"
    assert shown.splitlines()[-1].strip().startswith("30 more numbers")
    assert "body" in str(cr.gradient_health(model, X, Y))


def test_what_is_refused() -> None:
    base = first()
    with pytest.raises(ArgumentError, match=r"(?s)no layer of one name.*dense here, body, head th"):
        cr.Model([nn.Dense(2)]).build((4,)).take_weights(base)
    with pytest.raises(ArgumentError, match=r"(?s)the layer head has another shape.*\(6, 1\) inst"):
        cr.Model([body(), nn.Dense(2, name="head")]).build((4,)).take_weights(base)
    with pytest.raises(ArgumentError, match="no parameters yet, which take_weights needs"):
        cr.Model([body()]).take_weights(base)
    with pytest.raises(ArgumentError, match="Frozen: a layer is frozen"):
        nn.Frozen([nn.Dense(1)])  # type: ignore[arg-type]


def test_the_layers_of_a_model_in_another_one() -> None:
    """What the error for a model in place of a layer says to do."""
    first = cr.Model([nn.Dense(3), nn.Dense(2)]).build((4,), seed=1)
    whole = cr.Model([*first.layer.layers, nn.Dense(1)]).build((4,))  # type: ignore[attr-defined]
    assert whole.take_weights(first) == ["dense", "dense_1"]
    x = np.ones((1, 4))
    last = whole.params["dense_2"]
    np.testing.assert_allclose(whole.predict(x), first.predict(x) @ last["kernel"] + last["bias"])
