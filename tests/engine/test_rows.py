"""Loops over the same rows as one kernel: softmax, normalization, and what goes on with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.capture import capture
from chainrule.engine.native import rows
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.groups import Group
from chainrule.engine.native.target import host
from chainrule.engine.simplifying import simplified
from chainrule.tracing import flatten

SHAPES: list[tuple[int, ...]] = [
    (1, 1), (16, 2), (1, 5), (5, 1), (3, 7), (128, 10), (37, 10), (16, 16), (19, 17), (40, 33),
    (5, 64), (7, 200), (2, 3, 9), (3, 1, 11), (4, 5, 6, 7), (3, 1031), (0, 4), (4, 0),
]  # fmt: skip


def softmax(x: Any, w: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True) * w


def normalized(x: Any, w: Any) -> Any:
    """A layer norm whose scale is the first row of w."""
    d = x - np.mean(x, axis=-1, keepdims=True)
    scale = w.reshape((-1, w.shape[-1]))[0] if w.size else 1.0
    return d / np.sqrt(np.mean(d * d, axis=-1, keepdims=True) + 1e-5) * scale + w


def of_length_one(x: Any, w: Any) -> Any:
    return x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True)) - w


def logsumexp(x: Any, w: Any) -> Any:
    return cr.logsumexp(x + w, axis=-1)


def chosen(x: Any, w: Any) -> Any:
    """Truth values that a later loop reads, and a number of each row beside its elements."""
    above = x > np.mean(x, axis=-1, keepdims=True)
    best = np.max(np.where(above, w, 0.0), axis=-1, keepdims=True)
    return np.where(above, w - best, x), np.sum(above, axis=-1)


FUNCTIONS: list[Callable[..., Any]] = [softmax, normalized, of_length_one, logsumexp, chosen]


@pytest.fixture(params=["as it pays", "rows in lanes", "one by one"])
def always(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The choices between kernels, or always the same."""
    chosen = str(request.param)
    if chosen != "as it pays":
        short = rows.SHORT if chosen == "rows in lanes" else 0
        monkeypatch.setenv("CHAINRULE_CACHE", "off")
        for name, x in {"SHORT": short, "SHORTEST": short, "FEWEST": 1, "LARGE": 0}.items():
            monkeypatch.setattr(rows, name, x)
    return chosen


