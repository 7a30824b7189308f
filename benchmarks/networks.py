"""One description of a network; every contestant builds it with the same weights and trains it.

A trainer is a function order → losses: ``order`` has the rows of one batch in each of its rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import peers

Trainer = Callable[[np.ndarray], Any]
RATE, MOMENTUM = 1e-3, 0.9


@dataclass(frozen=True)
class Dense:
    """x W + b, then relu, then batch norm, if they are asked for."""

    units: int
    relu: bool = True
    norm: bool = False


@dataclass(frozen=True)
class Conv:
    """A convolution, relu, and the maxima of 2 × 2."""

    filters: int
    size: int
    padded: bool


Spec = Sequence[Dense | Conv]


@dataclass(frozen=True)
class Task:
    """What all contestants do.

    Attributes:
        spec: the network, without the activation of its output.
        x, y: the data; y are classes, or 0 and 1 where the network has one output.
        rule: "adam" or "momentum".
    """

    spec: Spec
    x: np.ndarray
    y: np.ndarray
    rule: str = "adam"

    @property
    def binary(self) -> bool:
        last = self.spec[-1]
        return isinstance(last, Dense) and last.units == 1

    def layers(self) -> list[Any]:
        """The layers in chainrule."""
        from chainrule import nn

        made: list[Any] = []
        for part in self.spec:
            if isinstance(part, Conv):
                padding = "same" if part.padded else "valid"
                made.append(nn.Conv2D(part.filters, part.size, padding=padding, activation="relu"))
                made.append(nn.MaxPooling2D(2))
                continue
            if made and isinstance(made[-1], nn.MaxPooling2D):
                made.append(nn.Flatten())
            made.append(nn.Dense(part.units, activation="relu" if part.relu else None))
            if part.norm:
                made.append(nn.BatchNormalization())
        return made

    def weights(self) -> list[list[np.ndarray]]:
        """[kernel, bias] of each part, drawn from a fixed seed; they may be changed."""
        return [[a.copy() for a in part] for part in self._drawn]

    @functools.cached_property
    def _drawn(self) -> list[list[np.ndarray]]:
        rng = np.random.default_rng(0)
        shape = self.x.shape[1:]
        found = []
        for part in self.spec:
            if isinstance(part, Conv):
                kernel = (part.size, part.size, shape[2], part.filters)
                lost = 0 if part.padded else part.size - 1
                shape = ((shape[0] - lost) // 2, (shape[1] - lost) // 2, part.filters)
            else:
                kernel = (int(np.prod(shape)), part.units)
                shape = (part.units,)
            scale = np.sqrt(2 / np.prod(kernel[:-1]))
            drawn = scale * rng.standard_normal(kernel)
            found.append([drawn.astype(np.float32), np.zeros(kernel[-1], np.float32)])
        return found

    def all_weights(self) -> list[np.ndarray]:
        """The same with γ and β and the running averages, in the order of Keras."""
        found: list[np.ndarray] = []
        for part, (kernel, bias) in zip(self.spec, self.weights(), strict=True):
            found += [kernel, bias]
            if isinstance(part, Dense) and part.norm:
                found += [np.ones_like(bias), bias, bias, np.ones_like(bias)]
        return found


# chainrule ------------------------------------------------------------------------------------


def _put(task: Task, params: Any) -> None:
    """Give the layers the weights that all contestants begin with."""
    drawn = iter(task.weights())
    for layer in params.values():
        if "kernel" in layer:
            layer["kernel"], layer["bias"] = next(drawn)


def stepper(task: Task, rows: int) -> Any:
    """The compiled training step for batches of so many rows."""
    import chainrule as cr
    from chainrule import nn, optim
    from chainrule.engine.native.stepping import Plan, Stepper
    from chainrule.train.step import Batch, TrainState, training_step

    network = nn.Sequential(task.layers())
    params, state = network.build(0, task.x.shape[1:], dtype=np.float32)
    _put(task, params)
    rule = optim.Adam(RATE) if task.rule == "adam" else optim.Momentum(RATE, MOMENTUM)

    def loss(y: Any, out: Any, weight: Any) -> Any:
        if task.binary:
            return cr.sigmoid_cross_entropy(out[:, 0], y).mean()
        return cr.softmax_cross_entropy(out, y).mean()

    step = training_step(network, loss, rule)

    def one(state: Any, data: Any, own: Any) -> Any:
        x, y = data
        state, result = step(state, Batch(x[own], y[own]), (0,), None)
        return state, result.loss

    start = TrainState(params, rule.init(params), state)
    data = task.x, task.y
    return Stepper(Plan.of(one, start, data, np.arange(rows)), start, data)


def own_trainer(task: Task, rows: int) -> Trainer:
    """All steps in one call of native code."""
    compiled = stepper(task, rows)
    return lambda order: compiled.run(order, len(order))


def own_model(task: Task) -> Any:
    """The same network as a `cr.Model` with its native engine, ready to fit."""
    import chainrule as cr
    from chainrule import nn, optim

    rule = optim.Adam(RATE) if task.rule == "adam" else optim.Momentum(RATE, MOMENTUM)
    loss = nn.losses.BinaryCrossentropy if task.binary else nn.losses.SparseCategoricalCrossentropy
    model = cr.Model(task.layers(), dtype=np.float32).build(task.x.shape[1:])
    _put(task, model.params)
    model.compile(rule, loss(from_logits=True), jit_compile=True)
    return model


# PyTorch --------------------------------------------------------------------------------------


def torch_network(task: Task) -> Any:
    """The network; images have their channels first."""
    torch = peers.torch()
    t = torch.nn
    parts: list[Any] = []
    with torch.no_grad():
        for part, (kernel, bias) in zip(task.spec, task.weights(), strict=True):
            if isinstance(part, Conv):
                inside = kernel.shape[2]
                layer = t.Conv2d(inside, part.filters, part.size, padding=2 if part.padded else 0)
                layer.weight.copy_(torch.tensor(kernel.transpose(3, 2, 0, 1).copy()))
                layer.bias.copy_(torch.tensor(bias))
                parts += [layer, t.ReLU(), t.MaxPool2d(2)]
                channels = part.filters
                continue
            if parts and isinstance(parts[-1], t.MaxPool2d):
                parts.append(t.Flatten())  # the same rows of the kernel, channels first
                side = int(np.sqrt(len(kernel) // channels))
                kernel = kernel.reshape(side, side, channels, -1).transpose(2, 0, 1, 3)
                kernel = kernel.reshape(side * side * channels, -1)
            layer = t.Linear(*kernel.shape)
            layer.weight.copy_(torch.tensor(kernel.T.copy()))
            layer.bias.copy_(torch.tensor(bias))
            parts += [layer, t.ReLU()] if part.relu else [layer]
            if part.norm:
                parts.append(t.BatchNorm1d(part.units, eps=1e-3, momentum=0.01))
    return t.Sequential(*parts)


def torch_trainer(task: Task, *, compiled: bool = False, fused: bool = True) -> Trainer:
    torch = peers.torch()
    network = torch_network(task)
    if task.rule == "adam":
        rule = torch.optim.Adam(network.parameters(), RATE, fused=fused)
    else:
        rule = torch.optim.SGD(network.parameters(), RATE, momentum=MOMENTUM, fused=fused)
    x = task.x.transpose(0, 3, 1, 2).copy() if task.x.ndim == 4 else task.x
    xt = torch.tensor(x)
    if task.binary:
        yt = torch.tensor(task.y.astype(np.float32))
        bce = torch.nn.BCEWithLogitsLoss()
        loss = lambda out, y: bce(out[:, 0], y)  # noqa: E731
    else:
        yt, loss = torch.tensor(task.y), torch.nn.CrossEntropyLoss()
    objective = lambda x, y: loss(network(x), y)  # noqa: E731
    if compiled:
        objective = torch.compile(objective, dynamic=False)

    def train(order: np.ndarray) -> Any:
        losses = []
        for batch in torch.as_tensor(order):
            rule.zero_grad()
            value = objective(xt[batch], yt[batch])
            value.backward()
            rule.step()
            losses.append(value.detach())
        return torch.stack(losses)

    return train


# JAX ------------------------------------------------------------------------------------------


def jax_adam(state: Any, gradients: Any) -> Any:
    """One step of Adam on (parameters, m, v, steps)."""
    import jax
    import jax.numpy as jnp

    params, m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
    a, b = RATE / (1 - 0.9**t), 1 / (1 - 0.999**t)
    params = jax.tree.map(lambda p, m, v: p - a * m / (jnp.sqrt(v * b) + 1e-8), params, m, v)
    return params, m, v, t


def jax_momentum(state: Any, gradients: Any) -> Any:
    """One step of momentum on (parameters, velocity)."""
    import jax

    params, velocity = state
    velocity = jax.tree.map(lambda u, g: MOMENTUM * u + g, velocity, gradients)
    return jax.tree.map(lambda p, u: p - RATE * u, params, velocity), velocity


def jax_step(task: Task) -> tuple[Any, Any]:
    """(the state at first, step(state, batch) → (state, loss)), not compiled yet."""
    jax = peers.jax()
    jnp = jax.numpy
    params = []
    for part, (kernel, bias) in zip(task.spec, task.weights(), strict=True):
        own = [jnp.asarray(kernel), jnp.asarray(bias)]
        if isinstance(part, Dense) and part.norm:
            own += [jnp.ones_like(own[1]), jnp.zeros_like(own[1])]
        params.append(own)
    means = [(jnp.zeros_like(p[1]), jnp.ones_like(p[1])) for p in params]
    zeros = jax.tree.map(jnp.zeros_like, params)
    memory = (zeros, zeros, jnp.float32(0)) if task.rule == "adam" else (zeros,)
    update = jax_adam if task.rule == "adam" else jax_momentum
    xj, yj = jnp.asarray(task.x), jnp.asarray(task.y)

    def outputs(params: Any, means: Any, x: Any) -> Any:
        after = list(means)
        for k, (part, own) in enumerate(zip(task.spec, params, strict=True)):
            if isinstance(part, Conv):
                padding = "SAME" if part.padded else "VALID"
                x = jax.lax.conv_general_dilated(
                    x, own[0], (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                x = jax.nn.relu(x + own[1])
                two = (1, 2, 2, 1)
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, two, two, "VALID")
                continue
            x = x.reshape(len(x), -1) @ own[0] + own[1]
            x = jax.nn.relu(x) if part.relu else x
            if part.norm:
                mean, variance = x.mean(0), x.var(0)
                old = means[k]
                after[k] = (0.99 * old[0] + 0.01 * mean, 0.99 * old[1] + 0.01 * variance)
                x = own[2] * (x - mean) * jax.lax.rsqrt(variance + 1e-3) + own[3]
        return x, after

    def loss(params: Any, means: Any, x: Any, y: Any) -> Any:
        z, after = outputs(params, means, x)
        if task.binary:
            z = z[:, 0]
            value = (jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))).mean()
        else:
            logs = jax.nn.log_softmax(z)
            value = -jnp.take_along_axis(logs, y[:, None], 1).mean()
        return value, after

    gradient = jax.value_and_grad(loss, has_aux=True)

    def step(state: Any, batch: Any) -> Any:
        (params, *memory), means = state
        (value, means), g = gradient(params, means, xj[batch], yj[batch])
        return (update((params, *memory), g), means), value

    return ((params, *memory), means), step


def jax_trainer(task: Task, *, scan: bool = True) -> Trainer:
    """The epoch in one ``lax.scan``, or one call of a compiled step for each batch."""
    jax = peers.jax()
    state, step = jax_step(task)
    held = [state]
    if scan:
        epoch = jax.jit(lambda state, order: jax.lax.scan(step, state, order))

        def train(order: np.ndarray) -> Any:
            held[0], losses = epoch(held[0], jax.numpy.asarray(order))
            return losses.block_until_ready()

        return train
    compiled = jax.jit(step)

    def step_by_step(order: np.ndarray) -> Any:
        losses = []
        for batch in order:
            held[0], value = compiled(held[0], batch)
            losses.append(value)
        return jax.numpy.stack(losses).block_until_ready()

    return step_by_step


# Keras ----------------------------------------------------------------------------------------


def keras_model(task: Task, **options: Any) -> Any:
    """The network in Keras on JAX, ready to fit."""
    peers.jax()
    import keras

    k = keras.layers
    made: list[Any] = [k.Input(task.x.shape[1:])]
    for part in task.spec:
        if isinstance(part, Conv):
            padding = "same" if part.padded else "valid"
            made += [
                k.Conv2D(part.filters, part.size, padding=padding, activation="relu"),
                k.MaxPooling2D(2),
            ]
            continue
        if isinstance(made[-1], k.MaxPooling2D):
            made.append(k.Flatten())
        made.append(k.Dense(part.units, activation="relu" if part.relu else None))
        if part.norm:
            made.append(k.BatchNormalization())
    model = keras.Sequential(made)
    model.set_weights(task.all_weights())
    losses = keras.losses
    loss = losses.BinaryCrossentropy if task.binary else losses.SparseCategoricalCrossentropy
    rule = (
        keras.optimizers.Adam(RATE, epsilon=1e-8)
        if task.rule == "adam"
        else keras.optimizers.SGD(RATE, momentum=MOMENTUM)
    )
    model.compile(rule, loss(from_logits=True), **options)
    return model


def keras_trainer(task: Task) -> Trainer:
    """``fit``, which draws its own order; the result is the mean loss of the epoch."""
    model = keras_model(task)

    def train(order: np.ndarray) -> Any:
        x, y = task.x[: order.size], task.y[: order.size]
        return model.fit(x, y, batch_size=order.shape[1], verbose=0).history["loss"][0]

    return train


# NumPy ----------------------------------------------------------------------------------------


def numpy_trainer(task: Task) -> Trainer:
    """Dense layers with relu and Adam, written by hand."""
    params = [a for own in task.weights() for a in own]
    m, v = ([np.zeros_like(p) for p in params] for _ in range(2))
    steps = 0

    def step(x: Any, y: Any) -> float:
        nonlocal steps
        inputs = []
        for k in range(0, len(params), 2):
            inputs.append(x)
            x = x @ params[k] + params[k + 1]
            if k < len(params) - 2:
                np.maximum(x, 0, out=x)
        n = np.float32(len(x))
        if task.binary:
            z = x[:, 0]
            e = np.exp(-np.abs(z))
            loss = (np.maximum(z, 0) - z * y + np.log1p(e)).mean()
            g = ((np.where(z >= 0, 1, e) / (1 + e) - y) / n)[:, None].astype(np.float32)
        else:
            rows = np.arange(len(x))
            e = x - x.max(1, keepdims=True)
            loss = (np.log(np.exp(e).sum(1)) - e[rows, y]).mean()
            g = np.exp(e)
            g /= g.sum(1, keepdims=True)
            g[rows, y] -= 1
            g /= n
        gradients = []
        for k in range(len(params) - 2, -1, -2):
            x = inputs[k // 2]
            gradients = [x.T @ g, g.sum(0), *gradients]
            if k:
                g = (g @ params[k].T) * (x > 0)
        steps += 1
        a = np.float32(RATE / (1 - 0.9**steps))
        b = np.float32(1 / (1 - 0.999**steps))
        for p, g, m_, v_ in zip(params, gradients, m, v, strict=True):
            m_ *= 0.9
            m_ += 0.1 * g
            v_ *= 0.999
            v_ += 0.001 * g * g
            p -= a * m_ / (np.sqrt(v_ * b) + 1e-8)
        return float(loss)

    return lambda order: [step(task.x[rows], task.y[rows]) for rows in order]
