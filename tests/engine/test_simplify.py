"""Simpler programs compute the same numbers, to the last bit and at the ends of the range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.capture import capture
from chainrule.engine.simplifying import simplified
from chainrule.tracing import flatten

TINY = float(np.finfo(np.float64).tiny)
VALUES = np.array([0.0, -0.0, 1.0, -1.5, 1 / 3, np.inf, -np.inf, np.nan, 1e308, -9e307, 3e-308,
                   TINY, TINY / 8, 5e-324, -5e-324, 2.0**-1050, 0.1])  # fmt: skip
CASES: dict[str, tuple[Callable[[Any], Any], int]] = {  # a function, and the steps that are left
    "2 and 100": (lambda x: (x * 2.0) * 100.0, 1),
    "100 and 2": (lambda x: 4.0 * (x * 100.0), 1),
    "sign of a factor": (lambda x: -(x * 3.0), 1),
    "factor of a sign": (lambda x: 3.0 * -x, 1),
    "two signs": (lambda x: (-x) * (-np.sqrt(x)), 2),
    "sign and difference": (lambda x: np.sqrt(x) - (-x), 2),
    "order of factors": (lambda x: np.exp(x * 2.0) + np.exp(2.0 * x), 3),
    "a third is no power of two": (lambda x: (x * 3.0) * 0.7, 2),
    "a half may lose a bit": (lambda x: (x * 0.5) * 8.0, 2),
    "an overflow stays where it is": (lambda x: (x * 1e308) * 4.0, 2),
}


@pytest.mark.parametrize("name", CASES)
def test_fewer_steps_and_the_same_bits(name: str) -> None:
    f, steps = CASES[name]
    leaves, spec = flatten(((VALUES,), {}))
    with np.errstate(all="ignore"):
        program = simplified(capture(f, leaves, spec).graph)
        expected = f(VALUES)
        found = cr.compile(f)(VALUES)
    assert len(program.ops) - 1 == steps
    ulp = 2 if "exp" in str(program) else 0
    if ulp:
        np.testing.assert_allclose(found, expected, rtol=ulp * 2.3e-16)
    else:
        np.testing.assert_array_equal(found, expected)
        same_sign = np.signbit(found) == np.signbit(expected)
        assert np.all(same_sign | np.isnan(expected))


def test_a_constant_that_is_read_often_is_kept_once() -> None:
    table = np.arange(12.0).reshape(4, 3)
    leaves, spec = flatten(((np.ones(2),), {}))

    def f(b: Any) -> Any:
        return np.exp(table[:, :2] @ b) * (table[:, :2] @ b)

    program = simplified(capture(f, leaves, spec).graph)
    assert sum(op.name == "matmul" for op in program.ops) == 1
    np.testing.assert_allclose(cr.compile(f)(np.full(2, 0.1)), f(np.full(2, 0.1)), rtol=1e-15)
