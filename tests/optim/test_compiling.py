"""`minimize` compiles its function where that pays, and never changes what it computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.optim.compiling import AFTER


def valley(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


X0 = np.full(6, -0.5)


def test_after_a_hundred_evaluations_it_is_compiled() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return valley(x)

    options: Any = {"optimizer": "adam", "steps": 400, "tolerance": 0.0, "learning_rate": 0.02}
    result = cr.minimize(f, X0, **options)
    assert result.engine == "native"
    assert len(calls) == AFTER + 3  # and two traces
    plain = cr.minimize(valley, X0, jit_compile=False, **options)
    assert plain.engine == "numpy"
    np.testing.assert_allclose(result.x, plain.x, rtol=1e-9)


def test_a_short_run_is_not_compiled() -> None:
    assert cr.minimize(lambda x: ((x - 3) ** 2).sum(), np.zeros(3)).engine == "numpy"


def test_at_once() -> None:
    result = cr.minimize(valley, X0, jit_compile=True)
    assert result.engine == "native"
    np.testing.assert_allclose(result.x, 1.0, atol=1e-5)


def test_a_branch_goes_on_as_it_is_and_says_why() -> None:
    def f(x: Any) -> Any:
        y = ((x - 2) ** 2).sum()
        return y if y > 1 else np.sqrt(y + 1e-12) * 1.0

    options: Any = {"optimizer": "sgd", "steps": 300, "tolerance": 0.0, "learning_rate": 1e-3}
    result = cr.minimize(f, np.zeros(3), **options)
    assert result.engine.startswith("numpy: ")
    assert result.nit == 300
    np.testing.assert_array_equal(
        result.x, cr.minimize(f, np.zeros(3), jit_compile=False, **options).x
    )
    with pytest.raises(cr.errors.BranchError):
        cr.minimize(f, np.zeros(3), jit_compile=True, **options)


def test_a_function_that_changes_is_not_compiled() -> None:
    """What it reads from elsewhere differs from call to call."""
    rng = np.random.default_rng(0)
    f = lambda x: ((x - rng.standard_normal(3)) ** 2).sum()  # noqa: E731
    result = cr.minimize(f, np.zeros(3), optimizer="sgd", steps=200, tolerance=0.0)
    assert result.engine.startswith("numpy: ")


@pytest.mark.parametrize("method", ["l-bfgs", "newton-cg", "trust-exact", "line-search", "newton"])
def test_every_method_runs_compiled(method: str) -> None:
    compiled = cr.minimize(valley, np.full(4, 0.7), optimizer=method, jit_compile=True, steps=60)
    plain = cr.minimize(valley, np.full(4, 0.7), optimizer=method, jit_compile=False, steps=60)
    np.testing.assert_allclose(compiled.x, plain.x, atol=1e-4)


def test_an_unknown_choice() -> None:
    with pytest.raises(cr.errors.ArgumentError, match="jit_compile"):
        cr.minimize(valley, X0, jit_compile="yes")  # type: ignore[arg-type]
