"""Exact derivatives of NumPy code through a computational graph, and networks trained with them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from chainrule.check import check_grads
from chainrule.derivatives import grad, hessian, hvp, jvp, value_and_grad, vjp
from chainrule.functions import (
    digamma,
    elu,
    erf,
    erfc,
    gammaln,
    gelu,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    logsumexp,
    polygamma,
    relu,
    selu,
    sigmoid,
    sigmoid_cross_entropy,
    silu,
    softmax,
    softmax_cross_entropy,
    softplus,
    stop_gradient,
    xlogy,
)
from chainrule.insight import trace
from chainrule.jacobians import jacobian
from chainrule.numpy_api.lookup import supported
from chainrule.spatial import average_pool, conv1d, conv2d, max_pool

if TYPE_CHECKING:
    from chainrule import optim
    from chainrule.control.conditional import cond
    from chainrule.control.repeating import scan, while_loop
    from chainrule.diagnose.health import gradient_health
    from chainrule.diagnose.monitor import GradientMonitor
    from chainrule.engine.compiling import compile
    from chainrule.engine.native.threads import set_threads
    from chainrule.insight.debugging import debug
    from chainrule.insight.examining import examine
    from chainrule.optim import minimize

__version__ = "0.1.0"

__all__ = [
    "GradientMonitor",
    "average_pool",
    "check_grads",
    "compile",
    "cond",
    "conv1d",
    "conv2d",
    "debug",
    "digamma",
    "elu",
    "erf",
    "erfc",
    "examine",
    "gammaln",
    "gelu",
    "grad",
    "gradient_health",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "max_pool",
    "minimize",
    "optim",
    "polygamma",
    "relu",
    "scan",
    "selu",
    "set_threads",
    "sigmoid",
    "sigmoid_cross_entropy",
    "silu",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "stop_gradient",
    "supported",
    "trace",
    "value_and_grad",
    "vjp",
    "while_loop",
    "xlogy",
]

# Public names whose modules load when they are first used.
_LAZY = {
    "GradientMonitor": "chainrule.diagnose.monitor",
    "debug": "chainrule.insight.debugging",
    "examine": "chainrule.insight.examining",
    "gradient_health": "chainrule.diagnose.health",
}


def __getattr__(name: str) -> Any:
    """The training library, imported when it is first used: import chainrule stays fast."""
    if name in ("data", "nn", "optim", "plot", "train"):
        return importlib.import_module(f"chainrule.{name}")
    if name == "compile":
        from chainrule.engine.compiling import compile

        return compile
    if name == "cond":
        from chainrule.control.conditional import cond

        return cond
    if name in ("scan", "while_loop"):
        return getattr(importlib.import_module("chainrule.control.repeating"), name)
    if name == "set_threads":
        from chainrule.engine.native.threads import set_threads

        return set_threads
    if name == "minimize":
        from chainrule.optim import minimize

        return minimize
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in ("Model", "load"):
        return getattr(importlib.import_module("chainrule.train"), name)
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
