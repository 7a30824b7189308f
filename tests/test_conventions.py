"""The page of conventions lists every kink and jump of the table, and says what is taken there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.elementary import TABLE
from chainrule.elementary.base import is_step
from chainrule.insight.kinks import PLACES

PAGE = Path(__file__).parents[1] / "docs" / "conventions.md"


def _listed() -> list[str]:
    """The records in the first column of the list."""
    text = PAGE.read_text(encoding="utf-8")
    part = text.split("## Every kink and jump, record by record")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def test_every_kink_and_step_of_the_table_is_listed_once() -> None:
    steps = {name for name, record in TABLE.items() if is_step(record)}
    assert sorted(_listed()) == sorted(steps | set(PLACES))


KINKS = {
    "abs": (np.abs, 0.0),
    "relu": (cr.relu, 0.0),
    "leaky_relu": (lambda x: cr.leaky_relu(x, 0.2), 0.0),
    "leaky_relu, steep": (lambda x: cr.leaky_relu(x, 3.0), 0.0),
    "elu": (lambda x: cr.elu(x, 0.5), 0.0),
    "elu, steep": (lambda x: cr.elu(x, 2.0), 0.0),
    "selu": (cr.selu, 0.0),
    "copysign": (lambda x: np.copysign(x, 1.0), 0.0),
    "lower_bound": (lambda x: np.maximum(x, 2.0), 2.0),
    "upper_bound": (lambda x: np.minimum(x, 2.0), 2.0),
    "fmax_constant": (lambda x: np.fmax(x, 2.0), 2.0),
    "fmin_constant": (lambda x: np.fmin(x, 2.0), 2.0),
    "norm": (lambda x: np.linalg.norm(x * np.array([3.0, 4.0])), 0.0),
    "hypot": (lambda x: np.hypot(3 * x, 4 * x), 0.0),
}


@pytest.mark.parametrize("name", KINKS)
def test_the_derivative_at_a_kink_is_the_least_between_the_slopes_on_both_sides(name: str) -> None:
    f, at = KINKS[name]
    left, right = (float(f(at + h) - f(at)) / h for h in (-1e-7, 1e-7))
    low, high = sorted((left, right))
    least = 0.0 if low <= 0.0 <= high else min(low, high, key=abs)
    assert low < high - 0.1  # it is a kink
    assert cr.grad(f)(at) == pytest.approx(least, abs=1e-6)


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_equal_arguments_share_the_derivative(name: str) -> None:
    assert cr.grad(getattr(np, name), (0, 1))(2.0, 2.0) == (0.5, 0.5)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_equal_extremes_share_the_derivative(k: int) -> None:
    x = np.r_[np.full(k, 3.0), 1.0]
    assert cr.grad(np.max)(x) == pytest.approx(np.r_[np.full(k, 1 / k), 0.0])
    assert cr.grad(np.min)(-x) == pytest.approx(np.r_[np.full(k, 1 / k), 0.0])


def test_pythons_zero_divides_like_numpys() -> None:
    with np.errstate(divide="ignore"):
        assert cr.grad(lambda x: x / 0)(2.0) == np.inf
        assert cr.jvp(lambda x: x / -0.0, (2.0,), (1.0,)) == (-np.inf, -np.inf)
