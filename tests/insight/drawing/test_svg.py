"""The SVG is well formed, stands by itself, and has the colours of its theme."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from chainrule.errors import ArgumentError
from chainrule.insight.drawing.palette import DARK, LEVELS, LIGHT, luminance, scale
from chainrule.insight.drawing.shapes import Words
from tests.insight.drawing import graphs

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
@pytest.mark.parametrize("name", graphs.ALL)
def test_it_is_well_formed_and_says_every_word(name: str, theme: str) -> None:
    drawing = graphs.ALL[name]().draw(theme=theme)  # type: ignore[arg-type]
    root = ElementTree.fromstring(drawing.svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    words = [s.text for s in drawing.scene.shapes if isinstance(s, Words)]
    assert [e.text for e in root.iter(f"{SVG}text")] == [w.replace("\x07", "\\x07") for w in words]


def test_hostile_names_stay_text() -> None:
    text = graphs.hostile().draw().svg
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert "\x07" not in text


def test_it_needs_nothing_from_elsewhere() -> None:
    text = graphs.logistic().draw().svg
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in text
    assert " id=" not in text  # two drawings on one page would share it


def test_rules_of_style_reach_no_other_element() -> None:
    style = re.search(r"<style>(.*)</style>", graphs.logistic().draw().svg)
    assert style
    rules = style[1].removeprefix("@media (prefers-color-scheme:dark){").removesuffix("}")
    selectors = re.findall(r"([^{}]+)\{", rules)
    assert selectors
    assert all(s.startswith(".crd .crd-") for s in selectors)


def test_themes() -> None:
    graph = graphs.logistic()
    light, dark = graph.draw(theme="light").svg, graph.draw(theme="dark").svg
    assert "<style>" not in light + dark
    assert f'fill="{LIGHT["paper"]}"' in light
    assert f'fill="{DARK["paper"]}"' in dark
    with pytest.raises(ArgumentError, match="a drawing has no theme 'blue'"):
        graph.draw(theme="blue")  # type: ignore[arg-type]


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, success criterion 1.4.3: from 1 to 21."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_words_are_readable_on_every_colour(palette: dict[str, str]) -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21.0)
    for key in [*map(str, range(LEVELS)), "zero", "none", "bad"]:
        assert contrast(palette[f"level-{key}"], palette[f"on-{key}"]) > 4.5
    for ink in ("ink", "muted"):
        assert contrast(palette["paper"], palette[ink]) > 4.5
        assert contrast(palette["box"], palette[ink]) > 4.5
    for mark in ("accent", "edge"):
        assert contrast(palette["paper"], palette[mark]) > 3.0  # graphical objects: 1.4.11


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_scale_goes_one_way_in_lightness(palette: dict[str, str]) -> None:
    steps = [luminance(palette[f"level-{k}"]) for k in range(LEVELS)]
    away = [abs(s - luminance(palette["paper"])) for s in steps]
    assert away == sorted(away)


def test_sizes_go_to_steps_by_their_logarithm() -> None:
    s = scale([1e-8, 1e-4, 1.0])
    assert [s.level(x) for x in (1e-8, 1.01e-4, 1.0)] == ["0", "4", "7"]
    assert (s.level(0.0), s.level(None), s.level(float("nan"))) == ("zero", "none", "bad")
    near = scale([1.0, 1.1])  # hardly different: the same colour
    assert near.level(1.0) == near.level(1.1) == "7"
