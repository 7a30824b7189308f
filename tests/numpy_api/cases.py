"""Shared by the tests of the NumPy functions: arrays to differentiate at, and the two checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.differences import check, leaves

_rng = np.random.default_rng(11)

S = np.float64(_rng.standard_normal())
V = _rng.standard_normal(4)
W = _rng.standard_normal(3)
M = _rng.standard_normal((3, 4))
N = _rng.standard_normal((4, 3))
T = _rng.standard_normal((2, 3, 4))
R = _rng.standard_normal((1, 4))
Q = _rng.standard_normal((3, 3)) + 3 * np.eye(3)
QS = _rng.standard_normal((2, 3, 3)) + 3 * np.eye(3)
E0 = np.zeros((0, 3))
MASK = M > 0.2

Case = tuple[Any, Callable[..., Any], tuple[Any, ...]]


def case(function: Any, form: Callable[..., Any], *args: Any) -> Case:
    return function, form, args


def marked(cases: list[Case]) -> list[Any]:
    names = [getattr(f, "__name__", str(f)) for f, _, _ in cases]
    return [
        pytest.param(form, args, id=f"{name}-{names[:i].count(name)}")
        for i, (name, (_, form, args)) in enumerate(zip(names, cases, strict=True))
    ]


def check_case(form: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """NumPy's value on plain arrays, shapes and result types included; both modes, two orders."""
    expected = leaves(form(*args))
    traced = leaves(traced_result(form, *args))
    assert len(traced) == len(expected)
    for t, e in zip(traced, expected, strict=True):
        assert t.dtype == np.asarray(e).dtype
    assert type(form(*args)) is type(traced_result(form, *args)) or len(expected) == 1
    check(form, *args)


def traced_result(f: Callable[..., Any], *args: Any) -> Any:
    """What f returns for traced arguments, with plain values instead of traced ones."""

    def loss(*xs: Any) -> Any:
        return sum((x * 1.0).sum() for x in xs), f(*xs)

    return cr.value_and_grad(loss, argnums=tuple(range(len(args))), has_aux=True)(*args)[0][1]


def same_value(f: Callable[..., Any], *args: Any) -> None:
    """For results without a derivative: exactly NumPy's value, shape and dtype."""
    for t, e in zip(leaves(traced_result(f, *args)), leaves(f(*args)), strict=True):
        np.testing.assert_array_equal(t, e)
        assert np.shape(t) == np.shape(e)
        assert np.asarray(t).dtype == np.asarray(e).dtype
