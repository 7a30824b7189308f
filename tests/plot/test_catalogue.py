"""Every figure: found by its name, documented, drawn where it is told, without a trace outside."""

from __future__ import annotations

import inspect
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import chainrule as cr
from chainrule.errors import ArgumentError
from chainrule.plot import FIGURES

QUICK = [name for name, entry in FIGURES.items() if entry.seconds <= 1]


def settings() -> dict[str, object]:
    """matplotlib's settings, but for the backend, which it finds when it is first asked."""
    return {name: value for name, value in matplotlib.rcParams.items() if name != "backend"}


@pytest.mark.parametrize("name", FIGURES)
def test_it_is_a_function_of_its_own_that_says_what_to_look_at(name: str) -> None:
    draw = getattr(cr.plot, name)
    assert draw is FIGURES[name].draw
    assert name in cr.plot.__all__
    assert "\n\nLook at " in (inspect.getdoc(draw) or "")
    assert "\n\nSource: " in (inspect.getdoc(draw) or "")
    assert FIGURES[name].title.endswith(".")


def test_the_page_of_the_documentation_shows_every_figure_and_what_to_look_at() -> None:
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "figures.md").read_text(encoding="utf-8")
    for name, entry in FIGURES.items():
        image = f"images/figures/{name}.png"
        assert f"### {name}\n\n{entry.title}\n\n![{entry.title}]({image})" in page
        assert f"\n{entry.look}\n" in page, "make pictures"
        assert (docs / image).is_file()


@pytest.mark.parametrize("name", QUICK)
def test_it_draws_on_a_slide_and_leaves_the_settings_alone(name: str) -> None:
    before = settings()
    drawn = cr.plot.figure(name)
    assert settings() == before
    np.testing.assert_allclose(drawn.get_size_inches(), (10.0, 5.6))
    FigureCanvasAgg(drawn).draw()
    whole = drawn.bbox.padded(1)
    ticks = {
        id(label) for ax in drawn.axes for label in (*ax.get_xticklabels(), *ax.get_yticklabels())
    }
    for text in drawn.findobj(Text):
        if text.get_text().strip() and id(text) not in ticks:
            box = text.get_window_extent()
            assert whole.contains(box.x0, box.y0), text
            assert whole.contains(box.x1, box.y1), text
    sizes = [text.get_fontsize() for ax in drawn.axes for text in ax.texts if text.get_text()]
    sizes += [label.get_fontsize() for ax in drawn.axes for label in ax.get_xticklabels()]
    assert min(sizes) >= 11


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_takes_ax_and_the_runs(name: str) -> None:
    first, second = inspect.signature(FIGURES[name].draw).parameters.values()
    assert first.name == "ax"
    assert second.name in ("run", "runs")
    assert first.default is second.default is None


def test_it_draws_on_the_axes_that_it_is_given() -> None:
    figure = Figure()
    axes = figure.subplots(1, 2)
    drawn = cr.plot.rate_regimes(ax=axes)
    assert drawn == list(axes)
    assert all(ax.lines for ax in axes)
    assert drawn.figure is figure
    assert drawn._repr_png_().startswith(b"\x89PNG")


def test_other_axes_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"drawn on 2 matplotlib axes\n  received: 1: Axes"):
        cr.plot.rate_regimes(Figure().subplots())
    with pytest.raises(ArgumentError, match=r"axes in three dimensions\n  received: rectilinear"):
        cr.plot.critical_surfaces(Figure().subplots(2, 3))
    with pytest.raises(ArgumentError, match="unknown figure"):
        cr.plot.figure("rate_regime")


@pytest.mark.parametrize("format", ["png", "svg", "pdf"])
def test_a_file_of_each_kind(format: str, tmp_path: Path) -> None:
    before = settings()
    path = cr.plot.save("rate_regimes", tmp_path / "new", format)
    beginning = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[format]
    assert path.read_bytes().startswith(beginning)
    assert settings() == before
    again = cr.plot.save("rate_regimes", tmp_path, format)
    assert again.read_bytes() == path.read_bytes()
