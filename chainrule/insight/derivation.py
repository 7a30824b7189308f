"""The whole derivation in LaTeX: the function, each chain-rule factor, and the result."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.graph import Node, predecessors
from chainrule.insight.expression import printed, syntax_tree
from chainrule.insight.table import Table
from chainrule.insight.words import Word, digest, latex_text, number_latex

if TYPE_CHECKING:
    from chainrule.insight.traced import TracedGraph

DIGITS = 6
MOST_PATHS, LONGEST_PATH = 6, 16  # from an input to the result, that are written out as products
MOST_TERMS = 60  # steps of a function that is written in one line
LONGEST_FORMULA = 300  # signs of LaTeX of a function that is written in one line
SUM = " + "


def derivation(graph: TracedGraph, table: Table, document: bool) -> str:
    """The derivation of a table's derivatives; see :meth:`TracedGraph.to_latex`."""
    parts = [("The function", _function(graph, table)), ("Its steps", _steps(table))]
    heading = "The factors: the partial derivative of each step"
    if any("mapsto" in p.formula.latex for row in table.steps for p in row.partials):
        heading += ", or how it hands an adjoint g back"
    parts.append((heading, _factors(table)))
    if table.mode != "backward":
        for name in table.wrt:
            parts.append(
                (f"Forward: the derivative by {name}, from step to step", _forward(table, name))
            )
    if table.mode != "forward":
        parts.append(("Backward: from the result to each step", _backward(table)))
    parts.append(("The chain rule, and the result", _results(graph, table)))
    body = "\n".join(
        f"\\paragraph{{{latex_text(title)}}}\n\\begin{{alignat*}}{{2}}\n"
        + " \\\\\n".join(f"  {line}" for line in lines)
        + "\n\\end{alignat*}"
        for title, lines in parts
        if lines
    )
    if not document:
        return body
    return "\n".join(
        [
            r"\documentclass[fleqn]{article}",
            r"\usepackage[T1]{fontenc}",
            r"\usepackage{amsmath}",
            rf"\usepackage[paperwidth={_room(parts):.1f}cm,paperheight=29.7cm,margin=2cm]{{geometry}}",
            r"\allowdisplaybreaks",
            r"\begin{document}",
            rf"\section*{{{latex_text(table.title)}}}",
            body,
            r"\end{document}",
            "",
        ]
    )


def _room(parts: Sequence[tuple[str, Sequence[str]]]) -> float:
    """The width of a page in cm on which the longest line fits."""
    lines = [re.sub(r"\\[A-Za-z]+|[{}_^&]", "", line) for _, part in parts for line in part]
    return max(21.0, 6.0 + 0.2 * max(map(len, lines), default=0))


def _function(graph: TracedGraph, table: Table) -> list[str]:
    """The function in one formula, where it is no longer than a line, and where it is evaluated."""
    lines = []
    y = graph.outputs[0] if len(graph.outputs) == 1 else None
    if isinstance(y, Node):
        formula = nested(graph, y)
        if formula is not None and len(formula.latex) <= LONGEST_FORMULA:
            lines.append(f"{table.output.latex} &= {formula.latex}")
    given = [f"{word.latex} = {_value(value)}" for word, value in table.inputs]
    given += [f"{word.latex} = {_value(value)}" for word, value in table.constants]
    across = 1 if any(r"\text" in g for g in given) else 6
    lines += [
        (r"&\text{at } " if k == 0 else r"&\phantom{\text{at }}")
        + r",\quad ".join(given[k : k + across])
        for k in range(0, len(given), across)
    ]
    return lines


def _steps(table: Table) -> list[str]:
    lines = []
    for row in table.steps:
        assert row.formula is not None
        names = [row.label, row.word] if row.label else [row.word]
        left = " = ".join(n.latex for n in names)
        lines.append(f"{left} &= {row.formula.latex} &\\quad&= {_value(row.value)}")
    return lines


