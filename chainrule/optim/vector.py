"""A function of a tree as a function of one vector, with its derivatives and their counts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives import hessian, hvp, value_and_grad
from chainrule.optim.base import like
from chainrule.optim.compiling import Choice, Eventually
from chainrule.tracing import flatten, unflatten

Vector = NDArray[np.float64]


class Derivatives:
    """A function and its derivatives, compiled once that pays.

    Args:
        f: a function of a tree that returns one number.
        choice: when to compile; see `Eventually`.

    Attributes:
        slope: value and gradient at a tree.
    """

    def __init__(self, f: Callable[[Any], Any], choice: Choice = "auto") -> None:
        self.f, self.choice = f, choice
        self.slope = Eventually(value_and_grad(f), choice)

    def engine(self) -> str:
        """How the function was run."""
        if self.slope.compiled:
            return "native"
        return "numpy" if self.slope.reason is None else f"numpy: {self.slope.reason}"


class Objective:
    """f over the numbers of a tree in one vector of float64, shape (n,).

    Args:
        of: a function of a tree that returns one number, or its derivatives already.
        x0: a tree that gives structure, shapes and dtypes.

    Attributes:
        nfev, njev, nhev: evaluations so far. The last point's value and gradient are kept, since
            the methods ask for both one after the other.
    """

    def __init__(self, of: Derivatives | Callable[[Any], Any], x0: Any) -> None:
        if not isinstance(of, Derivatives):
            of = Derivatives(of, choice=False)
        f = of.f
        self._leaves, self._spec = flatten(x0)
        self._ends = np.cumsum([0] + [np.size(leaf) for leaf in self._leaves]).tolist()

        @functools.wraps(f)  # errors shall name the user's function
        def of_vector(z: Any) -> Any:
            return f(self.inside(z))

        self.of_vector = of_vector
        self._slope = of.slope  # of the tree, so that what is said names its leaves
        self._product = Eventually(lambda z, v: hvp(of_vector, (z,), (v,)), of.choice)
        self._matrix = Eventually(hessian(of_vector), of.choice)
        self._last: tuple[bytes, float, Vector] | None = None
        self.nfev = self.njev = self.nhev = 0

    def vector(self, tree: Any) -> Vector:
        return np.concatenate([np.ravel(x).astype(np.float64) for x in flatten(tree)[0]])

    def tree(self, z: Vector) -> Any:
        """The vector as a tree with the shapes and dtypes of x0."""
        parts = [
            like(z[a:b].reshape(np.shape(leaf))[()], leaf)
            for leaf, (a, b) in zip(self._leaves, pairwise(self._ends), strict=True)
        ]
        return unflatten(self._spec, [np.array(p) if np.ndim(p) else p for p in parts])

    def inside(self, z: Any) -> Any:
        """The tree that f gets: like `tree`, but in float64, and of a traced vector too."""
        parts = [
            z[a:b].reshape(np.shape(leaf)) if np.ndim(leaf) else z[a]
            for leaf, (a, b) in zip(self._leaves, pairwise(self._ends), strict=True)
        ]
        return unflatten(self._spec, parts)

    def value(self, z: Vector) -> float:
        if self._last is not None and self._last[0] == z.tobytes():
            return self._last[1]
        self.nfev += 1
        return float(self.of_vector(z))

    def value_and_gradient(self, z: Vector) -> tuple[float, Vector]:
        key = z.tobytes()
        if self._last is None or self._last[0] != key:
            self.nfev += 1
            self.njev += 1
            value, gradient = self._slope(self.inside(np.array(z)))
            self._last = (key, float(value), self.vector(gradient))
        return self._last[1], self._last[2].copy()

    def product(self, z: Vector, v: Vector) -> Vector:
        """∇²f(z) v."""
        self.nhev += 1
        return np.asarray(self._product(np.array(z), np.array(v)))

    def matrix(self, z: Vector) -> NDArray[np.float64]:
        """∇²f(z), shape (n, n)."""
        self.nhev += 1
        return np.asarray(self._matrix(np.array(z)))
