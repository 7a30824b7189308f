"""Momentum with a learning rate for each parameter: Adam and its kin, and Lion."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from chainrule.optim import checks
from chainrule.optim.adaptive import Damped, damped_root
from chainrule.optim.base import Optimizer, Rate, weak, zeros
from chainrule.records import dataclass

AdamPlace = Literal["outside", "inside", "uncorrected"]


class Moments(NamedTuple):
    """The updates done, and the averages of the gradient (m) and of its square (v)."""

    step: Any
    m: Any
    v: Any


class AMSGradState(NamedTuple):
    """As `Moments`, and the largest v so far."""

    step: Any
    m: Any
    v: Any
    largest: Any


class NAdamState(NamedTuple):
    """As `Moments`, and the product of all momenta so far, one number for each parameter."""

    step: Any
    m: Any
    v: Any
    product: Any


class LionState(NamedTuple):
    """The updates done, and the average m of the gradient."""

    step: Any
    m: Any


@dataclass(frozen=True)
class Adam(Damped, Optimizer):
    """RMSProp with momentum, both corrected for having started from zero.

    m ← ρ₁ m + (1 − ρ₁) g;  v ← ρ₂ v + (1 − ρ₂) g²
    m̂ = m / (1 − ρ₁ᵗ);  v̂ = v / (1 − ρ₂ᵗ);  θ ← θ − ε m̂ / (δ + √v̂)

    The lecture writes v for m and r for v.

    Args:
        learning_rate: ε, 0.001 as everywhere.
        rho1, rho2: ρ₁ and ρ₂ in [0, 1), elsewhere called β₁ and β₂.
        delta: δ. 1e-8 as in the paper, the book and PyTorch; 1e-7 in Keras.
        delta_at: "outside", δ + √v̂ (PyTorch); "inside", √(v̂ + δ); "uncorrected", δ + √v before
            the correction, which is then a factor of the rate (Keras, and the paper's faster
            form). Only inside is the rule differentiable where the gradient is 0.
        weight_decay: decoupled, as in `AdamW`. The ``weight_decay`` of PyTorch's Adam is ``l2``.

    Other arguments, methods, Raises: see `Optimizer`.

    >>> adam = Adam(0.1)
    >>> x, state = adam.update(-7.0, adam.init(1.0), 1.0)
    >>> print(f"{x:.9f}")  # the first step has the length of the rate
    1.100000000

    Source: Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1;
    Goodfellow et al., *Deep Learning*, algorithm 8.7.
    """

    learning_rate: Rate = 0.001
    rho1: float = 0.9
    rho2: float = 0.999
    delta: float = 1e-8
    delta_at: AdamPlace = "outside"

    State: ClassVar[Any] = Moments
    places: ClassVar[tuple[str, ...]] = ("outside", "inside", "uncorrected")
    decays: ClassVar[tuple[str, ...]] = ("rho1", "rho2")

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.choice("delta_at", self.delta_at, self.places)

    def rule(self, p: Any, g: Any, rate: Any, t: Any, m: Any, v: Any) -> tuple[Any, ...]:
        m = self.rho1 * m + (1 - self.rho1) * g
        v = self.rho2 * v + (1 - self.rho2) * g**2
        # ε m̂ with the two numbers taken together: one division less for each parameter
        return p - (rate / weak(1 - self.rho1**t, g)) * m / self.root(v, t), m, v

    def root(self, v: Any, t: Any) -> Any:
        """The corrected and damped √v."""
        correction = weak(1 - self.rho2**t, v)
        if self.delta_at == "uncorrected":
            return (self.delta + np.sqrt(v)) / correction**0.5
        return damped_root(v * (1 / correction), self.delta, self.delta_at)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: θ ← θ − ε m̂ / (δ + √v̂) − ε λ θ.

    The decay follows the learning rate and its schedule, as in PyTorch and Keras. The paper has
    θ ← θ − η (ε m̂ / (δ + √v̂) + λ θ) with a schedule η beside a constant ε: its λ is ε λ here.

    Args:
        weight_decay: λ. 0.01 as in PyTorch; 0.004 in Keras.

    Other arguments: see `Adam` and `Optimizer`.

    >>> adamw = AdamW(0.1, weight_decay=0.5)
    >>> x, state = adamw.update(-7.0, adamw.init(1.0), 1.0)
    >>> print(f"{x:.9f}")
    1.050000000

    Source: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """

    weight_decay: float = 0.01