def _factors(table: Table) -> list[str]:
    lines = []
    for row in table.steps:
        for p in row.partials:
            line = f"{_fraction(row.word, p.of, partial=True)} &= {p.formula.latex}"
            shown = (
                "" if isinstance(p.value, str) or "mapsto" in p.formula.latex else _value(p.value)
            )
            lines.append(
                f"{line} &\\quad&= {shown}" if shown and shown != p.formula.latex else line
            )
    return lines


def _forward(table: Table, name: str) -> list[str]:
    """dξ/dw = Σ ∂ξ/∂a · da/dw, in the order of the steps."""
    by = next(word for word, _ in table.inputs if word.text == name)
    known: dict[str, Any] = {name: 1.0}
    known |= {row.word.text: row.forward.get(name) for row in table.steps}
    lines = []
    for row in table.steps:
        if name not in row.forward:
            continue
        terms = [
            _forth(p.formula, _fraction(row.word, p.of, partial=True), _fraction(p.of, by))
            for p in row.partials
            if _arrives(known.get(p.of.text))
        ]
        lines.append(_equation(_fraction(row.word, by), terms, row.forward[name]))
    return lines


def _backward(table: Table) -> list[str]:
    """dL/dξ = Σ dL/dr · ∂r/∂ξ over the steps r that read ξ, from the last to the first."""
    rules = {(row.word, p.of): p.formula for row in table.steps for p in row.partials}
    values = {row.word: row.value for row in table.steps}
    lines = []
    for row in (*reversed(table.steps), *table.finals):
        terms = []
        for reader, _ in row.contributions:
            rule = rules[reader, row.word]
            term = _back(
                rule, _fraction(reader, row.word, partial=True), _fraction(table.output, reader)
            )
            spread = _spread(row.value, values[reader])
            # What was spread over an axis gets the sum over it.
            terms.append(
                rf"\textstyle\sum {term}" if spread and "mapsto" not in rule.latex else term
            )
        lines.append(_equation(_fraction(table.output, row.word), terms, row.backward))
    return lines


def _arrives(x: Any) -> bool:
    """Is a tangent more than zeros?"""
    if isinstance(x, (list, tuple)):
        return any(map(_arrives, x))
    return x is not None and bool(np.any(x))


def _spread(argument: Any, result: Any) -> bool:
    """Was an array, or a number, spread over the axes of a larger result?"""
    if isinstance(argument, tuple) or isinstance(result, tuple):
        return False
    return np.ndim(result) > 0 and np.shape(argument) != np.shape(result)


def _results(graph: TracedGraph, table: Table) -> list[str]:
    """dL/dw as the product of the factors along each path, with their values, and the result."""
    lines = []
    y = graph.outputs[0] if len(graph.outputs) == 1 else None
    factors = {(row.word, p.of): p for row in table.steps for p in row.partials}
    for row in table.finals:
        name = row.word.text
        value = row.backward if table.mode != "forward" else row.forward.get(name)
        left = _fraction(table.output, row.word)
        start = next(n for n in graph.inputs if graph.words[n.index] == row.word)
        found = _paths(graph, start, y) if isinstance(y, Node) else []
        if found:
            lines += _stacked(f"{left} ", [_along(graph, path) for path in found])
            numbers = [
                [factors[graph.words[b.index], graph.words[a.index]].value for a, b in _pairs(path)]
                for path in found
            ]
            if all(not isinstance(v, str) and not np.ndim(v) for vs in numbers for v in vs):
                lines += _stacked("", [_times(vs) for vs in numbers])
            lines.append(f"&= {_value(value)}")
        else:
            lines.append(f"{left} &= {_value(value)}")
    return lines


