"""Why a step gave a number that is not finite, and what is written instead.

A rule looks at the step, at what made its argument and at who reads it: the log of a sigmoid has
another cure than the log of a table's column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.elementary.base import value_of
from chainrule.graph import Node, predecessors
from chainrule.insight.origins import Origin, is_finite, kind_of

_MOVES = frozenset(
    {"getitem", "take", "take_along_axis", "reshape", "transpose", "astype", "broadcast_to",
     "identity", "concatenate", "diagonal", "flip", "lower_bound", "upper_bound"}
)  # fmt: skip
_LOGS = frozenset({"log", "log2", "log10", "log1p", "xlogy"})
_EXPONENTIALS = frozenset({"exp", "exp2", "expm1", "sinh", "cosh"})
_POWERS = frozenset({"power", "square", "prod", "cumprod", "gammaln"})

MASKED = (
    "np.where computes both branches: replace the argument before the function sees it, "
    "np.where(m, f(np.where(m, x, 1.0)), 0.0)"
)


class Cure(NamedTuple):
    """Why it happened, and what helps; ``specific`` where it is more than "numbers grew"."""

    cause: str
    remedy: str
    specific: bool = True


class Scene(NamedTuple):
    """A step with its surroundings.

    Attributes:
        node: the step.
        readers: the steps that read it.
        bad: the value, or the cotangent handed back, that is not finite.
    """

    node: Node
    readers: Sequence[Node]
    bad: Any

    @property
    def name(self) -> str:
        return str(self.node.name)

    def argument(self, k: int = 0) -> Any:
        return np.asarray(value_of(self.node.args[k]))


def cure_of(origin: Origin, nodes: Sequence[Node]) -> Cure:
    """The cause and the remedy for what began at a step.

    Args:
        origin: where it began.
        nodes: of the graph or tape, to see who reads what.
    """
    # The same step may stand twice in the user's formula: exp(z)/sum(exp(z)).
    twins = {n for n in nodes if n is origin.node or _alike(n, origin.node)}
    readers = [n for n in nodes if any(a in twins for _, a in predecessors(n))]
    scene = Scene(origin.node, readers, origin.bad)
    if origin.given:
        return _given(scene)
    if origin.direction == "backward":
        return _backward(scene, origin, nodes)
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
    return Cure(
        f"a constant that {scene.name} reads holds it",
        "a mask of -inf is safe before softmax alone; elsewhere use np.where on the result",
    )


# Forward -----------------------------------------------------------------------------------------


def _of_log(scene: Scene) -> Cure | None:
    if scene.name not in _LOGS:
        return None
    x = scene.argument(1 if scene.name == "xlogy" else 0)
    edge = -1.0 if scene.name == "log1p" else 0.0
    if np.any(x < edge):
        return Cure(
            f"{scene.name} of a number below {edge:g}",
            "the argument should be positive: look at the line that makes it",
        )
    inner = scene.node.args[1 if scene.name == "xlogy" else 0]
    stable = _stable_log(inner)
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


def _stable_log(inner: Any) -> Cure | None:
    """What stands for the log of this in a form that keeps its digits."""
    made = maker(inner)
    if made is None:
        return None
    if _is_sigmoid(made):
        return Cure(
            "the sigmoid before it has saturated and rounds to 0",
            "cr.log_sigmoid(z) instead of log(sigmoid(z)); for the whole cross-entropy "
            "cr.sigmoid_cross_entropy(z, t)",
        )
    if made.name == "softmax" or _is_quotient_of_exponentials(made):
        return Cure(
            "a probability of the softmax before it rounds to 0",
            "cr.log_softmax(z) instead of log(softmax(z)); for the whole cross-entropy "
            "cr.softmax_cross_entropy(z, t)",
        )
    if made.name == "subtract" and (b := maker(made.args[1])) is not None:
        if _is_sigmoid(b):
            return Cure(
                "the sigmoid before it has saturated: 1 − σ(z) rounds to 0",
                "cr.log_sigmoid(-z) instead of log(1 - sigmoid(z)); for the whole cross-entropy "
                "cr.sigmoid_cross_entropy(z, t)",
            )
        if b.name in ("square", "power") and _made_by(b.args[0], {"tanh"}):
            return Cure(
                "tanh has saturated: 1 − tanh²(z) rounds to 0",
                "2·(log 2 − z − cr.softplus(-2z)) instead of log(1 - tanh(z)**2)",
            )
    if made.name in ("sum", "mean", "add", "logaddexp") and any(
        _made_by(a, {"exp"}) for a in made.args
    ):
        return Cure(
            "the exponentials that are summed over- or underflow",
            "cr.logsumexp(z, axis=…) instead of log(sum(exp(z))); cr.softplus(z) instead of "
            "log(1 + exp(z))",
        )
    return None


def _of_exponential(scene: Scene) -> Cure | None:
    if scene.name not in _EXPONENTIALS:
        return None
    x = scene.argument()
    limit = np.finfo(np.asarray(scene.node.value).dtype).max
    top = np.log2(limit) if scene.name == "exp2" else np.log(limit)
    x = np.abs(x) if scene.name in ("sinh", "cosh") else x
    cause = f"{scene.name} of {np.nanmax(x):.4g} overflows; the largest it takes is {top:.3g}"
    return Cure(cause, _instead_of_exponential(scene.readers))


def _instead_of_exponential(readers: Sequence[Node]) -> str:
    names = {reader.name for reader in readers}
    if {"add", "subtract"} <= names:
        return "np.tanh(z) instead of (exp(z) - exp(-z))/(exp(z) + exp(-z))"
    if "sum" in names or "divide" in names:
        return "cr.softmax(z) instead of exp(z)/sum(exp(z)); cr.logsumexp(z) instead of its log"
    if "add" in names:
        return "cr.sigmoid(z) instead of 1/(1 + exp(-z)); cr.softplus(z) instead of log(1 + exp(z))"
    return (
        "subtract the maximum before exp (cr.softmax and cr.logsumexp do), compute with logarithms, "
        "or bound the argument: np.minimum(z, 80.0)"
    )


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
    if made is not None and made.name == "norm":
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
        f"{scene.name} takes {_DOMAINS[scene.name]}, and got {_extremes(scene.argument())}",
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
    sizes = [np.abs(a) for a in map(_numbers, scene.node.args)]
    largest = [a[np.isfinite(a)].max(initial=0.0) for a in sizes]
    if scene.name in _POWERS or kind_of(scene.bad) != "nan":
        what = f"{scene.name} of numbers up to {max(largest, default=0.0):.3g} overflows"
        limit = np.finfo(_numbers(scene.node).dtype).max
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


# Backward ----------------------------------------------------------------------------------------


def _backward(scene: Scene, origin: Origin, nodes: Sequence[Node]) -> Cure:
    node = origin.node
    g = np.asarray(0.0 if origin.cotangent is None else _first(origin.cotangent))
    zero = g.size > 0 and bool(np.any(g == 0.0)) and kind_of(origin.bad) == "nan"
    at = _slope_words(scene)
    if zero and not is_finite(node.value):
        by_hand = _inside_sigmoid(scene.readers) and scene.name in _EXPONENTIALS
        return Cure(
            f"0·∞: {scene.name} gave {kind_of(node.value)} where its result has no weight, and the "
            "derivative that arrives there is 0",
            _instead_of_exponential(scene.readers) if by_hand else MASKED,
        )
    if zero and at:
        return Cure(
            f"0·∞: the derivative that arrives is 0, and {at}",
            MASKED if _behind_where(scene, nodes) else _gentler(scene),
        )
    if at:
        return Cure(f"the slope is infinite: {at}", _gentler(scene))
    if origin.cotangent is None:
        return Cure(
            "the sum of what its readers hand back overflows",
            "the derivative grows from step to step: scale the result, or clip the gradient",
            specific=False,
        )
    return Cure(
        f"the derivative of {scene.name} times what arrives ({_extremes(g)}) leaves the range",
        "the derivative grows from step to step: scale the inputs, or clip the gradient "
        "(cr.optim.Clipped)",
        specific=False,
    )


_STEEP: dict[str, tuple[float, ...]] = {
    "sqrt": (0.0,), "cbrt": (0.0,), "log": (0.0,), "log2": (0.0,), "log10": (0.0,),
    "log1p": (-1.0,), "reciprocal": (0.0,), "power": (0.0,), "arcsin": (-1.0, 1.0),
    "arccos": (-1.0, 1.0), "arctanh": (-1.0, 1.0), "arccosh": (1.0,), "gammaln": (0.0,),
}  # fmt: skip


def _slope_words(scene: Scene) -> str:
    """Where the slope of a step is infinite; "" where it is not."""
    if scene.name in ("divide", "xlogy"):
        zero = np.any(scene.argument(1) == 0.0)
        return f"{scene.name} has an infinite slope where its second argument is 0" if zero else ""
    x = scene.argument()
    hits = [p for p in _STEEP.get(scene.name, ()) if np.any(x == p)]
    if not hits:
        return ""
    places = " and ".join(f"{p:g}" for p in hits)
    what = "a power below 1" if scene.name == "power" else scene.name
    return f"{what} has an infinite slope at {places}"


def _gentler(scene: Scene) -> str:
    """What to write instead of a step with an infinite slope."""
    made = maker(scene.node.args[0])
    if scene.name == "sqrt" and made is not None and made.name in ("square", "power"):
        return "np.abs(x) instead of np.sqrt(x**2)"
    if scene.name == "sqrt" and made is not None and made.name in ("sum", "add", "mean"):
        return (
            "np.linalg.norm(x) for a length (its slope at the origin is 0), x.std() for a spread; "
            "or a small number under the root: np.sqrt(s + 1e-12)"
        )
    if scene.name in ("sqrt", "power", "cbrt"):
        return "a small number under the root: np.sqrt(x + 1e-12)"
    if scene.name in _LOGS:
        stable = _stable_log(scene.node.args[0])
        return stable.remedy if stable else "keep the argument away from 0: np.maximum(x, 1e-12)"
    if scene.name in ("divide", "reciprocal"):
        return "add a small number to the denominator, or divide where it is not 0 alone"
    return f"keep the argument of {scene.name} inside: np.clip(x, -1 + 1e-7, 1 - 1e-7)"


# What stands around a step -------------------------------------------------------------------------


def maker(x: Any) -> Node | None:
    """The step that made a value, seen through those that only move, bound or round it."""
    while isinstance(x, Node) and x.fn is not None and x.name in _MOVES:
        x = next((a for _, a in predecessors(x)), None)
    return x if isinstance(x, Node) and x.fn is not None else None


def _made_by(x: Any, names: set[str]) -> bool:
    made = maker(x)
    return made is not None and made.name in names


def _is_sigmoid(node: Node) -> bool:
    """σ(z), or 1/(1 + exp(−z)) by hand."""
    if node.name == "sigmoid":
        return True
    if node.name not in ("divide", "reciprocal"):
        return False
    below = maker(node.args[-1])
    return (
        below is not None and below.name == "add" and any(_made_by(a, {"exp"}) for a in below.args)
    )


def _is_quotient_of_exponentials(node: Node) -> bool:
    return node.name == "divide" and _made_by(node.args[0], {"exp"})


def _inside_sigmoid(readers: Sequence[Node]) -> bool:
    return any(reader.name == "add" for reader in readers)


def _alike(one: Node, two: Node) -> bool:
    """The same step on the same nodes."""
    return (
        one.fn is not None
        and one.fn is two.fn
        and len(one.args) == len(two.args)
        and all(isinstance(a, Node) and a is b for a, b in zip(one.args, two.args, strict=True))
    )


def _behind_where(scene: Scene, nodes: Sequence[Node]) -> bool:
    """Does the result of a step pass through np.where?"""
    behind = {scene.node}
    for node in nodes:
        if any(a in behind for _, a in predecessors(node)):
            if node.name == "where":
                return True
            behind.add(node)
    return False


def _numbers(x: Any) -> np.ndarray:
    value = _first(value_of(x))
    array = np.asarray(value)
    return array if array.dtype.kind == "f" else np.zeros(0)


def _first(x: Any) -> Any:
    return (
        next((part for part in x if part is not None), 0.0) if isinstance(x, (tuple, list)) else x
    )


def _extremes(x: Any) -> str:
    x = np.asarray(x)
    return f"{np.nanmin(x):.6g} to {np.nanmax(x):.6g}" if x.size > 1 else f"{float(x):.6g}"
