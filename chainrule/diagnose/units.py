"""The units of a layer: which are dead, saturated, or copies of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives import jvp
from chainrule.diagnose.passing import LayerPass
from chainrule.nn.activations import activation_name, get_activation
from chainrule.nn.layers.core import Activation
from chainrule.running import Quiet

SATURATED = 0.05  # of the largest slope
ALIKE = 1e-9  # relative difference up to which two units count as equal

_FLAT_ON_ONE_SIDE = frozenset({"relu", "relu6"})
_FLAT_ON_BOTH = frozenset({"sigmoid", "tanh", "hard_sigmoid", "softsign"})


def activation_of(layer: Any) -> str:
    """The name of a layer's activation; "" where it has none or one without a name."""
    found = getattr(layer, "activation", None)
    name = activation_name(found) if found is not None else ""
    return "" if name == "linear" else name


def slopes(part: LayerPass) -> Any:
    """The slope of the activation at each preactivation; None where it is not elementwise."""
    name = activation_of(part.layer)
    if not name or name in ("softmax", "log_softmax"):
        return None
    z = part.input if isinstance(part.layer, Activation) else part.preactivation
    with Quiet():
        function = get_activation(part.layer.activation)  # type: ignore[attr-defined]
        return jvp(function, (np.array(z),), (np.ones_like(z),))[1]


def dead_share(part: LayerPass) -> float | None:
    """The share of units whose slope is 0 for every row, which no gradient can wake.

    None for layers whose activation has no flat side.
    """
    if activation_of(part.layer) not in _FLAT_ON_ONE_SIDE | _FLAT_ON_BOTH:
        return None
    slope = slopes(part)
    return float(np.mean(np.all(_by_unit(slope) == 0.0, axis=0)))


def saturated_share(part: LayerPass) -> float | None:
    """The share of outputs on the flat ends of a sigmoid or tanh: a slope below 5 % of the best.

    None for other activations.
    """
    name = activation_of(part.layer)
    if name not in _FLAT_ON_BOTH:
        return None
    most = {"sigmoid": 0.25, "hard_sigmoid": 1.0 / 6.0}.get(name, 1.0)
    return float(np.mean(np.abs(slopes(part)) < SATURATED * most))


def copies(part: LayerPass) -> int:
    """How many units have the weights and the gradients of another: they stay equal for ever.

    Source: Goodfellow, Bengio & Courville, *Deep Learning* (MIT Press 2016), section 8.4.
    """
    kernel = part.params.get("kernel") if isinstance(part.params, dict) else None
    if kernel is None or kernel.shape[-1] < 2:
        return 0
    columns = []
    for tree in (part.params, part.d_params):
        for leaf in (tree[name] for name in ("kernel", "bias") if name in tree):
            columns.append(_rounded(np.asarray(leaf, float).reshape(-1, kernel.shape[-1])))
    distinct = np.unique(np.concatenate(columns), axis=1).shape[1]
    return int(kernel.shape[-1] - distinct)


def _rounded(columns: NDArray[Any]) -> NDArray[Any]:
    """Columns that are equal where the given ones are alike, each measured by its own size.

    Small columns beside one that has grown beyond all bounds are not alike for that.
    """
    size = np.abs(columns).max(axis=0, initial=0.0)
    scale = np.where(size > 0.0, size, 1.0)
    digits = np.round(columns / scale / ALIKE)
    return np.concatenate([digits, np.round(np.log(scale) / ALIKE)[None]])


def _by_unit(x: Any) -> NDArray[Any]:
    """(rows and places, units)."""
    array = np.asarray(x)
    return array.reshape(-1, array.shape[-1])
