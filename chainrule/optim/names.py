"""Optimizers by name, for options and configuration files."""

from __future__ import annotations

from typing import Any

from chainrule.optim import checks
from chainrule.optim.adam import Adam, AdamW, AMSGrad, Lion, NAdam
from chainrule.optim.adaptive import Adadelta, AdaGrad, RMSProp
from chainrule.optim.base import Optimizer
from chainrule.optim.descent import SGD, Momentum, Nesterov, NesterovReformulated

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "nesterov-reformulated": NesterovReformulated,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adadelta": Adadelta,
    "adam": Adam,
    "adamw": AdamW,
    "amsgrad": AMSGrad,
    "nadam": NAdam,
    "lion": Lion,
}


def by_name(name: str, **options: Any) -> Optimizer:
    """The optimizer of a name, in lower case, with its options.

    Args:
        name: a key of `OPTIMIZERS`.
        options: the arguments of the optimizer, such as ``learning_rate``.

    Raises:
        ArgumentError: there is no such optimizer; the message names the nearest.

    >>> by_name("momentum", learning_rate=0.1).momentum
    0.9
    """
    checks.choice("optimizer", name, tuple(OPTIMIZERS))
    return OPTIMIZERS[name](**options)
