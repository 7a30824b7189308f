"""Gradient descent, momentum in three conventions, and Nesterov momentum in both forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal, NamedTuple

from chainrule.errors import ArgumentError
from chainrule.optim import checks
from chainrule.optim.base import Optimizer, Rate, Steps, at, weak
from chainrule.records import dataclass
from chainrule.tracing import flatten, unflatten

Convention = Literal["lecture", "pytorch", "average"]
_CONVENTIONS = ("lecture", "pytorch", "average")


class Velocity(NamedTuple):
    """The state of momentum: the updates done, and the velocity of each parameter."""

    step: Any
    velocity: Any


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent: θ ← θ − ε g.

    Called SGD as everywhere, although whether g comes from all rows or from a random few is the
    caller's business. Momentum has its own names (`Momentum`, `Nesterov`,
    `NesterovReformulated`), where PyTorch and Keras have arguments of SGD.

    Args:
        learning_rate: ε. The default is Keras's; PyTorch's is 0.001.

    Other arguments, methods, Raises: see `Optimizer`.

    >>> import numpy as np
    >>> sgd = SGD(0.1)
    >>> params = {"w": np.array([1.0, 2.0]), "b": 0.5}
    >>> gradients = {"w": np.array([10.0, 0.0]), "b": -1.0}
    >>> params, state = sgd.update(gradients, sgd.init(params), params)
    >>> params, state
    ({'w': array([0., 2.]), 'b': 0.6}, Steps(step=1))

    Source: Goodfellow et al., *Deep Learning*, algorithm 8.1.
    """

    learning_rate: Rate = 0.01

    State: ClassVar[Any] = Steps

    def rule(self, p: Any, g: Any, rate: Any, t: Any) -> tuple[Any, ...]:
        return (p - rate * g,)


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Gradient descent with a velocity, in the convention of one's choice.

    ===========  =================================  =============
    convention   velocity                           step
    ===========  =================================  =============
    "lecture"    v ← α v − ε g                      θ ← θ + v
    "pytorch"    v ← α v + g                        θ ← θ − ε v
    "average"    v ← α v + (1 − α) g                θ ← θ − ε v
    ===========  =================================  =============

    The first is the lecture's, Sutskever's and Keras's. The second differs only while ε changes:
    its whole velocity moves at the new rate, whereas in the first every gradient keeps the rate at
    which it came. The third is an exponential average of the gradients, so its steps are
    1/(1 − α) times smaller at the same ε. `converted` goes from one to another.

    Args:
        learning_rate: ε.
        momentum: α in [0, 1), or a schedule of the step number. 0.9 here; 0 in PyTorch's and
            Keras's SGD.
        convention: "lecture", "pytorch" or "average".

    Other arguments, methods, Raises: see `Optimizer`.

    >>> momentum = Momentum(0.1, 0.9)
    >>> x, state = momentum.update(1.0, momentum.init(5.0), 5.0)
    >>> x, state = momentum.update(1.0, state, x)
    >>> round(x, 12), round(state.velocity, 12)
    (4.71, -0.19)

    Source: Goodfellow et al., *Deep Learning*, algorithm 8.2; Sutskever et al., "On the importance
    of initialization and momentum in deep learning", ICML 2013.
    """

    learning_rate: Rate = 0.01
    momentum: Rate = 0.9
    convention: Convention = "lecture"

    State: ClassVar[Any] = Velocity
    decays: ClassVar[tuple[str, ...]] = ("momentum",)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.choice("convention", self.convention, _CONVENTIONS)

    def rule(self, p: Any, g: Any, rate: Any, t: Any, v: Any) -> tuple[Any, ...]:
        alpha = weak(at(self.momentum, t - 1), g)
        if self.convention == "lecture":
            v = alpha * v - rate * g
            return p + v, v
        if self.convention == "pytorch":
            v = alpha * v + g
            return p - rate * v, v
        v = alpha * v + (1 - alpha) * g
        return p - rate * v, v

    def converted(self, convention: Convention) -> Momentum:
        """The same path in another convention: another learning rate.

        ε_average = ε_lecture / (1 − α) and ε_pytorch = ε_lecture, for a constant ε and α.

        Raises:
            ArgumentError: ε or α is a schedule. No fixed factor joins the conventions then.

        >>> Momentum(0.1, 0.75).converted("average").learning_rate
        0.4
        """
        checks.choice("convention", convention, _CONVENTIONS)
        rate, alpha = self._constants()
        scale = {"lecture": 1.0, "pytorch": 1.0, "average": 1 - alpha}
        new = rate * scale[self.convention] / scale[convention]
        return replace(self, learning_rate=new, convention=convention)

    def converted_state(self, state: Velocity, convention: Convention) -> Velocity:
        """The state in another convention, to go on with what `converted` returns.

        v_pytorch = −v_lecture / ε and v_average = (1 − α) v_pytorch.

        >>> Momentum(0.1, 0.75).converted_state(Velocity(3, -0.2), "average")
        Velocity(step=3, velocity=0.5)
        """
        checks.choice("convention", convention, _CONVENTIONS)
        rate, alpha = self._constants()
        if self.convention == "average":
            rate = rate * (1 - alpha)
        scale = {"lecture": -rate, "pytorch": 1.0, "average": 1 - alpha}
        leaves, spec = flatten(state.velocity)
        factor = scale[convention] / scale[self.convention]
        return Velocity(state.step, unflatten(spec, [v * factor for v in leaves]))

    def _constants(self) -> tuple[Any, Any]:
        for name in ("learning_rate", "momentum"):
            if callable(getattr(self, name)):
                raise ArgumentError(
                    f"a {name} that changes has no equal in another convention",
                    got=f"{name}={getattr(self, name)!r}",
                    line=checks.users_line(),
                    remedy="convert with constant numbers, or write the schedule for the "
                    "convention that runs",
                )
        return self.learning_rate, self.momentum


@dataclass(frozen=True)
class Nesterov(Optimizer):
    """Nesterov momentum with the gradient taken at the interim point.

    θ̃ = θ + α v;  g = ∇L(θ̃);  v ← α v − ε g;  θ ← θ + v

    The caller takes the gradient where `lookahead` says. A gradient taken at θ itself would make
    this plain momentum. The loss that a training reports is then that of the interim point too.
    `NesterovReformulated` needs no interim point.

    Args:
        learning_rate: ε.
        momentum: α in [0, 1), or a schedule.

    Other arguments, methods, Raises: see `Optimizer`.

    >>> nesterov = Nesterov(0.1, 0.9)
    >>> x, state = 5.0, nesterov.init(5.0)
    >>> for _ in range(2):
    ...     gradient = 2 * nesterov.lookahead(x, state)  # of x²
    ...     x, state = nesterov.update(gradient, state, x)
    >>> round(x, 12)
    2.48

    Source: Goodfellow et al., *Deep Learning*, algorithm 8.3; Sutskever et al., ICML 2013.
    """

    learning_rate: Rate = 0.01
    momentum: Rate = 0.9

    State: ClassVar[Any] = Velocity
    decays: ClassVar[tuple[str, ...]] = ("momentum",)

    def lookahead(self, params: Any, state: Any) -> Any:
        """The interim point θ + α v."""
        alpha = at(self.momentum, state.step)
        leaves, velocities, spec = checks.same_tree(params, state.velocity, "states")
        return unflatten(
            spec, [p + weak(alpha, v) * v for p, v in zip(leaves, velocities, strict=True)]
        )

    def rule(self, p: Any, g: Any, rate: Any, t: Any, v: Any) -> tuple[Any, ...]:
        v = weak(at(self.momentum, t - 1), g) * v - rate * g
        return p + v, v


@dataclass(frozen=True)
class NesterovReformulated(Optimizer):
    """Nesterov momentum in terms of the interim points, as most libraries have it.

    v ← α v − ε g;  θ ← θ + α' v − ε g

    with the momentum α' of the next step, which is α unless it follows a schedule. Its θ is the
    interim point θ̃ of `Nesterov`: both take the same gradients at the same places, and at rest
    (v = 0) they meet. This is ``nesterov=True`` in Keras, and in PyTorch for a constant ε.

    Args:
        learning_rate: ε.
        momentum: α in [0, 1), or a schedule.

    Other arguments, methods, Raises: see `Optimizer`.

    >>> nesterov = NesterovReformulated(0.1, 0.9)
    >>> x, state = nesterov.update(10.0, nesterov.init(5.0), 5.0)
    >>> round(x, 12)
    3.1

    Source: Bengio, Boulanger-Lewandowski & Pascanu, "Advances in optimizing recurrent networks",
    ICASSP 2013, section 3.5.
    """

    learning_rate: Rate = 0.01
    momentum: Rate = 0.9

    State: ClassVar[Any] = Velocity
    decays: ClassVar[tuple[str, ...]] = ("momentum",)

    def rule(self, p: Any, g: Any, rate: Any, t: Any, v: Any) -> tuple[Any, ...]:
        alpha, following = (weak(at(self.momentum, k), g) for k in (t - 1, t))
        v = alpha * v - rate * g
        return p + following * v - rate * g, v
