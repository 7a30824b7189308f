"""Models in files: what comes back is the same to the last bit, and bad files are refused."""

from __future__ import annotations

import json
import os
import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError, ModelFileError
from chainrule.nn.initializers import VarianceScaling
from chainrule.nn.losses import Huber
from chainrule.nn.metrics import AUC

X = np.random.default_rng(6).normal(size=(30, 6))
IMAGES = X[:, :, None] * X[:, None, :]
NAMES = np.where(X[:, 0] > 0, "yes", "no")


@dataclass(frozen=True)
class Scale(nn.Layer):
    """A layer of the user's own."""

    start: float = 2.0

    def build(self, rng: Any, input_shape: Any, *, dtype: Any = np.float64) -> Any:
        return {"factor": np.full(input_shape, self.start, dtype)}, {}

    def __call__(self, params: Any, state: Any, x: Any, *, training: bool, rng: Any = None) -> Any:
        return params["factor"] * x, state


def half(x: Any) -> Any:
    return x / 2.0


MODELS: dict[str, tuple[Any, str, Any, Any, Any]] = {
    "dense": ([nn.Dense(4, "tanh"), nn.Dense(1)], "mse", X, X[:, 0], {}),
    "classes": (
        [nn.Normalization().adapt(X), nn.Dense(4, "relu", kernel_initializer=VarianceScaling(2.0)),
         nn.BatchNormalization(), nn.Dropout(0.2), nn.Dense(1, "sigmoid")],
        "binary_crossentropy", X, NAMES, {},
    ),
    "images": (
        [nn.Reshape((6, 6, 1)), nn.Conv2D(3, 3, activation="relu"), nn.MaxPooling2D(2),
         nn.Flatten(), nn.Dense(2, "softmax")],
        "sparse_categorical_crossentropy", IMAGES, NAMES, {},
    ),
    "blocks": (
        [nn.Residual(nn.Sequential([nn.Dense(6, "elu"), nn.LayerNormalization()])), nn.Dense(1)],
        "mse", X.astype(np.float32), X[:, 0], {},
    ),
    "embedding": (
        [nn.Embedding(20, 3), nn.Flatten(), nn.Dense(1)], "mse", np.arange(60).reshape(30, 2) % 20,
        X[:, 0], {},
    ),
    "sequences": (
        [nn.Reshape((-1, 2)), nn.Bidirectional(nn.LSTM(2)), nn.Dense(1)], "mse",
        np.arange(120.0).reshape(30, 4) / 120, X[:, 0], {},
    ),
    "own": ([Scale(), nn.Lambda(half), nn.Dense(1)], "mse", X, X[:, 0],
            {"Scale": Scale, "half": half}),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_predictions_come_back_to_the_last_bit(tmp_path: Path, name: str) -> None:
    layers, loss, x, y, custom = MODELS[name]
    model = cr.Model(layers, name=name)
    model.compile("adam", loss, ["accuracy", AUC()] if loss.startswith("binary") else ["mae"][:0])
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model.safetensors")
    again = cr.load(tmp_path / "model.safetensors", custom=custom)
    assert again.predict(x).tobytes() == model.predict(x).tobytes()
    assert again.predict(x).dtype == model.predict(x).dtype
    assert again.layer == model.layer
    assert again.name == name
    assert again.evaluate(x, y, return_dict=True) == model.evaluate(x, y, return_dict=True)
    if loss != "mse":
        assert again.predict_proba(x).tobytes() == model.predict_proba(x).tobytes()
        assert again.predict_classes(x).tolist() == model.predict_classes(x).tolist()
    # It can be trained on: like the old one with a new optimizer.
    model.compile("adam", loss)
    again.compile("adam", loss)
    for one in (model, again):
        one.fit(x, y, verbose=0)
    assert again.get_weights()[-1].tobytes() == model.get_weights()[-1].tobytes()


def test_optimizer_loss_and_metrics_come_back(tmp_path: Path) -> None:
    model = cr.Model([nn.Dense(1)]).build((6,))
    rate = optim.WarmUp(optim.Cosine(0.1, steps=100), steps=10)
    clipped = optim.Clipped(optim.AdamW(rate, weight_decay=0.1), by_global_norm=1.0)
    model.compile(clipped, Huber(delta=2.5), ["r2", "mse", "log_cosh"])
    model.save(tmp_path / "m")
    again = cr.load(tmp_path / "m").compiled("test")
    assert again.optimizer == clipped
    assert again.loss == Huber(delta=2.5)
    assert list(again.metrics.items()) == list(model.compiled("test").metrics.items())


def test_the_same_model_gives_the_same_file(tmp_path: Path) -> None:
    model = cr.Model([nn.Dense(4), nn.Dense(1)]).build((6,))
    for name in ("a", "b"):
        model.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]  # nothing beside them


