"""The figures by name: what each shows, about how long it takes, and how it becomes a file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.optim import checks
from chainrule.plot import (
    adaptive,
    classification,
    conditioning,
    convolutional,
    critical_points,
    descent,
    escaping,
    explosion,
    initialization,
    minibatches,
    minima,
    normalization,
    overfitting,
    racing,
    velocity,
)
from chainrule.plot.style import Panels
from chainrule.records import dataclass

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
DOTS_PER_INCH = 160


@dataclass(frozen=True)
class Entry:
    """A figure of the lecture.

    Attributes:
        draw: the function that makes its run and draws it: ``draw()`` or ``draw(ax)``.
        theme: the part of the lecture that it belongs to.
        seconds: about how long that takes on two cores, drawing included.
    """

    draw: Callable[..., Panels]
    theme: str
    seconds: int

    @property
    def title(self) -> str:
        """The first line of the function's documentation."""
        return (inspect.getdoc(self.draw) or "").splitlines()[0]

    @property
    def look(self) -> str:
        """The paragraph of its documentation that says what to look at, in one line."""
        return " ".join((inspect.getdoc(self.draw) or "").split("\n\n")[1].split())


def _entries(theme: str, *figures: tuple[Callable[..., Panels], int]) -> dict[str, Entry]:
    return {draw.__name__: Entry(draw, theme, seconds) for draw, seconds in figures}


# In the order of the lecture.
FIGURES: dict[str, Entry] = {
    **_entries(
        "descent", (descent.learning_rates, 1), (descent.rate_regimes, 1), (descent.local_minima, 1)
    ),
    **_entries(
        "batches",
        (minibatches.loss_curves, 1), (minibatches.minibatch_paths, 2),
        (minibatches.batch_contours, 1), (escaping.minibatch_escape, 2),
        (minibatches.batch_growth, 2),
    ),
    **_entries("learning and optimisation", (overfitting.generalization, 2)),
    **_entries(
        "critical points",
        (critical_points.critical_surfaces, 1), (minima.network_minima, 6),
        (minima.saddles_by_dimension, 4), (convolutional.gradient_norm, 5),
        (critical_points.saddle_escape, 1), (classification.no_critical_point, 2),
    ),
    **_entries("conditioning", (conditioning.ravine, 1), (conditioning.stability, 2)),
    **_entries(
        "exploding and vanishing",
        (explosion.linear_chain, 1), (explosion.gradients_by_layer, 1), (explosion.clipping, 1),
    ),
    **_entries("momentum", (velocity.momentum, 1), (velocity.nesterov, 1)),
    **_entries("adaptive rates", (adaptive.effective_steps, 1), (racing.race, 7)),
    **_entries(
        "initialisation", (initialization.initializations, 1), (initialization.symmetry, 1)
    ),
    **_entries(
        "normalisation",
        (normalization.feature_normalization, 1), (normalization.batch_normalization, 3),
        (normalization.running_averages, 1),
    ),
}  # fmt: skip


def figure(name: str) -> Figure:
    """Make the run of a figure and draw it on a slide of its own.

    Args:
        name: a key of `FIGURES`.

    Returns:
        A matplotlib Figure of 10 × 5.6 inches; ``figure.savefig(path)`` writes it.

    Raises:
        ArgumentError: there is no such figure; the message names the nearest.
        MissingExtraError: matplotlib is not installed.

    >>> figure("learning_rates").get_size_inches()
    array([10. ,  5.6])
    """
    checks.choice("figure", name, tuple(FIGURES))
    return FIGURES[name].draw().figure


def save(name: str, folder: Path, format: str = "png") -> Path:
    """Draw a figure into ``folder/name.format``; the same library writes the same bytes."""
    checks.choice("format", format, FORMATS)
    drawn = figure(name)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{format}"
    # Without the date, which would make each run's file another.
    undated: Any = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(format)
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": name}):  # names within an SVG are random otherwise
        drawn.savefig(path, dpi=DOTS_PER_INCH, metadata=undated)
    return path
