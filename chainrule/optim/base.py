"""What all optimizers share: trees, learning rates and their schedules, penalties, dtypes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.elementary.shaping import astype
from chainrule.optim import checks
from chainrule.records import dataclass
from chainrule.running import dtype_of
from chainrule.tracing import flatten, paths_of, unflatten

Schedule = Callable[[Any], Any]
Rate = Any  # a number, a traced number, or a Schedule of the step number


class Steps(NamedTuple):
    """The state of an optimizer without memory: the number of updates done."""

    step: Any


@dataclass(frozen=True)
class Optimizer:
    """An update rule: θ, state ← update(g, state, θ), for parameters in any tree.

    Subclasses give `rule`, the equation for one array; this class applies it to the leaves. Before
    the rule the gradient gets its penalties, g ← g + λ₁ sign θ + λ₂ θ, which are the gradients of
    λ₁‖θ‖₁ and of ½λ₂‖θ‖₂² at the point where g was taken. After it the weights decay on their own,
    θ ← θ − ε λ θ_old. For plain descent L2 and decay are the same; where gradients are rescaled
    they are not, and a penalty is rescaled with them.

    All functions are pure: nothing that is passed in changes. They accept traced values, so that
    one can differentiate through an update.

    Args:
        learning_rate: ε, a number ≥ 0, or a schedule: a callable of the number of updates done
            so far (0 for the first).
        l1: λ₁ ≥ 0, the weight of ‖θ‖₁.
        l2: λ₂ ≥ 0, the weight of ½‖θ‖₂². PyTorch calls this ``weight_decay``, except in AdamW.
        weight_decay: λ ≥ 0, decoupled from the gradient (Keras's meaning; PyTorch's in AdamW).
        penalize: which parameters the three apply to, ``penalize(path, parameter) → bool`` with
            paths such as ``params['w']``; all of them by default. See `kernels_only`.

    Raises:
        ArgumentError: a number outside of its range.

    Source: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, for l2 against
    weight_decay; Goodfellow et al., *Deep Learning*, section 7.1, for the penalties.
    """

    learning_rate: Rate
    _: KW_ONLY
    l1: float = 0.0
    l2: float = 0.0
    weight_decay: float = 0.0
    penalize: Callable[[str, Any], bool] | None = None

    State: ClassVar[Any] = Steps
    decays: ClassVar[tuple[str, ...]] = ()  # the fields that must lie in [0, 1)
    rule: ClassVar[Callable[..., tuple[Any, ...]]]

    def __post_init__(self) -> None:
        checks.learning_rate(self.learning_rate)
        for name in ("l1", "l2", "weight_decay", *(["delta"] if hasattr(self, "delta") else [])):
            checks.not_negative(name, getattr(self, name))
        for name in self.decays:
            checks.fraction(name, getattr(self, name))

    def start(self, p: Any) -> tuple[Any, ...]:
        """The state of one parameter before the first update; zeros unless a rule says else."""
        return tuple(zeros(p) for _ in self.State._fields[1:])

    def init(self, params: Any) -> Any:
        """The state before the first update.

        Args:
            params: the parameters, any tree of floating-point numbers and arrays.

        Returns:
            A named tuple: ``step``, and for each memory of the rule a tree like the parameters.

        Raises:
            NotDifferentiableError: a leaf is not made of floating-point numbers.
        """
        checks.parameters(params, "params")
        leaves, spec = flatten(params)
        slots = [self.start(p) for p in leaves]
        names = self.State._fields[1:]
        return self.State(0, *(unflatten(spec, [s[i] for s in slots]) for i in range(len(names))))

    def lookahead(self, params: Any, state: Any) -> Any:
        """Where this rule wants the gradient: at the parameters, except for `Nesterov`."""
        return params

    def update(
        self, gradients: Any, state: Any, params: Any, *, learning_rate: Any = None
    ) -> tuple[Any, Any]:
        """One step.

        Args:
            gradients: a tree like the parameters.
            state: from `init` or the update before.
            params: the parameters.
            learning_rate: takes the place of the optimizer's own in this step.

        Returns:
            New parameters and new state, with the dtypes of the old.

        Raises:
            TreeError: the gradients or the state differ from the parameters in structure or shape.
        """
        leaves, grads, spec = checks.same_tree(params, gradients, "gradients")
        slots = [checks.same_tree(params, s, "states")[1] for s in self._trees(state)]
        rate = at(self.learning_rate if learning_rate is None else learning_rate, state.step)
        chosen = self._penalized(params, len(leaves))
        where = flatten(self.lookahead(params, state))[0] if self.l1 or self.l2 else leaves
        moved, kept = [], []
        for i, (p, g) in enumerate(zip(leaves, grads, strict=True)):
            g = self._with_penalties(g, where[i]) if chosen[i] else g
            eps = weak(rate, g)
            new, *memory = self.rule(p, g, eps, state.step + 1, *(s[i] for s in slots))
            if self.weight_decay and chosen[i]:
                new = new - eps * self.weight_decay * p
            moved.append(like(new, p))
            kept.append([like(m, s[i]) for m, s in zip(memory, slots, strict=True)])
        trees = [unflatten(spec, list(column)) for column in zip(*kept, strict=True)]
        return unflatten(spec, moved), self.State(state.step + 1, *trees)

    def _trees(self, state: Any) -> tuple[Any, ...]:
        return tuple(state[1:])

    def _penalized(self, params: Any, count: int) -> list[bool]:
        if self.penalize is None:
            return [True] * count
        leaves = flatten(params)[0]
        paths = paths_of(params, "params")
        return [bool(self.penalize(path, p)) for path, p in zip(paths, leaves, strict=True)]

    def _with_penalties(self, g: Any, p: Any) -> Any:
        if self.l1:
            g = g + self.l1 * np.sign(p)
        if self.l2:
            g = g + self.l2 * p
        return g


def kernels_only(path: str, parameter: Any) -> bool:
    """For ``penalize``: matrices and kernels (two axes or more), not biases.

    >>> kernels_only("params['b']", np.zeros(3)), kernels_only("params['w']", np.zeros((2, 3)))
    (False, True)
    """
    return len(shape_of(parameter)) >= 2


def at(rate: Rate, step: Any) -> Any:
    """A number or a schedule at a step. Plain numbers become floats, which keep float32 arrays."""
    return checks.scheduled(rate, rate(step)) if callable(rate) else checks.plain(rate)


def weak(x: Any, g: Any) -> Any:
    """A number that leaves the precision of the array g as it is, traced or not."""
    return astype(x, dtype=dtype_of(g)) if is_traced(x) and x.dtype != dtype_of(g) else x


def zeros(p: Any) -> Any:
    if type(p) is float or type(p) is int:
        return 0.0
    return np.zeros(shape_of(p), dtype_of(p))


def like(new: Any, old: Any) -> Any:
    """A new value in the type and dtype of the old one."""
    if is_traced(new):
        dtype = dtype_of(old)
        return new if new.dtype == dtype else astype(new, dtype=dtype)
    if type(old) is float or type(old) is int:
        return float(new)
    dtype = value_of(old).dtype
    return new if getattr(new, "dtype", None) == dtype else np.asarray(new, dtype)
