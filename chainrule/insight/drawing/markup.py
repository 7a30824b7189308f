"""The graph as DOT (Graphviz) and as Mermaid: values in the nodes, partials on the edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.graph import Node, predecessors
from chainrule.insight.edges import partial_value
from chainrule.insight.words import digest

if TYPE_CHECKING:
    from chainrule.insight.traced import TracedGraph


def dot(graph: TracedGraph, values: bool, partials: bool) -> str:
    """The graph in Graphviz's language, inputs on the left."""
    lines = ["digraph {", "  rankdir=LR;", '  node [fontname="DejaVu Sans"];']
    lines.append('  edge [fontname="DejaVu Sans", fontsize=10];')
    for node in graph.nodes:
        shape = "box" if node.fn is None else "ellipse"
        label = "\\n".join(_dot_text(part) for part in _label(graph, node, values))
        border = ", peripheries=2" if _is_output(graph, node) else ""
        lines.append(f'  n{node.index} [shape={shape}, label="{label}"{border}];')
    for node in graph.nodes:
        for k, a in predecessors(node):
            label = _edge(graph, node, k) if partials else ""
            tail = f' [label="{_dot_text(label)}"]' if label else ""
            lines.append(f"  n{a.index} -> n{node.index}{tail};")
    return "\n".join([*lines, "}"])


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def mermaid(graph: TracedGraph, values: bool, partials: bool) -> str:
    """The graph in Mermaid's language."""
    lines = ["flowchart LR"]
    for node in graph.nodes:
        label = "<br/>".join(_mermaid_text(part) for part in _label(graph, node, values))
        opening, closing = ("[", "]") if node.fn is None else ("(", ")")
        if _is_output(graph, node):
            opening, closing = opening * 2, closing * 2
        lines.append(f'  n{node.index}{opening}"{label}"{closing}')
    for node in graph.nodes:
        for k, a in predecessors(node):
            label = f'|"{_mermaid_text(_edge(graph, node, k))}"|' if partials else ""
            lines.append(f"  n{a.index} -->{label} n{node.index}")
    return "\n".join(lines)


def _mermaid_text(text: str) -> str:
    """Mermaid's own escapes; # comes first since the others begin with it."""
    for sign, code in (("#", "35"), ("&", "amp"), ('"', "quot"), ("<", "lt"), (">", "gt")):
        text = text.replace(sign, f"#{code};")
    for sign in "`|\\*_":
        text = text.replace(sign, f"#{ord(sign)};")
    return text.replace("\n", " ")


def _label(graph: TracedGraph, node: Node, values: bool) -> list[str]:
    name = graph.words[node.index].text
    if node.fn is None:
        return [f"{name} = {digest(node.value)}" if values else name]
    labels = [label for label, named in graph.names.items() if named is node]
    first = " = ".join([*labels, name, graph.formula(node).text])
    return [first, digest(node.value)] if values else [first]


def _edge(graph: TracedGraph, node: Node, position: int) -> str:
    with np.errstate(all="ignore"):
        value = partial_value(node, position)
    rule = graph.rule(node, position).text
    shown = value if isinstance(value, str) else digest(value)
    return rule if rule.replace("−", "-") == shown else f"{rule} = {shown}"


def _is_output(graph: TracedGraph, node: Node) -> bool:
    return any(y is node for y in graph.outputs)
