"""One step of training as a pure function: forward, backward, and the update in one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.derivatives import value_and_grad
from chainrule.optim.clipping import global_norm


class TrainState(NamedTuple):
    """What a step takes and returns anew: parameters, optimizer state, and the layers' state."""

    params: Any
    optimizer: Any
    layers: Any


class Batch(NamedTuple):
    """Some rows: inputs (an array or a tree of them), targets, and a weight for each or None."""

    x: Any
    y: Any
    weight: Any = None


class Result(NamedTuple):
    """What else comes out of a step: the loss before the update, the outputs, and √Σg²."""

    loss: Any
    outputs: Any
    gradient_norm: Any


TrainStep = Callable[[TrainState, Batch, tuple[int, ...], Any], tuple[TrainState, Result]]


def loss_of(layer: Any, loss: Callable[..., Any]) -> Callable[..., Any]:
    """objective(params, state, batch, key) → (loss, (outputs, new state)), in training."""

    def objective(params: Any, state: Any, batch: Batch, key: tuple[int, ...]) -> Any:
        outputs, after = layer(params, state, batch.x, training=True, rng=key)
        return loss(batch.y, outputs, batch.weight), (outputs, after)

    return objective


def training_step(layer: Any, loss: Callable[..., Any], optimizer: Any) -> TrainStep:
    """The pure function that trains a network on one batch.

    θ, s, m ← update(∇_θ L(θ, m, batch, key), s, θ)

    Args:
        layer: the network, layer(params, state, x, training=…, rng=…) → (outputs, new state).
        loss: loss(targets, outputs, weights or None) → number.
        optimizer: its ``update`` and, where it wants the gradient at another point, ``lookahead``.

    Returns:
        step(state, batch, key, learning rate or None) → (new state, result). The key, a tuple of
        integers, is where all random numbers of the step come from. A learning rate takes the
        place of the optimizer's own.

    >>> import numpy as np
    >>> from chainrule.nn import Dense
    >>> from chainrule.optim import SGD
    >>> net, sgd = Dense(1, use_bias=False, kernel_initializer="ones"), SGD(0.1)
    >>> params, layers = net.build(0, (1,))
    >>> step = training_step(net, lambda y, out, w: np.mean((out - y) ** 2), sgd)
    >>> batch = Batch(np.array([[2.0]]), np.array([[0.0]]))
    >>> state, result = step(TrainState(params, sgd.init(params), layers), batch, (0,), None)
    >>> float(result.loss), state.params["kernel"].round(12)
    (4.0, array([[0.2]]))
    """
    gradient = value_and_grad(loss_of(layer, loss), has_aux=True)

    def step(
        state: TrainState, batch: Batch, key: tuple[int, ...], learning_rate: Any = None
    ) -> tuple[TrainState, Result]:
        params, memory, layers = state
        at = optimizer.lookahead(params, memory)
        (value, (outputs, layers)), gradients = gradient(at, layers, batch, key)
        norm = global_norm(gradients)
        params, memory = optimizer.update(gradients, memory, params, learning_rate=learning_rate)
        return TrainState(params, memory, layers), Result(value, outputs, norm)

    return step
