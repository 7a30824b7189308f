"""A network, drawn: layers as boxes with shapes and numbers of parameters, or unfolded to steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
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

MOST_LAYERS, BOXES = 40, 12  # a network of more layers is drawn in about so many boxes


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
    graph, values = run.graph, x is not None
    groups = run.groups()
    if not unfold and len(groups) > MOST_LAYERS:
        groups = run.merged(groups)
    if loss is not None and unfold is not True:
        groups += run.loss_group(loss[0])
    sweeps = sweep(graph, "backward" if loss is not None else "values", None)
    if loss is None:
        given = "no targets are" if values else "no data is"
        sweeps.notes[:] = [
            f"Not differentiated: {given} given; draw(x, y) shows values and gradients."
        ]
    graph.title = f"{title}: {_count(params):,} parameters"
    shapes = {} if values else run.input_shapes()
    sketch = picture(graph, sweeps, groups, values=values, remarks=shapes)
    return drawn(sketch, direction, theme, frames)


class _Run:
    """One run of a network: its graph, what its layers noted, and where their nodes are."""

    def __init__(
        self, network: Layer, params: Tree, state: Tree, x: Any, loss: Any, training: bool,
        rng: Any, leave: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.settings = (network, params, state, x, loss, training, rng)
        noting, self.notes = recorded(network, leave)

        self.after_layers = 0  # where the loss begins on the tape

        def run(x: Any, params: Any) -> Any:
            outputs, _ = noting(params, state, x, training=training, rng=rng)
            self.after_layers = _made(outputs)
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
        """A group for each noted call of a layer, with the parameters that it alone reads."""
        home: dict[int, int] = {}
        for k, note in enumerate(self.notes):
            own = [note.input.index] if _is_copy(note.input) else []
            home |= {self.places[i]: k for i in (*own, *note.nodes) if i in self.places}
        for node, users in zip(self.graph.inputs, self.graph.users(), strict=False):
            readers = {home.get(u.index) for u in users}
            if node.name.startswith("params") and len(readers) == 1 and None not in readers:
                home[node.index] = readers.pop()  # type: ignore[assignment]
        members: list[list[int]] = [[] for _ in self.notes]
        for index in sorted(home):
            members[home[index]].append(index)
        return [
            Group(_lines(note), own, "layer", note.layer.label)
            for note, own in zip(self.notes, members, strict=True)
            if own
        ]

    def merged(self, groups: Sequence[Group]) -> list[Group]:
        """Many layers in few boxes: each a stretch of layers, and what is computed between them."""
        inputs = len(self.graph.inputs)
        found = []
        edges = np.linspace(0, len(groups), BOXES + 1).round().astype(int).tolist()
        for a, b in pairwise(edges):
            first, last = groups[a], groups[b - 1]
            steps = [k for k in (*first.members, *last.members) if k >= inputs]
            members = {k for g in groups[a:b] for k in g.members}
            members |= set(range(min(steps), max(steps) + 1))
            count = sum(np.size(self.graph.nodes[k].value) for k in members if k < inputs)
            lines = (
                Line(f"{first.lines[0].text} … {last.lines[0].text}", 13.0, bold=True),
                Line(f"{b - a} layers", muted=True),
                last.lines[2],
                Line(f"{count:,} parameters"),
            )
            found.append(Group(lines, sorted(members), "group"))
        return found

    def loss_group(self, name: str) -> list[Group]:
        """What comes after the network, as one box."""
        members = [index for k, index in self.places.items() if k >= self.after_layers]
        lines = (Line(name, 13.0, bold=True), Line("loss", muted=True))
        return [Group(lines, members)] if members else []

    def input_shapes(self) -> dict[int, str]:
        """What is said of the inputs where no values are: of one example, or of a parameter."""
        return {
            n.index: _shape(np.shape(n.value)[0 if n.name.startswith("params") else 1 :])
            for n in self.graph.inputs
        }


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
    lines.append(Line(f"output {_shape(shape)}"))
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


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"


def _made(tree: Any) -> int:
    """How many nodes the tape of a traced result has."""
    node = next((leaf for leaf in flatten(tree)[0] if isinstance(leaf, Node)), None)
    return 0 if node is None else len(node.tape.nodes)


def _count(tree: Any) -> int:
    return sum(prod(np.shape(leaf)) for leaf in flatten(tree)[0])
