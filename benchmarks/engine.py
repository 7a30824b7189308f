"""The native engine's pieces of work: compiled functions and whole training steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import optree

import chainrule as cr
from benchmarks.harness import Contestants, Row, available, measure
from chainrule import nn, optim
from chainrule.engine.native.stepping import Stepper
from chainrule.train.step import Batch, TrainState, training_step


def scalar() -> Row:
    """Value and gradient of the logistic loss of one number, compiled, floats in and out."""

    def loss(w: float, x: float, y: float) -> Any:
        p = 1 / (1 + np.exp(-w * x))
        return -(y * np.log(p) + (1 - y) * np.log(1 - p))

    own = cr.compile(cr.value_and_grad(loss))
    contestants: Contestants = {"chainrule": lambda: own(3.0, 3.0, 1.0)}
    if available("jax"):
        import jax

        def same(w: Any, x: Any, y: Any) -> Any:
            p = 1 / (1 + jax.numpy.exp(-w * x))
            return -(y * jax.numpy.log(p) + (1 - y) * jax.numpy.log(1 - p))

        peer = jax.jit(jax.value_and_grad(same))
        contestants["jax"] = lambda: float(peer(3.0, 3.0, 1.0)[1])
    row = Row("compiled scalar logistic loss, value and gradient", "µs", 1e6, "≤ 1 µs")
    row.medians = measure(contestants)
    return row


def rosenbrock(n: int, order: int) -> Row:
    """Value and gradient, or a Hessian product, of the Rosenbrock function in float64."""
    x, v = np.random.default_rng(0).standard_normal((2, n))

    def f(x: Any) -> Any:
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    own = cr.compile(cr.value_and_grad(f) if order == 1 else lambda x, v: cr.hvp(f, (x,), (v,)))
    contestants: Contestants = {"chainrule": (lambda: own(x)) if order == 1 else lambda: own(x, v)}
    if available("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)
        xj, vj = jax.numpy.asarray(x), jax.numpy.asarray(v)
        if order == 1:
            peer = jax.jit(jax.value_and_grad(f))
            contestants["jax"] = lambda: peer(xj)[1].block_until_ready()
        else:
            product = jax.jit(lambda x, v: jax.jvp(jax.grad(f), (x,), (v,))[1])
            contestants["jax"] = lambda: product(xj, vj).block_until_ready()
    if available("torch") and order == 1:
        import torch

        xt = torch.tensor(x, requires_grad=True)
        contestants["torch"] = lambda: torch.autograd.grad(f(xt), xt)
    what = "value and gradient" if order == 1 else "Hessian product"
    targets = {1: {1_000: 3, 100_000: 30, 1_000_000: 400}, 2: {1_000: 3, 100_000: 45}}
    target = f"≤ {targets[order].get(n, 600)} µs"
    row = Row(f"compiled Rosenbrock, n = {n:,}, {what}", "µs", 1e6, target)
    row.medians = measure(contestants)
    return row


def logistic_regression() -> Row:
    """Value and gradient for 100,000 rows of 100 columns in float32."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100_000, 100)).astype(np.float32)
    y = (rng.random(100_000) > 0.5).astype(np.float32)
    w = np.zeros(100, np.float32)

    def loss(w: Any, x: Any, y: Any) -> Any:
        return cr.sigmoid_cross_entropy(x @ w, y).mean()

    own = cr.compile(cr.value_and_grad(loss))
    contestants: Contestants = {"chainrule": lambda: own(w, x, y)}
    if available("torch"):
        import torch

        wt = torch.zeros(100, requires_grad=True)
        xt, yt = torch.tensor(x), torch.tensor(y)
        bce = torch.nn.functional.binary_cross_entropy_with_logits
        contestants["torch"] = lambda: torch.autograd.grad(bce(xt @ wt, yt), wt)
    row = Row("logistic regression 100,000 × 100, value and gradient", "ms", 1e3, "≤ 1.4 ms")
    row.medians = measure(contestants)
    return row


