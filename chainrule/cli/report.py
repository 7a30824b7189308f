"""What ``chainrule train`` shows: the data, the progress of the work, and the results."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from chainrule.cli.one_row import OneWeight
from chainrule.derivatives import grad
from chainrule.train.tabular import Model, Scores, Study, architectures

# score → (heading, format)
_COLUMNS = {
    "loss": ("loss", "{:.4f}"),
    "accuracy": ("accuracy", "{:.1%}"),
    "rmse": ("RMSE", "{:.4g}"),
    "mae": ("MAE", "{:.4g}"),
    "r2": ("R²", "{:.3f}"),
}
_MOST_CLASSES = 5


def show_data(console: Console, study: Study, title: str) -> None:
    """What the data are, how they are divided, and what is done with gaps in them."""
    target, train, test = study.target, len(study.train.table), len(study.test.table)
    how = "stratified by class" if target.classes else "at random"
    facts = [
        ("data", f"{title}, {train + test} rows"),
        ("target", f"{target.name} ({_target(study)})"),
        ("split", f"{train} rows to train, {test} held out, {how}, seed {study.settings.seed}"),
        (
            "inputs",
            f"{len(study.encoder.names)} from {len(study.encoder.inputs)} columns: numbers "
            "standardised with the training rows' mean and std, categories one-hot",
        ),
        (
            "descent",
            f"batches of {study.settings.batch_size} rows, learning rate "
            f"{study.learning_rate:.4g}, weight decay {study.settings.weight_decay:g}",
        ),
        *(("note", note) for note in study.notes),
    ]
    indent = " " * 9
    for name, fact in facts:
        lines = textwrap.wrap(fact, max(console.width - len(indent), 30), break_long_words=False)
        text = Text(f"{name:{len(indent)}}", "dim", end="\n")
        text.append(f"\n{indent}".join(lines), "not dim yellow" if name == "note" else "not dim")
        console.print(text, soft_wrap=True)
    console.print()


def _target(study: Study) -> str:
    target = study.target
    if not target.classes:
        return f"a number, in training {target.mean:.4g} ± {target.std:.4g}"
    y = np.concatenate([study.train.y, study.test.y])
    counts = y.sum(axis=0) if y.shape[1] > 1 else np.array([np.sum(1 - y), np.sum(y)])
    pairs = list(zip(target.classes, counts.astype(int).tolist(), strict=True))
    more = f" and {len(pairs) - _MOST_CLASSES} more" if len(pairs) > _MOST_CLASSES else ""
    return ", ".join(f"{name}: {count}" for name, count in pairs[:_MOST_CLASSES]) + more


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
        bars.update(
            tasks[name], completed=int(record["epoch"]), losses=f"loss {record['loss']:.4f}"
        )

    with bars:
        yield move
    console.print()


def show_scores(console: Console, study: Study, baseline: Model, models: Sequence[Model]) -> None:
    """Each model's loss and metrics, held out and in training, under the baseline's."""
    # A numeric target's loss is its RMSE again, squared and in another unit.
    names = [n for n in baseline.test if n != "loss" or study.target.classes]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 0, 0, 1))
    table.add_column("", overflow="fold")
    for name in names:
        heading = _COLUMNS[name][0]
        table.add_column(f"{heading}\nheld out", justify="right", no_wrap=True, style="bold")
        table.add_column(f"{heading}\ntraining", justify="right", no_wrap=True)
    for model in (baseline, *models):
        cells = [
            _COLUMNS[name][1].format(scores[name])
            for name in names
            for scores in (model.test, model.train)
        ]
        label = f"{model.name} (interrupted)" if model.fit.interrupted else model.name
        table.add_row(label, *cells, style="dim" if model is baseline else "")
    console.print(table)
    if not study.target.classes:
        console.print(f"RMSE and MAE are in the unit of {study.target.name}.", style="dim")
    console.print()


def show_row(console: Console, study: Study, row: OneWeight, model: str, noun: str) -> None:
    """One row's loss, traced back to one weight of the linear model."""
    source = study.test.table.source
    slope = float(grad(row.loss)(row.w))
    console.print(
        Text.assemble(
            (f"The loss of one held-out {noun}, back to one weight", "bold"),
            f" of the {model}\n",
            f"line {row.line} of {source}: {study.target.name} = {row.label}, "
            f"{row.column} = {row.cell}\n",
            f"w = {row.w:.4g} multiplies {row.input}, standardised x = {row.x:.4g}; "
            f"the other inputs and the bias add {row.c:.4g}\n",
        )
    )
    console.print(
        f"dL/dw = {slope:.6g}: a larger w {'raises' if slope > 0 else 'lowers'} this loss\n"
    )


def show_files(console: Console, folder: Path, files: Sequence[Path], seconds: float) -> None:
    """Where the results are; the folder stands alone on its line, to be copied."""
    console.print(Text.assemble("Written to ", (str(folder), "bold green")), soft_wrap=True)
    console.print(f"  {', '.join(file.name for file in files)}", style="dim")
    console.print(f"Done in {seconds:.1f} s.")
