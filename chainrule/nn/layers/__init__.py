"""Layers: frozen records that build their parameters and apply them."""

from __future__ import annotations

from chainrule.nn.layers.base import Layer
from chainrule.nn.layers.batch_normalization import BatchNormalization
from chainrule.nn.layers.containers import Residual, Sequential
from chainrule.nn.layers.core import Activation, Dense, Flatten, Lambda, Reshape

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
]
