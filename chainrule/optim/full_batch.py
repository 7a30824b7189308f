"""Full-batch methods that need no learning rate: line search, Newton, and SciPy's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.optim.line_search import backtracking
from chainrule.optim.result import MinimizeResult, Recorder
from chainrule.optim.vector import Derivatives, Objective, Vector

# Our names, and SciPy's with the derivatives that they take.
SCIPY = {
    "cg": ("CG", ""),
    "bfgs": ("BFGS", ""),
    "l-bfgs": ("L-BFGS-B", ""),
    "newton-cg": ("Newton-CG", "hessp"),
    "trust-ncg": ("trust-ncg", "hessp"),
    "trust-krylov": ("trust-krylov", "hessp"),
    "trust-exact": ("trust-exact", "hess"),
}
NAMES = ("line-search", "newton", *SCIPY)


def run(
    name: str, of: Derivatives, x0: Any, *, steps: int, tolerance: float, record: bool
) -> MinimizeResult:
    """Minimize by the method of a name; see `minimize`."""
    objective = Objective(of, x0)
    run = _Run(objective, tolerance, Recorder(record))
    z = objective.vector(x0)
    if name in SCIPY:
        message = _scipy(name, run, z, steps)
    else:
        message = _stepwise(_LineSearch() if name == "line-search" else _newton, run, z, steps)
    # The methods' own verdict does not count: only a small gradient is success.
    if run.converged():
        message = small_gradient(run.size, tolerance)
    elif run.at_rounding():
        message = (
            f"f falls no further for rounding, and the largest element of the gradient, "
            f"{run.size:.3g}, is at most {tolerance:.3g}·|f|"
        )
    return run.recorder.result(
        success=run.converged() or run.at_rounding(), message=message, optimizer=name,
        nfev=objective.nfev, njev=objective.njev, nhev=objective.nhev,
    )  # fmt: skip


class _Run:
    """Where a run stands: the points it went through, and whether it may stop."""

    def __init__(self, objective: Objective, tolerance: float, recorder: Recorder) -> None:
        self.objective, self.tolerance, self.recorder = objective, tolerance, recorder
        self.size = float("inf")
        self.here: tuple[Vector, float, Vector] | None = None  # the point, f and its gradient
        self.stuck = False  # could the method itself find nothing lower?

    def visit(self, z: Vector) -> str:
        """Note a new point; a message if the run cannot go on from there, else ""."""
        value, gradient = self.objective.value_and_gradient(z)
        if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
            return not_finite(self.recorder.count, value, gradient)
        self.size = float(np.max(np.abs(gradient)))
        self.here = (z.copy(), value, gradient)
        tree = self.objective.tree
        norm = float(np.linalg.norm(gradient))
        self.recorder.add(tree(z), value, tree(gradient), norm)
        return ""

    def converged(self) -> bool:
        return self.size <= self.tolerance

    def at_rounding(self) -> bool:
        """Stuck where the gradient is small beside f: a large f is too coarse to get nearer.

        f is known to about 10⁻¹⁶|f|, so that a sum over many rows may have no lower value although
        its gradient is still above an absolute tolerance.
        """
        return (
            self.stuck
            and self.here is not None
            and (self.size <= self.tolerance * abs(self.here[1]))
        )

    def walled(self, z: Vector) -> tuple[float, Vector]:
        """f and its gradient for a method that cannot bear NaN, such as SciPy's line searches.

        Where f or its gradient is not finite, they are those of a parabola along d = z − z₀ from
        the last point z₀, a + s g·d + 2 s² |g·d| with s = 1 at z: its slope at z₀ is the real one
        and its minimum a quarter of the way to z. So the step is refused, and a shorter one tried.
        """
        value, gradient = self.objective.value_and_gradient(z)
        finite = np.isfinite(value) and np.all(np.isfinite(gradient))
        if finite or value == -np.inf or self.here is None:
            return value, gradient
        z0, a, g = self.here
        d = z - z0
        slope = float(g @ d)
        wall = 2 * abs(slope)
        return a + slope + wall, (slope + 2 * wall) / float(d @ d) * d


def small_gradient(size: float, tolerance: float) -> str:
    return f"the largest element of the gradient, {size:.3g}, is at most {tolerance:.3g}"


def steps_done(steps: int, size: float, tolerance: float) -> str:
    return (
        f"{steps} steps are done, and the largest element of the gradient, {size:.3g}, is above "
        f"{tolerance:.3g}"
    )


def not_finite(step: int, value: float, gradient: Any) -> str:
    what = f"f is {value}" if not np.isfinite(value) else "the gradient is not finite"
    if step == 0:
        return f"at the starting point {what}"
    return f"after step {step} {what}; the result is that of step {step - 1}"


Advance = Callable[[Objective, Vector, float, Vector], "Vector | str"]


def _stepwise(advance: Advance, run: _Run, z: Vector, steps: int) -> str:
    objective = run.objective
    for step in range(steps + 1):
        message = run.visit(z)
        if message:
            if step == 0:
                run.recorder.add(objective.tree(z), *_at(objective, z))
            return message
        if run.converged() or step == steps:
            break
        found = advance(objective, z, *objective.value_and_gradient(z))
        if isinstance(found, str):
            run.stuck = advance is not _newton
            return found
        z = found
    return steps_done(steps, run.size, run.tolerance)


def _at(objective: Objective, z: Vector) -> tuple[float, Any, float]:
    value, gradient = objective.value_and_gradient(z)
    return value, objective.tree(gradient), float(np.linalg.norm(gradient))


class _LineSearch:
    """Steepest descent: d = −g, with the length that backtracking finds.

    The first length tried is twice the last one accepted, so that it can grow again.
    """

    def __init__(self) -> None:
        self.length = 0.5

    def __call__(self, objective: Objective, z: Vector, fun: float, g: Vector) -> Vector | str:
        found = backtracking(
            objective.value, z, -g, fun=fun, slope=-float(g @ g), step=2 * self.length
        )
        if found.step == 0.0:
            return "no step along the gradient lowers f any more: rounding is reached"
        self.length = found.step
        return z - found.step * g


def _newton(objective: Objective, z: Vector, fun: float, g: Vector) -> Vector | str:
    """z − H⁻¹ g: the critical point of the quadratic approximation, be it a minimum or not."""
    try:
        return z - np.linalg.solve(objective.matrix(z), g)
    except np.linalg.LinAlgError:
        return "the Hessian is singular: Newton's step does not exist; try 'trust-exact'"


def _scipy(name: str, run: _Run, z: Vector, steps: int) -> str:
    """One of SciPy's methods; why it stopped."""
    from scipy.optimize import minimize

    objective = run.objective
    message = run.visit(z)
    if message:
        run.recorder.add(objective.tree(z), *_at(objective, z))
        return message
    if run.converged() or steps == 0:
        return steps_done(0, run.size, run.tolerance)
    stopped = []

    def callback(intermediate_result: Any) -> None:
        found = run.visit(np.asarray(intermediate_result.x))
        if found:
            stopped.append(found)
        if found or run.converged():
            raise StopIteration

    method, derivative = SCIPY[name]
    # The callback decides by one measure for all methods; theirs must not stop before it.
    options: dict[str, Any] = {"maxiter": steps}
    if method == "Newton-CG":
        options["xtol"] = 1e-15
    else:
        options["gtol"] = 0.0
    if method == "L-BFGS-B":
        options |= {"ftol": 0.0, "maxfun": 100 * steps + 100}
    second = {"hessp": objective.product, "hess": objective.matrix}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a failed line search is in the message
        try:
            found = minimize(
                run.walled, z, jac=True, method=method, callback=callback,
                options=options, **({derivative: second[derivative]} if derivative else {}),
            )  # fmt: skip
        except ValueError as error:
            if "infs or NaNs" not in str(error):  # how SciPy's linear algebra says it
                raise
            return f"numbers overflow inside SciPy's {method}: scale f, or start elsewhere"
    if stopped:
        return stopped[0]
    if found.nit >= steps:
        return steps_done(steps, run.size, run.tolerance)
    run.stuck = True
    return (
        f"SciPy's {method} stopped where the largest element of the gradient, {run.size:.3g}, is "
        f"above {run.tolerance:.3g}: {found.message}"
    )
