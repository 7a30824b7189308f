"""Layers: frozen records that build their parameters and apply them."""

from __future__ import annotations

from chainrule.nn.layers.base import Layer
from chainrule.nn.layers.batch_normalization import BatchNormalization
from chainrule.nn.layers.containers import Residual, Sequential
from chainrule.nn.layers.conv import Conv1D, Conv2D
from chainrule.nn.layers.core import Activation, Dense, Flatten, Lambda, Reshape
from chainrule.nn.layers.dropout import Dropout
from chainrule.nn.layers.embedding import Embedding
from chainrule.nn.layers.frozen import Frozen
from chainrule.nn.layers.graph import Graph
from chainrule.nn.layers.normalization import LayerNormalization, Normalization
from chainrule.nn.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
)

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
    "Frozen",
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
]
