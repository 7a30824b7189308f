"""Training by mini-batch gradient descent: `Model` with `fit`, its callbacks, and the one loop."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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
from chainrule.train.sequential import Sequential
from chainrule.train.step import Batch, TrainState, training_step

if TYPE_CHECKING:
    from chainrule.train.estimators import Classifier, Regressor
    from chainrule.train.saving import load
    from chainrule.train.tabular import (
        Settings,
        Study,
        TableModel,
        Trained,
        prepare,
        train_models,
    )

__all__ = [
    "BackupAndRestore",
    "Batch",
    "CSVLogger",
    "Callback",
    "Classifier",
    "DivergenceError",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "Model",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "Regressor",
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

_TABULAR = ("Settings", "Study", "TableModel", "Trained", "prepare", "train_models")
_LATER = {
    **dict.fromkeys(_TABULAR, "tabular"), "Classifier": "estimators", "Regressor": "estimators",
    "load": "saving",
}  # fmt: skip


if not TYPE_CHECKING:  # who would take every name to exist

    def __getattr__(name: str) -> Any:
        """What is imported when it is first used; or what a name of another library is here."""
        if name in _LATER:
            return getattr(importlib.import_module(f"chainrule.train.{_LATER[name]}"), name)
        from chainrule.elsewhere import missing

        raise missing(__name__, name)


def __dir__() -> list[str]:
    """All public names, for completion, whether they are loaded or not."""
    return sorted({*globals(), *__all__})