def nested(graph: TracedGraph, end: Node) -> Word | None:
    """A step with the formulas of all steps before it put in; None where that is long.

    >>> import chainrule as cr
    >>> graph = cr.trace(lambda W, x: 1 / (1 + np.exp(-W * x)))(3.0, 2.0)
    >>> nested(graph, graph.outputs[0]).text
    '1/(1 + exp(−W·x))'
    """
    sizes: dict[int, int] = {}
    trees: dict[int, ast.expr] = {}
    words = {f"n{n.index}": graph.words[n.index] for n in graph.nodes}
    for node in graph.nodes[: end.index + 1]:
        size, tree = 1, None
        if node.fn is not None and not any(v is not None for v in node.params.values()):
            size += sum(sizes[a.index] for _, a in predecessors(node))
            names = {letter: graph.word(a) for letter, a in zip("abcd", node.args, strict=False)}
            for (letter, word), a in zip(list(names.items()), node.args, strict=False):
                if isinstance(a, Node):
                    names[letter] = trees[a.index]
                elif isinstance(word, Word):
                    words[f"c{id(a)}"] = word
                    names[letter] = ast.Name(f"c{id(a)}")
            tree = syntax_tree(node.fn.formula, names)
        sizes[node.index] = size
        trees[node.index] = ast.Name(f"n{node.index}") if tree is None else tree
    if sizes[end.index] > MOST_TERMS or isinstance(trees[end.index], ast.Name):
        return None
    return printed(trees[end.index], words)


# Parts of formulas -----------------------------------------------------------------------------


def _fraction(of: Word, by: Word, *, partial: bool = False) -> str:
    d = r"\partial " if partial else "d"
    return rf"\frac{{{d}{of.latex}}}{{{d}{by.latex}}}"


def _forth(rule: Word, partial: str, running: str) -> str:
    """A tangent times a partial."""
    return running if rule.latex == "1" else rf"{partial}\,{running}"


def _back(rule: Word, partial: str, running: str) -> str:
    r"""An adjoint times a partial; where a step is not elementwise, its rule for adjoints."""
    if "mapsto" in rule.latex:
        return rf"\left({rule.latex}\right)\!\left({running}\right)"
    return running if rule.latex == "1" else rf"{running}\,{partial}"


def _equation(left: str, terms: Sequence[str], value: Any) -> str:
    right = SUM.join(terms)
    return f"{left} &= {right} &\\quad&= {_value(value)}" if right else f"{left} &= {_value(value)}"


def _value(x: Any) -> str:
    """A number, or an array in few signs."""
    if x is None:
        return r"\text{none arrives}"
    if not isinstance(x, (list, tuple)) and np.ndim(x) == 0 and np.asarray(x).dtype.kind in "biuf":
        return number_latex(x, DIGITS)
    return rf"\text{{{latex_text(digest(x))}}}"


def _stacked(left: str, terms: Sequence[str]) -> list[str]:
    """A sum with a line for each term."""
    first, *others = terms
    return [f"{left}&= {first}", *(rf"&\quad {{}} + {term}" for term in others)]


def _times(values: Sequence[Any]) -> str:
    texts = [_value(v) for v in values]
    return r" \cdot ".join(rf"\left({t}\right)" if t.startswith("-") else t for t in texts)


def _pairs(path: Sequence[Node]) -> list[tuple[Node, Node]]:
    """(argument, step) along a path, from the result back, as the chain rule is written."""
    return list(pairwise(path))[::-1]


def _along(graph: TracedGraph, path: Sequence[Node]) -> str:
    words = graph.words
    return r"\,".join(
        _fraction(words[b.index], words[a.index], partial=True) for a, b in _pairs(path)
    )


def _paths(graph: TracedGraph, start: Node, end: Node) -> list[list[Node]]:
    """The paths from an input to the result; none where there are many, or long ones."""
    users = graph.users()
    useful = {end.index}
    for node in reversed(graph.nodes[: end.index + 1]):
        if node.index in useful:
            useful |= {a.index for _, a in predecessors(node)}
    found: list[list[Node]] = []
    waiting = [[start]]
    while waiting:
        path = waiting.pop()
        if path[-1] is end:
            found.append(path)
        else:
            nexts = [u for u in users[path[-1].index] if u.index in useful]
            waiting += [[*path, u] for u in reversed(nexts)]
        if len(found) + len(waiting) > MOST_PATHS or len(path) > LONGEST_PATH:
            return []
    return found if start is not end else []
