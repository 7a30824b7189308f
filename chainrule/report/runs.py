"""Runs of ``chainrule train`` as their folders hold them."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import ArgumentError
from chainrule.records import dataclass
from chainrule.train.tabular.held_out import Predictions
from chainrule.train.tabular.study import Scores


@dataclass(frozen=True)
class Run:
    """One run, from its folder.

    Attributes:
        name: what it is called here; the folder's name, if no other run has the same.
        folder: where it lies.
        settings: of its settings.toml; what is not set is None.
        metrics: its metrics.json.
        history: by the model's name, a record for each epoch.
        lines: of the data file, of the held-out rows.
        predictions: by the model's name, for these rows.
    """

    name: str
    folder: Path
    settings: dict[str, Any]
    metrics: dict[str, Any]
    history: dict[str, list[Scores]]
    lines: tuple[int, ...]
    predictions: dict[str, Predictions]

    @property
    def kind(self) -> str:
        """binary, multiclass or numeric."""
        return str(self.metrics["target"]["kind"])

    @property
    def target(self) -> str:
        """What it predicts."""
        return str(self.metrics["target"]["name"])

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.metrics["target"]["classes"])

    @property
    def main(self) -> str:
        """The model that it was made for: the network, or the linear model if it is alone."""
        return list(self.predictions)[-1]

    @property
    def judged(self) -> str:
        """Which rows its curves are judged by."""
        return "validation" if self.metrics["rows"]["validation"] else "held-out"

    def same_rows(self, other: Run) -> bool:
        """Have both held out the same rows, with the same truth?"""
        mine, its = self.predictions[self.main].truth, other.predictions[other.main].truth
        return (
            self.metrics["data"] == other.metrics["data"]
            and self.lines == other.lines
            and np.array_equal(mine, its)
        )


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Runs of one kind of target, to be compared.

    Raises:
        ArgumentError: a folder that is not a run, or runs of different targets.
    """
    names = _names(folders)
    runs = [_read(folder, name) for folder, name in zip(folders, names, strict=True)]
    first = runs[0]
    for run in runs[1:]:
        if (run.kind, run.target, run.classes) != (first.kind, first.target, first.classes):
            raise ArgumentError(
                "the runs predict different things, so their scores cannot be compared",
                got=f"{_predicts(first)}; {_predicts(run)}",
                remedy="give runs with the same target",
            )
    return runs


def _predicts(run: Run) -> str:
    what = ", ".join(run.classes) if run.classes else "a number"
    return f"{run.folder}: {run.target} ({what})"


def _names(folders: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as many as it takes to tell them apart."""
    parts = [folder.absolute().parts for folder in folders]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-count:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    raise ArgumentError(
        "a run is given twice",
        got=" ".join(map(str, folders)),
        remedy="name each folder once",
    )


def _read(folder: Path, name: str) -> Run:
    try:
        settings = tomllib.loads((folder / "settings.toml").read_text("utf-8"))
        metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
        with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
            history = _history(list(csv.DictReader(file)))
        with (folder / "held_out.csv").open(encoding="utf-8", newline="") as file:
            lines, predictions = _held_out(list(csv.DictReader(file)), metrics["target"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArgumentError(
            f"{folder} is not the folder of a whole run",
            got=f"{error.strerror}: {error.filename}"
            if isinstance(error, OSError)
            else f"a file in it that cannot be read: {error!r}",
            remedy="name a folder that chainrule train has written, such as chainrule-out/heart",
        ) from None
    return Run(name, folder, settings, metrics, history, lines, predictions)


def _history(rows: list[dict[str, str]]) -> dict[str, list[Scores]]:
    found: dict[str, list[Scores]] = {}
    for row in rows:
        record = {k: float(v) for k, v in row.items() if k != "model" and v}
        found.setdefault(row["model"], []).append(record)
    return found


def _held_out(
    rows: list[dict[str, str]], target: dict[str, Any]
) -> tuple[tuple[int, ...], dict[str, Predictions]]:
    classes = [str(name) for name in target["classes"]]
    place = {name: k for k, name in enumerate(classes)}
    by_model: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    found: dict[str, Predictions] = {}
    lines: tuple[int, ...] = ()
    for model, own in by_model.items():
        lines = tuple(int(row["line"]) for row in own)
        loss = np.array([float(row["loss"]) for row in own])
        if classes:
            truth, said = (np.array([place[r[k]] for r in own]) for k in ("truth", "predicted"))
            p = np.array([[float(row[f"p({name})"]) for name in classes] for row in own])
            found[model] = Predictions(truth, said, p, loss)
        else:
            truth, said = (np.array([float(r[k]) for r in own]) for k in ("truth", "predicted"))
            found[model] = Predictions(truth, said, None, loss)
    if not found:
        raise ValueError("no predictions")
    return lines, found


__all__ = ["Run", "read_runs"]
