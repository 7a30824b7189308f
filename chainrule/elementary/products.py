"""Products of vectors, matrices and tensors; each is linear in each of its arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.elementary.base import Linear, drawn, shape_of
from chainrule.elementary.shaping import broadcast_to, reshape, sum_to, transpose


def matrix_transpose(a: Any) -> Any:
    """Swap the last two axes."""
    n = len(shape_of(a))
    return transpose(a, axes=(*range(n - 2), n - 1, n - 2)) if n > 2 else transpose(a)


def _matmul_left(g: Any, a: Any, b: Any) -> Any:
    """Ḡ Bᵀ, with the one-dimensional cases of NumPy's matmul written as one-row matrices."""
    if len(shape_of(a)) == 2 and len(shape_of(b)) == 2:
        return matmul(g, transpose(b))
    g, a2, b2 = _matrices(g, a, b)
    return reshape(sum_to(matmul(g, matrix_transpose(b2)), shape=a2), shape=shape_of(a))


def _matmul_right(g: Any, a: Any, b: Any) -> Any:
    """Aᵀ Ḡ."""
    if len(shape_of(a)) == 2 and len(shape_of(b)) == 2:
        return matmul(transpose(a), g)
    b_shape = shape_of(b)
    if len(shape_of(a)) > 2 and len(b_shape) == 2:  # the sum over the stack is one high product
        k, n = b_shape
        rows = math.prod(shape_of(a)[:-1])
        return matmul(transpose(reshape(a, shape=(rows, k))), reshape(g, shape=(rows, n)))
    column = reshape(b, shape=(*b_shape, 1)) if len(b_shape) == 1 else b
    row = reshape(a, shape=(1, *shape_of(a))) if len(shape_of(a)) == 1 else a
    g, _, _ = _matrices(g, a, b)
    product = matmul(matrix_transpose(row), g)
    return reshape(sum_to(product, shape=shape_of(column)), shape=b_shape)


def _matrices(g: Any, a: Any, b: Any) -> tuple[Any, tuple[int, ...], Any]:
    """g and b as (stacks of) matrices, and the shape of a as one."""
    a_shape, b_shape, g_shape = shape_of(a), shape_of(b), shape_of(g)
    if len(b_shape) == 1:
        b, g_shape = reshape(b, shape=(*b_shape, 1)), (*g_shape, 1)
    if len(a_shape) == 1:
        a_shape, g_shape = (1, *a_shape), (*g_shape[:-1], 1, g_shape[-1])
    return reshape(g, shape=g_shape), a_shape, b


matmul = Linear(
    "matmul",
    lambda a, b: np.matmul(a, b),
    _matmul_left,
    _matmul_right,
    formula="a @ b",
    symbols=("g @ bᵀ", "aᵀ @ g"),
    examples=drawn(
        ((2, 3), (3, 4), {}), ((3,), (3,), {}), ((2, 3), (3,), {}), ((3,), (3, 2), {}),
        ((5, 2, 3), (3, 4), {}), ((2, 3), (5, 3, 2), {}), ((4, 1, 2, 3), (5, 3, 2), {}),
        ((5, 2, 3), (3,), {}), ((3,), (5, 3, 2), {}),
    ),
)  # fmt: skip


def _einsum(*operands: Any, subscripts: str) -> Any:
    return np.einsum(subscripts, *operands, optimize=len(operands) > 2)


def _einsum_adjoint(position: int, g: Any, *operands: Any, subscripts: str) -> Any:
    """The product of g with the other operands, summed to this operand's letters.

    A letter that this operand alone has was summed away: the cotangent is constant along it.
    Subscripts are explicit and each operand's letters are distinct (the NumPy table sees to it).
    """
    inputs, output = subscripts.split("->")
    letters = inputs.split(",")
    mine = letters[position]
    others = [s for i, s in enumerate(letters) if i != position]
    rest = [o for i, o in enumerate(operands) if i != position]
    known = "".join(c for c in mine if c in output or any(c in s for s in others))
    part = einsum(g, *rest, subscripts=",".join([output, *others]) + "->" + known)
    shape = shape_of(operands[position])
    sizes = dict(zip(known, shape_of(part), strict=True))
    kept = tuple(sizes.get(c, 1) for c in mine)
    full = tuple(n if k == 1 else k for k, n in zip(kept, shape, strict=True))
    part = broadcast_to(reshape(part, shape=kept), shape=full)
    return part if full == shape else sum_to(part, shape=shape)


einsum = Linear(
    "einsum",
    _einsum,
    _einsum_adjoint,
    formula="einsum(…)",
    symbols=("einsum of g with the other operands",),
    examples=drawn(
        ((2, 3), (3, 4), {"subscripts": "ij,jk->ik"}),
        ((2, 3), {"subscripts": "ij->j"}),
        ((2, 3), (3,), (3, 2), {"subscripts": "ij,j,jk->k"}),
    ),
    variadic=True,
)

convolve = Linear(
    "convolve",
    lambda a, b: np.convolve(a, b, "full"),
    lambda g, a, b: correlate_valid(g, b),
    lambda g, a, b: correlate_valid(g, a),
    symbols=("correlate(g, b)", "correlate(g, a)"),
    examples=drawn(((5,), (3,), {}), ((2,), (4,), {})),
)
# Σ_k g[n + k] b[k], wherever b fits into g: the adjoint of the full convolution.
correlate_valid = Linear(
    "correlate",
    lambda g, b: np.correlate(g, b, "valid"),
    lambda h, g, b: convolve(h, b),
    lambda h, g, b: correlate_valid(g, h),
    symbols=("convolve(g, b)", "correlate(a, g)"),
    examples=drawn(((6,), (3,), {})),
)

FUNCTIONS = (matmul, einsum, convolve, correlate_valid)
