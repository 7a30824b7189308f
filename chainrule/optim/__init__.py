"""Optimizers, learning-rate schedules, clipping, and `minimize`.

An optimizer is two pure functions: ``state = optimizer.init(params)`` and ``params, state =
optimizer.update(gradients, state, params)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.optim.adam import Adam, AdamW, AMSGrad, Lion, NAdam
from chainrule.optim.adaptive import Adadelta, AdaGrad, RMSProp
from chainrule.optim.base import Optimizer, kernels_only
from chainrule.optim.clipping import Clipped, ClippedState, global_norm
from chainrule.optim.descent import SGD, Momentum, Nesterov, NesterovReformulated
from chainrule.optim.finder import RangeTest, range_test
from chainrule.optim.line_search import LineSearch, backtracking
from chainrule.optim.minimizing import minimize
from chainrule.optim.names import OPTIMIZERS, by_name
from chainrule.optim.plateau import OnPlateau, PlateauState
from chainrule.optim.result import MinimizeResult
from chainrule.optim.schedules import (
    BatchGrowth,
    Constant,
    Cosine,
    Exponential,
    OneCycle,
    Polynomial,
    StepDecay,
    WarmUp,
)

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AMSGrad",
    "AdaGrad",
    "Adadelta",
    "Adam",
    "AdamW",
    "BatchGrowth",
    "Clipped",
    "ClippedState",
    "Constant",
    "Cosine",
    "Exponential",
    "LineSearch",
    "Lion",
    "MinimizeResult",
    "Momentum",
    "NAdam",
    "Nesterov",
    "NesterovReformulated",
    "OnPlateau",
    "OneCycle",
    "Optimizer",
    "PlateauState",
    "Polynomial",
    "RMSProp",
    "RangeTest",
    "StepDecay",
    "WarmUp",
    "backtracking",
    "by_name",
    "global_norm",
    "kernels_only",
    "minimize",
    "range_test",
]

if not TYPE_CHECKING:  # who would take every name to exist

    def __getattr__(name: str) -> object:
        """Say what a name of another library is called here."""
        from chainrule.elsewhere import missing

        raise missing(__name__, name)
