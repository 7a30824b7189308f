"""What `minimize` hands back, and how it is collected on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.records import dataclass
from chainrule.tracing import flatten, unflatten


@dataclass(frozen=True)
class MinimizeResult:
    """The result of `minimize`, with SciPy's names where SciPy has one.

    Attributes:
        x: the parameters reached, a tree like x0; the last ones at which f was finite.
        fun: f(x).
        jac: ∇f(x), a tree like x0.
        nit: steps done.
        nfev, njev, nhev: evaluations of f, of its gradient (each of which computes f too and
            counts for both), and of Hessian products or whole Hessians, in this run.
        success: did the gradient become small enough, or as small as rounding lets it?
        message: why it stopped.
        optimizer: which one ran.
        engine: how f was run: "native" once it was compiled, or "numpy", with the reason if it
            could not be compiled.
        path: x after 0, 1, …, nit steps: a tree like x0 whose arrays have a new first axis of
            length nit + 1. None unless recorded, like the next three.
        values: f along the path, shape (nit + 1,).
        gradient_norms: the Euclidean norm of ∇f along the path, shape (nit + 1,).
        states: the optimizer's states along the path, likewise stacked:
            ``result.states.velocity[k]`` is the velocity after k steps. None for the second-order
            methods, whose states SciPy keeps to itself.
        runs: with restarts, all runs in the order in which they ran, this one among them.
    """

    x: Any
    fun: float
    jac: Any
    nit: int
    nfev: int
    njev: int
    nhev: int
    success: bool
    message: str
    optimizer: str
    engine: str = "numpy"
    path: Any = field(default=None, repr=False)
    values: NDArray[np.float64] | None = field(default=None, repr=False)
    gradient_norms: NDArray[np.float64] | None = field(default=None, repr=False)
    states: Any = field(default=None, repr=False)
    runs: tuple[MinimizeResult, ...] = field(default=(), repr=False)

    def __getitem__(self, name: str) -> Any:
        """``result["x"]``, as SciPy's results allow."""
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None


class Recorder:
    """The points of a run and what is known at them; only the last one unless all are wanted."""

    def __init__(self, everything: bool) -> None:
        self.everything = everything
        self.count = 0
        self.points: list[Any] = []
        self.values: list[float] = []
        self.gradients: list[Any] = []
        self.norms: list[float] = []
        self.states: list[Any] = []

    def add(self, x: Any, value: float, gradient: Any, norm: float, state: Any = None) -> None:
        if not self.everything:
            for kept in (self.points, self.values, self.norms, self.states):
                kept.clear()
        self.count += 1
        self.gradients[:] = [gradient]
        self.points.append(x)
        self.values.append(value)
        self.norms.append(norm)
        self.states.append(state)

    def result(
        self, *, success: bool, message: str, optimizer: str, nfev: int, njev: int, nhev: int
    ) -> MinimizeResult:
        recorded: dict[str, Any] = {}
        if self.everything:
            recorded = {
                "path": stacked(self.points),
                "values": np.array(self.values),
                "gradient_norms": np.array(self.norms),
                "states": None if self.states[-1] is None else stacked(self.states),
            }
        return MinimizeResult(
            self.points[-1], self.values[-1], self.gradients[-1], self.count - 1,
            nfev, njev, nhev, success, message, optimizer, **recorded,
        )  # fmt: skip


def stacked(trees: Sequence[Any]) -> Any:
    """Trees of one structure as one tree, its arrays with a new first axis.

    >>> stacked([{"a": 1.0}, {"a": 2.0}])
    {'a': array([1., 2.])}
    """
    spec = flatten(trees[0])[1]
    columns = zip(*(flatten(tree)[0] for tree in trees), strict=True)
    return unflatten(spec, [np.stack([np.asarray(x) for x in column]) for column in columns])
