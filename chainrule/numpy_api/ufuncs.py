"""NumPy's universal functions: their records, and reduce, accumulate, outer, at, out, where."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

from chainrule.elementary import arithmetic as ar
from chainrule.elementary import exponential as ex
from chainrule.elementary import logic as lo
from chainrule.elementary import trigonometric as tr
from chainrule.elementary.base import is_traced, shape_of
from chainrule.elementary.indexing import Index, index_add
from chainrule.elementary.products import matmul
from chainrule.elementary.shaping import where
from chainrule.errors import UnsupportedFunctionError, code_line
from chainrule.graph import Node, user_code
from chainrule.numpy_api import joining, reduce, shapes, specials
from chainrule.numpy_api.common import array_of, full, plain, plain_key, plain_target, stored
from chainrule.numpy_api.lookup import nearest
from chainrule.numpy_api.positions import added, has_late


def _tied(both: Any, constant: Any) -> Any:
    """An extreme of two values: the tie is shared by two traced ones, none of it is a constant's.

    Against a constant the subgradient of least norm at the tie is 0.
    """

    def rule(a: Any, b: Any) -> Any:
        if is_traced(a) and is_traced(b):
            return both(a, b)
        return constant(a, b) if is_traced(a) else constant(b, a)

    return rule


TABLE: dict[Any, Any] = {
    np.add: ar.add, np.subtract: ar.subtract, np.multiply: ar.multiply, np.divide: ar.divide,
    np.negative: ar.negative, np.positive: ar.positive, np.power: ar.power,
    np.float_power: ar.power, np.square: ar.square, np.sqrt: ar.sqrt, np.cbrt: ar.cbrt,
    np.reciprocal: ar.reciprocal, np.absolute: ar.absolute, np.fabs: ar.absolute,
    np.copysign: ar.copysign, np.remainder: ar.remainder, np.fmod: ar.fmod, np.hypot: ar.hypot,
    np.heaviside: ar.heaviside,
    np.exp: ex.exp, np.exp2: ex.exp2, np.expm1: ex.expm1, np.log: ex.log, np.log2: ex.log2,
    np.log10: ex.log10, np.log1p: ex.log1p, np.logaddexp: ex.logaddexp,
    np.logaddexp2: ex.logaddexp2,
    np.sin: tr.sin, np.cos: tr.cos, np.tan: tr.tan, np.arcsin: tr.arcsin, np.arccos: tr.arccos,
    np.arctan: tr.arctan, np.arctan2: tr.arctan2, np.sinh: tr.sinh, np.cosh: tr.cosh,
    np.tanh: tr.tanh, np.arcsinh: tr.arcsinh, np.arccosh: tr.arccosh, np.arctanh: tr.arctanh,
    np.deg2rad: tr.deg2rad, np.radians: tr.deg2rad, np.rad2deg: tr.rad2deg,
    np.degrees: tr.rad2deg,
    np.greater: lo.greater, np.greater_equal: lo.greater_equal, np.less: lo.less,
    np.less_equal: lo.less_equal, np.equal: lo.equal, np.not_equal: lo.not_equal,
    np.logical_and: lo.logical_and, np.logical_or: lo.logical_or, np.logical_xor: lo.logical_xor,
    np.logical_not: lo.logical_not, np.bitwise_and: lo.bitwise_and, np.bitwise_or: lo.bitwise_or,
    np.bitwise_xor: lo.bitwise_xor, np.invert: lo.invert,
    np.isnan: lo.isnan, np.isinf: lo.isinf, np.isfinite: lo.isfinite, np.signbit: lo.signbit,
    np.floor: lo.floor, np.ceil: lo.ceil, np.rint: lo.rint, np.trunc: lo.trunc,
    np.sign: lo.sign, np.floor_divide: lo.floor_divide,
    np.matmul: matmul,
}  # fmt: skip

# Functions made of several records.
COMPOSED: dict[Any, Any] = {
    np.maximum: _tied(ar.maximum, ar.lower_bound),
    np.minimum: _tied(ar.minimum, ar.upper_bound),
    np.fmax: _tied(ar.fmax, ar.fmax_constant),
    np.fmin: _tied(ar.fmin, ar.fmin_constant),
    np.divmod: lambda a, b: (lo.floor_divide(a, b), ar.remainder(a, b)),
    np.modf: lambda a: (a - lo.trunc(a), lo.trunc(a)),
    np.vecdot: lambda a, b: reduce.sum(a * b, axis=-1),
    np.conjugate: lambda a: a,
}
if hasattr(np, "matvec"):  # from NumPy 2.2 on
    COMPOSED[np.matvec] = lambda a, b: matmul(a, shapes.expand_dims(b, -1))[..., 0]
    COMPOSED[np.vecmat] = lambda a, b: matmul(shapes.expand_dims(a, -2), b)[..., 0, :]

_REDUCE: dict[Any, Any] = {
    np.add: reduce.sum,
    np.multiply: reduce.prod,
    np.maximum: reduce.max,
    np.minimum: reduce.min,
    np.logaddexp: reduce.logsumexp,
    np.logical_and: reduce.all,
    np.logical_or: reduce.any,
}
_ACCUMULATE: dict[Any, Any] = {
    np.add: reduce.cumsum,
    np.multiply: reduce.cumprod,
    np.maximum: reduce.cummax,
    np.minimum: reduce.cummin,
}


def _rule(ufunc: Any) -> Any:
    rule = TABLE.get(ufunc) or COMPOSED.get(ufunc) or specials.rule_of(ufunc)
    if rule is None:
        raise UnsupportedFunctionError(
            f"{specials.name_of(ufunc)} has no derivative record",
            got="a traced value as an argument",
            line=code_line(*user_code(3)),
            remedy=nearest(ufunc.__name__),
        )
    return rule


def _unsupported(ufunc: Any, method: str) -> UnsupportedFunctionError:
    return UnsupportedFunctionError(
        f"{specials.name_of(ufunc)}.{method} has no derivative record",
        got="a traced value as an argument",
        line=code_line(*user_code(3)),
        remedy="write it with np.sum, np.prod, np.max, np.cumsum or a loop",
    )


def apply(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc call in any of NumPy's forms on at least one traced argument."""
    if method == "at" and ufunc in (np.add, np.subtract):
        return _add_at(ufunc, *inputs)  # a tuple in it is an index, not an array
    inputs = tuple(array_of(x) if isinstance(x, (list, tuple)) else x for x in inputs)
    if method == "__call__":
        return _call(ufunc, inputs, dict(kwargs))
    if method == "reduceat":
        return _reduce_at(ufunc, *inputs, **kwargs)
    if method == "reduce":
        rule = _REDUCE.get(ufunc)
        if rule is None:
            raise _unsupported(ufunc, method)
        axis = kwargs.pop("axis", 0)
        out = kwargs.pop("out", None)
        return stored(rule(inputs[0], axis=axis, **kwargs), out)
    if method == "accumulate":
        rule = _ACCUMULATE.get(ufunc) or functools.partial(_accumulated, ufunc)
        axis = kwargs.pop("axis", 0)
        return stored(rule(inputs[0], axis=axis), kwargs.pop("out", None))
    if method == "outer":
        a, b = inputs
        a = shapes.reshape(a, shape_of(a) + (1,) * len(shape_of(b)))
        return _call(ufunc, (a, b), dict(kwargs))
    raise _unsupported(ufunc, method)


