"""The command that a report prints gives the same settings again."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest

from chainrule.cli import train as command_line
from chainrule.report.sections.repeating import command
from chainrule.train import Settings
from tests.cli.conftest import Command, chainrule  # noqa: F401


@pytest.mark.parametrize(
    "given",
    [
        Settings("disease", "heart"),
        Settings("a b", "my data.csv", layers=(), drop=("x", "y z"), numeric=("n",), seed=3),
        Settings(
            "-t", "it's.csv", layers=(32, 16), batch_norm=True, dropout=0.25, optimizer="adam",
            learning_rate=1e-3, schedule="one-cycle", clip_norm=0.5, batch_growth=2.0,
            early_stopping=7, validation_size=0.125, restarts=2, test_size=0.1, epochs=7,
            class_weight={"yes=no": 2.0, "no": 0.5}, task="classification", encoding="cp1252",
        ),
        Settings("y", "d.parquet", class_weight="balanced", categorical=("-c",), weight_decay=0.0),
    ],
)  # fmt: skip
def test_round_trip(
    given: Settings, chainrule: Command, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    seen: list[Settings] = []

    def run(settings: Settings, *args: Any, **options: Any) -> bool:
        seen.append(settings)
        return False

    import sys

    monkeypatch.setattr(sys.modules["chainrule.cli.train"], "run", run)
    words = shlex.split(command(given))
    assert words[:2] == ["chainrule", "train"]
    ran = chainrule(*words[1:])
    assert ran.err == ""
    assert seen == [given]
    assert callable(command_line)


def test_what_the_command_line_cannot_say() -> None:
    given = Settings("y", "d.csv", class_weight={"a,b": 1.0, "c": 2.0})
    assert command(given) == ""
    assert command(replace(given, data="", class_weight="none")) == ""
