"""Make keras.json: outputs of Keras's layers, losses and metrics for fixed inputs.

Run by hand where Keras and JAX are installed: ``python tests/nn/reference/keras_figures.py``. The
tests read the file and need neither.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
import jax
import keras
import numpy as np

keras.config.set_floatx("float64")
layers = keras.layers
RNG = np.random.default_rng(20)


def plain(x: Any) -> Any:
    return np.asarray(x, np.float64).tolist()


def layer(name: str, options: dict[str, Any], shape: tuple[int, ...], steps: int = 0) -> Any:
    """The layer's weights, inputs and output; for steps, also what training steps return."""
    made = getattr(layers, name)(**options, dtype="float64")
    x = RNG.normal(size=shape)
    made.build(shape)
    made.set_weights([RNG.uniform(0.5, 1.5, w.shape) for w in made.weights])
    before = {w.name: plain(w) for w in made.weights}
    case = {"layer": name, "options": options, "x": plain(x), "weights": before}
    if steps:
        batches = [RNG.normal(size=shape) for _ in range(steps)]
        case["batches"] = plain(batches)
        case["training"] = [plain(made(b, training=True)) for b in batches]
        case["after"] = {w.name: plain(w) for w in made.weights}
    return {**case, "y": plain(made(x, training=False))}


LAYERS = [
    layer("Dense", {"units": 3, "activation": "tanh"}, (4, 2)),
    layer("Dense", {"units": 2, "activation": "gelu", "use_bias": False}, (2, 3, 4)),
    layer("Dense", {"units": 2, "activation": "leaky_relu"}, (5, 4)),
    layer("Dense", {"units": 3, "activation": "hard_sigmoid"}, (5, 4)),
    layer("Dense", {"units": 3, "activation": "mish"}, (5, 4)),
    layer("Conv1D", {"filters": 3, "kernel_size": 3, "padding": "causal"}, (2, 7, 2)),
    layer("Conv1D", {"filters": 2, "kernel_size": 4, "strides": 3, "padding": "same"}, (2, 8, 3)),
    layer("Conv1D", {"filters": 2, "kernel_size": 2, "dilation_rate": 2}, (1, 7, 2)),
    layer(
        "Conv2D", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, (2, 6, 7, 2)
    ),
    layer("Conv2D", {"filters": 2, "kernel_size": [2, 3], "activation": "relu"}, (1, 5, 5, 3)),
    layer(
        "Conv2D", {"filters": 2, "kernel_size": 2, "strides": 2, "padding": "same"}, (1, 5, 6, 1)
    ),
    layer("MaxPooling1D", {"pool_size": 2}, (2, 7, 2)),
    layer("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (2, 6, 7, 2)),
    layer("AveragePooling1D", {"pool_size": 3, "strides": 1, "padding": "same"}, (2, 5, 2)),
    layer("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (2, 6, 7, 2)),
    layer("GlobalMaxPooling1D", {}, (2, 4, 3)),
    layer("GlobalAveragePooling1D", {"keepdims": True}, (2, 4, 3)),
    layer("GlobalMaxPooling2D", {}, (2, 4, 3, 2)),
    layer("GlobalAveragePooling2D", {}, (2, 4, 3, 2)),
    layer("Flatten", {}, (2, 3, 2)),
    layer("BatchNormalization", {}, (6, 3), steps=3),
    layer("BatchNormalization", {"momentum": 0.9, "epsilon": 1e-5}, (2, 3, 4, 2), steps=2),
    layer("BatchNormalization", {"axis": 1, "scale": False}, (4, 3, 2), steps=2),
    layer("LayerNormalization", {}, (4, 5)),
    layer("LayerNormalization", {"axis": [1, 2], "epsilon": 1e-5}, (2, 3, 4)),
]

Y = RNG.normal(size=(5, 3))
P = RNG.normal(size=(5, 3))
Z = 3.0 * RNG.normal(size=(5, 3))
BITS = (RNG.random((5, 3)) < 0.5).astype(float)
LABELS = RNG.integers(0, 3, 5)
HOT = np.eye(3)[LABELS]
COUNTS = RNG.poisson(2.0, (5, 3)).astype(float)
RATES = RNG.uniform(0.5, 3.0, (5, 3))
SHARES = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
SIGMA = 1 / (1 + np.exp(-Z))
WEIGHT = RNG.uniform(0.5, 2.0, 5)


def loss(name: str, options: dict[str, Any], y: Any, p: Any) -> Any:
    case = {"loss": name, "options": options, "y": plain(y), "p": plain(p), "w": plain(WEIGHT)}
    for reduction in ("sum_over_batch_size", "mean_with_sample_weight", "sum", "none"):
        made = getattr(keras.losses, name)(**options, reduction=reduction)
        case[reduction] = [plain(made(y, p)), plain(made(y, p, sample_weight=WEIGHT))]
    return case


LOSSES = [
    loss("MeanSquaredError", {}, Y, P),
    loss("MeanAbsoluteError", {}, Y, P),
    loss("Huber", {"delta": 0.7}, Y, P),
    loss("Hinge", {}, BITS, P),
    loss("Hinge", {}, 2 * BITS - 1, P),
    loss("BinaryCrossentropy", {"from_logits": True}, BITS, Z),
    loss("BinaryCrossentropy", {"from_logits": False}, BITS, SIGMA),
    loss("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, BITS, Z),
    loss("CategoricalCrossentropy", {"from_logits": True}, HOT, Z),
    loss("CategoricalCrossentropy", {"from_logits": False}, HOT, SHARES),
    loss("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, HOT, Z),
    loss("SparseCategoricalCrossentropy", {"from_logits": True}, LABELS, Z),
    loss("SparseCategoricalCrossentropy", {"from_logits": False}, LABELS, SHARES),
    loss("Poisson", {}, COUNTS, RATES),
]


def metric(name: str, options: dict[str, Any], y: Any, p: Any) -> Any:
    made = getattr(keras.metrics, name)(**options)
    made.update_state(y, p)
    plainly = plain(made.result())
    made.reset_state()
    made.update_state(y, p, sample_weight=WEIGHT)
    case = {"metric": name, "options": options, "y": plain(y), "p": plain(p), "w": plain(WEIGHT)}
    return {**case, "value": plainly, "weighted": plain(made.result())}


ONE, SURE = BITS[:, 0], SIGMA[:, 0]
METRICS = [
    metric("BinaryAccuracy", {}, ONE, SURE),
    metric("CategoricalAccuracy", {}, HOT, Z),
    metric("SparseCategoricalAccuracy", {}, LABELS, Z),
    metric("TopKCategoricalAccuracy", {"k": 2}, HOT, Z),
    metric("Precision", {}, ONE, SURE),
    metric("Recall", {}, ONE, SURE),
    metric("MeanSquaredError", {}, Y, P),
    metric("MeanAbsoluteError", {}, Y, P),
    metric("RootMeanSquaredError", {}, Y, P),
    metric("R2Score", {"class_aggregation": "uniform_average"}, Y, P),
]

versions = {"python": sys.version.split()[0]}
versions |= {"keras": keras.__version__, "jax": jax.__version__, "numpy": np.__version__}
figures = {"versions": versions, "layers": LAYERS, "losses": LOSSES, "metrics": METRICS}
Path(__file__).with_name("keras.json").write_text(json.dumps(figures, indent=None) + "\n")
