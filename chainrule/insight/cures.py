"""Why a step gave a number that is not finite, and what is written instead.

A rule looks at the step, at what made its argument and at who reads it: the log of a sigmoid has
another cure than the log of a table's column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.elementary.base import value_of
from chainrule.graph import Node, predecessors
from chainrule.insight.origins import Origin, is_finite, kind_of
from chainrule.insight.slopes import cure_of_slope
from chainrule.insight.stable import instead_of_exponential, stable_log
from chainrule.insight.surroundings import (
    EXPONENTIALS,
    LOGS,
    Cure,
    Scene,
    alike,
    extremes,
    maker,
    numbers,
)

_DOUBLE = np.log(np.finfo(np.float64).max)
_POWERS = frozenset({"power", "square", "prod", "cumprod", "gammaln"})


def cure_of(origin: Origin, nodes: Sequence[Node]) -> Cure:
    """The cause and the remedy for what began at a step.

    Args:
        origin: where it began.
        nodes: of the graph or tape, to see who reads what.
    """
    # The same step may stand twice in the user's formula: exp(z)/sum(exp(z)).
    twins = {n for n in nodes if n is origin.node or alike(n, origin.node)}
    readers = [n for n in nodes if any(a in twins for _, a in predecessors(n))]
    scene = Scene(origin.node, readers, origin.bad)
    if origin.given:
        return _given(scene)
    if origin.direction == "backward":
        return cure_of_slope(scene, origin, nodes)
    for rule in (_of_log, _of_exponential, _of_root, _of_division, _of_domain, _of_difference):
        found = rule(scene)
        if found is not None:
            return found
    return _of_size(scene)


def _given(scene: Scene) -> Cure:
    if scene.node.fn is None:
        return Cure(
            f"'{scene.name}' holds it already: nothing was computed yet",
            "look at where these numbers come from; np.isfinite(x) finds the rows",
        )
    constants = [numbers(a) for a in scene.node.args if not isinstance(a, Node)]
    kind = next((kind_of(c) for c in constants if not is_finite(c)), "inf")
    return Cure(
        f"a constant that {scene.name} reads holds {kind}",
        "a mask of -inf is safe before softmax alone; elsewhere use np.where on the result"
        if kind == "-inf"
        else "it was computed outside of what is differentiated: look at the line that makes it",
    )


def _of_log(scene: Scene) -> Cure | None:
    if scene.name not in LOGS:
        return None
    x = scene.argument(1 if scene.name == "xlogy" else 0)
    edge = -1.0 if scene.name == "log1p" else 0.0
    if np.any(x < edge):
        return Cure(
            f"{scene.name} of a number below {edge:g}",
            "the argument should be positive: look at the line that makes it",
        )
    inner = scene.node.args[1 if scene.name == "xlogy" else 0]
    stable = stable_log(inner)
    if not np.any(x == edge):
        cause = f"{scene.name} of a number that is not finite"
    else:
        cause = f"{scene.name} of {edge:g}"
    if stable is not None:
        return Cure(f"{cause}: {stable.cause}", stable.remedy)
    if any(reader.name == "multiply" for reader in scene.readers):
        return Cure(
            cause, "for a·log(b) with a = 0 where b = 0: cr.xlogy(a, b), whose value there is 0"
        )
    return Cure(
        cause,
        "compute the logarithm directly (cr.log_sigmoid, cr.log_softmax, cr.logsumexp, np.log1p), "
        "or keep the argument away from 0: np.log(np.maximum(x, 1e-12))",
    )


def _of_exponential(scene: Scene) -> Cure | None:
    if scene.name not in EXPONENTIALS:
        return None
    x = scene.argument()
    limit = np.finfo(np.asarray(scene.node.value).dtype).max
    top = np.log2(limit) if scene.name == "exp2" else np.log(limit)
    x = np.abs(x) if scene.name in ("sinh", "cosh") else x
    cause = f"{scene.name} of {np.nanmax(x):.4g} overflows; the largest it takes is {top:.3g}"
    remedy = instead_of_exponential(scene.readers)
    if np.asarray(scene.node.value).dtype != np.float64 and np.nanmax(x) < _DOUBLE:
        remedy += "; in float64 it would not overflow"
    return Cure(cause, remedy)


def _of_root(scene: Scene) -> Cure | None:
    if scene.name == "sqrt":
        least = np.nanmin(scene.argument())
        rounding = least > -1e-6
        return Cure(
            f"sqrt of a negative number, {least:.4g}",
            "rounding made it negative: np.sqrt(np.maximum(x, 0.0))"
            if rounding
            else "the argument should not be negative: look at the line that makes it",
        )
    if scene.name == "power" and kind_of(scene.bad) == "nan":
        return Cure(
            "a negative number to a power that is not whole",
            "np.abs(x)**p, or np.maximum(x, 0.0)**p, if that is what is meant",
        )
    if scene.name == "power" and np.any(scene.argument() == 0.0):
        return Cure("0 to a negative power", "keep the base away from 0, for example (x + 1e-8)**p")
    return None


def _of_division(scene: Scene) -> Cure | None:
    if scene.name not in ("divide", "reciprocal", "mod", "fmod"):
        return None
    below = scene.node.args[-1]
    if not np.any(np.asarray(value_of(below)) == 0.0):
        return None
    above = scene.argument() if scene.name != "reciprocal" else np.ones(())
    cause = "0/0" if kind_of(scene.bad) == "nan" and np.any(above == 0.0) else "division by 0"
    made = maker(below)
    factors = [] if made is None else [made, *map(maker, made.args)] if made.name == "multiply" \
        else [made]  # fmt: skip
    if any(f is not None and f.name == "norm" for f in factors):
        remedy = "a vector of length 0 has no direction: x/np.maximum(np.linalg.norm(x), 1e-12)"
    elif made is not None and (made.name == "sqrt" or "std" in made.line):
        remedy = "a spread of 0: add a small number under the root, x/np.sqrt(variance + 1e-8)"
    else:
        remedy = "np.where(b == 0, 0.0, a/np.where(b == 0, 1.0, b)), or add a small number to b"
    return Cure(cause, remedy)


_DOMAINS = {
    "arcsin": "-1 to 1", "arccos": "-1 to 1", "arctanh": "-1 to 1", "arccosh": "1 and more",
}  # fmt: skip


def _of_domain(scene: Scene) -> Cure | None:
    if scene.name not in _DOMAINS:
        return None
    return Cure(
        f"{scene.name} takes {_DOMAINS[scene.name]}, and got {extremes(scene.argument())}",
        "if rounding led outside, bound the argument: np.clip(x, -1.0, 1.0)",
    )


def _of_difference(scene: Scene) -> Cure | None:
    if scene.name in ("subtract", "add", "sum", "mean") and kind_of(scene.bad) == "nan":
        return Cure("∞ − ∞", "the infinite numbers come first: look at what makes them")
    if scene.name in ("multiply", "matmul", "einsum") and kind_of(scene.bad) == "nan":
        return Cure("0·∞", "the infinite number comes first: look at what makes it")
    return None


def _of_size(scene: Scene) -> Cure:
    """Nothing but size: a product, a sum or a power that leaves the range."""
    sizes = [np.abs(a) for a in map(numbers, scene.node.args)]
    largest = [a[np.isfinite(a)].max(initial=0.0) for a in sizes]
    if scene.name in _POWERS or kind_of(scene.bad) != "nan":
        what = f"{scene.name} of numbers up to {max(largest, default=0.0):.3g} overflows"
        limit = np.finfo(numbers(scene.node).dtype).max
        return Cure(
            f"{what}; the largest number is {limit:.3g}",
            "what grows before it is the cause: scale the inputs, choose a smaller step, or "
            "compute with logarithms",
            specific=False,
        )
    return Cure(
        f"{scene.name} is not defined there",
        "look at what it is given, on the line named above",
        specific=False,
    )
