"""Networks: layers, initialisers, losses and metrics, as trees of arrays and pure functions.

Layers are here; the others by name, or in ``nn.initializers``, ``nn.biases``, ``nn.losses`` and
``nn.metrics``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.nn import biases, initializers, losses, metrics
from chainrule.nn.biases import output_prior
from chainrule.nn.folding import fold_activation, probabilities
from chainrule.nn.initializers import get_initializer
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
    Frozen,
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
from chainrule.nn.layers.draws import generator
from chainrule.nn.losses import get_loss, loss_for
from chainrule.nn.metrics import evaluate, get_metric
from chainrule.nn.weights import row_weights

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
    "biases",
    "evaluate",
    "fold_activation",
    "generator",
    "get_initializer",
    "get_loss",
    "get_metric",
    "initializers",
    "loss_for",
    "losses",
    "metrics",
    "output_prior",
    "probabilities",
    "row_weights",
]

if not TYPE_CHECKING:  # who would take every name to exist

    def __getattr__(name: str) -> object:
        """Say what a name of another library is called here."""
        from chainrule.elsewhere import missing

        raise missing(__name__, name)
