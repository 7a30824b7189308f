"""Options, TOML files, checkpoints: the same run from each of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chainrule.train.tabular import Settings
from chainrule.train.tabular.settings import read_toml
from tests.cli.conftest import ENVIRONMENT, Command


def test_the_settings_of_a_run_repeat_it(chainrule: Command, tmp_path: Path) -> None:
    options = ("--layers", "8,4", "--activation", "tanh", "--optimizer", "adam", "--schedule",
               "cosine", "--batch-growth", 2, "--growth-every", 2, "--early-stopping", 2,
               "--epochs", 5, "--dropout", 0.1, "--class-weight", "A=2", "--seed", 3)  # fmt: skip
    assert chainrule("train", "moons", *options, "--out", "one", "-q").code == 0
    assert chainrule("train", "--config", "one/settings.toml", "--out", "two", "-q").code == 0
    for name in os.listdir("one"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    settings = read_toml("one/settings.toml")
    assert settings["layers"] == (8, 4)
    assert settings["class_weight"] == {"A": 2.0}


def test_options_win_over_the_file(chainrule: Command) -> None:
    Path("c.toml").write_text('data = "moons"\nepochs = 3\nlayers = [4]\nseed = 1\n')
    assert chainrule("train", "--config", "c.toml", "--epochs", 2, "--out", "o", "-q").code == 0
    metrics = json.loads(Path("o", "metrics.json").read_text())
    assert [m["epochs"] for m in metrics["models"]] == [0, 2, 2]
    assert metrics["models"][-1]["name"] == "network 2-4-1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('optimiser = "adam"', "did you mean 'optimizer'?"),
        ('epochs = "3"', "the setting epochs in c.toml is a whole number"),
        ("layers = [1.5]", "the setting layers in c.toml is a list of whole numbers"),
        ("batch_norm = 1", "is true or false"),
        ("numeric = [3]", "is a list of texts"),
        ('class_weight = { A = "x" }', "or a table of numbers by class"),
        ("epochs = ", "c.toml is not a TOML file"),
        ('activation = "rellu"', "did you mean 'relu'"),
        ("dropout = 1.5", "the setting dropout must be a number from 0 to 0.95"),
        ("epochs = 0", "the setting epochs must be a whole number of 1 or more"),
        (
            "early_stopping = 3\nvalidation_size = 0.0",
            "the setting validation size must be above 0",
        ),
        ("restarts = true", "the setting restarts in c.toml is a whole number"),
    ],
)
def test_a_wrong_key_or_value_is_named(chainrule: Command, text: str, message: str) -> None:
    Path("c.toml").write_text(text + "\n")
    ran = chainrule("train", "moons", "--config", "c.toml")
    assert ran.code == 2
    assert message in ran.err
    assert "  received: " in ran.err
    assert sorted(os.listdir()) == ["c.toml"]


def test_every_setting_survives_the_file(tmp_path: Path) -> None:
    settings = Settings(
        'a "b"\\', "x.csv", "cp1252", "regression", ("a",), ("b", "c"), ("ü",), 0.3, (3, 2), "tanh",
        True, 0.25, "adam", 1e-5, "one-cycle", 0.0, 2.5, 7, 1.5, 3, 9, 4, 0.1, 2, {"é 1": 2.0}, 11,
    )  # fmt: skip
    (tmp_path / "s.toml").write_text(settings.to_toml(), encoding="utf-8")
    assert Settings.from_mapping(read_toml(tmp_path / "s.toml")) == settings


def test_restarts_keep_the_best_start(chainrule: Command) -> None:
    assert chainrule(
        "train", "spirals", "--layers", 4, "--epochs", 3, "--restarts", 3, "--out", "o", "-q"
    ).code == 0  # fmt: skip
    network = json.loads(Path("o", "metrics.json").read_text())["models"][-1]
    assert len(network["starts"]) == 3
    rows = Path("o", "history.csv").read_text().splitlines()
    names = rows[0].split(",")
    losses = [float(r.split(",")[names.index("val_loss")]) for r in rows if r.startswith("network")]
    # Nobody's last loss is below the best of the one that was kept.
    assert min(losses) <= min(start["val_loss"] for start in network["starts"])


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_run_goes_on_to_the_same_weights(
    chainrule: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--layers", "16", "--optimizer", "adam", "--epochs", "60", "--dropout", "0.2")
    assert chainrule("train", "heart", *options, "--out", "whole", "-q").code == 0
    command = [
        sys.executable, "-c",
        "from chainrule.train.tabular import checkpoints as c; c.EVERY = 0.0\n"
        "import sys; sys.argv[0] = 'chainrule'\n"
        "from chainrule.cli import main; main()",
        "train", "heart", *options, "--out", "killed", "-q",
    ]  # fmt: skip
    process = subprocess.Popen(command, env=ENVIRONMENT, cwd=tmp_path)
    network = tmp_path / "killed" / ".checkpoints" / "model-1-start-0" / "checkpoint-before"
    end = time.monotonic() + 60
    while not network.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    assert chainrule("train", "heart", *options, "--out", "killed", "--resume", "-q").code == 0
    for name in os.listdir("whole"):
        assert Path("whole", name).read_bytes() == Path("killed", name).read_bytes()
    assert not Path("killed", ".checkpoints").exists()
