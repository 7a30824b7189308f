"""The whole page: one HTML file that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import chainrule
from chainrule.diagnose.health import gradient_health
from chainrule.diagnose.monitor import GradientMonitor
from chainrule.report.markup import Html, join, table, tag
from chainrule.report.one_row import effect, one_weight
from chainrule.report.sections.classes import classes_section
from chainrule.report.sections.data import data_section
from chainrule.report.sections.model import gradients_section, importance_section, model_section
from chainrule.report.sections.numbers import numbers_section
from chainrule.report.sections.repeating import repeating_section
from chainrule.report.sections.summary import summary_section
from chainrule.report.sections.training import training_section
from chainrule.report.style import CSS
from chainrule.report.words import digits
from chainrule.report.work import Work
from chainrule.train.callbacks.base import Callback
from chainrule.train.tabular import Study
from chainrule.train.tabular.training import architectures

LOOKS, ROWS = 20, 128  # of the gradients: how often, and at how many rows
Section = tuple[str, str, Html]  # its name in the address, its heading, what stands in it


def page(work: Work) -> str:
    """The report of a run, for a person who was not there.

    It holds the data, the models, the curves and what they say, the predictions on held-out rows,
    the health of the gradients, the columns that the model listens to, one row's trace table, and
    how to do it again.

    Args:
        work: the run. Models that were watched by a `GradientMonitor` show it.

    Returns:
        An HTML document. The same run gives the same text.
    """
    study, main = work.study, work.main
    health = gradient_health(main.model, study.train.x, study.train.y)
    predicted = classes_section if study.target.classes else numbers_section
    sections = [
        ("summary", "In short", summary_section(work, health)),
        ("data", "The data", data_section(work)),
        ("model", "The model", model_section(work)),
        ("training", "The training", training_section(work)),
        ("predictions", "The predictions", predicted(work)),
        ("gradients", "Health of the gradients", gradients_section(work, health)),
        ("columns", "What the model listens to", importance_section(work)),
        ("trace", f"One {work.noun}, step by step", trace_section(work)),
        ("again", "Settings, and how to do it again", repeating_section(work)),
    ]
    heading = f"{study.target.name}, learned from {work.title}"
    return document(heading, f"Report of a training by chainrule {chainrule.__version__}", sections)


def watcher(study: Study) -> Callable[[str], list[Callback]]:
    """What the trainings are to be watched by, so that the page can show how the gradients went.

    It looks at the model that the report is about, some twenty times, so that the training is
    hardly slowed down.
    """
    main, every = list(architectures(study))[-1], max(1, round(study.settings.epochs / LOOKS))
    return lambda name: [GradientMonitor(rows=ROWS, every=every)] if name == main else []


def trace_section(work: Work) -> Html:
    """One held-out row's loss, traced back to one weight of the linear model."""
    study, linear = work.study, work.models[0]
    row = one_weight(study, linear)
    facts = [(tag("dt", name), tag("dd", text)) for name, text in row.facts(study, work.noun)]
    steps, slope = row.steps()
    rows = [
        [
            step.formula,
            digits(step.value),
            join((formula for formula, _ in step.partials), "\n"),
            join((digits(value) for _, value in step.partials), "\n"),
            digits(step.adjoint),
        ]
        for step in steps
    ]
    rows.append(["dL/dw", "", "", "", digits(slope)])
    head = ["step", "value", "partial derivative", "value", "dL/dξ"]
    text = (
        f"One held-out {work.noun}'s loss L, back to one weight of the {linear.name}: values from "
        "the top, derivatives from the bottom. dL/dξ of a step is that of the next step times the "
        "partial derivative between them."
    )
    return join(
        [
            tag("p", text),
            tag("dl", *(part for pair in facts for part in pair)),
            table(head, rows, words=(0, 2), class_="main tight steps"),
            tag("p", effect(slope), class_="small"),
        ],
        "\n",
    )


def document(heading: str, subtitle: str, sections: Sequence[Section]) -> str:
    """A page with a heading and a list of its sections."""
    links = [tag("a", title, href=f"#{name}") for name, title, _ in sections]
    parts = [
        tag("section", tag("h2", title), content, id=name) for name, title, content in sections
    ]
    # No icon: otherwise a browser asks the server for one.
    icon = Html('<link rel="icon" href="data:,">')
    head = tag(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        icon,
        tag("title", heading),
        tag("style", Html(CSS)),
    )
    body = tag(
        "body",
        tag("header", tag("h1", heading), tag("p", subtitle, class_="soft")),
        tag("nav", join(links, " "), aria_label="contents"),
        tag("main", join(parts, "\n")),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"
