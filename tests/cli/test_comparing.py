"""``chainrule report``, and the report that ``chainrule train`` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command


def test_train_writes_a_report_and_report_compares(chainrule: Command, tmp_path: Path) -> None:
    for name, epochs in (("a", 2), ("b", 6)):
        ran = chainrule("train", "heart", "--epochs", epochs, "--out", name)
        assert ran.err == ""
        assert "report.html, model.safetensors, linear.safetensors" in ran.out
        page = (tmp_path / name / "report.html").read_text("utf-8")
        assert "disease, learned from Statlog (Heart)" in page
        assert "One patient, step by step" in page
        assert f"--epochs {epochs}" in page
    assert chainrule("report", "a", "b", "--out", "sub/both.html") == (
        0, "2 runs compared in sub/both.html\n", "",
    )  # fmt: skip
    page = (tmp_path / "sub" / "both.html").read_text("utf-8")
    assert "disease: 2 runs side by side" in page


def test_the_file_that_a_killed_run_left_is_resumed_with_its_gradients(
    chainrule: Command, tmp_path: Path
) -> None:
    """The page of a run that went on is that of one that was never stopped."""
    from chainrule.train.tabular import checkpoints

    assert chainrule("train", "heart", "--epochs", 8, "--out", "whole").code == 0
    plain = checkpoints.Checkpoints.on_epoch_end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "EVERY", 0.0)
        calls = []

        def interrupted(self: checkpoints.Checkpoints, epoch: int, logs: object = None) -> None:
            plain(self, epoch, logs)  # type: ignore[arg-type]
            calls.append(epoch)
            if len(calls) == 11:  # in the network's training
                raise KeyboardInterrupt

        patch.setattr(checkpoints.Checkpoints, "on_epoch_end", interrupted)
        assert chainrule("train", "heart", "--epochs", 8, "--out", "cut").code == 130
    half = (tmp_path / "cut" / "report.html").read_text("utf-8")
    assert "(interrupted)" in half
    assert chainrule("train", "heart", "--epochs", 8, "--out", "cut", "--resume").code == 0
    pages = [(tmp_path / name / "report.html").read_text("utf-8") for name in ("whole", "cut")]
    assert pages[0] == pages[1]


def test_a_fault_of_the_report_loses_no_model(
    chainrule: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(work: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("chainrule.report.page.page", fails)
    with pytest.raises(ZeroDivisionError):
        chainrule("train", "heart", "--epochs", 1, "--out", "here")
    assert (tmp_path / "here" / "model.safetensors").exists()
    assert not (tmp_path / "here" / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "error: nowhere is not the folder of a whole run\n"),
        (["nowhere", "--out", "x.pdf"], "error: a report is written as HTML\n"),
    ],
)
def test_what_is_refused(chainrule: Command, words: list[str], message: str) -> None:
    ran = chainrule("report", *words)
    assert ran.code == 2
    assert ran.err.startswith(message)
    assert "  remedy:   " in ran.err
