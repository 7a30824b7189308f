"""``chainrule train``: what it prints, writes and refuses."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import load_heart, read_text
from chainrule.derivatives import grad
from chainrule.nn import loss_for
from chainrule.report.one_row import one_weight
from chainrule.train import Settings, Study, Trained, prepare, train_models
from tests.cli.conftest import Command

CLASSES = "x,c,y\n" + "".join(f"{i},{'uv'[i % 3 > 0]},{'abc'[i % 3]}\n" for i in range(45))


def test_heart(chainrule: Command, tmp_path: Path) -> None:
    code, out, err = chainrule("train", "heart")
    assert (code, err) == (0, "")
    metrics = json.loads((tmp_path / "chainrule-out" / "heart" / "metrics.json").read_text())
    assert [m["name"] for m in metrics["models"]] == [
        "majority class (no)", "logistic regression", "network 25-16-1",
    ]  # fmt: skip
    for model in metrics["models"]:
        held_out, train = model["held_out"], model["train"]
        expected = (
            f" {model['name']} {held_out['loss']:.4f} {train['loss']:.4f} "
            f"{held_out['accuracy']:.1%} {train['accuracy']:.1%}"
        )
        assert expected.split() in [line.split() for line in out.splitlines()]
    assert "Written to chainrule-out/heart\n" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out  # no colours and no progress in a pipe
    assert "epoch" not in out


def test_the_trace_table_ends_in_the_model_gradient(chainrule: Command) -> None:
    """dL/dw of the last row is the gradient of the whole model at that weight."""
    out = chainrule("train", "heart", "--hidden", "none").out
    study = prepare(load_heart(), Settings("disease", layers=()))
    [model] = train_models(study)
    line = int(re.search(r"line (\d+) of heart.csv: disease = yes", out)[1])
    name = re.search(r", the weight of (\S+)", out)[1]
    row = study.test.table.lines.index(line)
    x, y = study.test.x[row : row + 1], study.test.y[row : row + 1]
    loss = loss_for("binary")
    gradient = grad(lambda kernel, bias: loss(x @ kernel + bias, y))
    kernel, bias = model.model.params["dense"].values()
    expected = gradient(kernel, bias)[study.encoder.names.index(name), 0]
    shown = float(re.search(r"dL/dw +(\S+)", out)[1])
    assert shown == pytest.approx(expected, rel=1e-3)
    # by hand: (p − y) x
    p = 1 / (1 + np.exp(-(x @ kernel + bias)))
    assert expected == pytest.approx(((p - y) * x[:, study.encoder.names.index(name)])[0, 0])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x,y\n" + "".join(f"{i},{'no' if i % 3 else 'yes'}\n" for i in range(30)), "binary"),
        ("x,y\n" + "".join(f"{i},{'yes' if i == 4 else 'no'}\n" for i in range(30)), "binary"),
        (CLASSES.replace(",c", "", 1).replace(",u", "").replace(",v", ""), "multiclass"),
        ("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(30)), "numeric"),
    ],
)
def test_one_weight_of_every_kind_of_model(text: str, kind: str) -> None:
    study = prepare(read_text(text), Settings("y", layers=(), epochs=3))
    assert study.target.kind == kind
    [model] = train_models(study)
    row = one_weight(study, model)
    i = study.test.table.lines.index(row.line)
    x, y = study.test.x[i : i + 1], study.test.y[i : i + 1]
    loss = loss_for(kind)
    kernel, bias = model.model.params["dense"].values()
    whole = grad(lambda kernel: loss(x @ kernel + bias, y))(kernel)
    output = int(np.argmax(y)) if kind == "multiclass" else 0
    by_w = grad(row.loss)(*row.arguments.values())
    assert by_w == pytest.approx(whole[0, output], rel=1e-9)
    by_hand = float(loss(x @ kernel + bias, y))
    assert float(row.loss(**row.arguments)) == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize(
    ("target", "models"),
    [
        ("y", ["majority class (c)", "softmax regression", "network 3-4-3"]),
        ("x", ["training mean", "linear regression", "network 5-4-1"]),
        ("c", ["majority class (v)", "logistic regression", "network 4-4-1"]),
    ],
)
def test_any_table(chainrule: Command, tmp_path: Path, target: str, models: list[str]) -> None:
    (tmp_path / "my data.csv").write_text(CLASSES)
    ran = chainrule("train", "my data.csv", "--target", target, "--hidden", 4, "--epochs", 3)
    assert (ran.code, ran.err) == (0, "")
    metrics = json.loads((tmp_path / "chainrule-out" / "my data" / "metrics.json").read_text())
    assert [m["name"] for m in metrics["models"]] == models
    assert all(name in ran.out for name in models)
    assert max(map(len, ran.out.splitlines())) <= 80


def test_quiet_prints_the_folder_alone(chainrule: Command, tmp_path: Path) -> None:
    ran = chainrule("train", "heart", "-q", "--epochs", 1, "--out", tmp_path / "here")
    assert ran == (0, f"{tmp_path}/here\n", "")
    assert (tmp_path / "here" / "settings.toml").exists()


def test_text_in_brackets_is_text(chainrule: Command, tmp_path: Path) -> None:
    """Rich would take [bold] for a style and fall over [/red]."""
    rows = "".join(f"{i},{'[b]' if i % 2 else '[/c]'}\n" for i in range(30))
    (tmp_path / "t.csv").write_text(f"[bold]x,y [/red]\n{rows}")
    ran = chainrule("train", "t.csv", "-t", "y [/red]", "--epochs", 1)
    assert ran.code == 0
    assert "y [/red] ([/c]: 15, [b]: 15)" in ran.out
    assert "majority class ([/c])" in ran.out
    assert "the weight of [bold]x" in ran.out


def test_without_a_target_the_columns_are_listed(chainrule: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b c\n1,2\n")
    assert chainrule("train", "t.csv") == (
        2,
        "",
        "error: which column is to be predicted?\n"
        "  received: t.csv with the columns a, b c\n"
        '  remedy:   name one: chainrule train t.csv --target "b c"\n',
    )


def test_a_bundled_name_misspelt(chainrule: Command) -> None:
    assert chainrule("train", "haert") == (
        2,
        "",
        "error: haert is neither a file nor a bundled data set\n"
        "  received: bundled: heart, digits5k, moons, circles, xor, spirals, blobs\n"
        "  remedy:   did you mean 'heart'?\n",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hidden", "16,x"], "hidden layers are whole numbers of units"),
        (["--target", "dizease"], "did you mean 'disease'?"),
        (
            ["--learning-rate", "1e6", "--hidden", "none"],
            "(command line: --learning-rate, --clip-norm)",
        ),
        (["--test-size", "1"], "the fraction of the rows to hold out"),
        (["--numeric", "sex"], "column 'sex' should be numeric"),
        (["--drop", "agee"], "did you mean 'age'?"),
        (["--out", "/dev/null/x"], "/dev/null, which is a file"),
    ],
)
def test_a_refusal_is_a_message_and_leaves_nothing(
    chainrule: Command, tmp_path: Path, options: list[str], message: str
) -> None:
    ran = chainrule("train", "heart", *options)
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert message in ran.err
    assert "  remedy:   " in ran.err
    assert "Traceback" not in ran.err
    assert "typer" not in ran.err  # whose line called the command is nobody's business
    assert os.listdir(tmp_path) == []


def test_control_c_before_the_training(
    chainrule: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.cli.run.prepare", interrupted)
    assert chainrule("train", "heart") == (130, "", "Interrupted; nothing was written.\n")
    assert os.listdir(tmp_path) == []


def test_control_c_keeps_what_was_reached(
    chainrule: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stop(name: str, record: dict[str, float]) -> None:
        if record["epoch"] == 7:
            raise KeyboardInterrupt

    def interrupting(study: Study, *others: object) -> Iterator[Trained]:
        return train_models(study, stop)

    monkeypatch.setattr("chainrule.cli.run.train_models", interrupting)
    ran = chainrule("train", "heart")
    assert ran.code == 130
    assert ran.err == (
        "Interrupted in epoch 8 of the logistic regression; what it had reached is written, "
        "and --resume goes on.\n"
    )
    assert "logistic regression (interrupted)" in " ".join(ran.out.split())
    folder = tmp_path / "chainrule-out" / "heart"
    models = json.loads((folder / "metrics.json").read_text())["models"]
    assert [(m["epochs"], m.get("interrupted")) for m in models] == [(0, None), (7, True)]
    assert not (folder / "linear.safetensors").exists()
