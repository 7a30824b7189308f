"""Matrix functions in the terms of NumPy's loops, as numpy.linalg writes them.

numpy.linalg computes in double precision and rounds the results, and so does this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.engine.algebra import product, turned
from chainrule.engine.building import Builder, Rule
from chainrule.engine.native import ufuncs
from chainrule.engine.program import DOUBLE, Op, Shape
from chainrule.engine.rearranging import RULES as REARRANGING


def _loop(
    b: Builder, name: str, loop: str, args: Sequence[Op], *results: Shape, **params: Any
) -> list[Any]:
    """The results of a loop, which lie one after the other in what it makes."""
    params = {"ufunc": loop, "results": results, **params}
    if len(results) == 1:
        return [b.op(name, args, results[0], DOUBLE, **params)]
    sizes = [math.prod(shape) for shape in results]
    whole = b.op(name, args, (sum(sizes),), DOUBLE, **params)
    found, start = [], 0
    for shape, size in zip(results, sizes, strict=True):
        flat = b.part(whole, slice(start, start + size), (size,))
        found.append(b.reshape(flat, shape))
        start += size
    return found


def _given(b: Builder, args: Sequence[Any], *loops: str) -> list[Op] | None:
    """The arguments in double precision, if there is anything to do and these loops can do it."""
    known = all(isinstance(a, Op) and a.dtype.kind in "fi" and a.size for a in args)
    if not known or not all(map(ufuncs.has, loops)):
        return None
    return [b.astype(a, DOUBLE) for a in args]


def _rule(name: str, loop: str, result: Callable[[Shape], Shape]) -> Rule:
    """The rule of a function of a matrix with one result."""

    def rule(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
        given = _given(b, args, loop)
        if given is None:
            return None
        (y,) = _loop(b, name, loop, given, result(given[0].shape))
        return b.astype(y, dtype)

    return rule


def _solve(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    given = _given(b, args, "solve")
    if given is None or any(len(a.shape) < 2 for a in given):
        return None
    stack = shape[:-2]
    pair = [b.broadcast_to(a, (*stack, *a.shape[-2:])) for a in given]
    (y,) = _loop(b, "solve", "solve", pair, shape)
    return b.astype(y, dtype)


def _with_axis(b: Builder, a: Op, axis: int) -> Any:
    """One more axis of length one, counted from the last."""
    place = len(a.shape) + 1 + axis
    return b.reshape(a, (*a.shape[:place], 1, *a.shape[place:]))


def _pinv(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """v diag(1/s) uᵀ, without the singular values that are 0 but for rounding."""
    found = several(b, "svd", args)
    if found is None or params:
        return None
    u, s, vt = found
    wide = b.astype(s, DOUBLE)
    least = b.like("multiply", b.reduce("max", wide, (len(s.shape) - 1,), True), 1e-15)
    large = b.like("greater", wide, least)
    one, zero = dtype.type(1), dtype.type(0)
    inverse = b.like("divide", one, b.like("where", large, s, one), dtype=dtype)
    inverse = b.like("where", large, inverse, zero)
    scaled = b.like("multiply", _with_axis(b, inverse, -1), turned(b, u))
    return product(b, turned(b, vt), scaled)


def _cofactors(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """det(A)·A⁻ᵀ; where a matrix is singular, from its singular values."""
    given = _given(b, args, "svd_s", "inv", "det")
    if given is None:
        return None
    (a,), n = given, shape[-1]
    u, s, vt = _loop(b, "svd", "svd_s", [a], a.shape, a.shape[:-1], a.shape)

    def determinant(x: Op) -> Any:
        (y,) = _loop(b, "det", "det", [x], shape[:-2])
        return _with_axis(b, _with_axis(b, y, -1), -1)

    # A singular one has no inverse, and it is not asked for.
    (inverse,) = _loop(b, "inv", "inv", [a], shape, tolerant=True)
    regular = b.like("multiply", determinant(a), turned(b, inverse))
    table = b.like("where", b.table(np.eye(n, dtype=bool)), 1.0, _with_axis(b, s, -2))
    others = b.reduce("prod", table, (len(shape) - 1,), False)
    sign = b.like("multiply", determinant(u), determinant(vt))
    scale = b.like("multiply", sign, _with_axis(b, others, -2))
    singular = product(b, b.like("multiply", u, scale), vt)
    first, last = (b.part(s, (..., slice(k, k + 1)), (*shape[:-2], 1)) for k in (0, n - 1))
    condition = _with_axis(b, b.like("divide", first, last), -1)
    limit = 0.01 / np.finfo(dtype).eps
    holds = b.like("less", condition, float(limit))
    found = b.like("where", holds, regular, singular)
    return b.astype(found, dtype)


RULES: dict[str, Rule] = {
    "solve": _solve,
    "inv": _rule("inv", "inv", lambda shape: shape),
    "det": _rule("det", "det", lambda shape: shape[:-2]),
    "cholesky": _rule("cholesky", "cholesky_lo", lambda shape: shape),
    "cofactors": _cofactors,
    "pinv": _pinv,
}

# Functions with several results ------------------------------------------------------------------


def _slogdet(b: Builder, a: Op) -> list[Any] | None:
    given = _given(b, (a,), "slogdet")
    stack = a.shape[:-2]
    return given and _loop(b, "slogdet", "slogdet", given, stack, stack)


def _eigh(b: Builder, a: Op) -> list[Any] | None:
    given = _given(b, (a,), "eigh_lo")
    return given and _loop(b, "eigh", "eigh_lo", given, a.shape[:-1], a.shape)


def _svd(b: Builder, a: Op) -> list[Any] | None:
    given = _given(b, (a,), "svd_s")
    *stack, m, n = a.shape
    k = min(m, n)
    shapes = (*stack, m, k), (*stack, k), (*stack, k, n)
    return given and _loop(b, "svd", "svd_s", given, *shapes)


def _qr(b: Builder, a: Op) -> list[Any] | None:
    given = _given(b, (a,), "qr_r_raw", "qr_reduced")
    if given is None:
        return None
    *stack, m, n = a.shape
    k = min(m, n)
    raw, tau = _loop(b, "qr", "qr_r_raw", given, a.shape, (*stack, k))
    (q,) = _loop(b, "qr", "qr_reduced", (raw, tau), (*stack, m, k))
    r = b.part(raw, (..., slice(0, k), slice(None)), (*stack, k, n))
    return [q, REARRANGING["triu"](b, (r,), {}, r.shape, DOUBLE)]


SEVERAL: dict[str, Callable[[Builder, Op], list[Any] | None]] = {
    "slogdet": _slogdet,
    "eigh": _eigh,
    "svd": _svd,
    "qr": _qr,
}


def several(b: Builder, name: str, args: Sequence[Any]) -> list[Any] | None:
    """The results of a function that has several, each in the dtype of its argument."""
    rule, a = SEVERAL.get(name), args[0]
    found = rule(b, a) if rule is not None and isinstance(a, Op) else None
    if found is None:
        return None
    dtype = a.dtype if a.dtype.kind == "f" else DOUBLE
    return [b.astype(y, dtype) for y in found]


__all__ = ["RULES", "several"]
