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
    from chainrule import data, nn, optim, plot, train
    from chainrule.control.conditional import cond
    from chainrule.control.repeating import scan, while_loop
    from chainrule.diagnose.critical import critical_point
    from chainrule.diagnose.curvature import curvature
    from chainrule.diagnose.health import gradient_health
    from chainrule.diagnose.intermediates import intermediates
    from chainrule.diagnose.monitor import GradientMonitor
    from chainrule.diagnose.slices import loss_slice
    from chainrule.diagnose.trajectory import Trajectory
    from chainrule.engine.compiling import compile
    from chainrule.engine.native.threads import set_threads
    from chainrule.insight.debugging import debug
    from chainrule.insight.examining import examine
    from chainrule.optim import minimize
    from chainrule.train import Model, Sequential, load

__version__ = "0.1.0"

__all__ = [
    "GradientMonitor",
    "Model",
    "Sequential",
    "Trajectory",
    "average_pool",
    "check_grads",
    "compile",
    "cond",
    "conv1d",
    "conv2d",
    "critical_point",
    "curvature",
    "data",
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
    "intermediates",
    "jacobian",
    "jvp",
    "leaky_relu",
    "load",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "loss_slice",
    "max_pool",
    "minimize",
    "nn",
    "optim",
    "plot",
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
    "train",
    "value_and_grad",
    "vjp",
    "while_loop",
    "xlogy",
]

# Public names whose modules load when they are first used: import chainrule stays fast.
_LAZY = {
    "GradientMonitor": "chainrule.diagnose.monitor",
    "gradient_health": "chainrule.diagnose.health",
    "Model": "chainrule.train",
    "Sequential": "chainrule.train",
    "Trajectory": "chainrule.diagnose.trajectory",
    "compile": "chainrule.engine.compiling",
    "cond": "chainrule.control.conditional",
    "critical_point": "chainrule.diagnose.critical",
    "curvature": "chainrule.diagnose.curvature",
    "debug": "chainrule.insight.debugging",
    "examine": "chainrule.insight.examining",
    "intermediates": "chainrule.diagnose.intermediates",
    "load": "chainrule.train",
    "loss_slice": "chainrule.diagnose.slices",
    "minimize": "chainrule.optim",
    "scan": "chainrule.control.repeating",
    "set_threads": "chainrule.engine.native.threads",
    "while_loop": "chainrule.control.repeating",
}
_PACKAGES = ("data", "nn", "optim", "plot", "train")


if not TYPE_CHECKING:  # who would take every name to exist

    def __getattr__(name: str) -> Any:
        """What is imported when it is first used."""
        if name in _PACKAGES:
            return importlib.import_module(f"chainrule.{name}")
        if name in _LAZY:
            return getattr(importlib.import_module(_LAZY[name]), name)
        from chainrule.elsewhere import missing

        raise missing(__name__, name)


def __dir__() -> list[str]:
    """All public names, for completion, whether they are loaded or not."""
    return sorted({*globals(), *__all__})
