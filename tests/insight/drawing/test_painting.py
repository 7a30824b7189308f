"""PNG and PDF: of the right size, with the widths that were measured; what is missing is named."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chainrule.errors import ArgumentError, MissingExtraError
from chainrule.insight.drawing.measure import text_width, wrapped
from chainrule.insight.drawing.palette import DARK, LIGHT
from tests.insight.drawing import graphs


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_a_png_has_the_size_and_the_paper_of_the_drawing(theme: str, tmp_path: Path) -> None:
    from PIL import Image

    drawing = graphs.logistic().draw(theme=theme)  # type: ignore[arg-type]
    with Image.open(drawing.save(tmp_path / "loss.png", dpi=48)) as picture:
        width, height = picture.size
        assert (width, height) == (int(drawing.scene.width / 2), int(drawing.scene.height / 2))
        paper = (DARK if theme == "dark" else LIGHT)["paper"]
        colour = tuple(int(paper[i : i + 2], 16) for i in (1, 3, 5))
        assert picture.convert("RGB").getpixel((10, height // 2)) == colour


def test_a_drawing_of_any_length_becomes_a_picture(tmp_path: Path) -> None:
    from PIL import Image

    drawing = graphs.chain(4).draw()
    scene = replace(drawing.scene, width=40.0, height=200_000.0)  # 400,000 pixels at 192 dpi
    with Image.open(type(drawing)(scene).save(tmp_path / "long.png")) as picture:
        assert picture.size[1] < 65_536


def test_a_pdf_has_one_page_of_the_size_of_the_drawing(tmp_path: Path) -> None:
    drawing = graphs.logistic().draw()
    data = drawing.save(tmp_path / "loss.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    [box] = re.findall(rb"/MediaBox \[ ?([0-9. ]+)\]", data)
    _, _, width, height = map(float, box.split())
    assert width == pytest.approx(drawing.scene.width * 0.75, abs=0.01)  # 96 px and 72 points
    assert height == pytest.approx(drawing.scene.height * 0.75, abs=0.01)
    assert b"/FontFile2" in data  # letters stay letters


def test_hostile_names_are_painted(tmp_path: Path) -> None:
    assert graphs.hostile().draw().save(tmp_path / "a.png", dpi=30).stat().st_size > 1000


def test_widths_are_those_of_the_font() -> None:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    for text in ("dL/dξ₅ = −1.00012", "params['kernel'] @ h", "‖dL/dW‖ = 0.31", "WAVE fil[x]"):
        font = FontProperties(family="DejaVu Sans")  # type: ignore[no-untyped-call]
        path = TextPath((0, 0), text, size=100, prop=font)
        true = float(np.ptp(path.vertices[:, 0]))  # from the first stroke to the last
        assert true - 5 <= text_width(text, 100.0) <= true + 25


def test_lines_are_broken_and_never_cut() -> None:
    for text in ("a" * 90, "params['encoder']['kernel']", "ξ₁ = where(x > 0.0001234, a.b, exp(c))"):
        lines = wrapped(text, 12.0, 80.0)
        assert all(text_width(line, 12.0) <= 80.0 for line in lines)
        assert "".join("".join(lines).split()) == "".join(text.split())
    assert "0.0001234," in wrapped("where(x > 0.0001234, y)", 12.0, 80.0)  # no break in a number
    assert wrapped("", 12.0, 80.0) == [""]


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="a drawing is saved as SVG, PNG or PDF") as error:
        graphs.logistic().draw().save(tmp_path / "loss.jpg")
    assert "test_painting.py" in str(error.value)


def test_without_matplotlib_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    drawing = graphs.logistic().draw()
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[plot\]'"):
        drawing.save(tmp_path / "loss.png")
    assert drawing.save(tmp_path / "loss.svg").exists()
