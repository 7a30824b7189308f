"""One held-out row's loss as a function of one weight of the linear model, to be traced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.elementary.network import sigmoid
from chainrule.nn.mlp import forward
from chainrule.train.tabular import Model, Study


@dataclass(frozen=True)
class OneWeight:
    """L(w) for one row, where w is one weight and all others are folded into a constant c.

    Attributes:
        loss: L as a function of w.
        w: the weight's value in the trained model.
        x: what it multiplies: the row's standardised input.
        c: what the bias and the other inputs add.
        input: the input's name.
        column: the column that the input is made from.
        cell: the text of the row's cell in it.
        label: the row's target, as text.
        line: the line of the file that the row stands on.
    """

    loss: Callable[[Any], Any]
    w: float
    x: float
    c: float
    input: str
    column: str
    cell: str
    label: str
    line: int


def one_weight(study: Study, model: Model) -> OneWeight:
    """The first held-out row of the last class, and the weight that says most about it.

    That weight is the one with the largest |w·x| among the numeric columns, or among all inputs
    where there are none. For a numeric target it is the first held-out row.
    """
    target, part = study.target, study.test
    row = 0 if target.kind == "numeric" else int(np.argmax(part.y[:, -1] > 0))
    output = target.outputs - 1
    kernel = model.fit.params[0]["kernel"]
    x = part.x[row]
    columns = [column for column in study.encoder.inputs for _ in column.names]
    numeric = [name == c.name for name, c in zip(study.encoder.names, columns, strict=True)]
    weight = np.abs(kernel[:, output] * x) * (np.array(numeric) if any(numeric) else 1.0)
    i = int(np.argmax(weight))
    logits = forward(model.fit.params, part.x[row : row + 1])[0]
    w, x_i = float(kernel[i, output]), float(x[i])
    c = float(logits[output]) - w * x_i
    losses = {
        "binary": lambda: _binary(x_i, c),
        "multiclass": lambda: _multiclass(x_i, c, float(np.sum(np.exp(np.delete(logits, output))))),
        "numeric": lambda: _numeric(x_i, c, float(part.y[row, 0])),
    }
    return OneWeight(
        losses[target.kind](),
        w,
        x_i,
        c,
        study.encoder.names[i],
        columns[i].name,
        part.table.column(columns[i].name)[row],
        part.table.column(target.name)[row],
        part.table.lines[row],
    )


def _binary(x: float, c: float) -> Callable[[Any], Any]:
    def loss(w: Any) -> Any:
        z = w * x + c
        p = sigmoid(z)
        return -np.log(p)

    return loss


def _multiclass(x: float, c: float, others: float) -> Callable[[Any], Any]:
    """−log p with p = eᶻ/(eᶻ + the other classes' eᶻ)."""

    def loss(w: Any) -> Any:
        z = w * x + c
        return np.log(np.exp(z) + others) - z

    return loss


def _numeric(x: float, c: float, y: float) -> Callable[[Any], Any]:
    def loss(w: Any) -> Any:
        output = w * x + c
        return np.square(output - y)

    return loss
