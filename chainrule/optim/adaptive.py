"""A learning rate for each parameter: AdaGrad, RMSProp and Adadelta."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from chainrule.optim import checks
from chainrule.optim.base import Optimizer, Rate, zeros
from chainrule.records import dataclass

Place = Literal["outside", "inside"]


class Squares(NamedTuple):
    """The updates done, and the accumulated squared gradient r of each parameter."""

    step: Any
    r: Any


class AdadeltaState(NamedTuple):
    """The updates done, and the averages of the squared gradients r and squared steps u."""

    step: Any
    r: Any
    u: Any


def damped_root(r: Any, delta: float, place: str) -> Any:
    """δ + √r or √(r + δ)."""
    return delta + np.sqrt(r) if place == "outside" else np.sqrt(r + delta)


class Damped:
    """What the rules that divide by a damped root have in common."""

    delta: float
    delta_at: Any
    places: ClassVar[tuple[str, ...]] = ("outside", "inside")

    def converted(self, delta_at: str) -> Any:
        """The rule with δ in another place, and of the size that matches there.

        δ outside becomes δ² inside: δ + √r and √(r + δ²) are equal at r = 0 and nearly so for
        r ≫ δ²; between, at √r = δ, they differ by a factor of √2 and never by more. The paths are
        not the same, but the δ that one library recommends means this one in another.

        >>> RMSProp(delta=1e-3).converted("inside").delta
        1e-06
        """
        checks.choice("delta_at", delta_at, self.places)
        outside = self.delta**0.5 if self.delta_at == "inside" else self.delta
        new = outside**2 if delta_at == "inside" else outside
        return replace(self, delta=new, delta_at=delta_at)  # type: ignore[type-var]


@dataclass(frozen=True)
class AdaGrad(Damped, Optimizer):
    """Steps inversely proportional to the root of all squared gradients so far.

    r ← r + g²;  θ ← θ − ε / (δ + √r) · g

    Directions that were steep get small steps, gently sloped ones large. Since r only grows, the
    rate falls like 1/√t even where it should not.

    Args:
        learning_rate: ε. 0.01 as in PyTorch; Keras's is 0.001.
        delta: δ, 1e-7 as in the book; PyTorch's ``eps`` is 1e-10.
        delta_at: "outside", δ + √r as in the lecture and PyTorch; "inside", √(r + δ) as in Keras.
            Only inside is the rule differentiable where the gradient is 0.
        initial: r before the first step; 0 as in PyTorch, 0.1 in Keras.

    Other arguments, methods, Raises: see `Optimizer`.

    >>> adagrad = AdaGrad(0.1, delta=0.0)
    >>> x, state = adagrad.update(3.0, adagrad.init(1.0), 1.0)
    >>> x, state = adagrad.update(4.0, state, x)
    >>> round(x, 12), state.r
    (0.82, 25.0)

    Source: Goodfellow et al., *Deep Learning*, algorithm 8.4; Duchi, Hazan & Singer, JMLR 12
    (2011).
    """

    learning_rate: Rate = 0.01
    delta: float = 1e-7
    delta_at: Place = "outside"
    initial: float = 0.0

    State: ClassVar[Any] = Squares

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.choice("delta_at", self.delta_at, self.places)
        checks.not_negative("initial", self.initial)

    def start(self, p: Any) -> tuple[Any, ...]:
        return (zeros(p) + self.initial,)

    def rule(self, p: Any, g: Any, rate: Any, t: Any, r: Any) -> tuple[Any, ...]:
        r = r + g**2
        return p - rate / damped_root(r, self.delta, self.delta_at) * g, r


@dataclass(frozen=True)
class RMSProp(Damped, Optimizer):
    """AdaGrad with an exponential average in place of the sum, so that old gradients fade.

    r ← ρ r + (1 − ρ) g²;  θ ← θ − ε / (δ + √r) · g

    Args:
        learning_rate: ε. 0.001 as in Keras; PyTorch's is 0.01.
        rho: ρ in [0, 1). 0.9 as in Keras; PyTorch's ``alpha`` is 0.99.
        delta: δ. 1e-7 as in Keras; PyTorch's ``eps`` is 1e-8, the book's 1e-6.
        delta_at: "outside", δ + √r as in the lecture and PyTorch; "inside", √(r + δ) as in Keras
            and the book. Only inside is the rule differentiable where the gradient is 0.

    Other arguments, methods, Raises: see `Optimizer`.

    >>> rmsprop = RMSProp(0.1, rho=0.75, delta=0.0)
    >>> x, state = rmsprop.update(4.0, rmsprop.init(1.0), 1.0)
    >>> round(x, 12), state.r
    (0.8, 4.0)

    Source: Goodfellow et al., *Deep Learning*, algorithm 8.5; Hinton, *Neural Networks for Machine
    Learning*, lecture 6e (2012).
    """

    learning_rate: Rate = 0.001
    rho: float = 0.9
    delta: float = 1e-7
    delta_at: Place = "outside"

    State: ClassVar[Any] = Squares
    decays: ClassVar[tuple[str, ...]] = ("rho",)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.choice("delta_at", self.delta_at, self.places)

    def rule(self, p: Any, g: Any, rate: Any, t: Any, r: Any) -> tuple[Any, ...]:
        r = self.rho * r + (1 - self.rho) * g**2
        return p - rate / damped_root(r, self.delta, self.delta_at) * g, r


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """RMSProp whose rate is the size of its own recent steps, in the units of the parameter.

    r ← ρ r + (1 − ρ) g²;  Δ = −√(u + δ) / √(r + δ) · g;  u ← ρ u + (1 − ρ) Δ²;  θ ← θ + ε Δ

    Args:
        learning_rate: ε, 1 in the paper and in PyTorch; 0.001 in Keras.
        rho: ρ in [0, 1). 0.95 as in the paper and Keras; 0.9 in PyTorch.
        delta: δ. 1e-6 as in the paper and PyTorch; 1e-7 in Keras. It sets the size of the first
            steps.

    Other arguments, methods, Raises: see `Optimizer`.

    >>> adadelta = Adadelta(rho=0.75, delta=0.25)
    >>> x, state = adadelta.update(2.0, adadelta.init(1.0), 1.0)
    >>> round(1 - x, 12), state.r  # Δ = −√0.25 / √1.25 · 2
    (0.894427191, 1.0)

    Source: Zeiler, "ADADELTA: an adaptive learning rate method", arXiv 1212.5701 (2012).
    """

    learning_rate: Rate = 1.0
    rho: float = 0.95
    delta: float = 1e-6

    State: ClassVar[Any] = AdadeltaState
    decays: ClassVar[tuple[str, ...]] = ("rho",)

    def rule(self, p: Any, g: Any, rate: Any, t: Any, r: Any, u: Any) -> tuple[Any, ...]:
        r = self.rho * r + (1 - self.rho) * g**2
        change = -np.sqrt(u + self.delta) / np.sqrt(r + self.delta) * g
        u = self.rho * u + (1 - self.rho) * change**2
        return p + rate * change, r, u
