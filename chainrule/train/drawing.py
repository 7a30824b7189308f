"""`Model.draw`: the network of a model, with the values and gradients of a batch where given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.errors import ArgumentError
from chainrule.insight.drawing import Direction, Drawing, Theme
from chainrule.nn.drawing import Unfold, draw_network
from chainrule.nn.loss import FunctionLoss
from chainrule.nn.losses import LOSSES
from chainrule.nn.naming import user_line
from chainrule.tracing import name_of
from chainrule.train.compiled import Compiled
from chainrule.train.inputs import as_inputs, example_shape, same_rows, take
from chainrule.train.labels import find_labels
from chainrule.train.summary import output_shape

if TYPE_CHECKING:
    from chainrule.train.model import Model

KEY = (0, 3)  # of the random numbers (dropout) of a pass that looks only


def draw_model(
    model: Model, x: Any, y: Any, unfold: Unfold, direction: Direction, theme: Theme, frames: bool
) -> Drawing:
    """See `Model.draw`. The model stays as it is; without parameters, some are drawn for this."""
    network, loss = model.layer, None
    if x is None and y is not None:
        raise ArgumentError(
            "a gradient needs inputs as well as targets",
            got="y without x",
            line=user_line(),
            remedy="call draw(x, y), or draw() for the structure alone",
        )
    if x is not None:
        x, _ = as_inputs(x, columns=model.columns)
        x = take(x, slice(None), model.dtype)
    params, state, shape = _built(model, x)
    if y is not None:
        compiled = model.compiled("draw(x, y)")
        network = compiled.network
        loss = _loss(model, compiled, x, y)
    return draw_network(
        network, params, state, shape, x=x, loss=loss, training=y is not None, rng=KEY,
        unfold=unfold, direction=direction, theme=theme, frames=frames, title=model.name,
    )  # fmt: skip


def _built(model: Model, x: Any) -> tuple[Any, Any, Any]:
    """Parameters, state and the shape of one example.

    Raises:
        ArgumentError: the model has no parameters, and no data tells their shapes.
    """
    if model.built:
        found = model.training_state("draw")
        return found.params, found.layers, model.input_shape
    if x is None:
        raise ArgumentError(
            "the shapes of a model that is not built yet are unknown",
            got="draw() without data",
            line=user_line(),
            remedy="call build(input_shape) or fit first, or draw(x, y) with data",
        )
    shape = example_shape(x)
    with np.errstate(all="ignore"):
        params, state = model.layer.build(0, shape, dtype=model.dtype or np.float64)
    return params, state, shape


def _loss(model: Model, compiled: Compiled, x: Any, y: Any) -> tuple[str, Callable[[Any], Any]]:
    """The name of the loss, and the loss of a network's outputs for these targets."""
    labels = model.labels
    if labels is None:
        outputs = tuple(output_shape(model.layer, example_shape(x)))
        labels = find_labels(y, compiled.loss, outputs)
    targets = labels.encode(y, dtype=model.dtype)
    same_rows(x, targets, "y")
    objective = compiled.objective
    return _words(compiled), lambda outputs: objective(targets, outputs, None)


def _words(compiled: Compiled) -> str:
    """The name of the loss, and that it takes in the network's last activation."""
    objective: Any = compiled.objective
    if isinstance(objective, FunctionLoss):
        return name_of(objective.function)
    name = next((k for k, kind in LOSSES.items() if kind is type(objective)), "loss")
    return f"{name}, from logits" if getattr(objective, "from_logits", False) else name
