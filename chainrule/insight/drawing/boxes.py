"""The shapes of a graph with places: boxes with their lines, arrows with their labels."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.insight.drawing.blocks import Block, placed
from chainrule.insight.drawing.layout import Layout, Stop
from chainrule.insight.drawing.palette import NONE, ZERO
from chainrule.insight.drawing.shapes import Box, Curve, Point, Shape
from chainrule.insight.drawing.sketch import Item, Moment, Sketch

SIDE, TOP = 11.0, 7.0  # room between the text of a box and its border
PILE = 3.0  # how far the boxes of a group's pile stand apart
HEAD = 7.0  # length of an arrowhead
BEND = 0.55  # where the bends of a curve have their control points


class GraphShapes:
    """The shapes of a graph, from the corner of the paper on.

    Args:
        sketch: what is drawn.
        blocks, labels: the measured texts of its items and arrows.
        plan: the places.
        down: the flow goes down, not right.
    """

    def __init__(
        self,
        sketch: Sketch,
        blocks: Sequence[Block],
        labels: Sequence[Block | None],
        plan: Layout,
        down: bool,
    ) -> None:
        self.sketch, self.blocks, self.labels = sketch, blocks, labels
        self.plan, self.down = plan, down

    def shapes(self, moment: Moment | None = None) -> list[Shape]:
        """All of them, or those that are there at a moment of an animation."""
        found: list[Shape] = []
        for k in range(len(self.sketch.arrows)):
            found += self.arrow(k, moment)
        for k in range(len(self.sketch.arrows)):
            found += self.label(k, moment)
        for k in range(len(self.sketch.items)):
            found += self.item(k, moment)
        return found

    def point(self, across: float, along: float) -> Point:
        return Point(across, along) if self.down else Point(along, across)

    def item(self, number: int, moment: Moment | None) -> list[Shape]:
        item, block = self.sketch.items[number], self.blocks[number]
        centre = self.point(*self.plan.centres[number])
        width, height = block.width + 2 * SIDE, block.height + 2 * TOP
        left, top = centre.x - width / 2, centre.y - height / 2
        level = item.level if _reached(moment, number, self.sketch.coloured) else ""
        fill, ink = (f"level-{level}", f"on-{level}") if level else ("box", "ink")
        marked = moment is not None and number in moment.marked_items
        stroke, line = ("accent", 2.2) if marked else ("border", 1.0)
        radius = min(height / 2, 16.0) if item.kind == "input" else 6.0
        found: list[Shape] = []
        if item.kind == "group":
            left, top = left - PILE, top - PILE
            for step in (2 * PILE, PILE):
                found.append(
                    Box(left + step, top + step, width, height, fill, "border", 1.0, radius)
                )
        dashed = level in (ZERO, NONE) and not marked
        found.append(Box(left, top, width, height, fill, stroke, line, radius, dashed, item.hint))
        if item.output:
            found.append(
                Box(left + 3, top + 3, width - 6, height - 6, fill, stroke, 1.0, radius - 2.5)
            )
        muted = ink if level else "muted"
        for text, place in placed(block.lines, left + width / 2, top + TOP, ink, muted, "middle"):
            if _reached(moment, number, text.stage):
                found.append(place)
        return found

    def label(self, number: int, moment: Moment | None) -> list[Shape]:
        """The partial derivative, known as soon as the value that is computed with it."""
        block, place = self.labels[number], self.plan.labels[number]
        head = self.sketch.arrows[number].head
        if block is None or place is None or not _reached(moment, head, "value"):
            return []
        centre = self.point(*place)
        width, height = block.width + 6, block.height + 1
        left, top = centre.x - width / 2, centre.y - height / 2
        texts = placed(block.lines, centre.x, top + 0.5, "ink", "muted", "middle")
        ground = Box(left, top, width, height, "paper", radius=3.0)
        return [ground, *(words for _, words in texts)]

    def arrow(self, number: int, moment: Moment | None) -> list[Shape]:
        arrow, track = self.sketch.arrows[number], self.plan.tracks[number]
        marked = moment is not None and number in moment.marked_arrows
        role, line = ("accent", 2.4) if marked else ("edge", 1.2)
        first, last = track[0], track[-1]
        back = arrow.back and _reached(moment, arrow.head, "adjoint")
        found: list[Shape] = [self.curve(track, back, role, line)]
        found.append(self.arrowhead(last.across, last.end, -HEAD, role))
        if back:
            found.append(self.arrowhead(first.across, first.start, HEAD, "accent"))
        return found

    def curve(self, track: Sequence[Stop], back: bool, role: str, line: float) -> Curve:
        """Straight through the ranks that it passes, and from one to the next in a bend."""
        across, along = track[0].across, track[0].start + (HEAD - 1 if back else 0.0)
        end = track[-1].end - HEAD + 1
        pieces: list[tuple[Point, ...]] = [(self.point(across, along),)]

        def straight(to: float) -> None:
            nonlocal along
            if to > along:
                pieces.append((self.point(across, to),))
                along = to

        straight(track[0].end)
        for stop in track[1:]:
            begin = min(stop.start, end)
            if stop.across == across:
                straight(begin)
            else:
                bend = BEND * (begin - along)
                pieces.append(
                    (
                        self.point(across, along + bend),
                        self.point(stop.across, begin - bend),
                        self.point(stop.across, begin),
                    )
                )
                across, along = stop.across, begin
            straight(min(stop.end, end))
        return Curve(tuple(pieces), role, line)

    def arrowhead(self, across: float, tip: float, length: float, role: str) -> Curve:
        half = HEAD * 0.45
        corners = ((across, tip), (across - half, tip + length), (across + half, tip + length))
        return Curve(tuple((self.point(*corner),) for corner in corners), fill=role)


def _reached(moment: Moment | None, number: int, stage: str) -> bool:
    return moment is None or stage == "name" or stage in moment.known[number]


def outer(item: Item, block: Block) -> tuple[float, float]:
    """Width and height of an item with all that belongs to it."""
    rim = 2 * PILE if item.kind == "group" else 0.0
    return block.width + 2 * SIDE + rim, block.height + 2 * TOP + rim
