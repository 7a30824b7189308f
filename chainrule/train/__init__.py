"""Training by mini-batch gradient descent: `Model` with `fit`, its callbacks, and the one loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.errors import DivergenceError
from chainrule.train.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ProgressBar,
    ReduceLROnPlateau,
    TerminateOnNaN,
    TornCheckpointWarning,
)
from chainrule.train.model import Model
from chainrule.train.saving import load
from chainrule.train.sequential import Sequential
from chainrule.train.step import Batch, TrainState, training_step
from chainrule.train.tabular import Settings, Study, TableModel, Trained, prepare, train_models

__all__ = [
    "BackupAndRestore",
    "Batch",
    "CSVLogger",
    "Callback",
    "DivergenceError",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "Model",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "Sequential",
    "Settings",
    "Study",
    "TableModel",
    "TerminateOnNaN",
    "TornCheckpointWarning",
    "TrainState",
    "Trained",
    "load",
    "prepare",
    "train_models",
    "training_step",
]

if not TYPE_CHECKING:  # who would take every name to exist

    def __getattr__(name: str) -> object:
        """Say what a name of another library is called here."""
        from chainrule.elsewhere import missing

        raise missing(__name__, name)
