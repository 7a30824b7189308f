"""Every example in the documentation runs and prints what it says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from types import ModuleType

import pytest

import chainrule as cr
from chainrule.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *ROOT.glob("README.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\n```", "\n\n```")
    examples = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(examples, out=report.append)
    assert not report, "".join(report)


def test_the_errata_have_examples() -> None:
    text = (ROOT / "docs" / "errata.md").read_text(encoding="utf-8")
    assert len(doctest.DocTestParser().get_examples(text)) > 20


CHAPTERS = sorted((ROOT / "docs" / "lecture").glob("[0-9]*.md"))


def test_every_chapter_asks_and_has_exercises_with_solutions_that_run() -> None:
    assert len(CHAPTERS) == 13
    for chapter in CHAPTERS:
        text = chapter.read_text(encoding="utf-8")
        assert "**The question.**" in text, chapter.name
        assert "## Sources" in text, chapter.name
        exercises = re.findall(r"^\d\\\. ", text, re.MULTILINE)
        solutions = text.split("<summary>Solution</summary>")[1:]
        assert 2 <= len(exercises) <= 3, chapter.name
        assert len(solutions) == len(exercises), chapter.name
        assert all(">>> " in s.split("</details>")[0] for s in solutions), chapter.name


LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def _anchors(page: Path) -> set[str]:
    """The places within a page: its headings in lower case, with hyphens for spaces."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in (a or b for a, b in LINK.findall(text)):
        if link.startswith(("http:", "https:")):
            continue
        path, _, place = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not place or place in _anchors(target), link


def test_the_reference_has_every_command() -> None:
    text = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert set(re.findall(r"```\{help\} (\w+)", text)) == commands


def test_every_page_of_the_site_is_in_a_table_of_contents() -> None:
    docs = ROOT / "docs"
    listed = {docs / "index.md"}
    for page in docs.rglob("*.md"):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            names = [line for line in tree.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / f"{name}.md").resolve() for name in names}
    assert set(docs.rglob("*.md")) == listed


def _public(module: ModuleType) -> set[int]:
    """The things that a module names for its users, other than modules."""
    things = (getattr(module, name) for name in module.__all__)
    return {id(thing) for thing in things if not isinstance(thing, ModuleType)}


def test_the_reference_has_every_public_name() -> None:
    listed = set()
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        module = cr
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith(".. currentmodule:: "):
                module = cr
                for part in line.split(".")[3:]:
                    module = getattr(module, part)
            elif found := re.fullmatch(r"   (\w+)", line):
                listed.add(id(getattr(module, found[1])))  # and each name is there
    for module in (
        cr, cr.data, cr.nn, cr.nn.initializers, cr.nn.losses, cr.nn.metrics, cr.optim, cr.plot,
        cr.train,
    ):  # fmt: skip
        missing = {n for n in module.__all__ if id(getattr(module, n)) in _public(module) - listed}
        assert missing <= {"FIGURES", "OPTIMIZERS"}, f"{module.__name__}: not in docs/reference"
