"""The data: columns, kinds, gaps, the target, and how the rows are divided."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.encode import CategoricalInput, Encoder, NumericInput
from chainrule.data.table import Table
from chainrule.report import charts
from chainrule.report.figures import figure, figures
from chainrule.report.markup import Html, items, join, table, tag
from chainrule.report.words import data_facts, short
from chainrule.report.work import Work
from chainrule.train.tabular.study import Part

MOST_COLUMNS, MOST_CATEGORIES, MOST_BARS = 40, 4, 30


def data_section(work: Work) -> Html:
    """The facts, the target's distribution, and a line for each column."""
    study = work.study
    facts = [(tag("dt", name), tag("dd", text)) for name, text in data_facts(study, work.title)]
    return join(
        [
            tag("dl", *(part for pair in facts for part in pair)),
            items(study.notes),
            figures(_target(work)),
            tag("h3", "The columns"),
            _columns(work),
        ],
        "\n",
    )


def _parts(work: Work) -> dict[str, Part]:
    study = work.study
    found = {"training": study.train, "validation": study.validation, "held out": study.test}
    return {name: part for name, part in found.items() if part is not None}


def _target(work: Work) -> Html:
    target, parts = work.study.target, _parts(work)
    values = {name: target.values(part.table) for name, part in parts.items()}
    if target.classes:
        return _classes(target.name, target.classes, values)
    return _numbers(target.name, values)


def _classes(name: str, classes: tuple[str, ...], values: dict[str, NDArray[Any]]) -> Html:
    counts = {part: np.bincount(v, minlength=len(classes)).tolist() for part, v in values.items()}
    total = sum(len(v) for v in values.values())
    rows = [
        [c, *(n[k] for n in counts.values()), all_of, f"{all_of / total:.1%}"]
        for k, c in enumerate(classes)
        for all_of in [sum(n[k] for n in counts.values())]
    ]
    title = "How many rows each class has"
    drawn = charts.bars(
        f"{name}, rows of each class: {', '.join(f'{row[0]} {row[-2]}' for row in rows)}",
        classes[:MOST_BARS],
        [(part, n[:MOST_BARS]) for part, n in counts.items()],
        "rows",
        "{:,.0f}".format,
    )
    return figure(title, drawn, [name, *counts, "all", "share"], rows)


def _numbers(name: str, values: dict[str, NDArray[Any]]) -> Html:
    together = np.concatenate(list(values.values()))
    edges = np.histogram_bin_edges(together, "auto")
    if len(edges) > MOST_BARS + 1:
        edges = np.linspace(edges[0], edges[-1], MOST_BARS + 1)
    counts = {part: np.histogram(v, edges)[0].tolist() for part, v in values.items()}
    ends = edges.tolist()
    title = f"The values of {name}"
    drawn = charts.histogram(
        f"{title}: {len(together)} rows from {together.min():.4g} to {together.max():.4g}",
        ends,
        list(counts.items()),
        name,
        "rows",
    )
    rows = [
        [f"{low:.4g} to {high:.4g}", *(n[i] for n in counts.values())]
        for i, (low, high) in enumerate(pairwise(ends))
    ]
    return figure(title, drawn, [name, *counts], rows)


# Columns ------------------------------------------------------------------------------------------


def _columns(work: Work) -> Html:
    encoder, parts = work.study.encoder, _parts(work)
    tables = [part.table for part in parts.values()]
    used = {column.name: column for column in encoder.inputs}
    names = [n for n in tables[0].names if n != work.study.target.name]
    rows = [
        [n, _kind(encoder, used.get(n), n), sum(int(t.missing(n).sum()) for t in tables),
         _inputs(used.get(n)), _values(used.get(n), tables, n)]
        for n in names[:MOST_COLUMNS]
    ]  # fmt: skip
    more = len(names) - len(rows)
    return join(
        [
            table(
                ["column", "read as", "missing", "inputs", "values"], rows, words=(0, 1, 4),
                class_="columns",
            ),
            tag("p", f"and {more} more columns", class_="soft") if more > 0 else None,
            tag(
                "p", "Values are those of all rows. Means, spreads and medians that the models "
                "use come from the training rows alone.", class_="small",
            ),
        ]
    )  # fmt: skip


def _kind(encoder: Encoder, column: Any, name: str) -> str:
    if isinstance(column, NumericInput):
        return "number"
    if isinstance(column, CategoricalInput):
        return f"{len(column.categories)} categories"
    why = encoder.left_out.get(name)
    return f"left out: {why}" if why else "left out, as asked for"


def _inputs(column: Any) -> int:
    return 0 if column is None else len(column.names)


def _values(column: Any, tables: list[Table], name: str) -> str:
    if column is None:
        return ""
    if isinstance(column, NumericInput):
        values = np.concatenate([t.numbers(name) for t in tables])
        values = values[~np.isnan(values)]
        low, middle, high = (short(float(v)) for v in np.quantile(values, (0, 0.5, 1)))
        return f"{low} to {high}, median {middle}, mean {short(float(values.mean()))}"
    counts = Counter(text for t in tables for text in column.texts(t))
    total = sum(counts.values())
    # Equally frequent ones by name, so that the page does not depend on the order of the rows.
    order = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [f"{text} {n / total:.0%}" for text, n in order[:MOST_CATEGORIES]]
    rest = len(order) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
