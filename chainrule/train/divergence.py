"""Where a loss or a gradient stopped being finite: the step is run again, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.elementary.base import value_of
from chainrule.errors import DivergenceError
from chainrule.graph import Node, predecessors
from chainrule.modes import reverse
from chainrule.nn.layers.base import Layer, child
from chainrule.nn.layers.containers import Sequential
from chainrule.tracing import Trace, flatten, paths_of
from chainrule.train.callbacks.base import Callback
from chainrule.train.callbacks.stopping import TerminateOnNaN
from chainrule.train.compiled import Compiled
from chainrule.train.feed import STEP
from chainrule.train.loop import Report, Run
from chainrule.train.step import Batch, TrainState

Explain = Callable[[Run, Any, Report], DivergenceError | None]


def explainer(compiled: Compiled, seed: int, callbacks: Sequence[Callback]) -> Explain:
    """What the loop is to do about a step that is not finite.

    Returns:
        explain(run before the step, batch, report) → the error; None with `TerminateOnNaN`.
    """

    def explain(run: Run, batch: Batch, report: Report) -> DivergenceError | None:
        if any(isinstance(c, TerminateOnNaN) for c in callbacks):
            return None
        key = (seed, STEP, run.epoch, run.step)
        where, line = first_not_finite(compiled, run.state, batch, key)
        loss = np.isfinite(report.loss)
        what = "gradient is" if loss else "loss is"
        number = (
            f"a gradient of norm {report.gradient_norm}" if loss else f"a loss of {report.loss}"
        )
        remedy = (
            "choose a smaller learning rate, or clip the gradients: "
            "cr.optim.Clipped(optimizer, by_global_norm=1.0)"
        )
        if where.startswith("the batch"):
            remedy = "look at those rows of the data"
        elif run.epoch == run.step == 0:
            remedy = (
                "nothing has been learnt yet: look at what that function is given, at the scale "
            )
            remedy += "of the data, and at the initialisers"
        return DivergenceError(
            f"the training diverged in epoch {run.epoch + 1}, step {run.step + 1}: its {what} no "
            "longer a finite number",
            got=f"{number}; {where}",
            line=line,
            remedy=remedy,
        )

    return explain


def first_not_finite(
    compiled: Compiled, state: TrainState, batch: Batch, key: tuple[int, ...]
) -> tuple[str, str]:
    """(where it began, the user's line that made it) for one step."""
    for tree, name in ((batch.x, "x"), (batch.y, "y"), (batch.weight, "sample_weight")):
        if tree is not None and (found := _bad_leaf(tree, name)):
            return f"the batch itself is not finite: {found}", ""
    if found := _bad_leaf(state.params, "params"):
        return f"the parameters before it are not finite: {found}", ""
    with np.errstate(all="ignore"), Trace() as trace:
        at = compiled.optimizer.lookahead(state.params, state.optimizer)
        params = trace.tree(at, "params")
        nodes = trace.tape.nodes
        parts: list[tuple[int, str]] = []  # where each layer's nodes begin
        outputs = batch.x
        for label, call in _layers(compiled.network, params, state.layers, key):
            parts.append((len(nodes), label))
            outputs = call(outputs)
        parts.append((len(nodes), "the loss"))
        loss = compiled.objective(batch.y, outputs, batch.weight)
        for node in nodes:
            if not _finite(node.value) and all(_finite(value_of(a)) for a in node.args):
                return f"first in {_part(parts, node)}: {_words(node)}", node.line
        behind = _backward(trace, nodes, loss)
        if behind is None:
            return "the step itself is finite when it is run again", ""
        part = _part(parts, behind)
        return f"first in the derivative of {part}: that of {_said(behind)}", behind.line


def _layers(
    layer: Layer, params: Any, state: Any, key: Any
) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Each layer of a chain, by its label, as a function of its input."""
    if isinstance(layer, Sequential):
        for i, inner in enumerate(layer.layers):
            name = str(inner.name)
            yield from _layers(inner, params.get(name, {}), state.get(name, {}), child(key, i))
    else:
        yield layer.label, lambda x: layer(params, state, x, training=True, rng=key)[0]


def _backward(trace: Trace, nodes: list[Node], loss: Any) -> Node | None:
    """The first node on the way back whose derivative is not finite."""
    kept: list[Any] = []
    seed = (loss.index, loss.value.dtype.type(1))
    reverse(nodes, trace.start, trace.inputs, [seed], keep=kept)
    bad = [i for i, c in enumerate(kept) if c is not None and not _finite(c)]
    if not bad:
        return None
    # The cotangent of a node comes from the nodes that read it, which were finite.
    worst = nodes[trace.start + bad[-1]]
    readers = [n for n in nodes if any(a is worst for _, a in predecessors(n))]
    return readers[-1] if readers else worst


def _part(parts: list[tuple[int, str]], node: Node) -> str:
    return [label for start, label in parts if start <= node.index][-1]


def _words(node: Node) -> str:
    """What a node has made of what."""
    value = np.asarray(node.value)
    kind = "nan" if np.isnan(value).any() else "inf"
    return f"{_said(node)} gave {kind}"


def _said(node: Node) -> str:
    ranges = [
        f"{np.min(a):.4g} to {np.max(a):.4g}" if np.size(a) > 1 else f"{np.ravel(a)[0]:.4g}"
        for a in (np.asarray(value_of(a)) for a in node.args)
        if a.dtype.kind in "fiu" and a.size
    ]
    return f"{node.name} of values from {' and '.join(ranges)}" if ranges else node.name


def _finite(x: Any) -> bool:
    try:
        return bool(np.all(np.isfinite(x)))
    except TypeError:  # an index, a shape, text
        return True


def _bad_leaf(tree: Any, name: str) -> str:
    """The first number of a tree that is not finite, in words; "" if there is none."""
    for leaf, path in zip(flatten(tree)[0], paths_of(tree, name), strict=True):
        array = np.asarray(leaf)
        if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
            place = np.argwhere(~np.isfinite(array))[0]
            where = ", ".join(map(str, place))
            return f"{path}[{where}] is {array[tuple(place)]}"
    return ""
