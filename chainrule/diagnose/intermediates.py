"""`intermediates`: every named value of a function or a network, with its tangent and adjoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import modes
from chainrule.diagnose.passing import KEY, batch_of
from chainrule.elementary.base import shape_of
from chainrule.elementary.shaping import identity
from chainrule.errors import ArgumentError
from chainrule.graph import Node
from chainrule.insight.intermediates import Intermediate, Intermediates, filled, of_function
from chainrule.insight.variables import Sighting, Watch, unique_names
from chainrule.insight.words import number
from chainrule.nn.naming import user_line
from chainrule.nn.recording import Note, recorded
from chainrule.running import Quiet
from chainrule.tracing import Trace, flatten, same_structure
from chainrule.train.inputs import as_inputs, rows_of, take

if TYPE_CHECKING:
    from chainrule.train.model import Model


def intermediates(
    f: Any,
    *,
    tangents: Any = None,
    cotangent: Any = None,
    everything: bool = False,
    training: bool = False,
) -> Callable[..., Intermediates]:
    """Values, tangents and adjoints of everything that has a name, in one call.

    Of a function, ``intermediates(f)(*args)``: the arguments, and every variable of the user's that
    held a traced value, in f and in the functions of the user's that it calls (``layer.z``). What
    is assigned again is ``x#2``, ``x#3``, …; a result without a variable is ``return``.

    Of a network, ``intermediates(model)(x, y)``: the parameters (``dense.kernel``), what each layer
    gives (``dense``) and its activation gets (``dense.preactivation``), variables in one's own
    layers and losses, and ``loss``. A last sigmoid or softmax is computed within the loss, so the
    last layer gives logits here. With x alone, the outputs as `predict` gives them.

    Args:
        f: a function of NumPy code, or a `Model`.
        tangents: how the inputs move: a tangent for each argument of the function, None for one
            that stays; by default 1 for every number. For a network a tree like its parameters, by
            default minus the gradient: the step of descent with a rate of 1.
        cotangent: the adjoint of the result, like it; by default 1 for every number.
        everything: also what has no name, as ξ₁, ξ₂, … (functions).
        training: as in a training step (dropout, batch norm by the batch) instead of as in use
            (networks).

    Returns:
        A function of the same arguments (x, y and sample_weight for a network) that returns
        `Intermediates`, a mapping from names to `Intermediate`; print it for a table.

    >>> def loss(w, b):
    ...     z = 3.0 * w + b
    ...     p = 1 / (1 + np.exp(-z))
    ...     return -np.log(p)
    >>> found = intermediates(loss)(0.0, 0.0)
    >>> print(found)
    loss(w, b)
    <BLANKLINE>
     name   │ step                 │ value      │ tangent │ adjoint
    ────────┼──────────────────────┼────────────┼─────────┼─────────
     w      │                      │ 0          │ 1       │ -1.5
     b      │                      │ 0          │ 1       │ -0.5
     z      │ 3.0 * w + b          │ 0          │ 4       │ -0.5
     p      │ 1 / (1 + np.exp(-z)) │ 0.5        │ 1       │ -2
     return │ -np.log(p)           │ 0.69314718 │ -2      │ 1
    <BLANKLINE>
    5 steps without a name: everything=True shows them too
    >>> print(found["p"].adjoint)
    -2.0
    """
    if not hasattr(f, "training_state"):
        if training:
            raise ArgumentError(
                "training belongs to a network",
                got="training=True with a function",
                line=user_line(),
                remedy="leave it out",
            )
        return of_function(f, tangents, cotangent, everything)
    if cotangent is not None or everything:
        raise ArgumentError(
            "cotangent and everything belong to functions",
            got="cotangent=…" if cotangent is not None else "everything=True",
            line=user_line(),
            remedy="leave them out; cr.trace shows every step of a function",
        )

    def kept(x: Any, y: Any = None, sample_weight: Any = None) -> Intermediates:
        return _of_network(f, x, y, sample_weight, tangents, training)

    return kept


def _of_network(
    model: Model, x: Any, y: Any, weight: Any, tangents: Any, training: bool
) -> Intermediates:
    loss: Any = None
    if y is None:
        state = model.training_state("intermediates")
        network, notes = recorded(model.layer, containers=True)
        x = take(as_inputs(x, columns=model.columns)[0], slice(None), model.dtype)
    else:
        batch = batch_of(model, x, y, sample_weight=weight)
        state = model.training_state("intermediates")
        compiled = model.compiled("intermediates")
        network, notes = recorded(compiled.network, containers=True)
        x, loss = batch.x, lambda outputs: compiled.objective(batch.y, outputs, batch.weight)
    if tangents is not None:
        same_structure(state.params, tangents, "the tangent")
    with Quiet(), Trace() as run:
        params = run.tree(state.params, "params")
        data = _traced(run, x)
        with Watch() as watch:
            result, _ = network(params, state.layers, data, training=training, rng=KEY)
            result = result if loss is None else loss(result)
        names = _names(params, data, notes, watch, result, "output" if loss is None else "loss",
                       run.start)  # fmt: skip
        steps = {id(call.output): type(call.layer).__name__ for call in reversed(notes)}
        title = f"{model.name} on {rows_of(x)} rows"
        if loss is not None:
            steps[id(result)] = type(compiled.objective).__name__
            title += f"; loss {number(result.value, 6)}"
        return _collected(title, names, steps, result, params, tangents, run)


def _traced(run: Trace, x: Any) -> Any:
    """The inputs with those of floating-point numbers as inputs of the trace."""
    leaves, spec = flatten(x)
    found = [
        run.input(leaf, "x") if np.asarray(leaf).dtype.kind == "f" else leaf for leaf in leaves
    ]
    return found[0] if spec is None else spec.unflatten(found)


def _names(
    params: Any, x: Any, notes: list[Note], watch: Watch, result: Any, final: str, start: int
) -> dict[str, Node]:
    """The nodes by their names, in the order in which they were made."""
    seen: dict[int, Sighting] = {}

    def note(node: Any, name: str) -> None:
        if isinstance(node, Node) and node.index >= start and id(node) not in seen:
            seen[id(node)] = Sighting(node, 0, name)

    for call in notes:
        for leaf, path in zip(*_keys(call.params), strict=True):
            note(leaf, f"{call.name}.{path}")
    for leaf, path in zip(*_keys(params), strict=True):  # those of layers that did not run
        note(leaf, path)
    for leaf, path in zip(*_keys(x), strict=True):
        note(leaf, f"x.{path}" if path else "x")
    for call in notes:
        if call.path and call.preactivation is not call.output:
            note(call.preactivation, f"{call.name}.preactivation")
        if call.path:
            note(call.output, call.name)
    note(result, final)
    for sighting in watch.sightings.values():
        if sighting.node.fn is identity:  # what came in under another name
            continue
        index = sighting.node.index
        within = next((c.name for c in notes if index in c.nodes), None)
        variable = sighting.name.rpartition(".")[2] if within else sighting.name
        note(sighting.node, f"{within}.{variable}" if within else variable)
    return unique_names(list(seen.values()), set())


def _keys(tree: Any) -> tuple[list[Any], list[str]]:
    """The leaves of a tree, and the keys that lead to each, joined by dots."""
    import optree

    leaves, spec = flatten(tree)
    if spec is None:
        return leaves, [""]
    paths = optree.treespec_paths(spec)
    return leaves, [".".join(map(str, path)) for path in paths]


def _collected(
    title: str,
    names: dict[str, Node],
    steps: dict[int, str],
    result: Any,
    params: Any,
    tangents: Any,
    run: Trace,
) -> Intermediates:
    """Both sweeps, and what they found at the named nodes."""
    nodes, start = run.tape.nodes, run.start
    one = np.ones(shape_of(result), result.value.dtype)[()]
    kept: list[Any] = []
    modes.reverse(nodes, start, run.inputs, [(result.index, one)], keep=kept)
    kept += [None] * (len(nodes) - start - len(kept))
    leaves = flatten(params)[0]
    if tangents is None:
        moving = [-filled(kept[p.index - start], p.value) for p in leaves]
        note = "tangents: for parameters that move by minus their gradients"
    else:
        moving = [np.asarray(t, p.value.dtype) for p, t in
                  zip(leaves, flatten(tangents)[0], strict=True)]  # fmt: skip
        note = "tangents: for parameters that move as given"
    rows: list[Any] = [None] * run.inputs
    for p, t in zip(leaves, moving, strict=True):
        rows[p.index - start] = t
    moved = modes.forward(nodes, start, run.inputs, len(nodes), rows)
    what = "loss" if "loss" in names else "sum of the outputs"
    found = {
        name: Intermediate(
            name,
            "" if node.fn is None else steps.get(id(node), node.name),
            node.value,
            filled(moved[node.index - start], node.value),
            filled(kept[node.index - start], node.value),
            "" if node.fn is None else node.line,
        )
        for name, node in names.items()
    }
    notes = (note, f"adjoints: derivatives of the {what}")
    return Intermediates(title, found, notes)
