"""The table of NumPy functions that accept traced values."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary import logic as lo
from chainrule.elementary.base import shape_of, value_of
from chainrule.elementary.products import matmul
from chainrule.elementary.trigonometric import sinc
from chainrule.errors import ArgumentError, code_line
from chainrule.graph import Node, user_code
from chainrule.numpy_api import (
    algebra,
    descriptive,
    fits,
    joining,
    norms,
    polynomials,
    ranges,
    reduce,
    selection,
    shapes,
    statistics,
)
from chainrule.numpy_api.common import array_of, decided, plain_target, stored


def _dtype_like(a: Any, dtype: Any) -> Any:
    return value_of(a).dtype if dtype is None else np.dtype(dtype)


def _fresh(array: np.ndarray, like: Any) -> Any:
    """A constant array as a traced one, so that it can be assigned into."""
    if array.dtype.kind != "f":
        return array
    return like.tape.append(None, (), {"name": "array"}, array, *user_code(3))


def zeros_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    shape = shape_of(a) if shape is None else shape
    return _fresh(np.zeros(shape, _dtype_like(a, dtype)), a)


def ones_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    shape = shape_of(a) if shape is None else shape
    return _fresh(np.ones(shape, _dtype_like(a, dtype)), a)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
    shape: Any = None,
) -> Any:  # fmt: skip
    shape = shape_of(a) if shape is None else shape
    if isinstance(fill_value, Node):
        return shapes.copy(shapes.broadcast_to(fill_value, shape))
    if not isinstance(a, Node):
        return np.full(shape, fill_value, _dtype_like(np.asarray(a), dtype))
    return _fresh(np.full(shape, fill_value, _dtype_like(a, dtype)), a)


def zeros(
    shape: Any, dtype: Any = float, order: str = "C", *, device: Any = None, like: Any
) -> Any:
    return _fresh(np.zeros(shape, dtype), like)


def ones(shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any) -> Any:
    return _fresh(np.ones(shape, dtype), like)


def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None,
    like: Any,
) -> Any:  # fmt: skip
    if isinstance(fill_value, Node):
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        filled = shapes.copy(shapes.broadcast_to(fill_value, shape))
        return filled if dtype is None else shapes.astype(filled, dtype)
    return _fresh(np.full(shape, fill_value, dtype), like)


def _made(function: Any) -> Any:
    """A function that makes an array: with ``like=x`` a traced one."""
    return lambda *args, like, **kw: _fresh(function(*args, **kw), like)


def array(object: Any, dtype: Any = None, *, like: Any, **kw: Any) -> Any:
    """np.array(..., like=x): nested lists that may hold traced values."""
    result = array_of(object)
    if not isinstance(result, Node):
        return _fresh(np.array(result, dtype), like)
    return result if dtype is None else shapes.astype(result, dtype)


def _value(function: Any) -> Any:
    """A function whose result is a plain fact about values: no derivative is expected of it."""
    what = "" if function in SHAPES_ALONE else f"a result of np.{function.__name__}"

    def call(*args: Any, **kwargs: Any) -> Any:
        given = [_plain(a, what) for a in args]
        return function(*given, **{k: _plain(v, what) for k, v in kwargs.items()})

    call.__name__ = function.__name__
    return call


def _plain(a: Any, what: str) -> Any:
    if isinstance(a, (list, tuple)):
        return [_plain(x, what) for x in a]
    if what:
        decided(a, what)
    return value_of(a)


def _isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """|a − b| ≤ atol + rtol·|b|, and equal infinities."""
    a, b = array_of(a), array_of(b)
    near = np.logical_and(np.isfinite(b), np.abs(a - b) <= atol + rtol * np.abs(b))
    near = np.logical_or(near, lo.equal(a, b))
    return np.logical_or(near, np.logical_and(np.isnan(a), np.isnan(b))) if equal_nan else near


def _digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """The bin of each element: how many bounds are below it, or above it where they decrease."""
    bins = np.asarray(_plain(bins, "the order of bins that are decided"))
    side = "left" if right else "right"
    if len(bins) > 1 and bins[0] > bins[-1]:
        return len(bins) - lo.searchsorted(bins[::-1], x, side=side)
    return lo.searchsorted(bins, x, side=side)


def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    if not isinstance(dst, Node):
        raise plain_target(dst)
    if where is True:
        dst[...] = src  # type: ignore[index]
    else:
        dst[...] = selection.where(where, src, dst)  # type: ignore[index]


def _fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    if len(shape_of(a)) != 2 or wrap:
        raise ArgumentError(
            "fill_diagonal of a traced value takes a matrix and no wrap",
            got=f"shape {shape_of(a)}, wrap={wrap}",
            line=code_line(*user_code(2)),
            remedy="write a[np.arange(n), np.arange(n)] = value",
        )
    if not isinstance(a, Node):
        raise plain_target(a)
    n = min(shape_of(a))
    a[np.arange(n), np.arange(n)] = val  # type: ignore[index]


# They look at shapes and dtypes, or only print: the same for all values of a compiled function.
SHAPES_ALONE = (
    np.shape, np.ndim, np.size, np.isrealobj, np.iscomplexobj, np.result_type, np.can_cast,
    np.isreal, np.iscomplex, np.array_repr, np.array_str, np.array2string, np.common_type,
    np.shares_memory, np.may_share_memory,
)  # fmt: skip
VALUES = (
    *SHAPES_ALONE, np.array_equal, np.array_equiv, np.nonzero, np.flatnonzero, np.argwhere,
    np.min_scalar_type, np.lexsort, np.isin, np.unravel_index, np.ravel_multi_index, np.ix_,
)  # fmt: skip
# Steps: facts about the values that are computed anew each time.
STEPS: dict[Any, Any] = {
    np.isclose: _isclose, np.digitize: _digitize,
    np.allclose: lambda *args, **kw: reduce.all(_isclose(*args, **kw)),
    np.isposinf: lambda x, out=None: lo.equal(x, np.inf),
    np.isneginf: lambda x, out=None: lo.equal(x, -np.inf),
}  # fmt: skip

TABLE: dict[Any, Any] = {
    # shapes
    np.reshape: shapes.reshape, np.ravel: shapes.ravel, np.transpose: shapes.transpose,
    np.permute_dims: shapes.transpose, np.matrix_transpose: shapes.matrix_transpose,
    np.linalg.matrix_transpose: shapes.matrix_transpose,
    np.swapaxes: shapes.swapaxes, np.moveaxis: shapes.moveaxis, np.rollaxis: shapes.rollaxis,
    np.expand_dims: shapes.expand_dims, np.squeeze: shapes.squeeze,
    np.broadcast_to: shapes.broadcast_to, np.broadcast_arrays: shapes.broadcast_arrays,
    np.atleast_1d: shapes.atleast_1d, np.atleast_2d: shapes.atleast_2d,
    np.atleast_3d: shapes.atleast_3d, np.copy: shapes.copy,
    np.astype: shapes.astype, np.concatenate: joining.concatenate, np.concat: joining.concatenate,
    np.stack: joining.stack, np.hstack: joining.hstack, np.vstack: joining.vstack,
    np.dstack: joining.dstack, np.column_stack: joining.column_stack, np.append: joining.append,
    np.split: joining.split, np.array_split: joining.array_split, np.hsplit: joining.hsplit,
    np.vsplit: joining.vsplit, np.dsplit: joining.dsplit, np.unstack: joining.unstack,
    np.block: joining.block, np.delete: joining.delete, np.insert: joining.insert,
    np.resize: joining.resize, np.pad: joining.pad, np.flip: shapes.flip, np.fliplr: shapes.fliplr,
    np.flipud: shapes.flipud, np.roll: shapes.roll, np.rot90: shapes.rot90, np.tile: shapes.tile,
    np.repeat: shapes.repeat, np.take: shapes.take, np.take_along_axis: shapes.take_along_axis,
    np.compress: shapes.compress, np.extract: shapes.extract, np.diagonal: shapes.diagonal,
    np.linalg.diagonal: lambda a, offset=0: shapes.diagonal(a, offset, -2, -1),
    np.diag: shapes.diag, np.diagflat: shapes.diagflat, np.trace: shapes.trace,
    np.linalg.trace: lambda a, offset=0, dtype=None: shapes.trace(a, offset, -2, -1),
    np.tril: shapes.tril, np.triu: shapes.triu, np.meshgrid: joining.meshgrid,
    np.where: selection.where, np.select: selection.select, np.choose: selection.choose,
    np.piecewise: selection.piecewise, np.interp: selection.interp, np.copyto: _copyto,
    np.fill_diagonal: _fill_diagonal, np.apply_along_axis: joining.apply_along_axis,
    np.lib.stride_tricks.sliding_window_view: shapes.sliding_window_view,
    np.linspace: ranges.linspace, np.logspace: ranges.logspace, np.geomspace: ranges.geomspace,
    # reductions
    np.sum: reduce.sum, np.mean: reduce.mean, np.var: reduce.var, np.std: reduce.std,
    np.prod: reduce.prod, np.max: reduce.max, np.amax: reduce.max, np.min: reduce.min,
    np.amin: reduce.min, np.ptp: reduce.ptp, np.cumsum: reduce.cumsum, np.cumprod: reduce.cumprod,
    np.average: statistics.average, np.median: statistics.median,
    np.nanmedian: statistics.nanmedian, np.sort: reduce.sort,
    np.diff: statistics.diff, np.ediff1d: statistics.ediff1d, np.trapezoid: statistics.trapezoid,
    np.clip: reduce.clip, np.round: reduce.round, np.around: reduce.round,
    np.nansum: statistics.nansum, np.nanmean: statistics.nanmean, np.nanmax: statistics.nanmax,
    np.nanmin: statistics.nanmin, np.nanprod: statistics.nanprod, np.nanvar: statistics.nanvar,
    np.nanstd: statistics.nanstd, np.nancumsum: statistics.nancumsum,
    np.nancumprod: statistics.nancumprod, np.nanargmax: statistics.nanargmax,
    np.nanargmin: statistics.nanargmin, np.nan_to_num: statistics.nan_to_num,
    np.linalg.norm: norms.norm,
    np.linalg.vector_norm: norms.vector_norm, np.linalg.matrix_norm: norms.matrix_norm,
    np.argmax: reduce.argmax, np.argmin: reduce.argmin, np.argsort: reduce.argsort,
    np.searchsorted: reduce.searchsorted, np.all: reduce.all, np.any: reduce.any,
    np.count_nonzero: reduce.count_nonzero, np.cumulative_sum: reduce.cumulative_sum,
    np.cumulative_prod: reduce.cumulative_prod,
    # samples and curves
    np.quantile: descriptive.quantile, np.percentile: descriptive.percentile,
    np.nanquantile: descriptive.nanquantile, np.nanpercentile: descriptive.nanpercentile,
    np.bincount: fits.bincount, np.histogram: fits.histogram, np.polyfit: fits.polyfit,
    np.polyadd: polynomials.polyadd, np.polysub: polynomials.polysub,
    np.polymul: polynomials.polymul, np.polyder: polynomials.polyder,
    np.polyint: polynomials.polyint, np.cov: descriptive.cov,
    np.corrcoef: descriptive.corrcoef, np.gradient: descriptive.gradient,
    np.unwrap: descriptive.unwrap, np.partition: descriptive.partition,
    np.argpartition: descriptive.argpartition, np.put_along_axis: descriptive.put_along_axis,
    # algebra
    np.dot: algebra.dot, np.vdot: algebra.vdot, np.inner: algebra.inner, np.outer: algebra.outer,
    np.linalg.outer: algebra.outer, np.tensordot: algebra.tensordot, np.einsum: algebra.einsum,
    np.kron: algebra.kron, np.polyval: algebra.polyval, np.vander: algebra.vander,
    np.cross: algebra.cross, np.linalg.cross: algebra.cross,
    np.convolve: algebra.convolve, np.correlate: algebra.correlate,
    np.linalg.tensordot: algebra.tensordot, np.linalg.vecdot: algebra.vecdot,
    np.linalg.matmul: matmul,
    np.linalg.solve: algebra.solve, np.linalg.inv: algebra.inv, np.linalg.det: algebra.det,
    np.linalg.slogdet: algebra.slogdet, np.linalg.cholesky: algebra.cholesky,
    np.linalg.eigh: algebra.eigh, np.linalg.eigvalsh: algebra.eigvalsh, np.linalg.qr: algebra.qr,
    np.linalg.svd: algebra.svd, np.linalg.svdvals: algebra.svdvals, np.linalg.pinv: algebra.pinv,
    np.linalg.cond: algebra.cond, np.linalg.tensorsolve: algebra.tensorsolve,
    np.linalg.tensorinv: algebra.tensorinv, np.linalg.lstsq: fits.lstsq,
    np.linalg.matrix_power: algebra.matrix_power, np.linalg.multi_dot: algebra.multi_dot,
    # constants and facts
    np.zeros_like: zeros_like, np.ones_like: ones_like, np.full_like: full_like,
    np.empty_like: zeros_like,
    np.sinc: sinc, np.real: lambda x: x, np.real_if_close: lambda a, tol=100: a,
    np.imag: lambda val: np.zeros(shape_of(val), value_of(val).dtype)[()],
    np.fix: lambda x, out=None: stored(lo.trunc(array_of(x)), out),
    **STEPS, **{f: _value(f) for f in VALUES},
}  # fmt: skip

# Called with like=x. NumPy takes ``like`` away before it asks x, so x itself is passed on.
CREATION: dict[Any, Any] = {
    np.zeros: zeros, np.empty: zeros, np.ones: ones, np.full: full, np.array: array,
    np.asarray: array, **{f: _made(f) for f in (np.arange, np.eye, np.identity, np.tri)},
}  # fmt: skip
