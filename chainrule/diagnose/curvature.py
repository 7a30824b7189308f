"""`curvature`: the largest and smallest curvatures of a loss, its trace, and the stable steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.diagnose import stability
from chainrule.diagnose.naming import leaf_shares
from chainrule.diagnose.objectives import Engine, FunctionLoss, NetworkLoss, loss_of
from chainrule.diagnose.spectrum import Spectrum, ends_of, largest_of, trace_of
from chainrule.diagnose.stability import Rule
from chainrule.errors import ArgumentError
from chainrule.insight.shown import Shown
from chainrule.nn.naming import user_line
from chainrule.records import dataclass
from chainrule.tracing import flatten, unflatten
from chainrule.train.using import whole_number

Array = NDArray[np.float64]

MOMENTUM = 0.9  # of the methods that are named beside the model's own
EXPECTED = 150  # products that the ends of a spectrum take, about


@dataclass(frozen=True)
class StableStep:
    """The largest stable learning rate of one method.

    Attributes:
        method: such as "descent" or "momentum 0.9".
        formula: what was computed, ``2/λ``.
        curvature: the λ that it was computed from: the largest, with penalties; for rules with a
            rate for each parameter that of P⁻¹H.
        limit: the rate; infinite where nothing curves upwards.
        rate: what the model trains with; None for the methods that it does not use.
    """

    method: str
    formula: str
    curvature: float
    limit: float
    rate: float | None = None


@dataclass(frozen=True)
class Curvature(Shown):
    """What `curvature` found. Print it; `plot` draws the eigenvalues.

    Attributes:
        title: the model, or the function.
        loss: its value.
        gradient_norm: ‖∇L‖.
        along_gradient: gᵀHg/gᵀg, the curvature in the direction of steepest descent; nan where the
            gradient is 0.
        eigenvalues: of the Hessian, ascending: k at each end, or all of them; shape (m,).
        eigenvectors: their directions, one in each column, shape (n, m).
        residuals: ‖Hv − λv‖ for each: so far an exact eigenvalue may be from it.
        whole: whether all eigenvalues are there.
        converged: whether Lanczos reached the tolerance.
        trace: of the Hessian, estimated; trace_error: its standard error, 0 where it is exact.
        steps: the largest stable steps, of the model's own optimizer first.
        parameters, rows: how many.
        products: Hessian products that it took.
        paths, shapes: of the leaves of the parameters.
    """

    title: str
    loss: float
    gradient_norm: float
    along_gradient: float
    eigenvalues: Array
    eigenvectors: Array = field(repr=False)
    residuals: Array = field(repr=False)
    whole: bool
    converged: bool
    trace: float
    trace_error: float
    steps: tuple[StableStep, ...]
    parameters: int
    rows: int | None
    products: int
    paths: tuple[str, ...] = field(repr=False)
    shapes: tuple[tuple[int, ...], ...] = field(repr=False)
    structure: Any = field(repr=False, default=None)

    @property
    def largest(self) -> float:
        """The largest eigenvalue, also called sharpness."""
        return float(self.eigenvalues[-1])

    @property
    def smallest(self) -> float:
        return float(self.eigenvalues[0])

    @property
    def condition(self) -> float:
        """λ_max/λ_min where all curvatures are positive; infinite where they are not."""
        noise = float(self.residuals.max(initial=0.0))
        return self.largest / self.smallest if self.smallest > noise else float("inf")

    @property
    def largest_stable_step(self) -> float:
        """Of the model's optimizer; of plain descent for functions and for other optimizers."""
        return self.steps[0].limit

    @property
    def sizes(self) -> list[int]:
        return [int(np.prod(shape)) for shape in self.shapes]

    def direction(self, k: int) -> Any:
        """The direction of eigenvalue k, a tree like the parameters, of length 1."""
        parts = np.split(self.eigenvectors[:, k], np.cumsum(self.sizes)[:-1])
        leaves = [p.reshape(s)[()] for p, s in zip(parts, self.shapes, strict=True)]
        return unflatten(self.structure, leaves)

    def shares(self, k: int) -> dict[str, float]:
        """How much of direction k lies in each leaf of the parameters; they add up to 1."""
        found = leaf_shares(self.eigenvectors[:, k], self.sizes)
        return dict(zip(self.paths, found.tolist(), strict=True))

    @property
    def remarks(self) -> list[str]:
        """What follows from the numbers, in words: of the learning rate, of a saddle."""
        from chainrule.diagnose.curvature_words import remarks

        return remarks(self)

    def __str__(self) -> str:
        from chainrule.diagnose.curvature_words import text

        return text(self)

    def plot(self, ax: Any = None) -> Any:
        """The eigenvalues that were found; see `plot_spectrum`."""
        from chainrule.diagnose.curvature_plots import plot_spectrum

        return plot_spectrum(self.eigenvalues, ax, count=self.parameters, rest=self.rest)

    @property
    def rest(self) -> float | None:
        """The mean of the eigenvalues that were not computed, from the trace; None if all were."""
        left = self.parameters - len(self.eigenvalues)
        return (self.trace - float(self.eigenvalues.sum())) / left if left else None