def test_what_has_no_name_is_not_saved(tmp_path: Path) -> None:
    model = cr.Model([nn.Lambda(lambda x: x), nn.Dense(1)]).build((6,))
    with pytest.raises(
        ArgumentError, match=r"(?s)function of Lambda 'lambda' has no name.*custom="
    ):
        model.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: Any) -> None:
    model = cr.Model([nn.Dense(1)]).build((6,))
    model.save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArgumentError, match=r"(?s)cannot be written.*No space left"):
        model.save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == before
    assert os.listdir(tmp_path) == ["m"]


# Files that are no models ---------------------------------------------------------------------


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("bombed",)


def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    model = cr.Model([nn.Dense(4, "tanh"), nn.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, X[:, 0], verbose=0)
    model.save(path)
    return path


def rewritten(path: Path, change: Any, *, honest: bool = True) -> None:
    """The file with another description, and a checksum that agrees with it."""
    from safetensors.numpy import load, save

    from chainrule.train.saving import _checksum

    body = path.read_bytes()
    (length,) = struct.unpack("<Q", body[:8])
    metadata = json.loads(body[8 : 8 + length])["__metadata__"]
    content = json.loads(metadata["chainrule"])
    tensors = load(body)
    content = change(content, tensors) or content
    if honest and isinstance(content, dict):
        content.pop("checksum")
        content["checksum"] = _checksum(tensors, content)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(save(tensors, {"chainrule": text}))


def test_the_rewritten_file_is_read_if_nothing_changes(tmp_path: Path) -> None:
    path = saved(tmp_path)
    expected = cr.load(path).predict(X)
    rewritten(path, lambda content, tensors: None)
    np.testing.assert_array_equal(cr.load(path).predict(X), expected)


def dense(content: Any, **fields: Any) -> None:
    content["layer"]["fields"]["layers"]["tuple"][0]["fields"] |= fields


HOSTILE: dict[str, tuple[Any, str]] = {
    "a class of the standard library": (
        lambda c, t: c["layer"].update(record="os.system"), "names a layer or function",
    ),
    "a builtin": (lambda c, t: dense(c, activation={"function": "eval"}), "names a layer or func"),
    "a dunder": (
        lambda c, t: dense(c, activation={"function": "__import__"}), "names a layer or function",
    ),
    "an optimizer as a layer": (
        lambda c, t: c.update(layer={"record": "optim SGD", "fields": {}}), "not a whole model",
    ),
    "a setting that is none": (lambda c, t: dense(c, units=-5), "a Dense that cannot be"),
    "a setting too many": (lambda c, t: dense(c, extra=1), "a Dense that cannot be"),
    "a setting of another kind": (lambda c, t: dense(c, units=[1]), "architecture cannot be read"),
    "text for a layer": (lambda c, t: c.update(layer="Dense"), "its network is no layer"),
    "an enormous input": (
        lambda c, t: c.update(input_shape={"tuple": [10**9, 10**9]}), "not a whole model",
    ),
    "a negative input": (lambda c, t: c.update(input_shape={"tuple": [-1]}), "not a whole model"),
    "another width": (lambda c, t: c.update(input_shape={"tuple": [7]}), "must have 6 features"),
    "a missing tensor": (lambda c, t: (t.pop("params/dense/kernel"), c)[1], "not a whole model"),
    "a tensor of another shape": (
        lambda c, t: t.update({"params/dense/kernel": np.zeros((6, 9))}), "not a whole model",
    ),
    "targets of another shape": (
        lambda c, t: c["labels"].update(outputs=[3]), "not a whole model",
    ),
    "a missing entry": (lambda c, t: (c.pop("input_shape"), c)[1], "not a whole model"),
    "a newer version": (lambda c, t: c.update(version=2), "does not know"),
    "another format": (lambda c, t: c.update(format="other"), "does not know"),
    "no object": (lambda c, t: "[1, 2]", "not a whole model"),
    "no JSON": (lambda c, t: "{'a'", "not a whole model"),
    "endless nesting": (lambda c, t: "[" * 10**5 + "]" * 10**5, "not a whole model"),
    "nested records": (
        lambda c, t: c.update(layer=json.loads('{"tuple": [' * 200 + "]}" * 200)),
        "not a whole model",
    ),
    "a strange dtype": (lambda c, t: c.update(dtype="object"), "not a whole model"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_description(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path)
    change, message = HOSTILE[name]
    rewritten(path, change)
    with pytest.raises(ModelFileError) as caught:
        cr.load(path)
    assert message in str(caught.value)
    assert caught.value.remedy


def test_a_description_that_was_changed_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path)
    rewritten(path, lambda c, t: c.update(name="other"), honest=False)
    with pytest.raises(ModelFileError, match="its checksum is wrong"):
        cr.load(path)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1])
