"""What is to be seen of the data beside the network: scales, targets out of reach, labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.diagnose.passing import NetworkPass
from chainrule.nn.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from chainrule.nn.folding import last_activation, probabilities
from chainrule.nn.losses import MeanAbsoluteError, MeanSquaredError
from chainrule.records import dataclass
from chainrule.train.compiled import Compiled
from chainrule.train.step import Batch

Array = NDArray[Any]

# What an activation can give.
RANGES: dict[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0), "relu": (0.0, np.inf), "relu6": (0.0, 6.0), "softplus": (0.0, np.inf),
    "exponential": (0.0, np.inf),
}  # fmt: skip
UNLIKELY = 0.05  # the probability of a label below which it is doubted
MEANS = ("sum_over_batch_size", "mean")


@dataclass(frozen=True)
class DataHealth:
    """The rows that were looked at, and what the network makes of them.

    Attributes:
        narrow, wide: (column, standard deviation) of the inputs' columns that vary least and most;
            None where the inputs are no table.
        constant: how many columns do not vary.
        loss: the class of the loss that is trained on.
        last: the activation of the last layer; one that lies in the loss does not count.
        logits: whether the loss takes the outputs as logits.
        targets: (least, largest, √mean square) of numeric targets; None for classes.
        outside: the share of them that the last activation cannot give.
        zero_one: whether all targets are 0 or 1.
        baseline: the loss of the best output that is the same for all rows; None where it is not
            known.
        right: the share of rows whose class is recognised; None without classes.
        missed: (class, rows) of the classes that are recognised in no row.
        doubtful: rows to whose label the network gives a probability below 5 %, by their position.
    """

    narrow: tuple[int, float] | None = None
    wide: tuple[int, float] | None = None
    constant: int = 0
    loss: str = ""
    last: str = ""
    logits: bool = False
    targets: tuple[float, float, float] | None = None
    outside: float = 0.0
    zero_one: bool = False
    baseline: float | None = None
    right: float | None = None
    missed: tuple[tuple[str, int], ...] = ()
    doubtful: tuple[int, ...] = ()


def data_health(
    compiled: Compiled,
    batch: Batch,
    found: NetworkPass,
    positions: Array | None = None,
    classes: Sequence[Any] | None = None,
) -> DataHealth:
    """What is to be seen of a batch and of the outputs for it.

    Args:
        compiled: how the network is trained.
        batch: the rows.
        found: a pass of the network over them.
        positions: of these rows in the user's data.
        classes: their names.
    """
    y = np.asarray(batch.y)
    objective, last = compiled.objective, last_activation(compiled.network)
    narrow, wide, constant = _columns(batch.x)
    codes = _codes(objective, y)
    right, missed, doubtful = _labels(compiled, codes, found, positions, classes)
    numeric = codes is None and y.dtype.kind == "f" and y.size > 0
    low, high = RANGES.get(last, (-np.inf, np.inf))
    return DataHealth(
        narrow,
        wide,
        constant,
        type(objective).__name__,
        "" if last == "linear" else last,
        bool(getattr(objective, "from_logits", False)) and codes is not None,
        (float(y.min()), float(y.max()), float(np.sqrt(np.mean(y**2)))) if numeric else None,
        float(np.mean((y < low) | (y > high))) if numeric else 0.0,
        bool(y.size and np.isin(y, (0.0, 1.0)).all()),
        _baseline(objective, y, codes) if batch.weight is None else None,
        right,
        missed,
        doubtful,
    )


def _columns(x: Any) -> tuple[tuple[int, float] | None, tuple[int, float] | None, int]:
    """The columns of a table that vary least and most, and how many do not at all."""
    if not isinstance(x, np.ndarray) or x.ndim != 2 or x.dtype.kind != "f":
        return None, None, 0
    spreads = x.std(axis=0, dtype=np.float64)
    varying = np.flatnonzero(spreads > 0.0)
    if not len(varying):
        return None, None, len(spreads)
    narrow, wide = (varying[pick(spreads[varying])] for pick in (np.argmin, np.argmax))
    return (
        (int(narrow), float(spreads[narrow])),
        (int(wide), float(spreads[wide])),
        len(spreads) - len(varying),
    )


def _codes(objective: Any, y: Array) -> Array | None:
    """The class of each row; None where there are none, or several in a row."""
    if isinstance(objective, SparseCategoricalCrossentropy):
        flat = y[..., 0] if y.ndim == 2 and y.shape[1] == 1 else y
        return flat.astype(np.intp) if flat.ndim == 1 else None
    if isinstance(objective, CategoricalCrossentropy) and y.ndim == 2:
        return np.argmax(y, axis=1) if np.isin(y, (0.0, 1.0)).all() else None
    if isinstance(objective, BinaryCrossentropy) and y.size == len(y):
        flat = y.reshape(-1)
        return flat.astype(np.intp) if np.isin(flat, (0.0, 1.0)).all() else None
    return None


def _labels(
    compiled: Compiled,
    codes: Array | None,
    found: NetworkPass,
    positions: Array | None,
    classes: Any,
) -> tuple[float | None, tuple[tuple[str, int], ...], tuple[int, ...]]:
    """(share of rows that are right, classes never recognised, rows with a doubtful label)."""
    if codes is None:
        return None, (), ()
    p = np.asarray(probabilities(compiled.objective, found.outputs), np.float64)
    p = p.reshape(len(p), -1)
    if p.shape[1] == 1:
        p = np.concatenate([1.0 - p, p], axis=1)
    if p.ndim != 2 or len(p) != len(codes) or not np.isfinite(p).all():
        return None, (), ()
    hit = np.argmax(p, axis=1) == codes
    own = p[np.arange(len(codes)), codes]
    names = classes if classes is not None else range(p.shape[1])
    present = np.unique(codes)
    missed = tuple((str(names[c]), int((codes == c).sum())) for c in present
                   if not hit[codes == c].any())  # fmt: skip
    rows = np.flatnonzero(own < UNLIKELY)
    rows = rows[np.argsort(own[rows], kind="stable")]
    doubtful = rows if positions is None else positions[rows]
    return float(hit.mean()), missed, tuple(doubtful.tolist())


def _baseline(objective: Any, y: Array, codes: Array | None) -> float | None:
    """The loss of the best constant output: the spread of the targets, or their entropy."""
    if objective.reduction not in MEANS or getattr(objective, "label_smoothing", False):
        return None
    if codes is not None:
        shares = np.bincount(codes) / len(codes)
        shares = shares[shares > 0.0]
        return float(-np.sum(shares * np.log(shares)))
    if y.dtype.kind != "f":
        return None
    if isinstance(objective, MeanSquaredError):
        return float(np.var(y, axis=0).mean())
    if isinstance(objective, MeanAbsoluteError):
        return float(np.mean(np.abs(y - np.median(y, axis=0))))
    return None


def restored(kept: dict[str, Any]) -> DataHealth:
    """What `dataclasses.asdict` and a file have made of it, which has lists for tuples."""
    missed = tuple((str(name), int(count)) for name, count in kept["missed"])
    parts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()}
    parts["missed"] = missed
    return DataHealth(**parts)
