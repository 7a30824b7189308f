"""Several runs beside each other: settings that differ, scores, curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import hypot
from typing import Any

import numpy as np

import chainrule
from chainrule.report import charts
from chainrule.report.charts.scales import percent
from chainrule.report.figures import figure, figures, thinned
from chainrule.report.markup import Html, join, table, tag
from chainrule.report.measures import Estimate, mean
from chainrule.report.page import Section, document
from chainrule.report.runs import Run
from chainrule.report.sections.classes import confusion_figure, precision_figure, roc_figure
from chainrule.report.sections.training import LOSSES, MOST_POINTS
from chainrule.report.words import SCORES, digits, listed, plus_minus, score
from chainrule.report.work import better_by, estimates

CLEAR = 2.0  # standard errors
MOST_DRAWN = 6  # runs in one picture


def comparison(runs: Sequence[Run]) -> str:
    """A page that compares runs with the same target.

    The best is the run whose network (or linear model, where it is alone) has the least error on
    the held-out rows. Where the runs held out the same rows, the others are compared with it row by
    row: what all models find hard then cancels, and the difference is known more exactly than the
    scores themselves.

    Args:
        runs: from `read_runs`.

    Returns:
        An HTML document.
    """
    sections: list[Section] = [
        ("scores", "In short", _scores(runs)),
        ("settings", "Settings that differ", _settings(runs)),
        ("training", "The training", _curves(runs)),
        ("predictions", "The predictions", _predictions(runs)),
        ("runs", "The runs", _folders(runs)),
    ]
    several = f"{len(runs)} runs" if len(runs) > 1 else "One run"
    heading = f"{runs[0].target}: {several} side by side" if len(runs) > 1 else runs[0].target
    return document(heading, f"Compared by chainrule {chainrule.__version__}", sections)


# Scores -------------------------------------------------------------------------------------------


def best_of(runs: Sequence[Run]) -> Run:
    """The run with the highest accuracy, among equals the lowest loss; or the lowest RMSE."""

    def error(run: Run) -> tuple[float, float]:
        found = estimates(run.kind, run.predictions[run.main])
        if "rmse" in found:
            return found["rmse"].value, 0.0
        return -found["accuracy"].value, found["loss"].value

    return min(runs, key=error)


def behind(best: Run, run: Run, model: str) -> Estimate:
    """By how much a model is behind the best run's: accuracy, or mean squared error.

    On the same rows by pairs of rows, otherwise as if the two were independent.
    """
    one, other = best.predictions[best.main], run.predictions[model]
    if run.same_rows(best):
        return better_by(run.kind, one, other)
    if run.classes:
        x, y = mean(one.found == one.truth), mean(other.found == other.truth)
    else:
        x, y = (mean(np.square(p.found - p.truth)) for p in (other, one))
    return Estimate(x.value - y.value, hypot(x.error, y.error))


def _scores(runs: Sequence[Run]) -> Html:
    best = best_of(runs)
    rows, heads = [], list(estimates(runs[0].kind, runs[0].predictions[runs[0].main]))
    trained = [n for n in runs[0].metrics["models"][0]["train"] if n in heads]
    for run in runs:
        for model, predictions in run.predictions.items():
            found = estimates(run.kind, predictions)
            own = next(m for m in run.metrics["models"] if m["name"] == model)
            gap = "the best" if run is best and model == best.main else _points(
                behind(best, run, model), run)  # fmt: skip
            rows.append(
                [run.name, model, *(score(n, found[n]) if n in found else "–" for n in heads),
                 *(SCORES[n][1](own["train"][n]) for n in trained), gap]
            )  # fmt: skip
    head = ["run", "model", *(SCORES[n][0] for n in heads),
            *(f"{SCORES[n][0]}, training" for n in trained), "behind the best"]  # fmt: skip
    what = (
        "in points of accuracy"
        if runs[0].classes
        else f"in mean squared error, the unit of {runs[0].target} squared"
    )
    notes = [
        f"Held-out rows, ± one standard error. Behind the best: {what}, row by row, so that what "
        "is hard for every model cancels."
    ]
    rest = [run.name for run in runs if not run.same_rows(best)]
    if rest:
        notes.append(
            f"{listed(rest)} held out other rows than {best.name}: there the two errors are added "
            "as if they were independent."
        )
    return join([
        tag("p", _verdict(runs, best), class_="lead"),
        table(head, rows, words=(0, 1), class_="tight"),
        tag("p", " ".join(notes), class_="small"),
    ])  # fmt: skip


def _points(gap: Estimate, run: Run) -> str:
    if not run.classes:
        return plus_minus(gap.value, gap.error)
    return f"{100 * gap.value:.1f} ± {100 * gap.error:.1f}"


def _verdict(runs: Sequence[Run], best: Run) -> str:
    """Which run is best, which cannot be told from it, and how much seeds differ."""
    name = "accuracy" if best.classes else "rmse"
    found = estimates(best.kind, best.predictions[best.main])[name]
    text = (
        f"{best.name} does best: {SCORES[name][0]} {score(name, found)} ({best.main}, "
        f"{len(best.lines)} held-out rows)."
    )
    gaps = {run.name: behind(best, run, run.main) for run in runs if run is not best}
    alike = [n for n, gap in gaps.items() if abs(gap.value) <= CLEAR * gap.error or not gap.value]
    worse = [n for n in gaps if n not in alike]
    if alike:
        text += f" {listed(alike)} cannot be told from it: the difference is within two standard " \
            "errors."  # fmt: skip
    if worse:
        text += f" {listed(worse)} {'is' if len(worse) == 1 else 'are'} behind by more than that."
    if len(gaps) > 2:
        text += " The best of several looks better than it is, since chance helped to choose it."
    if len(runs) > 1 and differing(runs) == ["seed"]:
        values = [estimates(r.kind, r.predictions[r.main])[name].value for r in runs]
        spread = Estimate(float(np.mean(values)), float(np.std(values, ddof=1)))
        text += (
            f" The runs differ by their seed alone: {SCORES[name][0]} {score(name, spread)}, mean "
            "and standard deviation over the seeds."
        )
    return text


# Settings -----------------------------------------------------------------------------------------


def differing(runs: Sequence[Run]) -> list[str]:
    """The settings in which the runs are not all alike."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    return [
        name
        for name in names
        if any(a.settings.get(name) != b.settings.get(name) for a, b in pairwise(runs))
    ]


