"""Exponentials, logarithms and logarithmic sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.elementary.base import Pointwise
from chainrule.elementary.logic import isfinite
from chainrule.elementary.shaping import where

LN2 = math.log(2.0)

exp = Pointwise("exp", np.exp, lambda y, a: y, symbols=("exp(a)",), domain=((-700.0, 700.0),))
exp2 = Pointwise(
    "exp2", np.exp2, lambda y, a: y * LN2, formula="2**a", symbols=("2**a*log(2)",),
    domain=((-1000.0, 1000.0),),
)  # fmt: skip
expm1 = Pointwise(
    "expm1", np.expm1, lambda y, a: exp(a), formula="exp(a) - 1", symbols=("exp(a)",),
    domain=((-50.0, 700.0),),
)  # fmt: skip
log = Pointwise("log", np.log, lambda y, a: 1.0 / a, symbols=("1/a",), domain=((1e-300, 1e300),))
log2 = Pointwise(
    "log2",
    np.log2,
    lambda y, a: 1.0 / LN2 / a,
    symbols=("1/(a*log(2))",),
    domain=((1e-300, 1e300),),
)
log10 = Pointwise(
    "log10", np.log10, lambda y, a: 1.0 / math.log(10.0) / a, symbols=("1/(a*log(10))",),
    domain=((1e-300, 1e300),),
)  # fmt: skip
log1p = Pointwise(
    "log1p", np.log1p, lambda y, a: 1.0 / (1.0 + a), formula="log(1 + a)", symbols=("1/(1 + a)",),
    domain=((-0.999999, 1e300),),
)  # fmt: skip


def _sigmoid(a: Any) -> Any:
    """1/(1 + e⁻ᵃ), and eᵃ/(1 + eᵃ) for a < 0, which neither overflows nor rounds to 0 early."""
    if np.ndim(a) == 0:
        return 1.0 / (1.0 + np.exp(-a)) if a >= 0 else np.exp(a) / (1.0 + np.exp(a))
    t = np.exp(-np.abs(a))
    return np.where(np.less(a, 0), t, 1.0) / (1.0 + t)


# σ' = σ(a) σ(−a): y(1 − y) would lose every digit where y is close to 1.
sigmoid = Pointwise(
    "sigmoid", _sigmoid, lambda y, a: y * sigmoid(-a),
    formula="1/(1 + exp(-a))", symbols=("sigmoid(a)*(1 - sigmoid(a))",), domain=((-700.0, 700.0),),
)  # fmt: skip


def _sigmoid2(a: Any) -> Any:
    t = np.exp2(-np.abs(a))
    return (np.where(np.less(a, 0), t, 1.0) / (1.0 + t))[()]


# The logistic function of base 2, the derivative of logaddexp2.
sigmoid2 = Pointwise(
    "sigmoid2", _sigmoid2, lambda y, a: LN2 * (y * sigmoid2(-a)),
    formula="1/(1 + 2**(-a))", symbols=("log(2)*sigmoid2(a)*(1 - sigmoid2(a))",),
    domain=((-1000.0, 1000.0),),
)  # fmt: skip


def _of_difference(logistic: Any, log_base: float, a: Any, b: Any) -> Any:
    """σ(a − b), with the rounding error of the difference (Knuth's two-sum) put back.

    Without it an error of half an ulp in a − b = −700 is an error of 256 ulp in σ. Equal
    arguments, infinite ones too, have the difference 0.
    """
    d = where(a == b, 0.0, a - b)
    t = d - a
    error = where(isfinite(t), (a - (d - t)) - (b + t), 0.0)
    return logistic(d) * (1.0 + log_base * error * logistic(-d))


def _sum_of_powers(base_exp: Any, log_base: float) -> Any:
    """log(exp a + exp b) = m + log(1 + exp(−|a − b|)), with the difference's rounding put back."""

    def value(a: Any, b: Any) -> Any:
        top, low = np.maximum(a, b), np.minimum(a, b)
        with np.errstate(invalid="ignore"):  # ∞ − ∞, replaced
            d = np.where(top == low, 0.0, low - top)
            t = d - low
            error = np.where(np.isfinite(t), (low - (d - t)) - (top + t), 0.0)
        e = base_exp(d) * (1.0 + log_base * error)
        return (top + np.log1p(e) / log_base if log_base != 1.0 else top + np.log1p(e))[()]

    return value


logaddexp = Pointwise(
    "logaddexp", _sum_of_powers(np.exp, 1.0),
    lambda y, a, b: _of_difference(sigmoid, 1.0, a, b),
    lambda y, a, b: _of_difference(sigmoid, 1.0, b, a),
    formula="log(exp(a) + exp(b))",
    symbols=("1/(1 + exp(b - a))", "1/(1 + exp(a - b))"),
    domain=((-300.0, 300.0), (-300.0, 300.0)),
)  # fmt: skip
logaddexp2 = Pointwise(
    "logaddexp2", _sum_of_powers(np.exp2, LN2),
    lambda y, a, b: _of_difference(sigmoid2, LN2, a, b),
    lambda y, a, b: _of_difference(sigmoid2, LN2, b, a),
    formula="log2(2**a + 2**b)",
    symbols=("1/(1 + 2**(b - a))", "1/(1 + 2**(a - b))"),
    domain=((-300.0, 300.0), (-300.0, 300.0)),
)  # fmt: skip


def _xlogy(a: Any, b: Any) -> Any:
    zero = (a == 0) & ~np.isnan(b)
    return np.where(zero, 0.0, a * np.log(np.where(zero, 1.0, b)))[()]


# At a = b = 0 the value is its limit 0, and so is the partial with respect to b.
xlogy = Pointwise(
    "xlogy",
    _xlogy,
    lambda y, a, b: log(b),
    lambda y, a, b: where(a == 0, 0.0, a / where(a == 0, 1.0, b)),
    formula="a*log(b)",
    symbols=("log(b)", "a/b"),
    domain=((-3.0, 3.0), (1e-300, 1e300)),
)

FUNCTIONS = (
    exp,
    exp2,
    expm1,
    log,
    log2,
    log10,
    log1p,
    sigmoid,
    sigmoid2,
    logaddexp,
    logaddexp2,
    xlogy,
)
