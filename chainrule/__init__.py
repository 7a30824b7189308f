"""Exact derivatives of NumPy code through a computational graph, and networks trained with them."""

from __future__ import annotations

from chainrule.derivatives import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__version__ = "0.1.0"

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]
