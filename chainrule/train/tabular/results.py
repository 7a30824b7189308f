"""Writing what a training run produced: whole files or none."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import chainrule
from chainrule.errors import ArgumentError
from chainrule.train.tabular.held_out import as_csv
from chainrule.train.tabular.study import Baseline, Study
from chainrule.train.tabular.table_model import TableModel
from chainrule.train.tabular.training import Trained

NETWORK, LINEAR_MODEL = "model.safetensors", "linear.safetensors"
REPORT = "report.html"
FILES = (
    REPORT, NETWORK, LINEAR_MODEL, "metrics.json", "history.csv", "held_out.csv", "settings.toml",
)  # fmt: skip
CHECKPOINTS = ".checkpoints"


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


def save(
    study: Study,
    baseline: Baseline,
    models: Sequence[Trained],
    folder: Path,
    report: str | None = None,
) -> list[Path]:
    """Write the models, the metrics, the history, the predictions and the settings to a folder.

    The same settings and data give the same bytes. Each file is written beside its place and
    moved there when all are complete, so that a failure leaves an earlier run's files whole.

    Args:
        study: from `prepare`.
        baseline: from `baseline`.
        models: from `train_models`.
        folder: made if it does not exist; files of the same names are replaced.
        report: a page that shows the run, if there is one.

    Returns:
        The files: report.html, if given; model.safetensors, the network (the linear model where
        there is no other), and beside it linear.safetensors; metrics.json; history.csv;
        held_out.csv, what the models say of each held-out row; settings.toml.

    Raises:
        ArgumentError: the folder cannot be written to.
    """
    contents = {
        "metrics.json": _json(_metrics(study, baseline, models)),
        "history.csv": _history(models).encode(),
        "held_out.csv": as_csv(study, models).encode(),
        "settings.toml": settings_file(study).encode(),
        **({} if report is None else {REPORT: report.encode()}),
    }
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as beside:
            for name, content in contents.items():
                Path(beside, name).write_bytes(content)
            for name, trained in _model_files(models).items():
                TableModel(trained.model, study.encoder, study.target).save(Path(beside, name))
            written = sorted(os.listdir(beside), key=FILES.index)
            for name in written:
                os.replace(Path(beside, name), folder / name)
        # A model of an earlier run that this one did not train would pass for its own.
        for name in set(FILES) - set(written):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ArgumentError(
            f"the results cannot be written to {folder}",
            got=error.strerror or type(error).__name__,
            remedy="make room there, or choose another folder (command line: --out)",
        ) from None
    return [folder / name for name in written]


def _model_files(models: Sequence[Trained]) -> dict[str, Trained]:
    if len(models) == 1:
        return {NETWORK: models[0]}
    return {NETWORK: models[-1], LINEAR_MODEL: models[0]}


def _metrics(study: Study, baseline: Baseline, models: Sequence[Trained]) -> dict[str, Any]:
    target, files = study.target, {m.name: f for f, m in _model_files(models).items()}
    validation = 0 if study.validation is None else len(study.validation.table)
    return {
        "chainrule": chainrule.__version__,
        "data": study.train.table.source,
        "data_sha256": fingerprint(study),
        "target": {"name": target.name, "kind": target.kind, "classes": target.classes},
        "rows": {
            "train": len(study.train.table),
            "validation": validation,
            "held_out": len(study.test.table),
        },
        "inputs": study.encoder.names,
        "notes": study.notes,
        "models": [
            {
                "name": baseline.name,
                "epochs": 0,
                "train": baseline.train,
                "held_out": baseline.test,
            },
            *(
                {
                    "name": trained.name,
                    "file": files.get(trained.name),
                    "epochs": len(trained.history),
                    "interrupted": trained.interrupted,
                    "train": trained.train,
                    "held_out": trained.test,
                    **({"starts": trained.starts} if len(trained.starts) > 1 else {}),
                }
                for trained in models
            ),
        ],
    }


def fingerprint(study: Study) -> str:
    """A digest of the numbers that were trained on and held out."""
    found = hashlib.sha256()
    parts = [study.train, study.test, *([study.validation] if study.validation else [])]
    for part in parts:
        found.update(part.x.tobytes())
        found.update(part.y.tobytes())
    return found.hexdigest()


def settings_file(study: Study) -> str:
    """The settings.toml that repeats the run."""
    settings = study.settings
    if settings.optimizer == "sgd":  # as it was found from the data
        settings = replace(settings, learning_rate=settings.learning_rate or study.learning_rate)
    return (
        f"# chainrule {chainrule.__version__}; train again with\n"
        "#   chainrule train --config settings.toml\n" + settings.to_toml()
    )


def _history(models: Sequence[Trained]) -> str:
    """One line for each model and epoch, numbers to their last bit."""
    text = io.StringIO()
    records = [(m.name, record) for m in models for record in m.history]
    columns = list(dict.fromkeys(name for _, record in records for name in record))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", *(columns or ["epoch", "loss"])])
    writer.writerows([name, *(record.get(c, "") for c in columns)] for name, record in records)
    return text.getvalue()


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


__all__ = ["CHECKPOINTS", "REPORT", "check_folder", "fingerprint", "save", "settings_file"]
