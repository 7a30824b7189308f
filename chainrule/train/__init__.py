"""Training by mini-batch gradient descent."""

from __future__ import annotations

from chainrule.errors import DivergenceError
from chainrule.train.callbacks.base import Callback, LambdaCallback
from chainrule.train.loop import Fit, fit
from chainrule.train.step import sgd_step
from chainrule.train.tabular import Settings, Study, prepare, train_models

__all__ = ["Callback", "DivergenceError", "Fit", "LambdaCallback", "Settings", "Study", "fit",
           "prepare", "sgd_step", "train_models"]  # fmt: skip
