"""The first lines of the report: how good the models are, and what to note."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from chainrule.diagnose.health import GradientHealth
from chainrule.report.figures import remark_list
from chainrule.report.learning import Remark, remarks
from chainrule.report.markup import Html, join, table, tag
from chainrule.report.measures import Estimate
from chainrule.report.sections.training import curves_of
from chainrule.report.words import SCORES, digits, score
from chainrule.report.work import Estimates, Work, better_by, estimates
from chainrule.train.tabular import Trained
from chainrule.train.tabular.held_out import Predictions

CLEAR = 2.0  # standard errors
FEW_ROWS, ONE_SIDED = 100, 0.9


def summary_section(work: Work, health: GradientHealth) -> Html:
    """What was predicted, how well, beside the baseline and the linear model."""
    return join(
        [*(tag("p", t, class_="lead") for t in words(work)), scores(work), _notes(work, health)]
    )


def words(work: Work) -> list[str]:
    """How good the model is, against the baseline, and against the linear model."""
    target, main = work.study.target, work.main
    rows = work.predictions[main.name]
    base = constant(work)
    n = len(rows.truth)
    found, least = estimates(target.kind, rows), estimates(target.kind, base)
    over = better_by(target.kind, rows, base)
    name = "accuracy" if target.classes else "rmse"
    reached, said = score(name, found[name]), base.found[0]
    if target.classes:
        text = (
            f"The {main.name} is right about {target.name} for {reached} of {n} held-out rows; "
            f"always saying “{target.classes[int(said)]}” is right for "
            f"{least[name].value:.1%}."
        )
    else:
        text = (
            f"The {main.name} predicts {target.name} with an error of {reached} (RMSE, {n} "
            f"held-out rows); always saying the training mean, {digits(float(said))}, has "
            f"{digits(least[name].value)}."
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
    other_scores = estimates(kind, other)
    name = "accuracy" if "accuracy" in other_scores else "rmse"
    value = ("" if name == "accuracy" else "RMSE ") + score(name, other_scores[name])
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
    head = [
        "",
        *(SCORES[n][0] for n in names),
        *(f"{SCORES[n][0]}, training" for n in trained_names),
    ]
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


# What to note -------------------------------------------------------------------------------------


def _notes(work: Work, health: GradientHealth) -> Html | None:
    """The gravest of what the curves and the gradients say, and what the scores cannot tell."""
    found: list[Any] = []
    if work.main.history:
        found = [r for r in remarks(curves_of(work, work.main)) if r.remedy or r.kind == _OVER]
    found += [v for v in health.verdicts if v.kind in _GRAVE][:2]
    truth = work.study.target.values(work.study.test.table)
    n = len(truth)
    if not work.study.target.classes:
        return join([tag("h3", "To note"), remark_list(found)]) if found else None
    share = np.bincount(truth, minlength=2).max() / n
    if share > ONE_SIDED:
        found.append(
            Remark(
                "one-sided",
                f"One class has {share:.0%} of the held-out rows, so that accuracy says little: "
                "always naming it is nearly as good.",
                "look at recall and precision of the rare class, at AUC, and at --class-weight "
                "balanced",
            )
        )
    if n < FEW_ROWS:
        found.append(
            Remark(
                "few rows",
                f"{n} held-out rows settle an accuracy to about ± {2 * sqrt(0.25 / n):.0%} only.",
                "more rows; or several seeds (--seed), compared with chainrule report",
            )
        )
    return join([tag("h3", "To note"), remark_list(found)]) if found else None


_OVER = "over-fitting"
_GRAVE = frozenset(
    {"not finite", "symmetric", "dead", "no gradient", "vanishing", "exploding", "large steps"}
)
