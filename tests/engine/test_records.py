"""Every record by both engines: value, both modes and the second order. A new record needs no test.

One compiled function returns all of them. They are drawn and shaped anew for each record, by its
name, so that the whole table meets all shapes; ``CHAINRULE_THOROUGH=1`` takes every shape.
"""

from __future__ import annotations

import os
import zlib
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.elementary import TABLE
from chainrule.elementary.base import Elementary, General, Linear, Pointwise
from chainrule.elementary.linalg import outputs, pick
from chainrule.tracing import flatten
from tests.elementary.truth import TERMS

POINTWISE = [f for f in TABLE.values() if isinstance(f, Pointwise)]
OTHERS = [f for f in TABLE.values() if isinstance(f, (Linear, General)) and f is not pick]
BITS = ("bitwise", "invert", "left_shift", "right_shift")
SHAPES: list[Any] = [
    ((), (), ()),
    ((1,), (1,), (1,)),
    ((0,), (0,), (0,)),
    ((3, 0), (1, 1), (3, 0)),
    ((7,), (7,), (7,)),
    ((17,), (), (17,)),
    ((1003,), (1003,), (1003,)),
    ((5, 1), (3,), (5, 3)),
    ((33,), (4, 1), ()),
    ((9, 7), (9, 7), (7,)),
    ((2, 3, 19), (3, 1), (1,)),
    ((1, 64), (3, 64), (64,)),
]
VALUE, SLOPE = 8, 400  # ulp of each result; of the largest of all results of a derivative
THOROUGH = bool(os.environ.get("CHAINRULE_THOROUGH"))


