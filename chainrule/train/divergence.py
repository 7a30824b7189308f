"""Where a loss or a gradient stopped being finite: the bad step is run again by NumPy, and read.

Training by compiled code checks its loss and its gradient norm alone, which costs nothing; only a
step where one of them is not finite comes here. What is found is found as by `cr.debug`, with the
layers of the network for the names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule import modes
from chainrule.elementary.base import value_of
from chainrule.errors import DivergenceError
from chainrule.graph import Node
from chainrule.insight.cures import cure_of
from chainrule.insight.origins import (
    Origin,
    backward_origin,
    forward_origin,
    is_finite,
    kind_of,
    range_of,
)
from chainrule.nn.layers import BatchNormalization, Embedding, Normalization
from chainrule.nn.naming import user_line
from chainrule.nn.recording import Note, recorded
from chainrule.records import dataclass
from chainrule.running import Quiet
from chainrule.tracing import Trace, flatten, paths_of
from chainrule.train.callbacks.base import Callback
from chainrule.train.callbacks.stopping import TerminateOnNaN
from chainrule.train.compiled import Compiled
from chainrule.train.feed import STEP, Rows
from chainrule.train.loop import Report, Run
from chainrule.train.step import Batch, TrainState

Explain = Callable[[Run, Any, Report], DivergenceError | None]

SMALLER = (
    "choose a smaller learning rate, or clip the gradients: "
    "cr.optim.Clipped(optimizer, by_global_norm=1.0) (command line: --learning-rate, --clip-norm)"
)
LARGE_INPUT = 10.0  # √mean square above which inputs are far from the scale of weights
CHUNK = 2**16  # rows that are looked at together


@dataclass(frozen=True)
class Found:
    """Where it began: in words, the user's line, why, and what to do; "" where it is not known."""

    where: str
    line: str = ""
    cause: str = ""
    remedy: str = ""


def explainer(
    compiled: Compiled, seed: int, callbacks: Sequence[Callback], feed: Any = None,
    columns: Sequence[str] | None = None,
) -> Explain:  # fmt: skip
    """What the loop is to do about a step that is not finite.

    Args:
        compiled: how it trains.
        seed: of the training.
        callbacks: of the training.
        feed: the batches: in arrays, the rows that are not finite are looked for.
        columns: the names of the inputs' columns, where they have any.

    Returns:
        explain(run before the step, batch, report) → the error; None with `TerminateOnNaN`.
    """

    def explain(run: Run, batch: Batch, report: Report) -> DivergenceError | None:
        if any(isinstance(c, TerminateOnNaN) for c in callbacks):
            return None
        key = (seed, STEP, run.epoch, run.step)
        found = first_not_finite(compiled, run.state, batch, key, feed, columns)
        loss = np.isfinite(report.losses[-1])
        what = "gradient is" if loss else "loss is"
        number = (
            f"a gradient of norm {report.norms[-1]}" if loss else f"a loss of {report.losses[-1]}"
        )
        where = f"{found.where} ({found.cause})" if found.cause else found.where
        return DivergenceError(
            f"the training diverged in epoch {run.epoch + 1}, step {run.step + 1}: its {what} no "
            "longer a finite number",
            got=f"{number}; {where}",
            line=found.line or user_line(),
            remedy=_remedy(found, first=run.epoch == run.step == 0),
        )

    return explain


def not_validated(
    epoch: int, loss: float, feed: Any, columns: Sequence[str] | None
) -> DivergenceError:
    """The error for a loss that is finite on what is learnt and not on what is validated on."""
    bad = _bad_rows(feed, columns)
    return DivergenceError(
        f"the validation loss after epoch {epoch + 1} is no finite number, that of the training is",
        got=f"a loss of {loss}" + (f"; of the validation data {bad}" if bad else ""),
        line=user_line(),
        remedy="look at those rows of the validation data"
        if bad
        else "choose a smaller learning rate if the training loss is large too; otherwise compare "
        "the scale of validation_data with that of the training data: np.abs(x).max()",
    )


def _remedy(found: Found, first: bool) -> str:
    if found.where.startswith("the batch"):
        return found.remedy
    if not first:
        return f"{SMALLER}; {found.remedy}" if found.remedy else SMALLER
    nothing = (
        "nothing has been learnt yet: look at what that function is given, at the scale of the "
        "data, and at the initialisers"
    )
    return f"{found.remedy}; {nothing}" if found.remedy else nothing


