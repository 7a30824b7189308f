"""The two passes step by step: what is shown when, and one file that plays them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import chainrule as cr
from chainrule.errors import ArgumentError
from chainrule.insight.drawing import Drawing
from chainrule.insight.drawing.animation import LAST, STEP, merged
from chainrule.insight.drawing.shapes import Box, Curve, Shape, Words
from tests.insight.drawing import graphs

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def run() -> Drawing:
    return graphs.logistic().draw(frames=True)


def words(drawing: Drawing) -> list[str]:
    return [s.text for s in drawing.scene.shapes if isinstance(s, Words)]


def test_every_step_of_both_passes_has_a_frame(run: Drawing) -> None:
    graph = graphs.logistic()
    steps = len(graph) - len(graph.inputs)
    assert len(run.frames) == len(run.captions) == 1 + steps + len(graph) + 1
    assert len({(f.scene.width, f.scene.height) for f in run.frames}) == 1


def test_captions_are_the_chain_rule(run: Drawing) -> None:
    p = 1 / (1 + math.exp(-9))
    assert run.captions[0] == "The inputs: W = 3, x = 3, y = 1"
    assert run.captions[5] == f"Forward, step 5 of 13: p = ξ₅ = 1/ξ₄ = {p:.6g}"
    expected = f"dL/dξ₅ = dL/dξ₆·(1/ξ₅) + dL/dξ₉·(−1) = −{1 / p:.6g}"
    assert run.captions[22] == f"Backward, step 9 of 16: {expected}"
    assert run.captions[-2].endswith(f"dL/dW = dL/dξ₁·(−1) = −{3 * (1 - p):.6g}")


def test_nothing_is_shown_before_it_is_known(run: Drawing) -> None:
    first = words(run.frames[0])
    assert "ξ₃ = exp(ξ₂)" in first
    assert "0.00012341" not in first
    assert not any(text.startswith("dL/d") for text in first)
    assert "0.00012341" not in words(run.frames[2])
    assert "0.00012341" in words(run.frames[3])
    assert not any(text.startswith("dL/dξ₅ =") for text in words(run.frames[21]))
    assert any(text.startswith("dL/dξ₅ =") for text in words(run.frames[22]))
    still = [t for t in words(graphs.logistic().draw()) if t not in words(run.frames[-1])]
    assert still == []


def test_tangents_go_along_in_forward_mode() -> None:
    captions = graphs.logistic().draw("forward", "W", frames=True).captions
    assert len(captions) == 1 + 13 + 1
    p = 1 / (1 + math.exp(-9))
    assert captions[5].endswith(f"dξ₅/dW = dξ₄/dW·(−1/ξ₄²) = {3 * p * (1 - p):.6g}")


def test_steps_that_are_not_elementwise() -> None:
    graph = graphs.arrays()
    back = "\n".join(graph.draw(frames=True).captions)
    assert "dL/d params['kernel'] = (g ↦ Xᵀ @ g)(dL/dξ₁)" in back
    assert "dL/d params['bias'] = Σ dL/dξ₂" in back  # over the rows that it was added to
    forth = "\n".join(graph.draw("forward", "params['bias']", frames=True).captions)
    assert "dξ₆/d params['bias'] = ∂ξ₆/∂ξ₅·dξ₅/d params['bias']" in forth
    assert "↦" not in forth  # what is handed back says nothing of tangents


def test_the_animated_file_shows_each_frame_in_its_turn(run: Drawing) -> None:
    root = ElementTree.fromstring(run.svg)
    length = STEP * (len(run.frames) - 1) + LAST
    texts = list(root.iter(f"{SVG}text"))
    for k in (0, 1, 9, 20, len(run.frames) - 1):
        time = (k * STEP + 0.1) / length
        visible = []
        for element in texts:
            animate = element.find(f"{SVG}animate")
            if animate is None:
                visible.append(element.text)
                continue
            assert animate.get("dur") == f"{length:g}s"
            values = str(animate.get("values")).split(";")
            times = [float(t) for t in str(animate.get("keyTimes")).split(";")]
            assert times[0] == 0.0
            now = max(i for i, t in enumerate(times) if t <= time)
            if values[now] == "visible":
                visible.append(element.text)
        assert sorted(map(str, visible)) == sorted(words(run.frames[k]))


def test_readers_that_play_nothing_show_the_last_frame(run: Drawing) -> None:
    root = ElementTree.fromstring(run.svg)
    still = [e.text for e in root.iter(f"{SVG}text") if e.get("visibility") != "hidden"]
    assert sorted(map(str, still)) == sorted(words(run.frames[-1]))


def test_shapes_lie_above_each_other_as_in_every_frame(run: Drawing) -> None:
    scenes = [frame.scene for frame in run.frames]
    order, present = merged(scenes)
    for k, scene in enumerate(scenes):
        there = [shape for shape in order if k in present[shape]]
        assert set(there) == set(scene.shapes)
        place = {shape: i for i, shape in enumerate(there)}
        boxes = [s for s in scene.shapes if isinstance(s, Box)]
        assert sorted(boxes, key=place.__getitem__) == boxes
        for i, shape in enumerate(scene.shapes):
            if _is_edge(shape):  # it lies under all labels and nodes
                above = [s for s in scene.shapes[i:] if isinstance(s, Box)]
                assert all(place[shape] < place[box] for box in above)
    assert len(order) == len(set(order))


def _is_edge(shape: Shape) -> bool:
    return isinstance(shape, Curve) and bool(shape.stroke)


def test_a_folder_gets_a_file_for_each_step(tmp_path: Path) -> None:
    run = cr.trace(lambda x: x * x)(3.0).draw(frames=True)
    folder = run.save(tmp_path / "steps")
    assert sorted(p.name for p in folder.iterdir()) == ["01.svg", "02.svg", "03.svg", "04.svg",
                                                        "05.svg"]  # fmt: skip
    assert "The inputs: x = 3" in (folder / "01.svg").read_text("utf-8")


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_moving_pictures(kind: str, tmp_path: Path) -> None:
    from PIL import Image

    run = cr.trace(lambda x: x * x)(3.0).draw(frames=True)
    with Image.open(run.save(tmp_path / f"run.{kind}", dpi=48)) as picture:
        assert picture.n_frames == 5  # type: ignore[attr-defined]
        assert picture.size == (round(run.scene.width / 2), round(run.scene.height / 2))
        picture.load()
        assert picture.info["duration"] == 1000 * STEP
        assert picture.info["loop"] == 0


def test_other_files_are_refused(run: Drawing, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="SVG, GIF or WebP, or as a folder") as error:
        run.save(tmp_path / "run.mp4")
    assert ".frames[0].save('step.png')" in str(error.value)


def test_the_animation_has_the_colours_of_its_theme() -> None:
    dark = graphs.logistic().draw(frames=True, theme="dark").svg
    assert "<style>" not in dark
    assert re.search(r'<rect [^>]*fill="#0d1117"', dark)