def laid_out(x: Any, rng: np.random.Generator) -> Any:
    """The same numbers, perhaps reversed, transposed, or every other one of an array in memory."""
    if np.ndim(x) == 0:
        return np.asarray(x)[()]
    kind = int(rng.integers(4))
    if kind == 0:
        wide = np.empty((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    if kind == 1:
        return x[::-1].copy()[::-1]
    return np.asfortranarray(x) if kind == 2 else x


def everything(fn: Elementary, args: Any, params: Any, varied: list[int]) -> Any:
    """A function of the varied arguments: value, tangent, cotangents, a second derivative."""
    rng = np.random.default_rng(1)

    def f(*xs: Any) -> Any:
        whole = list(args)
        for k, x in zip(varied, xs, strict=True):
            whole[k] = x
        if isinstance(fn, General) and fn.outputs > 1:
            return outputs(fn, *whole, **params)
        return fn(*whole, **params)

    xs = [args[k] for k in varied]
    ts = [np.asarray(rng.uniform(-1, 1, np.shape(x)), np.asarray(x).dtype)[()] for x in xs]
    weights = [np.asarray(rng.uniform(0.5, 1.5, np.shape(y))) for y in leaves(f(*xs))]

    def phi(*xs: Any) -> Any:
        rows = zip(weights, leaves(f(*xs)), strict=True)
        return sum((w.astype(y.dtype) * y).sum() for w, y in rows)

    def all_of_it(*xs: Any) -> Any:
        gradient = cr.grad(phi, argnums=tuple(range(len(xs))))
        slope, curvature = cr.jvp(gradient, xs, ts)
        return f(*xs), cr.jvp(f, xs, ts)[1], slope, curvature

    return all_of_it


def leaves(y: Any) -> list[Any]:
    return list(y) if isinstance(y, (tuple, list)) else [y]


def compare(f: Any, xs: Any, limit: float | None = VALUE) -> None:
    """Both engines at these arguments."""
    native, reference = cr.compile(f), cr.compile(f, engine="numpy")
    with np.errstate(all="ignore"):
        new, old = native(*xs), reference(*xs)
    for k, (a, b) in enumerate(zip(leaves(new), leaves(old), strict=True)):
        for x, y in zip(flatten(a)[0], flatten(b)[0], strict=True):
            assert np.shape(x) == np.shape(y)
            assert np.asarray(x).dtype == np.asarray(y).dtype
            near(x, y, limit if k == 0 else None)


def near(x: Any, y: Any, limit: float | None) -> None:
    """Within so many ulp of each element; None: of the largest."""
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype.kind != "f":
        np.testing.assert_array_equal(x, y)
        return
    eps = float(np.finfo(x.dtype).eps)
    size = float(np.max(np.abs(y), initial=0.0, where=np.isfinite(y)))
    scale = eps * size * SLOPE if limit is None else float(np.finfo(x.dtype).tiny)
    rtol = eps * (SLOPE if limit is None else limit)
    np.testing.assert_allclose(x, y, rtol=rtol, atol=scale, equal_nan=True)


def chosen(fn: Elementary, dtype: Any) -> list[Any]:
    first = zlib.crc32(f"{fn.name} {dtype}".encode())
    count = len(SHAPES) if THOROUGH else 2 if dtype is np.float64 else 1
    return [SHAPES[(first + 5 * k) % len(SHAPES)] for k in range(count)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("fn", POINTWISE, ids=lambda f: f.name)
def test_pointwise(fn: Pointwise, dtype: Any) -> None:
    rng = np.random.default_rng(zlib.crc32(fn.name.encode()))
    for shapes in chosen(fn, dtype):
        args = []
        for (low, high), shape in zip(fn.domain, shapes, strict=False):
            low, high = max(low, -3.0 if low < 0 else 0.1), min(high, max(3.0, low))
            x = rng.uniform(low, high, shape).astype(dtype)
            x = x > 0 if fn.name.startswith(BITS) else x
            args.append(laid_out(np.asarray(x), rng))
        varied = [k for k, p in enumerate(fn.partials) if p is not None]
        if varied and not fn.is_step:
            f = everything(fn, args, {}, varied)
            cancels = (fn.name, 0) in TERMS  # a sum near 0 has the error of its terms
            compare(f, [args[k] for k in varied], None if cancels else VALUE)
        else:
            compare(lambda *xs: fn(*xs), args)


CASES = [
    pytest.param(fn, args, params, id=f"{fn.name}-{number}")
    for fn in OTHERS
    for number, (args, params) in enumerate(fn.examples(np.random.default_rng(3)))
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("fn", "args", "params"), CASES)
def test_linear_and_general(fn: Elementary, args: Any, params: Any, dtype: Any) -> None:
    rng = np.random.default_rng(2)
    floats = [np.asarray(a).dtype.kind == "f" for a in args]
    args = [
        laid_out(np.asarray(a, dtype), rng) if is_float else a
        for a, is_float in zip(args, floats, strict=True)
    ]
    params = {k: np.dtype(dtype) if k == "dtype" else v for k, v in params.items()}
    varied = [k for k, yes in enumerate(floats) if yes]
    if isinstance(fn, Linear):
        varied = [k for k in varied if fn.differentiable(k)]
    if not varied:  # stop_gradient
        compare(lambda x: fn(x, **params), args)
        return
    f = everything(fn, args, params, varied)
    compare(f, [args[k] for k in varied], 64)


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan, 1e-310, -1e-310, 1e300, -1e300,
           710.0, -746.0, 3.0]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("fn", POINTWISE, ids=lambda f: f.name)
def test_special_values(fn: Pointwise, dtype: Any) -> None:
    """NaN and infinities come out where NumPy has them, whatever goes in."""
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL).astype(dtype)
        if fn.name.startswith(BITS):
            return
        grids = np.meshgrid(*[x] * len(fn.partials)) if len(fn.partials) < 3 else [x] * 3
        args = [g.ravel().astype(dtype) for g in grids]
        try:
            old = cr.compile(lambda *xs: fn(*xs), engine="numpy")(*args)
        except (ValueError, TypeError):
            pytest.skip("not made for these")
        new = cr.compile(lambda *xs: fn(*xs))(*args)
    new, old = np.asarray(new), np.asarray(old)
    if new.dtype.kind != "f":
        np.testing.assert_array_equal(new, old)
        return
    np.testing.assert_array_equal(np.isnan(new), np.isnan(old))
    np.testing.assert_array_equal(np.where(np.isinf(new), new, 0), np.where(np.isinf(old), old, 0))
    fine = np.isfinite(new)
    near(new[fine], old[fine], 64)
