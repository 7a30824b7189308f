"""``chainrule evaluate`` and ``chainrule predict``, on what ``chainrule train`` wrote."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from chainrule.data import load_heart
from chainrule.report.measures import confusion
from chainrule.train.tabular import TableModel
from tests.cli.conftest import Command

FAST = ("--epochs", 5, "-q", "--out", "run")


@pytest.fixture
def trained(chainrule: Command, tmp_path: Path) -> Command:
    assert chainrule("train", "heart", *FAST).code == 0
    return chainrule


def test_evaluate_gives_the_held_out_scores_again(trained: Command, tmp_path: Path) -> None:
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    table = load_heart()
    scores = TableModel.load(tmp_path / "run").evaluate(table)
    rows = metrics["rows"]
    total = sum(
        metrics["models"][-1][part]["loss"] * n
        for part, n in (("train", rows["train"]), ("held_out", rows["held_out"]))
    )
    assert scores["loss"] == pytest.approx(total / 270, rel=1e-12)
    out = trained("evaluate", "run", "heart").out
    assert re.search(rf"accuracy +{scores['accuracy']:.1%}", out)
    counts = [int(n) for n in re.findall(r"(?m)^ (?:no|yes) +(\d+) +(\d+)", out) for n in n]
    assert sum(counts) == 270
    assert (counts[0] + counts[3]) / 270 == pytest.approx(scores["accuracy"])
    printed = json.loads(trained("evaluate", "run/model.safetensors", "heart", "--json").out)
    assert printed == {"rows": 270, **scores}


def test_evaluate_tells_of_rows_that_the_model_was_trained_on(
    trained: Command, tmp_path: Path
) -> None:
    note = "note: the model was trained on 202 rows of heart; its scores on the 68 held out are in "
    assert trained("evaluate", "run", "heart").err == f"{note}run/metrics.json\n"
    other = "\n".join(["x1,x2,class", *(f"{k},{-k},{'AB'[k % 2]}" for k in range(20))])
    (tmp_path / "other.csv").write_text(other)
    assert trained("train", "other.csv", "--target", "class", *FAST[:-1], "mine").code == 0
    assert "trained on 15 rows of other.csv" in trained("evaluate", "mine", "other.csv").err
    (tmp_path / "new.csv").write_text(other)
    assert trained("evaluate", "mine", "new.csv").err == ""


def test_predict_writes_a_line_for_each_row(trained: Command, tmp_path: Path) -> None:
    ran = trained("predict", "run", "heart", "--out", "p.csv")
    assert (ran.code, ran.out, ran.err) == (0, "270 rows written to p.csv\n", "")
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert list(rows[0]) == ["disease", "p(no)", "p(yes)"]
    p = np.array([float(r["p(yes)"]) for r in rows])
    # By hand from the arrays of the file.
    model = TableModel.load(tmp_path / "run")
    x = model.encoder.transform(load_heart())
    first, last = (model.model.params[k] for k in ("dense", "dense_1"))
    hidden = np.maximum(x @ first["kernel"] + first["bias"], 0)
    z = (hidden @ last["kernel"] + last["bias"])[:, 0]
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-z)), rtol=1e-10)
    assert [r["disease"] for r in rows] == ["yes" if v > 0 else "no" for v in z]
    assert trained("predict", "run", "heart", "--out", "p.parquet").code == 0
    same = parquet.read_table(tmp_path / "p.parquet").to_pydict()
    assert same["p(yes)"] == p.tolist()
    out = trained("predict", "run", "heart", "--with-inputs").out
    first_row = next(csv.DictReader(io.StringIO(out)))
    assert (first_row["age"], first_row["disease (given)"]) == ("70", "yes")


def test_rows_that_training_had_not(trained: Command, tmp_path: Path) -> None:
    names = load_heart().names[:-1]
    cells = dict(zip(names, (load_heart().column(n)[0] for n in names), strict=True))
    cells |= {"sex": "other", "age": "?"}
    (tmp_path / "new.csv").write_text(",".join(names) + "\n" + ",".join(cells.values()) + "\n")
    ran = trained("predict", "run", "new.csv")
    assert ran.err == "note: sex: 1 row has a category unseen in training\n"
    assert len(ran.out.splitlines()) == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("predict", "run", "short.csv"), "lacks columns that the model was trained on"),
        (("predict", "run", "heart", "--out", "p.xlsx"), "written as CSV or as Parquet"),
        (("predict", "run", "heart", "--out", "run"), "written to a file"),
        (("predict", "nothing", "heart"), "there is no such model file"),
        (("predict", "heart.csv", "heart"), "is not a whole model file"),
        (("evaluate", "run", "none.csv"), "2 of 2 rows without disease"),
        (("evaluate", "run", "haert"), "did you mean 'heart'?"),
    ],
)
def test_refusals(trained: Command, tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    table = load_heart()
    rows = list(zip(*(table.column(n) for n in table.names), strict=True))
    header = ",".join(table.names)
    (tmp_path / "heart.csv").write_text("\n".join([header, *map(",".join, rows)]))
    none = [(*row[:-1], "") for row in rows[:2]]
    (tmp_path / "none.csv").write_text("\n".join([header, *map(",".join, none)]))
    (tmp_path / "short.csv").write_text("age,sex\n3,male\n")
    before = sorted(p.name for p in tmp_path.iterdir())
    ran = trained(*args)
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert message in ran.err
    assert "  remedy:   " in ran.err
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_rows_without_a_target_are_left_out_of_an_evaluation(
    trained: Command, tmp_path: Path
) -> None:
    table = load_heart()
    rows = list(zip(*(table.column(n) for n in table.names), strict=True))
    gap = [",".join((*rows[3][:-1], ""))]
    some = [",".join(table.names), *map(",".join, rows[:3]), *map(",".join, rows[4:9])]
    (tmp_path / "whole.csv").write_text("\n".join(some))
    (tmp_path / "gap.csv").write_text("\n".join([*some, *gap]))
    whole, gaps = (trained("evaluate", "run", f, "--json") for f in ("whole.csv", "gap.csv"))
    assert gaps.out == whole.out
    assert gaps.err == "note: 1 row left out, disease is missing\n"


def test_confusion_counts_pairs() -> None:
    truth, found = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 2, 2])
    assert confusion(truth, found, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


def test_a_model_without_a_table_is_told(chainrule: Command, tmp_path: Path) -> None:
    import chainrule as cr

    cr.Model([cr.nn.Dense(1)]).build((2,)).save(tmp_path / "m.safetensors")
    ran = chainrule("predict", "m.safetensors", "heart")
    assert "holds a model that was not trained on a table" in ran.err
