"""The trace table: its rows, and what they become: text, HTML, LaTeX, plain dicts, JSON."""

from __future__ import annotations

import json
import math
from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.insight import rendering
from chainrule.insight.words import Word
from chainrule.records import dataclass

if TYPE_CHECKING:
    from chainrule.insight.drawing import Drawing


@dataclass(frozen=True)
class Partial:
    """The partial derivative of a step with respect to one predecessor.

    ``value`` is a number or array, or a text where a Jacobian is too large to show.
    """

    of: Word
    formula: Word
    value: Any


@dataclass
class Row:
    """One line of the table: a step, or at the end an input with its finished derivative."""

    word: Word
    value: Any
    formula: Word | None = None  # None for an input
    label: Word | None = None  # the user's name for the step
    partials: list[Partial] = field(default_factory=list)
    forward: dict[str, Any] = field(default_factory=dict)
    backward: Any = None
    contributions: list[tuple[Word, Any]] = field(default_factory=list)
    stored: bool = False
    line: str = ""


@dataclass
class Table:
    """A trace table; print it, or let Jupyter or Rich show it.

    Attributes:
        title: the traced call.
        mode: "forward", "backward" or "both".
        wrt: the names of the inputs to differentiate with respect to.
        output: the printed name of the result.
        inputs: every input with its value.
        constants: arrays that the steps use, by their printed names.
        steps: one row for each elementary function, in the order of evaluation.
        finals: one row for each input in ``wrt``, with the finished derivative.
        graph: the graph that the table was made from.
        notes: what a reader should know: which values were stored, where no derivative arrives.
    """

    title: str
    mode: str
    wrt: tuple[str, ...]
    output: Word
    inputs: list[tuple[Word, Any]]
    constants: list[tuple[Word, Any]]
    steps: list[Row]
    finals: list[Row]
    notes: list[str] = field(default_factory=list)
    graph: Any = field(default=None, repr=False, compare=False)

    def rows(self) -> list[dict[str, Any]]:
        """The rows as plain dicts, values to full precision; steps first, then the inputs."""
        return [self._plain(row) for row in (*self.steps, *self.finals)]

    def _plain(self, row: Row) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": row.word.text,
            "label": row.label.text if row.label else None,
            "kind": "input" if row.formula is None else "step",
            "formula": row.formula.text if row.formula else None,
            "value": _python(row.value),
            "partials": [
                {"of": p.of.text, "formula": p.formula.text, "value": _python(p.value)}
                for p in row.partials
            ],
        }
        if self.mode != "backward":
            found["forward"] = {name: _python(v) for name, v in row.forward.items()}
        if self.mode != "forward":
            found["backward"] = _python(row.backward)
            found["contributions"] = [
                {"from": word.text, "value": _python(v)} for word, v in row.contributions
            ]
            found["stored"] = row.stored
        found["line"] = row.line
        return found

    def to_json(self, *, indent: int | None = 2) -> str:
        """The table as JSON (RFC 8259): arrays as lists; nan and infinities as strings."""
        table = {
            "function": self.title,
            "mode": self.mode,
            "wrt": list(self.wrt),
            "output": self.output.text,
            "inputs": {word.text: _python(v) for word, v in self.inputs},
            "constants": {word.text: _python(v) for word, v in self.constants},
            "rows": self.rows(),
            "notes": self.notes,
        }
        return json.dumps(_json(table), ensure_ascii=False, indent=indent, allow_nan=False)

    def to_latex(self, *, document: bool = False) -> str:
        """A ``tabular`` that needs no packages, or a whole document around it."""
        return rendering.latex(self, document)

    def draw(self, **options: Any) -> Drawing:
        """The graph drawn in the table's mode; the options are those of ``TracedGraph.draw``."""
        drawing: Drawing = self.graph.draw(self.mode, list(self.wrt), **options)
        return drawing

    def to_text(self, columns: int | None = None) -> str:
        """Aligned plain text, in several parts where that many columns are too few."""
        return rendering.text(self, columns)

    def __str__(self) -> str:
        return rendering.text(self)

    def to_html(self) -> str:
        """A table for a web page or a notebook, which shows it by itself."""
        return rendering.html(self)

    def _repr_html_(self) -> str:
        return rendering.html(self)

    def __rich__(self) -> Any:
        return rendering.rich_group(self)


def _python(x: Any) -> Any:
    """NumPy numbers as Python's; arrays and texts as they are."""
    if isinstance(x, (tuple, list)):
        return [_python(v) for v in x]
    if isinstance(x, (np.generic, np.ndarray)) and np.ndim(x) == 0:
        return x.item()
    return x


def _json(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: _json(v) for key, v in x.items()}
    if isinstance(x, np.ndarray):
        return _json(x.tolist())
    if isinstance(x, (list, tuple)):
        return [_json(v) for v in x]
    if isinstance(x, float) and not math.isfinite(x):
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    return x
