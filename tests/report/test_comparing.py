"""Runs beside each other, from their folders."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import load_heart
from chainrule.errors import ArgumentError
from chainrule.report.comparing import behind, comparison, differing
from chainrule.report.runs import read_runs
from chainrule.report.work import Work
from chainrule.train.tabular.results import save
from tests.report.conftest import run
from tests.report.test_page import check


def written(work: Work, folder: Path) -> Path:
    save(work.study, work.baseline, work.models, folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, heart: Work) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("runs")
    more = {
        "wide": {"layers": (32, 8), "optimizer": "adam", "early_stopping": 5},
        "seed": {"seed": 1},
    }
    made = {"plain": written(heart, place / "plain")}
    for name, settings in more.items():
        work = run(load_heart(), "heart", target="disease", data="heart", epochs=30, **settings)
        made[name] = written(work, place / name)
    return made


def correct(folder: Path, model: int) -> np.ndarray:
    """Of each held-out row, whether the model is right, from the file."""
    with (folder / "held_out.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = list(dict.fromkeys(row["model"] for row in rows))
    return np.array(
        [r["truth"] == r["predicted"] for r in rows if r["model"] == names[model]], float
    )


def test_a_folder_gives_the_run_again(folders: dict[str, Path], heart: Work) -> None:
    [found] = read_runs([folders["plain"]])
    for name, rows in heart.predictions.items():
        again = found.predictions[name]
        for part in ("truth", "found", "probability", "loss"):
            assert np.array_equal(getattr(rows, part), getattr(again, part)), part
    assert found.history == {m.name: m.history for m in heart.models}
    assert found.lines == heart.study.test.table.lines
    for trained in heart.models:
        rows = found.predictions[trained.name]
        assert rows.loss.mean() == pytest.approx(trained.test["loss"], rel=1e-12)
        assert np.mean(rows.truth == rows.found) == trained.test["accuracy"]


def test_pairs_of_rows(folders: dict[str, Path]) -> None:
    plain, wide, seed = read_runs([folders[n] for n in ("plain", "wide", "seed")])
    one, other = correct(folders["plain"], 1), correct(folders["wide"], 1)
    assert plain.same_rows(wide)
    gap = behind(plain, wide, wide.main)
    difference = one - other
    assert gap.value == pytest.approx(difference.mean())
    assert gap.error == pytest.approx(difference.std(ddof=1) / np.sqrt(68))
    assert not plain.same_rows(seed)
    third = correct(folders["seed"], 1)
    gap = behind(plain, seed, seed.main)
    assert gap.value == pytest.approx(one.mean() - third.mean())
    assert gap.error == pytest.approx(np.sqrt((one.var(ddof=1) + third.var(ddof=1)) / 68))


def test_other_truths_are_other_rows(folders: dict[str, Path], tmp_path: Path) -> None:
    """The same lines of a file of the same name, with another content."""
    other = tmp_path / "other"
    shutil.copytree(folders["plain"], other)
    lines = (other / "held_out.csv").read_text().splitlines()
    flipped = {"no": "yes", "yes": "no"}
    for k in range(1, len(lines)):
        model, line, truth, *rest = lines[k].split(",")
        lines[k] = ",".join([model, line, flipped[truth], *rest])
    (other / "held_out.csv").write_text("\n".join(lines) + "\n")
    plain, changed = read_runs([folders["plain"], other])
    assert plain.lines == changed.lines
    assert not plain.same_rows(changed)


def test_the_page(folders: dict[str, Path]) -> None:
    runs = read_runs(list(folders.values()))
    assert differing(runs) == ["layers", "optimizer", "learning_rate", "seed", "early_stopping"]
    found = check(comparison(runs))
    settings = {row[0]: row[1:] for row in found.table("setting", "plain")}
    assert settings["layers"] == ["16", "32, 8", "16"]
    assert settings["early_stopping"] == ["not set", "5", "not set"]
    rows = found.table("run", "model", "loss", "accuracy", "AUC")
    assert len(rows) == 6
    for row, (name, model) in zip(
        rows, [(n, m) for n in folders for m in (0, 1)], strict=True
    ):  # fmt: skip
        right = correct(folders[name], model)
        error = right.std(ddof=1) / np.sqrt(68)
        assert row[0] == name
        assert row[3] == f"{right.mean():.1%} ± {error:.1%}"
    assert [row[-1] for row in rows].count("the best") == 1
    best = next(row for row in rows if row[-1] == "the best")
    networks = [row for row in rows if row[1].startswith("network")]
    assert max(networks, key=lambda row: float(row[3].split("%")[0])) == best
    assert f"{best[0]} does best: accuracy {best[3]}" in found.words


def test_seeds_alone(folders: dict[str, Path]) -> None:
    runs = read_runs([folders["plain"], folders["seed"]])
    shares = [correct(folders[n], 1).mean() for n in ("plain", "seed")]
    text = f"accuracy {np.mean(shares):.1%} ± {np.std(shares, ddof=1):.1%}, mean and standard"
    assert text in check(comparison(runs)).words


def test_numbers(houses: Work, tmp_path: Path) -> None:
    other = run(
        houses.study.train.table, "houses.csv", target="price", data="houses.csv", epochs=3,
        layers=(),
    )  # fmt: skip
    runs = read_runs([written(houses, tmp_path / "a"), written(other, tmp_path / "b")])
    found = check(comparison(runs))
    rows = {(r[0], r[1]): r for r in found.table("run", "model", "RMSE")}
    assert len(rows) == 3
    errors = runs[0].predictions[runs[0].main]
    rmse = np.sqrt(np.mean((errors.truth - errors.found) ** 2))
    assert float(rows["a", runs[0].main][2].split()[0]) == pytest.approx(rmse, rel=0.02)
    assert found.table("run", "error up to")


def test_what_is_refused(folders: dict[str, Path], houses: Work, tmp_path: Path) -> None:
    price = written(houses, tmp_path / "price")
    with pytest.raises(ArgumentError) as caught:
        read_runs([folders["plain"], price])
    assert str(caught.value) == (
        "the runs predict different things, so their scores cannot be compared\n"
        f"  received: {folders['plain']}: disease (no, yes); {price}: price (a number)\n"
        "  remedy:   give runs with the same target"
    )
    with pytest.raises(ArgumentError, match="a run is given twice"):
        read_runs([price, price])
    with pytest.raises(ArgumentError) as caught:
        read_runs([tmp_path / "nowhere"])
    assert str(caught.value) == (
        f"{tmp_path}/nowhere is not the folder of a whole run\n"
        f"  received: No such file or directory: {tmp_path}/nowhere/settings.toml\n"
        "  remedy:   name a folder that chainrule train has written, such as chainrule-out/heart"
    )
    broken = tmp_path / "broken"
    shutil.copytree(price, broken)
    metrics = json.loads((broken / "metrics.json").read_text())
    del metrics["target"]
    (broken / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(ArgumentError, match="a file in it that cannot be read: KeyError"):
        read_runs([broken])


def test_folders_of_the_same_name_are_told_apart(
    folders: dict[str, Path], tmp_path: Path
) -> None:  # fmt: skip
    again = tmp_path / "plain"
    shutil.copytree(folders["plain"], again)
    names = [r.name for r in read_runs([folders["plain"], again])]
    assert names == [f"{folders['plain'].parent.name}/plain", f"{tmp_path.name}/plain"]
    assert "None: these runs have the same settings." in comparison(
        read_runs([folders["plain"], again])
    )
