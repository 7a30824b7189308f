"""Critical points of functions whose Hessians are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, NotScalarError


def rosenbrock(x: Any) -> Any:
    return 100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2


def test_the_minimum_of_rosenbrock() -> None:
    point = cr.critical_point(rosenbrock, np.ones(2))
    values = np.linalg.eigvalsh(np.array([[802.0, -400.0], [-400.0, 200.0]]))
    assert (point.kind, point.value, point.gradient_norm, point.index) == ("minimum", 0.0, 0.0, 0)
    np.testing.assert_allclose(point.eigenvalues, values, rtol=1e-12)
    assert point.condition == pytest.approx(values[1] / values[0])
    for value, direction in zip(point.eigenvalues, point.directions, strict=True):
        hessian = np.array([[802.0, -400.0], [-400.0, 200.0]])
        np.testing.assert_allclose(hessian @ direction, value * direction, atol=1e-9)


def test_kinds() -> None:
    kinds = {
        "minimum": lambda x: x[0] ** 2 + 3 * x[1] ** 2,
        "maximum": lambda x: -(x[0] ** 2) - 3 * x[1] ** 2,
        "saddle": lambda x: x[0] ** 2 - 3 * x[1] ** 2,
        "degenerate": lambda x: x[0] ** 2 + x[1] ** 4,
        "not critical": lambda x: x[0] ** 2 + x[1],
    }
    for kind, f in kinds.items():
        assert cr.critical_point(f, np.zeros(2)).kind == kind
    monkey = cr.critical_point(lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2, np.zeros(2))
    assert (monkey.kind, monkey.zeros, monkey.condition) == ("degenerate", 2, np.inf)


def test_a_saddle_with_a_flat_direction_is_a_saddle() -> None:
    point = cr.critical_point(lambda x: x[0] ** 2 - x[1] ** 2 + x[2] ** 4, np.zeros(3))
    assert (point.kind, point.index, point.zeros) == ("saddle", 1, 1)


def test_the_scale_of_the_function_does_not_matter() -> None:
    # 1e-7 from the minimum of a parabola is critical, 1e-4 is not, whatever the units of f.
    for scale in (1e-20, 1.0, 1e20):
        near = cr.critical_point(lambda x, s=scale: s * (x - 1.0) ** 2, 1.0 + 1e-7)
        far = cr.critical_point(lambda x, s=scale: s * (x - 1.0) ** 2, 1.0 + 1e-4)
        assert (near.kind, far.kind) == ("minimum", "not critical")
    far = cr.critical_point(lambda x: (x - 1.0) ** 2, 1.0 + 1e-4, tolerance=1e-3)
    assert (far.kind, far.tolerance) == ("minimum", 1e-3)


def test_single_precision_has_its_own_zero() -> None:
    # 1e-6 of the largest curvature is above rounding in float64 and below it in float32.
    def f(x: Any) -> Any:
        return x[0] ** 2 + 1e-6 * x[1] ** 2

    assert cr.critical_point(f, np.zeros(2)).kind == "minimum"
    assert cr.critical_point(f, np.zeros(2, np.float32)).kind == "degenerate"


@dataclass
class Point:
    u: float
    v: np.ndarray


def test_trees_give_names_and_directions_of_their_form() -> None:
    point = cr.critical_point(lambda p: p.v[0] ** 2 - 4 * p.u * p.v[1], Point(0.0, np.zeros(2)))
    assert point.names == ("p.u", "p.v[0]", "p.v[1]")
    np.testing.assert_allclose(point.eigenvalues, [-4.0, 2.0, 4.0], atol=1e-12)
    assert isinstance(point.directions[1], Point)
    np.testing.assert_allclose(point.directions[1].v, [1.0, 0.0], atol=1e-12)
    text = str(point)
    assert "a saddle; value 0" in text
    assert "λ = 2           along p.v[0]" in text
    assert "0.71 p.u" in text


def test_a_kink_is_told() -> None:
    point = cr.critical_point(lambda x: np.abs(x) + x**2, 0.0)
    assert point.kinks == ("abs",)
    assert "at a kink of abs: no second derivative tells what happens there" in str(point)
    assert cr.critical_point(lambda x: np.abs(x - 1.0) + x**2, 0.5).kinks == ()


def test_many_directions_are_printed_by_the_ends() -> None:
    point = cr.critical_point(lambda x: np.sum(np.arange(1.0, 41.0) * x**2), np.zeros(40))
    assert "… 32 more …" in str(point)
    assert "λ = 80          along x[39]" in str(point)


def test_the_plot_shows_the_eigenvalues() -> None:
    ax = cr.critical_point(rosenbrock, np.ones(2)).plot()
    heights = ax.collections[1].get_offsets()[:, 1]
    np.testing.assert_allclose(heights, [0.399, 1001.6], rtol=1e-3)


def test_a_notebook_shows_what_it_prints() -> None:
    def f(x: Any) -> Any:
        return np.sum(x**2)

    start = np.zeros(2)
    for found in (cr.critical_point(f, start), cr.curvature(f, start), cr.debug(f)(start),
                  cr.loss_slice(f, start, points=2), cr.examine(f)(start)):  # fmt: skip
        assert found._repr_html_().startswith("<pre>")
        assert str(found).splitlines()[0] in found._repr_html_()


def test_mistakes_are_told() -> None:
    with pytest.raises(ArgumentError, match=r"(?s)value of <lambda> is not finite.*cr\.debug"):
        cr.critical_point(lambda x: np.log(x), 0.0)
    with pytest.raises(ArgumentError, match=r"(?s)whole Hessian would be too large.*cr\.curvature"):
        cr.critical_point(lambda x: np.sum(x**2), np.zeros(5000))
    with pytest.raises(ArgumentError, match=r"(?s)looks at a function.*cr\.curvature\(model"):
        cr.critical_point(cr.Model([cr.nn.Dense(1)]), np.zeros(2))
    with pytest.raises(NotScalarError, match="returns an array"):
        cr.critical_point(lambda x: x, np.zeros(2))
