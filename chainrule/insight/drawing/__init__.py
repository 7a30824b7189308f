"""The graph, drawn: boxes with values, edges with partial derivatives, colours by size.

A graph and its sweeps become a ``Sketch`` (``picturing``): boxes and arrows with their texts. Its
boxes are placed (``layout``) and become a ``Scene`` of shapes (``composing``), which is written as
SVG (``svg``) or painted by matplotlib (``painting``).
"""

from __future__ import annotations

from chainrule.errors import ArgumentError, code_line
from chainrule.graph import user_code
from chainrule.insight.drawing.drawing import Drawing
from chainrule.insight.drawing.sketch import Direction, Sketch
from chainrule.insight.drawing.svg import Theme

MOST_BOXES = 2000


def drawn(sketch: Sketch, direction: Direction, theme: Theme, frames: bool) -> Drawing:
    """A sketch as a drawing, or as an animation.

    Raises:
        ArgumentError: an unknown direction or theme, or far too many boxes.
    """
    for name, given, known in (
        ("direction", direction, ("auto", "right", "down")),
        ("theme", theme, ("auto", "light", "dark")),
    ):
        if given not in known:
            raise ArgumentError(
                f"a drawing has no {name} {given!r}",
                got=f"{name}={given!r}",
                line=code_line(*user_code(2)),
                remedy=f"choose one of {', '.join(map(repr, known))}",
            )
    if len(sketch.items) > MOST_BOXES:
        raise ArgumentError(
            f"a drawing of {len(sketch.items):,} boxes cannot be read",
            got=f"at most {MOST_BOXES:,} are drawn",
            line=code_line(*user_code(2)),
            remedy="leave unfold out for groups, or unfold a layer, a function or some steps: "
            "unfold=(100, 140)",
        )
    if frames:
        from chainrule.insight.drawing.animation import Animation

        return Animation(sketch, direction, theme)
    from chainrule.insight.drawing.composing import compose

    return Drawing(compose(sketch, direction), theme)


__all__ = ["Direction", "Drawing", "Theme", "drawn"]