def _accumulated(ufunc: Any, a: Any, axis: int = 0) -> Any:
    """Element after element: r₀ = a₀, rₖ = f(rₖ₋₁, aₖ)."""
    if ufunc.nin != 2 or ufunc.nout != 1:
        raise _unsupported(ufunc, "accumulate")
    a = shapes.moveaxis(a, axis, 0)
    parts = [a[k] for k in range(shape_of(a)[0])]
    made = list(itertools.accumulate(parts, lambda r, x: _call(ufunc, (r, x), {})))
    return joining.stack(made, axis) if made else a


def _reduce_at(ufunc: Any, a: Any, indices: Any, axis: int = 0, **kwargs: Any) -> Any:
    """Of each pair of neighbouring positions the reduction between them, or the first element."""
    rule = _REDUCE.get(ufunc)
    if rule is None:
        raise _unsupported(ufunc, "reduceat")
    a = shapes.moveaxis(a, axis, 0)
    starts = [int(k) for k in plain(indices)]
    ends = [*starts[1:], shape_of(a)[0]]
    parts = [rule(a[i:j], axis=0) if i < j else a[i] for i, j in zip(starts, ends, strict=True)]
    return stored(joining.stack(parts, axis), kwargs.get("out"))


def _add_at(ufunc: Any, y: Any, key: Any, v: Any) -> None:
    """np.add.at(y, key, v) for a traced y: repeated positions add up."""
    if not isinstance(y, Node):
        raise plain_target(y)
    if has_late(key):
        more = added(y, key, v)
        y[...] = y + more if ufunc is np.add else y - more  # type: ignore[index, operator]
        return
    index = Index(plain_key(key))
    shape = np.shape(y.value[index.key])
    v = full(array_of(v) if isinstance(v, (list, tuple)) else v, shape)
    more = index_add(v, shape=np.shape(y.value), index=index)
    y[...] = y + more if ufunc is np.add else y - more  # type: ignore[index, operator]


def _call(ufunc: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = kwargs.pop("out", None)
    mask = kwargs.pop("where", True)
    dtype = kwargs.pop("dtype", None)
    for name in ("casting", "order", "subok", "signature"):
        kwargs.pop(name, None)
    if out is not None and len(out) == 1:
        out = out[0]
    rule = _rule(ufunc)
    if mask is True:
        result = rule(*inputs)
    else:
        # Masked elements are replaced before the function sees them, so that neither a value
        # outside its domain nor 0·∞ in the derivative can come from them.
        result = rule(*(where(mask, x, 1.0) for x in inputs))
        if out is not None:
            result = where(mask, result, out)
    if dtype is not None:
        result = shapes.astype(result, dtype)
    return stored(result, out)