@dataclass(frozen=True)
class AMSGrad(Adam):
    """Adam whose denominator never shrinks.

    m and v as in Adam;  w ← max(w, v);  θ ← θ − ε m̂ / (δ + √(w / (1 − ρ₂ᵗ)))

    The paper has no bias correction; PyTorch and Keras (``amsgrad=True``) have it as here.

    Args: see `Adam` and `Optimizer`.

    >>> amsgrad = AMSGrad(0.1)
    >>> x, state = amsgrad.update(2.0, amsgrad.init(1.0), 1.0)
    >>> x, state = amsgrad.update(0.0, state, x)
    >>> state.v < state.largest
    True

    Source: Reddi, Kale & Kumar, "On the convergence of Adam and beyond", ICLR 2018, algorithm 2.
    """

    State: ClassVar[Any] = AMSGradState

    def rule(  # type: ignore[override]
        self, p: Any, g: Any, rate: Any, t: Any, m: Any, v: Any, largest: Any
    ) -> tuple[Any, ...]:
        m = self.rho1 * m + (1 - self.rho1) * g
        v = self.rho2 * v + (1 - self.rho2) * g**2
        largest = np.maximum(largest, v)
        m_hat = m / weak(1 - self.rho1**t, g)
        return p - rate * m_hat / self.root(largest, t), m, v, largest


@dataclass(frozen=True)
class NAdam(Adam):
    """Adam with Nesterov momentum, which warms up.

    μₜ = ρ₁ (1 − ½ · 0.96^(ψ t));  m and v as in Adam;  v̂ = v / (1 − ρ₂ᵗ)
    m̂ = μₜ₊₁ m / (1 − μ₁⋯μₜ₊₁) + (1 − μₜ) g / (1 − μ₁⋯μₜ);  θ ← θ − ε m̂ / (δ + √v̂)

    Args:
        learning_rate: ε. 0.002 as in the paper and PyTorch; 0.001 in Keras.
        momentum_decay: ψ. 0.004 as in the paper and PyTorch; Keras has 1.

    Other arguments: see `Adam` and `Optimizer`.

    >>> nadam = NAdam(0.1)
    >>> x, state = nadam.update(2.0, nadam.init(1.0), 1.0)
    >>> state.step, round(state.product, 5)
    (1, 0.45007)

    Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, algorithm 2.
    """

    learning_rate: Rate = 0.002
    momentum_decay: float = 0.004

    State: ClassVar[Any] = NAdamState

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.not_negative("momentum_decay", self.momentum_decay)

    def start(self, p: Any) -> tuple[Any, ...]:
        return zeros(p), zeros(p), 1.0

    def rule(  # type: ignore[override]
        self, p: Any, g: Any, rate: Any, t: Any, m: Any, v: Any, product: Any
    ) -> tuple[Any, ...]:
        mu, mu_next = weak(self._momentum(t), g), weak(self._momentum(t + 1), g)
        product = product * mu
        m = self.rho1 * m + (1 - self.rho1) * g
        v = self.rho2 * v + (1 - self.rho2) * g**2
        m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
        return p - rate * m_hat / self.root(v, t), m, v, product

    def _momentum(self, t: Any) -> Any:
        return self.rho1 * (1 - 0.5 * 0.96 ** (self.momentum_decay * t))


@dataclass(frozen=True)
class Lion(Optimizer):
    """Steps of one size, in the direction of the sign of an average of the gradients.

    θ ← θ − ε sign(ρ₁ m + (1 − ρ₁) g);  m ← ρ₂ m + (1 − ρ₂) g

    The sign lets no derivative through, so differentiating through a step sees only θ.

    Args:
        learning_rate: ε. 1e-4 as in the paper; 0.001 in Keras. Three to ten times smaller than
            for Adam.
        rho1, rho2: ρ₁ and ρ₂ in [0, 1).

    Other arguments, methods, Raises: see `Optimizer`.

    >>> lion = Lion(0.5)
    >>> lion.update(-7.0, lion.init(1.0), 1.0)[0]
    1.5

    Source: Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, algorithm 2.
    """

    learning_rate: Rate = 1e-4
    rho1: float = 0.9
    rho2: float = 0.99

    State: ClassVar[Any] = LionState
    decays: ClassVar[tuple[str, ...]] = ("rho1", "rho2")

    def rule(self, p: Any, g: Any, rate: Any, t: Any, m: Any) -> tuple[Any, ...]:
        direction = np.sign(self.rho1 * m + (1 - self.rho1) * g)
        m = self.rho2 * m + (1 - self.rho2) * g
        return p - rate * direction, m
