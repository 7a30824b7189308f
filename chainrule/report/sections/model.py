"""The model: its layers, the health of its gradients, and the columns that it listens to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.diagnose.health import GradientHealth
from chainrule.diagnose.monitor import GradientMonitor
from chainrule.diagnose.showing import NOTES, TITLES, caption, cells, used
from chainrule.report import charts
from chainrule.report.charts.scales import percent
from chainrule.report.figures import figure, figures, remark_list, thinned
from chainrule.report.importance import importances
from chainrule.report.markup import Html, join, table, tag
from chainrule.report.work import Work
from chainrule.train.summary import lines_of
from chainrule.train.tabular.training import optimizer

MOST_LINES, MOST_BARS, MOST_COLUMNS, MOST_ROWS = 6, 15, 100, 256


def model_section(work: Work) -> Html:
    """The model that the report is about, drawn by its layers, and the layers as a table."""
    main, study = work.main, work.study
    rows = [[x.layer, x.output, x.parameters, x.drawn] for x in lines_of(main.model)]
    head = ["layer", "output", "parameters", "kernel at the start"]
    shown = thinned(range(len(study.train.x)), MOST_ROWS)
    drawn = Html(main.model.draw(study.train.x[shown], study.train.y[shown]).svg)
    text = (
        f"{main.name} after its training, and what flows through it for {len(shown)} training "
        "rows: forward the outputs of each layer, backward the mean loss's derivatives by them."
    )
    numbers = table(head, rows, words=(0, 3))
    box = tag("div", drawn, class_="wide drawing", tabindex=0)
    return join([tag("p", text), tag("div", box, numbers, class_="beside")])


# Gradient health ----------------------------------------------------------------------------------


def gradients_section(work: Work, health: GradientHealth) -> Html:
    """Gradients and updates over the epochs, the state at the end, and a verdict."""
    parts = []
    schedule = work.study.settings.schedule
    monitor = next((w for w in work.main.watchers if isinstance(w, GradientMonitor)), None)
    if monitor is not None and len(monitor.epochs) > 1:
        parts = [_over_time(monitor, quantity) for quantity in _QUANTITIES]
        if schedule not in ("constant", "plateau"):
            parts.append(_rate(work, monitor))
    rows = [cells(layer) for layer in health.layers]
    columns = used(rows)
    shown = table(
        [TITLES[i] for i in columns],
        [[row[i] for i in columns] for row in rows],
        words=[k for k, i in enumerate(columns) if i < 2],
        class_="tight",
    )
    # The last steps of a schedule that lowers the rate are short by intent.
    verdicts = [v for v in health.verdicts if schedule == "constant" or v.kind != "small steps"]
    said = (
        remark_list(verdicts)
        if verdicts
        else tag(
            "ul", tag("li", "Nothing is wrong that shows here.", class_="fine"), class_="remarks"
        )
    )
    return join(
        [
            said,
            figures(*parts),
            tag("h3", f"{caption(health)[0].upper()}{caption(health)[1:]}"),
            shown,
            tag("p", "; ".join(NOTES), class_="small"),
        ],
        "\n",
    )


_QUANTITIES = {
    "gradient_rms": (
        "Gradients over the epochs",
        "√mean square gradient",
        "Of the derivatives of a row's loss by what the activation gets. Level lines are as it "
        "should be; a layer far below the others hardly learns. That all fall together is the "
        "loss being learned.",
    ),
    "update_ratio": (
        "Length of a step over the epochs",
        "‖update‖/‖weights‖",
        "What one step changes of a layer's parameters, relative to them. About 0.001 is usual; "
        "above 0.1 steps are wild, below 10⁻⁵ nothing moves.",
    ),
    "dead": (
        "Dead units over the epochs",
        "share of units",
        "Units that are flat for every row, so that no gradient reaches what is before them.",
    ),
    "saturated": (
        "Saturation over the epochs",
        "share of outputs",
        "Outputs on the flat ends of their activation, where hardly any gradient passes.",
    ),
}


def _over_time(monitor: GradientMonitor, quantity: str) -> Html | None:
    """One quantity of each layer over the epochs; a table of shades where lines are too many."""
    title, label, note = _QUANTITIES[quantity]
    history = {
        name: [float(v) for v in values] for name, values in monitor.history(quantity).items()
    }
    if not history:
        return None
    share = quantity in ("dead", "saturated")
    every = [v for values in history.values() for v in values if math.isfinite(v)]
    if share and not any(every):
        return None
    epochs = [float(e) for e in monitor.epochs]
    last = ", ".join(f"{name} {values[-1]:.2g}" for name, values in history.items())
    about = f"{title}; at the end: {last}"
    if len(history) > MOST_LINES:
        drawn = _shades(about, history, monitor.epochs, share)
    else:
        log = not share and any(v > 0.0 for v in every)
        drawn = charts.plot(
            about,
            [charts.Line(n, epochs, v, k, k % 2 == 1) for k, (n, v) in enumerate(history.items())],
            charts.whole(monitor.epochs[0], monitor.epochs[-1]),
            charts.logarithmic(every) if log else charts.linear(every, zero=True, form=percent),
            "finished epochs",
            label,
        )
    rows = [[e, *(v[i] for v in history.values())] for i, e in enumerate(monitor.epochs)]
    return figure(title, drawn, ["epochs", *history], rows, note, words=())


def _rate(work: Work, monitor: GradientMonitor) -> Html:
    """The learning rate of a schedule that is a function of the step."""
    rule: Any = optimizer(work.study)
    schedule = getattr(rule, "optimizer", rule).learning_rate
    rates = [float(schedule(record.steps)) for record in monitor.records]
    epochs = [float(e) for e in monitor.epochs]
    drawn = charts.plot(
        f"Learning rate over the epochs, from {rates[0]:.3g} to {rates[-1]:.3g}",
        [charts.Line("", epochs, rates)],
        charts.whole(monitor.epochs[0], monitor.epochs[-1]),
        charts.linear(rates, zero=True),
        "finished epochs",
        "learning rate of the next step",
    )
    rows = [[e, f"{r:.4g}"] for e, r in zip(monitor.epochs, rates, strict=True)]
    title = f"Learning rate: {work.study.settings.schedule} schedule"
    return figure(title, drawn, ["epochs", "learning rate"], rows, words=())


def _shades(about: str, history: dict[str, list[float]], epochs: list[int], share: bool) -> Html:
    """Layers from the top, epochs from the left; dark is large."""
    values = np.array(list(history.values()))
    if not share:
        values = np.log10(np.where(values > 0.0, values, np.nan))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    shades = np.nan_to_num((values - low) / ((high - low) or 1.0))
    texts = [[f"{v:.2g}" for v in line] for line in history.values()]
    return charts.heat(
        about, list(history), [str(e) for e in epochs], shades.tolist(), texts, "layer",
        "finished epochs; dark is large" + ("" if share else " (logarithm)"),
    )  # fmt: skip


# The columns --------------------------------------------------------------------------------------


def importance_section(work: Work) -> Html:
    """By how much the output moves with each column, and what that does not say."""
    study, target = work.study, work.study.target
    spread = study.train.x.std(axis=0)
    found = {
        trained.name: importances(trained.model, study.encoder, target, study.test.x, spread)
        for trained in reversed(work.models)
    }
    main, *others = found.values()
    first = main[:MOST_BARS]
    largest = max((i.value for i in main), default=0.0)
    unit = f"probability of “{target.classes[1]}”" if target.kind == "binary" else \
        "probabilities (total variation)" if target.classes else target.name  # fmt: skip
    form = _percent if target.classes else "{:.3g}".format
    drawn = charts.bars(
        f"Importance of columns for the {work.main.name}, the largest: "
        + ", ".join(f"{i.column} {form(i.value)}" for i in first[:3]),
        [i.column for i in first],
        [("", [i.value for i in first])],
        f"typical change of the {unit}",
        form,
    )
    by_name = [{i.column: i.value for i in other} for other in others]
    direction = any(i.raises is not None for i in main)
    rows = [
        [i.column, form(i.value), *(form(other[i.column]) for other in by_name),
         *([_direction(i.raises)] if direction else [])]
        for i in main[:MOST_COLUMNS]
    ]  # fmt: skip
    head = ["column", *found, *(["a larger value raises the output in"] if direction else [])]
    note = (
        "Mean size of the derivative of the output by an input, over the held-out rows, times the "
        "spread of that input; summed over the inputs made of a column."
    )
    limits = (
        "Read it with care. It is the slope about each row, and says nothing of what happens far "
        "from it; where a probability is near 0 or 1 the slope is small whatever the column "
        "means. A category cannot change by a little: its slope stands for a jump. Columns that "
        "go together share what they tell, and one may stand for the other. It tells what the "
        "model listens to, not what causes the target."
    )
    shown = figure(
        "Columns by the gradient", drawn, head, rows, note,
        rest=f"{len(main) - len(rows)} more columns are below." if len(main) > len(rows) else "",
    )  # fmt: skip
    flat = tag("p", "The output does not move with any column.") if not largest else None
    return join([flat, figures(shown), tag("p", limits, class_="small")], "\n")


def _percent(value: float) -> str:
    return f"{value:.1%}" if value >= 0.001 else f"{100 * value:.1g}%"


def _direction(raises: float | None) -> str:
    return "" if raises is None else f"{raises:.0%} of rows"
