"""The forward and the backward pass, step by step: what is known when, and what is being done."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.insight.drawing.sketch import Arrow, Item, Moment, Sketch, Stage, derivative


def moments(sketch: Sketch) -> list[Moment]:
    """The steps of a run: values from the inputs on, then adjoints from the result back.

    In forward mode tangents go along with the values.
    """
    return _Run(sketch).moments()


class _Run:
    def __init__(self, sketch: Sketch) -> None:
        self.sketch = sketch
        self.known: list[set[Stage]] = [set() for _ in sketch.items]
        self.found: list[Moment] = []
        self.into: list[list[int]] = [[] for _ in sketch.items]
        self.out_of: list[list[int]] = [[] for _ in sketch.items]
        for k, arrow in enumerate(sketch.arrows):
            self.into[arrow.head].append(k)
            self.out_of[arrow.tail].append(k)

    def moments(self) -> list[Moment]:
        self.forward()
        if self.sketch.coloured == "adjoint" and self.sketch.scale is not None:
            self.backward()
        for stages in self.known:
            stages |= {"value", "tangent", "adjoint"}
        self.note("All steps are done.")
        return self.found

    def forward(self) -> None:
        items = self.sketch.items
        inputs = [k for k, arrows in enumerate(self.into) if not arrows]
        for k in inputs:
            self.known[k] |= {"value", "tangent"}
        words = ", ".join(f"{items[k].word}{_value(items[k])}" for k in inputs[:4])
        more = ", …" if len(inputs) > 4 else ""
        self.note(f"The inputs: {words}{more}", inputs)
        steps = [k for k, arrows in enumerate(self.into) if arrows]
        for count, k in enumerate(steps, 1):
            self.known[k] |= {"value", "tangent"}
            name = items[k].lines[0].text
            if items[k].kind == "group":
                name += f": {items[k].word}"
            lines = [f"Forward, step {count} of {len(steps)}: {name}{_value(items[k])}"]
            lines += [self.tangent(k, name) for name in self.sketch.inputs]
            self.note(".  ".join(lines), [k], self.into[k])

    def backward(self) -> None:
        items = self.sketch.items
        reached = [k for k, item in enumerate(items) if _shown(item, "adjoint")]
        order = [k for k in reversed(range(len(items))) if k in set(reached)]
        for count, k in enumerate(order, 1):
            self.known[k].add("adjoint")
            text = f"Backward, step {count} of {len(order)}: {self.adjoint(k)}"
            self.note(text, [k], [a for a in self.out_of[k] if self.sketch.arrows[a].back])

    def note(self, caption: str, items: Sequence[int] = (), arrows: Sequence[int] = ()) -> None:
        known = tuple(frozenset(stages) for stages in self.known)
        self.found.append(Moment(caption, known, frozenset(items), frozenset(arrows)))

    # The chain rule in words -----------------------------------------------------------------

    def adjoint(self, k: int) -> str:
        """dL/dξ₅ = dL/dξ₆·(1/ξ₅) + dL/dξ₉·(−1) = …"""
        item = self.sketch.items[k]
        terms = []
        for number in self.out_of[k]:
            arrow = self.sketch.arrows[number]
            head = self.sketch.items[arrow.head]
            if arrow.back:
                running = derivative(self.sketch.output, head.word)
                total = "Σ " if arrow.spread else ""
                terms.append(f"{total}{_term(running, arrow, '↦')}")
        return _equation(derivative(self.sketch.output, item.word), terms, item, "adjoint")

    def tangent(self, k: int, name: str) -> str:
        """dξ₃/dW = dξ₂/dW·exp(ξ₂) = …"""
        item = self.sketch.items[k]
        terms = []
        for number in self.into[k]:
            arrow = self.sketch.arrows[number]
            tail = self.sketch.items[arrow.tail]
            if _shown(tail, "tangent", derivative(tail.word, name)):
                partial = f"∂{item.word}/∂{tail.word}"
                terms.append(_term(derivative(tail.word, name), arrow, partial))
        return _equation(derivative(item.word, name), terms, item, "tangent")


def _term(running: str, arrow: Arrow, partial: str) -> str:
    """A running derivative times the partial derivative of an edge.

    Where a step is not elementwise, its rule is told for adjoints ("↦") alone; for tangents
    ``partial`` stands in its place.
    """
    if not arrow.lines:
        return f"from {running}"
    rule = arrow.lines[0]
    if "↦" in rule:
        return f"({rule})({running})" if partial == "↦" else f"{partial}·{running}"
    if rule == "1":
        return running
    simple = not rule.startswith("−") and " " not in rule and "/" not in rule
    return f"{running}·{rule if simple else f'({rule})'}"


def _equation(name: str, terms: Sequence[str], item: Item, stage: Stage) -> str:
    """The name, the sum of the terms, and the value; parts that say the same only once."""
    text = " + ".join(terms) if not any(t.startswith("from ") for t in terms) else ""
    shown = _shown(item, stage, name)
    value = shown.partition(" = ")[2]
    if shown.startswith("‖"):
        value = ""
        text = text or shown
    parts = [name, text, value]
    return " = ".join(p for p in parts if p) if shown else f"{name}: none arrives"


def _value(item: Item) -> str:
    text = next((line.text for line in item.lines if line.stage == "value"), "")
    return f" = {text}" if text else ""


def _shown(item: Item, stage: Stage, name: str = "") -> str:
    """The line of a derivative, "" where none arrives."""
    for line in item.lines:
        if line.stage == stage and name in line.text and not line.text.endswith("none arrives"):
            return line.text
    return ""
