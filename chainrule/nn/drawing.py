"""A network, drawn: layers as boxes with shapes and numbers of parameters, or unfolded to steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import prod
from typing import Any

import numpy as np

from chainrule.elementary.base import shape_of
from chainrule.errors import ArgumentError
from chainrule.graph import Node
from chainrule.insight.drawing import Direction, Drawing, Theme, drawn
from chainrule.insight.drawing.picturing import Group, picture
from chainrule.insight.drawing.sketch import Line
from chainrule.insight.drawing.sweeps import sweep
from chainrule.insight.tracing import trace
from chainrule.insight.words import name_word
from chainrule.nn.activations import activation_name
from chainrule.nn.layers.base import Layer, Tree, zeros
from chainrule.nn.naming import user_line
from chainrule.nn.recording import Note, recorded
from chainrule.tracing import flatten

Unfold = bool | str | Sequence[str]


def draw_network(
    network: Layer,
    params: Tree,
    state: Tree,
    input_shape: Any,
    *,
    x: Any = None,
    loss: tuple[str, Callable[[Any], Any]] | None = None,
    training: bool = False,
    rng: Any = None,
    unfold: Unfold = False,
    direction: Direction = "auto",
    theme: Theme = "auto",
    frames: bool = False,
    title: str = "network",
) -> Drawing:
    """Draw a network with parameters.

    Args:
        network, params, state: the layer, and what its ``build`` made.
        input_shape: of one example; a tuple of shapes for several inputs.
        x: a batch to show the values of; None for the structure alone.
        loss: its name, and the function from the outputs to one number, to show gradients.
        training, rng: how the layers are called.
        unfold: True for the elementary functions of all layers, or the names of some.
        direction, theme, frames: see ``TracedGraph.draw``.
        title: the heading.
    """
    examples = zeros(input_shape, 1) if x is None else x
    run = _Run(network, params, state, examples, loss, training, rng)
    if unfold:
        run = run.unfolded(unfold)
    graph = run.graph
    groups = run.groups()
    if loss is not None and unfold is not True:
        groups += run.loss_group(loss[0])
    values = x is not None
    sweeps = sweep(graph, "backward" if loss is not None else "values", None)
    if loss is None:
        given = "no targets are" if values else "no data is"
        sweeps.notes[:] = [
            f"Not differentiated: {given} given; draw(x, y) shows values and gradients."
        ]
    graph.title = f"{title}: {_count(params):,} parameters"
    return drawn(picture(graph, sweeps, groups, values=values), direction, theme, frames)


class _Run:
    """One run of a network: its graph, what its layers noted, and where their nodes are."""

    def __init__(
        self, network: Layer, params: Tree, state: Tree, x: Any, loss: Any, training: bool,
        rng: Any, leave: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.settings = (network, params, state, x, loss, training, rng)
        noting, self.notes = recorded(network, leave)

        def run(x: Any, params: Any) -> Any:
            outputs, _ = noting(params, state, x, training=training, rng=rng)
            result = outputs if loss is None else loss[1](outputs)
            nodes = next((y.tape.nodes for y in flatten(result)[0] if isinstance(y, Node)), [])
            return result, {str(i): node for i, node in enumerate(nodes)}

        with np.errstate(all="ignore"):
            self.graph = trace(run, has_aux=True)(x, params)
        self.places = {int(i): node.index for i, node in self.graph.names.items()}
        self.graph.names = {}
        for node in self.graph.inputs:
            self.graph.words[node.index] = name_word(_dotted(node.name))

    def unfolded(self, unfold: Unfold) -> _Run:
        """The same with some layers, or all, not noted.

        Raises:
            ArgumentError: there is no such layer.
        """
        names = [note.name for note in self.notes]
        chosen = names if isinstance(unfold, bool) else unfold
        wanted = {chosen} if isinstance(chosen, str) else set(chosen)
        unknown = wanted.difference(names)
        if unknown:
            raise ArgumentError(
                f"there is no layer '{sorted(unknown)[0]}' to unfold",
                got=f"unfold={unfold!r}",
                line=user_line(),
                remedy=f"its layers are {', '.join(dict.fromkeys(names))}",
            )
        return _Run(*self.settings, wanted)

    def groups(self) -> list[Group]:
        """A group for each noted call of a layer, with its parameters."""
        users = self.graph.users()
        found = []
        for note in self.notes:
            own = [note.input.index] if _is_copy(note.input) else []
            members = [self.places[k] for k in (*own, *note.nodes) if k in self.places]
            inside = set(members)
            members += [
                n.index
                for n in self.graph.inputs
                if n.name.startswith("params")
                and users[n.index]
                and all(u.index in inside for u in users[n.index])
            ]
            if members:
                found.append(Group(_lines(note), members, "layer", note.layer.label))
        return found

    def loss_group(self, name: str) -> list[Group]:
        """What comes after the network, as one box."""
        noted = [self.places[k] for note in self.notes for k in note.nodes if k in self.places]
        first = max([len(self.graph.inputs), *(k + 1 for k in noted)])
        lines = (Line(name, 13.0, bold=True), Line("loss", muted=True))
        members = range(first, len(self.graph))
        return [Group(lines, members)] if members else []


def _dotted(path: str) -> str:
    """``params['dense']['kernel']`` as ``dense.kernel``."""
    if not path.startswith("params["):
        return path
    return path.removeprefix("params").replace("']['", ".").removeprefix("['").removesuffix("']")


def _is_copy(x: Any) -> bool:
    return isinstance(x, Node) and x.fn is not None and x.fn.name == "identity"


def _lines(note: Note) -> tuple[Line, ...]:
    """What a layer's box says: its name, its kind, the shape of its output, its parameters."""
    shape = shape_of(note.output)[1:]
    count = _count(note.params)
    lines = [Line(note.name, 13.0, bold=True), Line(_kind(note.layer), muted=True)]
    lines.append(Line("output (" + ", ".join(map(str, shape)) + ")"))
    if count:
        lines.append(Line(f"{count:,} parameters"))
    return tuple(lines)


def _kind(layer: Layer) -> str:
    """The class of a layer and the settings that matter to a reader: ``Conv2D 3×3, relu``."""
    text = type(layer).__name__
    size = getattr(layer, "kernel_size", getattr(layer, "pool_size", None))
    if size is not None:
        sides = size if isinstance(size, tuple) else (size,) * (1 if text.endswith("1D") else 2)
        text += " " + "×".join(map(str, sides))
    if hasattr(layer, "rate"):
        text += f" {layer.rate}"
    name = activation_name(layer.activation) if hasattr(layer, "activation") else "linear"
    return text if name in ("", "linear") else f"{text}, {name}"


def _count(tree: Any) -> int:
    return sum(prod(np.shape(leaf)) for leaf in flatten(tree)[0])
