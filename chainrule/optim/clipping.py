"""Gradient clipping, around any optimizer: by the global norm, each parameter's norm, or value."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.elementary.base import value_of
from chainrule.errors import ArgumentError
from chainrule.graph import Node
from chainrule.optim import checks
from chainrule.optim.base import Optimizer, like
from chainrule.records import dataclass
from chainrule.tracing import flatten, unflatten


class ClippedState(NamedTuple):
    """The optimizer's own state, and what clipping has seen.

    Attributes:
        inner: the state of the optimizer inside.
        norm: the global norm of the last gradient before clipping.
        clipped: how many gradients were changed.
    """

    inner: Any
    norm: Any
    clipped: Any

    @property
    def step(self) -> Any:
        """The number of updates done."""
        return self.inner.step

    @property
    def share(self) -> float:
        """The share of the steps whose gradient was clipped, 0 before the first."""
        return float(self.clipped) / max(float(self.step), 1.0)


@dataclass(frozen=True)
class Clipped:
    """An optimizer whose gradients are clipped first: if ‖g‖ > u, g ← g u / ‖g‖.

    Exactly one of the three limits is given. A gradient at or below it passes unchanged, to the
    last bit. PyTorch divides by ‖g‖ + 1e-6 instead. One that is not finite stays so: clipping
    must not hide it. Penalties and decay of the optimizer come after the clipping.

    Args:
        optimizer: what makes the step; any `Optimizer`.
        by_global_norm: u for the Euclidean norm over all parameters together. The direction is
            kept.
        by_norm: u for the norm of each parameter array by itself.
        by_value: u for each number: g ← min(max(g, −u), u).

    Methods: ``init``, ``lookahead`` and ``update`` as in `Optimizer`; the state is a
    `ClippedState` with the norm before clipping and the share of clipped steps.

    Raises:
        ArgumentError: not exactly one limit, or one that is not positive.

    >>> from chainrule.optim import Momentum
    >>> clipped = Clipped(Momentum(0.1), by_global_norm=2.5)
    >>> params = {"w": np.zeros(2), "b": 0.0}
    >>> gradients = {"w": np.array([3.0, 0.0]), "b": 4.0}
    >>> params, state = clipped.update(gradients, clipped.init(params), params)
    >>> params, float(state.norm), state.share
    ({'w': array([-0.15,  0.  ]), 'b': -0.2}, 5.0, 1.0)

    Source: Goodfellow et al., *Deep Learning*, section 10.11.1; Pascanu, Mikolov & Bengio, "On the
    difficulty of training recurrent neural networks", ICML 2013.
    """

    optimizer: Optimizer
    by_global_norm: float | None = None
    by_norm: float | None = None
    by_value: float | None = None

    def __post_init__(self) -> None:
        limits = {
            name: getattr(self, name)
            for name in ("by_global_norm", "by_norm", "by_value")
            if getattr(self, name) is not None
        }
        if len(limits) != 1:
            raise ArgumentError(
                "clipping takes exactly one limit",
                got=", ".join(f"{k}={v!r}" for k, v in limits.items()) or "none",
                line=checks.users_line(),
                remedy="Clipped(optimizer, by_global_norm=1.0), or by_norm=… or by_value=…; "
                "without clipping use the optimizer itself",
            )
        for name, limit in limits.items():
            checks.positive(name, limit)
        if not hasattr(self.optimizer, "update") or isinstance(self.optimizer, type):
            raise ArgumentError(
                "clipping goes around an optimizer",
                got=repr(self.optimizer),
                line=checks.users_line(),
                remedy="give it the object, such as Clipped(Momentum(0.1), by_global_norm=1.0)",
            )

    @property
    def learning_rate(self) -> Any:
        return self.optimizer.learning_rate

    def init(self, params: Any) -> ClippedState:
        return ClippedState(self.optimizer.init(params), 0.0, 0)

    def lookahead(self, params: Any, state: ClippedState) -> Any:
        return self.optimizer.lookahead(params, state.inner)

    def update(
        self, gradients: Any, state: ClippedState, params: Any, *, learning_rate: Any = None
    ) -> tuple[Any, ClippedState]:
        _, grads, spec = checks.same_tree(params, gradients, "gradients")
        norm = global_norm(grads)
        clipped, changed = self._clip(grads, norm)
        limited = [like(c, g) for c, g in zip(clipped, grads, strict=True)]
        new, inner = self.optimizer.update(
            unflatten(spec, limited), state.inner, params, learning_rate=learning_rate
        )
        if _is_static(norm):
            norm = like(norm, state.norm)
        return new, ClippedState(inner, norm, state.clipped + changed)

    def _clip(self, grads: list[Any], norm: Any) -> tuple[list[Any], Any]:
        """The limited gradients, and 1 if that changed any, else 0."""
        if self.by_global_norm is not None:
            u = self.by_global_norm
            # u / max(‖g‖, u) is exactly 1 below the limit and u / ‖g‖ above it.
            return [g * (u / np.maximum(norm, u)) for g in grads], _flag([norm], u)
        if self.by_norm is not None:
            u = self.by_norm
            norms = [norm_of(g) for g in grads]
            scaled = [g * (u / np.maximum(n, u)) for g, n in zip(grads, norms, strict=True)]
            return scaled, _flag(norms, u)
        u = self.by_value or 0.0
        largest = [np.max(np.abs(g), initial=0.0) for g in grads]
        return [np.clip(g, -u, u) for g in grads], _flag(largest, u)


def _flag(sizes: list[Any], limit: float) -> Any:
    if _is_static(sizes[0]):
        above = sizes[0] > limit
        for s in sizes[1:]:
            above = np.logical_or(above, s > limit)
        return above.astype(np.int64)
    # Counting is no part of a derivative: plain values.
    return int(any(bool(value_of(s) > limit) for s in sizes))


def _is_static(x: Any) -> bool:
    """A value of a graph that will be evaluated anew: nothing may be decided by it."""
    return isinstance(x, Node) and x.tape.static


def norm_of(x: Any) -> Any:
    """The Euclidean norm of one array of any shape, without overflow.

    >>> print(f"{norm_of(np.array([[3e200], [4e200]])):.6g}")
    5e+200
    """
    if _is_static(x):
        return np.sqrt(np.sum(np.square(x)))
    size = float(np.max(np.abs(value_of(x)), initial=0.0))
    # ‖x‖ = s ‖x / s‖ for every s, so s takes no part in the derivative; a power of two rounds
    # nothing.
    scale = 2.0 ** np.floor(np.log2(size)) if 0.0 < size < np.inf else 1.0
    return float(scale) * np.linalg.norm(np.ravel(x) / float(scale))


def global_norm(tree: Any) -> Any:
    """The Euclidean norm over all numbers of a tree: ‖g‖ = √Σ ‖gᵢ‖².

    Args:
        tree: any tree of arrays and numbers, such as a gradient.

    Returns:
        One number ≥ 0.

    >>> float(global_norm({"w": np.array([[1.0, 2.0]]), "b": 2.0}))
    3.0

    Source: Goodfellow et al., *Deep Learning*, equation 10.48.
    """
    leaves = flatten(tree)[0]
    if any(map(_is_static, leaves)):
        return np.sqrt(sum(np.sum(np.square(g)) for g in leaves))
    return norm_of(np.stack([norm_of(g) for g in leaves]))
