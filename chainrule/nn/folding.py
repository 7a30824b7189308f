"""A last sigmoid, softmax or exponential taken into the loss, which is exact from the logits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chainrule import functions as fn
from chainrule.nn.activations import activation_name, exponential
from chainrule.nn.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from chainrule.nn.layers import Activation, Conv1D, Conv2D, Dense, Layer, Sequential
from chainrule.nn.loss import Loss
from chainrule.nn.losses import Poisson, get_loss

# Each loss on logits, the activation that it undoes, and others whose outputs are no logits.
_FOLDS: tuple[tuple[type[Loss], str, Any, tuple[str, ...]], ...] = (
    (BinaryCrossentropy, "sigmoid", fn.sigmoid, ("softmax", "hard_sigmoid")),
    (CategoricalCrossentropy, "softmax", fn.softmax, ("sigmoid", "hard_sigmoid")),
    (SparseCategoricalCrossentropy, "softmax", fn.softmax, ("sigmoid", "hard_sigmoid")),
    (Poisson, "exponential", exponential, ("softplus", "relu", "sigmoid")),
)


def fold_activation(network: Layer, loss: Any) -> tuple[Layer, Loss]:
    """The network without its last activation, and the loss on logits that takes it in.

    log σ(z) from a rounded σ(z) loses all digits in saturation, and its gradient is 0 there; from
    z both are exact. What the pair computes is the same, and so are the parameters and their
    names.

    Args:
        network: a layer; the last of nested Sequential ones is looked at.
        loss: a name, a record or a function.

    Returns:
        (network, loss). For a binary cross-entropy a last sigmoid is folded, for a categorical one
        softmax, for Poisson exponential. A linear last layer already gives logits. Where another
        activation gives probabilities or rates (softplus, for Poisson), the network stays and the
        loss takes them as they are. Other losses leave everything as it is.

    >>> net, loss = fold_activation(Sequential([Dense(1, "sigmoid")]), "binary_crossentropy")
    >>> net.layers[-1].activation is None, loss.from_logits
    (True, True)

    Source: Goodfellow et al., *Deep Learning*, section 6.2.2.2.
    """
    loss = get_loss(loss)
    for kind, folded, _, others in _FOLDS:
        if isinstance(loss, kind):
            last = last_activation(network)
            if last == folded:
                return _without(network), replace(loss, from_logits=True)  # type: ignore[call-arg]
            if last in others:
                return network, replace(loss, from_logits=False)  # type: ignore[call-arg]
    return network, loss


def probabilities(loss: Any, outputs: Any) -> Any:
    """Probabilities (Poisson: rates) from the outputs that a loss takes.

    Args:
        loss: a name or record; the one that `fold_activation` returned, for folded networks.
        outputs: logits, if the loss takes logits; others come back as they are.

    >>> import numpy as np
    >>> probabilities("binary_crossentropy", np.zeros((1, 1)))
    array([[0.5]])
    """
    loss = get_loss(loss)
    for kind, _, function, _ in _FOLDS:
        if isinstance(loss, kind) and getattr(loss, "from_logits", False):
            return function(outputs)
    return outputs


def last_activation(network: Layer) -> str:
    """The name of the activation that a network ends with; "" where it cannot be told.

    >>> last_activation(Sequential([Dense(8, "relu"), Dense(3), Activation("softmax")]))
    'softmax'
    """
    if isinstance(network, Sequential):
        return last_activation(network.layers[-1]) if network.layers else ""
    if isinstance(network, (Dense, Conv1D, Conv2D, Activation)):
        return activation_name(network.activation)
    return ""


def _without(network: Layer) -> Layer:
    """A network without its last activation. Names stay, and with them the keys of parameters."""
    if isinstance(network, Sequential):
        *first, last = network.layers
        if isinstance(last, Activation):
            return replace(network, layers=tuple(first))
        return replace(network, layers=(*first, _without(last)))
    if isinstance(network, Activation):
        return replace(network, activation="linear")
    return replace(network, activation=None)  # type: ignore[call-arg]