def _settings(runs: Sequence[Run]) -> Html:
    differ = differing(runs)
    rows = [[n, *(_value(run.settings.get(n)) for run in runs)] for n in differ]
    parts = [table(["setting", *(run.name for run in runs)], rows, words=range(len(runs) + 1))]
    digests = {run.metrics["data_sha256"] for run in runs}
    if not differ:
        same = "None: these runs have the same settings." if len(runs) > 1 else "There is one run."
        parts = [tag("p", same)]
    elif len(digests) > 1 and not {"data", "seed", "test_size"}.intersection(differ):
        parts.append(
            tag("p", "The rows that were trained on differ: by the validation rows that a setting "
                "asks for, by columns that were left out, or because the file has changed.",
                class_="small")
        )  # fmt: skip
    return join(parts)


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v:g}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


# Curves -------------------------------------------------------------------------------------------


def _curves(runs: Sequence[Run]) -> Html:
    shown = [run for run in runs if run.history.get(run.main)][:MOST_DRAWN]
    if not shown:
        return tag("p", "No run came to the end of an epoch.")
    names = [n for n in shown[0].history[shown[0].main][0] if n.startswith("val_")]
    rows = {run.judged for run in shown}
    parts = [_curve(shown, "loss", "training", LOSSES[runs[0].kind])]
    for name in names:
        label = LOSSES[runs[0].kind] if name == "val_loss" else name.removeprefix("val_")
        parts.append(_curve(shown, name, " or ".join(sorted(rows)), label))
    note = None
    if len(rows) > 1:
        note = "Some runs are judged by validation rows, others by the held-out rows themselves: " \
            "compare their curves with care."  # fmt: skip
    more = None
    if len(shown) < len(runs):
        more = f"The first {len(shown)} runs are drawn."
    return join([figures(*parts), *(tag("p", t, class_="small") for t in (note, more) if t)])


