"""`critical_point`: what gradient and Hessian say of a point: minimum, maximum, saddle, or none."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.diagnose.naming import contributions, element_names
from chainrule.diagnose.spectrum import signed
from chainrule.errors import ArgumentError, ChainruleError
from chainrule.insight.examining import examine
from chainrule.insight.shown import Shown
from chainrule.nn.naming import user_line
from chainrule.optim.vector import Objective
from chainrule.records import dataclass
from chainrule.running import Quiet
from chainrule.tracing import flatten, name_of, parameter_names

Array = NDArray[np.float64]

LARGEST = 3000  # parameters up to which a whole Hessian is made
CLOSE = 1e-6  # of a gradient: the step to the critical point over the size of x
SHOWN = 8  # directions that are printed


@dataclass(frozen=True)
class CriticalPoint(Shown):
    """What `critical_point` found. Print it.

    Attributes:
        kind: "minimum", "maximum", "saddle", "degenerate" or "not critical".
        value: f(x).
        gradient: ∇f(x), a tree like x.
        gradient_norm: its Euclidean norm.
        tolerance: the norm up to which the point counts as critical.
        eigenvalues: of the Hessian, the curvatures, ascending, shape (n,).
        eigenvectors: their directions, one in each column, shape (n, n).
        directions: the same, each as a tree like x.
        condition: max|λ|/min|λ|; infinite where an eigenvalue counts as 0.
        index: how many eigenvalues are negative: in so many directions it goes down.
        zeros: how many count as 0.
        names: of the elements of x, in the order of the eigenvectors' rows.
        kinks: steps of f that have no derivative there; what is said of curvature leaves them out.
    """

    kind: str
    value: float
    gradient: Any = field(repr=False)
    gradient_norm: float
    tolerance: float
    eigenvalues: Array
    eigenvectors: Array = field(repr=False)
    directions: tuple[Any, ...] = field(repr=False)
    condition: float
    index: int
    zeros: int
    names: tuple[str, ...] = field(repr=False)
    kinks: tuple[str, ...] = ()
    function: str = "f"

    def __str__(self) -> str:
        head = {
            "not critical": f"{self.function}: not a critical point",
            "degenerate": f"{self.function}: a degenerate critical point",
        }.get(self.kind, f"{self.function}: a {self.kind}")
        relation = "above" if self.kind == "not critical" else "within"
        lines = [
            f"{head}; value {self.value:.6g}",
            f"  gradient:  norm {self.gradient_norm:.3g}, {relation} the tolerance "
            f"{self.tolerance:.3g}",
            f"  condition: {self.condition:.4g}",
        ]
        count = len(self.eigenvalues)
        shown = range(count) if count <= SHOWN else [*range(SHOWN // 2), *range(-SHOWN // 2, 0)]
        for k in shown:
            if k == -SHOWN // 2 and count > SHOWN:
                lines.append(f"  … {count - SHOWN} more …")
            along = contributions(self.eigenvectors[:, k], self.names)
            lines.append(f"  λ = {self.eigenvalues[k]:<11.5g} along {along}")
        return "\n".join([*lines, *self._remarks()])

    def _remarks(self) -> list[str]:
        words = []
        if self.kind == "degenerate":
            words.append(
                f"{self.zeros} of {len(self.eigenvalues)} curvatures count as 0: along these "
                "directions the second derivatives do not decide what the point is"
            )
        if self.kind == "not critical":
            words.append(
                "the gradient is not 0 here: whatever their signs, the curvatures make it neither "
                "a minimum nor a saddle"
            )
        if self.kinks:
            words.append(
                f"at a kink of {', '.join(self.kinks)}: no second derivative tells what happens "
                "there, look at f on both sides"
            )
        return [textwrap.fill(f"  {w}", 98, subsequent_indent="    ") for w in words]

    def plot(self, ax: Any = None) -> Any:
        """The curvatures in ascending order; see `plot_spectrum`."""
        from chainrule.diagnose.curvature_plots import plot_spectrum

        return plot_spectrum(self.eigenvalues, ax)


def critical_point(
    f: Callable[[Any], Any], x: Any, *, tolerance: float | None = None
) -> CriticalPoint:
    """What kind of critical point x is: by the gradient ∇f(x) and the eigenvalues of ∇²f(x).

    All λ > 0: a minimum; all λ < 0: a maximum; of both signs: a saddle. If some are 0 and the
    others have one sign, the second order does not decide (*degenerate*). An eigenvalue counts as
    0 below ε^⅔ of the largest, ε being the precision of x: 4·10⁻¹¹ in float64.

    Args:
        f: a function of one argument that returns one number.
        x: a number, an array, or any tree of them, n numbers in all; the Hessian is n × n.
        tolerance: the norm of the gradient up to which x counts as critical. By default
            10⁻⁶ ‖∇²f‖ max(1, ‖x‖): a step of a millionth of the size of x leads to the point.

    Returns:
        A :class:`CriticalPoint`.

    Raises:
        ArgumentError: more than 3000 numbers (`curvature` needs no whole Hessian), or a gradient or
            Hessian that is not finite.
        NotScalarError, NotDifferentiableError: as for `grad`.

    >>> point = critical_point(lambda p: p["u"]**2 - 3 * p["v"]**2, {"u": 0.0, "v": 0.0})
    >>> print(point)
    <lambda>: a saddle; value 0
      gradient:  norm 0, within the tolerance 6e-06
      condition: 3
      λ = -6          along p['v']
      λ = 2           along p['u']

    Source: Goodfellow, Bengio & Courville, *Deep Learning*, section 4.3.1.
    """
    if hasattr(f, "training_state"):
        raise ArgumentError(
            "critical_point looks at a function, with its whole Hessian",
            got="a model",
            line=user_line(),
            remedy="cr.curvature(model, x, y), or a function of parameters with the loss in it",
        )
    objective = Objective(f, x)
    z = objective.vector(x)
    names = element_names(x, (parameter_names(f) or ["x"])[0])
    if len(z) > LARGEST:
        raise ArgumentError(
            "the whole Hessian would be too large",
            got=f"{len(z):,} numbers, and so {len(z) ** 2 * 8 / 2**30:.1f} GiB",
            line=user_line(),
            remedy="cr.curvature(f, x) finds the largest and the smallest curvatures without it",
        )
    with Quiet():
        value, gradient = objective.value_and_gradient(z)
        matrix = objective.matrix(z).reshape(len(z), len(z))
    _finite(f, value, gradient, matrix)
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    size = float(np.abs(values).max(initial=0.0))
    norm = float(np.linalg.norm(gradient))
    if tolerance is None:
        tolerance = CLOSE * size * max(1.0, float(np.linalg.norm(z)))
    zero = _precision(x) ** (2 / 3) * size
    down, up = int((values < -zero).sum()), int((values > zero).sum())
    kind = "not critical" if norm > tolerance else _kind(down, up, len(z))
    vectors = signed(vectors)
    least = float(np.abs(values).min()) if len(z) == down + up else 0.0
    return CriticalPoint(
        kind,
        value,
        objective.tree(gradient),
        norm,
        float(tolerance),
        values,
        vectors,
        tuple(objective.tree(v) for v in vectors.T),
        size / least if least else float("inf"),
        down,
        len(z) - down - up,
        tuple(names),
        _kinks(f, x),
        name_of(f),
    )


def _precision(x: Any) -> float:
    """The rounding error of the coarsest numbers in a tree."""
    kinds = [np.asarray(leaf).dtype for leaf in flatten(x)[0]]
    return max([float(np.finfo(k).eps) for k in kinds if k.kind == "f"], default=2.0**-52)


def _kind(down: int, up: int, count: int) -> str:
    if down and up:
        return "saddle"
    if count and up == count:
        return "minimum"
    return "maximum" if count and down == count else "degenerate"


def _finite(f: Any, value: float, gradient: Any, matrix: Any) -> None:
    for what, x in (("value", value), ("gradient", gradient), ("Hessian", matrix)):
        if not np.isfinite(x).all():
            raise ArgumentError(
                f"the {what} of {name_of(f)} is not finite at this point",
                got=f"{np.ravel(x)[~np.isfinite(np.ravel(x))][0]}",
                line=user_line(),
                remedy="cr.debug(f)(x) says where it began"
                if what != "Hessian"
                else "cr.debug(lambda x: cr.grad(f)(x).sum())(x) says where it began",
            )


def _kinks(f: Any, x: Any) -> tuple[str, ...]:
    """The steps of f without a derivative at x, by their names."""
    try:
        found = examine(f, dead_ends=False, cancellation=False)(x)
    except ChainruleError:  # what can be differentiated cannot always be traced with its steps
        return ()
    return tuple(dict.fromkeys(x.name for x in found.findings if x.kind == "kink"))