def test_a_truncated_file(tmp_path: Path, kept: int) -> None:
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelFileError, match="is not a whole model file"):
        cr.load(path)


def test_a_flipped_bit_in_the_weights(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="its checksum is wrong"):
        cr.load(path)


def test_foreign_files(tmp_path: Path, monkeypatch: Any) -> None:
    from safetensors.numpy import save

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelFileError, match=r"(?s)no such model file.*nowhere"):
        cr.load("nowhere")
    Path("bomb").write_bytes(pickle.dumps(Bomb()))
    Path("text").write_text("a,b\n1,2\n")
    np.savez("arrays.npz", x=X)
    for name in ("bomb", "text", "arrays.npz", "."):
        with pytest.raises(ModelFileError, match="is not a whole model file"):
            cr.load(name)
    assert not Path("bombed").exists()
    Path("other").write_bytes(save({"w": X}, {"framework": "other"}))
    with pytest.raises(ModelFileError, match=r"(?s)not a model of chainrule.*1 tensors"):
        cr.load("other")


def test_layers_of_ones_own_must_be_handed_over(tmp_path: Path) -> None:
    model = cr.Model([Scale(), nn.Dense(1)]).build((6,))
    model.save(tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"(?s)'Scale'.*cr.load\(path, custom={'Scale': …}\)"):
        cr.load(tmp_path / "m")
    with pytest.raises(ModelFileError, match="custom has something else"):
        cr.load(tmp_path / "m", custom={"Scale": half})


def test_weights_are_in_kerass_order_also_of_a_loaded_model(tmp_path: Path) -> None:
    layers = [
        nn.Frozen(nn.GRU(2, name="z", return_sequences=True)),
        nn.BatchNormalization(),
        nn.Dense(3, name="a"),
        nn.Flatten(),
        *[nn.Dense(1) for _ in range(11)],
    ]
    model = cr.Model(layers).build((4, 5))
    recurrent = [(5, 6), (2, 6), (2, 6)]
    normalized = [(2,)] * 4  # gamma, beta, and the running mean and variance
    dense = [(2, 3), (3,), (12, 1), (1,), *[(1, 1), (1,)] * 10]
    values = [w + k for k, w in enumerate(model.get_weights())]
    assert [w.shape for w in values] == [*recurrent, *normalized, *dense]
    model.set_weights(values)
    assert model.params["batch_normalization"]["beta"].tolist() == [4.0, 4.0]
    assert model.params["dense_10"]["bias"].tolist() == [len(values) - 1.0]
    model.save(tmp_path / "model")
    for a, b in zip(cr.load(tmp_path / "model").get_weights(), values, strict=True):
        np.testing.assert_array_equal(a, b)
