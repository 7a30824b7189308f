"""Networks: layers, initialisers, losses and metrics, as trees of arrays and pure functions.

Layers are here; the others by name, or in ``nn.initializers``, ``nn.biases``, ``nn.losses`` and
``nn.metrics``.
"""

from __future__ import annotations

import importlib
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

if TYPE_CHECKING:
    from chainrule.nn.layers.recurrent import GRU, LSTM, Bidirectional, SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
    "Bidirectional",
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
    "SimpleRNN",
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

_LATER = ("Bidirectional", "GRU", "LSTM", "SimpleRNN")  # of which few networks are made

if not TYPE_CHECKING:  # who would take every name to exist

    def __getattr__(name: str) -> object:
        """A layer that is imported when it is first used; or what a name is called here."""
        if name in _LATER:
            return getattr(importlib.import_module("chainrule.nn.layers.recurrent"), name)
        from chainrule.elsewhere import missing

        raise missing(__name__, name)


def __dir__() -> list[str]:
    """All public names, for completion, whether they are loaded or not."""
    return sorted({*globals(), *__all__})
