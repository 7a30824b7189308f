"""The same networks, data, initial weights, order of batches and settings here and in PyTorch.

The losses of all steps are compared: in float64 they should agree to rounding, in float32 as far as
float32's rounding lets two paths stay together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from benchmarks.accuracy.digits import parts
from chainrule import nn

Array = NDArray[Any]
BATCH = 64
NUDGES = 4


@dataclass(frozen=True)
class Case:
    """A network and how it is trained, in both libraries."""

    name: str
    convolutional: bool
    dtype: type
    optimizer: str  # "momentum" or "adam"
    epochs: int


CASES = [
    Case("MLP 784-128-64-10 with batch norm, momentum", False, np.float64, "momentum", 5),
    Case("MLP 784-128-64-10 with batch norm, Adam", False, np.float64, "adam", 5),
    Case("convolutional, Adam", True, np.float64, "adam", 2),
    Case("MLP 784-128-64-10 with batch norm, Adam", False, np.float32, "adam", 5),
    Case("convolutional, Adam", True, np.float32, "adam", 5),
]


def layers(convolutional: bool) -> list[nn.Layer]:
    relu = nn.Activation("relu")
    if convolutional:
        return [nn.Conv2D(8, 5), relu, nn.MaxPooling2D(2), nn.Conv2D(16, 5), relu,
                nn.MaxPooling2D(2), nn.Flatten(), nn.Dense(64), relu, nn.Dense(10)]  # fmt: skip
    norm = nn.BatchNormalization(momentum=0.9, epsilon=1e-5, unbiased=True)  # PyTorch's defaults
    return [nn.Flatten(), nn.Dense(128), norm, relu, nn.Dense(64), norm, relu, nn.Dense(10)]


def ours(case: Case, x: Array, y: Array, seed: int) -> tuple[cr.Model, list[Array], list[float]]:
    """The trained model, the weights that it began with, and the loss of each step."""
    rules: dict[str, Any] = {
        "momentum": cr.optim.Momentum(0.05, 0.9, convention="pytorch"),
        "adam": cr.optim.Adam(0.001),
    }
    model = cr.Model(layers(case.convolutional), dtype=case.dtype).build(x.shape[1:], seed=seed)
    model.compile(rules[case.optimizer], "sparse_categorical_crossentropy")
    start = model.get_weights()
    losses: list[float] = []
    model.fit(
        lambda: _epochs(x, y, case.epochs, seed), epochs=1, verbose=0,
        callbacks=cr.train.LambdaCallback(
            on_train_batch_end=lambda batch, logs: losses.append(logs["batch_loss"])
        ),
    )  # fmt: skip
    return model, start, losses


def _epochs(x: Array, y: Array, epochs: int, seed: int) -> list[tuple[Array, Array]]:
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(x)) for _ in range(epochs)]
    return [
        (x[order[i : i + BATCH]], y[order[i : i + BATCH]])
        for order in orders
        for i in range(0, len(x), BATCH)
    ]


def theirs(
    case: Case, x: Array, y: Array, seed: int, start: list[Array]
) -> tuple[Any, list[float]]:
    """PyTorch's network from these weights, and the loss of each step."""
    import torch

    net = _torch_network(case.convolutional).to(_torch_dtype(case.dtype))
    _put(net, start, case.convolutional)
    rule: Any = (
        torch.optim.SGD(net.parameters(), 0.05, 0.9)
        if case.optimizer == "momentum"
        else torch.optim.Adam(net.parameters(), 0.001)
    )
    loss_of = torch.nn.CrossEntropyLoss()
    losses = []
    net.train()
    for rows, labels in _epochs(x, y, case.epochs, seed):
        loss = loss_of(net(_images(rows, case.dtype)), torch.from_numpy(labels.astype(np.int64)))
        rule.zero_grad()
        loss.backward()
        rule.step()
        losses.append(loss.item())
    return net.eval(), losses


def _torch_network(convolutional: bool) -> Any:
    from torch import nn as t

    if convolutional:
        return t.Sequential(
            t.Conv2d(1, 8, 5), t.ReLU(), t.MaxPool2d(2), t.Conv2d(8, 16, 5), t.ReLU(),
            t.MaxPool2d(2), t.Flatten(), t.Linear(256, 64), t.ReLU(), t.Linear(64, 10),
        )  # fmt: skip
    return t.Sequential(
        t.Flatten(), t.Linear(784, 128), t.BatchNorm1d(128), t.ReLU(), t.Linear(128, 64),
        t.BatchNorm1d(64), t.ReLU(), t.Linear(64, 10),
    )  # fmt: skip


def _put(net: Any, weights: list[Array], convolutional: bool) -> None:
    """Our kernels in PyTorch's order of axes; norms begin with ones and zeros in both."""
    import torch

    kernels = iter([w for w in weights if w.ndim >= 2])
    first_dense = convolutional
    for layer in net:
        if isinstance(layer, torch.nn.Conv2d):
            kernel = next(kernels).transpose(3, 2, 0, 1)  # (h, w, in, out) → (out, in, h, w)
        elif isinstance(layer, torch.nn.Linear):
            kernel = next(kernels)
            if first_dense:  # flattened as (h, w, channel) here, as (channel, h, w) there
                kernel = kernel.reshape(4, 4, 16, -1).transpose(2, 0, 1, 3).reshape(256, -1)
                first_dense = False
            kernel = kernel.T
        else:
            continue
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
            layer.bias.zero_()


def _torch_dtype(dtype: type) -> Any:
    import torch

    return {np.float64: torch.float64, np.float32: torch.float32}[dtype]


def _images(x: Array, dtype: type) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)).astype(dtype))


def nudged(weights: list[Array], seed: int) -> list[Array]:
    """The weights, each moved to a neighbouring floating-point number: what rounding alone does."""
    rng = np.random.default_rng(seed)
    return [np.nextafter(w, w + rng.choice([-1, 1], w.shape).astype(w.dtype)) for w in weights]


def compare() -> Iterator[str]:
    """A line for each case: how far the losses of all steps are apart, and where both end."""
    (x, y), (x_test, y_test) = parts()
    yield (
        "| network | dtype | steps | largest difference of a step's loss | PyTorch's own, from "
        f"weights one rounding away (of {NUDGES}) | mean loss of the last epoch: chainrule, "
        "PyTorch | test accuracy: chainrule, PyTorch |"
    )
    yield "|---|---|---|---|---|---|---|"
    for case in CASES:
        inputs = x.astype(case.dtype)
        model, start, mine = ours(case, inputs, y, seed=0)
        net, other = theirs(case, inputs, y, 0, start)
        noise = max(
            _apart(theirs(case, inputs, y, 0, nudged(start, k))[1], other) for k in range(NUDGES)
        )
        last = len(mine) // case.epochs
        here = model.predict(x_test.astype(case.dtype), batch_size=500)
        there = net(_images(x_test, case.dtype)).detach().numpy()
        scores = [float(np.mean(np.argmax(z, axis=1) == y_test)) for z in (here, there)]
        yield (
            f"| {case.name} | {case.dtype.__name__} | {len(mine)} | {_apart(mine, other):.1e} | "
            f"{noise:.1e} | {np.mean(mine[-last:]):.6f}, "
            f"{np.mean(other[-last:]):.6f} | {scores[0]:.1%}, {scores[1]:.1%} |"
        )


def _apart(losses: list[float], others: list[float]) -> float:
    return float(np.max(np.abs(np.subtract(losses, others))))
