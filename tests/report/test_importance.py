"""Importance by gradients, against closed forms of linear models."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.report.importance import importances
from chainrule.report.work import Work


def test_of_a_logistic_regression(heart: Work) -> None:
    """|∂p/∂x| = p(1 − p)|w|; the parts of a category add up."""
    study, model = heart.study, heart.models[0].model
    x, spread = study.test.x, study.train.x.std(axis=0)
    kernel = model.params["dense"]["kernel"][:, 0]
    z = x @ kernel + model.params["dense"]["bias"]
    p = 1 / (1 + np.exp(-z))
    each = np.mean(p * (1 - p)) * np.abs(kernel) * spread
    found = {i.column: i for i in importances(model, study.encoder, study.target, x, spread)}
    names = study.encoder.names
    assert found["age"].value == pytest.approx(each[names.index("age")])
    parts = [i for i, name in enumerate(names) if name.startswith("thal=")]
    assert len(parts) == 3
    assert found["thal"].value == pytest.approx(each[parts].sum())
    assert found["thal"].raises is None
    for name in ("age", "major_vessels"):
        assert found[name].raises == float(kernel[names.index(name)] > 0)
    values = [i.value for i in importances(model, study.encoder, study.target, x, spread)]
    assert values == sorted(values, reverse=True)


def test_of_a_linear_regression_is_in_the_target_unit(houses: Work) -> None:
    study, model = houses.study, houses.models[0].model
    x, spread = study.test.x, study.train.x.std(axis=0)
    kernel = model.params["dense"]["kernel"][:, 0]
    found = {i.column: i for i in importances(model, study.encoder, study.target, x, spread)}
    own = [k for k, name in enumerate(study.encoder.names) if name.startswith("size")]
    assert len(own) == 2  # the number, and whether it was missing
    expected = study.target.std * np.sum(np.abs(kernel[own]) * spread[own])
    assert found["size"].value == pytest.approx(expected)


def test_of_three_classes_is_half_the_sum_of_all(hostile: Work) -> None:
    """∂p_k/∂x = p_k (w_k − Σ p_j w_j), by hand for the softmax regression."""
    study, model = hostile.study, hostile.models[0].model
    x, spread = study.test.x, study.train.x.std(axis=0)
    w = model.params["dense"]["kernel"]
    z = x @ w + model.params["dense"]["bias"]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    slopes = p[:, None, :] * (w[None] - (p @ w.T)[:, :, None])
    each = 0.5 * np.abs(slopes).sum(axis=2).mean(axis=0) * spread
    first = study.encoder.inputs[0]
    found = {i.column: i for i in importances(model, study.encoder, study.target, x, spread)}
    assert found[first.name].value == pytest.approx(each[: len(first.names)].sum())
