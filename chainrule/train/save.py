"""Writing what a training run produced: whole files or none."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import chainrule
from chainrule.errors import ArgumentError
from chainrule.train.tabular import LINEAR, Model, Study

TABLES = ("metrics.json", "history.csv", "settings.json")
WEIGHTS = (*(f"{name.replace(' ', '_')}.npz" for name in LINEAR.values()), "network.npz")


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written to, before any work is done.

    Raises:
        ArgumentError: a file is in its place, or it may not be written to.
    """
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ArgumentError(
            f"the results cannot be written to {folder}",
            got=f"{existing}, which is "
            + ("a folder you may not write to" if existing.is_dir() else "a file"),
            remedy="choose another folder (command line: --out)",
        )


def save(study: Study, baseline: Model, models: Sequence[Model], folder: Path) -> list[Path]:
    """Write the metrics, the history, the settings and each model's weights to a folder.

    The same settings and data give the same bytes. Each file is written beside its place and
    moved there when all are complete, so that a failure leaves an earlier run's files whole.

    Args:
        study: from `prepare`.
        baseline: from `baseline`.
        models: from `train_models`.
        folder: made if it does not exist; files of the same names are replaced.

    Returns:
        The files: metrics.json, history.csv, settings.json, and an .npz for each model with
        the arrays ``layer_1.kernel``, ``layer_1.bias``, …

    Raises:
        ArgumentError: the folder cannot be written to.
    """
    contents = {
        "metrics.json": _json(_metrics(study, baseline, models)),
        "history.csv": _history(models).encode(),
        "settings.json": _json(_settings(study)),
    }
    for model in models:
        contents[_weights_file(model)] = _weights(model)
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as beside:
            for name, content in contents.items():
                Path(beside, name).write_bytes(content)
            for name in contents:
                os.replace(Path(beside, name), folder / name)
        # Weights of an earlier run that this one did not train would pass for its own.
        for name in set(WEIGHTS) - set(contents):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ArgumentError(
            f"the results cannot be written to {folder}",
            got=error.strerror or type(error).__name__,
            remedy="make room there, or choose another folder (command line: --out)",
        ) from None
    return [folder / name for name in contents]


def _metrics(study: Study, baseline: Model, models: Sequence[Model]) -> dict[str, Any]:
    target = study.target
    return {
        "data": study.train.table.source,
        "target": {"name": target.name, "kind": target.kind, "classes": target.classes},
        "rows": {"train": len(study.train.table), "held_out": len(study.test.table)},
        "inputs": study.encoder.names,
        "notes": study.notes,
        "models": [
            {
                "name": model.name,
                "epochs": len(model.fit.history),
                "interrupted": model.fit.interrupted,
                "train": model.train,
                "held_out": model.test,
            }
            for model in (baseline, *models)
        ],
    }


def _settings(study: Study) -> dict[str, Any]:
    target = study.target
    return {
        "chainrule": chainrule.__version__,
        **asdict(study.settings),
        "learning_rate": study.learning_rate,
        "target_mean": target.mean,
        "target_std": target.std,
        "columns": study.encoder.settings(),
    }


def _history(models: Sequence[Model]) -> str:
    """One line for each model and epoch, numbers to their last bit."""
    text = io.StringIO()
    records = [(m.name, record) for m in models for record in m.fit.history]
    columns = list(records[0][1]) if records else ["epoch", "loss"]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", *columns])
    writer.writerows([name, *(record[c] for c in columns)] for name, record in records)
    return text.getvalue()


def _weights_file(model: Model) -> str:
    return f"{model.name.split(' ')[0] if '-' in model.name else model.name}.npz".replace(" ", "_")


def _weights(model: Model) -> bytes:
    arrays = {
        f"layer_{i}.{name}": array
        for i, layer in enumerate(model.fit.params, start=1)
        for name, array in layer.items()
    }
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
