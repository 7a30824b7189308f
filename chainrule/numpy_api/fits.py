"""NumPy functions of samples that fit and count: least squares, polynomials, bins."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary import linalg as la
from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.elementary.indexing import Index, getitem, index_add
from chainrule.elementary.products import matmul
from chainrule.errors import ArgumentError, code_line
from chainrule.graph import Node, user_code
from chainrule.numpy_api import shapes
from chainrule.numpy_api.algebra import vander
from chainrule.numpy_api.common import array_of, plain, refuse


def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """The x that makes ‖A x − b‖ smallest, of several the shortest: A⁺ b.

    With A = Q R it is R⁻¹ Qᵀ b, and with Aᵀ = Q R the shortest is Q R⁻ᵀ b. A matrix of lower rank
    has a derivative by b alone.

    Returns:
        x, ‖A x − b‖² for each column of b (nothing if there are no more rows than columns), the
        rank, and the singular values, as NumPy does.

    >>> import chainrule as cr
    >>> line = np.vander([0.0, 1.0, 2.0], 2)
    >>> fit = cr.jacobian(lambda y: np.linalg.lstsq(line, y)[0])
    >>> fit(np.array([1.0, 2.0, 4.0])).round(3) + 0.0
    array([[-0.5  ,  0.   ,  0.5  ],
           [ 0.833,  0.333, -0.167]])

    Source: Golub & Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate", SIAM Journal on Numerical Analysis 10 (1973).
    """
    a, b = array_of(a), array_of(b)
    vector = len(shape_of(b)) == 1
    b = shapes.expand_dims(b, 1) if vector else b
    m, n = shape_of(a)
    q, r = la.qr(a if m >= n else shapes.transpose(a))
    values = la.svd(r)[1]
    cut = _cut(values, rcond, (m, n))
    rank = _rank(values, cut)
    if rank < min(m, n):
        if is_traced(a):
            raise _jump((m, n), rank)
        x = matmul(np.linalg.pinv(a, cut), b)
    elif m >= n:
        x = la.solve(r, matmul(shapes.transpose(q), b))
    else:
        x = matmul(q, la.solve(shapes.transpose(r), b))
    left = matmul(a, x) - b
    residuals = (left * left).sum(axis=0) if rank == n < m else left[:0, 0]
    return (x[:, 0] if vector else x), residuals, rank, values


def _cut(values: Any, rcond: Any, shape: tuple[int, int]) -> float:
    """The share of the largest singular value that counts as 0."""
    epsilon = float(np.finfo(value_of(values).dtype).eps)
    return epsilon * max(shape) if rcond is None else epsilon if rcond == -1 else rcond


def _rank(values: Any, cut: float) -> int:
    """How many singular values are not 0; all of those that are known only when code runs."""
    found = value_of(values)
    if isinstance(values, Node) and values.tape.static:
        return len(found)
    return int(np.sum(found > cut * found[0])) if len(found) else 0


def _jump(shape: tuple[int, int], rank: int) -> ArgumentError:
    return ArgumentError(
        "least squares have a derivative by the matrix where that has full rank: elsewhere the "
        "solution jumps",
        got=f"a matrix of shape {shape} and rank {rank}",
        line=code_line(*user_code(3)),
        remedy="leave columns out, add a penalty: np.linalg.solve(A.T @ A + c * np.eye(n), "
        "A.T @ b), or np.linalg.pinv(A) @ b for matrices whose rank stays",
    )


def polyfit(
    x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None,
    cov: Any = False,
) -> Any:  # fmt: skip
    """The coefficients of the polynomial of least squares, that of the highest power first.

    >>> import chainrule as cr
    >>> slope = lambda y: np.polyfit([0.0, 1.0, 2.0], y, 1)[0]
    >>> cr.grad(slope)(np.array([1.0, 2.0, 4.0])).round(12) + 0.0
    array([-0.5,  0. ,  0.5])
    """
    for option, given in (("full", full), ("cov", cov)):
        if given:
            raise refuse("polyfit", option, given, "take np.linalg.lstsq(np.vander(x, n), y)")
    if np.ndim(deg):
        raise refuse("polyfit", "deg", deg, "give one degree")
    x, y = array_of(x), array_of(y)
    matrix, n = vander(x * 1.0, int(deg) + 1), shape_of(x)[0]
    if w is not None:
        w = array_of(w)
        matrix = matrix * shapes.expand_dims(w, 1)
        y = y * shapes.reshape(w, (n, *(1,) * (len(shape_of(y)) - 1)))
    scale = np.sqrt((matrix * matrix).sum(axis=0))  # columns of length 1, as NumPy has them
    cut = n * np.finfo(value_of(matrix).dtype).eps if rcond is None else rcond
    found = lstsq(matrix / scale, y, cut)[0]
    return shapes.transpose(shapes.transpose(found) / scale)


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """Σ of the weights at each position; counts, which have no derivative, without them.

    >>> import chainrule as cr
    >>> cr.jacobian(lambda w: np.bincount([1, 0, 1], w))(np.array([2.0, 3.0, 4.0]))
    array([[0., 1., 0.],
           [1., 0., 1.]])
    """
    positions = plain(x, "the length of a bincount that is decided")
    if weights is None:
        return np.bincount(positions, minlength=minlength)
    length = len(np.bincount(positions, minlength=minlength))
    if len(positions) == 0 or shape_of(array_of(weights)) != shape_of(positions):
        return np.bincount(positions, value_of(weights), minlength)  # NumPy's error, or zeros
    return index_add(array_of(weights) * 1.0, shape=(length,), index=Index(positions))


def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """Σ of the weights in each bin: linear in the weights, and a step function of the data.

    >>> import chainrule as cr
    >>> cr.jacobian(lambda w: np.histogram([0.1, 0.9, 0.2], 2, (0, 1), weights=w)[0])(np.ones(3))
    array([[1., 0., 1.],
           [0., 1., 0.]])
    """
    if is_traced(a) or is_traced(bins) or not is_traced(weights):
        raise ArgumentError(
            "a histogram has a derivative by its weights, not by its data: it is a step of these",
            got="data or bins that are traced",
            line=code_line(*user_code(2)),
            remedy="a sum of smooth kernels has a slope; cr.stop_gradient(x).value has none",
        )
    edges = np.histogram_bin_edges(a, bins, range)
    places = np.ravel(np.searchsorted(edges, a, "right")) - 1
    places[np.ravel(a) == edges[-1]] = len(edges) - 2  # the last bin has both of its ends
    inside = np.flatnonzero((places >= 0) & (places < len(edges) - 1))
    kept = getitem(shapes.ravel(array_of(weights)), index=Index(inside))
    counts = index_add(kept, shape=(len(edges) - 1,), index=Index(places[inside]))
    if density:
        counts = counts / np.diff(edges) / counts.sum()
    return counts, edges


__all__ = ["bincount", "histogram", "lstsq", "polyfit"]
