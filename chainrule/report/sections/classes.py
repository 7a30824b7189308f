"""Predictions of classes on the held-out rows: confusion, ROC, precision, calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.report import charts
from chainrule.report.charts.scales import percent
from chainrule.report.figures import figure, figures
from chainrule.report.markup import Html, join, table, tag
from chainrule.report.measures import (
    BINS,
    Calibration,
    Curve,
    area,
    calibration,
    confusion,
    curve,
)
from chainrule.report.words import digits, score
from chainrule.report.work import Work
from chainrule.train.tabular.held_out import Predictions

MOST_DRAWN = 400  # points of a curve
UNIT = charts.linear([0.0, 1.0])


def classes_section(work: Work) -> Html:
    """Confusion, the curves of all thresholds for two classes, and calibration."""
    rows, classes = work.predictions[work.main.name], work.study.target.classes
    parts = [confusion_figure(work.study.target.name, classes, rows, work.main.name)]
    if work.study.target.kind == "binary":
        named = dict(reversed(work.predictions.items()))
        if len(np.unique(rows.truth)) == 2:
            parts += [roc_figure(named, classes[1]), precision_figure(named, classes[1])]
    found = calibrated(rows, work.study.target.kind)
    parts.append(_calibration(found, rows, work))
    text = f"On the {len(rows.truth)} held-out rows, by the {work.main.name}."
    weighted = ""
    if work.study.settings.class_weight != "none":
        weighted = " Class weights shift the probabilities by intent."
    return join(
        [
            tag("p", text),
            figures(*parts),
            tag("p", calibration_words(found, len(rows.truth)) + weighted),
            tag("h3", "Class by class"),
            _by_class(classes, rows),
        ],
        "\n",
    )


# Confusion ----------------------------------------------------------------------------------------


def confusion_figure(
    target: str, classes: Sequence[str], rows: Predictions, model: str, note: str = ""
) -> Html:
    """How often each class was taken for each."""
    counts = confusion(rows.truth, rows.found, len(classes))
    of = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = int(np.trace(counts))
    few = len(classes) <= 12  # in a large table the zeros hide the others
    drawn = charts.heat(
        f"Confusion of the {model}: {right} of {len(rows.truth)} rows on the diagonal",
        classes,
        classes,
        (counts / of).tolist(),
        [[str(n) if n or few else "" for n in line] for line in counts.tolist()],
        target,
        "predicted",
    )
    table_rows = [[c, *line] for c, line in zip(classes, counts.tolist(), strict=True)]
    note = note or (
        f"{right} of {len(rows.truth)} rows are on the diagonal, where they belong. Shades are "
        "shares of a line."
    )
    head = [f"{target} \\ predicted", *classes]
    return figure("Which class is taken for which", drawn, head, table_rows, note)


def _by_class(classes: Sequence[str], rows: Predictions) -> Html:
    counts = confusion(rows.truth, rows.found, len(classes))
    lines = []
    for k, name in enumerate(classes):
        real, called, hits = int(counts[k].sum()), int(counts[:, k].sum()), int(counts[k, k])
        assert rows.probability is not None
        auc = area(rows.truth == k, rows.probability[:, k])
        lines.append(
            [
                name,
                real,
                f"{hits / called:.1%}" if called else "–",
                f"{hits / real:.1%}" if real else "–",
                f"{2 * hits / (real + called):.3f}" if real + called else "–",
                f"{auc.value:.3f}" if auc else "–",
            ]
        )
    head = ["class", "held-out rows", "precision", "recall", "F₁", "AUC against the rest"]
    text = (
        "Precision: of the rows called so, the share that is. Recall: of the rows that are so, the "
        "share called so. F₁: their harmonic mean."
    )
    return join([table(head, lines), tag("p", text, class_="small")])


# All thresholds -----------------------------------------------------------------------------------


def _drawn(found: Curve) -> list[int]:
    """Which points of a curve to draw: all, or as many as can be told apart."""
    count = len(found.threshold)
    return np.unique(np.linspace(0, count - 1, min(count, MOST_DRAWN)).astype(int)).tolist()


def _lines(
    named: dict[str, Predictions], x: str, y: str
) -> tuple[list[charts.Line], dict[str, Curve]]:
    lines, found = [], {}
    for k, (name, rows) in enumerate(named.items()):
        assert rows.probability is not None
        c = found[name] = curve(rows.truth == 1, rows.probability[:, 1])
        kept = _drawn(c)
        lines.append(
            charts.Line(name, getattr(c, x)[kept].tolist(), getattr(c, y)[kept].tolist(), k, k > 0)
        )
    return lines, found


def roc_figure(named: dict[str, Predictions], positive: str) -> Html:
    """The share of positives found against that of false alarms, at every threshold."""
    lines, found = _lines(named, "false_positive", "true_positive")
    areas = {}
    for name, rows in named.items():
        assert rows.probability is not None
        auc = area(rows.truth == 1, rows.probability[:, 1])
        areas[name] = score("auc", auc) if auc else "–"
    drawn = charts.plot(
        f"ROC curves; area under the curve: {', '.join(f'{n} {a}' for n, a in areas.items())}",
        [charts.Line("chance", [0, 1], [0, 1], None, True), *lines],
        UNIT,
        UNIT,
        f"false alarms: share of the others called “{positive}”",
        f"found: share of “{positive}” called so",
        square=True,
    )
    points = [
        [name, _threshold(c.threshold[i]), c.false_positive[i], c.true_positive[i]]
        for name, c in found.items()
        for i in _drawn(c)
    ]
    listed = "; ".join(f"{name} {text}" for name, text in areas.items())
    note = (
        f"Area under the curve ± standard error: {listed}. It is the chance that a row of "
        f"“{positive}” gets a higher probability than another row; ½ is guessing."
    )
    head = ["model", "threshold", "false-positive rate", "true-positive rate"]
    return figure(f"ROC: finding “{positive}”", drawn, head, points, note, rest=_REST)


def precision_figure(named: dict[str, Predictions], positive: str) -> Html:
    """Precision against recall, at every threshold."""
    lines, found = _lines(named, "true_positive", "precision")
    stepped = [
        charts.Line(s.name, *_steps(s.x, s.y), s.colour, s.dash) for s in lines
    ]  # precision between two thresholds is not on the straight line
    truth = next(iter(named.values())).truth
    share = float(np.mean(truth == 1))
    listed = "; ".join(f"{name} {c.average_precision:.3f}" for name, c in found.items())
    drawn = charts.plot(
        f"Precision against recall; average precision: {listed}",
        [charts.Line("chance", [0, 1], [share, share], None, True), *stepped],
        UNIT,
        UNIT,
        f"recall: share of “{positive}” called so",
        "precision: share of the calls that are right",
        square=True,
    )
    rows = [
        [name, _threshold(c.threshold[i]), c.true_positive[i], c.precision[i]]
        for name, c in found.items()
        for i in _drawn(c)
    ]
    note = f"Average precision: {listed}. Calling every row “{positive}” is right for {share:.1%}."
    head = ["model", "threshold", "recall", "precision"]
    return figure("Precision and recall", drawn, head, rows, note, rest=_REST)


_REST = "held_out.csv has the probabilities."


def _threshold(value: float) -> float | str:
    return float(value) if np.isfinite(value) else "above all"


def _steps(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """Back to the last recall at the new precision, then along it."""
    across, up = [x[0]], [y[0]]
    for k in range(1, len(x)):
        across += [x[k - 1], x[k]]
        up += [y[k], y[k]]
    return across, up


# Calibration --------------------------------------------------------------------------------------


def calibrated(rows: Predictions, kind: str) -> Calibration:
    """Of the second of two classes; with more, of the class that is predicted."""
    assert rows.probability is not None
    if kind == "binary":
        return calibration(rows.probability[:, 1], rows.truth == 1)
    return calibration(rows.probability.max(axis=1), rows.found == rows.truth)


def calibration_words(found: Calibration, rows: int) -> str:
    """What the expected calibration error says on so many rows."""
    text = (
        f"Expected calibration error: {found.error:.3f}. Were every probability right, {rows} rows "
        f"would show about {found.by_chance:.3f} by chance alone"
    )
    if found.error <= 1.5 * found.by_chance:
        return f"{text}: these rows show no fault of the probabilities."
    high = sum(b.count * (b.predicted - b.observed) for b in found.bins)
    size = sum(b.count * abs(b.predicted - b.observed) for b in found.bins)
    lean = "too high" if high > 0.5 * size else "too low" if high < -0.5 * size else "off"
    return f"{text}: the probabilities are {lean}, and should not be read as frequencies."


def _calibration(found: Calibration, rows: Predictions, work: Work) -> Html:
    binary = work.study.target.kind == "binary"
    what = f"“{work.study.target.classes[1]}”" if binary else "the predicted class"
    bins = found.bins
    drawn = charts.plot(
        f"Reliability: observed share against predicted probability of {what}, in {len(bins)} "
        f"bins; expected calibration error {found.error:.3f}",
        [
            charts.Line("as it should be", [0, 1], [0, 1], None, True),
            charts.Points(
                work.main.name, [b.predicted for b in bins], [b.observed for b in bins], 0,
                [b.interval for b in bins], [b.count for b in bins],
            ),
        ],
        UNIT,
        UNIT,
        f"predicted probability of {what}",
        "how often it came true",
        square=True,
    )  # fmt: skip
    table_rows = [
        [f"{percent(b.low)} to {percent(b.high)}", b.count, b.predicted, b.observed,
         f"{digits(b.interval[0])} to {digits(b.interval[1])}"]
        for b in bins
    ]  # fmt: skip
    counts = ", ".join(str(b.count) for b in bins)
    note = (
        f"Rows in {BINS} bins of equal width by their probability; larger dots stand for more "
        f"rows, bars are 95% intervals. Rows in each: {counts}."
    )
    head = ["probability", "rows", "mean probability", "came true", "95% interval"]
    return figure("Calibration", drawn, head, table_rows, note)
