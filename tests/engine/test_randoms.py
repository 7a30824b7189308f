"""Random numbers made in registers: the reference's bits, wherever they are made and read.

Where they are fused with other steps these are exact too, on whole numbers.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, spatial
from chainrule.elementary.random import random_key, random_normal, random_uniform
from chainrule.engine.capture import capture
from chainrule.engine.native import threads
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.target import Target
from chainrule.engine.simplifying import simplified
from chainrule.tracing import flatten
from tests.engine.test_targets import AVX2, SSE2

KEY = np.int64(-0x0123456789ABCDEF)
SHAPES = [(), (1,), (3,), (16,), (101,), (7, 10), (5, 64), (3, 1), (1, 33), (2, 3, 5), (2, 3, 8)]
RNG = np.random.default_rng(0)
W = RNG.integers(-3, 4, (13, 50)).astype(np.float32)
X = RNG.integers(-3, 4, (37, 13)).astype(np.float32)
IMAGES, TAPS = (RNG.integers(-2, 3, s).astype(np.float32) for s in ((2, 8, 8, 2), (3, 3, 2, 6)))


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    cr.set_threads(None)


def uniform(key: Any, shape: Any, dtype: str = "float32", stream: int = 0) -> Any:
    return random_uniform(key, stream=stream, shape=shape, dtype=dtype)


def stored(key: Any, dtype: str) -> Any:
    return [uniform(key, shape, dtype, k) for k, shape in enumerate(SHAPES)]


def in_double(key: Any, x: Any) -> Any:
    """Masks in single precision among numbers in double."""
    x = x.astype(np.float64)
    return np.where(uniform(key, x.shape) > 0.3, x, 0.0), x * uniform(key, x.shape, "float64", 1)


def after_a_product(key: Any, w: Any, x: Any) -> Any:
    y = x @ w
    column = x @ w[:, :1]
    mask = uniform(key, y.shape) > 0.5
    return (
        np.where(mask, y, 0.0), cr.relu(x @ (w + 1)) * uniform(key, y.shape, "float32", 1), mask,
        column * uniform(key, column.shape, "float32", 2), (w.T @ x.T) * uniform(key, (50, 37)),
        x[:1] @ w[:, :1] * uniform(key, (1, 1), "float32", 3),
    )  # fmt: skip


def after_a_convolution(key: Any, k: Any, x: Any) -> Any:
    y = spatial.conv2d(x, k, padding="same")
    return y * (uniform(key, y.shape) > 0.5), y * uniform(key, (2, 1, 1, 6), "float32", 1)


def read_in_other_orders(key: Any, x: Any) -> Any:
    u = np.floor(uniform(key, (9, 20), "float64") * 64)
    wide = np.floor(uniform(key, (6, 5, 3), "float64", 1) * 64)
    return (
        u.sum(0), u.sum(1), u.max(), u.T + 1, u[::-1, 3:], wide.sum((0, 2)), wide.sum((0, 1)),
        wide.sum(0), x[:9, :1] * u,
    )  # fmt: skip


def of_keys(key: Any, number: Any) -> Any:
    part = random_key(key, number)
    return part, random_key(part, 2**40), uniform(random_key(part, 3), (5,))


def of_a_late_key(key: Any, w: Any, x: Any) -> Any:
    """Its number is known when a product is done."""
    y = x @ w
    late = random_key(key, np.max(y).astype(np.int64))
    return uniform(late, y.shape) * y, late


def alike(key: Any, x: Any) -> Any:
    """Kernels that differ in the key alone, or in the stream."""
    y = x
    for part, stream in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0)):
        u = uniform(random_key(key, part), x.shape, "float32", stream)
        y = (y * (u > 0.2))[::-1] + 1.0
    return y


def of_seeds(seed: Any, step: Any) -> Any:
    rng = nn.generator((seed, 4, step))
    return rng.random(5), rng.random(), nn.generator(seed).random(3, np.float32)


CASES: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "single": (lambda key: stored(key, "float32"), [KEY]),
    "double": (lambda key: stored(key, "float64"), [KEY]),
    "in double": (in_double, [KEY, X]),
    "product": (after_a_product, [KEY, W, X]),
    "double product": (after_a_product, [KEY, W.astype(float), X.astype(float)]),
    "convolution": (after_a_convolution, [KEY, TAPS, IMAGES]),
    "orders": (read_in_other_orders, [KEY, X.astype(float)]),
    "keys": (of_keys, [KEY, np.int64(7)]),
    "late key": (of_a_late_key, [KEY, W, X]),
    "alike": (alike, [KEY, X.astype(float)]),
    "seeds": (of_seeds, [5, 3]),
}


def same(found: Any, expected: Any) -> None:
    for x, y in zip(flatten(found)[0], flatten(expected)[0], strict=True):
        assert np.shape(x) == np.shape(y)
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", CASES)
def test_the_bits_of_the_reference(name: str) -> None:
    f, args = CASES[name]
    compiled = cr.compile(f)
    same(compiled(*args), f(*args))
    assert next(iter(compiled.versions.values())).run.is_native


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="code for x86-64")
@pytest.mark.parametrize("target", [AVX2, SSE2], ids=["AVX2", "SSE2"])
@pytest.mark.parametrize("name", CASES)
def test_the_same_bits_by_a_lesser_processor(name: str, target: Target) -> None:
    if target is AVX2 and not llvm.get_host_cpu_features().get("avx2"):
        pytest.skip("this processor has no AVX2")
    f, args = CASES[name]
    leaves, spec = flatten((tuple(args), {}))
    graph = capture(f, leaves, spec).graph
    same(Compiled(simplified(graph), target)(leaves), graph.run(leaves))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers(dtype: str) -> None:
    def f(key: Any) -> Any:
        shapes = enumerate([*SHAPES, (300, 100)])
        return [random_normal(key, stream=k, shape=s, dtype=dtype) for k, s in shapes]

    for x, y in zip(cr.compile(f)(KEY), f(KEY), strict=True):
        assert x.dtype == dtype
        np.testing.assert_allclose(x, y, rtol=16 * np.finfo(dtype).eps)


def test_the_same_bits_with_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "PAYS", 0.0)  # short calls are shared too
    monkeypatch.setattr(threads, "LATE", 1e9)

    def f(key: Any, x: Any) -> Any:
        noise = random_normal(key, stream=1, shape=x.shape, dtype="float32")
        kept = uniform(key, (x.shape[0], 401)) > 0.5
        long = uniform(key, (x.size,), "float64", 2)
        return x + noise, np.where(kept, x @ x[:401].T, 0.0), long

    x = RNG.standard_normal((601, 300)).astype(np.float32)
    found = set()
    for count in (1, 2, 3, 7):
        cr.set_threads(count)
        compiled = cr.compile(f)
        found.add(tuple(y.tobytes() for y in compiled(KEY, x)))
        assert count == 1 or next(iter(compiled.versions.values())).run.splits
    assert len(found) == 1


def test_a_loop_draws_anew_in_each_turn() -> None:
    def f(key: Any, x: Any) -> Any:
        def step(x: Any, k: Any) -> Any:
            return x + uniform(random_key(key, k), (3,), "float64"), x[0]

        return cr.scan(step, x, np.arange(4))

    expected = np.zeros(3)
    for k in range(4):
        expected = expected + uniform(random_key(KEY, k), (3,), "float64")
    for found in (cr.compile(f)(KEY, np.zeros(3)), f(KEY, np.zeros(3))):
        np.testing.assert_allclose(found[0], expected, rtol=1e-15)
