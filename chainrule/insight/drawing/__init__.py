"""The graph, drawn: boxes with values, edges with partial derivatives, colours by size."""

from __future__ import annotations

from chainrule.insight.drawing.drawing import Drawing
from chainrule.insight.drawing.sketch import Direction
from chainrule.insight.drawing.svg import Theme

__all__ = ["Direction", "Drawing", "Theme"]
