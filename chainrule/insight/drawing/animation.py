"""A run as an animation: one drawing for each step, one animated SVG, GIF or WebP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chainrule.errors import ArgumentError, code_line
from chainrule.graph import user_code
from chainrule.insight.drawing.composing import Composer
from chainrule.insight.drawing.drawing import Drawing, palette_of
from chainrule.insight.drawing.moments import moments
from chainrule.insight.drawing.shapes import Scene, Shape
from chainrule.insight.drawing.sketch import Direction, Sketch
from chainrule.insight.drawing.svg import Theme, svg

STEP, LAST = 1.5, 4.0  # seconds that a step, and the last one, stay


class Animation(Drawing):
    """The forward and the backward pass, step by step; as a whole it plays by itself."""

    def __init__(
        self, sketch: Sketch, direction: Direction = "auto", theme: Theme = "auto"
    ) -> None:
        run = moments(sketch)
        captions = tuple(moment.caption for moment in run)
        composer = Composer(sketch, direction, captions)
        frames = tuple(Drawing(composer.scene(moment), theme) for moment in run)
        super().__init__(frames[-1].scene, theme, frames, captions)

    @property
    def svg(self) -> str:
        """All steps in one SVG that plays by itself; readers that do not play it show the last."""
        scenes = [frame.scene for frame in self.frames]
        shapes, present = merged(scenes)
        last = len(scenes) - 1
        length = STEP * last + LAST

        def extra(shape: Shape) -> tuple[str, str]:
            frames = present[shape]
            if len(frames) == len(scenes):
                return "", ""
            values, times = [], []
            for k in range(len(scenes)):
                visible = k in frames
                if k == 0 or visible != (k - 1 in frames):
                    values.append("visible" if visible else "hidden")
                    times.append(f"{k * STEP / length:.5f}".rstrip("0").rstrip("."))
            hidden = "" if last in frames else ' visibility="hidden"'
            return hidden, (
                '<animate attributeName="visibility" calcMode="discrete" '
                f'dur="{length:g}s" repeatCount="indefinite" '
                f'values="{";".join(values)}" keyTimes="{";".join(times)}"/>'
            )

        first = scenes[0]
        whole = Scene(tuple(shapes), first.width, first.height, first.title)
        return svg(whole, self.theme, extra)

    def save(self, path: str | Path, *, dpi: float = 96.0) -> Path:
        """Write all steps to one animated file, or each to a file of its own in a folder.

        Args:
            path: ends in .svg, .gif or .webp; without an ending it is a folder, which gets
                01.svg, 02.svg, …
            dpi: dots per inch of a GIF or WebP, where a px of the drawing is 1/96 inch.

        Returns:
            The path.

        Raises:
            ArgumentError: another ending.
            MissingExtraError: GIF or WebP without matplotlib.
        """
        path = Path(path)
        kind = path.suffix.lower()
        if kind == ".svg":
            path.write_text(self.svg, "utf-8")
        elif not kind:
            path.mkdir(parents=True, exist_ok=True)
            digits = max(2, len(str(len(self.frames))))
            for number, frame in enumerate(self.frames, 1):
                frame.save(path / f"{number:0{digits}}.svg")
        elif kind in (".gif", ".webp"):
            from chainrule.insight.drawing.painting import save_animation

            seconds = [STEP] * (len(self.frames) - 1) + [LAST]
            scenes = [frame.scene for frame in self.frames]
            save_animation(scenes, seconds, palette_of(self.theme), path, dpi)
        else:
            raise ArgumentError(
                "an animation is saved as SVG, GIF or WebP, or as a folder of SVGs",
                got=str(path),
                line=code_line(*user_code(2)),
                remedy="let the name end in .svg, .gif or .webp, or give a folder without an "
                "ending; one step alone: .frames[0].save('step.png')",
            )
        return path

    def __repr__(self) -> str:
        return f"<animation of {self.scene.title}: {len(self.frames)} steps; .save('name.svg')>"


def merged(scenes: Sequence[Scene]) -> tuple[list[Shape], dict[Shape, set[int]]]:
    """All shapes of several scenes, in an order that suits each, and which scenes have which."""
    order: list[Shape] = []
    present: dict[Shape, set[int]] = {}
    for k, scene in enumerate(scenes):
        place = 0
        for shape in scene.shapes:
            if shape in present:  # perhaps twice in one scene, as where two edges meet
                place = max(place, order.index(shape) + 1)
            else:
                order.insert(place, shape)
                present[shape] = set()
                place += 1
            present[shape].add(k)
    return order, present