def curvature(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    k: int = 3,
    samples: int = 16,
    tolerance: float = 1e-3,
    sample_weight: Any = None,
    batch_size: int | None = None,
    training: bool = False,
    jit_compile: Engine = "auto",
    seed: int = 0,
) -> Curvature:
    """The ends of the Hessian's spectrum, its trace, and the largest stable learning rates.

    ``curvature(model, x, y)`` looks at the mean loss of a network over data, summed batch by batch,
    so that the data may be larger than memory; ``curvature(f, x)`` at a function of any tree. The
    Hessian is never made: Lanczos's method asks for its products ∇²L v, which are exact. Where
    there are at most 64 parameters, all eigenvalues are computed.

    A method is *stable* where the error along the largest curvature does not grow: for plain
    descent below 2/λ_max. Above it the loss rises, or the training moves to flatter places.

    Args:
        model: compiled; or a function of one tree that returns a number.
        x, y, sample_weight: as for `Model.evaluate`, batches from a function too; or the point.
        k: how many eigenvalues at each end.
        samples: random vectors for the trace.
        tolerance: of the eigenvalues, relative to the largest in size.
        batch_size: rows at a time, 1024 by default.
        training: as in a training step (batch norm by the batch's own statistics, one draw of
            dropout) instead of as in use.
        jit_compile: Hessian products by the native engine: "auto" where that pays, True or False.
        seed: of the random vectors.

    Returns:
        A :class:`Curvature`.

    Raises:
        ArgumentError: a model that was not compiled, data that run once only.

    >>> import chainrule as cr
    >>> scales = np.array([1.0, 10.0, 100.0])
    >>> found = curvature(lambda w: 0.5 * np.sum(scales * w**2), np.ones(3))
    >>> found.eigenvalues, found.condition, found.largest_stable_step
    (array([  1.,  10., 100.]), 100.0, 0.02)

    Source: Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6 (1994);
    LeCun, Kanter & Solla (1991) for the largest step; Sagun et al., arXiv:1706.04454 (2017), for
    spectra of networks.
    """
    k, samples = whole_number("k", k), whole_number("samples", samples, 2)
    if not 0.0 < tolerance < 1.0:
        raise ArgumentError(
            "tolerance is the error of the eigenvalues relative to the largest",
            got=f"tolerance={tolerance!r}",
            line=user_line(),
            remedy="give a number between 0 and 1, such as 1e-3",
        )
    loss = loss_of(
        model, x, y, sample_weight=sample_weight, batch_size=batch_size, training=training,
        expected=EXPECTED + samples, jit_compile=jit_compile, seed=seed,
    )  # fmt: skip
    n, z = len(loss.point), loss.point
    value, gradient = loss.value_and_gradient(z)
    _refuse_infinite(loss, value, gradient)

    def product(v: Array) -> Array:
        return loss.product(z, v)

    squared = float(gradient @ gradient)
    along = float(gradient @ product(gradient)) / squared if squared else float("nan")
    spectrum = ends_of(product, n, k, tolerance, seed)
    if not len(spectrum.values):
        spectrum = spectrum._replace(
            values=np.zeros(1), vectors=np.eye(n, 1), residuals=np.zeros(1)
        )
    trace, error = float(spectrum.values.sum()), 0.0
    if not spectrum.whole:
        basis = np.linalg.qr(spectrum.vectors)[0]
        trace, error = trace_of(product, n, basis, samples, seed)
    steps = _steps(loss, product, spectrum, tolerance, seed)
    return Curvature(
        loss.title, value, float(np.sqrt(squared)), along, spectrum.values, spectrum.vectors,
        spectrum.residuals, spectrum.whole, spectrum.converged, trace, error, steps, n, loss.rows,
        loss.calls, tuple(loss.paths), tuple(loss.shapes), flatten(loss.tree(z))[1],
    )  # fmt: skip


def _refuse_infinite(loss: FunctionLoss | NetworkLoss, value: float, gradient: Array) -> None:
    if np.isfinite(value) and np.isfinite(gradient).all():
        return
    what = "gradient" if np.isfinite(value) else "loss"
    raise ArgumentError(
        f"the {what} is not finite there, so nothing can be said of its curvature",
        got=f"a loss of {value}",
        line=user_line(),
        remedy="cr.debug(f)(x) says where it began"
        if loss.model is None
        else "cr.gradient_health(model, x, y) says in which layer",
    )


def _steps(
    loss: FunctionLoss | NetworkLoss, product: Any, spectrum: Spectrum, tolerance: float, seed: int
) -> tuple[StableStep, ...]:
    """The model's own method first, then the three that need no more than λ."""
    sharpness = float(spectrum.values[-1])
    others: Sequence[Rule] = (
        stability.plain(), stability.heavy_ball(MOMENTUM), stability.nesterov(MOMENTUM),
    )  # fmt: skip
    if loss.model is None:
        return tuple(_step(rule, sharpness) for rule in others)
    memory = loss.model.training_state("curvature").optimizer
    own = stability.rule_of(loss.model.optimizer, memory)
    if own is None:
        return tuple(_step(rule, sharpness) for rule in others)
    if own.scale is not None:
        root = 1.0 / np.sqrt(np.maximum(own.scale, np.finfo(float).tiny))
        sharpness_here = largest_of(lambda v: root * product(root * v), len(root), tolerance, seed)
    else:
        sharpness_here = sharpness
    first = _step(own, sharpness_here, float(loss.model.learning_rate))
    rest = [_step(rule, sharpness) for rule in others if rule.name != own.name]
    return (first, *rest)


def _step(rule: Rule, sharpness: float, rate: float | None = None) -> StableStep:
    curved = sharpness + rule.added
    limit = rule.factor / curved if curved > 0.0 else float("inf")
    return StableStep(rule.name, rule.formula, curved, limit, rate)
