"""``chainrule figures`` from the command line."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from chainrule.plot import FIGURES
from tests.cli.conftest import Command


def test_the_list_names_every_figure_under_its_theme(chainrule: Command) -> None:
    code, out, _ = chainrule("figures", "--list")
    assert code == 0
    names = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert names == list(FIGURES)
    assert f"{len(FIGURES)} figures, about " in out


def test_it_writes_the_figures_that_are_named(chainrule: Command, tmp_path: Path) -> None:
    code, out, _ = chainrule("figures", "rate_regimes", "--out", "new/one", "--format", "svg")
    assert (code, out.split()[0]) == (0, "new/one/rate_regimes.svg")
    assert (tmp_path / "new/one/rate_regimes.svg").read_bytes().startswith(b"<?xml")


def test_an_unknown_name_is_refused_before_anything_is_drawn(
    chainrule: Command, tmp_path: Path
) -> None:
    code, _, err = chainrule("figures", "rate_regimes", "batchgrowth")
    assert code == 2
    assert "there is no figure 'batchgrowth'" in err
    assert "did you mean batch_growth? chainrule figures --list" in err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(chainrule: Command, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    code, _, err = chainrule("figures", "rate_regimes", "--out", "taken")
    assert code == 2
    assert "the folder for the figures cannot be made" in err


def test_without_matplotlib_the_extra_is_named(
    chainrule: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    code, _, err = chainrule("figures", "rate_regimes")
    assert code == 2
    assert "figures are drawn by matplotlib" in err
    assert "pip install 'chainrule[plot]'" in err
