"""Activation functions by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import functions as fn
from chainrule.nn.naming import lookup

Activation = str | Callable[[Any], Any] | None


def linear(x: Any) -> Any:
    """x itself: what a layer without an activation gives.

    >>> linear(3.0)
    3.0
    """
    return x


def relu6(x: Any) -> Any:
    """min(max(x, 0), 6).

    >>> relu6(np.array([-1.0, 3.0, 8.0]))
    array([0., 3., 6.])

    Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10" (2010).
    """
    return np.minimum(fn.relu(x), 6.0)


def softsign(x: Any) -> Any:
    """x/(1 + |x|).

    >>> softsign(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])

    Source: Glorot & Bengio (2010), section 3.
    """
    x = fn.floating(x)
    return x / (1.0 + np.abs(x))


def leaky_relu(x: Any) -> Any:
    """x for x > 0, and 0.2 x otherwise: Keras's slope. PyTorch and `cr.leaky_relu` have 0.01.

    >>> leaky_relu(np.array([-1.0, 2.0]))
    array([-0.2,  2. ])

    Source: Maas, Hannun & Ng, "Rectifier nonlinearities improve neural network acoustic models",
    ICML (2013).
    """
    return fn.leaky_relu(x, 0.2)


def hard_sigmoid(x: Any) -> Any:
    """x/6 + ½, held in [0, 1].

    >>> hard_sigmoid(np.array([-4.0, 0.0, 1.5]))
    array([0.  , 0.5 , 0.75])

    Source: Howard et al., "Searching for MobileNetV3", ICCV (2019), section 5.2.
    """
    return relu6(fn.floating(x) + 3.0) / 6.0


def mish(x: Any) -> Any:
    """x tanh(log(1 + eˣ)).

    >>> print(f"{mish(1.0):.6f}")
    0.865098

    Source: Misra, "Mish: a self regularized non-monotonic activation function", BMVC (2020).
    """
    return fn.floating(x) * np.tanh(fn.softplus(x))


def tanh(x: Any) -> Any:
    """The hyperbolic tangent.

    >>> tanh([0.0])
    array([0.])
    """
    return np.tanh(fn.floating(x))


def exponential(x: Any) -> Any:
    """eˣ.

    >>> exponential([0.0])
    array([1.])
    """
    return np.exp(fn.floating(x))


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "linear": linear,
    "relu": fn.relu,
    "sigmoid": fn.sigmoid,
    "tanh": tanh,
    "softmax": fn.softmax,
    "log_softmax": fn.log_softmax,
    "log_sigmoid": fn.log_sigmoid,
    "softplus": fn.softplus,
    "softsign": softsign,
    "leaky_relu": leaky_relu,
    "relu6": relu6,
    "elu": fn.elu,
    "selu": fn.selu,
    "gelu": fn.gelu,
    "silu": fn.silu,
    "swish": fn.silu,
    "mish": mish,
    "hard_sigmoid": hard_sigmoid,
    "exponential": exponential,
}


def get_activation(activation: Activation) -> Callable[[Any], Any]:
    """The function for a name, a function, or None (linear).

    Raises:
        ArgumentError: there is no activation of that name.

    >>> get_activation("relu")(np.array([-1.0, 1.0]))
    array([0., 1.])
    """
    if activation is None:
        return linear
    if callable(activation):
        return activation
    found: Callable[[Any], Any] = lookup(
        "activation", activation, ACTIVATIONS, "a function of one array"
    )
    return found


def activation_name(activation: Activation) -> str:
    """The name of an activation; "" for a function that has none in the table.

    >>> activation_name(None), activation_name("ReLU"), activation_name(np.sin)
    ('linear', 'relu', '')
    """
    function = get_activation(activation)
    return next((name for name, f in ACTIVATIONS.items() if f is function), "")
