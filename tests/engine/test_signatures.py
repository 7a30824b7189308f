"""What a compiled function is compiled anew for: arguments that NumPy would treat differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas
import pytest

import chainrule as cr

X = np.arange(1.0, 6.0)


@dataclass
class Decay:
    rates: Any

    @cr.compile
    def after(self, t: Any) -> Any:
        return self.rates * t

    @cr.compile(static_argnames="n")
    def repeated(self, t: Any, n: int) -> Any:
        return self.rates**n * t


@pytest.mark.parametrize(
    ("f", "values"),
    [
        (lambda x, n: x[n] * 2.0, (1, True)),
        (lambda x, n: x * len(f"{n!r}"), (2, 2.0)),
        (lambda x, n: x / n, (0.0, -0.0)),
        (lambda x, n: x / n[0], ((0.0,), (-0.0,))),
    ],
)
def test_static_arguments_that_are_equal_and_not_the_same(f: Any, values: Any) -> None:
    compiled = cr.compile(f, static_argnames="n")
    with np.errstate(divide="ignore"):
        for n in (*values, *values):
            np.testing.assert_array_equal(compiled(X, n), f(X, n))
    assert len(compiled.versions) == 2


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4", "i2"])
@pytest.mark.parametrize("order", ["><", "<>"])
def test_the_order_of_the_bytes(dtype: str, order: str) -> None:
    compiled = cr.compile(lambda x: (x * 2 + 1, np.sum(x), x))
    for byte_order in (*order, *order):
        for mine, numbers in zip(compiled(X.astype(byte_order + dtype)),
                                 (X * 2 + 1, X.sum(), X), strict=True):  # fmt: skip
            np.testing.assert_array_equal(mine, numbers)


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">i8", ">i2", "<f8", "<i2"])
def test_the_order_of_the_bytes_of_a_constant(dtype: str) -> None:
    constant = X.astype(dtype)
    for mine, numbers in zip(cr.compile(lambda x: (x * constant, x + constant[::-1]))(X),
                             (X * X, X + X[::-1]), strict=True):  # fmt: skip
        np.testing.assert_array_equal(mine, numbers)


def test_numbers_that_numpy_draws_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(cr.errors.BranchError, match="numbers that NumPy draws: draw them before"):
        cr.compile(lambda x: x * rng.normal())(1.0)


def test_a_length_that_is_traced_is_refused_where_numpy_hides_it() -> None:
    with pytest.raises(cr.errors.BranchError, match="a position, a length"):
        cr.compile(lambda n: np.zeros(n))(3)


def test_a_table_is_no_array() -> None:
    with pytest.raises(cr.errors.ArgumentError, match=r"a DataFrame\n(.|\n)*np\.asarray"):
        cr.compile(lambda table: table)(pandas.DataFrame({"a": X}))


def test_methods_are_compiled_for_their_object() -> None:
    first, second = Decay(np.array([1.0, 2.0])), Decay(np.array([3.0, 4.0]))
    np.testing.assert_array_equal(first.after(2.0), [2.0, 4.0])
    np.testing.assert_array_equal(second.after(2.0), [6.0, 8.0])  # the fields are arguments
    assert len(Decay.after.versions) == 1
    np.testing.assert_array_equal(first.repeated(1.0, n=3), [1.0, 8.0])
