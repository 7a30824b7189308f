"""Eigenvalues and trace of a symmetric matrix that is known by its products alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Product = Callable[[Array], Array]

WHOLE = 64  # rows up to which the whole matrix is made of its products
RESTARTS = 100  # of Lanczos, at most
VECTORS, FEWER, LARGE = 40, 20, 200_000  # kept by Lanczos; fewer where each is LARGE
COARSE = 0.3  # the tolerance beyond which nothing is looked for


class Spectrum(NamedTuple):
    """Some eigenvalues, or all.

    Attributes:
        values: ascending, shape (m,).
        vectors: one in each column, shape (n, m).
        residuals: ‖Hv − λv‖ for each: an eigenvalue lies within that of λ.
        whole: whether these are all.
        converged: whether Lanczos reached its tolerance.
    """

    values: Array
    vectors: Array
    residuals: Array
    whole: bool
    converged: bool


def ends_of(product: Product, n: int, k: int, tolerance: float, seed: int) -> Spectrum:
    """The k smallest and the k largest eigenvalues; all of them of a small matrix.

    By Lanczos with implicit restarts (ARPACK). Each end is found on H ∓ sI, s being the size of H,
    so that the tolerance is relative to that size and not to an eigenvalue that is nearly 0.

    Source: Lehoucq, Sorensen & Yang, *ARPACK Users' Guide* (SIAM 1998).
    """
    if n <= max(WHOLE, 2 * k + 2):
        matrix = np.stack([product(row) for row in np.eye(n)]) if n else np.zeros((0, 0))
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        residuals = np.linalg.norm(matrix @ vectors - vectors * values, axis=0)
        return Spectrum(values, signed(vectors), residuals, True, True)
    rng = np.random.default_rng(seed)
    [size], _, _ = _lanczos(product, n, 1, "LM", 0.05, rng)
    size = abs(float(size))
    if size == 0.0:  # nothing bends here, as far as a random start can tell
        return Spectrum(np.zeros(0), np.zeros((n, 0)), np.zeros(0), False, True)
    high, right, good = _lanczos(lambda v: product(v) + size * v, n, k, "LA", tolerance, rng)
    low, left, fine = _lanczos(lambda v: product(v) - size * v, n, k, "SA", tolerance, rng)
    values = np.concatenate([low + size, high - size])
    vectors = np.concatenate([left, right], axis=1)
    order = np.argsort(values, kind="stable")
    values, vectors = values[order], signed(vectors[:, order])
    gaps = [product(v) - x * v for x, v in zip(values, vectors.T, strict=True)]
    return Spectrum(values, vectors, np.linalg.norm(gaps, axis=1), False, good and fine)


def largest_of(product: Product, n: int, tolerance: float, seed: int) -> float:
    """The largest eigenvalue alone."""
    if n <= 2:
        return float(np.linalg.eigvalsh(np.stack([product(row) for row in np.eye(n)]))[-1])
    values, _, _ = _lanczos(product, n, 1, "LA", tolerance, np.random.default_rng(seed))
    return float(values[-1])


def _lanczos(
    product: Product, n: int, k: int, which: str, tolerance: float, rng: np.random.Generator
) -> tuple[Array, Array, bool]:
    """(eigenvalues, eigenvectors, whether they are as exact as was asked)."""
    from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigsh

    operator = LinearOperator((n, n), matvec=lambda v: product(np.ravel(v)), dtype=np.float64)
    start = rng.standard_normal(n)
    try:
        values, vectors = eigsh(
            operator, k, which=which, v0=start, tol=tolerance, maxiter=RESTARTS,
            ncv=min(n, max(2 * k + 1, VECTORS if n < LARGE else FEWER)),
        )  # fmt: skip
        return values, vectors, True
    except ArpackNoConvergence as error:
        if len(error.eigenvalues) < k and tolerance < COARSE:
            return (*_lanczos(product, n, k, which, 10.0 * tolerance, rng)[:2], False)
        return error.eigenvalues, error.eigenvectors, False
    except ArpackError:  # the product of every vector so far is 0
        return np.zeros(1), (start / np.linalg.norm(start))[:, None], True


def trace_of(
    product: Product, n: int, basis: Array, samples: int, seed: int
) -> tuple[float, float]:
    """(estimate of the trace, its standard error), by random signs.

    tr H = E[zᵀHz] for z of independent signs ±1. The part of H on the basis is taken exactly, and
    the signs see what is left, so that a few large eigenvalues do not make the estimate vary:

    tr H = tr(QᵀHQ) + E[(Pz)ᵀH(Pz)],  P = I − QQᵀ.

    Args:
        basis: Q, orthonormal columns, shape (n, m).
        samples: how many z.

    Source: Hutchinson, "A stochastic estimator of the trace of the influence matrix", Comm. Stat.
    Simul. 18 (1989); Gambhir, Stathopoulos & Orginos, "Deflation as a method of variance
    reduction", SIAM J. Sci. Comput. 39 (2017).
    """
    exact = float(sum(q @ product(q) for q in basis.T))
    rng = np.random.default_rng((seed, samples))
    found = np.empty(samples)
    for i in range(samples):
        z = rng.integers(0, 2, n) * 2.0 - 1.0
        z = z - basis @ (basis.T @ z)
        found[i] = z @ product(z)
    return exact + float(found.mean()), float(found.std(ddof=1) / np.sqrt(samples))


def signed(vectors: Array) -> Array:
    """The sign of an eigenvector is nobody's choice: its largest part is made positive."""
    if not vectors.size:
        return vectors
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    return vectors * np.where(largest < 0.0, -1.0, 1.0)
