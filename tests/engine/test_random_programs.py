"""Random programs by both engines: what the native one computes is what NumPy computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.engine.compiling import compile
from chainrule.tracing import flatten

SHAPES = [
    (),
    (1,),
    (5,),
    (17,),
    (64,),
    (3, 1),
    (4, 7),
    (7, 33),
    (2, 3, 19),
    (1, 40),
    (33, 1),
    (0, 3),
]
UNARY = [
    np.negative,
    np.square,
    np.abs,
    lambda x: np.sqrt(np.abs(x)),
    lambda x: np.maximum(x, 0.25),
]
BINARY = [np.add, np.subtract, np.multiply, np.maximum, np.minimum,
          lambda a, b: a / (1.5 + np.square(b))]  # fmt: skip


def program(seed: int) -> Any:
    """A function of three arrays: forty random steps, three random results."""

    def f(*given: Any) -> Any:
        rng = np.random.default_rng(seed)
        values = list(given)

        def some() -> Any:
            return values[int(rng.integers(max(0, len(values) - 12), len(values)))]

        for _ in range(40):
            kind = int(rng.integers(10))
            a = some()
            if kind <= 1:
                y = UNARY[int(rng.integers(len(UNARY)))](a)
            elif kind <= 4:
                fitting = [v for v in values if _fits(a, v)]
                b = fitting[int(rng.integers(len(fitting)))] if fitting else 0.5
                y = BINARY[int(rng.integers(len(BINARY)))](a, b)
            elif kind == 5:
                y = _reduced(a, rng)
            elif kind == 6:
                y = _viewed(a, rng)
            elif kind == 7:
                y = np.where(a > 0.1, a, -0.5 * a)
            elif kind == 8 and seed % 3:
                y = a.astype(np.float32 if rng.integers(2) else np.float64)
            elif kind == 8:
                y = np.minimum(a * a, 2.0)
            else:
                y = _padded(a, rng)
            values.append(y)
        return tuple(values[-3:])

    return f


def _fits(a: Any, b: Any) -> bool:
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return int(np.prod(shape)) <= 2000


def _reduced(a: Any, rng: Any) -> Any:
    axes = tuple(i for i in range(a.ndim) if rng.integers(2))
    keep = bool(rng.integers(2))
    if a.size == 0 or rng.integers(2):
        return np.sum(a, axis=axes, keepdims=keep) / 4.0
    return (np.max if rng.integers(2) else np.min)(a, axis=axes, keepdims=keep)


def _viewed(a: Any, rng: Any) -> Any:
    kind = int(rng.integers(5))
    if kind == 0:
        return np.transpose(a)
    if kind == 1:
        return np.reshape(a, (-1,)) if a.size else a
    if kind == 2 and a.ndim:
        return a[::-1]
    if kind == 3 and a.ndim and a.shape[-1] > 2:
        return a[..., 1:-1]
    return np.expand_dims(a, int(rng.integers(a.ndim + 1))) if a.ndim < 4 else a


def _padded(a: Any, rng: Any) -> Any:
    if a.ndim == 0 or a.size == 0 or a.size > 500:
        return a * 2.0
    out = np.zeros(tuple(n + 3 for n in a.shape), a.dtype, like=a)
    low = int(rng.integers(4))
    out[tuple(slice(low, low + n) for n in a.shape)] = a
    return out


def inputs(seed: int) -> list[Any]:
    rng = np.random.default_rng(1000 + seed)
    found = []
    for _ in range(3):
        shape = SHAPES[int(rng.integers(len(SHAPES)))]
        dtype = np.float32 if seed % 3 and rng.integers(2) else np.float64
        x = rng.standard_normal(shape).astype(dtype)
        found.append(x[::-1] if x.ndim and rng.integers(3) == 0 else x)
    return found


def assert_close(new: Any, old: Any, eps: float) -> None:
    for x, y in zip(flatten(new)[0], flatten(old)[0], strict=True):
        assert np.shape(x) == np.shape(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        with np.errstate(invalid="ignore"):
            scale = np.nanmax(np.abs(y), initial=1e-3) if np.size(y) else 1.0
        np.testing.assert_allclose(x, y, rtol=0, atol=200 * eps * float(scale))


@pytest.mark.parametrize("seed", range(120))
def test_values(seed: int) -> None:
    f, given = program(seed), inputs(seed)
    native, reference = compile(f), compile(f, engine="numpy")
    eps = np.finfo(np.float32 if seed % 3 else np.float64).eps  # every third is all in float64
    with np.errstate(all="ignore"):
        assert_close(native(*given), reference(*given), eps)
        again = [x + np.asarray(0.25, x.dtype) for x in given]
        assert_close(native(*again), reference(*again), eps)
