"""Matrix functions: systems, inverses, determinants and factorisations, over stacks of matrices.

The differentials are those of Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation" (2008); Cholesky after Murray (2016), the singular value
decomposition after Townsend (2016), QR after Walter & Lehmann (2012), the pseudo-inverse after
Golub & Pereyra (1973). Where NumPy reads one triangle only (Cholesky, eigh) so does the derivative.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from chainrule.elementary.arithmetic import absolute
from chainrule.elementary.base import General, Linear, drawn, shape_of, value_of
from chainrule.elementary.indexing import diagonal, diagonal_add
from chainrule.elementary.logic import logical_or
from chainrule.elementary.products import matmul, matrix_transpose
from chainrule.elementary.reductions import max_, sum_
from chainrule.elementary.shaping import concatenate, reshape, sum_to, tril, where
from chainrule.errors import KinkWarning

_T = matrix_transpose

# One of several outputs; the modes know it.
pick = Linear(
    "pick",
    lambda a, k: a[k],
    None,
    formula="a[k]",
    symbols=("g for this output",),
    examples=lambda rng: iter(()),
)


def outputs(fn: General, *args: Any, **params: Any) -> tuple[Any, ...]:
    """The outputs of a function that returns several, each a node of its own."""
    result = fn(*args, **params)
    if isinstance(result, tuple):
        return result
    return tuple(pick(result, k=k) for k in range(fn.outputs))


def _eye(a: Any) -> np.ndarray:
    return np.eye(shape_of(a)[-1], dtype=value_of(a).dtype)


def _to(g: Any, a: Any) -> Any:
    shape = shape_of(a)
    return g if shape_of(g) == shape else sum_to(g, shape=shape)


def _matrix(s: Any) -> Any:
    """Scalars as 1×1 matrices, to multiply a stack of matrices by them."""
    return reshape(s, shape=(*shape_of(s), 1, 1))


def _well(rng: np.random.Generator, *stack: int, n: int = 3) -> np.ndarray:
    return rng.standard_normal((*stack, n, n)) + 3 * np.eye(n)


def _definite(rng: np.random.Generator, *stack: int, n: int = 3) -> np.ndarray:
    a = rng.standard_normal((*stack, n, n))
    return a @ np.swapaxes(a, -1, -2) + np.diag(np.arange(1.0, n + 1))


_SQUARE = drawn((lambda rng: _well(rng), {}), (lambda rng: _well(rng, 2), {}))
_DEFINITE = drawn((lambda rng: _definite(rng), {}), (lambda rng: _definite(rng, 2), {}))
_TALL = drawn(((4, 3), {}), ((2, 3, 3), {}))


# Systems ---------------------------------------------------------------------------------------


def _solve_jvp(t: Any, y: Any, a: Any, b: Any) -> Any:
    right = 0.0 if t[1] is None else t[1]
    if t[0] is not None:
        right = right - matmul(t[0], y)
    return solve(a, right)


def _solve_vjp(g: Any, y: Any, a: Any, b: Any) -> Any:
    gb = solve(_T(a), g)
    return _to(-matmul(gb, _T(y)), a), _to(gb, b)


solve = General(
    "solve", lambda a, b: np.linalg.solve(a, b), jvp=_solve_jvp, vjp=_solve_vjp,
    symbols=("−(a⁻ᵀ g) yᵀ", "a⁻ᵀ g"),
    examples=drawn(
        (lambda rng: _well(rng), (3, 2), {}), (lambda rng: _well(rng, 2), (2, 3, 1), {}),
        (lambda rng: _well(rng), (2, 3, 2), {}),
    ),
)  # fmt: skip
inv = General(
    "inv", np.linalg.inv,
    jvp=lambda t, y, a: -matmul(matmul(y, t[0]), y),
    vjp=lambda g, y, a: (-matmul(matmul(_T(y), g), _T(y)),),
    symbols=("−yᵀ g yᵀ",), examples=_SQUARE,
)  # fmt: skip


def _cofactors(a: np.ndarray) -> np.ndarray:
    """∂ det/∂A: det(A)·A⁻ᵀ; where A is singular, u diag(Πₖ≠ⱼ sₖ) vᵀ det(u vᵀ)."""
    if _is_regular(a):
        return np.asarray(np.linalg.det(a))[..., None, None] * np.swapaxes(np.linalg.inv(a), -1, -2)
    u, s, vt = np.linalg.svd(a)
    others = np.where(np.eye(s.shape[-1], dtype=bool), 1.0, s[..., None, :]).prod(axis=-1)
    sign = np.linalg.det(u) * np.linalg.det(vt)
    return (u * (sign[..., None] * others)[..., None, :]) @ vt


def _is_regular(a: Any) -> bool:
    """Whether all matrices of a stack have an inverse to compute with."""
    a = value_of(a)
    return bool(np.all(np.linalg.cond(a) < 0.01 / np.finfo(a.dtype).eps)) if a.size else True


def _cofactors_jvp(t: Any, y: Any, a: Any) -> Any:
    """∂²det is symmetric: both modes are C′[ȧ] = (⟨C, ȧ⟩ − C ȧᵀ) A⁻ᵀ; by minors if singular."""
    t = t[0]
    n = shape_of(a)[-1]
    if _is_regular(a):
        inner = _matrix(sum_(y * t, axis=(-2, -1))) * _eye(a) - matmul(y, _T(t))
        return matmul(inner, _T(inv(a)))
    if n == 1:
        return 0.0 * t
    keep = [np.array([k for k in range(n) if k != i]) for i in range(n)]
    rows = []
    for i in range(n):
        row = []
        for j in range(n):
            part = (..., keep[i][:, None], keep[j])
            moved = sum_(cofactors(a[part]) * t[part], axis=(-2, -1))
            row.append((-1.0) ** (i + j) * _matrix(moved))
        rows.append(concatenate(*row, axis=-1))
    return concatenate(*rows, axis=-2)


cofactors = General(
    "cofactors", _cofactors, jvp=_cofactors_jvp,
    vjp=lambda g, y, a: (_cofactors_jvp((g,), y, a),),
    symbols=("(⟨y, g⟩ − y gᵀ) a⁻ᵀ",), examples=_SQUARE,
)  # fmt: skip
det = General(
    "det", np.linalg.det,
    jvp=lambda t, y, a: sum_(cofactors(a) * t[0], axis=(-2, -1)),
    vjp=lambda g, y, a: (_matrix(g) * cofactors(a),),
    symbols=("g det(a) a⁻ᵀ",), examples=_SQUARE,
)  # fmt: skip


def _slogdet_jvp(t: Any, y: Any, a: Any) -> Any:
    return None, sum_(_T(inv(a)) * t[0], axis=(-2, -1))


def _slogdet_vjp(g: Any, y: Any, a: Any) -> Any:
    return (None if g[1] is None else _matrix(g[1]) * _T(inv(a)),)


_slogdet = General(
    "slogdet", lambda a: tuple(np.linalg.slogdet(a)), jvp=_slogdet_jvp, vjp=_slogdet_vjp,
    symbols=("g a⁻ᵀ",), examples=_SQUARE, outputs=2, steps=(0,),
)  # fmt: skip


def slogdet(a: Any) -> tuple[Any, ...]:
    return outputs(_slogdet, a)


# Symmetric matrices, of which NumPy reads one triangle ------------------------------------------


def symmetric(a: Any, triangle: str = "L") -> Any:
    """The symmetric matrix that the lower (or upper) triangle of a stands for."""
    a = _T(a) if triangle.upper() == "U" else a
    return tril(a, k=0) + _T(tril(a, k=-1))


def _symmetric_adjoint(g: Any) -> Any:
    return tril(g, k=0) + tril(_T(g), k=-1)


def _phi(a: Any) -> Any:
    """The lower triangle with half the diagonal."""
    return tril(a, k=0) - 0.5 * (_eye(a) * a)


def _cholesky_jvp(t: Any, y: Any, a: Any) -> Any:
    inner = solve(y, _T(solve(y, symmetric(t[0]))))
    return matmul(y, _phi(inner))


def _cholesky_vjp(g: Any, y: Any, a: Any) -> Any:
    middle = _phi(matmul(_T(y), tril(g, k=0)))
    left = solve(_T(y), middle)  # L⁻ᵀ Φ
    return (_symmetric_adjoint(_T(solve(_T(y), _T(left)))),)


cholesky = General(
    "cholesky", np.linalg.cholesky, jvp=_cholesky_jvp, vjp=_cholesky_vjp,
    symbols=("y⁻ᵀ Φ(yᵀ g) y⁻¹, symmetrised",), examples=_DEFINITE,
)  # fmt: skip


def _pairs(values: Any) -> tuple[Any, Any]:
    """A vector as a row and as a column, for tables of vⱼ and vᵢ."""
    shape = shape_of(values)
    row = reshape(values, shape=(*shape[:-1], 1, shape[-1]))
    return row, reshape(values, shape=(*shape, 1))


def _still(inner: Any) -> Any:
    """Where a matrix is 0 but for rounding, and on its diagonal."""
    given, size = value_of(inner), absolute(inner)
    noise = 100 * given.shape[-1] * np.finfo(given.dtype).eps
    small = size <= noise * max_(size, axis=(-2, -1), keepdims=True)
    return logical_or(small, np.eye(given.shape[-1], dtype=bool))


def _rotation(inner: Any, values: Any, at_equal: Any = 0.0) -> Any:
    """innerᵢⱼ/(wⱼ − wᵢ): by what vectors turn into each other; at_equal where wⱼ = wᵢ."""
    row, column = _pairs(values)
    difference = row - column
    same = difference == 0
    return where(same, at_equal, inner / where(same, 1.0, difference))


def _turn(inner: Any, values: Any) -> Any:
    """How eigenvectors turn along a tangent.

    Where wⱼ = wᵢ nothing says which vectors span the common space. That they rest is exact for what
    depends on the space as a whole, such as a projector, but not for v f(w) vᵀ.
    """
    row, column = _pairs(value_of(values))
    if inner.size and np.any((row == column) & ~value_of(_still(inner))):
        warnings.warn(
            "a tangent at equal eigenvalues or singular values: it is exact for symmetric "
            "functions of these and for what depends on the whole space that their vectors span, "
            "not for others, nor for v f(w) vᵀ",
            KinkWarning,
            stacklevel=2,
        )
    return _rotation(inner, values)


def _turn_adjoint(inner: Any, values: Any, alone: bool) -> Any:
    """The adjoint of `_turn`, from the skew part of vᵀ ḡ.

    Where wⱼ = wᵢ and inner is 0, nothing depends on which vectors span the common space, and 0 is
    exact; else there is no derivative, and it is NaN.

    Args:
        alone: whether the values have no cotangent. If they have one, inner says nothing: that of
            v f(w) vᵀ is (f(wⱼ) − f(wᵢ)) …, and f′(w) cannot be had from 0/0.
    """
    if not inner.size:
        return inner
    still = _still(inner) if alone else np.eye(shape_of(inner)[-1], dtype=bool)
    return _rotation(inner, values, where(still, 0.0, np.nan))


def _diag(v: Any) -> Any:
    n = shape_of(v)[-1]
    return diagonal_add(v, shape=(*shape_of(v), n), offset=0, axis1=-2, axis2=-1)


def _diagonal_of(a: Any) -> Any:
    return diagonal(a, offset=0, axis1=-2, axis2=-1)


def _symmetrical(a: Any) -> Any:
    return 0.5 * (a + _T(a))


def _skew(a: Any) -> Any:
    return 0.5 * (a - _T(a))


def _eigh_jvp(t: Any, y: Any, a: Any) -> Any:
    w, v = y
    inner = matmul(matmul(_T(v), symmetric(t[0])), v)
    return _diagonal_of(inner), matmul(v, _turn(inner, w))


def _eigh_vjp(g: Any, y: Any, a: Any) -> Any:
    (gw, gv), (w, v) = g, y
    middle = 0.0
    if gw is not None:
        middle = _diag(gw)
    if gv is not None:
        middle = middle + _turn_adjoint(_skew(matmul(_T(v), gv)), w, gw is None)
    return (_symmetric_adjoint(matmul(matmul(v, middle), _T(v))),)


_eigh = General(
    "eigh", lambda a: tuple(np.linalg.eigh(a)), jvp=_eigh_jvp, vjp=_eigh_vjp,
    symbols=("v (diag(g₀) + F∘(vᵀ g₁)) vᵀ",), examples=_DEFINITE, outputs=2,
)  # fmt: skip


def eigh(a: Any) -> tuple[Any, ...]:
    return outputs(_eigh, a)


# Factorisations -------------------------------------------------------------------------------


def _right_solve(a: Any, r: Any) -> Any:
    """a r⁻¹."""
    return _T(solve(_T(r), _T(a)))


def _qr_jvp(t: Any, y: Any, a: Any) -> Any:
    q, r = y
    scaled = _right_solve(t[0], r)
    inner = matmul(_T(q), scaled)
    lower = tril(inner, k=-1)
    turn = lower - _T(lower)
    return matmul(q, turn - inner) + scaled, matmul(inner - turn, r)


def _qr_vjp(g: Any, y: Any, a: Any) -> Any:
    (gq, gr), (q, r) = g, y
    m: Any = 0.0
    if gr is not None:
        m = matmul(r, _T(gr))
    if gq is not None:
        m = m - matmul(_T(gq), q)
    total = matmul(q, tril(m, k=0) + _T(tril(m, k=-1)))
    if gq is not None:
        total = total + gq
    return (_right_solve(total, _T(r)),)


_qr = General(
    "qr", lambda a: tuple(np.linalg.qr(a)), jvp=_qr_jvp, vjp=_qr_vjp,
    symbols=("(g₀ + q copyltu(r g₁ᵀ − g₀ᵀ q)) r⁻ᵀ",), examples=_TALL, outputs=2,
)  # fmt: skip


def qr(a: Any) -> tuple[Any, ...]:
    """The reduced factors; a wide matrix is factored by its leading square part."""
    m, n = shape_of(a)[-2:]
    if m >= n:
        return outputs(_qr, a)
    q, r = outputs(_qr, a[..., :m])
    return q, concatenate(r, matmul(_T(q), a[..., m:]), axis=-1)


def _reciprocal_sums(s: Any) -> Any:
    """1/(sᵢ + sⱼ), and 0 where both are 0."""
    row, column = _pairs(s)
    total = row + column
    return where(total == 0, 0.0, 1.0 / where(total == 0, 1.0, total))


def _svd_jvp(t: Any, y: Any, a: Any) -> Any:
    # With p = uᵀ da v, u turns by sym(p)/(sⱼ − sᵢ) + skew(p)/(sᵢ + sⱼ) and v by their difference.
    # So what depends on u vᵀ alone is exact where singular values are equal.
    u, s, vt = y
    v, row = _T(vt), _pairs(s)[0]
    inner = matmul(matmul(_T(u), t[0]), v)
    common, apart = _turn(_symmetrical(inner), s), _reciprocal_sums(s) * _skew(inner)
    du, dv = matmul(u, common + apart), matmul(v, common - apart)
    m, n = shape_of(a)[-2:]
    k = min(m, n)
    if m > k:
        rest = matmul(t[0], v)
        du = du + (rest - matmul(u, matmul(_T(u), rest))) / row
    if n > k:
        rest = matmul(_T(t[0]), u)
        dv = dv + (rest - matmul(v, matmul(_T(v), rest))) / row
    return du, _diagonal_of(inner), _T(dv)


def _svd_vjp(g: Any, y: Any, a: Any) -> Any:
    (gu, gs, gvt), (u, s, vt) = g, y
    v, row = _T(vt), _pairs(s)[0]
    m, n = shape_of(a)[-2:]
    k = min(m, n)
    middle: Any = 0.0 if gs is None else _diag(gs)
    outside: Any = 0.0
    common: Any = 0.0
    apart: Any = 0.0
    if gu is not None:
        common = apart = matmul(_T(u), gu)
        if m > k:
            scaled = gu / row
            outside = outside + matmul(scaled - matmul(u, matmul(_T(u), scaled)), vt)
    if gvt is not None:
        gv = _T(gvt)
        inner = matmul(vt, gv)
        common, apart = common + inner, apart - inner
        if n > k:
            scaled = gv / row
            outside = outside + matmul(u, _T(scaled - matmul(v, matmul(vt, scaled))))
    if gu is not None or gvt is not None:
        middle = middle + _turn_adjoint(_skew(common), s, gs is None)
        middle = middle + _reciprocal_sums(s) * _skew(apart)
    return (matmul(matmul(u, middle), vt) + outside,)


_svd = General(
    "svd", lambda a: tuple(np.linalg.svd(a, full_matrices=False)), jvp=_svd_jvp, vjp=_svd_vjp,
    symbols=("u (diag(g₁) + …) vᵀ",), examples=drawn(((4, 3), {}), ((2, 3, 3), {}), ((2, 4), {})),
    outputs=3,
)  # fmt: skip


def svd(a: Any) -> tuple[Any, ...]:
    return outputs(_svd, a)


def _pinv_jvp(t: Any, y: Any, a: Any) -> Any:
    da = t[0]
    total = -matmul(matmul(y, da), y)
    # y yᵀ daᵀ (1 − a y) and (1 − y a) daᵀ yᵀ y vanish where a has full rank on that side.
    part = matmul(matmul(y, _T(y)), _T(da))
    total = total + part - matmul(matmul(part, a), y)
    part = matmul(_T(da), matmul(_T(y), y))
    return total + part - matmul(y, matmul(a, part))


def _pinv_vjp(g: Any, y: Any, a: Any) -> Any:
    yt, gt = _T(y), _T(g)
    total = -matmul(matmul(yt, g), yt)
    part = matmul(gt, matmul(y, yt))
    total = total + part - matmul(_T(matmul(a, y)), part)
    part = matmul(matmul(yt, y), gt)
    return (total + part - matmul(part, _T(matmul(y, a))),)


pinv = General(
    "pinv", np.linalg.pinv, jvp=_pinv_jvp, vjp=_pinv_vjp,
    symbols=("−yᵀ g yᵀ + …",), examples=drawn(((4, 3), {}), ((2, 3), {}), ((2, 3, 3), {})),
)  # fmt: skip

FUNCTIONS = (solve, inv, det, cofactors, _slogdet, cholesky, _eigh, _qr, _svd, pinv, pick)
