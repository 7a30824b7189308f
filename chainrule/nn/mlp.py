"""The multilayer perceptron: dense layers with relu between them; with none hidden, linear."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.elementary.network import relu
from chainrule.errors import ArgumentError
from chainrule.nn.initializers import glorot_uniform, he_normal

Params = list[dict[str, NDArray[np.float64]]]


def init_mlp(sizes: Sequence[int], seed: int | np.random.Generator = 0) -> Params:
    """Parameters of a network with these layer sizes, from the inputs to the outputs.

    The kernels before a relu are drawn by `he_normal`, the last by `glorot_uniform`; biases are 0.

    Args:
        sizes: (inputs, hidden …, outputs); two of them make a linear model.
        seed: an integer or a NumPy generator.

    Returns:
        For each layer {"kernel": (fan_in, fan_out), "bias": (fan_out,)}.

    Raises:
        ArgumentError: fewer than two sizes, or one below 1.

    >>> [layer["kernel"].shape for layer in init_mlp([13, 16, 1])]
    [(13, 16), (16, 1)]
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ArgumentError(
            "a network needs the number of its inputs, of each hidden layer's units, and outputs",
            got=f"sizes {list(sizes)}",
            remedy="give at least two numbers, each 1 or more, such as [13, 16, 1]",
        )
    rng = np.random.default_rng(seed)
    last = len(sizes) - 2
    return [
        {
            "kernel": (glorot_uniform if i == last else he_normal)(rng, (fan_in, fan_out)),
            "bias": np.zeros(fan_out),
        }
        for i, (fan_in, fan_out) in enumerate(pairwise(sizes))
    ]


def forward(params: Any, x: Any) -> Any:
    """The network's outputs (logits, for classes): h ← relu(h·kernel + bias), no relu on the last.

    Args:
        params: as `init_mlp` gives them, plain or traced.
        x: the inputs, shape (rows, inputs).

    Returns:
        Shape (rows, outputs).

    >>> layer = {"kernel": np.array([[2.0], [-1.0]]), "bias": np.array([0.5])}
    >>> forward([layer], np.array([[1.0, 3.0]]))
    array([[-0.5]])
    """
    for layer in params[:-1]:
        x = relu(x @ layer["kernel"] + layer["bias"])
    return x @ params[-1]["kernel"] + params[-1]["bias"]
