"""The first lines of the report: how good the models are, and what to note."""

from __future__ import annotations

from math import isfinite, sqrt

import numpy as np

from chainrule.report.figures import remark_list
from chainrule.report.learning import Remark, remarks
from chainrule.report.markup import Html, join, table, tag
from chainrule.report.measures import Estimate
from chainrule.report.sections.training import curves_of
from chainrule.report.words import SCORES, digits, plus_minus
from chainrule.report.work import Estimates, Work, better_by, estimates
from chainrule.train.tabular import Trained
from chainrule.train.tabular.held_out import Predictions

CLEAR = 2.0  # standard errors


def summary_section(work: Work) -> Html:
    """What was predicted, how well, beside the baseline and the linear model."""
    return join([*(tag("p", t, class_="lead") for t in words(work)), scores(work), _notes(work)])


def words(work: Work) -> list[str]:
    """How good the model is, against the baseline, and against the linear model."""
    target, main = work.study.target, work.main
    rows = work.predictions[main.name]
    base = constant(work)
    n = len(rows.truth)
    found, least = estimates(target.kind, rows), estimates(target.kind, base)
    over = better_by(target.kind, rows, base)
    if target.classes:
        text = (
            f"The {main.name} is right about {target.name} for {_share(found['accuracy'])} of {n} "
            f"held-out rows; always saying “{target.classes[int(base.found[0])]}” is right for "
            f"{least['accuracy'].value:.1%}."
        )
    else:
        text = (
            f"The {main.name} predicts {target.name} with an error of {_plain(found['rmse'])} "
            f"(RMSE, {n} held-out rows); always saying the training mean, "
            f"{digits(float(base.found[0]))}, has {digits(least['rmse'].value)}."
        )
    if not _clear(over):
        text += " These rows cannot tell it from that."
    elif over.value < 0:
        text += " It is worse than saying the same of every row."
    if len(work.models) < 2:
        return [text]
    return [text, _against(work, work.models[0], rows)]


def _against(work: Work, linear: Trained, rows: Predictions) -> str:
    kind, other = work.study.target.kind, work.predictions[linear.name]
    found = better_by(kind, rows, other)
    score = estimates(kind, other)
    value = _share(score["accuracy"]) if "accuracy" in score else f"RMSE {_plain(score['rmse'])}"
    text = f"The {linear.name}: {value}. "
    if not _clear(found):
        return text + (
            "Row by row, the difference is within its standard error: the simpler model does as "
            "well on these rows."
            if abs(found.value) <= found.error or found.value == 0.0
            else "Row by row, the difference is within two standard errors, which these rows do "
            "not suffice to tell from chance."
        )
    which = "network" if found.value > 0 else "simpler model"
    return text + f"Row by row, the {which} is better by {_errors(found)} standard errors."


def _errors(found: Estimate) -> str:
    return f"{abs(found.value) / found.error:.1f}" if found.error else "many"


def _clear(found: Estimate) -> bool:
    return found.value != 0.0 and not abs(found.value) <= CLEAR * found.error


def constant(work: Work) -> Predictions:
    """What the baseline says of the held-out rows."""
    target, train = work.study.target, work.study.train
    truth = target.values(work.study.test.table)
    n = len(truth)
    if not target.classes:
        found = np.full(n, target.mean)
        return Predictions(truth, found, None, np.square((truth - found) / target.std))
    share = np.bincount(target.values(train.table), minlength=len(target.classes))
    p = share / share.sum()
    with np.errstate(divide="ignore"):
        loss = -np.log(p[truth])
    return Predictions(truth, np.full(n, int(p.argmax())), np.tile(p, (n, 1)), loss)


# The table ----------------------------------------------------------------------------------------

TITLES = {"loss": "loss", "accuracy": "accuracy", "auc": "AUC", "rmse": "RMSE", "mae": "MAE",
          "r2": "R²"}  # fmt: skip


def scores(work: Work) -> Html:
    """Each model's scores on the held-out rows, and in training."""
    target = work.study.target
    all_of: list[tuple[str, Estimates, dict[str, float]]] = [
        (work.baseline.name, estimates(target.kind, constant(work)), work.baseline.train)
    ]
    for trained in work.models:
        label = f"{trained.name} (interrupted)" if trained.interrupted else trained.name
        all_of.append(
            (label, estimates(target.kind, work.predictions[trained.name]), trained.train)
        )
    names = list(all_of[-1][1])
    trained_names = [n for n in work.baseline.train if n in names]
    head = ["", *(TITLES[n] for n in names), *(f"{TITLES[n]}, training" for n in trained_names)]
    rows = [
        [
            label,
            *(score(n, found[n]) if n in found else "–" for n in names),
            *(SCORES[n][1](train[n]) for n in trained_names),
        ]
        for label, found, train in all_of
    ]
    unit = "" if target.classes else f" RMSE and MAE are in the unit of {target.name}."
    text = (
        f"Held-out rows, ± one standard error: what other rows of the same kind would change.{unit}"
    )
    return join([table(head, rows, class_="main"), tag("p", text, class_="small")])


def score(name: str, found: Estimate) -> str:
    """A score with its standard error.

    >>> score("accuracy", Estimate(0.8529, 0.0433)), score("rmse", Estimate(1234.5, 56.7))
    ('85.3% ± 4.3%', '1234 ± 57')
    """
    if name == "accuracy":
        return _share(found)
    if name in ("auc", "r2"):
        return f"{found.value:z.3f}{_plus(f'{found.error:.3f}', found)}"
    return _plain(found)


def _share(found: Estimate) -> str:
    return f"{found.value:.1%}{_plus(f'{found.error:.1%}', found)}"


def _plain(found: Estimate) -> str:
    return plus_minus(found.value, found.error)


def _plus(error: str, found: Estimate) -> str:
    return f" ± {error}" if isfinite(found.error) and found.error > 0.0 else ""


# What to note -------------------------------------------------------------------------------------


def _notes(work: Work) -> Html | None:
    """The gravest that the curves of the main model say, and rows too few to tell much."""
    found = []
    if work.main.history:
        found = [r for r in remarks(curves_of(work, work.main)) if r.remedy or r.kind == _OVER]
    n = len(work.study.test.table)
    if n < 100 and work.study.target.classes:
        half = sqrt(0.25 / n)
        found.append(
            Remark(
                "few rows",
                f"{n} held-out rows settle an accuracy to about ± {2 * half:.0%} only.",
                "more rows; or several seeds (--seed), compared with chainrule report",
            )
        )
    return join([tag("h3", "To note"), remark_list(found)]) if found else None


_OVER = "over-fitting"
