"""Initialisers that make kernels of a structure: orthogonal, sparse, the identity."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn.initializer import Array, Initializer, Shape
from chainrule.nn.naming import user_line
from chainrule.records import dataclass


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """gain · Q, with Q uniform among the matrices of orthonormal columns (or rows, if wide).

    Q R of a normal matrix, where each column takes the sign of R's diagonal; a convolution's
    kernel is the matrix of shape (*space · in, out).

    >>> w = Orthogonal()(np.random.default_rng(0), (5, 3))
    >>> bool(np.allclose(w.T @ w, np.eye(3)))
    True

    Source: Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks", ICLR (2014); Mezzadri, Notices of the AMS 54 (2007), for the sign.
    """

    gain: float = 1.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        rows, columns = _matrix(self, shape)
        q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
        return self.gain * (q if rows >= columns else q.T).reshape(shape)

    def variance(self, shape: Shape) -> float:
        return self.gain**2 / max(_matrix(self, shape))


@dataclass(frozen=True)
class Sparse(Initializer):
    """k random inputs of each unit get weights from N(0, stddev²), all others 0.

    The sum over many inputs m keeps its scale without each weight becoming tiny, and the units
    differ more. stddev is 1/√k by default, which keeps the variance of the inputs.

    >>> np.count_nonzero(Sparse(2)(np.random.default_rng(0), (9, 3)), axis=0)
    array([2, 2, 2])

    Source: Martens, "Deep learning via Hessian-free optimization", ICML (2010), section 5;
    *Deep Learning*, section 8.4.
    """

    k: int = 15
    stddev: float | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ArgumentError(
                "a unit needs at least one weight that is not zero",
                got=f"k={self.k}",
                line=user_line(),
                remedy="choose k of 1 or more, such as 15",
            )

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        rows, columns = _matrix(self, shape)
        k = min(self.k, rows)
        # The k smallest of random numbers stand in k random places, anew for each unit.
        places = np.argsort(rng.random((rows, columns)), axis=0)[:k]
        weights = np.zeros((rows, columns))
        values = rng.normal(0.0, self._stddev(rows), (k, columns))
        np.put_along_axis(weights, places, values, axis=0)
        return weights.reshape(shape)

    def _stddev(self, rows: int) -> float:
        return 1.0 / sqrt(min(self.k, rows)) if self.stddev is None else self.stddev

    def variance(self, shape: Shape) -> float:
        rows, _ = _matrix(self, shape)
        return min(self.k, rows) / rows * self._stddev(rows) ** 2


@dataclass(frozen=True)
class Identity(Initializer):
    """gain · I: each unit passes one input on; a convolution's kernel does so at its middle.

    >>> Identity()(np.random.default_rng(0), (2, 3))
    array([[1., 0., 0.],
           [0., 1., 0.]])

    Source: Le, Jaitly & Hinton, "A simple way to initialize recurrent networks of rectified
    linear units", arXiv:1504.00941 (2015).
    """

    gain: float = 1.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        _matrix(self, shape)
        weights = np.zeros(shape)
        middle = tuple((size - 1) // 2 for size in shape[:-2])
        weights[middle] = self.gain * np.eye(shape[-2], shape[-1])
        return weights

    def variance(self, shape: Shape) -> float:
        return 0.0


def _matrix(init: Initializer, shape: Shape) -> tuple[int, int]:
    """A kernel as a matrix: all that feeds one unit, by the units."""
    if len(shape) < 2:
        raise ShapeError(
            f"{type(init).__name__} fills kernels, which have two axes or more",
            got=f"shape {tuple(shape)}",
            line=user_line(),
            remedy="use Zeros or Constant for biases",
        )
    return prod(shape[:-1]), shape[-1]
