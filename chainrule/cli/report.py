"""What ``chainrule train`` shows: the data, the progress of the work, and the results."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from chainrule.data.target import Target
from chainrule.report import words
from chainrule.report.measures import confusion
from chainrule.report.one_row import OneWeight, effect
from chainrule.report.words import digits
from chainrule.train.tabular import Study, Trained
from chainrule.train.tabular.study import Baseline, Scores
from chainrule.train.tabular.training import architectures


def show_data(console: Console, study: Study, title: str) -> None:
    """What the data are, how they are divided, and what is done with gaps in them."""
    _print_facts(console, [*words.data_facts(study, title), *(("note", n) for n in study.notes)])


def _print_facts(console: Console, facts: Sequence[tuple[str, str]]) -> None:
    """Each name before its text, whose further lines are indented as its first."""
    indent = " " * 9
    for name, fact in facts:
        lines = textwrap.wrap(fact, max(console.width - len(indent), 30), break_long_words=False)
        text = Text(f"{name:{len(indent)}}", "dim")
        text.append(f"\n{indent}".join(lines), "not dim yellow" if name == "note" else "not dim")
        console.print(text, soft_wrap=True)
    console.print()


@contextmanager
def progress(console: Console, study: Study) -> Iterator[Callable[[str, Scores], None] | None]:
    """A bar for each model while it trains, on a terminal; nothing in a pipe.

    Yields:
        A function of (model name, epoch's record) that moves the model's bar, or None.
    """
    if not console.is_terminal:
        yield None
        return
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(16, complete_style="cyan", finished_style="green"),
        TextColumn("epoch {task.completed}/{task.total}"),
        TextColumn("{task.fields[losses]}"),
        console=console,
    )
    tasks = {
        name: bars.add_task(name, total=study.settings.epochs, losses="", start=False)
        for name in architectures(study)
    }

    def move(name: str, record: Scores) -> None:
        bars.start_task(tasks[name])
        where = "validation" if study.validation else "held out"
        losses = f"loss {words.loss(record['loss'])}, {where} {words.loss(record['val_loss'])}"
        bars.update(tasks[name], completed=int(record["epoch"]), losses=losses)

    with bars:
        yield move
    console.print()


def show_scores(
    console: Console, study: Study, baseline: Baseline, models: Sequence[Trained]
) -> None:
    """Each model's loss and metrics, held out and in training, under the baseline's."""
    # A numeric target's loss is its RMSE again, squared and in another unit.
    names = [n for n in baseline.test if n != "loss" or study.target.classes]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 0, 0, 1))
    table.add_column("", overflow="fold")
    for name in names:
        heading = words.SCORES[name][0]
        table.add_column(f"{heading}\nheld out", justify="right", no_wrap=True, style="bold")
        table.add_column(f"{heading}\ntraining", justify="right", no_wrap=True)
    rows: list[Baseline | Trained] = [baseline, *models]
    for model in rows:
        cells = [
            words.SCORES[name][1](scores[name])
            for name in names
            for scores in (model.test, model.train)
        ]
        stopped = isinstance(model, Trained) and model.interrupted
        label = f"{model.name} (interrupted)" if stopped else model.name
        table.add_row(label, *cells, style="dim" if model is baseline else "")
    console.print(table)
    if not study.target.classes:
        console.print(f"RMSE and MAE are in the unit of {study.target.name}.", style="dim")
    console.print()
    lost = [m.name for m in models if m.train["loss"] > baseline.train["loss"]]
    if lost and study.settings.class_weight == "none":
        note = (
            f"{' and '.join(lost)}: worse in training than the {baseline.name}; a smaller "
            "--learning-rate, or more --epochs; see the training in report.html"
        )
        _print_facts(console, [("note", note)])


def show_row(console: Console, study: Study, row: OneWeight, model: str, noun: str) -> None:
    """One row's loss, traced back to one weight of the linear model."""
    title = f"One held-out {noun}'s loss, back to one weight of the {model}"
    console.print(Text("\n".join(textwrap.wrap(title, console.width)), "bold"))
    _print_facts(console, row.facts(study, noun))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 0, 0, 1))
    table.add_column("step", overflow="fold")
    table.add_column("value", justify="right")
    table.add_column("partial derivative", overflow="fold")
    table.add_column("value", justify="right")
    table.add_column("dL/dξ", justify="right", style="bold")
    steps, slope = row.steps()
    for step in steps:
        table.add_row(
            step.formula,
            digits(step.value),
            "\n".join(formula for formula, _ in step.partials),
            "\n".join(digits(value) for _, value in step.partials),
            digits(step.adjoint),
        )
    table.add_section()
    table.add_row("dL/dw", "", "", "", digits(slope))
    console.print(table)
    console.print(f"{effect(slope)}\n", style="dim")


def show_evaluation(console: Console, target: Target, rows: int, scores: Scores) -> None:
    """The scores of a model on a table."""
    names = [n for n in scores if n != "loss" or target.classes]
    facts = [(words.SCORES[n][0], words.SCORES[n][1](scores[n])) for n in names]
    _print_facts(console, [("rows", str(rows)), ("target", target.name), *facts])


def show_confusion(console: Console, target: Target, truth: Any, found: Any) -> None:
    """How often each class was taken for each."""
    counts = confusion(truth, found, len(target.classes))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 0, 0, 1))
    table.add_column(f"{target.name} \\ predicted", overflow="fold")
    for name in target.classes:
        table.add_column(name, justify="right")
    for k, name in enumerate(target.classes):
        cells = [
            Text(str(n), "bold" if j == k else "" if n else "dim") for j, n in enumerate(counts[k])
        ]
        table.add_row(name, *cells)
    console.print(table)


def show_files(console: Console, folder: Path, files: Sequence[Path], seconds: float) -> None:
    """Where the results are; the folder stands alone on its line, to be copied."""
    console.print(Text.assemble("Written to ", (str(folder), "bold green")), soft_wrap=True)
    console.print(f"  {', '.join(file.name for file in files)}", style="dim")
    console.print(f"Done in {seconds:.1f} s.")
