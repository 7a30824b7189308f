"""Gradient health drawn: over depth, and over depth and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    from chainrule.diagnose.health import GradientHealth
    from chainrule.diagnose.monitor import GradientMonitor

SIGNAL, GRADIENT = "#0072B2", "#D55E00"  # Okabe and Ito's blue and vermilion


def figure(columns: int = 1, size: tuple[float, float] = (8.0, 4.5)) -> Any:
    """Axes on a new figure, made without pyplot: no global state.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("pictures are drawn by matplotlib", "plot") from None
    made = Figure(figsize=size, layout="constrained")
    return made.subplots(1, columns)


def plot_health(health: GradientHealth, ax: Any = None) -> Any:
    """The spread of each layer's outputs, and the size of its gradients, over depth.

    Look at whether the two lines are level. Falling towards the input, gradients vanish; rising,
    they explode. Where the spread of the outputs falls to 0, the signal is lost.

    Args:
        health: from `gradient_health`.
        ax: matplotlib axes; new ones by default.

    Returns:
        The axes.
    """
    ax = figure() if ax is None else ax
    names = [layer.name for layer in health.layers]
    depth = np.arange(1, len(names) + 1)
    lines = (
        ("spread of outputs", [x.spread for x in health.layers], SIGNAL, "o-"),
        ("gradient (√mean square)", [x.gradient_rms for x in health.layers], GRADIENT, "s--"),
    )
    for label, values, colour, style in lines:
        shown = np.where(np.array(values) > 0.0, values, np.nan)  # 0 has no place on this scale
        ax.plot(depth, shown, style, color=colour, label=label)
    ax.set_yscale("log")
    ax.set_xticks(depth, names, rotation=30 if len(names) > 4 else 0, ha="right"
                    if len(names) > 4 else "center")  # fmt: skip
    ax.set_xlabel("layer, from the input to the output")
    ax.set_title(f"after {health.steps:,} steps" if health.steps else "before training")
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def plot_monitor(monitor: GradientMonitor, quantity: str = "gradient_rms", ax: Any = None) -> Any:
    """A quantity over depth (upwards) and time (to the right), coloured by its logarithm.

    Look for rows that turn dark (a layer whose gradient dies) and for columns where all change at
    once (a step that was too large).

    Args:
        monitor: after a training.
        quantity: of `LayerHealth`.
        ax: matplotlib axes; new ones by default.

    Returns:
        The axes.
    """
    history = {k: v for k, v in monitor.history(quantity).items() if np.any(v > 0.0)}
    if not history:
        raise ArgumentError(
            f"there is nothing to draw of {quantity}",
            got=f"{len(monitor.records)} records",
            remedy="give the monitor to fit(callbacks=…) first, or choose another quantity",
        )
    ax = figure() if ax is None else ax
    from matplotlib import colormaps

    values = np.array(list(history.values()))
    logs = np.log10(np.where(values > 0.0, values, np.nan))
    colours = colormaps["viridis"].with_extremes(bad="#bbbbbb")
    image = ax.imshow(logs, aspect="auto", origin="lower", cmap=colours)
    ax.set_yticks(range(len(history)), list(history))
    step = max(1, len(monitor.epochs) // 10)
    ax.set_xticks(range(0, len(monitor.epochs), step), monitor.epochs[::step])
    ax.set_xlabel("finished epochs")
    ax.set_ylabel("layer, the input below")
    bar = ax.figure.colorbar(image, ax=ax)
    bar.set_label(f"log₁₀ of {quantity.replace('_', ' ')}")
    return ax
