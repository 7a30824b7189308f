"""Where a NaN was born: the producer, not what carried it; the line, and the cure for its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr


def by_hand(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def normalised(x: Any) -> Any:
    return (x - x.mean()) / np.sqrt(np.mean((x - x.mean()) ** 2))


ARRAY = np.array
FORWARD: list[tuple[Callable[..., Any], Any, str, str, str, str]] = [
    # function, argument, producer, kind, cause, remedy
    (lambda z: np.log(by_hand(z)), -800.0, "log", "-inf", "sigmoid", "cr.log_sigmoid(z)"),
    (lambda z: np.log(cr.sigmoid(z)), -800.0, "log", "-inf", "saturated", "cr.log_sigmoid(z)"),
    (lambda z: np.log(1 - cr.sigmoid(z)), 40.0, "log", "-inf", "1 − σ(z)", "cr.log_sigmoid(-z)"),
    (lambda z: np.log(1 - np.tanh(z) ** 2), 40.0, "log", "-inf", "tanh", "cr.softplus(-2z)"),
    (lambda z: np.log(cr.softmax(z)[0]), ARRAY([-999.0, 0.0]), "log", "-inf", "softmax",
     "cr.log_softmax(z)"),
    (lambda z: np.log(np.sum(np.exp(z))), ARRAY([-999.0, -999.0]), "log", "-inf", "underflow",
     "cr.logsumexp(z"),
    (lambda z: np.exp(z) / np.sum(np.exp(z)), ARRAY([999.0, 0.0]), "exp", "inf", "exp of 999",
     "cr.softmax(z)"),
    (lambda z: np.log(1 + np.exp(z)), 999.0, "exp", "inf", "exp of 999", "cr.softplus(z)"),
    (lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)), 999.0, "exp", "inf", "999",
     "np.tanh(z)"),
    (lambda x: np.sum(x * np.log(x)), ARRAY([0.0, 1.0]), "log", "-inf", "log of 0", "cr.xlogy"),
    (lambda x: np.log(x), -1.0, "log", "nan", "below 0", "should be positive"),
    (lambda x: np.sqrt(x), -1e-17, "sqrt", "nan", "negative", "np.maximum(x, 0.0)"),
    (lambda x: np.sqrt(x), -3.0, "sqrt", "nan", "negative number, -3", "should not be negative"),
    (lambda x: x**1.5, -2.0, "power", "nan", "not whole", "np.abs(x)**p"),
    (lambda x: x / np.linalg.norm(x), np.zeros(3), "divide", "nan", "0/0", "np.linalg.norm(x)"),
    (normalised, np.ones(3), "divide", "nan", "0/0", "np.sqrt(variance"),
    (lambda x: 1 / x, 0.0, "divide", "inf", "division by 0", "np.where(b == 0"),
    (lambda x: np.arccos(x), 1.0 + 1e-15, "arccos", "nan", "-1 to 1", "np.clip"),
    (lambda x: x * 1e300, 1e300, "multiply", "inf", "overflows", "scale the inputs"),
    (lambda s: np.log(np.exp(-900.0 / s**2) / s), 1.0, "log", "-inf", "product underflows",
     "log a + b instead of log(a·exp(b))"),
    (lambda A: np.log(np.linalg.det(A)), 1e-99 * np.eye(4), "log", "-inf", "determinant",
     "np.linalg.slogdet"),
    (lambda a: a @ np.ones(3) / (np.linalg.norm(a) * np.linalg.norm(np.ones(3))), np.zeros(3),
     "divide", "nan", "0/0", "a vector of length 0"),
    (lambda x: np.exp(x), np.float32(90.0), "exp", "inf", "exp of 90", "in float64 it would not"),
    (lambda x: x * np.array([1.0, np.inf]), np.zeros(2), "multiply", "nan", "reads holds inf",
     "outside of what is differentiated"),
    (lambda x: x + np.array([1.0, -np.inf]), np.zeros(2), "add", "-inf", "reads holds -inf",
     "a mask of -inf is safe before softmax"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "x", "name", "kind", "cause", "remedy"), FORWARD)
def test_a_value(f: Any, x: Any, name: str, kind: str, cause: str, remedy: str) -> None:
    found = cr.debug(f)(x)
    assert (found.direction, found.name, found.kind) == ("forward", name, kind)
    assert cause in found.cause
    assert remedy in found.remedy
    assert "test_debugging.py" in found.line


BACKWARD: list[tuple[Callable[..., Any], Any, str, str, str]] = [
    (lambda x: np.where(x > 0, np.sqrt(x), 0.0), 0.0, "sqrt", "0·∞", "np.where(m, f("),
    (lambda x: np.where(x > 0, np.log(np.abs(x)), 0.0), 0.0, "log", "0·∞", "np.where(m, f("),
    (lambda x: np.where(x < 9, np.exp(x), 0.0), 999.0, "exp", "0·∞", "np.where(m, f("),
    (by_hand, -999.0, "exp", "0·∞", "cr.sigmoid(z) instead of 1/(1 + exp(-z))"),
    (lambda x: np.sqrt(np.sum(x**2)), np.zeros(2), "sqrt", "infinite slope at 0",
     "np.linalg.norm(x)"),
    (lambda x: np.sqrt(x**2), 0.0, "sqrt", "infinite slope", "np.abs(x)"),
    (lambda x: x**0.5, 0.0, "power", "infinite slope at 0", "under the root"),
    (lambda x: np.arccos(x), 1.0, "arccos", "infinite slope at 1", "np.clip"),
    (lambda x: np.arctan2(x, 2.0 * x), 0.0, "arctan2", "no derivative where both arguments are 0",
     "the origin has no angle"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "x", "name", "cause", "remedy"), BACKWARD)
def test_a_derivative(f: Any, x: Any, name: str, cause: str, remedy: str) -> None:
    found = cr.debug(f)(x)
    assert (found.direction, found.name) == ("backward", name)
    assert cause in found.cause
    assert remedy in found.remedy


def test_what_carries_is_told_from_what_produces() -> None:
    def f(x: Any) -> Any:
        low = np.log(x)  # -inf at 0
        return np.sum(2.0 * low + 1.0)

    found = cr.debug(f)(np.array([[1.0, 0.0], [2.0, 3.0]]))
    assert found.step == "low = log(x)"
    assert found.carried == ("ξ₂ = 2·low", "ξ₃ = ξ₂ + 1", "ξ₄ = sum(ξ₃)")
    assert found.shape == "in 1 of 4 elements, first at [0, 1]"
    assert found.inputs == (("x", "0 to 3"),)
    assert found.line.endswith("low = np.log(x)  # -inf at 0")
    text = str(found)
    assert "producer: low = log(x) gave -inf in 1 of 4 elements, first at [0, 1]" in text
    assert "carried:  ξ₂ = 2·low, ξ₃ = ξ₂ + 1, ξ₄ = sum(ξ₃) (not to blame)" in text


def test_an_argument_that_is_bad_already() -> None:
    found = cr.debug(lambda p: np.sum(p["w"] ** 2))({"w": np.array([1.0, np.nan])})
    assert (found.step, found.kind) == ("the input p['w']", "nan")
    assert "nothing was computed yet" in found.cause


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (np.sin, 1.0),
        (lambda x: cr.softmax(x + np.array([0.0, -np.inf])).sum(), np.ones(2)),  # a masked logit
        (lambda x: 1.0 / (1.0 / x), 2.0),
        (lambda x: np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0), 0.0),  # the cure
        (lambda x: cr.log_sigmoid(x), -800.0),
        (lambda x: x + float(np.exp(x.value) > 1e9), 800.0),
    ],
)
def test_what_does_no_harm_is_no_finding(f: Any, x: Any) -> None:
    with np.errstate(all="ignore"):
        found = cr.debug(f)(x)
    assert not found
    assert "every value and every derivative is finite" in str(found)


def test_an_infinite_number_that_fades_is_no_producer() -> None:
    # 1/exp(999) is 0, as it should be; the NaN comes from the log.
    found = cr.debug(lambda x: 1 / np.exp(x) + np.log(x - 1e3))(999.0)
    assert found.name == "log"


def test_second_order() -> None:
    found = cr.debug(cr.grad(lambda x: np.abs(x) ** 1.5))(0.0)
    assert found.direction == "backward"
    assert found.name == "power"


def test_nan_in_the_data_that_a_mask_leaves_out() -> None:
    data = np.array([[1.0, np.nan], [2.0, 3.0]])
    for f in (
        lambda w: np.nanmean((data - w) ** 2),
        lambda w: ((data - w) ** 2)[~np.isnan(data)].sum(),
    ):
        found = cr.debug(f)(np.ones(2))
        assert "the data hold numbers that are not finite" in found.cause
        assert found.remedy.startswith("fill them before they are read")
