"""What is written: readable by others, the same for the same settings, whole or not at all."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.data import load_heart
from chainrule.errors import ArgumentError
from chainrule.train import Settings, prepare, train_models
from chainrule.train.tabular import TableModel, baseline
from chainrule.train.tabular.results import save
from chainrule.train.tabular.settings import read_toml


def write(folder: Path, **options: Any) -> tuple[Any, Any]:
    study = prepare(load_heart(), Settings("disease", epochs=2, **options))
    models = list(train_models(study))
    save(study, baseline(study), models, folder)
    return study, models


def test_the_files_hold_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    study, (logistic, network) = write(folder)
    assert sorted(os.listdir(folder)) == [
        "held_out.csv", "history.csv", "linear.safetensors", "metrics.json", "model.safetensors",
        "settings.toml",
    ]  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    assert metrics["rows"] == {"train": 202, "validation": 0, "held_out": 68}
    assert [m["name"] for m in metrics["models"]][1:] == [logistic.name, network.name]
    assert metrics["models"][1]["held_out"] == logistic.test
    with (folder / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(r["model"], r["epoch"]) for r in rows] == [
        (m.name, str(e)) for m in (logistic, network) for e in (1, 2)
    ]
    assert float(rows[-1]["val_loss"]) == pytest.approx(network.test["loss"], rel=1e-12)
    # The file alone gives the probabilities again.
    model = TableModel.load(folder)
    age = next(c for c in model.encoder.inputs if c.name == "age")
    first = study.test.table.take([0])
    assert (float(first.column("age")[0]) - age.mean) / age.std == study.test.x[0, 0]
    first, last = (model.model.params[name] for name in ("dense", "dense_1"))
    hidden = np.maximum(study.test.x @ first["kernel"] + first["bias"], 0)
    logits = hidden @ last["kernel"] + last["bias"]
    p = model.probabilities(study.test.table)[:, 1]
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-logits[:, 0])), rtol=1e-12)
    assert np.mean((logits > 0) == (study.test.y > 0.5)) == network.test["accuracy"]


def test_the_settings_make_the_same_model_again(tmp_path: Path) -> None:
    options = {"optimizer": "adam", "batch_norm": True, "dropout": 0.1, "schedule": "cosine",
               "early_stopping": 3, "restarts": 2, "class_weight": {"yes": 2.0}}  # fmt: skip
    write(tmp_path / "one", **options)
    again = Settings.from_mapping(read_toml(tmp_path / "one" / "settings.toml"))
    study = prepare(load_heart(), again)
    save(study, baseline(study), list(train_models(study)), tmp_path / "two")
    for name in os.listdir(tmp_path / "one"):
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two


def test_the_same_settings_write_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "1")
    write(tmp_path / "2")
    for name in os.listdir(tmp_path / "1"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_weights_of_an_earlier_run_do_not_stay(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "mine.txt").write_text("kept")
    write(tmp_path, layers=())
    assert not (tmp_path / "linear.safetensors").exists()
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_a_failure_leaves_the_earlier_files_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    plain, written = Path.write_bytes, []

    def fails_later(path: Path, content: bytes) -> int:
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return plain(path, content)

    monkeypatch.setattr(Path, "write_bytes", fails_later)
    with pytest.raises(ArgumentError) as caught:
        write(tmp_path, seed=1)
    assert str(caught.value) == (
        f"the results cannot be written to {tmp_path}\n"
        "  received: No space left on device\n"
        "  remedy:   make room there, or choose another folder (command line: --out)"
    )
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError) as caught:
        write(tmp_path / "file" / "results")
    assert str(caught.value) == (
        f"the results cannot be written to {tmp_path}/file/results\n"
        f"  received: {tmp_path}/file, which is a file\n"
        "  remedy:   choose another folder (command line: --out)"
    )
