"""The training: curves of the loss and the metrics, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from chainrule.report import charts
from chainrule.report.charts.scales import percent
from chainrule.report.figures import figure, figures, remark_list, thinned
from chainrule.report.learning import Curves, remarks, text
from chainrule.report.markup import Html, join, table, tag
from chainrule.report.measures import mean
from chainrule.report.work import Work
from chainrule.train.tabular import Trained

MOST_POINTS = 400
LOSSES = {
    "binary": "loss (cross-entropy, nats)",
    "multiclass": "loss (cross-entropy, nats)",
    "numeric": "loss (mean squared error, standardised)",
}


def training_section(work: Work) -> Html:
    """For each model its curves and what they say."""
    return join((_model(work, trained) for trained in work.models), "\n")


def curves_of(work: Work, trained: Trained) -> Curves:
    """The losses of a training as `learning` reads them."""
    study, settings = work.study, work.study.settings
    rows = work.predictions[trained.name]
    first, judged = work.models[0], study.validation or study.test
    k = max(1, len(first.history) // 10)
    simpler = None
    if trained is not first and first.history:
        simpler = sum(record["loss"] for record in first.history[-k:]) / k
    return Curves(
        [record["loss"] for record in trained.history],
        [record["val_loss"] for record in trained.history],
        work.judged,
        work.baseline.train["loss"],
        keeps_best=settings.early_stopping is not None,
        epochs=settings.epochs,
        dropout=bool(settings.dropout) and trained is not first,
        # The rows that judge may be others than those held out, and fewer or more.
        error=mean(rows.loss).error * sqrt(len(rows.loss) / len(judged.table)),
        simpler=simpler,
        decay=settings.weight_decay,
        weighted=settings.class_weight != "none",
    )


def _model(work: Work, trained: Trained) -> Html:
    heading = tag("h3", trained.name)
    if not trained.history:
        return join([heading, tag("p", "It was interrupted before the end of its first epoch.")])
    curves = curves_of(work, trained)
    names = [n for n in trained.history[0] if f"val_{n}" in trained.history[0] and n != "loss"]
    parts = [_loss(work, trained, curves), *(_metric(work, trained, n) for n in names)]
    if any(record.get("clipped_share") for record in trained.history):
        parts.append(_clipped(trained))
    return join([heading, remark_list(remarks(curves)), figures(*parts), _starts(trained)], "\n")


def _epochs(trained: Trained) -> list[float]:
    return [float(record["epoch"]) for record in trained.history]


def _drawn(values: Sequence[float]) -> list[float]:
    return thinned(values, MOST_POINTS)


def _pair(
    trained: Trained, name: str, judged: str
) -> tuple[list[charts.Line], list[float], list[float]]:
    """A quantity on the training rows (dashes) and on those that are not trained on."""
    train = [record[name] for record in trained.history]
    other = [record[f"val_{name}"] for record in trained.history]
    x = _drawn(_epochs(trained))
    lines = [
        charts.Line("training", x, _drawn(train), 1, dash=True),
        charts.Line(judged, x, _drawn(other), 0),
    ]
    return lines, train, other


def _loss(work: Work, trained: Trained, curves: Curves) -> Html:
    lines, train, other = _pair(trained, "loss", work.judged)
    x, base = _epochs(trained), work.baseline.train["loss"]
    y = charts.suited([*train, *other, *([] if curves.weighted else [base])])
    ends = [x[0], x[-1]]
    reference = []
    if not curves.weighted:  # with weights the baseline's loss is another one
        reference = [charts.Line(work.baseline.name, ends, [base, base], None, dash=True)]
    best = curves.best
    mark = charts.Mark(x[best - 1], other[best - 1], f"least: {text(other[best - 1])}", 0)
    drawn = charts.plot(
        f"Loss of the {trained.name} over {len(x)} epochs: training from {text(train[0])} to "
        f"{text(train[-1])}, {work.judged} from {text(other[0])} to "
        f"{text(other[-1])}, least at epoch {best}",
        [*reference, *lines],
        charts.whole(int(x[0]), int(x[-1])),
        y,
        "epoch",
        LOSSES[work.study.target.kind],
        marks=[mark],
    )
    rows = [[int(e), a, b] for e, a, b in zip(x, train, other, strict=True)]
    note = "Training: the mean over an epoch's batches, each before its update."
    if curves.weighted:
        note += " Class weights count in it, and not in the other."
    return figure(
        "Loss", drawn, ["epoch", "training", work.judged], rows, note, words=(),
        rest="history.csv has all.",
    )  # fmt: skip


def _metric(work: Work, trained: Trained, name: str) -> Html:
    lines, train, other = _pair(trained, name, work.judged)
    x = _epochs(trained)
    share = name.endswith("accuracy")
    drawn = charts.plot(
        f"{name} of the {trained.name}: training {train[-1]:.4g}, {work.judged} {other[-1]:.4g} "
        "at the end",
        lines,
        charts.whole(int(x[0]), int(x[-1])),
        charts.linear([*train, *other], form=percent if share else None),
        "epoch",
        name,
    )
    rows = [
        [int(e), *(f"{v:.1%}" if share else v for v in pair)]
        for e, *pair in zip(x, train, other, strict=True)
    ]
    return figure(
        name.capitalize(), drawn, ["epoch", "training", work.judged], rows, words=(),
        rest="history.csv has all.",
    )  # fmt: skip


def _clipped(trained: Trained) -> Html:
    x, share = _epochs(trained), [record["clipped_share"] for record in trained.history]
    drawn = charts.plot(
        f"Share of the steps whose gradient was clipped, at the end {share[-1]:.0%}",
        [charts.Line("", _drawn(x), _drawn(share))],
        charts.whole(int(x[0]), int(x[-1])),
        charts.linear([0.0, 1.0], form=percent),
        "epoch",
        "clipped steps",
    )
    rows = [[int(e), f"{s:.1%}"] for e, s in zip(x, share, strict=True)]
    return figure("Clipped gradients", drawn, ["epoch", "share so far"], rows, words=())


def _starts(trained: Trained) -> Html | None:
    if len(trained.starts) < 2:
        return None
    rows = [
        [f"start {k + 1}", int(record["epochs"]), text(record["loss"]),
         text(record["val_loss"])]
        for k, record in enumerate(trained.starts)
    ]  # fmt: skip
    why = "The network was trained from several starts; the best on the validation rows is kept."
    return join([
        tag("p", why),
        table(["", "epochs", "training loss at the end", "validation loss at the end"], rows),
    ])  # fmt: skip
