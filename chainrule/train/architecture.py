"""Records (layers, initialisers, losses, optimizers) as JSON and back, by a list of known names.

Nothing is looked up outside of the list and of what the caller of `load` hands over, so a file
can name functions but never bring or reach any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from chainrule import nn, optim
from chainrule.errors import ArgumentError, ChainruleError, ModelFileError
from chainrule.nn import (
    classification,
    crossentropy,
    initializer,
    initializers,
    losses,
    metric,
    metrics,
    structured,
)
from chainrule.nn.activations import ACTIVATIONS
from chainrule.nn.naming import user_line
from chainrule.optim.base import kernels_only

_LAYERS = (
    nn.Activation, nn.AveragePooling1D, nn.AveragePooling2D, nn.BatchNormalization, nn.Conv1D,
    nn.SimpleRNN, nn.GRU, nn.LSTM, nn.Bidirectional,
    nn.Conv2D, nn.Dense, nn.Dropout, nn.Embedding, nn.Flatten, nn.Frozen, nn.GlobalAveragePooling1D,
    nn.GlobalAveragePooling2D, nn.GlobalMaxPooling1D, nn.GlobalMaxPooling2D, nn.Graph, nn.Lambda,
    nn.LayerNormalization, nn.MaxPooling1D, nn.MaxPooling2D, nn.Normalization, nn.Reshape,
    nn.Residual, nn.Sequential,
)  # fmt: skip
_INITIALIZERS = (
    initializer.Constant, initializer.Zeros, initializer.Ones, initializer.RandomNormal,
    initializer.TruncatedNormal, initializer.RandomUniform, initializers.VarianceScaling,
    initializers.XavierNormal, initializers.LecunUniform, initializers.HeNormal,
    initializers.HeUniform, initializers.GlorotUniform, initializers.GlorotNormal,
    structured.Orthogonal, structured.Sparse, structured.Identity,
)  # fmt: skip
_LOSSES = (
    losses.MeanSquaredError, losses.MeanAbsoluteError, losses.Huber, losses.Hinge, losses.Poisson,
    losses.CosineSimilarity, losses.KLDivergence, losses.LogCosh,
    losses.MeanAbsolutePercentageError, losses.MeanSquaredLogarithmicError,
    losses.FunctionLoss, crossentropy.BinaryCrossentropy, crossentropy.CategoricalCrossentropy,
    crossentropy.SparseCategoricalCrossentropy,
)  # fmt: skip
_METRICS = (
    classification.AUC, classification.BinaryAccuracy, classification.CategoricalAccuracy,
    classification.F1Score, classification.Precision, classification.Recall,
    classification.SparseCategoricalAccuracy, classification.TopKCategoricalAccuracy,
    metric.FunctionMetric, metric.MeanAbsoluteError, metric.MeanSquaredError, metric.R2Score,
    metric.RootMeanSquaredError, metrics.LossMetric,
)  # fmt: skip
_OPTIMIZERS = (
    *optim.OPTIMIZERS.values(), optim.Clipped, optim.Constant, optim.Cosine, optim.Exponential,
    optim.OneCycle, optim.Polynomial, optim.StepDecay, optim.WarmUp,
)  # fmt: skip

# Some names mean one thing among losses and another among metrics or schedules.
RECORDS: dict[str, type] = {
    **{kind.__name__: kind for kind in (*_LAYERS, *_INITIALIZERS, *_LOSSES)},
    **{f"metric {kind.__name__}": kind for kind in _METRICS},
    **{f"optim {kind.__name__}": kind for kind in _OPTIMIZERS},
}
_NAMES = {kind: name for name, kind in RECORDS.items()}
FUNCTIONS: dict[str, Any] = {
    **{f"activation {name}": function for name, function in ACTIVATIONS.items()},
    "kernels_only": kernels_only,
    "accuracy": metrics.accuracy,
}
Custom = Mapping[str, Any]


def describe(x: Any, where: str = "the model") -> Any:
    """A record, and all that it is made of, as JSON.

    Functions and classes of the user's own go by their names.

    Raises:
        ArgumentError: something that has no name to be found again by, such as a lambda.

    >>> describe(nn.Dense(2))["record"]
    'Dense'
    """
    if x is None or type(x) in (bool, int, str):
        return x
    if isinstance(x, (float, np.floating, np.integer, np.bool_)):
        value = x.item() if isinstance(x, np.generic) else x
        return value if not isinstance(value, float) or np.isfinite(value) else {
            "float": repr(value)
        }  # fmt: skip
    if isinstance(x, (tuple, list)):
        return {"tuple": [describe(part, where) for part in x]}
    if isinstance(x, Mapping) and all(isinstance(key, str) for key in x):
        return {"dict": {key: describe(part, where) for key, part in x.items()}}
    if is_dataclass(x) and not isinstance(x, type):
        label = getattr(x, "label", type(x).__name__)
        members = {
            f.name: describe(getattr(x, f.name), f"{f.name} of {label}")
            for f in fields(x)
            if f.init
        }
        return {"record": _NAMES.get(type(x), f"custom {type(x).__name__}"), "fields": members}
    known = next((name for name, function in FUNCTIONS.items() if function is x), "")
    name = getattr(x, "__name__", "")
    if not known and not (callable(x) and name.isidentifier()):
        raise ArgumentError(
            f"the model cannot be saved: {where} has no name to be found again by",
            got=repr(x)[:200],
            line=user_line(),
            remedy="use a function with a name (def …), and hand it to load: "
            "cr.load(path, custom={'name': function})"
            if callable(x)
            else "use numbers, text, and records of cr.nn and cr.optim",
        )
    return {"function": known or f"custom {name}"}


def restore(content: Any, custom: Custom) -> Any:
    """The record that `describe` described.

    Raises:
        ModelFileError: an unknown name, or settings that the record refuses.

    >>> restore(describe(nn.Dense(2)), {}) == nn.Dense(2)
    True
    """
    if content is None or isinstance(content, (bool, int, float, str)):
        return content
    if isinstance(content, dict):
        kinds = set(content)
        if kinds == {"float"} and content["float"] in ("inf", "-inf", "nan"):
            return float(content["float"])
        if kinds == {"tuple"} and isinstance(content["tuple"], list):
            return tuple(restore(part, custom) for part in content["tuple"])
        if kinds == {"dict"} and isinstance(content["dict"], dict):
            return {key: restore(part, custom) for key, part in content["dict"].items()}
        if kinds == {"function"}:
            return _named(content["function"], FUNCTIONS, custom)
        if kinds == {"record", "fields"} and isinstance(content["fields"], dict):
            return _record(content, custom)
    raise ModelFileError(
        "the file is not a model of chainrule: its architecture cannot be read",
        got=repr(content)[:200],
        remedy="use a file that model.save has written",
    )


def _record(content: dict[str, Any], custom: Custom) -> Any:
    kind = _named(content["record"], RECORDS, custom)
    if not isinstance(kind, type):
        raise ModelFileError(
            f"'{content['record']}' in the file is a class, and custom has something else",
            got=repr(kind)[:200],
            remedy="hand over the class",
        )
    members = {name: restore(part, custom) for name, part in content["fields"].items()}
    try:
        return kind(**members)
    except (ChainruleError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelFileError(
            f"the file describes a {content['record']} that cannot be",
            got=str(error).splitlines()[0][:200],
            remedy="the file is damaged, or of another version of chainrule or of your own class",
        ) from None


def _named(name: Any, table: Mapping[str, Any], custom: Custom) -> Any:
    if isinstance(name, str):
        own = name.removeprefix("custom ")
        if own != name and own in custom:
            return custom[own]
        if name in table:
            return table[name]
        name = own
    raise ModelFileError(
        "the file names a layer or function that chainrule has not",
        got=repr(name)[:200],
        line=user_line(),
        remedy=f"if it is your own, hand it over: cr.load(path, custom={{{name!r}: …}})"[:300],
    )
