"""`minimize`: any function of a tree, by any optimizer, with its path and with restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Never

import numpy as np

from chainrule.elsewhere import unexpected
from chainrule.errors import ArgumentError
from chainrule.optim import checks, full_batch
from chainrule.optim.base import Optimizer
from chainrule.optim.clipping import Clipped, global_norm
from chainrule.optim.compiling import Choice
from chainrule.optim.full_batch import not_finite, small_gradient, steps_done
from chainrule.optim.names import OPTIMIZERS, by_name
from chainrule.optim.result import MinimizeResult, Recorder
from chainrule.optim.vector import Derivatives
from chainrule.running import Quiet
from chainrule.tracing import flatten, unflatten

if TYPE_CHECKING:  # importing numpy.random costs a fifth of importing numpy
    Sampler = Callable[[np.random.Generator], Any]


def minimize(
    f: Callable[[Any], Any],
    x0: Any,
    *,
    optimizer: str | Optimizer | Clipped | type[Optimizer] = "l-bfgs",
    steps: int = 1000,
    tolerance: float = 1e-6,
    learning_rate: Any = None,
    restarts: int = 0,
    spread: float = 1.0,
    sample: Sampler | None = None,
    seed: int = 0,
    record: bool = False,
    jit_compile: Choice = "auto",
    **other: Never,
) -> MinimizeResult:
    """Find x that makes f(x) small, from x0 downhill.

    Args:
        f: a function of NumPy code that returns one number.
        x0: where to start: a number, an array, or any tree of them; f gets the same tree.
        optimizer: one of `chainrule.optim`, such as ``Adam(0.1)``, or a name. By name there
            are all of those in lower case ("sgd", "momentum", "adam", …), and the full-batch
            methods that choose their own step: "line-search" (steepest descent with
            backtracking), "newton" (pure; it goes to any critical point), and SciPy's "cg",
            "bfgs", "l-bfgs", "newton-cg", "trust-ncg", "trust-krylov" and "trust-exact", fed with
            exact gradients and Hessian products.
        steps: the most steps to do.
        tolerance: stop with success once max |∂f/∂x| is at most this; 0 goes on to the end. Where
            a full-batch method finds nothing lower for rounding, tolerance·|f| is enough.
        learning_rate: a number or a schedule, in place of the optimizer's own.
        restarts: how many further runs to do from random starts.
        spread: those starts are x0 + spread · N(0, 1).
        sample: or ``sample(rng) → start``, a tree like x0.
        seed: for the random starts; the same seed gives the same runs.
        record: keep the path, the values and every state of the optimizer.
        jit_compile: "auto" runs f as it is for 100 evaluations and compiles it then, if it can be
            compiled and gives the same numbers; its Python code does not run any more after that.
            True compiles at once, False never. ``result.engine`` says what was done.

    Returns:
        A `MinimizeResult`; with restarts that of the best run, all of them in ``runs``. Where f is
        infinite or NaN, methods that choose their own step try a shorter one; with the others, and
        at x0, that ends the run: ``success`` is False and ``message`` says where.

    Raises:
        ArgumentError: an unknown name, or a number outside of its range.
        NotDifferentiableError: x0 has integer arrays or things that are no numbers.
        NotScalarError, NoDependenceError: f returns no number, or one that does not depend on x.

    >>> bowl = lambda x: (x[0] - 1) ** 2 + 10 * (x[1] + 2) ** 2
    >>> result = minimize(bowl, np.zeros(2))
    >>> result.success, np.round(result.x, 6)
    (True, array([ 1., -2.]))
    >>> result = minimize(bowl, np.zeros(2), optimizer="momentum", steps=50, record=True)
    >>> result.path.shape, result.states.velocity.shape, result.message
    ((51, 2), (51, 2), '50 steps are done, and the largest element of the gradient, ...')

    Source: Goodfellow et al., *Deep Learning*, chapter 8; Nocedal & Wright, *Numerical
    Optimization* (2nd ed., 2006).
    """
    if other:
        raise unexpected(minimize, next(iter(other)))
    _check(f, x0, steps, tolerance, restarts, spread, jit_compile)
    method = _method(optimizer, learning_rate)
    x0 = _floats(x0)
    starts = [x0]
    if restarts:
        rng = np.random.default_rng(seed)
        for _ in range(restarts):
            starts.append(_start(rng, x0, spread, sample))
    runs = []
    derivatives = Derivatives(f, jit_compile)  # of all runs, so that nothing is compiled twice
    with Quiet():
        for start in starts:
            options: Any = {"steps": steps, "tolerance": tolerance, "record": record}
            if isinstance(method, str):
                runs.append(full_batch.run(method, derivatives, start, **options))
            else:
                runs.append(_descend(method, learning_rate, derivatives, start, **options))
    runs = [replace(run, engine=derivatives.engine()) for run in runs]
    best = min(runs, key=lambda run: run.fun if np.isfinite(run.fun) else np.inf)
    return replace(best, runs=tuple(runs)) if restarts else best


def _descend(
    rule: Optimizer | Clipped, learning_rate: Any, of: Derivatives, x: Any,
    *, steps: int, tolerance: float, record: bool,
) -> MinimizeResult:  # fmt: skip
    """Steps of an update rule."""
    slope = of.slope
    state = rule.init(x)
    recorder = Recorder(record)
    success, message, evaluations, interim = False, "", 0, 0
    for step in range(steps + 1):
        value, gradient = slope(x)
        evaluations += 1
        leaves = flatten(gradient)[0]
        fine = np.isfinite(value) and all(np.all(np.isfinite(g)) for g in leaves)
        if not fine:
            message = not_finite(step, float(value), gradient)
            if step > 0:
                message += "; a smaller learning rate or clipping may help"
                break
        recorder.add(x, float(value), gradient, float(global_norm(gradient)), state)
        if not fine:
            break
        size = max(float(np.max(np.abs(g), initial=0.0)) for g in leaves)
        if size <= tolerance:
            success, message = True, small_gradient(size, tolerance)
            break
        message = steps_done(steps, size, tolerance)
        if step == steps:
            break
        point = rule.lookahead(x, state)
        if point is not x:
            gradient = slope(point)[1]
            interim += 1
        x, state = rule.update(gradient, state, x, learning_rate=learning_rate)
    return recorder.result(
        success=success, message=message, optimizer=repr(rule),
        nfev=evaluations + interim, njev=evaluations + interim, nhev=0,
    )  # fmt: skip


def _check(
    f: Any, x0: Any, steps: int, tolerance: float, restarts: int, spread: float, jit_compile: Any
) -> None:
    if not callable(f):
        raise ArgumentError(
            "minimize takes the function itself", got=f"{type(f).__name__}: {f!r}"[:200],
            line=checks.users_line(), remedy="minimize(f, x0), without calling f",
        )  # fmt: skip
    checks.parameters(x0, "x0")
    checks.whole("steps", steps, 0)
    checks.not_negative("tolerance", tolerance)
    checks.whole("restarts", restarts, 0)
    checks.not_negative("spread", spread)
    if not isinstance(jit_compile, bool) and jit_compile != "auto":
        raise ArgumentError(
            "unknown jit_compile", got=f"jit_compile={jit_compile!r}", line=checks.users_line(),
            remedy="use 'auto', True or False",
        )  # fmt: skip


def _method(optimizer: Any, learning_rate: Any) -> Optimizer | Clipped | str:
    if learning_rate is not None:
        checks.learning_rate(learning_rate)
    if isinstance(optimizer, (Optimizer, Clipped)):
        return optimizer
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        made: Callable[[], Optimizer] = optimizer  # with the defaults of its kind
        return made()
    name = optimizer.lower() if isinstance(optimizer, str) else optimizer
    checks.choice("optimizer", name, (*OPTIMIZERS, *full_batch.NAMES))
    if name in OPTIMIZERS:
        return by_name(name)
    if learning_rate is not None:
        raise ArgumentError(
            f"'{name}' chooses its own step length", got=f"learning_rate={learning_rate!r}",
            line=checks.users_line(), remedy="leave learning_rate out, or take optimizer='sgd'",
        )  # fmt: skip
    return str(name)


def _floats(tree: Any) -> Any:
    """Python's whole numbers as floats, as everywhere in this library."""
    leaves, spec = flatten(tree)
    return unflatten(spec, [float(x) if type(x) is int else x for x in leaves])


def _start(rng: Any, x0: Any, spread: float, sample: Sampler | None) -> Any:
    if sample is not None:
        start = sample(rng)
        checks.parameters(start, "the sampled start")
        checks.same_tree(x0, start, "sampled starts")
        return _floats(start)
    leaves, spec = flatten(x0)
    moved = [x + spread * rng.standard_normal(np.shape(x)) for x in leaves]
    return unflatten(
        spec,
        [float(m) if type(x) is float else np.asarray(m, x.dtype)[()] for m, x in zip(
            moved, leaves, strict=True)],
    )  # fmt: skip
