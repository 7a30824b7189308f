"""NumPy functions of vectors and matrices: products, contractions, numpy.linalg."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.elementary import linalg as la
from chainrule.elementary import shaping as sh
from chainrule.elementary.base import is_traced, shape_of
from chainrule.elementary.indexing import diagonal
from chainrule.elementary.products import convolve as full_convolution
from chainrule.elementary.products import einsum as contract
from chainrule.elementary.products import matmul
from chainrule.errors import ShapeError, code_line
from chainrule.graph import user_code
from chainrule.numpy_api import joining, shapes
from chainrule.numpy_api.common import arrays, refuse, stored
from chainrule.numpy_api.norms import norm


def _pair(a: Any, b: Any) -> tuple[Any, Any]:
    a, b = arrays((a, b))
    return (a if is_traced(a) else np.asarray(a)), (b if is_traced(b) else np.asarray(b))


def dot(a: Any, b: Any, out: Any = None) -> Any:
    a, b = _pair(a, b)
    na, nb = len(shape_of(a)), len(shape_of(b))
    if na == 0 or nb == 0:
        return stored(a * b, out)
    if nb <= 2:
        return stored(matmul(a, b), out)
    return stored(tensordot(a, b, (na - 1, nb - 2)), out)


def vdot(a: Any, b: Any) -> Any:
    a, b = _pair(a, b)
    return matmul(shapes.ravel(a), shapes.ravel(b))


def inner(a: Any, b: Any) -> Any:
    a, b = _pair(a, b)
    if not shape_of(a) or not shape_of(b):
        return a * b
    return tensordot(a, b, (-1, -1))


def outer(a: Any, b: Any, out: Any = None) -> Any:
    a, b = _pair(a, b)
    a, b = shapes.ravel(a), shapes.ravel(b)
    return stored(shapes.expand_dims(a, 1) * b, out)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Contraction over pairs of axes, as one matrix product."""
    a, b = _pair(a, b)
    na, nb = len(shape_of(a)), len(shape_of(b))
    if isinstance(axes, (int, np.integer)):
        over_a, over_b = list(range(na - int(axes), na)), list(range(int(axes)))
    else:
        over_a = [int(i) % na for i in np.ravel(axes[0])]
        over_b = [int(i) % nb for i in np.ravel(axes[1])]
    sizes_a = [shape_of(a)[i] for i in over_a]
    if sizes_a != [shape_of(b)[i] for i in over_b]:
        raise ShapeError(
            "the contracted axes of tensordot differ in length",
            got=f"shapes {shape_of(a)} and {shape_of(b)}, axes {axes}",
            line=code_line(*user_code(2)),
            remedy="name axes of equal length in both arrays",
        )
    free_a = [i for i in range(na) if i not in over_a]
    free_b = [i for i in range(nb) if i not in over_b]
    shape_a = [shape_of(a)[i] for i in free_a]
    shape_b = [shape_of(b)[i] for i in free_b]
    k = math.prod(sizes_a)
    left = sh.reshape(sh.transpose(a, axes=(*free_a, *over_a)), shape=(math.prod(shape_a), k))
    right = sh.reshape(sh.transpose(b, axes=(*over_b, *free_b)), shape=(k, math.prod(shape_b)))
    return sh.reshape(matmul(left, right), shape=(*shape_a, *shape_b))


def vecdot(a: Any, b: Any, /, *, axis: int = -1) -> Any:
    a, b = _pair(a, b)
    return (shapes.moveaxis(a, axis, -1) * shapes.moveaxis(b, axis, -1)).sum(axis=-1)


def _explicit(subscripts: str, ranks: list[int]) -> tuple[list[str], str]:
    """Subscripts with the ellipsis as letters and the output written out, as NumPy defines them."""
    subscripts = subscripts.replace(" ", "")
    inputs, arrow, output = subscripts.partition("->")
    terms = inputs.split(",")
    free = [
        c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in subscripts
    ]
    hidden = [
        r - len(t.replace("...", "")) if "..." in t else 0
        for t, r in zip(terms, ranks, strict=True)
    ]
    names = "".join(free[: max(hidden)])
    terms = [t.replace("...", names[len(names) - h :]) for t, h in zip(terms, hidden, strict=True)]
    if arrow:
        return terms, output.replace("...", names)
    joined = "".join(terms)
    single = sorted(c for c in set(joined) if joined.count(c) == 1 and c not in names)
    return terms, names + "".join(single)


