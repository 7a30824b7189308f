"""Curvature in words: what was found, where the sharp directions lie, and what follows."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from chainrule.diagnose.naming import contributions, element_names

if TYPE_CHECKING:
    from chainrule.diagnose.curvature import Curvature, StableStep

SHOWN = 5  # eigenvalues printed at each end
NAMED = 3  # leaves that a direction is told by
EDGE = (0.9, 1.5)  # of the largest stable rate
FEW = 12  # numbers up to which a direction is told by its elements


def text(found: Curvature) -> str:
    """All of it, line by line."""
    rows = f" on {found.rows:,} rows" if found.rows is not None else ""
    lines = [
        f"curvature of {found.title}, {found.parameters:,} parameters{rows}; loss {found.loss:.6g}",
        f"  gradient:    norm {found.gradient_norm:.3g}"
        + ("" if np.isnan(found.along_gradient)
           else f"; the curvature along it is {found.along_gradient:.4g}"),
        "  eigenvalues:" + (" all of them" if found.whole else " both ends, by Lanczos"),
    ]  # fmt: skip
    count = len(found.eigenvalues)
    shown = list(range(count))
    if count > 2 * SHOWN:
        shown = [*range(SHOWN), *range(count - SHOWN, count)]
    for position, k in enumerate(shown):
        if position and k != shown[position - 1] + 1:
            lines.append(f"    … {k - shown[position - 1] - 1} more …")
        error = "" if found.whole else f" ± {found.residuals[k]:.1g}"
        lines.append(f"    {found.eigenvalues[k]:<11.5g}{error:9} {where(found, k)}".rstrip())
    spread = f" ± {found.trace_error:.2g}" if found.trace_error else ""
    lines.append(f"  trace:       {found.trace:.5g}{spread}")
    if np.isfinite(found.condition):
        lines.append(f"  condition:   {found.condition:.4g}")
    lines.append("  largest stable learning rates:")
    width = max(len(step.method) for step in found.steps)
    lines += [f"    {s.method:{width}}  {s.limit:<9.4g} = {s.formula}" for s in found.steps]
    lines += [textwrap.fill(f"  {w}", 98, subsequent_indent="    ") for w in remarks(found)]
    return "\n".join(lines)


def where(found: Curvature, k: int) -> str:
    """Where a direction lies: its elements if they are few, or the leaves with most of it."""
    if found.parameters <= FEW:
        names = [n for path, shape in zip(found.paths, found.shapes, strict=True)
                 for n in element_names(np.zeros(shape), _short(path))]  # fmt: skip
        return f"along {contributions(found.eigenvectors[:, k], names)}"
    shares = sorted(found.shares(k).items(), key=lambda pair: -pair[1])[:NAMED]
    parts = [f"{share:.0%} in {_short(path)}" for path, share in shares if share >= 0.05]
    return ", ".join(parts)


def _short(path: str) -> str:
    """``dense.kernel`` for ``params['dense']['kernel']``."""
    keys = re.findall(r"\['([^']*)'\]", path)
    return ".".join(keys) if path == "params" + "".join(f"['{k}']" for k in keys) else path


def remarks(found: Curvature) -> list[str]:
    """What follows from the numbers."""
    words = []
    own = found.steps[0]
    if own.rate is not None:
        words.append(_on_rate(own))
    noise = float(found.residuals.max(initial=0.0))
    if found.smallest < -max(noise, 1e-6 * abs(found.largest)):
        words.append(
            f"the loss bends downwards along some directions (smallest {found.smallest:.3g}): "
            "this is no minimum"
            + ("; with a gradient this small it is near a saddle" if _is_flat(found) else "")
        )
    if not found.converged:
        words.append(
            "Lanczos stopped before its tolerance: the eigenvalues are right to within ± as "
            "printed; a larger tolerance is sooner reached"
        )
    return words


def _on_rate(own: StableStep) -> str:
    if own.rate is not None and EDGE[0] * own.limit < own.rate < EDGE[1] * own.limit:
        return (
            f"the learning rate {own.rate:.4g} is {own.rate / own.limit:.2g} times the largest "
            "stable one: the edge of stability, where training with all rows tends to stay while "
            "its loss falls unevenly (Cohen et al., ICLR 2021)"
        )
    if own.rate is not None and own.rate > own.limit:
        return (
            f"the learning rate {own.rate:.4g} is above that of {own.method}: along the sharpest "
            "direction steps overshoot, and the loss grows unless the path comes to flatter "
            "places; choose a smaller rate, or clip the gradients"
        )
    assert own.rate is not None
    if own.limit == float("inf"):
        return "nothing bends upwards: no rate overshoots here"
    return (
        f"the learning rate {own.rate:.4g} is {own.rate / own.limit:.2g} of the largest stable one"
    )


def _is_flat(found: Curvature) -> bool:
    """Would a step along the gradient to where it is 0 change the loss by almost nothing?"""
    bend = abs(found.largest) or 1.0
    return found.gradient_norm**2 / bend < 1e-6 * max(abs(found.loss), 1e-12)
