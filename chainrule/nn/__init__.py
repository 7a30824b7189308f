"""Networks as trees of parameter arrays and pure functions of them."""

from __future__ import annotations

from chainrule.nn.losses import loss_for
from chainrule.nn.metrics import evaluate
from chainrule.nn.mlp import forward, init_mlp

__all__ = ["evaluate", "forward", "init_mlp", "loss_for"]
