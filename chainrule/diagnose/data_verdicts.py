"""Ailments of the data, and of a last layer that does not fit the loss; with the cure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chainrule.diagnose.data_health import RANGES, UNLIKELY
from chainrule.diagnose.verdicts import Verdict

if TYPE_CHECKING:
    from chainrule.diagnose.data_health import DataHealth
    from chainrule.diagnose.health import GradientHealth

LARGE_TARGET = 100.0  # √mean square
LEARNT = 0.5  # of the baseline: a loss below it has found the scale
NO_BETTER, STEPS = 0.9, 50  # of the baseline, after so many steps
SURE, FEW = 0.8, 0.05  # the share of rows that is right, and of those whose labels are doubted
RARE = 0.1
LISTED = 6


def data_verdicts(health: GradientHealth) -> Iterator[Verdict]:
    """All ailments that the data show."""
    data = health.data
    if data is None:
        return
    yield from _last_layer(health, data)
    yield from _targets(health, data)
    yield from _classes(health, data)
    yield from _labels(health, data)
    yield from _no_better(health, data)


def _name(health: GradientHealth) -> str:
    return health.layers[-1].name if health.layers else ""


def _span(last: str) -> str:
    low, high = RANGES[last]
    return f"{low:g} and more" if high == float("inf") else f"{low:g} to {high:g}"


def _last_layer(health: GradientHealth, data: DataHealth) -> Iterator[Verdict]:
    if data.logits and data.last in RANGES:
        yield Verdict(
            "last layer",
            _name(health),
            f"the loss takes the outputs as logits, from −∞ to ∞, and {data.last} leaves only "
            f"{_span(data.last)} of them",
            "no activation in the last layer; one 'sigmoid' or 'softmax' there is taken into the "
            "loss",
        )
    elif data.loss.endswith("CategoricalCrossentropy") and data.last == "sigmoid":
        yield Verdict(
            "last layer",
            _name(health),
            "each row has one class, and sigmoid gives each class a probability of its own",
            "softmax in the last layer; or binary_crossentropy if a row may have several classes",
        )
    elif data.loss == "MeanSquaredError" and data.zero_one and data.last in ("sigmoid", "softmax"):
        loss = "binary" if data.last == "sigmoid" else "categorical"
        yield Verdict(
            "last layer",
            _name(health),
            f"the targets are 0 and 1, and squared errors after {data.last} have hardly any "
            "gradient where the network is sure and wrong",
            f"loss='{loss}_crossentropy', whose gradient is p − y there",
        )


def _targets(health: GradientHealth, data: DataHealth) -> Iterator[Verdict]:
    if data.targets is None:
        return
    low, high, size = data.targets
    if data.outside > 0.0:
        yield Verdict(
            "targets",
            _name(health),
            f"{data.outside:.0%} of the targets cannot be reached: {data.last} gives "
            f"{_span(data.last)}, and they go from {low:.4g} to {high:.4g}",
            "no activation in the last layer, or targets scaled into that range",
        )
    learnt = data.baseline is not None and health.loss < LEARNT * data.baseline
    if size > LARGE_TARGET and not learnt:
        yield Verdict(
            "targets",
            "",
            f"the targets are large, √mean square {size:.3g}, and so are the loss and its "
            "gradients",
            "subtract their mean and divide by their spread before the training, and undo it after "
            "predict",
        )


def _classes(health: GradientHealth, data: DataHealth) -> Iterator[Verdict]:
    rare = [(name, count) for name, count in data.missed if count < RARE * health.rows]
    if not rare or not health.steps:
        return
    name, count = rare[0]
    others = ", ".join(f"'{other}'" for other, _ in rare[1:LISTED])
    more = f"; likewise {others}" if others else ""
    yield Verdict(
        "classes",
        "",
        f"class '{name}' is recognised in none of its {count} rows, {count / health.rows:.1%} of "
        f"all{more}",
        "class_weight='balanced' in fit, more rows of it, or a lower threshold than ½",
    )


def _labels(health: GradientHealth, data: DataHealth) -> Iterator[Verdict]:
    count = len(data.doubtful)
    if data.right is None or data.right < SURE or not 0 < count <= FEW * health.rows:
        return
    if not health.steps:
        return
    rows = ", ".join(map(str, data.doubtful[:LISTED])) + (", …" if count > LISTED else "")
    yield Verdict(
        "labels",
        "",
        f"the network is right in {data.right:.0%} of the rows, and gives the label of {count} of "
        f"{health.rows} a probability below {UNLIKELY:.0%}: row{'s' * (count != 1)} {rows}",
        "look at these rows: their labels may be wrong",
    )


def _no_better(health: GradientHealth, data: DataHealth) -> Iterator[Verdict]:
    if not data.baseline or health.steps < STEPS or health.loss < NO_BETTER * data.baseline:
        return
    yield Verdict(
        "no better",
        "",
        f"after {health.steps:,} steps the loss is {health.loss:.4g}; one and the same output for "
        f"all rows would have {data.baseline:.4g}",
        "if nothing else is found here: do the rows of x and y belong together, does x tell "
        "anything of y, can the network learn ten rows by heart; model.range_test for the rate",
    )
