"""One held-out row's loss as a function of one weight of the linear model, to be traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.encode import NumericInput
from chainrule.elementary.exponential import sigmoid
from chainrule.insight import trace
from chainrule.records import dataclass
from chainrule.report.words import digits
from chainrule.train.tabular import Study, Trained

_MEANING = {
    "x": "the standardised value that w multiplies",
    "c": "the other inputs, times their weights, and the bias",
    "s": "the sum of exp over the other classes",
    "y": "the standardised target",
}


class Step(NamedTuple):
    """One step of the way from the loss back to w, as `OneWeight.steps` gives it.

    Attributes:
        formula: "ξ₂ = ξ₁ + c".
        value: ξ₂.
        partials: each with its value, such as ("∂ξ₂/∂ξ₁ = 1", 1.0).
        adjoint: dL/dξ₂.
    """

    formula: str
    value: float
    partials: list[tuple[str, float]]
    adjoint: float


@dataclass(frozen=True)
class OneWeight:
    """L(w, …) for one row, where w is one weight and all others are folded into a constant c.

    Attributes:
        loss: L as a function of the arguments.
        arguments: by name: ``w``, the weight's value in the trained model; ``x``, the row's
            standardised input that it multiplies; ``c``, what the bias and the other inputs add;
            ``s``, the sum of the other classes' exponentials; ``y``, a number to be predicted.
        input: the input's name.
        column: the column that the input is made from.
        cell: the text of the row's cell in it.
        label: the row's target, as text.
        line: the line of the file that the row stands on.
    """

    loss: Callable[..., Any]
    arguments: dict[str, float]
    input: str
    column: str
    cell: str
    label: str
    line: int

    def facts(self, study: Study, noun: str) -> list[tuple[str, str]]:
        """Which row it is, and what the arguments mean: name and text."""
        where = f"line {self.line} of {study.test.table.source}: {study.target.name} = {self.label}"
        meaning = {"w": f"the weight of {self.input}", **_MEANING}
        facts = [(noun, f"{where}, {self.column} = {self.cell}")]
        return facts + [(k, f"{digits(v)}, {meaning[k]}") for k, v in self.arguments.items()]

    def steps(self) -> tuple[list[Step], float]:
        """The steps of the loss, each with the derivatives that lead back to w; and dL/dw."""
        *rows, last = trace(self.loss)(**self.arguments).table(mode="backward", wrt="w").rows()
        steps = []
        for row in rows:
            # Derivatives by x, c, s and y are no part of the way back to w.
            partials = [
                (f"∂{row['name']}/∂{p['of']} = {p['formula']}", p["value"])
                for p in row["partials"]
                if p["of"] not in self.arguments or p["of"] == "w"
            ]
            name = row["name"] if row is not rows[-1] else f"L = {row['name']}"
            steps.append(
                Step(f"{name} = {row['formula']}", row["value"], partials, row["backward"])
            )
        return steps, float(last["backward"])


def effect(slope: float) -> str:
    """What dL/dw says."""
    does = "raises" if slope > 0 else "lowers" if slope < 0 else "does not change"
    return f"A larger w {does} this loss; the descent moves w against dL/dw."


def one_weight(study: Study, trained: Trained) -> OneWeight:
    """The first held-out row of the last class there, and the weight that says most about it.

    That weight is the one with the largest |w·x| among the numeric columns, or among all inputs
    where there are none; with several outputs it leads to the row's own class. For a numeric
    target it is the first held-out row.
    """
    target, part = study.target, study.test
    values = target.values(part.table)
    row = int(np.argmax(values)) if target.classes else 0
    output = int(values[row]) if target.kind == "multiclass" else 0
    logits = np.asarray(trained.model.predict(part.x[row : row + 1]))[0]
    [layer] = trained.model.params.values()
    kernel, x = layer["kernel"][:, output], part.x[row]
    i = _telling(study, kernel * x)
    w, x_i = float(kernel[i]), float(x[i])
    arguments = {"w": w, "x": x_i, "c": float(logits[output]) - w * x_i}
    loss: Callable[..., Any] = _numeric
    if target.kind == "binary":
        loss = _positive if values[row] else _negative
    elif target.kind == "multiclass":
        loss = _multiclass
        arguments["s"] = float(np.sum(np.exp(np.delete(logits, output))))
    else:
        arguments["y"] = float(part.y[row, 0])
    column = [c.name for c in study.encoder.inputs for _ in c.names][i]
    cell, label = part.table.column(column)[row], part.table.column(target.name)[row]
    name = study.encoder.names[i]
    return OneWeight(loss, arguments, name, column, cell, label, part.table.lines[row])


def _telling(study: Study, contributions: NDArray[np.float64]) -> int:
    """Which input contributes most, numeric columns before categories."""
    numeric = [isinstance(c, NumericInput) for c in study.encoder.inputs for _ in c.names]
    weight = np.abs(contributions)
    return int(np.argmax(np.where(numeric, weight, -1.0) if any(numeric) else weight))


def _positive(w: Any, x: Any, c: Any) -> Any:
    """−log p, p = 1/(1 + e⁻ᶻ): the loss of a row of the second class."""
    z = w * x + c
    p = sigmoid(z)
    return -np.log(p)


def _negative(w: Any, x: Any, c: Any) -> Any:
    """−log(1 − p): the loss of a row of the first class."""
    z = w * x + c
    p = sigmoid(z)
    return -np.log(1 - p)


def _multiclass(w: Any, x: Any, c: Any, s: Any) -> Any:
    """−log p, p = eᶻ/(eᶻ + s)."""
    z = w * x + c
    return np.log(np.exp(z) + s) - z


def _numeric(w: Any, x: Any, c: Any, y: Any) -> Any:
    """(z − y)², in standardised units."""
    z = w * x + c
    return np.square(z - y)
