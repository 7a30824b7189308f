"""Networks: layers, initialisers, losses and metrics, as trees of arrays and pure functions."""

from __future__ import annotations

from chainrule.nn.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Flatten,
    Lambda,
    Layer,
    Reshape,
    Residual,
    Sequential,
)
from chainrule.nn.losses import loss_for
from chainrule.nn.metrics import evaluate
from chainrule.nn.mlp import forward, init_mlp

__all__ = [
    "Activation",
    "BatchNormalization",
    "Dense",
    "Flatten",
    "Lambda",
    "Layer",
    "Reshape",
    "Residual",
    "Sequential",
    "evaluate",
    "forward",
    "init_mlp",
    "loss_for",
]
