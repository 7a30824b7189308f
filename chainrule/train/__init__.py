"""Training by mini-batch gradient descent."""

from __future__ import annotations

from chainrule.train.loop import DivergenceError, Fit, fit, sgd_step
from chainrule.train.tabular import Settings, Study, prepare, train_models

__all__ = ["DivergenceError", "Fit", "Settings", "Study", "fit", "prepare", "sgd_step",
           "train_models"]  # fmt: skip
