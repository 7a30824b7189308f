"""A sketch becomes a scene: texts measured, boxes placed, edges drawn, a heading and a key set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chainrule.insight.drawing.layout import Layout, Link, Size, Stop, layout
from chainrule.insight.drawing.measure import text_width, wrapped
from chainrule.insight.drawing.palette import BAD, LEVELS, NONE, ZERO
from chainrule.insight.drawing.shapes import Box, Curve, Point, Scene, Shape, Words
from chainrule.insight.drawing.sketch import Arrow, Direction, Item, Line, Sketch
from chainrule.insight.words import number

MARGIN = 18.0
LEADING = 1.38  # height of a line against its size
SIDE, TOP = 11.0, 7.0  # room between the text of a box and its border
WIDEST = 230.0  # of a line of text in a box
LABEL = 11.0  # size of the labels of arrows
LABEL_WIDEST = 200.0
HEAD = 7.0  # length of an arrowhead
COMFORTABLE = 1000.0  # a drawing to the right that is wider goes down instead
NARROWEST = 330.0  # of the paper, so that heading and key have room


class _Block(NamedTuple):
    """Measured lines of text."""

    lines: list[Line]
    width: float
    height: float


def _block(lines: Sequence[Line], widest: float) -> _Block:
    broken = [
        line._replace(text=text)
        for line in lines
        for text in wrapped(line.text, line.size, widest, bold=line.bold)
    ]
    return _Block(
        broken,
        max((text_width(x.text, x.size, bold=x.bold) for x in broken), default=0.0),
        sum(x.size * LEADING for x in broken),
    )


def compose(sketch: Sketch, direction: Direction = "auto") -> Scene:
    """The scene of a sketch.

    Args:
        sketch: what to draw.
        direction: "right" or "down" for the flow from the inputs to the results; "auto" is right
            where that is no wider than a page.
    """
    blocks = [_block(item.lines, WIDEST) for item in sketch.items]
    labels = [
        _block([Line(text, LABEL) for text in a.lines], LABEL_WIDEST) if a.lines else None
        for a in sketch.arrows
    ]
    down = direction == "down"
    plan = _plan(sketch, blocks, labels, down)
    if direction == "auto" and plan.size.along > COMFORTABLE:
        down = True
        plan = _plan(sketch, blocks, labels, down)
    graph = _Drawn(sketch, blocks, labels, plan, down)
    width = max(plan.size.across if down else plan.size.along, NARROWEST)
    heading, y = _heading(sketch, width)
    shift = (width - (plan.size.across if down else plan.size.along)) / 2
    shapes = [*heading, *(_moved(s, MARGIN + shift, y) for s in graph.shapes())]
    y += plan.size.along if down else plan.size.across
    ending, y = _ending(sketch, width, y + 12.0)
    paper = Box(0.5, 0.5, width + 2 * MARGIN - 1, y + MARGIN - 1, "paper", "frame", 1.0, 8.0)
    return Scene((paper, *shapes, *ending), width + 2 * MARGIN, y + MARGIN, sketch.title)


def _plan(
    sketch: Sketch, blocks: Sequence[_Block], labels: Sequence[_Block | None], down: bool
) -> Layout:
    def size(block: _Block, side: float, top: float) -> Size:
        width, height = block.width + 2 * side, block.height + 2 * top
        return Size(width, height) if down else Size(height, width)

    return layout(
        [size(b, SIDE, TOP) for b in blocks],
        [
            Link(a.tail, a.head, None if label is None else size(label, 4.0, 1.0))
            for a, label in zip(sketch.arrows, labels, strict=True)
        ],
    )


class _Drawn:
    """The shapes of the graph itself, from the corner of the paper on."""

    def __init__(
        self,
        sketch: Sketch,
        blocks: Sequence[_Block],
        labels: Sequence[_Block | None],
        plan: Layout,
        down: bool,
    ) -> None:
        self.sketch, self.blocks, self.labels = sketch, blocks, labels
        self.plan, self.down = plan, down

    def shapes(self) -> list[Shape]:
        found: list[Shape] = []
        for arrow, track in zip(self.sketch.arrows, self.plan.tracks, strict=True):
            found += self.arrow(arrow, track)
        for label, place in zip(self.labels, self.plan.labels, strict=True):
            if label is not None and place is not None:
                found += self.label(label, self.point(*place))
        for item, block, place in zip(
            self.sketch.items, self.blocks, self.plan.centres, strict=True
        ):
            found += self.item(item, block, self.point(*place))
        return found

    def point(self, across: float, along: float) -> Point:
        return Point(across, along) if self.down else Point(along, across)

    def item(self, item: Item, block: _Block, centre: Point) -> list[Shape]:
        width, height = block.width + 2 * SIDE, block.height + 2 * TOP
        left, top = centre.x - width / 2, centre.y - height / 2
        fill = f"level-{item.level}" if item.level else "box"
        ink = f"on-{item.level}" if item.level else "ink"
        stroke, line = ("accent", 2.2) if item.marked else ("border", 1.0)
        radius = min(height / 2, 16.0) if item.kind == "input" else 6.0
        dashed = item.level in (ZERO, NONE) and not item.marked
        found: list[Shape] = []
        if item.kind == "group":
            for step in (6.0, 3.0):
                found.append(Box(left + step, top + step, width, height, fill, "border", 1, radius))
        if item.output:
            outer = Box(left - 3, top - 3, width + 6, height + 6, "paper", stroke, line, radius + 3)
            found.append(outer)
        found.append(Box(left, top, width, height, fill, stroke, line, radius, dashed, item.hint))
        return found + _set(block, centre.x, top + TOP, ink, ink if item.level else "muted")

    def label(self, block: _Block, centre: Point) -> list[Shape]:
        width, height = block.width + 6, block.height + 1
        left, top = centre.x - width / 2, centre.y - height / 2
        ground = Box(left, top, width, height, "paper", radius=3.0)
        return [ground, *_set(block, centre.x, top + 0.5, "ink", "muted")]

    def arrow(self, arrow: Arrow, track: Sequence[Stop]) -> list[Shape]:
        role, line = ("accent", 2.2) if arrow.marked else ("edge", 1.2)
        first, last = track[0], track[-1]
        start = first.start + (HEAD - 1 if arrow.back else 0.0)
        end = last.end - HEAD + 1
        pieces: list[tuple[Point, ...]] = [(self.point(first.across, start),)]
        along = max(start, first.end)
        if along > start:
            pieces.append((self.point(first.across, along),))
        before = first
        for stop in track[1:]:
            begin = min(stop.start, end)
            middle = (along + begin) / 2
            if stop.across == before.across:
                pieces.append((self.point(stop.across, begin),))
            else:
                pieces.append(
                    (
                        self.point(before.across, middle),
                        self.point(stop.across, middle),
                        self.point(stop.across, begin),
                    )
                )
            along = min(stop.end, end) if stop is last else stop.end
            if along > begin:
                pieces.append((self.point(stop.across, along),))
            before = stop
        found: list[Shape] = [Curve(tuple(pieces), role, line)]
        found.append(self.arrowhead(last.across, last.end, -HEAD, role))
        if arrow.back:
            found.append(self.arrowhead(first.across, first.start, HEAD, "accent"))
        return found

    def arrowhead(self, across: float, tip: float, length: float, role: str) -> Curve:
        half = HEAD * 0.45
        return Curve(
            (
                (self.point(across, tip),),
                (self.point(across - half, tip + length),),
                (self.point(across + half, tip + length),),
            ),
            fill=role,
        )


def _set(block: _Block, x: float, top: float, ink: str, muted: str) -> list[Shape]:
    """Lines of text, centred at x, from ``top`` on."""
    found: list[Shape] = []
    for line in block.lines:
        height = line.size * LEADING
        baseline = top + height / 2 + 0.36 * line.size
        width = text_width(line.text, line.size, bold=line.bold)
        role = muted if line.muted else ink
        found.append(Words(x, baseline, line.text, line.size, role, width, "middle", line.bold))
        top += height
    return found


def _left(lines: Sequence[Line], width: float, y: float) -> tuple[list[Shape], float]:
    """Lines of text at the left margin, broken at the width of the paper."""
    found: list[Shape] = []
    for line in _block(lines, width).lines:
        height = line.size * LEADING
        found.append(
            Words(
                MARGIN, y + height / 2 + 0.36 * line.size, line.text, line.size,
                "muted" if line.muted else "ink",
                text_width(line.text, line.size, bold=line.bold), "start", line.bold,
            )
        )  # fmt: skip
        y += height
    return found, y


def _heading(sketch: Sketch, width: float) -> tuple[list[Shape], float]:
    lines = [Line(sketch.title, 15.0, bold=True)]
    lines += [Line(text, 12.0, muted=True) for text in sketch.caption]
    found, y = _left(lines, width, MARGIN - 4)
    return found, y + 14.0


def _ending(sketch: Sketch, width: float, y: float) -> tuple[list[Shape], float]:
    """The key to the colours and forms, and the notes."""
    found: list[Shape] = []
    if sketch.scale is not None:
        found, y = _key(sketch, width, y + 6)
    notes, y = _left([Line(text, 11.5, muted=True) for text in sketch.notes], width, y)
    return [*found, *notes], y


def _key(sketch: Sketch, width: float, y: float) -> tuple[list[Shape], float]:
    """What each colour means: the scale with its ends, then what stands beside it."""
    assert sketch.scale is not None
    size, side, gap = 11.5, 13.0, 16.0
    words = {ZERO: "exactly 0", NONE: "no derivative arrives", BAD: "not finite"}
    parts: list[tuple[list[str], str, str]] = []  # swatches, text before, text after
    s = sketch.scale
    if s.least is not None and s.most is not None:
        least, most = number(s.least, 3), number(s.most, 3)
        parts.append((list(map(str, range(LEVELS))), f"{sketch.measure}:  {least}", most))
    parts += [([kind], "", words[kind]) for kind in (ZERO, NONE, BAD) if kind in s.beside]
    found: list[Shape] = []
    x = MARGIN
    for swatches, before, after in parts:
        lead = text_width(before, size) + 6 if before else 0.0
        whole = lead + side * len(swatches) + 6 + text_width(after, size)
        if x > MARGIN and x + whole > MARGIN + width:
            x, y = MARGIN, y + side + 8
        baseline = y + side / 2 + 0.36 * size
        if before:
            found.append(
                Words(x, baseline, before, size, "muted", text_width(before, size), "start")
            )
        x += lead
        for kind in swatches:
            dashed = kind in (ZERO, NONE)
            found.append(Box(x, y, side, side, f"level-{kind}", "border", 0.6, 0.0, dashed))
            x += side
        x += 6
        found.append(Words(x, baseline, after, size, "muted", text_width(after, size), "start"))
        x += text_width(after, size) + gap
    return found, y + side + 8


def _moved(shape: Shape, x: float, y: float) -> Shape:
    if isinstance(shape, Box):
        return Box(
            shape.x + x, shape.y + y, shape.width, shape.height, shape.fill, shape.stroke,
            shape.line, shape.radius, shape.dashed, shape.hint,
        )  # fmt: skip
    if isinstance(shape, Words):
        return Words(
            shape.x + x, shape.y + y, shape.text, shape.size, shape.fill, shape.width,
            shape.anchor, shape.bold,
        )  # fmt: skip
    pieces = tuple(tuple(Point(p.x + x, p.y + y) for p in piece) for piece in shape.pieces)
    return Curve(pieces, shape.stroke, shape.line, shape.fill, shape.dashed)
