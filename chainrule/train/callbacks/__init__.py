"""What happens beside the steps of a training: stopping, saving, showing."""

from __future__ import annotations

from chainrule.train.callbacks.backup import BackupAndRestore, TornCheckpointWarning
from chainrule.train.callbacks.base import Callback, LambdaCallback
from chainrule.train.callbacks.files import CSVLogger, ModelCheckpoint
from chainrule.train.callbacks.history import History
from chainrule.train.callbacks.progress import ProgressBar
from chainrule.train.callbacks.rates import LearningRateScheduler, ReduceLROnPlateau
from chainrule.train.callbacks.stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
    "TornCheckpointWarning",
]
