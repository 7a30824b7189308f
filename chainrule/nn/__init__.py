"""Networks: layers, initialisers, losses and metrics, as trees of arrays and pure functions."""

from __future__ import annotations

from chainrule.nn.layers import (
    Activation,
    AveragePooling1D,
    AveragePooling2D,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    Graph,
    Lambda,
    Layer,
    LayerNormalization,
    MaxPooling1D,
    MaxPooling2D,
    Normalization,
    Reshape,
    Residual,
    Sequential,
)
from chainrule.nn.losses import loss_for
from chainrule.nn.metrics import evaluate
from chainrule.nn.mlp import forward, init_mlp

__all__ = [
    "Activation",
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
    "Conv1D",
    "Conv2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Graph",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "MaxPooling1D",
    "MaxPooling2D",
    "Normalization",
    "Reshape",
    "Residual",
    "Sequential",
    "evaluate",
    "forward",
    "init_mlp",
    "loss_for",
]
