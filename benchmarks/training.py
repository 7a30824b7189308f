"""Training: whole epochs of the same network with the same weights and batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import networks
from benchmarks.harness import Contestants, Row, measure
from benchmarks.networks import Conv, Dense, Task, Trainer
from benchmarks.peers import available


def small(rows: int = 270) -> Task:
    """The network 13-32-16-1 and 270 rows to learn, in float32."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 13)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] ** 2 + 0.3 * rng.standard_normal(rows) > 1).astype(np.float32)
    return Task((Dense(32), Dense(16), Dense(1, relu=False)), x, y)


def digits(rows: int, *, norm: bool = False) -> Task:
    """The network 784-256-128-10, on noise."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 784), dtype=np.float32)
    spec = (Dense(256, norm=norm), Dense(128, norm=norm), Dense(10, relu=False))
    return Task(spec, x, rng.integers(0, 10, rows))


def images(rows: int) -> Task:
    """The convolutional network on 28 × 28 images, on noise."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 28, 28, 1), dtype=np.float32)
    spec = (Conv(16, 5, padded=True), Conv(32, 5, padded=False), Dense(128), Dense(10, relu=False))
    return Task(spec, x, rng.integers(0, 10, rows))


def contest(task: Task, rows: int, trainers: dict[str, Trainer], row: Row, rounds: int = 5) -> Row:
    """Compare the losses of the first steps, then time epochs whose order is drawn anew.

    Args:
        task: what they train on.
        rows: in a batch.
        trainers: by the names of the contestants; they begin with the same weights.
        row: takes the times.
        rounds: of the measurement.
    """
    steps = len(task.x) // rows
    rng = np.random.default_rng(0)

    def order() -> Any:
        return rng.permutation(len(task.x))[: steps * rows].reshape(steps, rows)

    # Rounding grows from step to step in training, so only the first few are held together.
    first = order()
    own = None
    for name, train in trainers.items():
        losses = np.asarray(train(first))
        own = losses if own is None else own
        if losses.shape:
            few = slice(0, 5)
            np.testing.assert_allclose(losses[few], own[few], 2e-3, 2e-3, err_msg=name)
        else:  # an order of its own: the mean of the epoch
            np.testing.assert_allclose(losses, own.mean(), 0.1, err_msg=name)
    contestants: Contestants = {
        name: (lambda train=train: train(order())) for name, train in trainers.items()
    }
    row.seconds = measure(contestants, rounds=rounds, seconds=0.3)
    return row


def _common(task: Task, rows: int) -> dict[str, Trainer]:
    """chainrule's compiled steps, JAX, PyTorch and Keras."""
    found = {"chainrule": networks.own_trainer(task, rows)}
    if available("jax"):
        found["JAX scan"] = networks.jax_trainer(task)
    if available("torch"):
        found["PyTorch, fused"] = networks.torch_trainer(task)
    if available("keras", "jax"):
        found["Keras on JAX"] = networks.keras_trainer(task)
    return found


def own_fit(task: Task) -> Trainer:
    """`Model.fit`, an epoch each time; the result is its mean loss."""
    model = networks.own_model(task)

    def train(order: np.ndarray) -> Any:
        x, y = task.x[: order.size], task.y[: order.size]
        return model.fit(x, y, batch_size=order.shape[1], verbose=0).history["loss"][0]

    return train


def small_steps() -> Row:
    """Steps of the small network, 50 epochs of 8 steps in one call."""
    task = small(256)
    once = {"chainrule": networks.own_trainer(task, 32)}
    if available("jax"):
        once["JAX scan"] = networks.jax_trainer(task)
        once["JAX jit a step"] = networks.jax_trainer(task, scan=False)
    if available("torch"):
        once["PyTorch, fused"] = networks.torch_trainer(task)
        once["PyTorch"] = networks.torch_trainer(task, fused=False)
    once["NumPy by hand"] = networks.numpy_trainer(task)
    epochs = 50

    def repeated(train: Trainer) -> Trainer:
        """More epochs in one call: each row of the order is used ``epochs`` times."""
        return lambda order: train(np.tile(order, (epochs, 1)))

    row = Row("13-32-16-1, batch 32, Adam, 400 steps in one call", "µs a step", 1e6 / 400, 2, 22)
    row.notes.append(
        "The small network's steps are those of whole batches; its fits, below, have 270 rows and "
        "so a batch of 14 rows at the end of each epoch."
    )
    trainers = {name: repeated(train) for name, train in once.items()}
    return contest(task, 32, trainers, row, rounds=3)


def multilayer(rows: int = 12_800, *, norm: bool = False) -> Row:
    """An epoch of 784-256-128-10, batch 128, Adam; with batch norm after each hidden layer."""
    task = digits(rows, norm=norm)
    trainers = _common(task, 128)
    trainers["chainrule fit"] = own_fit(task)
    if available("torch"):
        trainers["PyTorch"] = networks.torch_trainer(task, fused=False)
    if available("jax"):
        trainers["JAX jit a step"] = networks.jax_trainer(task, scan=False)
    if not norm:
        trainers["NumPy by hand"] = networks.numpy_trainer(task)
    what = " with batch norm" if norm else ""
    target, bracket = (165_000, 115_000) if norm else (190_000, 134_000)
    work = f"epoch of 784-256-128-10{what}, batch 128, Adam"
    row = Row(work, "samples/s", rows, target, bracket, rate=True)
    row.notes.append(f"{work}: {rows:,} rows instead of 60,000, to keep it short.")
    return contest(task, 128, trainers, row)


def convolutional(rows: int = 1_280) -> Row:
    """An epoch of the convolutional network, batch 64, Adam."""
    task = images(rows)
    trainers = _common(task, 64)
    trainers["chainrule fit"] = own_fit(task)
    if available("jax"):  # XLA's convolutions are far slower within a scan
        trainers["JAX jit a step"] = networks.jax_trainer(task, scan=False)
    work = "convolutional net on 28 × 28, batch 64, Adam"
    row = Row(work, "samples/s", rows, 20_000, 7_000, rate=True)
    row.notes.append(
        f"{work}: {rows:,} rows in an epoch. The bracket is PyTorch's; Keras on TensorFlow, which "
        "is not measured here, reached 8,200."
    )
    return contest(task, 64, trainers, row, rounds=3)


def wide(rows: int = 2_048) -> Row:
    """2048-2048-2048-10, batch 512, SGD with momentum, in 10⁹ operations a second."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 2048), dtype=np.float32)
    task = Task((Dense(2048), Dense(2048), Dense(10, relu=False)), x, rng.integers(0, 10, rows),
                rule="momentum")  # fmt: skip
    trainers = _common(task, 512)
    if available("torch"):
        trainers["torch.compile"] = networks.torch_trainer(task, compiled=True)
    # Each product forward, for the weights, and, but for the first layer, for its input.
    operations = 2 * rows * (2 * 2048 * 2048 + 3 * (2048 * 2048 + 2048 * 10))
    work = "2048-2048-2048-10, batch 512, SGD with momentum"
    row = Row(work, "GFLOP/s", operations / 1e9, 290, 266, rate=True)
    return contest(task, 512, trainers, row, rounds=3)
