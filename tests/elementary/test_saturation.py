"""Far from the origin functions flatten out; their derivatives stay finite, to the third order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr

FLAT: dict[str, Any] = {
    "tanh": np.tanh,
    "sigmoid": cr.sigmoid,
    "log_sigmoid": cr.log_sigmoid,
    "softplus": cr.softplus,
    "elu": cr.elu,
    "selu": cr.selu,
    "gelu": cr.gelu,
    "gelu approximate": lambda x: cr.gelu(x, approximate=True),
    "silu": cr.silu,
    "erf": cr.erf,
    "erfc": cr.erfc,
    "logaddexp": lambda x: np.logaddexp(x, 1.0),
    "logaddexp the other way": lambda x: np.logaddexp(1.0, x),
    "logaddexp2": lambda x: np.logaddexp2(x, 1.0),
    "logsumexp": lambda x: cr.logsumexp([x, 0.0, 1.0]),
    "log_softmax": lambda x: cr.log_softmax([x, 0.0, 1.0])[0],
    "softmax": lambda x: cr.softmax([x, 0.0, 1.0])[1],
    "cross entropy of two": lambda x: cr.sigmoid_cross_entropy(x, 1.0),
    "cross entropy of three": lambda x: cr.softmax_cross_entropy([x, 0.0, 1.0], 0),
    "arctan": np.arctan,
    "arctan2": lambda x: np.arctan2(x, 2.0),
    "arcsinh": np.arcsinh,
    "hypot": lambda x: np.hypot(x, 1.0),
    "sinc": np.sinc,
    "exp of minus square": lambda x: np.exp(-x * x),
}
SECOND_NEAR_LINEAR = ("hypot", "arcsinh", "sinc", "arctan", "arctan2")


@pytest.mark.parametrize("x", [-1e5, -800.0, -300.0, -40.0, 40.0, 300.0, 800.0, 1e5])
@pytest.mark.parametrize("name", FLAT)
def test_three_orders(name: str, x: float) -> None:
    first = cr.grad(FLAT[name])
    second = cr.grad(first)
    third = cr.grad(second)
    values = np.array([FLAT[name](x), first(x), second(x), third(x)])
    assert np.all(np.isfinite(values))
    if name not in SECOND_NEAR_LINEAR:
        assert np.all(np.abs(values[2:]) < 1e-10)
    forward = cr.jvp(first, (x,), (1.0,))[1]
    assert forward == pytest.approx(values[2], rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("x", [-1e8, -1e3, 1e3, 1e8])
def test_known_limits(x: float) -> None:
    """Not only finite: right. d² arctan = −2x/(1 + x²)², d² arsinh = −x (1 + x²)^(−3/2)."""
    arctan, arcsinh = cr.grad(cr.grad(np.arctan))(x), cr.grad(cr.grad(np.arcsinh))(x)
    assert arctan == pytest.approx(-2 * x / (1 + x * x) ** 2, rel=1e-12, abs=0)
    assert arcsinh == pytest.approx(-x * (1 + x * x) ** -1.5, rel=1e-12, abs=0)


@pytest.mark.parametrize("x", [-np.inf, np.inf])
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "erf", "erfc"])
def test_at_infinity(name: str, x: float) -> None:
    """The outer classes of an ordinal model have such bounds."""
    first = cr.grad(FLAT[name])
    assert cr.grad(first)(x) == cr.grad(cr.grad(first))(x) == 0
