"""A sketch becomes a scene: texts measured, boxes placed, edges drawn, a heading and a key set."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.insight.drawing.blocks import Block, block, placed
from chainrule.insight.drawing.boxes import GraphShapes, outer
from chainrule.insight.drawing.layout import Layout, Link, Size, layout
from chainrule.insight.drawing.legend import legend
from chainrule.insight.drawing.shapes import Box, Scene, Shape, moved
from chainrule.insight.drawing.sketch import Direction, Line, Moment, Sketch

MARGIN = 18.0
WIDEST = 230.0  # of a line of text in a box
LABEL, LABEL_WIDEST = 11.0, 200.0  # size of the labels of arrows, and their widest line
COMFORTABLE = 1000.0  # a drawing to the right that is wider goes down instead
NARROWEST = 330.0  # of the paper, so that heading and key have room


def compose(sketch: Sketch, direction: Direction = "auto") -> Scene:
    """The scene of a sketch.

    Args:
        sketch: what to draw.
        direction: "right" or "down" for the flow from the inputs to the results; "auto" is right
            where that is no wider than a page.
    """
    return Composer(sketch, direction).scene()


class Composer:
    """The places of a sketch, for one scene or for all moments of an animation.

    Args:
        sketch, direction: see :func:`compose`.
        captions: of the moments, for which room is kept below the heading.
    """

    def __init__(
        self, sketch: Sketch, direction: Direction = "auto", captions: Sequence[str] = ()
    ) -> None:
        self.sketch = sketch
        blocks = [block(item.lines, WIDEST) for item in sketch.items]
        labels = [
            block([Line(text, LABEL) for text in a.lines], LABEL_WIDEST) if a.lines else None
            for a in sketch.arrows
        ]
        self.down = direction == "down"
        self.plan = _plan(sketch, blocks, labels, self.down)
        if direction == "auto" and self.plan.size.along > COMFORTABLE:
            self.down = True
            self.plan = _plan(sketch, blocks, labels, self.down)
        self.graph = GraphShapes(sketch, blocks, labels, self.plan, self.down)
        across, along = self.plan.size
        self.size = (across, along) if self.down else (along, across)
        self.width = max(self.size[0], NARROWEST)
        self.room = max((self.caption(text).height for text in captions), default=0.0)

    def caption(self, text: str) -> Block:
        return block([Line(text, 13.0)], self.width)

    def scene(self, moment: Moment | None = None) -> Scene:
        """The whole drawing, or what is there of it at a moment."""
        sketch = self.sketch
        heading = [Line(sketch.title, 15.0, bold=True)]
        heading += [Line(text, 12.0, muted=True) for text in sketch.caption]
        shapes, y = self.text(heading, MARGIN - 4)
        if moment is not None:
            shapes += self.text([Line(moment.caption, 13.0)], y + 6)[0]
            y += 6 + self.room
        y += 14.0
        left = MARGIN + (self.width - self.size[0]) / 2
        shapes += [moved(s, left, y) for s in self.graph.shapes(moment)]
        key, y = legend(sketch, MARGIN, self.width, y + self.size[1] + 18.0)
        notes, y = self.text([Line(text, 11.5, muted=True) for text in sketch.notes], y)
        width, height = self.width + 2 * MARGIN, y + MARGIN - 6
        paper = Box(0.5, 0.5, width - 1, height - 1, "paper", "frame", 1.0, 8.0)
        return Scene((paper, *shapes, *key, *notes), width, height, sketch.title)

    def text(self, lines: Sequence[Line], y: float) -> tuple[list[Shape], float]:
        """Lines at the left margin, broken at the width of the paper, and where they end."""
        found = block(lines, self.width)
        shapes: list[Shape] = [
            w for _, w in placed(found.lines, MARGIN, y, "ink", "muted", "start")
        ]
        return shapes, y + found.height


def _plan(
    sketch: Sketch, blocks: Sequence[Block], labels: Sequence[Block | None], down: bool
) -> Layout:
    def size(width: float, height: float) -> Size:
        return Size(width, height) if down else Size(height, width)

    return layout(
        [size(*outer(item, b)) for item, b in zip(sketch.items, blocks, strict=True)],
        [
            Link(a.tail, a.head, None if b is None else size(b.width + 8, b.height + 2))
            for a, b in zip(sketch.arrows, labels, strict=True)
        ],
    )
