"""What an initialiser predicts: how much a layer enlarges signals, and gradients on their way back.

With independent weights of mean 0 and variance σ², m inputs to a unit and n units for an input:

    E[z²] = m σ² E[x²],    E[x̄²] = n σ² E[z̄²].

Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
networks", AISTATS (2010), section 4.2.1; He, Zhang, Ren & Sun (2015), section 2.2.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from chainrule.diagnose.passing import LayerPass
from chainrule.nn.initializer import fans
from chainrule.nn.initializers import get_initializer


def predicted_variance(part: LayerPass) -> float | None:
    """The variance of the weights of a layer's kernel by its initialiser; None if it has none."""
    chosen = getattr(part.layer, "kernel_initializer", None)
    kernel = part.params.get("kernel") if isinstance(part.params, dict) else None
    variance = getattr(get_initializer(chosen), "variance", None) if chosen is not None else None
    if kernel is None or variance is None or "recurrent_kernel" in part.params:
        return None  # a state that goes round has no variance by one kernel
    return float(variance(kernel.shape)) or None


def signal_ratio(part: LayerPass) -> float | None:
    """Measured over predicted mean square of the preactivations; 1 is as drawn."""
    variance = predicted_variance(part)
    if variance is None:
        return None
    m, _ = fans(part.params["kernel"].shape)
    return _ratio(part.preactivation, m * variance, part.input)


def gradient_ratio(part: LayerPass) -> float | None:
    """Measured over predicted mean square of the gradient that the layer hands back."""
    variance = predicted_variance(part)
    if variance is None or part.d_input is None or part.d_preactivation is None:
        return None
    _, n = fans(part.params["kernel"].shape)
    strides = getattr(part.layer, "strides", 1)
    skipped = (
        prod(strides) if isinstance(strides, tuple) else strides ** (part.params["kernel"].ndim - 2)
    )
    return _ratio(part.d_input, n / skipped * variance, part.d_preactivation)


def mean_square(x: Any) -> float:
    return float(np.mean(np.square(np.asarray(x, np.float64)))) if np.size(x) else 0.0


def _ratio(result: Any, gain: float, source: Any) -> float | None:
    expected = gain * mean_square(source)
    return mean_square(result) / expected if expected > 0.0 else None
