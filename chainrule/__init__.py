"""Exact derivatives of NumPy code through a computational graph, and networks trained with them."""

from __future__ import annotations

from chainrule.check import check_grads
from chainrule.derivatives import grad, hessian, hvp, jvp, value_and_grad, vjp
from chainrule.insight import trace
from chainrule.jacobians import jacobian
from chainrule.numpy_api.lookup import supported

__version__ = "0.1.0"

__all__ = [
    "check_grads",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "supported",
    "trace",
    "value_and_grad",
    "vjp",
]
