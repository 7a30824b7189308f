"""Every optimizer arrives, and equal forms of one rule take the same path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from tests.optim.problems import beale, ravine, rosenbrock, saddle

FIRST_ORDER: dict[str, tuple[Any, int]] = {
    "sgd": (optim.SGD(1e-3), 12000),
    "momentum": (optim.Momentum(1e-3), 3000),
    "nesterov": (optim.Nesterov(1e-3), 3000),
    "reformulated": (optim.NesterovReformulated(1e-3), 3000),
    "adagrad": (optim.AdaGrad(0.5), 8000),
    "rmsprop": (optim.RMSProp(optim.Cosine(0.01, 5000)), 5000),
    "adadelta": (optim.Adadelta(2.0, rho=0.5, delta=1e-9), 4000),
    "adam": (optim.Adam(0.02), 4000),
    "adamw": (optim.AdamW(0.02, weight_decay=0.0), 4000),
    "amsgrad": (optim.AMSGrad(0.05), 8000),
    "nadam": (optim.NAdam(0.02), 8000),
    "lion": (optim.Lion(optim.Cosine(0.003, 3000)), 3000),
}


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_first_order_methods_walk_the_valley_of_rosenbrock(name: str) -> None:
    optimizer, steps = FIRST_ORDER[name]
    result = cr.minimize(rosenbrock, np.array([-1.2, 1.0]), optimizer=optimizer, steps=steps)
    # Adadelta's steps are the size of its past steps, and it cannot settle.
    assert result.fun < (2e-3 if name == "adadelta" else 1e-4)  # from 24.2
    np.testing.assert_allclose(result.x, [1.0, 1.0], atol=0.1 if name == "adadelta" else 2e-2)


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
@pytest.mark.parametrize("f", [beale, ravine], ids=["beale", "ravine"])
def test_first_order_methods_arrive(name: str, f: Any) -> None:
    rates = {
        "sgd": 0.01, "momentum": 0.005, "nesterov": 0.005, "nesterov-reformulated": 0.005,
        "adagrad": 0.5, "adadelta": 3.0,
    }  # fmt: skip
    steps = 3000
    # Where the rate does not follow the gradient's size, it has to fall by itself.
    rate = rates.get(name, optim.Cosine(0.03, steps))
    options = {"weight_decay": 0.0} if name == "adamw" else {}
    result = cr.minimize(
        f, np.array([1.0, 1.0]), steps=steps, tolerance=1e-4,
        optimizer=optim.by_name(name, learning_rate=rate, **options),
    )  # fmt: skip
    assert result.fun < 1e-4, result


@pytest.mark.parametrize("name", ["cg", "bfgs", "l-bfgs", "newton-cg", "trust-ncg", "trust-krylov",
                                  "trust-exact", "line-search"])  # fmt: skip
@pytest.mark.parametrize(
    ("f", "x0", "minimum", "steps"),
    [
        (rosenbrock, [-1.2, 1.0], [1.0, 1.0], 100),
        (beale, [1.0, 1.0], [3.0, 0.5], 100),
        (ravine, [1.0, 1.0], [0.0, 0.0], 60),
        (saddle, [0.1, 1.0], [1.0, 0.0], 60),
    ],
)
def test_full_batch_methods_arrive(name: str, f: Any, x0: Any, minimum: Any, steps: int) -> None:
    if name == "line-search":
        steps *= 200
    result = cr.minimize(f, np.array(x0), optimizer=name, steps=steps)
    assert result.success, result.message
    np.testing.assert_allclose(result.x, minimum, atol=1e-4)


def test_newton_goes_to_the_critical_point_and_descent_away_from_it() -> None:
    """Second-order methods solve for a zero gradient; descent leaves a saddle."""
    start = np.array([0.1, 0.5])
    newton = cr.minimize(saddle, start, optimizer="newton", steps=20)
    assert newton.success
    np.testing.assert_allclose(newton.x, [0.0, 0.0], atol=1e-6)
    assert np.linalg.eigvalsh(cr.hessian(saddle)(newton.x))[0] < 0
    for name in ("sgd", "momentum"):
        found = cr.minimize(saddle, start, optimizer=name, learning_rate=0.1, steps=500)
        np.testing.assert_allclose(found.x, [1.0, 0.0], atol=1e-5)


def test_newton_solves_a_quadratic_in_one_step() -> None:
    result = cr.minimize(ravine, np.array([3.0, -7.0]), optimizer="newton")
    assert (result.nit, result.nhev) == (1, 1)


def test_nesterovs_two_forms_take_the_same_path() -> None:
    """The reformulation's parameters are the interim points of the original."""
    gradient = cr.grad(rosenbrock)
    original, reformulated = optim.Nesterov(1e-3, 0.9), optim.NesterovReformulated(1e-3, 0.9)
    x = y = np.array([-1.2, 1.0])
    s, t = original.init(x), reformulated.init(y)
    for _ in range(50):
        interim = original.lookahead(x, s)
        np.testing.assert_allclose(y, interim, rtol=1e-12)
        x, s = original.update(gradient(interim), s, x)
        y, t = reformulated.update(gradient(y), t, y)
    assert np.max(np.abs(x - y)) > 1e-3  # and not the original's parameters


def test_nesterovs_two_forms_agree_under_schedules_and_penalties() -> None:
    """The penalties too are taken at the interim point, and α' is that of the next step."""
    gradient = cr.grad(rosenbrock)
    options: dict[str, Any] = {"l1": 0.3, "l2": 0.5}
    schedules = (optim.StepDecay(1e-3, 0.5, 4), optim.Polynomial(0.5, 30, final=0.95))
    original = optim.Nesterov(*schedules, **options)
    reformulated = optim.NesterovReformulated(*schedules, **options)
    x = y = np.array([-1.2, 1.0])
    s, t = original.init(x), reformulated.init(y)
    for _ in range(50):
        interim = original.lookahead(x, s)
        np.testing.assert_allclose(y, interim, rtol=1e-12)
        x, s = original.update(gradient(interim), s, x)
        y, t = reformulated.update(gradient(y), t, y)


def test_the_conventions_of_momentum_convert() -> None:
    """Converted in the middle of a run, the rest of the path is the same."""
    gradient = cr.grad(ravine)
    for first in ("lecture", "pytorch", "average"):
        for second in ("lecture", "pytorch", "average"):
            rule = optim.Momentum(0.004, 0.8, first)
            x = np.array([1.0, 1.0])
            state = rule.init(x)
            for _ in range(5):
                x, state = rule.update(gradient(x), state, x)
            other = rule.converted(second)
            assert other.convention == second
            y, moved = x, rule.converted_state(state, second)
            for _ in range(5):
                x, state = rule.update(gradient(x), state, x)
                y, moved = other.update(gradient(y), moved, y)
            np.testing.assert_allclose(x, y, rtol=1e-12)
