"""Small networks, sound and broken, and data for them."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn

X = np.random.default_rng(0).normal(size=(256, 20))
Y = X[:, :1] * X[:, 1:2]


def network(layers: list[Any], optimizer: Any = "sgd", loss: str = "mse") -> cr.train.Model:
    model = cr.Model(layers)
    model.compile(optimizer, loss)
    return model


def deep(activation: str, initializer: Any, depth: int = 6, units: int = 64) -> cr.train.Model:
    hidden = [nn.Dense(units, activation, kernel_initializer=initializer) for _ in range(depth)]
    return network([*hidden, nn.Dense(1)], "adam")
