"""A training run in words: numbers as people read them, the data, the split and the descent."""

from __future__ import annotations

from collections.abc import Callable
from math import floor, isfinite, log10
from typing import Any

import numpy as np

from chainrule.data.encode import NumericInput
from chainrule.report.measures import Estimate
from chainrule.train.tabular import Study
from chainrule.train.tabular.training import optimizer

_MOST_CLASSES = 5


def digits(value: float) -> str:
    """Four digits, and all of those before the point; a whole number as it is.

    >>> [digits(v) for v in (158997.3, 14.756, 0.00123456, 1.0, 0.0, 1e-9)]
    ['158997', '14.76', '0.001235', '1', '0', '1e-09']
    """
    if not 1e-4 < abs(value) < 1e7:
        return f"{value:.4g}"
    if value == round(value):
        return f"{value:.0f}"
    return f"{value:.{max(0, 3 - floor(log10(abs(value))))}f}"


def short(value: float) -> str:
    """As `digits`, without zeros at the end.

    >>> [short(v) for v in (6.2, 0.4, 120.0, 1e-9)]
    ['6.2', '0.4', '120', '1e-09']
    """
    text = digits(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def plus_minus(value: float, error: float) -> str:
    """A number with its standard error of two digits, both to the same place.

    >>> plus_minus(22.0737, 1.6512), plus_minus(31711.4, 4213.0), plus_minus(3.0, 0.0)
    ('22.1 ± 1.7', '31700 ± 4200', '3')
    """
    if not isfinite(error) or error <= 0.0:
        return digits(value)
    place = 1 - floor(log10(error))
    if place > 6 or abs(value) >= 1e12:
        return f"{value:.4g} ± {error:.2g}"
    value, error = round(value, place), round(error, place)
    return f"{value:.{max(place, 0)}f} ± {error:.{max(place, 0)}f}"


def loss(value: float) -> str:
    """Four decimals, so that a column of losses lines up; a huge loss must not fill the line.

    >>> loss(0.40073), loss(2.5e30)
    ('0.4007', '2.5e+30')
    """
    return f"{value:.4f}" if value < 1e4 else f"{value:.4g}"


# score → (heading, format); z drops the minus of a rounded −0
SCORES: dict[str, tuple[str, Callable[[float], str]]] = {
    "loss": ("loss", loss),
    "accuracy": ("accuracy", "{:.1%}".format),
    "auc": ("AUC", "{:.3f}".format),
    "rmse": ("RMSE", digits),
    "mae": ("MAE", digits),
    "r2": ("R²", "{:z.3f}".format),
}


def score(name: str, found: Estimate) -> str:
    """A score with its standard error.

    >>> score("accuracy", Estimate(0.8529, 0.0433)), score("rmse", Estimate(1234.5, 56.7))
    ('85.3% ± 4.3%', '1234 ± 57')
    """
    if name not in ("accuracy", "auc", "r2"):
        return plus_minus(found.value, found.error)
    form = SCORES[name][1]
    sure = not isfinite(found.error) or found.error <= 0.0
    return form(found.value) if sure else f"{form(found.value)} ± {form(found.error)}"


def data_facts(study: Study, title: str) -> list[tuple[str, str]]:
    """What the data are, how they are divided, and how the models are trained: name and text."""
    train, test = len(study.train.table), len(study.test.table)
    judged = len(study.validation.table) if study.validation else 0
    how = "stratified by class" if study.target.classes else "at random"
    divided = f"{train} rows to train, {judged} to validate" if judged else f"{train} rows to train"
    return [
        ("data", f"{title}, {train + judged + test} rows"),
        ("target", f"{study.target.name} ({_target(study)})"),
        ("split", f"{divided}, {test} held out, {how}, seed {study.settings.seed}"),
        ("inputs", _inputs(study)),
        ("descent", _descent(study)),
    ]


def _descent(study: Study) -> str:
    """How the models are trained."""
    settings = study.settings
    rule: Any = optimizer(study)
    rule = getattr(rule, "optimizer", rule)
    rate = rule.learning_rate
    first = float(rate(0)) if callable(rate) else float(rate)
    parts = [
        f"batches of {settings.batch_size} rows",
        f"learning rate {first:.4g}",
        f"weight decay {settings.weight_decay:g}",
    ]
    if settings.batch_growth > 1:
        parts[0] += (
            f", {settings.batch_growth:g} times as many every {settings.growth_every} epochs"
        )
    if settings.schedule != "constant":
        parts[1] += f" at first, {settings.schedule} schedule"
    if settings.optimizer != "sgd":
        parts.insert(0, settings.optimizer)
    if settings.clip_norm is not None:
        parts.append(f"gradients clipped to a norm of {settings.clip_norm:g}")
    if settings.early_stopping is not None:
        parts.append(f"stopped after {settings.early_stopping} epochs without a better loss")
    if settings.restarts > 1:
        parts.append(f"the best of {settings.restarts} starts")
    return ", ".join(parts)


def _target(study: Study) -> str:
    target = study.target
    if not target.classes:
        return f"a number, in training {digits(target.mean)} ± {digits(target.std)}"
    parts = [study.train, study.test, *([study.validation] if study.validation else [])]
    y = np.concatenate([part.y for part in parts])
    counts = y.sum(axis=0) if y.shape[1] > 1 else np.array([np.sum(1 - y), np.sum(y)])
    pairs = list(zip(target.classes, counts.astype(int).tolist(), strict=True))
    more = f" and {len(pairs) - _MOST_CLASSES} more" if len(pairs) > _MOST_CLASSES else ""
    return ", ".join(f"{name}: {count}" for name, count in pairs[:_MOST_CLASSES]) + more


def _inputs(study: Study) -> str:
    columns = study.encoder.inputs
    numeric = sum(isinstance(column, NumericInput) for column in columns)
    kinds = [
        f"{numeric} numeric, standardised with the training rows' mean and std" if numeric else "",
        f"{len(columns) - numeric} categorical, one-hot" if numeric < len(columns) else "",
    ]
    plural = "s" * (len(columns) != 1)
    described = "; ".join(kind for kind in kinds if kind)
    return f"{len(study.encoder.names)} from {len(columns)} column{plural}: {described}"


def listed(words: list[str]) -> str:
    """Names as a sentence has them.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
