"""The command as a whole: its help, its names, and what it looks like on a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule as cr
from tests.cli.conftest import ENVIRONMENT, Command


def test_version(chainrule: Command) -> None:
    assert chainrule("--version") == (0, f"chainrule {cr.__version__}\n", "")


def test_help_names_the_commands_and_the_first_step(chainrule: Command) -> None:
    out = chainrule("--help").out
    assert "Usage: chainrule [OPTIONS] COMMAND" in out
    assert "chainrule train heart" in out
    assert chainrule().out.split() == out.split()  # without arguments too
    assert "train" in out
    assert max(map(len, out.splitlines())) <= 80


def test_help_of_train_gives_examples_and_every_default(chainrule: Command) -> None:
    out = " ".join(chainrule("train", "-h").out.replace("│", " ").split())
    for part in (
        "Usage: chainrule train",
        "chainrule train houses.csv --target price --layers 32,16 --optimizer adam",
        "Missing is an empty cell, NA, N/A, NaN or ?.",
        "--layers,--hidden UNITS", "[default: 16]", "[default: 100]", "[default: 32]", "sgd 0.1,",
        "[default: 0.25]", "[default: 0.03]", "[default: utf-8]", "Default: chainrule-out/",
    ):  # fmt: skip
        assert part in out


def test_as_a_module_it_is_the_same_command(chainrule: Command) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "chainrule", "--help"],
        capture_output=True, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == chainrule("--help")


def test_the_library_does_not_wait_for_the_command_line() -> None:
    code = "import chainrule, sys; print(sorted({'rich', 'typer', 'csv'} & set(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert ran.stdout == "[]\n"


def test_the_training_library_is_there_when_it_is_asked_for() -> None:
    code = "import chainrule as cr; print(len(cr.data.load_heart()), cr.nn.Dense.__name__)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert (ran.stdout, ran.stderr) == ("270 Dense\n", "")
    with pytest.raises(AttributeError, match="no attribute 'dater'"):
        cr.dater  # noqa: B018


def test_a_pipe_without_greek_letters(tmp_path: Path) -> None:
    env = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(
        [sys.executable, "-m", "chainrule", "train", "heart", "--epochs", "1"],
        capture_output=True, text=True, env=env, cwd=tmp_path,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "?? = w?x" in ran.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a Unix thing")
@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_nothing_is_cut_off(tmp_path: Path, columns: int) -> None:
    import pty

    ours, theirs = pty.openpty()
    env = {**ENVIRONMENT, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-m", "chainrule", "train", "heart", "--epochs", "30"],
        stdout=theirs, stderr=theirs, env=env, cwd=tmp_path,
    )  # fmt: skip
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(parts).decode())
    lines = [line.split("\r")[-1] for line in shown.replace("\r\n", "\n").splitlines()]
    assert max(len(line.rstrip()) for line in lines) <= columns
    assert "…" not in shown
    assert re.search(r"network 25-16-1 +━+ epoch 30/30 loss 0\.\d{4}, held out 0\.\d{4}", shown)