def first_not_finite(
    compiled: Compiled,
    state: TrainState,
    batch: Batch,
    key: tuple[int, ...],
    feed: Any = None,
    columns: Sequence[str] | None = None,
) -> Found:
    """Where one step stopped being finite."""
    for tree, name in ((batch.x, "x"), (batch.y, "y"), (batch.weight, "sample_weight")):
        if tree is not None and (bad := _bad_leaf(tree, name)):
            bad = _bad_rows(feed, columns) or bad
            return Found(
                f"the batch itself is not finite: {bad}", remedy="look at those rows of the data"
            )
    if bad := _bad_leaf(state.params, "params"):
        return Found(f"the parameters before it are not finite: {bad}")
    network, notes = recorded(compiled.network)
    with Quiet(), Trace() as trace:
        at = compiled.optimizer.lookahead(state.params, state.optimizer)
        params = trace.tree(at, "params")
        outputs, _ = network(params, state.layers, batch.x, training=True, rng=key)
        loss = compiled.objective(batch.y, outputs, batch.weight)
        nodes = trace.tape.nodes
        origin = forward_origin(nodes, [loss])
        if origin is None:
            seed = (loss.index, loss.value.dtype.type(1))
            origin = backward_origin(nodes, trace.start, trace.inputs, [seed])
        large = _large_inputs(batch.x, notes)
        if origin is None:
            return Found(_of_norm(trace, loss), remedy=large)
        found = _said(origin, nodes, notes)
        return replace(found, remedy="; ".join(filter(None, [found.remedy, large])))


def _of_norm(trace: Trace, loss: Node) -> str:
    """All numbers of the step are finite; the squares in the norm of the gradient need not be."""
    seed = (loss.index, loss.value.dtype.type(1))
    gradients = modes.reverse(trace.tape.nodes, trace.start, trace.inputs, [seed])
    largest = max((float(np.max(np.abs(g), initial=0.0)) for g in gradients if g is not None),
                  default=0.0)  # fmt: skip
    if largest > 1.0 and not np.isfinite(np.square(loss.value.dtype.type(largest))):
        return f"its elements reach {largest:.4g}, and their squares overflow"
    return "the step itself is finite when it is run again"


def _large_inputs(x: Any, notes: Sequence[Note]) -> str:
    """What to do about inputs that are far from the scale of weights; "" if they are not."""
    if not notes or isinstance(notes[0].layer, (Normalization, BatchNormalization, Embedding)):
        return ""
    leaves = [np.asarray(leaf, np.float64) for leaf in flatten(x)[0]]
    size = max((float(np.sqrt(np.mean(np.square(leaf)))) for leaf in leaves if leaf.size),
               default=0.0)  # fmt: skip
    if size <= LARGE_INPUT:
        return ""
    return f"the inputs are large (√mean square {size:.3g}): nn.Normalization as the first layer"


def _said(origin: Origin, nodes: Sequence[Node], notes: Sequence[Note]) -> Found:
    """An origin in words, with the layer that it lies in."""
    node, cure = origin.node, cure_of(origin, nodes)
    part = next((n.layer.label for n in notes if node.index in n.nodes), "the loss")
    ranges = [range_of(a) for a in node.args if np.asarray(value_of(a)).dtype.kind in "fiu"]
    given = f" of values from {' and '.join(ranges)}" if ranges else ""
    if origin.direction == "forward":
        where = f"first in {part}: {node.name}{given} gave {kind_of(origin.bad)}"
    else:
        where = f"first in the derivative of {part}: that of {node.name}{given}"
    return Found(where, node.line, cure.cause, cure.remedy if cure.specific else "")


def _bad_rows(feed: Any, columns: Sequence[str] | None) -> str:
    """The first number of the whole data that is not finite, by its row; "" for streams."""
    if not isinstance(feed, Rows):
        return ""
    for tree, name in ((feed.x, "x"), (feed.y, "y"), (feed.weight, "sample_weight")):
        for leaf, path in zip(flatten(tree)[0], paths_of(tree, name), strict=True):
            if leaf is None or np.asarray(leaf[:1]).dtype.kind != "f":
                continue
            first, count = "", 0
            for start in range(0, len(leaf), CHUNK):
                part = np.asarray(leaf[start : start + CHUNK])
                bad = np.argwhere(~np.isfinite(part))
                if len(bad) and not first:
                    row, *rest = bad[0].tolist()
                    at = [str(start + row), *map(str, rest)]
                    if columns is not None and name == "x" and len(rest) == 1:
                        at[1] = repr(columns[rest[0]])
                    first = f"{path}[{', '.join(at)}] is {part[tuple(bad[0])]}"
                count += len(np.unique(bad[:, 0])) if len(bad) else 0
            if first:
                return f"{first}; {count:,} of {len(leaf):,} rows {'is' if count == 1 else 'are'}"
    return ""


def _bad_leaf(tree: Any, name: str) -> str:
    """The first number of a tree that is not finite, in words; "" if there is none."""
    for leaf, path in zip(flatten(tree)[0], paths_of(tree, name), strict=True):
        array = np.asarray(leaf)
        if not is_finite(array):
            place = np.argwhere(~np.isfinite(array))[0]
            where = ", ".join(map(str, place))
            return f"{path}[{where}] is {array[tuple(place)]}"
    return ""
