"""Lost digits: every step once more at higher precision, and where the two part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.elementary.base import Pointwise, is_step, value_of
from chainrule.graph import Graph, Node
from chainrule.insight.surroundings import made_by, maker

# An error that changes the result by less than so many units of its rounding is no matter.
NEGLIGIBLE = 100.0


class Loss(NamedTuple):
    """A step that loses digits.

    Attributes:
        node: the step.
        before, after: the digits to which its arguments, and its own value, are right.
        effect: the relative error of the result that this makes.
        remedy: what to write instead.
    """

    node: Node
    before: float
    after: float
    effect: float
    remedy: str


class Precision(NamedTuple):
    """What a second evaluation found.

    Attributes:
        losses: the steps that lose more than half of the digits.
        digits: for each output, the digits to which it is right.
        full: the digits of the numbers themselves: 15.7 in float64, 6.9 in float32.
        limits: what could not be seen.
    """

    losses: list[Loss]
    digits: list[float]
    full: float
    limits: str


def precision_of(graph: Graph, cotangents: Sequence[Any]) -> Precision:
    """Compare each value with that of a second evaluation in wider numbers.

    float32 is checked by float64, float64 by longdouble. The inputs are taken as exact, decisions
    (comparisons, orders) as they were. A step *loses* digits if its arguments were right to more:
    from arguments right to 15 digits to a value right to 6.

    Args:
        graph: of the function.
        cotangents: of each node, to tell errors that matter from others.
    """
    low: Any = np.result_type(np.float16, *(np.asarray(n.value).dtype for n in graph.inputs))
    high: Any = np.dtype(np.float64 if low.itemsize < 8 else np.longdouble)
    unit = float(np.finfo(low).eps)
    full = -float(np.log10(unit))
    if float(np.finfo(high).eps) >= unit:
        return Precision([], [], full, "longdouble is no wider than float64 on this machine")
    wide, narrow = _evaluated(graph, high)
    errors = [_relative(n, w, full) for n, w in zip(graph.nodes, wide, strict=True)]
    scale = _scale(graph)
    losses = []
    for node in graph.nodes[len(graph.inputs) :]:
        before = min(
            (errors[a.index].worst for a in node.args if isinstance(a, Node)), default=full
        )
        error = errors[node.index]
        after = error.worst if isinstance(node.fn, Pointwise) else error.of_norm
        if before - after <= full / 2 or is_step(node.fn):
            continue
        effect = _effect(node, wide[node.index], cotangents[node.index]) / scale
        if effect > NEGLIGIBLE * unit:
            losses.append(Loss(node, before, after, effect, _remedy(node)))
    digits = [errors[y.index].of_norm if isinstance(y, Node) else full for y in graph.outputs]
    limits = ""
    if narrow:
        limits = f"NumPy has no {', '.join(narrow)} in {high.name}: those were not checked"
    return Precision(losses, digits, full, limits)


class _Error(NamedTuple):
    worst: float  # digits of the worst element
    of_norm: float  # digits, relative to the largest element


def _relative(node: Node, wide: Any, full: float) -> _Error:
    """To how many digits a value is right."""
    if isinstance(node.value, tuple):  # its parts are nodes of their own
        return _Error(full, full)
    a, b = (np.asarray(x) for x in (node.value, wide))
    if a.dtype.kind != "f" or not a.size:
        return _Error(full, full)
    good = np.isfinite(a) & np.isfinite(b)
    gap = np.abs(np.where(good, a - b, 0.0))
    size = np.abs(np.where(good, b, 0.0))
    with np.errstate(all="ignore"):
        each = np.where(gap == 0.0, 0.0, gap / np.where(size == 0.0, np.inf, size))
        whole = gap.max() / size.max() if gap.max() > 0.0 and size.max() > 0.0 else 0.0
    return _Error(_digits(each.max(), full), _digits(whole, full))


def _digits(error: Any, full: float) -> float:
    return full if error == 0.0 else min(max(-float(np.log10(error)), 0.0), full)


def _evaluated(graph: Graph, high: np.dtype) -> tuple[list[Any], list[str]]:
    """Every value in wider numbers, and the functions that cannot be evaluated in them."""
    values: list[Any] = [_widened(n.value, high) for n in graph.inputs]
    narrow: list[str] = []
    for node in graph.nodes[len(values) :]:
        if is_step(node.fn):
            values.append(node.value)
            continue
        args = [values[a.index] if isinstance(a, Node) else _widened(a, high) for a in node.args]
        params = node.params
        if np.dtype(params.get("dtype", np.int64)).kind == "f":
            params = {**params, "dtype": high}
        try:
            values.append(node.fn.value(*args, **params))
        except (TypeError, ValueError, np.linalg.LinAlgError):
            rounded = [_widened(a, np.asarray(value_of(b)).dtype) for a, b in zip(
                args, node.args, strict=True)]  # fmt: skip
            values.append(_widened(node.fn.value(*rounded, **node.params), high))
            if node.name not in narrow:
                narrow.append(node.name)
    return values, narrow


def _widened(x: Any, dtype: np.dtype) -> Any:
    if isinstance(x, tuple):
        return tuple(_widened(v, dtype) for v in x)
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f":
        return x.astype(dtype)
    return x


def _scale(graph: Graph) -> float:
    """The size of the result: Σ|y| over the outputs."""
    values = [np.asarray(y.value) for y in graph.outputs if isinstance(y, Node)]
    total = sum(float(np.abs(v).sum()) for v in values if v.dtype.kind == "f")
    return total if np.isfinite(total) and total > 0.0 else 1.0


def _effect(node: Node, wide: Any, g: Any) -> float:
    """Σ|ξ̄ δξ|: to first order the change of the result by the error of a step."""
    if g is None or isinstance(node.value, tuple):
        return 0.0
    gap = np.abs(np.asarray(node.value) - np.asarray(wide)).astype(np.float64)
    effect = float(np.sum(np.abs(g) * np.where(np.isfinite(gap), gap, 0.0)))
    return effect if np.isfinite(effect) else 0.0


def _remedy(node: Node) -> str:
    """A form that does not cancel."""
    name = node.name
    if name in ("log", "log2", "log10") and made_by(node.args[0], {"add", "subtract"}):
        return "np.log1p(x) instead of np.log(1 + x)"
    if name not in ("subtract", "add", "sum"):
        return f"{name} turns a small error of its argument into a large one there"
    makers = [m for a in node.args if (m := maker(a)) is not None]
    names = {m.name for m in makers}
    if "exp" in names:
        return "np.expm1(x) instead of np.exp(x) - 1"
    if "cos" in names:
        return "2*np.sin(x/2)**2 instead of 1 - np.cos(x)"
    if "sigmoid" in names:
        return "cr.sigmoid(-z) instead of 1 - cr.sigmoid(z)"
    if names == {"sqrt"}:
        return "(a - b)/(np.sqrt(a) + np.sqrt(b)) instead of np.sqrt(a) - np.sqrt(b)"
    if "sqrt" in names:
        return "(r**2 - b**2)/(r + b) instead of r - b for a root r, with r**2 - b**2 by hand"
    if "mean" in names or ("square" in names and "sum" in names):
        return "np.var(x), which subtracts the mean first"
    if len(makers) == 2 and names <= {"square", "power", "multiply"}:
        return "(a - b)*(a + b) instead of a**2 - b**2"
    return "it subtracts numbers that are nearly equal: find a form of the difference itself"
