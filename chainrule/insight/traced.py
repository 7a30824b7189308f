"""The graph of one run of a function, with the user's names: called, printed, drawn, tabulated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.elementary.base import Pointwise
from chainrule.errors import ArgumentError, TreeError
from chainrule.graph import Graph, Node
from chainrule.insight.expression import expression, prose
from chainrule.insight.words import Word, digest, name_word, node_word, number, width
from chainrule.tracing import flatten, paths_of, unflatten

if TYPE_CHECKING:
    from chainrule.insight.drawing import Direction, Drawing, Theme
    from chainrule.insight.drawing.grouping import Unfold
    from chainrule.insight.table import Table

_LETTERS = "abcd"


class Argument(NamedTuple):
    """One argument of the traced function: its name and its tree of leaves."""

    name: str
    leaves: list[Any]
    structure: Any
    varying: list[bool]  # which leaves are inputs of the graph


class TracedGraph(Graph):
    """The graph of one run of a function, with the values of that run.

    Attributes:
        title: the call, ``loss(W, x, y)``.
        arguments: the arguments in order; those given by keyword last.
        words: the printed name of every node: inputs have the user's, steps are ξ₁, ξ₂, …
        variables: the variables that callers in the user's code stored results of functions in, by
            the position of the node.
        constants: arrays that the steps use and no argument names, with their printed names.

    >>> import chainrule as cr
    >>> graph = cr.trace(lambda W, x: np.exp(-W * x))(3, 3.0)
    >>> print(graph)
    graph of <lambda>(W, x)
      W  = 3
      x  = 3
      ξ₁ = −W       = -3
      ξ₂ = ξ₁·x     = -9
      ξ₃ = exp(ξ₂)  = 0.0001234098
      returns ξ₃
    >>> print(graph(0.5, 2.0))
    0.36787944117144233
    """

    __slots__ = ("arguments", "constants", "title", "variables", "words")

    def __init__(
        self,
        inputs: Sequence[Node],
        outputs: Sequence[Any],
        structure: Any,
        names: dict[str, Any],
        title: str,
        arguments: Sequence[Argument],
        keywords: Sequence[str],
        variables: Sequence[tuple[Node, str]] = (),
    ) -> None:
        # The graph has copies of the nodes: they are found again by names that nobody gives.
        marks = {f"\0{k}": node for k, (node, _) in enumerate(variables)}
        super().__init__(inputs, outputs, structure, {**names, **marks})
        found = {self.names.pop(m): k for k, m in enumerate(marks) if m in self.names}
        self.variables = {node.index: variables[k][1] for node, k in found.items()}
        self.title = title
        self.arguments = (tuple(arguments), tuple(keywords))
        first = len(self.inputs)
        self.words = [
            name_word(n.name) if n.fn is None else node_word(n.index - first + 1)
            for n in self.nodes
        ]
        named = {
            id(leaf): name_word(path)
            for a in arguments
            for leaf, path in zip(a.leaves, paths_of(_tree(a), a.name), strict=True)
            if isinstance(leaf, np.ndarray)
        }
        self.constants: dict[int, tuple[Word, np.ndarray]] = {}
        for node in self.nodes:
            for a in node.args:
                if isinstance(a, np.ndarray) and not _inline(a) and id(a) not in self.constants:
                    k = len(self.constants) + 1
                    word = named.get(id(a), Word(f"C{node_word(k).text[1:]}", f"C_{{{k}}}"))
                    self.constants[id(a)] = (word, a)

    # Evaluation ------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function at new arguments, along the steps that were traced.

        Raises:
            TreeError: the arguments have other containers, or differ where they are constants of
                the graph (integers arrays, strings, booleans, None).
            ShapeError: an array has another shape.
        """
        return super().__call__(*self._leaves(args, kwargs))

    def _leaves(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
        arguments, keywords = self.arguments
        count = len(arguments) - len(keywords)
        if len(args) != count or set(kwargs) != set(keywords):
            raise ArgumentError(
                f"the graph of {self.title} is called with other arguments than the function was",
                got=f"{len(args)} positional ones"
                + (f" and {', '.join(kwargs)}" if kwargs else ""),
                remedy=f"pass {count} positional ones"
                + (f" and {', '.join(keywords)}" if keywords else ""),
            )
        found = []
        for a, x in zip(arguments, [*args, *(kwargs[k] for k in keywords)], strict=True):
            leaves, structure = flatten(x)
            if structure != a.structure or len(leaves) != len(a.leaves):
                raise TreeError(
                    f"the argument '{a.name}' has another structure than when it was traced",
                    got=f"{structure or 'a single value'} instead of "
                    f"{a.structure or 'a single value'}",
                    remedy="use the same containers, keys and lengths, or trace again",
                )
            for new, old, varying in zip(leaves, a.leaves, a.varying, strict=True):
                if varying:
                    found.append(new)
                elif not np.array_equal(new, old):
                    raise TreeError(
                        f"'{a.name}' is a constant of the graph and has changed",
                        got=f"{digest(new)} instead of {digest(old)}",
                        remedy="trace the function again with the new value",
                    )
        return found

    # Printing --------------------------------------------------------------------------------

    def word(self, x: Any) -> Any:
        """How an argument of a step is printed: a word, or a number."""
        if isinstance(x, Node):
            return self.words[x.index]
        if id(x) in self.constants:
            return self.constants[id(x)][0]
        if isinstance(x, np.ndarray) and x.ndim:
            text = "[" + ", ".join(number(v, 4) for v in x.flat) + "]"
            return Word(text, text)
        x = x.item() if isinstance(x, (np.generic, np.ndarray)) else x
        if isinstance(x, (int, float)) and not isinstance(x, bool):
            return x
        return Word(str(x), rf"\mathrm{{{x}}}")

    def formula(self, node: Node) -> Word:
        """A step in terms of its predecessors."""
        names = self._names(node)
        source, extra = node.fn.formula, dict(node.params)
        if "index" in extra and "…" in source:
            text = repr(extra.pop("index"))
            names["…"] = Word(text, rf"\mathrm{{{text.replace('…', chr(92) + 'ldots{}')}}}")
        elif "…" in source:
            words = [_as_word(self.word(a)) for a in node.args]
            names["…"] = Word(", ".join(w.text for w in words), ", ".join(w.latex for w in words))
        if source == "a" and "dtype" in extra:
            source = f"{extra.pop('dtype')}(a)"
        if "k" in extra and source == "a[k]":
            names["k"] = extra.pop("k")
        options = [f"{k}={v!r}" for k, v in extra.items() if v is not None and v is not False]
        if options and source.endswith(")") and not isinstance(node.fn, Pointwise):
            source = f"{source[:-1]}, {', '.join(options)})"
            return prose(source, names)
        return expression(source, names)

    def rule(self, node: Node, position: int) -> Word:
        """The partial derivative of a step with respect to one argument.

        Where it is not elementwise, the way the step hands a cotangent g back: ``g ↦ g @ Wᵀ``.
        """
        fn = node.fn
        symbols = getattr(fn, "symbols", ())
        variadic = getattr(fn, "variadic", False)
        source = symbols[0 if variadic else position] if symbols else "0"
        if source == "g":
            return Word("1", "1")
        names = self._names(node)
        names["g"] = Word("g", "g")
        if "…" in source and "index" in node.params:
            text = repr(node.params["index"])
            names["…"] = Word(text, rf"\mathrm{{{text.replace('…', chr(92) + 'ldots{}')}}}")
        word = expression(source, names, partial=True)
        if isinstance(fn, Pointwise) or "g" not in _letters(source):
            return word
        return Word(f"g ↦ {word.text}", rf"g \mapsto {word.latex}")

    def _names(self, node: Node) -> dict[str, Any]:
        names = {c: self.word(a) for c, a in zip(_LETTERS, node.args, strict=False)}
        names["y"] = self.words[node.index]
        return names

    def __str__(self) -> str:
        rows = []
        for node in self.nodes:
            left = self.formula(node).text if node.fn is not None else digest(node.value)
            rows.append((self.words[node.index].text, left, node))
        first = max((width(name) for name, _, _ in rows), default=0)
        second = max((width(left) for _, left, n in rows if n.fn is not None), default=0)
        labels = {node.index: name for name, node in self.names.items()}
        lines = [f"graph of {self.title}"]
        for name, left, node in rows:
            line = f"  {name}{' ' * (first - width(name))} = {left}"
            if node.fn is not None:
                line += f"{' ' * (second - width(left))}  = {digest(node.value)}"
            if node.index in labels:
                line += f"  ({labels[node.index]})"
            lines.append(line)
        lines += [f"  {word.text} = {digest(value)}" for word, value in self.constants.values()]
        returned = [
            self.words[y.index].text if isinstance(y, Node) else digest(y) for y in self.outputs
        ]
        return "\n".join([*lines, f"  returns {', '.join(returned)}"])

    def __repr__(self) -> str:
        return f"<{self.title}: {len(self.inputs)} inputs, {len(self) - len(self.inputs)} steps>"

    def to_latex(
        self,
        mode: str = "backward",
        wrt: str | Sequence[str] | None = None,
        *,
        document: bool = False,
    ) -> str:
        """The whole derivation: the function, the factors of the chain rule, and the result.

        Args:
            mode, wrt: as for ``table``.
            document: a whole document; else parts for one that uses amsmath.

        Raises:
            ArgumentError, NotScalarError: as for ``table``.

        >>> import chainrule as cr
        >>> print(cr.trace(lambda x: np.exp(-x))(0.0).to_latex())
        \\paragraph{The function}
        \\begin{alignat*}{2}
          L &= e^{-x} \\\\
          &\\text{at } x = 0
        \\end{alignat*}
        ...
        """
        from chainrule.insight.derivation import derivation

        return derivation(self, self.table(mode, wrt), document)

    def to_dot(self, *, values: bool = True, partials: bool = False) -> str:
        """The graph for Graphviz."""
        from chainrule.insight.drawing.markup import dot

        return dot(self, values, partials)

    def to_mermaid(self, *, values: bool = True, partials: bool = False) -> str:
        """The graph for Mermaid, which Markdown pages draw."""
        from chainrule.insight.drawing.markup import mermaid

        return mermaid(self, values, partials)

    def draw(
        self,
        mode: str | None = None,
        wrt: str | Sequence[str] | None = None,
        *,
        unfold: Unfold = None,
        direction: Direction = "auto",
        theme: Theme = "auto",
        frames: bool = False,
    ) -> Drawing:
        """Draw the graph: values in the boxes, partial derivatives on the edges.

        Each box also has the derivative that runs through the graph: dL/dξ from the result back,
        or dξ/dw from the inputs on; its colour tells the size. Lines of the user's code name the
        steps, and are shown where a pointer rests.

        Args:
            mode: "backward", "forward", "both", or "values" for no derivative. By default backward
                where the function returns one number, else values, and the drawing says so.
            wrt: the inputs to differentiate with respect to in forward mode; all by default.
            unfold: a graph of more than 120 steps is drawn in groups, named after the functions
                and lines that made them. True draws every step; (first, last) those from ξ first
                to ξ last; the name of a function, or several, the steps that it made.
            direction: of the flow from inputs to results: "right", "down", or "auto" for right
                where that fits a page.
            theme: "light", "dark", or "auto" for the reader's own.
            frames: the forward and the backward pass step by step: an animation, and its
                ``frames``, a drawing for each step.

        Returns:
            A drawing: a notebook shows it, ``.svg`` is its text, ``.save`` writes SVG, PNG or PDF;
            with frames SVG, GIF or WebP.

        Raises:
            ArgumentError: an unknown mode, name, step, direction or theme.
            NotScalarError: backward mode where the function does not return one number.

        >>> import chainrule as cr
        >>> graph = cr.trace(lambda W, x: np.exp(-W * x))(3, 3.0)
        >>> "dL/dW = −0.000370229" in graph.draw().svg
        True
        """
        from chainrule.insight.drawing import drawn
        from chainrule.insight.drawing.grouping import groups_of
        from chainrule.insight.drawing.picturing import picture
        from chainrule.insight.drawing.sweeps import sweep

        sketch = picture(self, sweep(self, mode, wrt), groups_of(self, unfold))
        return drawn(sketch, direction, theme, frames)

    def _repr_svg_(self) -> str:
        return self.draw().svg

    def table(self, mode: str = "backward", wrt: str | Sequence[str] | None = None) -> Table:
        """The trace table: every step with its partials, its values and the running derivative.

        Args:
            mode: "forward" (dξₙ/dw from the inputs on), "backward" (dL/dξₙ from the output back),
                or "both".
            wrt: the names of the inputs to differentiate with respect to; a container's name
                stands for all its leaves. All inputs by default.

        Raises:
            ArgumentError: an unknown mode or name.
            NotScalarError: backward mode where the function does not return one number.
        """
        from chainrule.insight.building import build

        return build(self, mode, wrt)


def _inline(a: np.ndarray) -> bool:
    """Is a constant array short enough to stand in a formula?"""
    return a.ndim == 0 or (a.ndim == 1 and a.size <= 4 and a.dtype.kind in "biuf")


def _tree(a: Argument) -> Any:
    return unflatten(a.structure, a.leaves)


def _as_word(x: Any) -> Word:
    return x if isinstance(x, Word) else Word(number(x), number(x))


def _letters(source: str) -> set[str]:
    """The single letters of a rule."""
    return {w for w in re.findall(r"[A-Za-z_]+", source) if len(w) == 1}
