"""What ``chainrule train`` shows: the data, the progress of the work, and the results."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import floor, log10
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from chainrule.cli.one_row import OneWeight
from chainrule.data.encode import NumericInput
from chainrule.data.target import Target
from chainrule.insight import trace
from chainrule.train.tabular import Study, Trained
from chainrule.train.tabular.study import Baseline, Scores
from chainrule.train.tabular.training import architectures, optimizer

_MOST_CLASSES = 5
_MEANING = {
    "x": "the standardised value that w multiplies",
    "c": "the other inputs, times their weights, and the bias",
    "s": "the sum of exp over the other classes",
    "y": "the standardised target",
}


def show_data(console: Console, study: Study, title: str) -> None:
    """What the data are, how they are divided, and what is done with gaps in them."""
    target, train, test = study.target, len(study.train.table), len(study.test.table)
    how = "stratified by class" if target.classes else "at random"
    judged = len(study.validation.table) if study.validation else 0
    divided = f"{train} rows to train, {judged} to validate" if judged else f"{train} rows to train"
    facts = [
        ("data", f"{title}, {train + judged + test} rows"),
        ("target", f"{target.name} ({_target(study)})"),
        ("split", f"{divided}, {test} held out, {how}, seed {study.settings.seed}"),
        ("inputs", _inputs(study)),
        ("descent", _descent(study)),
        *(("note", note) for note in study.notes),
    ]
    _print_facts(console, facts)


def _print_facts(console: Console, facts: Sequence[tuple[str, str]]) -> None:
    """Each name before its text, whose further lines are indented as its first."""
    indent = " " * 9
    for name, fact in facts:
        lines = textwrap.wrap(fact, max(console.width - len(indent), 30), break_long_words=False)
        text = Text(f"{name:{len(indent)}}", "dim")
        text.append(f"\n{indent}".join(lines), "not dim yellow" if name == "note" else "not dim")
        console.print(text, soft_wrap=True)
    console.print()


def _descent(study: Study) -> str:
    """How the models are trained."""
    settings = study.settings
    rule: Any = optimizer(study)
    rule = getattr(rule, "optimizer", rule)
    rate = rule.learning_rate
    first = float(rate(0)) if callable(rate) else float(rate)
    parts = [
        f"batches of {settings.batch_size} rows",
        f"learning rate {first:.4g}",
        f"weight decay {settings.weight_decay:g}",
    ]
    if settings.batch_growth > 1:
        parts[0] += (
            f", {settings.batch_growth:g} times as many every {settings.growth_every} epochs"
        )
    if settings.schedule != "constant":
        parts[1] += f" at first, {settings.schedule} schedule"
    if settings.optimizer != "sgd":
        parts.insert(0, settings.optimizer)
    if settings.clip_norm is not None:
        parts.append(f"gradients clipped to a norm of {settings.clip_norm:g}")
    if settings.early_stopping is not None:
        parts.append(f"stopped after {settings.early_stopping} epochs without a better loss")
    if settings.restarts > 1:
        parts.append(f"the best of {settings.restarts} starts")
    return ", ".join(parts)


def _target(study: Study) -> str:
    target = study.target
    if not target.classes:
        return f"a number, in training {_digits(target.mean)} ± {_digits(target.std)}"
    parts = [study.train, study.test, *([study.validation] if study.validation else [])]
    y = np.concatenate([part.y for part in parts])
    counts = y.sum(axis=0) if y.shape[1] > 1 else np.array([np.sum(1 - y), np.sum(y)])
    pairs = list(zip(target.classes, counts.astype(int).tolist(), strict=True))
    more = f" and {len(pairs) - _MOST_CLASSES} more" if len(pairs) > _MOST_CLASSES else ""
    return ", ".join(f"{name}: {count}" for name, count in pairs[:_MOST_CLASSES]) + more


def _inputs(study: Study) -> str:
    columns = study.encoder.inputs
    numeric = sum(isinstance(column, NumericInput) for column in columns)
    kinds = [
        f"{numeric} numeric, standardised with the training rows' mean and std" if numeric else "",
        f"{len(columns) - numeric} categorical, one-hot" if numeric < len(columns) else "",
    ]
    plural = "s" * (len(columns) != 1)
    described = "; ".join(kind for kind in kinds if kind)
    return f"{len(study.encoder.names)} from {len(columns)} column{plural}: {described}"


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
        losses = f"loss {_loss(record['loss'])}, {where} {_loss(record['val_loss'])}"
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
        heading = _SCORES[name][0]
        table.add_column(f"{heading}\nheld out", justify="right", no_wrap=True, style="bold")
        table.add_column(f"{heading}\ntraining", justify="right", no_wrap=True)
    rows: list[Baseline | Trained] = [baseline, *models]
    for model in rows:
        cells = [
            _SCORES[name][1](scores[name]) for name in names for scores in (model.test, model.train)
        ]
        stopped = isinstance(model, Trained) and model.interrupted
        label = f"{model.name} (interrupted)" if stopped else model.name
        table.add_row(label, *cells, style="dim" if model is baseline else "")
    console.print(table)
    if not study.target.classes:
        console.print(f"RMSE and MAE are in the unit of {study.target.name}.", style="dim")
    console.print()


def _digits(value: float) -> str:
    """Four digits, and all of those before the point; a whole number as it is.

    >>> [_digits(v) for v in (158997.3, 14.756, 0.00123456, 1.0, 0.0, 1e-9)]
    ['158997', '14.76', '0.001235', '1', '0', '1e-09']
    """
    if not 1e-4 < abs(value) < 1e7:
        return f"{value:.4g}"
    if value == round(value):
        return f"{value:.0f}"
    return f"{value:.{max(0, 3 - floor(log10(abs(value))))}f}"


def _loss(value: float) -> str:
    """Four decimals, so that a column of losses lines up; a huge loss must not fill the line.

    >>> _loss(0.40073), _loss(2.5e30)
    ('0.4007', '2.5e+30')
    """
    return f"{value:.4f}" if value < 1e4 else f"{value:.4g}"


# score → (heading, format); z drops the minus of a rounded −0
_SCORES: dict[str, tuple[str, Callable[[float], str]]] = {
    "loss": ("loss", _loss),
    "accuracy": ("accuracy", "{:.1%}".format),
    "rmse": ("RMSE", _digits),
    "mae": ("MAE", _digits),
    "r2": ("R²", "{:z.3f}".format),
}


def show_row(console: Console, study: Study, row: OneWeight, model: str, noun: str) -> None:
    """One row's loss, traced back to one weight of the linear model."""
    traced = trace(row.loss)(**row.arguments).table(mode="backward", wrt="w").rows()
    slope = float(traced[-1]["backward"])
    title = f"One held-out {noun}'s loss, back to one weight of the {model}"
    console.print(Text("\n".join(textwrap.wrap(title, console.width)), "bold"))
    where = f"line {row.line} of {study.test.table.source}: {study.target.name} = {row.label}"
    meaning = {"w": f"the weight of {row.input}", **_MEANING}
    facts = [(noun, f"{where}, {row.column} = {row.cell}")]
    facts += [(k, f"{_digits(v)}, {meaning[k]}") for k, v in row.arguments.items()]
    _print_facts(console, facts)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 0, 0, 1))
    table.add_column("step", overflow="fold")
    table.add_column("value", justify="right")
    table.add_column("partial derivative", overflow="fold")
    table.add_column("value", justify="right")
    table.add_column("dL/dξ", justify="right", style="bold")
    for step in traced[:-1]:
        # Derivatives by x, c, s and y are no part of the way back to w.
        partials = [p for p in step["partials"] if p["of"] not in row.arguments or p["of"] == "w"]
        name = step["name"] if step is not traced[-2] else f"L = {step['name']}"
        table.add_row(
            f"{name} = {step['formula']}",
            _digits(step["value"]),
            "\n".join(f"∂{step['name']}/∂{p['of']} = {p['formula']}" for p in partials),
            "\n".join(_digits(p["value"]) for p in partials),
            _digits(step["backward"]),
        )
    table.add_section()
    table.add_row("dL/dw", "", "", "", _digits(slope))
    console.print(table)
    effect = "raises" if slope > 0 else "lowers" if slope < 0 else "does not change"
    console.print(
        f"A larger w {effect} this loss; the descent moves w against dL/dw.\n", style="dim"
    )


def show_evaluation(console: Console, target: Target, rows: int, scores: Scores) -> None:
    """The scores of a model on a table."""
    names = [n for n in scores if n != "loss" or target.classes]
    facts = [(_SCORES[n][0], _SCORES[n][1](scores[n])) for n in names]
    _print_facts(console, [("rows", str(rows)), ("target", target.name), *facts])


def show_confusion(console: Console, target: Target, truth: Any, found: Any) -> None:
    """How often each class was taken for each."""
    from chainrule.cli.using import confusion

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
