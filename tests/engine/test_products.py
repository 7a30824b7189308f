"""Generated matrix products: every orientation, odd sizes, parts of one, memory left alone."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.capture import capture
from chainrule.engine.native import ir, machine, work
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.ir import DOUBLE, I64
from chainrule.engine.native.products import (
    Product,
    turned,
)
from chainrule.engine.native.target import Target, host
from chainrule.engine.native.threads import Worth
from chainrule.engine.simplifying import simplified
from chainrule.tracing import flatten

SIZES = [(1, 1, 1), (1, 7, 40), (5, 1, 3), (3, 17, 1), (33, 20, 1), (16, 16, 16), (17, 33, 50),
         (50, 9, 100), (130, 300, 70), (40, 600, 280)]  # fmt: skip
KINDS = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2 + [ctypes.c_void_p]


def narrow(bits: int) -> Target:
    """The same processor with narrower registers."""
    return replace(host(), bits=min(bits, host().bits))


def product(spec: Product, target: Target) -> Any:
    def make() -> list[ir.Module]:
        module = ir.Module("product", target.triple)
        spec.emit(module, "product", target)
        return [module]

    code = machine.build(make, f"product {spec} {target.bits}", ["product"], target)
    return code.function("product", *KINDS)


@pytest.mark.parametrize("bits", [512, 256, 128])
@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products(dtype: str, transposed: str, bits: int) -> None:
    rng, target = np.random.default_rng(0), narrow(bits)
    for m, k, n in SIZES:
        spec = Product(m, k, n, dtype, "a" in transposed, "b" in transposed)
        a = rng.standard_normal((k, m) if spec.transpose_a else (m, k)).astype(dtype)
        b = rng.standard_normal((n, k) if spec.transpose_b else (k, n)).astype(dtype)
        memory = np.full(m * n + 64, 77.0, dtype)
        c = memory[32 : 32 + m * n].reshape(m, n)
        scratch = np.zeros(spec.scratch(target) + 64, np.uint8)
        whole = spec.parts(target)[2]
        product(spec, target)(
            a.ctypes.data, b.ctypes.data, c.ctypes.data, 0, whole, scratch.ctypes.data
        )
        left = a.T if spec.transpose_a else a
        right = b.T if spec.transpose_b else b
        exact = left.astype(np.longdouble) @ right.astype(np.longdouble)
        size = np.abs(left).astype(np.longdouble) @ np.abs(right)
        assert np.all(np.abs(c - exact) <= (k + 2) * np.finfo(dtype).eps * size), spec
        assert np.all(memory[:32] == 77.0), spec
        assert np.all(memory[32 + m * n :] == 77.0), spec


@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
@pytest.mark.parametrize("shape", [*SIZES, (50, 40, 70), (70, 20, 50), (16, 300, 400), (700, 9, 1)])
def test_parts_are_all_of_it_and_give_the_same_bits(
    shape: tuple[int, int, int], transposed: str
) -> None:
    m, k, n = shape
    spec = Product(m, k, n, "float32", "a" in transposed, "b" in transposed)
    rng, target = np.random.default_rng(1), host()
    a, b = (rng.standard_normal(size).astype(np.float32) for size in (m * k, k * n))
    whole, shared = np.zeros((2, m * n), np.float32)
    scratch = np.zeros(spec.scratch(target) + 64, np.uint8)
    run = product(spec, target)
    count, unit, end = spec.parts(target)
    run(a.ctypes.data, b.ctypes.data, whole.ctypes.data, 0, end, scratch.ctypes.data)
    threads = 3
    written = np.zeros(m * n, int)
    for thread in range(threads):
        first, last = (count * t // threads for t in (thread, thread + 1))
        limits = first * unit, end if last == count else last * unit
        before = shared.copy()
        run(a.ctypes.data, b.ctypes.data, shared.ctypes.data, *limits, scratch.ctypes.data)
        written += before != shared
    np.testing.assert_array_equal(shared, whole)
    assert np.all(written == 1)


@pytest.mark.parametrize("calls", [False, True])
@pytest.mark.parametrize("shape", [(19, 5, 37), (19, 5, 40), (40, 9, 1), (1, 6, 50)])
def test_the_epilogue_sees_each_element_once(shape: tuple[int, int, int], calls: bool) -> None:
    """Also where it stands in a function of its own, as one that calls functions does."""
    spec = Product(*shape, "float64")
    across = 1 if spec.n == 1 else spec.n  # one column is written along its rows
    target = host()

    def count(b: Any, vector: Any, row: Any, column: Any, mask: Any, function: Any) -> None:
        width = shape[0] if shape[2] == 1 else across
        for lane in range(vector.type.count):
            at = b.add(b.mul(row, ir.Constant(I64, width)), b.add(column, ir.Constant(I64, lane)))
            inside = b.extract_element(mask, ir.Constant(I64, lane)) if mask is not None else None

            def add(at: Any = at) -> None:
                place = b.gep(function.args[2], at, DOUBLE)
                b.store(b.fadd(b.load(place, DOUBLE), ir.Constant(DOUBLE, 1.0)), place)

            if inside is None:
                add()
            else:
                with b.if_then(inside):
                    add()

    count.calls = calls  # type: ignore[attr-defined]

    def make() -> list[ir.Module]:
        module = ir.Module("product", target.triple)
        spec.emit(module, "product", target, count)
        return [module]

    run = machine.build(make, f"counted {spec} {calls}", ["product"], target).function(
        "product", *KINDS
    )
    m, k, n = shape
    a, b, c = np.ones((m, k)), np.ones((k, n)), np.zeros((m, n))
    scratch = np.zeros(spec.scratch(target) + 64, np.uint8)
    whole = spec.parts(target)[2]
    run(a.ctypes.data, b.ctypes.data, c.ctypes.data, 0, whole, scratch.ctypes.data)
    np.testing.assert_array_equal(c, 1.0)
    assert turned(spec).k == k


@pytest.mark.parametrize("bits", [512, 128])
@pytest.mark.parametrize("shape", [(45, 20, 37), (37, 9, 111), (131, 40, 16)])
def test_what_is_reduced_is_not_stored(
    shape: tuple[int, int, int], bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "SPLIT", 0.0)  # short products are shared too
    m, k, n = shape
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(size).astype(np.float32) for size in ((k, m), (k, n))]

    def f(a: Any, b: Any) -> Any:
        return np.square(a.T @ b).sum(), np.abs(a.T @ b).max()

    leaves, spec = flatten((tuple(given), {}))
    run = Compiled(simplified(capture(f, leaves, spec).graph), narrow(bits))
    stored = [op for group in run.grouping.groups for op in group.stored]
    assert max(op.size for op in stored) < m * n
    found = []
    for threads in (1, 2, 3):
        cr.set_threads(threads)
        run.worth = Worth(run.storage.threads, run.storage.threads, 1.0)
        found.append(run(given))
    cr.set_threads(None)
    exact = given[0].T.astype(np.float64) @ given[1]
    np.testing.assert_allclose(found[0], [(exact**2).sum(), np.abs(exact).max()], rtol=2e-6)
    assert found[0] == found[1] == found[2]


def test_nan_and_infinity_pass() -> None:
    spec = Product(2, 3, 2, "float64")
    a = np.array([[0.0, 1.0, 2.0], [np.inf, 0.0, 1.0]])
    b = np.array([[np.nan, 1.0], [1.0, 1.0], [1.0, 0.0]])
    c = np.zeros((2, 2))
    product(spec, host())(a.ctypes.data, b.ctypes.data, c.ctypes.data, 0, 2, 0)
    np.testing.assert_array_equal(c, [[np.nan, 1.0], [np.nan, np.inf]])
