"""Watching one value of the logs: which direction is better, and by how much."""

from __future__ import annotations

from typing import Any

from chainrule.errors import ArgumentError
from chainrule.nn.naming import lookup, user_line

_LARGER = ("acc", "accuracy", "auc", "precision", "recall", "f1", "r2", "score")


class Monitor:
    """One name of the logs, and whether small or large is good.

    Args:
        name: such as "val_loss".
        mode: "min", "max", or "auto": max for names that end like a score (accuracy, auc, r2, …).
        min_delta: what counts as better must be so by more than this.

    >>> Monitor("val_accuracy").better(0.9, 0.8), Monitor("loss", min_delta=0.5).better(0.8, 0.9)
    (True, False)
    """

    def __init__(self, name: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        lookup("mode", mode, dict.fromkeys(("auto", "min", "max")))
        self.name, self.min_delta = name, abs(min_delta)
        self.largest = mode == "max" or (mode == "auto" and name.endswith(_LARGER))

    @property
    def worst(self) -> float:
        """Where the best value starts."""
        return float("-inf") if self.largest else float("inf")

    def better(self, value: float, best: float) -> bool:
        if self.largest:
            return value - self.min_delta > best
        return value + self.min_delta < best

    def read(self, owner: Any, logs: dict[str, float] | None) -> float | None:
        """The watched value; None in an epoch without a validation.

        Raises:
            ArgumentError: there is no such value.
        """
        logs = logs or {}
        if self.name in logs:
            return logs[self.name]
        if self.name.startswith("val_") and owner.params.get("validates_later"):
            return None
        names = list(logs)
        raise ArgumentError(
            f"{type(owner).__name__} watches '{self.name}', which there is not",
            got=f"{', '.join(names)}",
            line=user_line(),
            remedy="give fit validation_data or validation_split"
            if self.name.startswith("val_") and not any(n.startswith("val_") for n in names)
            else "choose one of these as monitor, or add the metric to compile",
        )