def einsum(*operands: Any, out: Any = None, **kw: Any) -> Any:
    """np.einsum in both of its notations; a repeated letter in one operand takes a diagonal."""
    if not isinstance(operands[0], str):
        operands = _from_lists(operands)
    subscripts, *rest = operands
    values = [v if is_traced(v) else np.asarray(v) for v in arrays(rest)]
    terms, output = _explicit(subscripts, [len(shape_of(v)) for v in values])
    for i, term in enumerate(terms):
        for letter in dict.fromkeys(term):
            while term.count(letter) > 1:
                first = term.index(letter)
                second = term.index(letter, first + 1)
                values[i] = diagonal(values[i], offset=0, axis1=first, axis2=second)
                term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
        terms[i] = term
    result = contract(*values, subscripts=",".join(terms) + "->" + output)
    return stored(result, out)


def _from_lists(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    def letters(axes: Any) -> str:
        return "".join("..." if i is Ellipsis else chr(ord("a") + i) for i in axes)

    pairs = len(operands) // 2
    text = ",".join(letters(operands[2 * i + 1]) for i in range(pairs))
    if len(operands) % 2:
        text += "->" + letters(operands[-1])
    return (text, *operands[: 2 * pairs : 2])


def kron(a: Any, b: Any) -> Any:
    a, b = _pair(a, b)
    n = max(len(shape_of(a)), len(shape_of(b)))
    sa = (1,) * (n - len(shape_of(a))) + shape_of(a)
    sb = (1,) * (n - len(shape_of(b))) + shape_of(b)
    a = sh.reshape(a, shape=tuple(m for i in sa for m in (i, 1)))
    b = sh.reshape(b, shape=tuple(m for i in sb for m in (1, i)))
    return sh.reshape(a * b, shape=tuple(i * j for i, j in zip(sa, sb, strict=True)))


def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    """The cross product of vectors of three elements."""
    a, b = _pair(a, b)
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = shapes.moveaxis(a, axisa, -1), shapes.moveaxis(b, axisb, -1)
    if shape_of(a)[-1] != 3 or shape_of(b)[-1] != 3:
        raise ShapeError(
            "the cross product is taken of vectors of three elements",
            got=f"shapes {shape_of(a)} and {shape_of(b)}",
            line=code_line(*user_code(2)),
            remedy="append a zero to vectors of two elements",
        )
    a0, a1, a2 = (a[..., i] for i in range(3))
    b0, b1, b2 = (b[..., i] for i in range(3))
    parts = [a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0]
    return shapes.moveaxis(joining.stack(parts, -1), -1, axisc)


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """np.convolve of two vectors."""
    a, v = _pair(a, v)
    n, m = shape_of(a)[0], shape_of(v)[0]
    whole = full_convolution(a, v)
    if mode == "full":
        return whole
    length = max(n, m) if mode == "same" else max(n, m) - min(n, m) + 1
    start = (min(n, m) - 1) // 2 if mode == "same" else min(n, m) - 1
    if mode not in ("same", "valid"):
        raise ValueError(f"mode is 'full', 'same' or 'valid', not {mode!r}")
    return whole[start : start + length]


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """np.correlate of two vectors: Σ a[n + k] v[n]."""
    a, v = _pair(a, v)
    return convolve(a, shapes.flip(v), mode)


def polyval(p: Any, x: Any) -> Any:
    """Horner's rule, the coefficient of the highest power first."""
    p, x = _pair(p, x)
    y = x * 0.0
    for k in range(shape_of(p)[0]):
        y = y * x + p[k]
    return y


def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    powers = np.arange(shape_of(x)[0] if N is None else N)
    return shapes.expand_dims(x, 1) ** (powers if increasing else powers[::-1])


# numpy.linalg -----------------------------------------------------------------------------------


def solve(a: Any, b: Any) -> Any:
    a, b = _pair(a, b)
    if len(shape_of(b)) == 1:
        return la.solve(a, shapes.expand_dims(b, 1))[..., 0]
    return la.solve(a, b)


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The x for which tensordot(a, x, x.ndim) = b."""
    a, b = _pair(a, b)
    if axes is not None:
        moved = [k % len(shape_of(a)) for k in axes]
        a = shapes.transpose(a, [k for k in range(len(shape_of(a))) if k not in moved] + moved)
    shape, size = shape_of(a)[len(shape_of(b)) :], math.prod(shape_of(b))
    return shapes.reshape(solve(shapes.reshape(a, (size, -1)), shapes.ravel(b)), shape)


def tensorinv(a: Any, ind: int = 2) -> Any:
    shape = shape_of(a)
    flat = shapes.reshape(a, (math.prod(shape[:ind]), -1))
    return shapes.reshape(la.inv(flat), shape[ind:] + shape[:ind])


def inv(a: Any) -> Any:
    return la.inv(a)


def det(a: Any) -> Any:
    return la.det(a)


def slogdet(a: Any) -> Any:
    from numpy.linalg._linalg import SlogdetResult

    return SlogdetResult(*la.slogdet(a))


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    if upper:  # NumPy then reads the upper triangle
        return shapes.matrix_transpose(la.cholesky(shapes.matrix_transpose(a)))
    return la.cholesky(a)


def eigh(a: Any, UPLO: str = "L") -> Any:
    from numpy.linalg._linalg import EighResult

    return EighResult(*la.eigh(la.symmetric(a, UPLO)))


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return la.eigh(la.symmetric(a, UPLO))[0]


def qr(a: Any, mode: str = "reduced") -> Any:
    from numpy.linalg._linalg import QRResult

    if mode not in ("reduced", "r"):
        remedy = "mode='reduced' or mode='r': the other columns of q have no unique derivative"
        raise refuse("qr", "mode", mode, remedy)
    q, r = la.qr(a)
    return r if mode == "r" else QRResult(q, r)


def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    from numpy.linalg._linalg import SVDResult

    m, n = shape_of(a)[-2:]
    if compute_uv and full_matrices and m != n:
        raise ShapeError(
            "the full singular vectors of a matrix that is not square have no unique derivative",
            got=f"shape {shape_of(a)} with full_matrices=True",
            line=code_line(*user_code(2)),
            remedy="np.linalg.svd(a, full_matrices=False)",
        )
    u, s, vt = la.svd(la.symmetric(a) if hermitian else a)
    return SVDResult(u, s, vt) if compute_uv else s


def svdvals(a: Any, /) -> Any:
    return la.svd(a)[1]


def cond(x: Any, p: Any = None) -> Any:
    """The largest over the smallest singular value, or ‖A‖ ‖A⁻¹‖ in another norm."""
    if p in (None, 2, -2):
        values = la.svd(x)[1]
        first, last = values[..., 0], values[..., -1]
        return last / first if p == -2 else first / last
    return norm(x, p, (-2, -1)) * norm(la.inv(x), p, (-2, -1))


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    # The derivative is that of a matrix whose rank stays: it does not hold where a cutoff of one's
    # own sets singular values to 0 that are not.
    for option, cutoff in (("rcond", rcond), ("rtol", rtol)):
        if cutoff is not None and cutoff is not np._NoValue:  # type: ignore[attr-defined]
            raise refuse(
                "pinv", option, cutoff,
                "leave it out (values that are 0 but for rounding are cut), or choose the number k "
                "of singular values to keep: u, s, vt = np.linalg.svd(a, full_matrices=False); "
                "(vt[:k].T / s[:k]) @ u[:, :k].T",
            )  # fmt: skip
    return la.pinv(la.symmetric(a) if hermitian else a)


def matrix_power(a: Any, n: int) -> Any:
    """Repeated squaring."""
    if n < 0:
        return matrix_power(la.inv(a), -n)
    size = shape_of(a)[-1]
    if n == 0:
        return sh.where(np.zeros(shape_of(a), bool), a, np.eye(size))
    result = None
    while n:
        if n & 1:
            result = a if result is None else matmul(result, a)
        n >>= 1
        if n:
            a = matmul(a, a)
    return result


def multi_dot(chain: Any, *, out: Any = None) -> Any:
    """The product of a chain of matrices in the order with the fewest multiplications."""
    parts = arrays(chain)
    row, column = len(shape_of(parts[0])) == 1, len(shape_of(parts[-1])) == 1
    if row:
        parts[0] = shapes.expand_dims(parts[0], 0)
    if column:
        parts[-1] = shapes.expand_dims(parts[-1], 1)
    result = _product(parts)
    if column:
        result = result[..., 0]
    if row:
        result = result[0]
    return stored(result, out)


def _product(parts: list[Any]) -> Any:
    """The matrix-chain order by dynamic programming (Cormen et al., Introduction to Algorithms)."""
    n = len(parts)
    sizes = [shape_of(p)[0] for p in parts] + [shape_of(parts[-1])[1]]
    cost = [[0] * n for _ in range(n)]
    cut = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], cut[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )

    def build(i: int, j: int) -> Any:
        return parts[i] if i == j else matmul(build(i, cut[i][j]), build(cut[i][j] + 1, j))

    return build(0, n - 1)
