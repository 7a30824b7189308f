"""Reductions in pieces that threads share: the values of NumPy, and the same bits always."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.capture import capture
from chainrule.engine.native import work
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.target import host
from chainrule.engine.native.threads import Worth
from chainrule.engine.simplifying import simplified
from chainrule.tracing import flatten


def rosenbrock(x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def standardised(x: Any) -> Any:
    return (x - x.mean(0)) / x.std(0)


# what is done, and with an array of what shape; in pieces?
CASES: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], bool]] = {
    "a sum": (lambda x: (np.tanh(x) * x).sum(), (70_003,), True),
    "blocks and no more": (lambda x: np.abs(x * x + 1).sum(), (2**16,), True),
    "with what it is made of": (cr.value_and_grad(rosenbrock), (20_001,), True),
    "columns": (lambda x: (x * x + 1).sum(0), (201, 301), True),
    "fewer rows than pieces": (lambda x: (np.tanh(x) * x + 1).sum(0), (11, 2001), True),
    "channels": (lambda x: (x * x + 1).sum((0, 1, 2)), (17, 28, 9, 16), True),
    "kinds": (lambda x: ((x + 1).sum(0), x.max(1), x.prod(0), np.exp(x).min()), (130, 301), True),
    "transposed": (lambda x: (x.T * x.T + 1).sum(0), (201, 307), True),
    "all of a matrix": (lambda x: np.abs(x).max() + x.min(), (233, 601), True),
    "twice": (standardised, (700, 130), True),
    "padded": (lambda x: (np.pad(x, 3) * 2 + 1).sum(), (50_000,), True),
    "whole numbers": (lambda x: (x.astype(np.int64) * 3).sum(), (60_000,), True),
    "rows": (lambda x: (x * x + 1).sum(1), (201, 301), False),
    "too few rows": (lambda x: (x * x + 1).sum(0), (3, 30_001), False),
}


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(work, "SPLIT", 0.0)  # short loops are shared, whatever the processor
    yield
    cr.set_threads(None)


def compiled(f: Any, x: np.ndarray, bits: int = 512) -> Compiled:
    leaves, spec = flatten(((x,), {}))
    target = replace(host(), bits=min(bits, host().bits))
    return Compiled(simplified(capture(f, leaves, spec).graph), target)


def results(run: Compiled, x: np.ndarray, threads: int) -> list[Any]:
    cr.set_threads(threads)
    run.worth = Worth(run.storage.threads, run.storage.threads, 1.0)
    return run([x])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_values_of_numpy_and_the_same_bits(case: str, dtype: str) -> None:
    f, shape, expected = CASES[case]
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    cr.set_threads(7)
    run = compiled(f, x)
    assert any(map(run.work.in_pieces, run.grouping.groups)) is expected
    found = [results(run, x, count) for count in (1, 2, 3, 7)]
    exact = flatten(f(x.astype(np.longdouble) if "int" not in case else x))[0]
    size = 1e-4 if dtype == "float32" else 1e-12
    for y, truth in zip(found[0], exact, strict=True):
        np.testing.assert_allclose(y, truth.astype(float), rtol=size, atol=size * 100)
    assert len({tuple(np.asarray(y).tobytes() for y in ys) for ys in found}) == 1


@pytest.mark.parametrize("bits", [256, 128])
@pytest.mark.parametrize("case", ["a sum", "columns", "channels", "kinds", "padded"])
def test_narrow_registers(case: str, bits: int) -> None:
    f, shape, _ = CASES[case]
    x = np.random.default_rng(0).standard_normal(shape)
    for y, truth in zip(results(compiled(f, x, bits), x, 3), flatten(f(x))[0], strict=True):
        np.testing.assert_allclose(y, truth, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_special_values_reach_their_columns(value: float) -> None:
    x = np.random.default_rng(0).standard_normal((333, 301))
    x[200, 7] = value
    run = compiled(lambda x: ((x + 1).sum(0), x.max(0), x.min()), x)
    with np.errstate(invalid="ignore"):
        for y, truth in zip(results(run, x, 3), ((x + 1).sum(0), x.max(0), x.min()), strict=True):
            np.testing.assert_allclose(y, truth, rtol=1e-12)


def test_long_sums_in_float32_keep_their_digits() -> None:
    x = np.full(3_000_000, np.float32(0.1))
    [total] = results(compiled(lambda x: (x * 1).sum() + 0, x), x, 2)
    np.testing.assert_allclose(total, np.float64(np.float32(0.1)) * x.size, rtol=3e-6)
