"""Functions that assign to their arguments, compiled: against NumPy on a copy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

import chainrule as cr


def element(x: Any, y: Any) -> Any:
    x[0] = 7.0
    return x.sum() * y[0]


def in_place(x: Any, y: Any) -> Any:
    x += y[1]
    x[1:] *= 2.0
    return x


def through_a_view(x: Any, y: Any) -> Any:
    tail = x[1:]
    tail[:] = y
    return x * 3.0, tail


def crosswise(x: Any, y: Any) -> Any:
    x[0] = y[1]
    y[1] = x[2]
    return x.sum() + 10.0 * y.sum()


def in_a_tree(p: Any, y: Any) -> Any:
    p["a"][1:] = y
    return p["a"] * 2.0


X, Y = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0])
CASES = [(f, X) for f in (element, in_place, through_a_view, crosswise)]


@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize(("f", "x"), [*CASES, (in_a_tree, {"a": X})])
def test_what_is_assigned_counts_and_the_callers_arrays_stay(
    f: Callable[..., Any], x: Any, engine: Literal["native", "numpy"]
) -> None:
    compiled = cr.compile(f, engine=engine)
    for scale in (1.0, -2.0):  # the second call is a program that is there already
        given = copy.deepcopy(x), scale * Y
        expected = f(*copy.deepcopy(given))
        before = copy.deepcopy(given)
        found = compiled(*given)
        np.testing.assert_equal(found, expected)
        np.testing.assert_equal(given, before)


def test_a_loop_whose_step_assigns_to_the_carry() -> None:
    def step(c: Any, x: Any) -> Any:
        c[0] = c[1] * x
        c[1] += x
        return c, c.sum()

    last, sums = cr.compile(lambda c, xs: cr.scan(step, c, xs))(Y, X)
    # By hand: (4, 5) → (5, 6) → (12, 8) → (24, 11).
    np.testing.assert_array_equal(last, [24.0, 11.0])
    np.testing.assert_array_equal(sums, [11.0, 20.0, 35.0])