def _curve(runs: Sequence[Run], name: str, rows: str, label: str) -> Html:
    """One quantity of the main model of each run over its epochs."""
    curves = {}
    for run in runs:
        records = [r for r in run.history[run.main] if name in r]
        curves[run.name] = ([r["epoch"] for r in records], [r[name] for r in records])
    share = name.endswith("accuracy")
    every = [v for _, y in curves.values() for v in y]
    ends = [int(e) for x, _ in curves.values() for e in (x[0], x[-1])]
    what = name.removeprefix("val_")
    title = f"{what.capitalize()}, {rows} rows"
    drawn = charts.plot(
        f"{title}; at the end: " + ", ".join(f"{n} {y[-1]:.4g}" for n, (_, y) in curves.items()),
        [
            charts.Line(n, thinned(x, MOST_POINTS), thinned(y, MOST_POINTS), k, k % 2 == 1)
            for k, (n, (x, y)) in enumerate(curves.items())
        ],
        charts.whole(min(ends), max(ends)),
        charts.linear(every, form=percent) if share else charts.suited(every),
        "epoch",
        label,
    )
    by_epoch: dict[int, list[Any]] = {}
    for k, (x, y) in enumerate(curves.values()):
        for epoch, value in zip(x, y, strict=True):
            by_epoch.setdefault(int(epoch), [""] * len(curves))[k] = (
                f"{value:.1%}" if share else digits(value)
            )
    lines = [[epoch, *values] for epoch, values in sorted(by_epoch.items())]
    return figure(
        title, drawn, ["epoch", *curves], lines, words=(), rest="Each history.csv has all."
    )  # fmt: skip


# Predictions --------------------------------------------------------------------------------------


def _predictions(runs: Sequence[Run]) -> Html:
    shown = runs[:MOST_DRAWN]
    if not runs[0].classes:
        return _errors(shown)
    parts = []
    if runs[0].kind == "binary":
        named = {
            run.name: run.predictions[run.main]
            for run in shown
            if len(set(run.predictions[run.main].truth.tolist())) == 2
        }
        if named:
            positive = runs[0].classes[1]
            parts += [roc_figure(named, positive), precision_figure(named, positive)]
    parts += [
        confusion_figure(
            run.target, run.classes, run.predictions[run.main], f"{run.main} of {run.name}",
            f"{run.name}, {run.main}.",
        )
        for run in shown
    ]  # fmt: skip
    return figures(*parts)


def _errors(runs: Sequence[Run]) -> Html:
    """The distribution of the errors' sizes: which share of the rows is off by no more."""
    curves = {}
    for run in runs:
        rows = run.predictions[run.main]
        size = sorted(abs(e) for e in (rows.truth - rows.found).tolist())
        share = [(k + 1) / len(size) for k in range(len(size))]
        curves[run.name] = ([0.0, *size], [0.0, *share])
    target = runs[0].target
    drawn = charts.plot(
        "Share of the held-out rows with an error of at most so much; half of the rows: "
        + ", ".join(f"{n} {digits(x[len(x) // 2])}" for n, (x, _) in curves.items()),
        [
            charts.Line(n, thinned(x, MOST_POINTS), thinned(y, MOST_POINTS), k, k % 2 == 1)
            for k, (n, (x, y)) in enumerate(curves.items())
        ],
        charts.linear([0.0, *(x[-1] for x, _ in curves.values())]),
        charts.linear([0.0, 1.0], form=percent),
        f"error of {target}, without its sign",
        "share of the rows",
    )
    lines = [[name, e, f"{s:.1%}"] for name, (x, y) in curves.items() for e, s in zip(
        thinned(x, 40), thinned(y, 40), strict=True)]  # fmt: skip
    return figures(
        figure(
            "How large the errors are", drawn, ["run", "error up to", "share of the rows"], lines,
            "A curve further to the left is better.",
        )
    )  # fmt: skip


def _folders(runs: Sequence[Run]) -> Html:
    rows = [
        [run.name, str(run.folder), run.metrics["data"], run.metrics["rows"]["train"],
         run.metrics["rows"]["validation"], run.metrics["rows"]["held_out"],
         run.metrics["chainrule"]]
        for run in runs
    ]  # fmt: skip
    head = ["run", "folder", "data", "training rows", "validation", "held out", "chainrule"]
    return table(head, rows, words=(0, 1, 2, 6))


__all__ = ["best_of", "comparison"]
