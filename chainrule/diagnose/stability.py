"""The largest step at which a method still descends: by the largest curvature λ of the loss.

On a quadratic with curvature λ the error of plain descent with rate ε is multiplied by 1 − ελ in
each step, so it shrinks for ε < 2/λ. Heavy-ball momentum μ is stable for ελ < 2(1 + μ), Nesterov's
for ελ < 2(1 + μ)/(1 + 2μ): the conditions that the roots of z² − (1 + μ − ελ)z + μ and of
z² − (1 + μ)(1 − ελ)z + μ(1 − ελ) lie inside the unit circle. Rules that divide the gradient by
roots P of its averaged squares meet the curvature P⁻¹H.

Source: Polyak (1964); Goodfellow et al., *Deep Learning*, section 8.3; Cohen et al., "Adaptive
gradient methods at the edge of stability", arXiv:2207.14484 (2022), for preconditioned rules.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.optim.adam import Adam, NAdam
from chainrule.optim.adaptive import AdaGrad, RMSProp, damped_root
from chainrule.optim.base import at
from chainrule.optim.clipping import Clipped
from chainrule.optim.descent import SGD, Momentum, Nesterov, NesterovReformulated
from chainrule.tracing import flatten


class Rule(NamedTuple):
    """What a method may do with a curvature.

    Attributes:
        name: in words, with its momentum.
        factor: its largest stable ε λ.
        formula: that factor over λ, as it is written.
        scale: for rules with a rate for each parameter, the roots P, shape (n,); else None.
        added: what penalties add to each curvature.
    """

    name: str
    factor: float
    formula: str
    scale: NDArray[np.float64] | None = None
    added: float = 0.0


def plain() -> Rule:
    """Gradient descent."""
    return Rule("descent", 2.0, "2/λ")


def heavy_ball(mu: float) -> Rule:
    """Momentum in the lecture's convention and PyTorch's."""
    return Rule(f"momentum {mu:g}", 2.0 * (1.0 + mu), "2(1 + μ)/λ")


def nesterov(mu: float) -> Rule:
    return Rule(f"Nesterov {mu:g}", 2.0 * (1.0 + mu) / (1.0 + 2.0 * mu), "2(1 + μ)/((1 + 2μ)λ)")


def rule_of(optimizer: Any, state: Any) -> Rule | None:
    """The rule of an optimizer in its present state; None where nothing is known of it.

    Args:
        optimizer: of `cr.optim`.
        state: of it, or None before the training.
    """
    if isinstance(optimizer, Clipped):  # where gradients are small it does nothing
        return rule_of(optimizer.optimizer, None if state is None else state.inner)
    step = 0 if state is None else int(state.step)
    found: Rule | None = None
    if isinstance(optimizer, (Momentum, Nesterov, NesterovReformulated)):
        mu = float(at(optimizer.momentum, step))
        found = heavy_ball(mu) if isinstance(optimizer, Momentum) else nesterov(mu)
        if isinstance(optimizer, Momentum) and optimizer.convention == "average":
            found = Rule(f"averaged {found.name}", found.factor / (1.0 - mu),
                         "2(1 + μ)/((1 − μ)λ)")  # fmt: skip
    elif isinstance(optimizer, SGD):
        found = plain()
    elif step > 0:
        found = _scaled(optimizer, state, step)
    if found is None:
        return None
    decay = float(optimizer.weight_decay) if isinstance(optimizer, SGD) else 0.0
    return found._replace(added=float(optimizer.l2) + decay if found.scale is None else 0.0)


def _scaled(optimizer: Any, state: Any, step: int) -> Rule | None:
    """Rules with a rate for each parameter."""
    if isinstance(optimizer, Adam) and not isinstance(optimizer, NAdam):
        squares = getattr(state, "largest", state.v)
        rho = optimizer.rho1
        roots = [optimizer.root(np.asarray(v, float), step) for v in flatten(squares)[0]]
        return Rule(type(optimizer).__name__, 2.0 * (1.0 + rho) / (1.0 - rho),
                    "2(1 + ρ₁)/((1 − ρ₁)λ)", _joined(roots))  # fmt: skip
    if isinstance(optimizer, (RMSProp, AdaGrad)):
        roots = [
            damped_root(np.asarray(r, float), optimizer.delta, optimizer.delta_at)
            for r in flatten(state.r)[0]
        ]
        return Rule(type(optimizer).__name__, 2.0, "2/λ", _joined(roots))
    return None


def _joined(parts: list[Any]) -> NDArray[np.float64]:
    return np.concatenate([np.ravel(p) for p in parts]).astype(np.float64)
