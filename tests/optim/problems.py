"""Test functions with known minima."""

from __future__ import annotations

from typing import Any

import numpy as np


def rosenbrock(x: Any) -> Any:
    """Minimum 0 at (1, 1), at the end of a curved valley."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def beale(x: Any) -> Any:
    """Minimum 0 at (3, 0.5), in a flat plain with steep walls."""
    a, b = x[0], x[1]
    return (
        (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2
    )  # fmt: skip


def ravine(x: Any) -> Any:
    """A quadratic of condition 100, minimum 0 at the origin."""
    return 0.5 * (x[0] ** 2 + 100 * x[1] ** 2)


def saddle(x: Any) -> Any:
    """x⁴/4 − x²/2 + y²/2: a saddle at the origin, minima −1/4 at (±1, 0)."""
    return 0.25 * x[0] ** 4 - 0.5 * x[0] ** 2 + 0.5 * x[1] ** 2


def wells(x: Any) -> Any:
    """x²/20 − cos 3x: a local minimum every 2π/3 or so, the global one, −1, at 0."""
    return x**2 / 20 - np.cos(3 * x)


def cliff(x: Any) -> Any:
    """A gentle bowl around −1 with an exponential wall above 0."""
    return (x + 1) ** 2 + np.exp(30 * x) * 1e-3
