"""NumPy's polynomials as vectors of coefficients, that of the highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary.base import shape_of
from chainrule.numpy_api import joining, shapes
from chainrule.numpy_api.algebra import convolve
from chainrule.numpy_api.common import array_of


def _coefficients(p: Any) -> Any:
    return shapes.atleast_1d(array_of(p))


def _same_length(a1: Any, a2: Any) -> list[Any]:
    both = [_coefficients(a) for a in (a1, a2)]
    n = max(shape_of(a)[0] for a in both)
    return [joining.concatenate([np.zeros(n - shape_of(a)[0]), a]) for a in both]


def polyadd(a1: Any, a2: Any) -> Any:
    a, b = _same_length(a1, a2)
    return a + b


def polysub(a1: Any, a2: Any) -> Any:
    a, b = _same_length(a1, a2)
    return a - b


def polymul(a1: Any, a2: Any) -> Any:
    return convolve(_coefficients(a1), _coefficients(a2))


def polyder(p: Any, m: int = 1) -> Any:
    """The m-th derivative by the variable: of Σ pₖ xᵏ it is Σ k pₖ xᵏ⁻¹.

    >>> import chainrule as cr
    >>> cr.jacobian(np.polyder)(np.array([3.0, 2.0, 1.0]))
    array([[2., 0., 0.],
           [0., 1., 0.]])
    """
    p = _coefficients(p)
    for _ in range(m):
        p = p[:-1] * np.arange(shape_of(p)[0] - 1.0, 0.0, -1.0)
    return p


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The m-th integral, with the constants k of integration, by default 0."""
    p = _coefficients(p)
    constants = shapes.broadcast_to(array_of(0.0 if k is None else k), (m,))
    for i in range(m):
        integrated = p / np.arange(shape_of(p)[0], 0.0, -1.0)
        p = joining.concatenate([integrated, constants[i : i + 1]])
    return p
