"""A model at a glance: layers, shapes, numbers of parameters, and how they were drawn."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.nn.initializers import get_initializer
from chainrule.nn.layers.base import Layer, zeros
from chainrule.nn.layers.containers import Sequential
from chainrule.nn.layers.frozen import PARAMS as FROZEN
from chainrule.nn.recording import recorded
from chainrule.records import dataclass
from chainrule.tracing import flatten, paths_of

if TYPE_CHECKING:
    from chainrule.train.network import Network


@dataclass(frozen=True)
class Line:
    """One layer in the summary."""

    layer: str
    output: str
    parameters: str
    drawn: str


def summary(model: Network) -> str:
    """The layers of a model as a table.

    The last column has, for each kernel, its initialiser, and the variance that it predicts for
    each weight.

    >>> from chainrule import nn
    >>> from chainrule.train.model import Model
    >>> model = Model([nn.Dense(4, "relu", kernel_initializer="he_normal"), nn.Dense(1)])
    >>> print(summary(model.build((8,))))
    model
     layer           │ output │ parameters │ kernel
    ─────────────────┼────────┼────────────┼──────────────────────────────
     dense (Dense)   │ (4)    │         36 │ he_normal, variance 0.25
     dense_1 (Dense) │ (1)    │          5 │ glorot_uniform, variance 0.4
    ─────────────────┼────────┼────────────┼──────────────────────────────
     sum             │        │         41 │
    """
    built, lines = model.built, lines_of(model)
    total = f"{_count(model.training_state('summary').params):,}" if built else "?"
    table = _table([Line("layer", "output", "parameters", "kernel"), *lines])
    rule, last = table[1], _table([*lines, Line("sum", "", total, "")], like=table)[-1]
    extra = _beside(model.training_state("summary").layers) if built else ""
    return "\n".join([model.name, *table, rule, last]) + extra


def _beside(state: Any) -> str:
    """What the layers keep beside the parameters, in words; "" if that is nothing."""
    every = _count(state)
    frozen = sum(
        np.size(leaf)
        for path, leaf in zip(paths_of(state, ""), flatten(state)[0], strict=True)
        if f"['{FROZEN}']" in path
    )
    found = f"\n {frozen:,} more numbers are frozen, and stay as they are" if frozen else ""
    if every > frozen:
        found += (
            f"\n {every - frozen:,} more numbers are kept beside them, such as running averages"
        )
    return found


def lines_of(model: Network) -> list[Line]:
    """The layers of a model, one line for each."""
    lines = []
    for name, layer, shape, params in _parts(model):
        kind = type(layer).__name__
        count = f"{_count(params):,}" if model.built else "?"
        text = f"({', '.join(map(str, shape))})" if shape is not None else "?"
        lines.append(Line(f"{name} ({kind})" if name else kind, text, count, _drawn(layer, params)))
    return lines


def output_shape(layer: Layer, input_shape: Any) -> tuple[int, ...]:
    """The shape of one output; functions in it see zeros, so their warnings mean nothing."""
    with np.errstate(all="ignore"):
        return tuple(layer.output_shape(input_shape))


def _parts(model: Network) -> list[tuple[str, Layer, Any, Any]]:
    """(name, layer, output shape, parameters) of each layer, in the order of their first calls.

    Layers in others (Residual, Graph, Sequential) are named by their way: block.inner.dense.
    """
    if not model.built:
        inner = model.layer.layers if isinstance(model.layer, Sequential) else [model.layer]
        return [(str(layer.name or ""), layer, None, {}) for layer in inner]
    state = model.training_state("summary")
    network, notes = recorded(model.layer)
    with np.errstate(all="ignore"):
        x = zeros(model.input_shape, 1, model.dtype)
        network(state.params, state.layers, x, training=False)
    parts: dict[str, tuple[str, Layer, Any, Any]] = {}
    for note in notes:  # a layer that is called twice has one line
        shape = np.shape(note.output)[1:]
        name = ".".join(note.path)
        parts.setdefault(name, (name, note.layer, shape, note.params))
    return list(parts.values())


def _count(tree: Any) -> int:
    return sum(prod(np.shape(leaf)) for leaf in flatten(tree)[0])


def _drawn(layer: Layer, params: Any) -> str:
    """The initialiser of the kernel, and the variance that it predicts."""
    chosen = getattr(layer, "kernel_initializer", None)
    if chosen is None:
        return ""
    name = chosen if isinstance(chosen, str) else type(chosen).__name__
    variance = getattr(get_initializer(chosen), "variance", None)
    kernel = params.get("kernel")
    if variance is None or kernel is None:
        return name
    return f"{name}, variance {variance(kernel.shape):.4g}"


def _table(lines: list[Line], like: list[str] | None = None) -> list[str]:
    """Rows with aligned columns; numbers stand at the right."""
    columns = [[getattr(line, f) for line in lines] for f in Line.__dataclass_fields__]
    if like is not None:
        widths = [len(part) - 2 for part in like[1].split("┼")]
    else:
        widths = [max(map(len, column)) for column in columns]
    rows = []
    for line in lines:
        cells = [line.layer.ljust(widths[0]), line.output.ljust(widths[1]),
                 line.parameters.rjust(widths[2]), line.drawn.ljust(widths[3])]  # fmt: skip
        rows.append((" " + " │ ".join(cells)).rstrip())
    rule = "┼".join("─" * (width + 2) for width in widths)
    return [rows[0], rule, *rows[1:]]
