"""Runs to report on, and a reader of the pages."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

from chainrule.data import load_heart, read_text
from chainrule.data.table import Table
from chainrule.report.page import page, watcher
from chainrule.report.work import Work
from chainrule.train import Settings, prepare, train_models
from chainrule.train.tabular import baseline

_VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """Checks that elements are nested, and collects what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.figures: list[list[str]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "figure":
            self.figures.append([])
        if self.figures and "figure" in self.open:
            self.figures[-1].append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.words += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    def table(self, *head: str) -> list[list[str]]:
        """The rows of the table that has these headings."""
        [found] = [t[1:] for t in self.tables if t and t[0][: len(head)] == list(head)]
        return found


def run(table: Table, title: str, **settings: object) -> Work:
    study = prepare(table, Settings(**settings))  # type: ignore[arg-type]
    models = list(train_models(study, watch=watcher(study)))
    return Work(study, baseline(study), models, title, "row")


@pytest.fixture(scope="session")
def heart() -> Work:
    return run(load_heart(), "Statlog (Heart)", target="disease", data="heart", epochs=30)


@pytest.fixture(scope="session")
def heart_page(heart: Work) -> str:
    return page(heart)


HOSTILE = {
    "x": "</svg><script>alert(1)</script>",
    "c": "a&b \"<i>'",
    "y": "<img src=x onerror=alert(2)>",
}


@pytest.fixture(scope="session")
def hostile() -> Work:
    """Three classes and columns whose names are markup."""
    rng = np.random.default_rng(0)
    rows = [
        (f"{k + rng.normal():.3f}", ("<b>u</b>", '"v"')[k % 2], ("</td>A", "&ltB", "C'")[k])
        for k in rng.integers(0, 3, 90)
    ]

    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    lines = [",".join(map(quoted, line)) for line in [tuple(HOSTILE.values()), *rows]]
    table = read_text("\n".join(lines) + "\n", "<u>data.csv")
    return run(
        table, "<u>data.csv", target=HOSTILE["y"], data="<u>data.csv", epochs=12, layers=(4,),
        restarts=2, clip_norm=1.0, early_stopping=3,
    )  # fmt: skip


@pytest.fixture(scope="session")
def houses() -> Work:
    """A number to predict, with missing values in both kinds of column."""
    rng = np.random.default_rng(1)
    lines = ["size,place,price"]
    for _ in range(120):
        size, place = rng.gamma(5.0, 20.0), rng.integers(0, 3)
        price = 2 * size + 30 * place + rng.normal(0, 10)
        shown = f"{size:.1f}" if rng.random() > 0.1 else ""
        lines.append(f"{shown},{('n', 's', '')[place]},{price:.2f}")
    table = read_text("\n".join(lines) + "\n", "houses.csv")
    return run(table, "houses.csv", target="price", data="houses.csv", epochs=20, layers=(8,))
