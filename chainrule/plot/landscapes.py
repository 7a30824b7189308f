"""Functions of one and two numbers on which methods are shown, each with its minimum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Landscape = Callable[[Any], Any]


def parabola(w: Any) -> Any:
    """½ w²: the curvature is 1 everywhere, so that a rate α is also α·f″."""
    return 0.5 * w**2


def waves(w: Any) -> Any:
    """w²/20 − cos 2w: a minimum near every multiple of π; the global one is −1 at 0."""
    return w**2 / 20 - np.cos(2 * w)


def ravine(condition: float) -> Landscape:
    """½ (x² + κ y²): its Hessian is diag(1, κ), of condition number κ.

    >>> ravine(10.0)([1.0, 1.0])
    5.5
    """

    def of_condition(x: Any) -> Any:
        return 0.5 * (x[0] ** 2 + condition * x[1] ** 2)

    return of_condition


def saddle(x: Any) -> Any:
    """x²/2 − y²/2 + y⁴/4: a saddle at the origin between two minima, −¼ at (0, ±1)."""
    return 0.5 * x[0] ** 2 - 0.5 * x[1] ** 2 + 0.25 * x[1] ** 4


def rosenbrock(x: Any) -> Any:
    """(1 − x)² + 100 (y − x²)²: a curved valley; the minimum is 0 at (1, 1)."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def beale(x: Any) -> Any:
    """A flat plain between steep walls; the minimum is 0 at (3, ½).

    (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²
    """
    a, b = x[0], x[1]
    return (
        (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2
    )  # fmt: skip


def quadratic(hessian: Any) -> Landscape:
    """½ xᵀ H x, with its critical point at the origin.

    >>> float(quadratic(np.diag([2.0, -4.0]))([1.0, 1.0]))
    -1.0
    """

    def of_hessian(x: Any) -> Any:
        return 0.5 * (hessian[0, 0] * x[0] ** 2 + 2 * hessian[0, 1] * x[0] * x[1]
                      + hessian[1, 1] * x[1] ** 2)  # fmt: skip

    return of_hessian
