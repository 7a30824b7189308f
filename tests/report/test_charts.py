"""Charts: well-formed, inside of their pictures, and where the numbers say."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.report import charts
from chainrule.report.markup import tag

SVG = "{http://www.w3.org/2000/svg}"
NUMBERS = st.floats(-1e9, 1e9, allow_nan=False, allow_subnormal=False)


def parsed(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label")
    _, _, width, height = map(float, root.get("viewBox").split())
    for element in root.iter():
        x = [float(v) for k in ("x", "cx") if (v := element.get(k))]
        y = [float(v) for k in ("y", "cy") if (v := element.get(k))]
        assert all(-1 <= v <= width + 1 for v in x), (element.tag, element.attrib)
        assert all(-1 <= v <= height + 1 for v in y), (element.tag, element.attrib)
    return root


@given(st.lists(NUMBERS, min_size=1, max_size=5), st.booleans())
def test_a_linear_scale_holds_its_values(values: list[float], zero: bool) -> None:
    scale = charts.linear(values, zero=zero)
    assert all(-1e-9 <= scale(v) <= 1 + 1e-9 for v in values)
    assert 2 <= len(scale.ticks) <= 8
    assert list(scale.ticks) == sorted(set(scale.ticks))
    ends = (scale.ticks[0], scale.ticks[-1])
    assert ends == pytest.approx((scale.low, scale.high), abs=1e-9 * (scale.high - scale.low))
    if zero:
        assert 0.0 in scale.ticks
    for tick, label in zip(scale.ticks, scale.labels, strict=True):
        step = scale.ticks[1] - scale.ticks[0]
        assert float(label.replace(",", "")) == pytest.approx(tick, abs=step / 10, rel=1e-3)


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=5))
def test_a_logarithmic_scale_holds_its_values(values: list[float]) -> None:
    scale = charts.logarithmic(values)
    assert all(-1e-9 <= scale(v) <= 1 + 1e-9 for v in values)
    assert 2 <= len(scale.ticks) <= 12
    assert scale((scale.low * scale.high) ** 0.5) == pytest.approx(0.5)


@given(st.integers(0, 50), st.integers(0, 5000))
def test_ticks_of_epochs_are_whole(low: int, more: int) -> None:
    scale = charts.whole(low, low + more)
    assert 1 <= len(scale.ticks) <= 12
    assert all(t == int(t) and low <= t <= low + more for t in scale.ticks)


def test_a_line_goes_through_its_points() -> None:
    x, y = [0.0, 1.0, 2.0, 4.0], [0.0, 1.0, float("nan"), 0.5]
    svg = charts.plot(
        "t", [charts.Line("a", x, y)], charts.linear(x), charts.linear([0, 1]), "x", "y"
    )
    [path] = [e for e in parsed(svg).iter(f"{SVG}path") if e.get("class") == "line"]
    parts = re.findall(r"([ML])([\d.]+) ([\d.]+)", path.get("d"))
    assert [p[0] for p in parts] == ["M", "L", "M"]  # broken where there is no value
    (x0, y0), (x1, y1), (x2, y2) = ((float(a), float(b)) for _, a, b in parts)
    assert (x2 - x0) == pytest.approx(4 * (x1 - x0), abs=0.3)
    assert y1 < y2 < y0  # upwards is more
    assert (y0 - y2) == pytest.approx(0.5 * (y0 - y1), abs=0.2)


def test_bars_are_as_long_as_their_values() -> None:
    svg = charts.bars("t", ["a", "b"], [("u", [1.0, 2.0]), ("v", [3.0, 2.0])], "rows")
    widths = [float(e.get("width")) for e in parsed(svg).iter(f"{SVG}rect") if len(e)]
    assert widths[1] == pytest.approx(3 * widths[0], abs=0.2)
    assert widths[2] == pytest.approx(2 * widths[0], abs=0.2)
    assert widths[0] + widths[1] == pytest.approx(widths[2] + widths[3], abs=0.2)


def test_histogram_and_heat_are_inside() -> None:
    parsed(charts.histogram("t", [0.0, 1.0, 2.0], [("a", [3, 0]), ("b", [1, 2])], "x", "rows"))
    names = [f"a rather long name {k}" for k in range(12)]
    shades = [[float(i == j) for j in range(12)] for i in range(12)]
    root = parsed(charts.heat("t", names, names, shades, [["1"] * 12] * 12, "true", "predicted"))
    full = [e for e in root.iter(f"{SVG}rect") if e.get("fill-opacity") == "1.000"]
    assert len(full) == 12


def test_points_with_intervals_and_a_mark() -> None:
    points = charts.Points("p", [0.2, 0.8], [0.1, 1.0], bars=[(0, 0.4), (0.7, 1)], weights=[1, 4])
    unit = charts.linear([0, 1])
    root = parsed(charts.plot(
        "t", [points], unit, unit, "x", "y", marks=[charts.Mark(1.0, 1.0, "a long word here")],
        square=True,
    ))  # fmt: skip
    radii = [float(e.get("r")) for e in root.iter(f"{SVG}circle")]
    assert radii[1] == 2 * radii[0]  # areas are as 1 to 4


def test_all_text_is_escaped() -> None:
    bad = "</text><script>&\"'"
    svg = charts.bars(bad, [bad], [(bad, [1.0]), ("b", [1.0])], bad)
    root = parsed(svg)
    assert root.get("aria-label") == bad
    assert not list(root.iter(f"{SVG}script"))
    assert tag("p", bad) == "<p>&lt;/text&gt;&lt;script&gt;&amp;\"'</p>"
