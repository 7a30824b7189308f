"""Why a derivative is not finite though the value is: slopes without end, and 0·∞."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.graph import Node
from chainrule.insight.origins import Origin, is_finite, kind_of
from chainrule.insight.stable import instead_of_exponential, stable_log
from chainrule.insight.surroundings import (
    EXPONENTIALS,
    LOGS,
    Cure,
    Scene,
    behind_where,
    extremes,
    first,
    inside_sigmoid,
    maker,
)

MASKED = (
    "np.where computes both branches: replace the argument before the function sees it, "
    "np.where(m, f(np.where(m, x, 1.0)), 0.0)"
)
FINITE = "keep its result finite: scale or bound what it is given"


def cure_of_slope(scene: Scene, origin: Origin, nodes: Sequence[Node]) -> Cure:
    node = origin.node
    g = np.asarray(0.0 if origin.cotangent is None else first(origin.cotangent))
    zero = g.size > 0 and bool(np.any(g == 0.0)) and kind_of(origin.bad) == "nan"
    at = _slope_words(scene)
    if scene.name in ("eigh", "svd") and _has_equal(node.value):
        return _EQUAL
    if zero and not is_finite(node.value):
        if _reads_bad_numbers(node):
            return Cure(
                "0·NaN: the data hold numbers that are not finite; the value leaves them out, the "
                "derivative goes through the steps before",
                "fill them before they are read, and leave them out after: "
                "np.where(np.isnan(x), 0.0, x), then sum(…, where=~np.isnan(x))",
            )
        by_hand = inside_sigmoid(scene.readers) and scene.name in EXPONENTIALS
        masked = MASKED if behind_where(scene, nodes) else FINITE
        return Cure(
            f"0·∞: {scene.name} gave {kind_of(node.value)} where its result has no weight, and the "
            "derivative that arrives there is 0",
            instead_of_exponential(scene.readers) if by_hand else masked,
        )
    if zero and at:
        return Cure(
            f"0·∞: the derivative that arrives is 0, and {at}",
            MASKED if behind_where(scene, nodes) else _gentler(scene),
        )
    if at:
        steep = "" if scene.name == "arctan2" else "the slope is infinite: "
        return Cure(f"{steep}{at}", _gentler(scene))
    if origin.cotangent is None:
        return Cure(
            "the sum of what its readers hand back overflows",
            "the derivative grows from step to step: scale the result, or clip the gradient",
            specific=False,
        )
    return Cure(
        f"the derivative of {scene.name} times what arrives ({extremes(g)}) leaves the range",
        "the derivative grows from step to step: scale the inputs, or clip the gradient "
        "(cr.optim.Clipped)",
        specific=False,
    )


_STEEP: dict[str, tuple[float, ...]] = {
    "sqrt": (0.0,), "cbrt": (0.0,), "log": (0.0,), "log2": (0.0,), "log10": (0.0,),
    "log1p": (-1.0,), "reciprocal": (0.0,), "power": (0.0,), "arcsin": (-1.0, 1.0),
    "arccos": (-1.0, 1.0), "arctanh": (-1.0, 1.0), "arccosh": (1.0,), "gammaln": (0.0,),
}  # fmt: skip


_EQUAL = Cure(
    "two eigenvalues (or singular values) are equal: their vectors have no derivative, and that of "
    "v f(w) vᵀ cannot be had from those of v and w",
    "write what you need without vectors (np.linalg.solve, slogdet, cholesky; Newton's iteration "
    "for a matrix root), or start where they differ",
)


def _reads_bad_numbers(node: Node) -> bool:
    """Whether a value is not finite because of a constant."""
    for a in node.args:
        bad = isinstance(a, Node) and not is_finite(a.value)
        if _reads_bad_numbers(a) if bad else isinstance(a, np.ndarray) and not is_finite(a):
            return True
    return False


def _has_equal(factors: Sequence[np.ndarray]) -> bool:
    values = next(x for x in factors if x.ndim < max(y.ndim for y in factors))
    return bool(np.any(np.diff(np.sort(values, axis=-1), axis=-1) == 0.0))


def _slope_words(scene: Scene) -> str:
    """Where the slope of a step is infinite; "" where it is not."""
    if scene.name == "arctan2":
        origin = (scene.argument(0) == 0.0) & (scene.argument(1) == 0.0)
        return "arctan2 has no derivative where both arguments are 0" if np.any(origin) else ""
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
    if scene.name in LOGS:
        stable = stable_log(scene.node.args[0])
        return stable.remedy if stable else "keep the argument away from 0: np.maximum(x, 1e-12)"
    if scene.name == "arctan2":
        return (
            "the origin has no angle: replace one argument there before the function sees it, "
            "np.arctan2(y, np.where((x == 0) & (y == 0), 1.0, x))"
        )
    if scene.name in ("divide", "reciprocal"):
        return "add a small number to the denominator, or divide where it is not 0 alone"
    return f"keep the argument of {scene.name} inside: np.clip(x, -1 + 1e-7, 1 - 1e-7)"
