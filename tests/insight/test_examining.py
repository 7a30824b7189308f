"""Kinks, dead ends and lost digits: found where they are known to be, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import CancellationWarning, KinkWarning, ZeroGradientWarning

ARRAY = np.array
KINKS: list[tuple[Callable[[Any], Any], Any, Any, str]] = [
    # function, at the kink, beside it, name of the step
    (cr.relu, ARRAY([0.0, 1.0]), ARRAY([0.1, 1.0]), "relu"),
    (np.abs, 0.0, -0.1, "abs"),
    (cr.selu, 0.0, 0.1, "selu"),
    (cr.elu, 0.0, 0.1, None),  # with α = 1 there is none
    (lambda x: cr.elu(x, 2.0), 0.0, 0.1, "elu"),
    (cr.leaky_relu, 0.0, 0.1, "leaky_relu"),
    (lambda x: np.maximum(x, 2.0), 2.0, 2.1, "lower_bound"),
    (lambda x: np.maximum(x[0], x[1]), ARRAY([1.0, 1.0]), ARRAY([1.0, 2.0]), "maximum"),
    (np.max, ARRAY([3.0, 1.0, 3.0]), ARRAY([3.0, 1.0, 2.0]), "max"),
    (lambda x: np.min(x, axis=1), np.zeros((2, 2)), ARRAY([[0.0, 1.0], [2.0, 3.0]]), "min"),
    (np.linalg.norm, np.zeros(2), np.ones(2), "norm"),
    (np.sqrt, 0.0, 0.1, "sqrt"),
    (lambda x: x**0.5, 0.0, 0.1, "power"),
    (lambda x: x * np.floor(x), 2.0, 2.5, "floor"),
    (lambda x: np.mod(x, 2.0), 4.0, 4.5, "mod"),
    (np.median, ARRAY([1.0, 1.0, 2.0]), ARRAY([1.0, 1.5, 2.0]), "argsort"),
    (lambda x: np.where(x > 1, x, 1.0), ARRAY([1.0, 3.0]), ARRAY([0.0, 3.0]), "greater"),
    (lambda x: x**2 if x > 1 else 2 * x, 1.0, 2.0, "greater"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "at", "beside", "name"), KINKS)
def test_a_kink(f: Any, at: Any, beside: Any, name: str | None) -> None:
    found = cr.examine(f, dead_ends=False, cancellation=False)
    assert [k.name for k in found(at).findings] == ([name] if name else [])
    assert not found(beside)


def test_a_kink_through_which_no_derivative_passes_is_none() -> None:
    assert not cr.examine(lambda x: 0.0 * cr.relu(x) + x)(0.0).of("kink")


def test_kinks_are_counted_and_named() -> None:
    def f(x: Any) -> Any:
        return np.sum(cr.relu(x))

    [found] = cr.examine(f)(ARRAY([0.0, 0.0, 1.0])).findings
    assert found.step == "ξ₁ = max(x, 0)"
    assert found.words.startswith("2 of 3 elements are at a kink")
    assert found.line.endswith("return np.sum(cr.relu(x))")


DEAD_ENDS: list[tuple[Callable[..., Any], str]] = [
    (lambda x, y: x, "is not used"),
    (lambda x, y: x + np.floor(y), "used through floor alone"),
    (lambda x, y: x + cr.stop_gradient(y), "stop_gradient ends the way"),
    (lambda x, y: x + y.value, "is not used (.value"),
    (lambda x, y: x + cr.relu(-y), "max(ξ₁, 0) hands none back (it was given -2.5)"),
    (lambda x, y: x + np.where(x > 0, x, y), "where(ξ₁, x, y) hands none back"),
    (lambda x, y: x + np.tanh(1e3 * y), "tanh(ξ₁) hands none back (it was given 2500)"),
]


@pytest.mark.parametrize(("f", "words"), DEAD_ENDS)
def test_a_dead_end(f: Any, words: str) -> None:
    [found] = cr.examine(f, kinks=False)(1.0, 2.5).findings
    assert (found.kind, found.name) == ("dead end", "y")
    assert words in found.words


def test_one_of_several_results() -> None:
    [found] = cr.examine(lambda x, y: (x, x * y))(1.0, 2.0).findings
    assert found.words == "result 0 does not depend on 'y': no step leads from it to there"


def roots(a: Any, b: Any, c: Any) -> Any:
    return (-b + np.sqrt(b * b - 4 * a * c)) / (2 * a)


LOSSES: list[tuple[Callable[..., Any], Any, str, str]] = [
    (lambda x: (1 - np.cos(x)) / x**2, (1e-6,), "subtract", "np.sin(x/2)**2"),
    (lambda x: (np.exp(x) - 1) / x, (1e-10,), "subtract", "np.expm1"),
    (lambda x: np.log(1 + x) / x, (1e-10,), "log", "np.log1p"),
    (lambda x: np.sqrt(x + 1) - np.sqrt(x), (1e12,), "subtract", "np.sqrt(a) + np.sqrt(b)"),
    (lambda x: 1 - cr.sigmoid(x), (30.0,), "subtract", "cr.sigmoid(-z)"),
    (lambda x: np.mean(x**2) - np.mean(x) ** 2, (1e6 + np.arange(9.0),), "subtract", "np.var"),
    (lambda a, b: a**2 - b**2, (1e9 + 0.1, 1e9), "subtract", "(a - b)*(a + b)"),
    (roots, (1.0, 1e6, 1.0), "add", "(r**2 - b**2)/(r + b) instead of r - b"),
]


@pytest.mark.parametrize(("f", "args", "name", "remedy"), LOSSES)
def test_lost_digits(f: Any, args: Any, name: str, remedy: str) -> None:
    found = cr.examine(f)(*args).of("cancellation")
    assert [x.name for x in found] == [name]
    assert remedy in found[0].remedy


def test_the_digits_are_those_that_are_right() -> None:
    x = 1e-7
    with mpmath.workdps(40):
        right = float(1 - mpmath.cos(mpmath.mpf(x)))
    truth = -np.log10(abs((1 - np.cos(x)) - right) / right)
    found = cr.examine(lambda x: 1 - np.cos(x))(x)
    assert found.digits[0] == pytest.approx(truth, abs=0.05)
    assert found.findings[0].words.endswith(f"({found.digits[0]:.1f} are left)")


def test_single_precision_is_checked_by_double() -> None:
    x = np.float32(0.003)
    [found] = cr.examine(lambda x: 1 - np.cos(x))(x).of("cancellation")
    assert "of 6.9 digits" in found.words
    assert not cr.examine(lambda x: 1 - np.cos(x))(0.003)  # in double there is enough left


def test_a_loss_that_does_not_reach_the_result_is_none() -> None:
    # 1e-16 of the difference is wrong, and 1 is added to it.
    assert not cr.examine(lambda x: 1.0 + ((1 + x) - 1) * 1e-3)(1e-10).of("cancellation")


def test_sound_networks_have_no_findings() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 50)).astype(np.float32)
    W = rng.normal(size=(50, 100)).astype(np.float32)
    b = rng.normal(size=100).astype(np.float32)
    assert not cr.examine(lambda W, b: np.mean(cr.sigmoid(x @ W + b)))(W, b)


def test_linear_algebra_tells_its_limit() -> None:
    found = cr.examine(lambda a: np.linalg.inv(a).sum())(2 * np.eye(2))
    assert not found
    assert found.limits.startswith("NumPy has no inv in ")


@pytest.mark.parametrize(
    ("f", "category"),
    [
        (lambda x: np.abs(x) + x, KinkWarning),
        (lambda x: x - x.value * 0 + np.cos(x) * 0 - x, ZeroGradientWarning),
        (lambda x: (1 + 1e-9 * np.cos(x)) - 1, CancellationWarning),
    ],
)
def test_warnings_on_request(f: Any, category: type[Warning]) -> None:
    point = 0.0 if category is KinkWarning else 1.0
    cr.examine(f)(point)  # no warning unless asked
    with pytest.warns(category, match="test_examining.py"):
        cr.examine(f, warn=True)(point)
