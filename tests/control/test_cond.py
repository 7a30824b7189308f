"""`cond`: values and derivatives are those of the branch that is taken."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ZeroGradientWarning
from tests.control.conftest import Compile


def piecewise(x: Any) -> Any:
    """x³ for x > 0, and sin x otherwise."""
    return cr.cond(x > 0, lambda x: x**3, np.sin, x)


@pytest.mark.parametrize("x", [2.0, -0.7])
def test_value_and_derivatives_to_the_third(compiled: Compile, x: float) -> None:
    if x > 0:
        truth = [x**3, 3 * x**2, 6 * x, 6.0]
    else:
        truth = [np.sin(x), np.cos(x), -np.sin(x), -np.cos(x)]
    slope = cr.grad(piecewise)
    for f, y in zip(
        (piecewise, slope, cr.grad(slope), cr.grad(cr.grad(slope))), truth, strict=True
    ):
        np.testing.assert_allclose(compiled(f)(x), y, rtol=1e-14)


def test_forward_mode(compiled: Compile) -> None:
    f = compiled(lambda x, t: cr.jvp(piecewise, (x,), (t,)))
    np.testing.assert_allclose(f(2.0, 0.5), (8.0, 6.0), rtol=1e-14)
    np.testing.assert_allclose(f(-1.0, 2.0), (np.sin(-1.0), 2 * np.cos(-1.0)), rtol=1e-14)
    second = compiled(cr.jacobian(cr.jacobian(piecewise, mode="forward"), mode="forward"))
    np.testing.assert_allclose(second(2.0), 12.0, rtol=1e-14)


def test_one_version_serves_both_branches() -> None:
    f = cr.compile(piecewise)
    assert (f(2.0), f(-1.0)) == (8.0, pytest.approx(np.sin(-1.0), rel=1e-15))
    assert len(f.versions) == 1


def test_trees_and_values_from_around(compiled: Compile) -> None:
    def f(p: dict[str, Any], flag: Any) -> Any:
        double = p["w"] * 2

        def yes(q: dict[str, Any]) -> Any:
            return {"y": (q["w"] * double).sum(), "n": q["w"]}

        def no(q: dict[str, Any]) -> Any:
            return {"y": np.float64(1.0) * q["b"], "n": double}

        made = cr.cond(flag, yes, no, p)
        return made["y"] + made["n"].sum()

    p = {"w": np.array([1.0, 2.0, 3.0]), "b": np.float64(5.0)}
    g = compiled(lambda p, flag: cr.value_and_grad(f)(p, flag > 0))
    unused = pytest.warns(ZeroGradientWarning) if compiled(abs) is abs else nullcontext()
    with unused:  # by Python nobody knows of the other branch
        value, slope = g(p, 1)
    assert value == 2 * 14 + 6
    np.testing.assert_allclose(slope["w"], 4 * p["w"] + 1)
    assert slope["b"] == 0
    value, slope = g(p, 0)
    assert value == 5 + 12
    np.testing.assert_allclose(slope["w"], [2.0, 2.0, 2.0])
    assert slope["b"] == 1


def test_the_branch_not_taken_does_not_spoil_the_derivative(compiled: Compile) -> None:
    """With np.where the derivative of the square root at 0 would give NaN."""
    f = compiled(cr.grad(lambda x: cr.cond(x > 0, np.sqrt, lambda x: 2 * x, x)))
    assert f(0.0) == 2.0
    assert f(4.0) == 0.25


def test_nested(compiled: Compile) -> None:
    def f(x: Any) -> Any:
        def inner(x: Any) -> Any:
            return cr.cond(x > 1, np.square, np.exp, x)

        return cr.cond(x > 0, inner, np.negative, x)

    slope = compiled(cr.grad(f))
    np.testing.assert_allclose([slope(3.0), slope(0.5), slope(-2.0)], [6.0, np.exp(0.5), -1.0])


def test_a_derivative_inside_of_a_branch(compiled: Compile) -> None:
    def f(x: Any) -> Any:
        return cr.cond(x > 0, cr.grad(lambda z: z**3), lambda z: 0.0 * z, x)

    np.testing.assert_allclose(compiled(f)(2.0), 12.0)
    np.testing.assert_allclose(compiled(cr.grad(f))(2.0), 12.0)


def test_float32_stays(compiled: Compile) -> None:
    x = np.array([1.0, -2.0], np.float32)

    def f(x: Any) -> Any:
        return cr.cond(x.sum() > 0, lambda x: x, lambda x: 3 * x, x)

    value, slope = compiled(lambda x: (f(x), cr.grad(lambda x: f(x).sum())(x)))(x)
    assert value.dtype == slope.dtype == np.float32
    np.testing.assert_array_equal(value, 3 * x)
    np.testing.assert_array_equal(slope, [3, 3])


def test_without_operands(compiled: Compile) -> None:
    def f(x: Any) -> Any:
        return cr.cond(x > 0, lambda: x * 2, lambda: np.float64(7.0))

    assert (compiled(f)(4.0), compiled(f)(-4.0)) == (8.0, 7.0)
    assert compiled(cr.grad(f))(4.0) == 2.0


def test_a_matrix_that_only_one_branch_can_invert(compiled: Compile) -> None:
    """The first call, which traces both branches, is with a singular one."""

    def f(a: Any) -> Any:
        return cr.cond(np.abs(a).sum() > 0, lambda: np.linalg.inv(a), lambda: 3 * a).sum()

    slope = compiled(cr.grad(f))
    np.testing.assert_array_equal(slope(np.zeros((2, 2))), [[3, 3], [3, 3]])
    np.testing.assert_allclose(slope(2 * np.eye(2)), [[-0.25, -0.25], [-0.25, -0.25]])


def test_a_singular_matrix_in_the_branch_that_is_taken(compiled: Compile) -> None:
    f = compiled(lambda a: cr.cond(a.sum() == 0, lambda: np.linalg.inv(a), lambda: a))
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        f(np.zeros((2, 2)))
