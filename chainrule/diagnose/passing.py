"""One forward and one backward pass of a network on data, with what each layer got and gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule import modes
from chainrule.elementary.base import shape_of, value_of
from chainrule.errors import ArgumentError
from chainrule.graph import Node
from chainrule.nn.layers.base import Layer
from chainrule.nn.naming import user_line
from chainrule.nn.recording import Note, recorded
from chainrule.records import dataclass
from chainrule.running import Quiet
from chainrule.tracing import Trace, flatten, unflatten
from chainrule.train.compiled import Compiled
from chainrule.train.fitting import learn
from chainrule.train.inputs import as_inputs, rows_of, same_rows, take
from chainrule.train.step import Batch, TrainState
from chainrule.train.using import row_weight

if TYPE_CHECKING:
    from chainrule.train.model import Model

Array = NDArray[Any]
KEY = (0, 3)  # of the random numbers (dropout) of a pass that looks only


@dataclass(frozen=True)
class LayerPass:
    """What one layer got and gave, forward and backward.

    Attributes:
        name: the path of its names, ``block.inner``.
        layer: the layer.
        params, state: its own.
        input, preactivation, output: the values; with the batch first.
        d_input, d_preactivation, d_output: the derivatives of the loss by them; None where none
            arrives.
        d_params: a tree like params.
        places: where the leaves of params stand among those of the whole network.
    """

    name: str
    layer: Layer
    params: Any
    state: Any
    input: Any
    preactivation: Any
    output: Any
    d_input: Any
    d_preactivation: Any
    d_output: Any
    d_params: Any
    places: tuple[int, ...]


@dataclass(frozen=True)
class NetworkPass:
    """One pass: the loss, the layers in the order in which they ran, the rows, the outputs."""

    loss: float
    layers: list[LayerPass]
    rows: int
    outputs: Any


def pass_through(
    compiled: Compiled, state: TrainState, batch: Batch, *, training: bool = True
) -> NetworkPass:
    """Run a network forward and backward on a batch, by NumPy, and keep what its layers saw."""
    network, notes = recorded(compiled.network)
    with Quiet(), Trace() as trace:
        params = trace.tree(state.params, "params")
        outputs, _ = network(params, state.layers, batch.x, training=training, rng=KEY)
        loss = compiled.objective(batch.y, outputs, batch.weight)
        kept: list[Any] = []
        seed = (loss.index, loss.value.dtype.type(1))
        modes.reverse(trace.tape.nodes, trace.start, trace.inputs, [seed], keep=kept)
        layers = [_layer_pass(note, kept, trace.start) for note in notes]
        return NetworkPass(float(loss.value), layers, len(batch.y), value_of(outputs))


def _layer_pass(note: Note, kept: Sequence[Any], start: int) -> LayerPass:
    def adjoint(x: Any) -> Any:
        if not isinstance(x, Node):
            return None
        c = kept[x.index - start] if x.index - start < len(kept) else None
        return None if c is None else np.broadcast_to(c, np.shape(x.value))

    leaves, spec = flatten(note.params)
    gradients = [np.zeros(shape_of(p)) if adjoint(p) is None else adjoint(p) for p in leaves]
    return LayerPass(
        note.name,
        note.layer,
        unflatten(spec, [value_of(p) for p in leaves]) if leaves else {},
        note.state,
        value_of(note.input),
        value_of(note.preactivation),
        value_of(note.output),
        adjoint(note.input),
        adjoint(note.preactivation),
        adjoint(note.output),
        unflatten(spec, gradients) if leaves else {},
        tuple(p.index - start for p in leaves if isinstance(p, Node)),
    )


def batch_of(
    model: Model, x: Any, y: Any, *, rows: int | None = None, sample_weight: Any = None,
    seed: int = 0,
) -> Batch:  # fmt: skip
    """Data as a batch for the network of a model, which is built if it is not yet.

    Args:
        model: compiled.
        x, y, sample_weight: as for `Model.fit`, arrays or data frames.
        rows: draw so many of them at random; None for all.
        seed: of the drawing, and of the parameters if they are made here.
    """
    if y is None:
        raise ArgumentError(
            "a network is diagnosed on inputs and targets",
            got="y=None",
            line=user_line(),
            remedy="give x and y, as for fit",
        )
    model.compiled("a diagnosis")
    x, columns = as_inputs(x, columns=model.columns)
    learn(model, x, y, columns, seed)
    assert model.labels is not None
    encoded = model.labels.encode(y, dtype=model.dtype)
    same_rows(x, encoded, "y")
    weight = row_weight(sample_weight, x, model.dtype)
    chosen = chosen_rows(rows_of(x), rows, seed)
    return Batch(
        take(x, chosen, model.dtype),
        encoded[chosen],
        None if weight is None else weight[chosen],
    )


def chosen_rows(count: int, rows: int | None, seed: int) -> Array:
    """So many of the rows at random, in their order; all of them if there are no more."""
    if rows is None or rows >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, rows, replace=False))


def ready_state(model: Model) -> TrainState:
    """The state of a model, with an optimizer that has started."""
    state = model.training_state("a diagnosis")
    if state.optimizer is None:
        state = state._replace(optimizer=model.compiled("a diagnosis").optimizer.init(state.params))
    return state
