"""Errors say what is wrong, what was received, whose line it is, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.errors import (
    ArgumentError,
    NotDifferentiableError,
    NotScalarError,
    TreeError,
)
from tests.optim.problems import ravine

SGD = optim.SGD(0.1)
X = np.ones(2)


def step(gradients: Any, params: Any, rule: Any = SGD) -> Any:
    return rule.update(gradients, rule.init(params), params)


CASES: dict[str, tuple[Callable[[], Any], type[Exception], str, str, str]] = {
    "negative rate": (
        lambda: optim.SGD(-0.1), ArgumentError,
        "learning_rate must be a number ≥ 0 or a schedule", "learning_rate=-0.1",
        "descent is built in",
    ),
    "rate that is no number": (
        lambda: optim.Adam("fast"), ArgumentError,
        "learning_rate must be a number ≥ 0 or a schedule", "learning_rate='fast'",
        "a positive rate such as 0.01, or a callable of the step",
    ),
    "rate not finite": (
        lambda: optim.SGD(float("nan")), ArgumentError, "learning_rate must be", "=nan", "0.01",
    ),
    "rate a truth value": (
        lambda: optim.SGD(True), ArgumentError, "learning_rate must be", "=True", "0.01",
    ),
    "momentum 1": (
        lambda: optim.Momentum(0.1, 1.0), ArgumentError,
        "momentum must be in [0, 1)", "momentum=1.0", "momentum=0.9 remembers about ten steps",
    ),
    "momentum negative": (
        lambda: optim.Nesterov(0.1, -0.5), ArgumentError,
        "momentum must be in [0, 1)", "momentum=-0.5", "momentum=0 none",
    ),
    "rho": (
        lambda: optim.Adam(rho2=1.0), ArgumentError, "rho2 must be in [0, 1)", "rho2=1.0", "rho2=0",
    ),
    "delta": (
        lambda: optim.AdaGrad(delta=-1), ArgumentError,
        "delta must be a number ≥ 0", "delta=-1", "delta=0 leaves it out",
    ),
    "decay": (
        lambda: optim.SGD(0.1, weight_decay=-1e-4), ArgumentError,
        "weight_decay must be a number ≥ 0", "weight_decay=-0.0001", "weight_decay=0",
    ),
    "convention": (
        lambda: optim.Momentum(convention="torch"), ArgumentError,
        "unknown convention", "convention='torch'", "did you mean 'pytorch'? There are 'lecture'",
    ),
    "place of delta": (
        lambda: optim.RMSProp(delta_at="uncorrected"), ArgumentError,
        "unknown delta_at", "'uncorrected'", "choose from 'outside', 'inside'",
    ),
    "conversion of a schedule": (
        lambda: optim.Momentum(optim.Constant(0.1)).converted("average"), ArgumentError,
        "a learning_rate that changes has no equal in another convention",
        "learning_rate=Constant(value=0.1)", "convert with constant numbers",
    ),
    "gradients of other keys": (
        lambda: step({"a": X, "c": X}, {"a": X, "b": X}), TreeError,
        "the gradients are not a tree like the parameters",
        "nothing for params['b']; something for params['c'], which is no parameter",
        "pass what cr.grad returns for these parameters",
    ),
    "gradients of another shape": (
        lambda: step({"a": np.ones((7, 2))}, {"a": X}), TreeError,
        "the gradients differ in shape from params['a']", "shape (7, 2) instead of (2,)",
        "for a batch of gradients take the mean over its axis",
    ),
    "state of other parameters": (
        lambda: optim.Momentum().update(X, optim.Momentum().init(np.ones(3)), X), TreeError,
        "the states differ in shape from params", "shape (3,) instead of (2,)", "one number",
    ),
    "integer parameters": (
        lambda: SGD.init({"w": np.array([1, 2])}), NotDifferentiableError,
        "params['w'] cannot be optimized", "an array of int64, shape (2,)",
        "convert it: params['w'].astype(float)",
    ),
    "integer x0": (
        lambda: cr.minimize(ravine, np.array([1, 2])), NotDifferentiableError,
        "x0 cannot be optimized: it is not made of floating-point numbers",
        "an array of int64, shape (2,)", "x0.astype(float)",
    ),
    "text in the tree": (
        lambda: cr.minimize(ravine, {"w": X, "kind": "a"}), NotDifferentiableError,
        "x0['kind'] cannot be optimized", "str: 'a'", "keep settings and labels outside",
    ),
    "empty tree": (
        lambda: cr.minimize(ravine, {}), ArgumentError, "x0 holds no numbers", "{}", "an array",
    ),
    "unknown optimizer": (
        lambda: cr.minimize(ravine, X, optimizer="adm"), ArgumentError,
        "unknown optimizer", "optimizer='adm'", "did you mean 'adam'? There are 'sgd', ",
    ),
    "unknown name": (
        lambda: optim.by_name("newton"), ArgumentError,
        "unknown optimizer", "optimizer='newton'", "'nesterov'",
    ),
    "a class for an optimizer": (
        lambda: optim.Clipped(optim.Adam, by_value=1.0), ArgumentError,
        "clipping goes around an optimizer", "<class 'chainrule.optim.adam.Adam'>", "the object",
    ),
    "a class for a schedule": (
        lambda: optim.Adam(optim.Cosine), ArgumentError,
        "learning_rate must be a number", "Cosine", "a callable of the step",
    ),
    "plateau for a schedule": (
        lambda: optim.WarmUp(optim.OnPlateau(0.1), 10), ArgumentError,
        "then must be a number ≥ 0", "OnPlateau", "then=0",
    ),
    "schedule that climbs": (
        lambda: optim.Polynomial(0.1, 10, final=-0.1), ArgumentError,
        "final must be a number ≥ 0", "final=-0.1", "final=0",
    ),
    "schedule of arrays": (
        lambda: step(X, X, optim.SGD(lambda t: np.array([0.1, 0.2]))), ArgumentError,
        "a schedule must return one number", "array([0.1, 0.2]) from <function", "a Python float",
    ),
    "schedule of nothing": (
        lambda: step(X, X, optim.SGD(lambda t: None)), ArgumentError,
        "a schedule must return one number", "None from <function", "a Python float",
    ),
    "empty array": (
        lambda: cr.minimize(ravine, np.zeros(0)), ArgumentError, "x0 holds no numbers", "[]",
        "an array",
    ),
    "rate for a method without": (
        lambda: cr.minimize(ravine, X, optimizer="bfgs", learning_rate=0.1), ArgumentError,
        "'bfgs' chooses its own step length", "learning_rate=0.1", "optimizer='sgd'",
    ),
    "no function": (
        lambda: cr.minimize(3.0, X), ArgumentError,
        "minimize takes the function itself", "float: 3.0", "minimize(f, x0), without calling f",
    ),
    "no scalar": (
        lambda: cr.minimize(np.square, X, optimizer="sgd"), NotScalarError,
        "the gradient is defined for a scalar output, and square returns an array",
        "shape (2,)", "y.sum()",
    ),
    "no scalar for SciPy": (
        lambda: cr.minimize(np.square, X, optimizer="bfgs"), NotScalarError,
        "the gradient is defined for a scalar output, and square returns an array",
        "shape (2,)", "y.sum()",
    ),
    "steps": (
        lambda: cr.minimize(ravine, X, steps=1.5), ArgumentError,
        "steps must be a whole number ≥ 0", "steps=1.5", "steps=10",
    ),
    "restarts": (
        lambda: cr.minimize(ravine, X, restarts=-1), ArgumentError,
        "restarts must be a whole number ≥ 0", "restarts=-1", "restarts=10",
    ),
    "sampled start": (
        lambda: cr.minimize(ravine, X, restarts=1, sample=lambda rng: np.ones(3)), TreeError,
        "the sampled starts differ in shape", "shape (3,) instead of (2,)", "one number",
    ),
    "two limits": (
        lambda: optim.Clipped(SGD, by_norm=1.0, by_value=2.0), ArgumentError,
        "clipping takes exactly one limit", "by_norm=1.0, by_value=2.0", "by_global_norm=1.0",
    ),
    "no limit": (
        lambda: optim.Clipped(SGD), ArgumentError,
        "clipping takes exactly one limit", "none", "use the optimizer itself",
    ),
    "limit 0": (
        lambda: optim.Clipped(SGD, by_value=0), ArgumentError,
        "by_value must be a number > 0", "by_value=0", "give by_value a positive value",
    ),
    "schedule of no steps": (
        lambda: optim.Cosine(0.1, 0), ArgumentError,
        "steps must be a whole number ≥ 1", "steps=0", "steps=10",
    ),
    "share": (
        lambda: optim.OneCycle(0.1, 10, share=1.0), ArgumentError,
        "share must be between 0 and 1", "share=1.0", "share=0.3",
    ),
    "shrinking batch": (
        lambda: optim.BatchGrowth(32, factor=0.5), ArgumentError,
        "factor must be a number ≥ 1", "factor=0.5", "factor=2 doubles",
    ),
    "range": (
        lambda: optim.range_test(ravine, X, lowest=1.0, highest=0.1), ArgumentError,
        "highest must be above lowest=1.0", "highest=0.1", "lowest=1e-6",
    ),
    "a plateau as a schedule": (
        lambda: optim.SGD(optim.OnPlateau(0.1)), ArgumentError,
        "no schedule of the step number", "OnPlateau(initial=0.1", "ReduceLROnPlateau",
    ),
    "no batches": (
        lambda: optim.range_test(ravine, X, []), ArgumentError,
        "there are no batches", "an empty iterable", "(x, y)",
    ),
    "uphill": (
        lambda: optim.backtracking(ravine, X, X, fun=1.0, slope=1.0), ArgumentError,
        "slope must be negative", "slope=1.0", "minus the gradient",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_text_of_the_error(name: str) -> None:
    call, kind, cause, received, remedy = CASES[name]
    with pytest.raises(kind) as caught:
        call()
    error: Any = caught.value
    assert cause in error.cause
    assert received in error.got
    assert remedy in error.remedy
    # The line is one of this file, or the function's own where the trace found it.
    assert re.search(r"test_errors\.py:\d+: \S", error.line), error.line
