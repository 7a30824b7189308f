"""The functions of neural networks, in the forms that stay exact in saturation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.elementary.base import Pointwise, is_traced, value_of
from chainrule.elementary.exponential import exp, expm1, sigmoid
from chainrule.elementary.normal import norm_cdf, norm_pdf
from chainrule.elementary.shaping import where
from chainrule.elementary.trigonometric import tanh

log_sigmoid = Pointwise(
    "log_sigmoid", lambda a: np.minimum(a, 0.0) - np.log1p(np.exp(-np.abs(a))),
    lambda y, a: sigmoid(-a),
    formula="log(sigmoid(a))", symbols=("1 - sigmoid(a)",), domain=((-700.0, 700.0),),
)  # fmt: skip
softplus = Pointwise(
    "softplus", lambda a: np.maximum(a, 0.0) + np.log1p(np.exp(-np.abs(a))),
    lambda y, a: sigmoid(a),
    formula="log(1 + exp(a))", symbols=("sigmoid(a)",), domain=((-700.0, 700.0),),
)  # fmt: skip
relu = Pointwise(
    "relu", lambda a: np.maximum(a, 0.0), lambda y, a: a > 0,
    formula="maximum(a, 0)", symbols=("a > 0",),
)  # fmt: skip


def _least(y: Any, b: Any) -> Any:
    """The slope of least norm at 0, where slopes from b to 1 are possible."""
    if not is_traced(b) and np.ndim(b) == 0:
        return value_of(y).dtype.type(min(max(b, 0.0), 1.0))
    return where(b > 1, 1.0, where(b < 0, 0.0, b))


def _one(y: Any) -> Any:
    return value_of(y).dtype.type(1.0)


leaky_relu = Pointwise(
    "leaky_relu", lambda a, b: np.where(np.greater(a, 0), a, b * a)[()],
    lambda y, a, b: where(a > 0, _one(y), where(a == 0, _least(y, b), b)),
    lambda y, a, b: where(a > 0, 0.0, a),
    formula="where(a > 0, a, b*a)", symbols=("where(a > 0, 1, b)", "where(a > 0, 0, a)"),
    domain=((-3.0, 3.0), (0.01, 0.5)),
)  # fmt: skip
elu = Pointwise(
    "elu", lambda a, b: np.where(np.greater(a, 0), a, b * np.expm1(np.minimum(a, 0.0)))[()],
    lambda y, a, b: where(
        a > 0, _one(y), where(a == 0, _least(y, b), b * exp(where(a > 0, 0.0, a)))
    ),
    lambda y, a, b: expm1(where(a > 0, 0.0, a)),
    formula="where(a > 0, a, b*(exp(a) - 1))",
    symbols=("where(a > 0, 1, b*exp(a))", "where(a > 0, 0, exp(a) - 1)"),
    domain=((-30.0, 30.0), (0.5, 1.5)),
)  # fmt: skip
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
selu = Pointwise(
    "selu",
    lambda a: SELU_SCALE
    * np.where(np.greater(a, 0), a, SELU_ALPHA * np.expm1(np.minimum(a, 0.0)))[()],
    lambda y, a: SELU_SCALE
    * where(a >= 0, 1.0, SELU_ALPHA * exp(where(a > 0, 0.0, a))),
    symbols=("where(a >= 0, 1.0507009873554805, 1.7580993408473766*exp(a))",),
    domain=((-30.0, 30.0),),
)  # fmt: skip
gelu = Pointwise(
    "gelu", lambda a: a * norm_cdf(a), lambda y, a: norm_cdf(a) + a * norm_pdf(a),
    formula="a*norm_cdf(a)", symbols=("norm_cdf(a) + a*norm_pdf(a)",), domain=((-30.0, 30.0),),
)  # fmt: skip
silu = Pointwise(
    "silu", lambda a: a * sigmoid(a), lambda y, a: sigmoid(a) * (1.0 + a * sigmoid(-a)),
    formula="a*sigmoid(a)", symbols=("sigmoid(a)*(1 + a*(1 - sigmoid(a)))",),
    domain=((-700.0, 700.0),),
)  # fmt: skip


def gelu_tanh(a: Any) -> Any:
    """The tanh approximation of gelu (Hendrycks & Gimpel, 2016)."""
    return 0.5 * a * (1.0 + tanh(math.sqrt(2.0 / math.pi) * (a + 0.044715 * a**3)))


# max(z, 0) − z t + log(1 + e^−|z|), the negative log-likelihood of the label t under σ(z), with
# the first two terms as |z|·(1 − t or t): nothing cancels.
sigmoid_cross_entropy = Pointwise(
    "sigmoid_cross_entropy",
    lambda a, b: np.abs(a) * np.where(np.greater(a, 0), 1.0 - b, b)
    + np.log1p(np.exp(-np.abs(a))),
    lambda y, a, b: (1.0 - b) * sigmoid(a) - b * sigmoid(-a),
    lambda y, a, b: -1.0 * a,
    formula="-(b*log(sigmoid(a)) + (1 - b)*log(1 - sigmoid(a)))",
    symbols=("sigmoid(a) - b", "-a"), domain=((-700.0, 700.0), (0.0, 1.0)),
)  # fmt: skip


FUNCTIONS = (
    log_sigmoid, softplus, relu, leaky_relu, elu, selu, gelu, silu,
    sigmoid_cross_entropy,
)  # fmt: skip
