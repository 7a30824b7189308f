"""What a training here and one in PyTorch share: initial kernels, batches, and their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import chainrule as cr

MLP, CNN = "mlp", "cnn"
SHAPES = {MLP: [(196, 24), (24, 10)], CNN: [(3, 3, 1, 4), (144, 10)]}


def start(kind: str) -> list[Any]:
    """The kernels, in the order of axes used here."""
    rng = np.random.default_rng(5)
    return [rng.standard_normal(s) / np.sqrt(np.prod(s[:-1])) for s in SHAPES[kind]]


def torch_layout(kind: str, kernels: list[Any]) -> list[Any]:
    """The same kernels as PyTorch has them: outputs first, and channels before places."""
    first, last = kernels
    if kind == MLP:
        return [first.T, last.T]
    return [
        first.transpose(3, 2, 0, 1),
        last.reshape(6, 6, 4, 10).transpose(2, 0, 1, 3).reshape(144, 10).T,
    ]


def batches() -> Iterator[tuple[Any, Any]]:
    """Forty batches of 25 digits of 14 × 14 pixels, two epochs of 500."""
    images, labels = cr.data.load_digits5k()
    x, y = images[::10, ::2, ::2, None] / 255, labels[::10]
    rng = np.random.default_rng(3)
    for _ in range(2):
        order = rng.permutation(len(x))
        for i in range(0, len(x), 25):
            rows = order[i : i + 25]
            yield x[rows], y[rows]