Layers = list[Any]


def _stepper(layers: Layers, shape: Any, x: Any, y: Any, rows: int, rule: Any) -> Callable[[], Any]:
    """An epoch of batches of ``rows`` as a callable; the order is drawn anew."""
    network = nn.Sequential(layers)
    params, state = network.build(0, shape, dtype=np.float32)
    step = training_step(network, lambda y, out, w: cr.softmax_cross_entropy(out, y).mean(), rule)
    start = TrainState(params, rule.init(params), state)

    def one(state: Any, data: Any, own: Any) -> Any:
        x, y = data
        state, result = step(state, Batch(x[own], y[own]), (0,), None)
        return state, result.loss

    steps = len(x) // rows
    rng = np.random.default_rng(0)
    stepper = Stepper(one, start, (x, y), np.arange(rows))

    def epoch() -> Any:
        order = rng.permutation(len(x))[: steps * rows].reshape(steps, rows)
        return stepper.run(order, steps)

    return epoch


def _torch_epoch(make: Callable[[Any], Any], x: Any, y: Any, rows: int) -> Callable[[], Any]:
    import torch

    network = make(torch)
    rule = torch.optim.Adam(network.parameters(), 1e-3, fused=True)
    xt, yt = torch.tensor(x), torch.tensor(y)
    loss = torch.nn.CrossEntropyLoss()

    def epoch() -> Any:
        order = torch.randperm(len(xt))
        for k in range(len(xt) // rows):
            batch = order[k * rows : (k + 1) * rows]
            rule.zero_grad()
            loss(network(xt[batch]), yt[batch]).backward()
            rule.step()

    return epoch


def _jax_epoch(sizes: list[int], x: Any, y: Any, rows: int) -> Callable[[], Any]:
    """A multilayer network with Adam, the epoch in one ``lax.scan``."""
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    params = [
        (jnp.asarray(rng.standard_normal((m, n)).astype(np.float32) / np.sqrt(m)), jnp.zeros(n))
        for m, n in itertools.pairwise(sizes)
    ]
    params = optree.tree_map(lambda a: a.astype(jnp.float32), params)

    def loss(params: Any, x: Any, y: Any) -> Any:
        for w, b in params[:-1]:
            x = jax.nn.relu(x @ w + b)
        w, b = params[-1]
        logs = jax.nn.log_softmax(x @ w + b)
        return -jnp.take_along_axis(logs, y[:, None], 1).mean()

    xj, yj = jnp.asarray(x), jnp.asarray(y)

    @jax.jit
    def epoch(state: Any, order: Any) -> Any:
        def step(state: Any, batch: Any) -> Any:
            params, m, v, t = state
            value, g = jax.value_and_grad(loss)(params, xj[batch], yj[batch])
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
            a, b = 1e-3 / (1 - 0.9**t), 1 / (1 - 0.999**t)
            params = jax.tree.map(
                lambda p, m, v: p - a * m / (jnp.sqrt(v * b) + 1e-8), params, m, v
            )
            return (params, m, v, t), value

        return jax.lax.scan(step, state, order)

    zeros = jax.tree.map(jnp.zeros_like, params)
    state = [(params, zeros, zeros, jnp.float32(0))]
    steps = len(x) // rows
    shuffle = np.random.default_rng(0)

    def run() -> Any:
        order = shuffle.permutation(len(x))[: steps * rows].reshape(steps, rows)
        state[0], losses = epoch(state[0], jnp.asarray(order))
        return losses.block_until_ready()

    return run


def multilayer() -> Row:
    """An epoch of 784-256-128-10, relu, cross-entropy, Adam, batch 128."""
    rng = np.random.default_rng(0)
    n = 12_800
    x = rng.standard_normal((n, 784)).astype(np.float32)
    y = rng.integers(0, 10, n)
    layers = [nn.Dense(256, activation="relu"), nn.Dense(128, activation="relu"), nn.Dense(10)]
    epoch = _stepper(layers, (784,), x, y, 128, optim.Adam(1e-3))
    contestants: Contestants = {"chainrule": epoch}
    if available("torch"):
        contestants["torch"] = _torch_epoch(
            lambda t: t.nn.Sequential(
                t.nn.Linear(784, 256), t.nn.ReLU(), t.nn.Linear(256, 128), t.nn.ReLU(),
                t.nn.Linear(128, 10),
            ), x, y, 128,
        )  # fmt: skip
    if available("jax"):
        contestants["jax"] = _jax_epoch([784, 256, 128, 10], x, y, 128)
    row = Row("784-256-128-10, batch 128, Adam, per sample", "µs", 1e6 / n, "≤ 5.26 µs")
    row.medians = measure(contestants, rounds=5, seconds=0.5)
    return row


def convolutional() -> Row:
    """An epoch of the small convolutional network on 28 × 28 images, Adam, batch 64."""
    rng = np.random.default_rng(0)
    n = 1_280
    x = rng.standard_normal((n, 28, 28, 1)).astype(np.float32)
    y = rng.integers(0, 10, n)
    layers = [
        nn.Conv2D(16, 5, padding="same", activation="relu"), nn.MaxPooling2D(2),
        nn.Conv2D(32, 5, activation="relu"), nn.MaxPooling2D(2), nn.Flatten(),
        nn.Dense(128, activation="relu"), nn.Dense(10),
    ]  # fmt: skip
    epoch = _stepper(layers, (28, 28, 1), x, y, 64, optim.Adam(1e-3))
    contestants: Contestants = {"chainrule": epoch}
    if available("torch"):
        contestants["torch"] = _torch_epoch(
            lambda t: t.nn.Sequential(
                t.nn.Conv2d(1, 16, 5, padding=2), t.nn.ReLU(), t.nn.MaxPool2d(2),
                t.nn.Conv2d(16, 32, 5), t.nn.ReLU(), t.nn.MaxPool2d(2), t.nn.Flatten(),
                t.nn.Linear(800, 128), t.nn.ReLU(), t.nn.Linear(128, 10),
            ), x.transpose(0, 3, 1, 2).copy(), y, 64,
        )  # fmt: skip
    row = Row("convolutional net on 28 × 28, batch 64, Adam, per sample", "µs", 1e6 / n, "≤ 50 µs")
    row.medians = measure(contestants, rounds=3, seconds=0.5)
    return row


def small_fit() -> Row:
    """The whole fit of 13-32-16-1 by its public interface: 270 rows, batch 32, 200 epochs."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((270, 13)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] ** 2 + 0.3 * rng.standard_normal(270) > 1).astype(int)

    def own() -> Any:
        model = cr.Model(
            [nn.Dense(32, activation="relu"), nn.Dense(16, activation="relu"),
             nn.Dense(1, activation="sigmoid")]
        )  # fmt: skip
        model.compile("adam", "binary_crossentropy", jit_compile=True)
        return model.fit(x, y, batch_size=32, epochs=200, verbose=0)

    contestants: Contestants = {"chainrule": own}
    if available("sklearn"):
        import warnings

        from sklearn.neural_network import MLPClassifier

        def peer() -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return MLPClassifier(
                    (32, 16), batch_size=32, max_iter=200, n_iter_no_change=200, tol=0.0, alpha=0.0
                ).fit(x, y)

        contestants["sklearn"] = peer
    row = Row("fit of 13-32-16-1, 200 epochs of 9 steps, warm cache", "ms", 1e3, "≤ 20 ms")
    row.medians = measure(contestants, rounds=3, seconds=0.3)
    return row


def adam() -> Row:
    """One step of Adam on 10⁷ parameters."""
    n = 10_000_000
    rng = np.random.default_rng(0)
    p, g = rng.standard_normal((2, n)).astype(np.float32)
    rule = optim.Adam(1e-3)

    def one(state: Any, data: Any, own: Any) -> Any:
        params, memory = state
        params, memory = rule.update(data, memory, params, learning_rate=own)
        return (params, memory), own

    stepper = Stepper(one, (p, rule.init(p)), g, np.float64(1e-3))
    rates = np.full(1, 1e-3)
    contestants: Contestants = {"chainrule": lambda: stepper.run(rates, 1)}
    if available("torch"):
        import torch

        pt = torch.tensor(p, requires_grad=True)
        pt.grad = torch.tensor(g)
        peer = torch.optim.Adam([pt], 1e-3, fused=True)
        contestants["torch"] = peer.step
    row = Row("Adam on 10,000,000 parameters, one step", "ms", 1e3, "≤ 4.5 ms")
    row.medians = measure(contestants, rounds=5)
    return row


def chain(n: int = 100_000) -> Row:
    """Value and gradient of n elementary steps on one number, a quarter of them sines."""

    def f(x: Any) -> Any:
        y = x
        for _ in range(n // 4):
            y = np.sin(y) * 0.9 + x
            y = y * x
        return y

    own = cr.compile(cr.value_and_grad(f))
    target = "≤ 12 ns; C tape 10, CasADi 27–39"
    row = Row(f"compiled chain of {n:,} steps, value and gradient, a step", "ns", 1e9 / n, target)
    row.medians = measure({"chainrule": lambda: own(0.3)})
    return row


def dense_hessian() -> Row:
    """The Hessian of the loss of 13-32-16-1 with 270 rows in its 993 parameters, float64."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((270, 13)), (rng.random(270) > 0.5).astype(float)
    shapes = [(13, 32), (32,), (32, 16), (16,), (16, 1), (1,)]
    ends = np.cumsum([0, *(int(np.prod(s)) for s in shapes)])
    p = 0.3 * rng.standard_normal(ends[-1])

    def loss(p: Any) -> Any:
        spans = zip(itertools.pairwise(ends), shapes, strict=True)
        a, b, c, d, e, f = (p[i:j].reshape(s) for (i, j), s in spans)
        h = cr.relu(cr.relu(x @ a + b) @ c + d)
        return cr.sigmoid_cross_entropy((h @ e + f)[:, 0], y).mean()

    own = cr.compile(cr.hessian(loss))
    row = Row("Hessian of the loss of 13-32-16-1, 993 parameters", "ms", 1e3, "≤ 40 ms; JAX 86")
    row.medians = measure({"chainrule": lambda: own(p)}, rounds=5)
    return row


def prediction(n: int) -> Row:
    """`predict` of 13-32-16-1 for n rows in float32."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((max(n, 64), 13)).astype(np.float32)
    model = cr.Model(
        [nn.Dense(32, activation="relu"), nn.Dense(16, activation="relu"),
         nn.Dense(1, activation="sigmoid")]
    )  # fmt: skip
    model.compile("adam", "binary_crossentropy")
    model.fit(x[:64], (x[:64, 0] > 0).astype(int), epochs=1, verbose=0)
    rows = x[:n].copy()
    for _ in range(21):
        model.predict(rows)
    target = "≤ 3 µs; ONNX Runtime 7.1" if n == 1 else "≤ 100 µs; ONNX Runtime 348"
    row = Row(f"predict with 13-32-16-1, {n:,} row{'s' * (n > 1)}", "µs", 1e6, target)
    row.medians = measure({"chainrule": lambda: model.predict(rows)})
    return row


def rows() -> list[Row]:
    """All of them."""
    return [
        scalar(),
        *(rosenbrock(n, order) for order in (1, 2) for n in (1_000, 100_000, 1_000_000)),
        chain(),
        dense_hessian(),
        prediction(1),
        prediction(10_000),
        logistic_regression(),
        small_fit(),
        multilayer(),
        convolutional(),
        adam(),
    ]
