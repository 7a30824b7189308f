"""From a table to trained models, saved with all that they need to predict from another table."""

from __future__ import annotations

from chainrule.train.tabular.settings import Settings
from chainrule.train.tabular.study import Study, baseline, prepare
from chainrule.train.tabular.table_model import TableModel
from chainrule.train.tabular.training import Trained, train_models

__all__ = ["Settings", "Study", "TableModel", "Trained", "baseline", "prepare", "train_models"]