def drawn(shape: tuple[int, ...], dtype: Any, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def kernels(compiled: Any) -> list[Group]:
    (version,) = compiled.versions.values()
    return list(version.run.grouping.groups)


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_rows(f: Any, dtype: Any, always: str) -> None:
    """Against NumPy in double precision, with its NaN and infinities."""
    for shape in SHAPES:
        if 0 in shape and f is not of_length_one:
            continue  # NumPy refuses the largest of nothing
        x, w = drawn(shape, dtype, 0), drawn(shape, dtype, 1)
        compiled = cr.compile(f)
        for special in (None, np.nan, np.inf, -np.inf, 1e30):
            if special is not None and x.size:
                x.flat[x.size // 2] = special
            with np.errstate(all="ignore"):
                plain = flatten(f(x, w))[0]
                exact = flatten(f(x.astype(float), w.astype(float)))[0]
                found = flatten(compiled(x, w))[0]
            for got, same, truth in zip(found, plain, exact, strict=True):
                assert np.asarray(got).dtype == np.asarray(same).dtype
                assert np.shape(got) == np.shape(truth)
                if special is None:
                    scale = np.finfo(dtype).eps * 40
                    np.testing.assert_allclose(got, truth, rtol=scale, atol=scale)
                else:
                    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(same))
                    np.testing.assert_array_equal(np.isnan(got), np.isnan(same))


@pytest.mark.parametrize("f", FUNCTIONS[:4], ids=lambda f: f.__name__)
def test_derivatives(f: Any, always: str) -> None:
    for shape in [(128, 10), (19, 17), (2, 3, 9), (6, 70)]:
        x, w = drawn(shape, np.float64, 2), drawn(shape, np.float64, 3)
        gradient = cr.grad(lambda x, w: np.sum(np.sin(f(x, w))), argnums=(0, 1))
        for got, plain in zip(cr.compile(gradient)(x, w), gradient(x, w), strict=True):
            np.testing.assert_allclose(got, plain, rtol=1e-10, atol=1e-12)


def test_a_cross_entropy_of_few_classes_is_one_kernel() -> None:
    x, y = drawn((128, 10), np.float32, 4), np.arange(128) % 10
    compiled = cr.compile(cr.softmax_cross_entropy)
    np.testing.assert_allclose(
        compiled(x, y), -np.log(softmax(x.astype(float), 1.0))[np.arange(128), y], rtol=2e-6
    )
    assert [group.kind for group in kernels(compiled)].count("rows") == 1
    assert len(kernels(compiled)) <= 2


@pytest.mark.parametrize(
    ("shape", "f", "is_one"),
    [
        ((128, 10), softmax, True),
        ((128, 10), normalized, False),  # too little is done with what is gathered
        ((4096, 3), normalized, True),
        ((64, 64), softmax, False),  # all of it stays in the cache
        ((1024, 512), softmax, True),
        ((1024, 512), normalized, True),
        ((256, 4096), softmax, False),
    ],
)
def test_one_kernel_where_it_pays(shape: tuple[int, int], f: Any, is_one: bool) -> None:
    compiled = cr.compile(f)
    compiled(drawn(shape, np.float32, 5), drawn(shape, np.float32, 6))
    assert ([group.kind for group in kernels(compiled)] == ["rows"]) is is_one


def test_what_needs_another_row_is_another_kernel(always: str) -> None:
    def f(x: Any) -> Any:
        y = softmax(x, 1.0)
        turned = softmax(y.T + 1.0, 1.0)  # all rows of y for each of its own
        return turned, softmax(x + y[::-1], 1.0)

    def whole(x: Any) -> Any:
        y = softmax(x, 1.0)
        return softmax(y / np.sum(y), 1.0)

    x = drawn((24, 24), np.float64, 7)
    for g in (f, whole):
        for got, plain in zip(flatten(cr.compile(g)(x))[0], flatten(g(x))[0], strict=True):
            np.testing.assert_allclose(got, plain, rtol=1e-13)


def test_nothing_is_overwritten_that_a_later_loop_reads(always: str) -> None:
    def f(a: Any, b: Any) -> Any:
        x = a @ b  # its memory is free after the rows
        y = x - np.max(x, axis=-1, keepdims=True)
        z = x / np.sum(np.exp(y), axis=-1, keepdims=True)
        return y @ b, z @ b

    a, b = drawn((32, 24), np.float64, 13), drawn((24, 24), np.float64, 14)
    for got, plain in zip(cr.compile(f)(a, b), f(a, b), strict=True):
        np.testing.assert_allclose(got, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bits", [128, 256, 512])
def test_vectors_of_any_width(bits: int, always: str) -> None:
    if bits > host().bits:
        pytest.skip("this processor has no such registers")
    for shape in [(37, 10), (16, 4), (19, 33)]:
        args = drawn(shape, np.float32, 8), drawn(shape, np.float32, 9)
        for f in FUNCTIONS:
            leaves, spec = flatten((args, {}))
            program = simplified(capture(f, leaves, spec).graph)
            compiled = Compiled(program, replace(host(), bits=bits))
            for got, plain in zip(compiled(leaves), flatten(f(*args))[0], strict=True):
                np.testing.assert_allclose(got, plain, rtol=2e-5, atol=2e-6)


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    cr.set_threads(None)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", [(9000, 10), (9001, 10), (3001, 101)], ids=str)
def test_the_bits_do_not_depend_on_threads(shape: tuple[int, int], always: str) -> None:
    x, w = drawn(shape, np.float32, 10), drawn(shape, np.float32, 11)
    for f in (softmax, normalized, logsumexp):
        found = []
        for count in (1, 2):
            cr.set_threads(count)
            found.append(cr.compile(cr.grad(lambda x, w, f=f: f(x, w).sum()))(x, w))
        np.testing.assert_array_equal(*found)


def test_layers_share_the_kernel_of_their_rows() -> None:
    def f(x: Any) -> Any:
        for _ in range(12):
            x = softmax(x @ x.T / 30.0, 1.0) * 3.0
        return x

    x = drawn((16, 16), np.float32, 12)
    compiled = cr.compile(f)
    np.testing.assert_allclose(compiled(x), f(x), rtol=1e-4)
    assert compiled.source().count('define void @"kernel_') <= 3
