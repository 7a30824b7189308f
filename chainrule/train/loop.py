"""The training loop: a pure step on each mini-batch, epoch after epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
import optree
from numpy.typing import NDArray

from chainrule.data.split import batches
from chainrule.derivatives import value_and_grad
from chainrule.errors import ArgumentError, ChainruleError

Array = NDArray[np.float64]
Batch = tuple[Array, Array]
Step = Callable[[Any, Batch], tuple[Any, Any]]


class DivergenceError(ChainruleError, ArithmeticError):
    """The loss became infinite or not a number while training."""


@dataclass(frozen=True)
class Fit:
    """What `fit` hands back: the last parameters, and one record for each finished epoch."""

    params: Any
    history: list[dict[str, float]] = field(default_factory=list)
    interrupted: bool = False


def sgd_step(loss: Callable[..., Any], learning_rate: float, weight_decay: float = 0.0) -> Step:
    """One step of gradient descent, as a pure function of (params, batch).

    p ← p − η (∂L/∂p + λ p), where λ applies to kernels (two axes or more) and not to biases. It
    is the gradient of L + λ/2 Σ p²; the loss that is reported is L alone.

    Args:
        loss: loss(params, x, y), a number.
        learning_rate: η.
        weight_decay: λ.

    Returns:
        step(params, (x, y)) → (new params, the loss before the update).

    >>> step = sgd_step(lambda w, x, y: np.mean((w * x - y) ** 2), learning_rate=0.1)
    >>> w, before = step(1.0, (np.array([2.0]), np.array([0.0])))
    >>> round(w, 12), float(before)
    (0.2, 4.0)
    """
    gradient = value_and_grad(loss)

    def update(p: Any, g: Any) -> Any:
        decay = weight_decay if np.ndim(p) >= 2 else 0.0
        return p - learning_rate * (g + decay * p)

    def step(params: Any, batch: Batch) -> tuple[Any, Any]:
        value, grads = gradient(params, *batch)
        return optree.tree_map(update, params, grads), value

    return step


def fit(
    params: Any,
    step: Step,
    x: Array,
    y: Array,
    *,
    epochs: int,
    batch_size: int = 32,
    seed: int | np.random.Generator = 0,
    evaluate: Callable[[Any], dict[str, float]] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Fit:
    """Train on mini-batches, in a new random order each epoch.

    The same seed gives the same result to the last bit. Ctrl-C ends the training after the last
    whole step; what was reached is returned, marked as interrupted.

    Args:
        params: any tree of arrays.
        step: step(params, batch) → (params, loss before the update), such as `sgd_step` makes.
        x: inputs, rows first.
        y: targets, rows first.
        epochs: passes over all rows.
        batch_size: rows in a step; the last step of an epoch may have fewer.
        seed: an integer or a NumPy generator, for the order of the rows.
        evaluate: what to add to each epoch's record, from the parameters at its end.
        on_epoch: is given each record as it is made, to show progress.

    Returns:
        The parameters, and for each epoch {"epoch", "loss", …}, where the loss is the mean over
        the epoch's rows, each taken before the update that used it.

    Raises:
        ArgumentError: epochs or batch_size below 1.
        DivergenceError: the loss is infinite or not a number.
    """
    if epochs < 1 or batch_size < 1:
        raise ArgumentError(
            "epochs and batch_size must be 1 or more", got=f"{epochs=}, {batch_size=}"
        )
    rng = np.random.default_rng(seed)
    history: list[dict[str, float]] = []
    # Overflow needs no warning here: a loss that is not finite is an error below.
    with np.errstate(all="ignore"):
        try:
            for epoch in range(1, epochs + 1):
                total = 0.0
                for rows in batches(len(x), batch_size, rng):
                    params, loss = step(params, (x[rows], y[rows]))
                    total += float(loss) * len(rows)
                    _check(float(loss), epoch)
                record = {"epoch": epoch, "loss": total / len(x)}
                record |= evaluate(params) if evaluate is not None else {}
                for value in record.values():
                    _check(value, epoch)
                history.append(record)
                if on_epoch is not None:
                    on_epoch(record)
        except KeyboardInterrupt:
            return Fit(params, history, interrupted=True)
    return Fit(params, history)


def _check(loss: float, epoch: int) -> None:
    if not isfinite(loss):
        raise DivergenceError(
            f"the training diverged in epoch {epoch}: its loss is no longer a finite number",
            got=f"a loss of {loss}",
            remedy="choose a smaller learning rate (command line: --learning-rate)",
        )
